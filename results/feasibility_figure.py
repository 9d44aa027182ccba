#!/usr/bin/python3
"""What fits where, as a picture: docs/feasibility.svg, which `make feasibility` writes.

    dpsweep plan jobs/feasibility.sweep --target NAME,NAME --json | results/feasibility_figure.py > docs/feasibility.svg

One panel for each trainer, batch size over sequence length; a cell is the peak in GiB, its colour the smallest target
that holds it.  Written without matplotlib, so that the same plan is the same file everywhere and a test can compare.
Only the standard library is needed.
"""
import json
import sys

from feasibility import GIB, by_memory, smallest, usable, values

CELL_WIDTH, CELL_HEIGHT, LEFT, TOP, GAP = 80, 22, 52, 58, 34
COLOURS = ["#FDE7A9", "#B8DE8F", "#5FBF9B", "#2A8FA3", "#27567B"]   # the smallest target is the lightest
INK = {"#2A8FA3": "#FFFFFF", "#27567B": "#FFFFFF"}
NONE = "#D9D9D9"


def text(x, y, words, anchor="middle", colour="#222222", weight="normal"):
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{colour}" font-weight="{weight}">{words}</text>'


def box(x, y, width, colour):
    return f'<rect x="{x}" y="{y}" width="{width}" height="{CELL_HEIGHT}" fill="{colour}" stroke="#FFFFFF"/>'


def cell(x, y, point, colours):
    colour = colours.get(smallest(point, colours), NONE)
    yield box(x, y, CELL_WIDTH, colour)
    yield text(x + CELL_WIDTH / 2, y + 15, f"{point['predicted_peak'] / GIB:.1f}", colour=INK.get(colour, "#222222"))


def panel(x, y, trainer, points, colours):
    """B upwards, T to the right."""
    batches, lengths = sorted(values(points, "batch_size")), sorted(values(points, "seq_len"))
    bottom = y + CELL_HEIGHT * len(batches)
    yield text(x, y - 8, trainer, anchor="start", weight="bold")
    for j, batch in enumerate(batches):
        yield text(x - 6, bottom - CELL_HEIGHT * j - 7, f"B {batch}", anchor="end")
    for i, length in enumerate(lengths):
        yield text(x + CELL_WIDTH * (i + 0.5), bottom + 15, f"T {length}")
    for p in points:
        if p["trainer"] == trainer:
            yield from cell(x + CELL_WIDTH * lengths.index(p["seq_len"]),
                            bottom - CELL_HEIGHT * (batches.index(p["batch_size"]) + 1), p, colours)


def legend(y, targets, colours):
    x = LEFT
    words = [(f"{name}, {usable(target):.0f} GiB", colours[name]) for name, target in targets.items()]
    for label, colour in words + [("none of them", NONE)]:
        yield box(x, y, 22, colour)
        yield text(x + 28, y + 15, label, anchor="start")
        x += 48 + 6.4 * len(label)


def figure(plan):
    points, targets = plan["points"], by_memory(plan["targets"])
    colours = dict(zip(targets, COLOURS))
    trainers = values(points, "trainer")
    panel_width = LEFT + GAP + CELL_WIDTH * len(values(points, "seq_len"))
    panel_height = TOP + CELL_HEIGHT * len(values(points, "batch_size"))
    width, height = 2 * panel_width, panel_height * ((len(trainers) + 1) // 2) + TOP + 2 * CELL_HEIGHT
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
           'font-family="sans-serif" font-size="12">')
    yield f'<rect width="{width}" height="{height}" fill="#FFFFFF"/>'
    yield text(LEFT, 22, f"Peak memory of a step of {points[0]['model']}, GiB, and the smallest device that holds it",
               anchor="start", weight="bold")
    for i, trainer in enumerate(trainers):
        yield from panel(LEFT + panel_width * (i % 2), TOP + panel_height * (i // 2), trainer, points, colours)
    yield from legend(height - 2 * CELL_HEIGHT, targets, colours)
    yield "</svg>"


if __name__ == "__main__":
    print("\n".join(figure(json.load(sys.stdin))))
