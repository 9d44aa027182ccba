#!/usr/bin/python3
"""damage_results.py HOW FROM.h5 TO.h5: a results file that lacks something.

HOW is norows (no runs), nocolumn (/runs/throughput_p50), nosteps (all of /steps), lengths (a column is too short),
other (an HDF5 file of somebody else), cut (half the bytes), flip (a byte inside a column is another).
"""
import shutil
import sys

import h5py

how, source, target = sys.argv[1:]
shutil.copy(source, target)


def replace(group, name, values):
    attributes = dict(group[name].attrs)
    attributes.pop("DIMENSION_LIST", None)
    attributes.pop("REFERENCE_LIST", None)
    del group[name]
    group.create_dataset(name, data=values).attrs.update(attributes)


if how in ("cut", "flip"):
    with h5py.File(source) as f:
        offset = f["runs/step_time_p50"].id.get_chunk_info(0).byte_offset if how == "flip" else 0
    with open(target, "r+b") as raw:
        raw.seek(0, 2)
        if how == "cut":
            raw.truncate(raw.tell() // 2)
        else:
            raw.seek(offset + 5)
            byte = raw.read(1)
            raw.seek(offset + 5)
            raw.write(bytes([byte[0] ^ 255]))
elif how == "other":
    with h5py.File(target, "w") as f:
        f["data"] = [1.0, 2.0]
else:
    with h5py.File(target, "r+") as f:
        if how == "nocolumn":
            del f["runs/throughput_p50"]
        elif how == "nosteps":
            del f["steps"]
        elif how == "lengths":
            replace(f["runs"], "step_time_p50", f["runs/step_time_p50"][:-1])
        elif how == "norows":
            for name in list(f["runs"]):
                replace(f["runs"], name, f["runs"][name][:0])
        else:
            sys.exit(f"damage_results.py: {how} is none of those named in its first lines")
