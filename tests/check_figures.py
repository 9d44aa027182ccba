#!/usr/bin/python3
"""check_figures.py FILE.h5: the numbers of results/figure_tables.py and those that results/figures.py draws, against
loops over the columns of the file.  Exit status 1 and one line for each thing that is wrong.
"""
import os
import sys

import h5py
import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "results"))
import figure_tables as tables  # noqa: E402
import figures  # noqa: E402
import reading  # noqa: E402
import style  # noqa: E402

MIB = 2**20
wrong = []


def need(condition, text):
    if not condition:
        wrong.append(text)


def near(a, b):
    return np.allclose(a, b, rtol=1e-12, atol=0, equal_nan=True)


class File:
    """Rows of /runs as dictionaries, made without pandas or any of results/."""

    def __init__(self, path):
        with h5py.File(path) as f:
            text = {n for n, v in f["runs"].items() if v.dtype.kind == "O"}
            columns = {n: v.asstr()[:] if n in text else v[:] for n, v in f["runs"].items()}
            self.runs = [{n: columns[n][i] for n in columns} for i in range(len(columns["run"]))]
            self.kinds = list(f["memory/category"].asstr()[:])
            self.steps = {n: v[:] for n, v in f["steps"].items()}
            self.timeline = {n: v[:] for n, v in f["timeline"].items() if n != "category"} if "timeline" in f else None
        self.right = [r for r in self.runs if r["status"] == "ok" and r["verdict"] != "INVALID"]
        self.invalid = [r for r in self.runs if r["verdict"] == "INVALID"]

    def standard(self, run):
        """The base line; the sweeps of this test vary trainer, batch and length only."""
        same = [r for r in self.right if r["trainer"] == "standard" and r["batch_size"] == run["batch_size"]
                and r["seq_len"] == run["seq_len"]]
        return same[0] if same else None


def rows_of(table):
    """{(series, B, T): row}; each point once."""
    found = {(r.series, r.batch_size, r.seq_len): r for r in table.itertuples()}
    need(len(found) == len(table), "a point is twice in a table")
    return found


def point(run):
    return run["trainer"], run["batch_size"], run["seq_len"]


def same_points(table, runs, what):
    found = rows_of(table)
    need(set(found) == {point(r) for r in runs}, f"{what}: other points than the valid runs")
    return [(r, found[point(r)]) for r in runs if point(r) in found]


def check_tables(file, results):
    for run, row in same_points(tables.memory_by_kind(results), file.right, "memory by kind"):
        need(all(near(getattr(row, k), run[f"peak_{k}"] / MIB) for k in file.kinds), f"{point(run)}: memory by kind")
        need(near(row.peak_mib, run["peak_ledger"] / MIB), f"{point(run)}: peak")
    for run, row in same_points(tables.throughput(results), file.right, "throughput"):
        base = file.standard(run)
        ratio = run["step_time_p50"] / base["step_time_p50"] if base else np.nan
        need(near(row.tokens_per_s, run["throughput_p50"]), f"{point(run)}: tokens/s")
        need(near(row.time_ratio, ratio), f"{point(run)}: ratio")
        need(row.throughput_min <= row.tokens_per_s <= row.throughput_max, f"{point(run)}: band")
    for run, row in same_points(tables.phase_times(results), file.right, "phases"):
        phases = [n for n in run if n.startswith("time_")]
        need(len(phases) >= 8 and all(near(getattr(row, p[5:]), 1e3 * run[p]) for p in phases), f"{point(run)}: phases")
        need(near(row.step_ms, 1e3 * run["step_time_p50"]), f"{point(run)}: step")
    private = [r for r in file.right if r["trainer"] != "standard" and file.standard(r)]
    for run, row in same_points(tables.privacy_cost(results), private, "privacy cost"):
        base = file.standard(run)
        need(near(row.memory_ratio, run["peak_ledger"] / base["peak_ledger"]), f"{point(run)}: memory ratio")


def check_peaks(file, results):
    """Memory of runs that had too little is the predicted one; the frontier is what a limit lets through."""
    short = [r for r in file.runs if r["status"].startswith("oom") or r["status"] == "skipped"]
    for run, row in same_points(tables.peaks(results), file.right + short, "peaks"):
        need(row.measured == (run["status"] == "ok"), f"{point(run)}: measured")
        need(near(row.peak_mib, run["peak_ledger" if row.measured else "predicted_peak"] / MIB), f"{point(run)}: peak")
    limit = np.median([r["predicted_peak"] for r in file.right]) / MIB
    for used, fits in ((limit, lambda r: r["predicted_peak"] <= limit * MIB), (None, lambda r: r["status"] == "ok")):
        for row in tables.frontier(results, used).itertuples():
            tried = [r for r in file.right + short if (r["trainer"], r["seq_len"]) == (row.series, row.seq_len)]
            best = max((r["batch_size"] for r in tried if fits(r)), default=0)
            need(row.largest_batch == best, f"{row.series} T={row.seq_len}: {row.largest_batch} fits, not {best}")
            larger = any(r["batch_size"] > best for r in tried)
            need(row.larger_tried == larger, f"{row.series} T={row.seq_len}: was a larger one tried?")


def check_steps(file, results):
    table = tables.step_times(results)
    need(set(table["run"]) == {r["run"] for r in file.right}, "step times of other runs than the valid ones")
    for run in file.right:
        rows = slice(int(run["steps_start"]), int(run["steps_start"] + run["steps_count"]))
        times = file.steps["step_time"][rows][file.steps["measured"][rows] == 1]
        mine = table[table["run"] == run["run"]]
        need(near(mine["relative"], times / np.median(times)), f"{point(run)}: relative step times")


def check_timeline(file, results):
    if file.timeline is None:
        return
    table = tables.timelines(results)
    for run in file.right:
        rows = slice(int(run["timeline_start"]), int(run["timeline_start"] + run["timeline_count"]))
        mine = table[table["run"] == run["run"]]
        times = 1e3 * file.timeline["time"][rows]
        need(len(times) > 2 and near(mine["ms"], times), f"{point(run)}: times of the timeline")
        need(near(mine[file.kinds], file.timeline["bytes"][rows] / MIB), f"{point(run)}: bytes of the timeline")
        top = mine[file.kinds].sum(axis=1).max() * MIB
        need(top <= run["peak_ledger"], f"{point(run)}: the timeline goes above the peak")
    draw(results, "timeline")


def draw(results, name, **options):
    (figure,) = [f for f in figures.FIGURES if f.name == name]
    return figure.draw(results, tables.described(results)["model"].iloc[0], options)


def ink(axes, trainer, solid=True):
    """What is drawn in the colour of a trainer: lines with solid or other style, as (x, y)."""
    colour, marker = style.look(trainer)
    return [line.get_xydata() for line in axes.lines if line.get_color() == colour and line.get_marker() == marker
            and (line.get_linestyle() == "-") == solid]


def check_lines(file, results):
    """The lines are the numbers; INVALID is a cross and never a point of a line."""
    for name, y, x, by in (("throughput-by-batch", "throughput_p50", "batch_size", "seq_len"),
                           ("memory-by-seq", "peak_ledger", "seq_len", "batch_size")):
        figure = draw(results, name)
        panels = sorted({r[by] for r in file.runs})
        for axes, value in zip(figure.axes, panels):
            here = [r for r in file.right if r[by] == value]
            unit = MIB if y == "peak_ledger" else 1
            for trainer in {r["trainer"] for r in here}:
                expected = sorted((r[x], r[y] / unit) for r in here if r["trainer"] == trainer)
                (drawn,) = ink(axes, trainer)
                measured = drawn[:len(expected)] if y == "peak_ledger" else drawn       # then those only predicted
                need(near(measured, expected), f"{name}, {by} {value}: the line of {trainer}")
            bad = [r for r in file.invalid if r[by] == value]
            crosses = [line for line in axes.lines if line.get_marker() == "x"]
            need(sum(len(c.get_xdata()) for c in crosses) == len(bad), f"{name}, {by} {value}: {len(bad)} crosses")
            need(all(not ink(axes, r["trainer"]) for r in bad), f"{name}, {by} {value}: a line of an INVALID trainer")


def check_bars(file, results):
    figure = draw(results, "memory-by-kind")
    points = sorted({(r["batch_size"], r["seq_len"]) for r in file.runs}, key=lambda p: (p[1], p[0]))
    need(len(points) == len(figure.axes), "a panel for each B and T")
    for (b, t), axes in zip(points, figure.axes):
        here = [r for r in file.right if (r["batch_size"], r["seq_len"]) == (b, t)]
        widths, ends = {}, {}
        for bar in axes.patches:
            middle = round(bar.get_y() + bar.get_height() / 2)
            widths[middle] = widths.get(middle, 0) + bar.get_width()
            ends[middle] = max(ends.get(middle, 0), bar.get_x() + bar.get_width())
        names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
        for run in here:
            total = sum(run[f"peak_{kind}"] for kind in file.kinds) / MIB
            y = names.index(run["trainer"])
            need(np.isclose(widths[y], total) and np.isclose(ends[y], total), f"{point(run)}: length of its bar")
        need(len(widths) == len(here), f"B={b} T={t}: bars of runs that are not valid")
        words = [text.get_text() for text in axes.texts]
        bad = [r for r in file.runs if (r["batch_size"], r["seq_len"]) == (b, t) and r not in here]
        need(sum("no result" in word for word in words) == len(bad), f"B={b} T={t}: {len(bad)} runs without result")
        need(sum("INVALID" in word for word in words) == sum(r["verdict"] == "INVALID" for r in bad), f"B={b}: INVALID")


def check_signature(file, results):
    """Every figure says which file, when, host and device, and what it leaves out."""
    for figure in figures.FIGURES:
        try:
            made = draw(results, figure.name, limit_mib=1.0)
        except reading.Problem:
            continue
        text = " ".join(" ".join(t.get_text() for t in made.texts).split())
        start = min(r["start_time"] for r in file.runs)
        when = np.datetime_as_string(np.datetime64(int(start), "s"), unit="m").replace("T", " ") + " UTC"
        for part in (os.path.basename(results.path), when, file.runs[0]["host"], file.runs[0]["device_name"]):
            need(part in text, f"{figure.name} does not say {part}")
        left_out = f"{file.invalid[0]['trainer']} INVALID ({len(file.invalid)} runs)"
        need(left_out in text, f"{figure.name} hides what is INVALID")
        for axis in (made.axes[0].yaxis, made.axes[-1].xaxis):
            words = axis.get_label_text() or " ".join(label.get_text() for label in axis.get_ticklabels())
            need(words, f"{figure.name} has an axis without name")


def check_doubt(file, results):
    """A run that calls itself ok with the verdict INVALID is not drawn either."""
    row = next(i for i, r in enumerate(file.runs) if r in file.right and r["trainer"] != "standard")
    results.runs.loc[row, "verdict"] = "INVALID"
    key = point(file.runs[row])
    for table in (tables.throughput, tables.memory_by_kind, tables.phase_times, tables.peaks, tables.privacy_cost):
        need(key not in rows_of(table(results)), f"{table.__name__} has an INVALID run")


def seen_by(rgb, kind):
    """Linear RGB as seen by people without one kind of cone (Vienot, Brettel and Mollon 1999)."""
    m = {"normal": np.eye(3), "protan": [[.11238, .88762, 0], [.11238, .88762, 0], [.00401, -.00401, 1]],
         "deutan": [[.29275, .70725, 0], [.29275, .70725, 0], [-.02234, .02234, 1]]}[kind]
    return np.clip(np.asarray(m) @ rgb, 0, 1)


def lab(rgb):
    xyz = np.array([[.4124, .3576, .1805], [.2126, .7152, .0722], [.0193, .1192, .9505]]) @ rgb / [.9505, 1, 1.089]
    f = np.where(xyz > .008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def check_colours(_, results):
    """Trainers differ in colour, for colour-blind readers too, and in marker; there are enough colours."""
    need(len({marker for _, marker in style.TRAINERS.values()}) == len(style.TRAINERS), "two trainers have one marker")
    need(len(style.MUTED) >= len(results.kinds), "more kinds of memory than colours")
    need(len(style.PALE) > len(results.phases), "more phases than colours")         # and one for what is outside of all
    hexes = {name: colour for name, (colour, _) in style.TRAINERS.items()}
    srgb = {name: np.array([int(h[i:i + 2], 16) for i in (1, 3, 5)]) / 255 for name, h in hexes.items()}
    linear = {name: ((c + .055) / 1.055)**2.4 for name, c in srgb.items()}
    for kind in ("normal", "protan", "deutan"):
        seen = {name: lab(seen_by(rgb, kind)) for name, rgb in linear.items()}
        for a in seen:
            for b in seen:                                # 2.3 is just noticeable
                need(a >= b or np.linalg.norm(seen[a] - seen[b]) > 10, f"{a} and {b} look alike ({kind})")


def main():
    for name, check in list(globals().items()):
        if name.startswith("check_"):
            check(File(sys.argv[1]), reading.read_results(sys.argv[1]))
    print("\n".join(wrong[:20]))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
