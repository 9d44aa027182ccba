#!/usr/bin/python3
"""Did runs take the memory that was predicted, to the byte?  Exit code 1 and what differs, if not.

    predicted_is_measured.py RESULTS.h5 [PLAN.h5]

of the peak and of each kind of memory at the peak.  With PLAN.h5, `dpsweep plan -o` of the same points: also the work
of each phase and where the peak is, where all steps have the same number of samples and no other rank a share of them.
"""
import collections
import sys

import h5py


def read(path):
    """The columns of /runs by name."""
    with h5py.File(path) as file:
        return {name: column.asstr()[:] if h5py.check_string_dtype(column.dtype) else column[:]
                for name, column in file["runs"].items() if isinstance(column, h5py.Dataset) and column.ndim == 1}


def differing(name, predicted, measured, where):
    """Lines, one for each column in which runs differ."""
    wrong = (predicted != measured) & where
    if wrong.any():
        first = wrong.nonzero()[0][0]
        yield f"{wrong.sum()} runs differ in {name}: run {first} was to have {predicted[first]}, has {measured[first]}"


def check_peaks(runs):
    kinds = [name[len("peak_"):] for name in runs if name.startswith("peak_") and "predicted_" + name[5:] in runs]
    yield from differing("peak", runs["predicted_peak"], runs["peak_ledger"], runs["peak_ledger"] >= 0)
    for kind in kinds:
        yield from differing(kind, runs["predicted_" + kind], runs["peak_" + kind], runs["peak_ledger"] >= 0)
    if not kinds or not runs["peak_ledger"].all():
        yield "runs without memory: nothing was measured"


def check_plan(runs, plan):
    same_every_step = (runs["sampling"] == "shuffle") & (runs["ranks_per_run"] == 1)
    yield from differing("configuration", plan["config_sha256"], runs["config_sha256"], runs["peak_ledger"] >= 0)
    yield from differing("the plan's peak", plan["predicted_peak"], runs["peak_ledger"], runs["peak_ledger"] >= 0)
    for name in runs:
        if name.startswith(("flops_", "bytes_", "in_use_")) or name in ("flops", "peak_phase"):
            yield from differing(name, plan[name], runs[name], same_every_step)


def main():
    runs = read(sys.argv[1])
    wrong = list(check_peaks(runs))
    if len(sys.argv) > 2:
        wrong += check_plan(runs, read(sys.argv[2]))
    axes = ("trainer", "clipping", "precision", "recompute", "ranks_per_run")
    met = collections.Counter(zip(*(runs[axis] for axis in axes)))
    print(f"{len(runs['status'])} runs, {len(met)} combinations of {', '.join(axes)}")
    print("\n".join(wrong) or "... all took what was predicted")
    sys.exit(bool(wrong))


main()
