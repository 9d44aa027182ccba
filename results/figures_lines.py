"""figures_lines.py - what is measured against batch size and sequence length: throughput, memory, what fits."""
import figure_tables as tables
from figure_parts import Line, not_drawn, of_model, series_handles, thinned
from reading import Problem, np
from style import WRONG, byte_unit, in_order, legend, look, looks, matplotlib, short, sign, sketch, ticks_at, trainer_of

HOLLOW_TIME = "hollow: its threads ran less than 80 % of the time (shared machine, or too small a run)"


def mark_missing(figure_axes, runs, x, by):
    """A strip below the data, a row for each series: a cross where a run is INVALID, a dash where it has no result."""
    bad = runs[runs["outcome"] != ""]
    rows = in_order(bad["series"])
    if not rows:
        return
    height = 0.045
    share = height * len(rows)
    for axes, value in figure_axes:
        strip = matplotlib.patches.Rectangle((0, 0), 1, share, transform=axes.transAxes, color="#EEEEEE", zorder=0)
        axes.add_artist(strip)
        for row, name in enumerate(rows):
            for wrong in (True, False):
                here = (bad["series"] == name) & ((bad["outcome"] == "INVALID") == wrong) & (bad[by] == value)
                if here.any():
                    axes.plot(bad.loc[here, x], [height * (row + 0.5)] * here.sum(), linestyle="none", markersize=6,
                              marker="x" if wrong else "_", color=look(trainer_of(name))[0], markeredgewidth=2,
                              transform=axes.get_xaxis_transform())
    bottom, top = axes.get_ylim()               # the panels of a row share this axis
    ticks = [t for t in axes.get_yticks() if bottom <= t <= top]
    if axes.get_yscale() == "log":
        axes.set_ylim(bottom / (top / bottom) ** (share / (1 - share)), top)
    else:
        axes.set_ylim(bottom - (top - bottom) * share / (1 - share), top)
    axes.set_yticks(ticks)


def missing_handles(runs):
    bad = runs[runs["outcome"] != ""]
    invalid = bad["outcome"] == "INVALID"
    handles = []
    if invalid.any():
        wrong = ", ".join(in_order(bad.loc[invalid, "series"]))
        handles.append(Line([], [], linestyle="none", marker="x", markersize=7, markeredgewidth=2, color="#555555",
                            label=f"INVALID: no result\n({wrong})"))
    if (~invalid).any():
        handles.append(Line([], [], linestyle="none", marker="_", markersize=7, markeredgewidth=2, color="#555555",
                            label="no result (see below)"))
    return handles


# label with unit, letter, name
AXIS = {"batch_size": ("batch size B (samples)", "B", "batch size"),
        "seq_len": ("sequence length T (tokens)", "T", "sequence length")}


def panel_width(values):
    """Inches; a single panel is wider."""
    return max(3.4, 5.4 / len(values))


def lines(figure_axes, table, x, by, y, hollow, span=None):
    """One panel for each value of `by`: y against x, a line for each series; hollow points where `hollow` is true."""
    styles = looks(table["series"])
    for axes, value in figure_axes:
        panel = table[table[by] == value].sort_values(x)
        for name in in_order(panel["series"]):
            points = panel[panel["series"] == name]
            axes.plot(points[x], points[y], **styles[name])
            weak = points[points[hollow]]
            axes.plot(weak[x], weak[y], **{**styles[name], "linestyle": "none", "markerfacecolor": "white"})
            if span:
                axes.fill_between(points[x], points[span[0]], points[span[1]], color=styles[name]["color"], alpha=0.1,
                                  linewidth=0)
        axes.set_xscale("log")
        ticks_at(axes.xaxis, table[x].unique())
        axes.set_xlabel(AXIS[x][0])


def against(table, x):
    if table[x].nunique() < 2:
        raise Problem(f"there is one {AXIS[x][2]} only")
    by = "seq_len" if x == "batch_size" else "batch_size"
    values, note = thinned(table[by], AXIS[by][1])
    return by, values, note


def throughput(x, results, model, _):
    table = of_model(tables.throughput(results), model)
    runs = of_model(tables.described(results), model)
    by, values, note = against(table, x)
    figure, axes = sketch(2, len(values), panel_width(values), 2.6, sharex=True, sharey="row")
    for row, y, span in ((0, "tokens_per_s", ("throughput_min", "throughput_max")), (1, "time_ratio", None)):
        lines(zip(axes[row], values), table, x, by, y, "disturbed", span)
        axes[row][0].set_ylim(bottom=0)
        mark_missing(list(zip(axes[row], values)), runs, x, by)
    for top, value in zip(axes[0], values):
        top.set_title(f"{AXIS[by][1]} = {value}")
        top.set_xlabel("")
    for bottom in axes[1]:
        bottom.axhline(1, color="black", linewidth=0.8)
    axes[0][0].set_ylabel("throughput (tokens/s)")
    axes[0][0].yaxis.set_major_formatter(matplotlib.ticker.StrMethodFormatter("{x:,.0f}"))
    axes[1][0].set_ylabel("step time / standard's (ratio)")
    legend(axes[0][-1], series_handles(table["series"]) + missing_handles(runs))
    notes = ["lines: medians over the measured steps; bands: slowest to fastest step", note, not_drawn(runs)]
    if table["disturbed"].any():
        notes.insert(1, HOLLOW_TIME)
    return sign(figure, f"Throughput against {AXIS[x][2]}: {model}", results, notes)


def memory(x, results, model, options):
    table = of_model(tables.peaks(results), model).assign(predicted=lambda t: ~t["measured"])
    runs = of_model(tables.described(results), model)
    by, values, note = against(table, x)
    divisor, unit = byte_unit(table["peak_mib"].max())
    table["peak_mib"] /= divisor
    height = max(3.2, 1 + 0.19 * table["series"].nunique())
    figure, axes = sketch(1, len(values), panel_width(values), height, sharey=True)
    lines(zip(axes[0], values), table, x, by, "peak_mib", "predicted")
    wrong = runs[runs["outcome"] == "INVALID"]
    limit = options.get("limit_mib")
    for panel, value in zip(axes[0], values):
        panel.set_title(f"{AXIS[by][1]} = {value}")
        panel.set_yscale("log", base=2)
        if table["peak_mib"].max() < 8 * table["peak_mib"].min():       # too few powers of two to read the axis by
            panel.yaxis.set_major_locator(matplotlib.ticker.MaxNLocator(6))
        panel.yaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda v, _: short(v)))
        panel.yaxis.set_minor_locator(matplotlib.ticker.NullLocator())
        if limit:
            panel.axhline(limit / divisor, color=WRONG, linewidth=1.2)
    axes[0][0].set_ylabel(f"peak device memory ({unit})")
    mark_missing(list(zip(axes[0], values)), wrong, x, by)
    extra = [Line([], [], color=WRONG, label="memory limit")] if limit else []
    legend(axes[0][-1], series_handles(table["series"]) + extra + missing_handles(wrong))
    notes = ["hollow: predicted, not run" if table["predicted"].any() else "", note, not_drawn(runs)]
    return sign(figure, f"Memory against {AXIS[x][2]}: {model}", results, notes)


def frontier(results, model, options):
    """Largest batch that fits, at each T: both axes are lists of what was tried."""
    limit = options.get("limit_mib")
    runs = of_model(tables.described(results), model)
    table = of_model(tables.frontier(results, limit), model)
    if not limit and not runs["outcome"].str.startswith("oom").any():
        raise Problem("nothing ran out of memory and there is no limit: --memory-limit SIZE draws the frontier")
    batches, lengths = sorted(runs["batch_size"].unique()), sorted(table["seq_len"].unique())
    series = in_order(table["series"])
    figure, ((axes,),) = sketch(1, 1, 3 + 1.5 * len(lengths), max(2.6, 1.2 + 0.45 * len(batches)))
    for k, (name, style) in enumerate(looks(series).items()):
        rows = table[table["series"] == name].sort_values("seq_len")
        shift = 0.7 * ((k + 0.5) / len(series) - 0.5)        # side by side, not on top of one another
        at = [lengths.index(t) + shift for t in rows["seq_len"]]
        up = [1 + batches.index(b) if b else 0 for b in rows["largest_batch"]]
        axes.plot(at, up, alpha=0.45, **{**style, "marker": "", "linewidth": 1})
        bounded = rows["larger_tried"].to_numpy()
        for chosen, face in ((bounded, style["color"]), (~bounded, "white")):
            axes.plot(np.array(at)[chosen], np.array(up)[chosen], **{**style, "linestyle": "none", "markersize": 8,
                                                                    "markerfacecolor": face})
    axes.set_xticks(range(len(lengths)), lengths)
    axes.set_yticks(range(len(batches) + 1), ["none", *batches])
    axes.set_ylim(-0.4, len(batches) + 0.4)
    axes.set_xlabel(AXIS["seq_len"][0])
    axes.set_ylabel("largest batch size that fits")
    legend(axes, [Line([], [], label=n, **{**s, "markersize": 8}) for n, s in looks(series).items()])
    divisor, unit = byte_unit(limit or 0)
    notes = [f"memory limit {short(limit / divisor)} {unit}" if limit else "fits: it ran; does not: out of memory",
             "hollow: the largest batch that was tried still fits", not_drawn(runs[runs["outcome"] == "INVALID"])]
    return sign(figure, f"What fits: {model}", results, notes)
