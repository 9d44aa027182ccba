#!/usr/bin/python3
"""What fits where, as a page: docs/feasibility.md, which `make feasibility` writes.

    dpsweep plan jobs/feasibility.sweep --target NAME,NAME --json | results/feasibility.py > docs/feasibility.md

Only the standard library is needed.
"""
import json
import sys

GIB = 2.0 ** 30
BATCH_SIZES, SEQ_LENS = [4, 8, 16, 32], [512, 1024, 2048]   # of the tables; the figure has all that the plan has


def usable(target):
    return (target["memory_bytes"] - target["kept_bytes"]) / GIB


def values(points, key):
    """The values of a field in the order of their first appearance."""
    return list(dict.fromkeys(point[key] for point in points))


def by_memory(targets):
    return dict(sorted(targets.items(), key=lambda item: item[1]["memory_bytes"]))


def smallest(point, targets):
    """The first target, in the order of their memory, on which the point fits; None: none."""
    return next((name for name in targets if point["targets"][name]["fits"]), None)


def cell(point, targets):
    name = smallest(point, targets)
    return f"{point['predicted_peak'] / GIB:.1f} GiB, " + (f"**{name}**" if name else "none")


def table(points, targets, seq_len):
    yield f"\n### T = {seq_len}\n"
    yield "| trainer | " + " | ".join(f"B = {batch}" for batch in BATCH_SIZES) + " |"
    yield "|---|" + "---|" * len(BATCH_SIZES)
    for trainer in values(points, "trainer"):
        row = [p for p in points if p["trainer"] == trainer and p["seq_len"] == seq_len and
               p["batch_size"] in BATCH_SIZES]
        yield f"| `{trainer}` | " + " | ".join(cell(p, targets) for p in row) + " |"


def page(plan):
    points = plan["points"]
    first = points[0]
    targets = by_memory(plan["targets"])
    yield "# What fits where\n"
    yield "Written by `make feasibility`; do not edit. Nothing was run: these are dry runs of the program, which agree"
    yield "with real ones to the byte ([planning.md](planning.md)).\n"
    yield f"Model `{first['model']}`: {first['n_params'] / 1e6:.0f} million parameters, {first['precision']},"
    yield f"optimizer {first['optimizer']}, flat clipping, the whole batch in memory at once. The bytes are those of the"
    yield f"{plan['built_for']} build. Each cell is the peak of a step and the smallest of these devices that holds it:\n"
    yield "| target | memory of a run |\n|---|---:|"
    for name, target in targets.items():
        yield f"| {name} | {usable(target):.1f} GiB |"
    yield "\n![Peak memory over batch size and sequence length](feasibility.svg)"
    for seq_len in SEQ_LENS:
        yield from table(points, targets, seq_len)
    yield "\nTrainers that split their work need less: `--trainer microbatch`, or any with `--physical-batch-size 1`."


if __name__ == "__main__":
    print("\n".join(page(json.load(sys.stdin))))
