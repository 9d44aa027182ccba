#!/usr/bin/python3
"""spoil_results.py FILE.h5 FAULT...: writes FAULT.h5 beside it for each, a copy with one fault or change planted, for
test_validate.sh and test_compare.sh."""
import os
import shutil
import sys

import h5py
import numpy


def put(f, column, row, value):
    values = f[column][:]
    values[row] = value
    f[column][...] = values


def put_run(f, name, row, value):
    """In /runs and in /tables/runs, so that only what follows from the value is wrong."""
    put(f, f"runs/{name}", row, value)
    table = f["tables/runs"][:]
    table[name][row] = value.encode() if isinstance(value, str) else value
    f["tables/runs"][...] = table


def scaled(f, name, row, factor):
    put_run(f, name, row, f["runs"][name][row] * factor)


def flip_chunk(f):
    offset = f["steps/loss"].id.get_chunk_info(0).byte_offset
    path = f.filename
    f.close()
    data = bytearray(open(path, "rb").read())
    data[offset + 9] ^= 4
    open(path, "wb").write(data)


def table_only(f):
    table = f["tables/runs"][:]
    table["seq_len"][1] += 1
    f["tables/runs"][...] = table


def unknown(f):
    """The file of a program that had one column less."""
    table = f["tables/runs"]
    names = [name for name in table.dtype.names if name != "step_rel_err"]
    rows = numpy.empty(len(table), [(name, table.dtype[name]) for name in names])
    for name in names:
        rows[name] = table[:][name]
    del f["runs/step_rel_err"], f["tables/runs"]
    f["tables/runs"] = rows


def times(factor):
    """Steady steps that nobody disturbed, so that a comparison is about the factor alone."""
    def plant(f):
        column = f["steps/step_time"]
        column[...] = [factor * 0.1 * (1 + 0.01 * (i % 7 - 3)) for i in range(len(column))]
        for name in ("step_time_p50", "step_cpu_time_p50"):
            f["runs"][name][...] = factor * 0.1 * (f["runs/threads"][:] if "cpu" in name else 1)
    return plant


FAULTS = {
    "attribute": lambda f: f.attrs.pop("git_commit"),
    "unknown": unknown,
    "column": lambda f: f["runs"].pop("grad_rel_err"),
    "units": lambda f: f["steps/step_time"].attrs.modify("units", "seconds"),
    "status": lambda f: put_run(f, "status", 0, "fine"),
    "verdict": lambda f: put_run(f, "verdict", 1, "INVALID"),
    "error": lambda f: put_run(f, "grad_rel_err", 1, 0.5),
    "noise": lambda f: put_run(f, "noise_variance_ratio", 1, 2.0),
    "median": lambda f: scaled(f, "step_time_p50", 0, 1.001),
    "tokens": lambda f: put_run(f, "token_count", 0, 1),
    "slices": lambda f: put(f, "runs/steps_count", 2, 1000),
    "key": lambda f: put(f, "steps/run", 3, 1),
    "run_id": lambda f: put_run(f, "run_id", 1, 0),
    "identity": lambda f: put_run(f, "batch_size", 1, 3),
    "range": lambda f: put_run(f, "dropout", 1, 2.0),
    "word": lambda f: put_run(f, "trainer", 1, "nonesuch"),
    "kinds": lambda f: put_run(f, "peak_ledger", 1, 1000),
    "timeline": lambda f: put(f, "timeline/bytes", 4, 1 << 40),
    "times": lambda f: put_run(f, "end_time", 0, 1.0),
    "phases": lambda f: put(f, "steps/time_forward", 1, 99.0),
    "protection": lambda f: put_run(f, "unprotected_params", 1, 7),
    "count": lambda f: f.attrs.modify("run_count", 5),
    "table": table_only,
    "bit": flip_chunk,
    "steady": times(1.0),
    "slower": times(1.05),
    "faster": times(1 / 1.05),
    "memory": lambda f: scaled(f, "peak_ledger", 1, 1.01),
    "failed": lambda f: put_run(f, "status", 1, "crashed"),
}

if __name__ == "__main__":
    for fault in sys.argv[2:]:
        path = os.path.join(os.path.dirname(sys.argv[1]), fault + ".h5")
        shutil.copyfile(sys.argv[1], path)
        with h5py.File(path, "r+") as file:
            FAULTS[fault](file)
