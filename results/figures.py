"""figures.py - the list of figures, and those that are neither lines nor bars.

A figure is a function (results, model, options) -> matplotlib figure of one model; figure_tables.py computes the
numbers, style.py says how they look.  FIGURES is the list: name, title, how to read it, function.  A Problem says in
one line why there is nothing to draw.
"""
from collections import namedtuple

import figure_tables as tables
from figure_parts import Line, disturbed_note, not_drawn, of_model
from figures_bars import memory_by_kind, phases, timeline
from figures_lines import frontier, memory, throughput
from reading import Problem, np
from style import in_order, legend, looks, sign, sketch, ticks_at


def privacy_cost(results, model, _):
    table = of_model(tables.privacy_cost(results), model, "has a standard run")
    runs = of_model(tables.described(results), model)
    figure, ((axes,),) = sketch(1, 1, 6.4, 4.2)
    for name, style in looks(table["series"]).items():
        rows = table[table["series"] == name]
        axes.plot(rows["time_ratio"], rows["memory_ratio"], alpha=0.4, **{**style, "linestyle": "none"})
        axes.plot(rows["time_ratio"].median(), rows["memory_ratio"].median(), markeredgecolor="black",
                  **{**style, "linestyle": "none", "markersize": 11})
    axes.axhline(1, color="black", linewidth=0.8)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.plot(1, 1, markersize=7, zorder=5, **{**looks(["standard"])["standard"], "linestyle": "none"})
    axes.set_xlabel("step time / standard's (ratio)")
    axes.set_ylabel("peak memory / standard's (ratio)")
    axes.margins(0.08)
    shown = looks([*table["series"], "standard"])
    legend(axes, [Line([], [], **{**style, "linestyle": "none"}, label=name) for name, style in shown.items()])
    notes = ["small: one B and T; large: the median over them; left and down is cheaper", disturbed_note(runs),
             not_drawn(runs)]
    return sign(figure, f"What privacy costs: {model}", results, notes)


def stability(results, model, _):
    table = of_model(tables.step_times(results), model)
    runs = of_model(tables.described(results), model)
    series = in_order(table["series"])
    styles = looks(series)
    figure, ((left, right),) = sketch(1, 2, 4.4, max(2.6, 1.2 + 0.3 * len(series)))
    for y, name in enumerate(series):
        rows = table[table["series"] == name]
        spread = ((np.arange(len(rows)) * 0.618034) % 1 - 0.5) * 0.5        # even, and the same each time
        dots = {"linestyle": "none", "color": styles[name]["color"], "alpha": 0.6, "markeredgewidth": 0}
        left.plot(100 * rows["relative"], y + spread, marker="o", markersize=3, **dots)
        right.plot(rows["minute"], 100 * rows["relative"], marker=styles[name]["marker"], markersize=4, **dots)
        low, middle, high = 100 * rows["relative"].quantile([0.25, 0.5, 0.75])
        left.plot([low, high], [y, y], color="black", linewidth=2)
        left.plot(middle, y, marker="|", color="black", markersize=10)
    left.set_yticks(range(len(series)), series)
    left.set_ylim(len(series) - 0.4, -0.6)
    left.grid(axis="y", visible=False)
    if table["relative"].max() > 1.5:
        left.set_xscale("log")
        right.set_yscale("log")
        for axis in (left.xaxis, right.yaxis):
            ticks_at(axis, [10, 20, 30, 50, 70, 100, 150, 200, 300, 500, 1000, 2000, 5000])
    left.set_xlabel("step time / median of its run (%)")
    right.set_ylabel("step time / median of its run (%)")
    right.set_xlabel("since the first run began (min)")
    for axis in (left.axvline, right.axhline):
        axis(100, color="black", linewidth=0.8)
    notes = ["each dot is one measured step; black: quartiles and median of all steps of a trainer",
             "right: disturbances of the machine stand above one another, whatever the trainer", not_drawn(runs)]
    return sign(figure, f"How steady the steps are: {model}", results, notes)


Figure = namedtuple("Figure", "name title caption draw")
FIGURES = [
    Figure("memory-by-kind", "Memory by kind", "What device memory is used for at the fullest point of a step.",
           memory_by_kind),
    Figure("privacy-cost", "What privacy costs", "Step time and peak memory as multiples of standard training's.",
           privacy_cost),
    Figure("phases", "Phases of a step", "Where the time of a step goes.", phases),
    Figure("throughput-by-batch", "Throughput against batch size", "Tokens per second, and step time as a multiple of "
           "standard's.", lambda *a: throughput("batch_size", *a)),
    Figure("throughput-by-seq", "Throughput against sequence length", "The same against the length of a sample.",
           lambda *a: throughput("seq_len", *a)),
    Figure("memory-by-batch", "Memory against batch size", "Peak device memory, logarithmic on both axes.",
           lambda *a: memory("batch_size", *a)),
    Figure("memory-by-seq", "Memory against sequence length", "The same against the length of a sample.",
           lambda *a: memory("seq_len", *a)),
    Figure("frontier", "What fits", "The largest batch size that fits into memory, at each sequence length.", frontier),
    Figure("timeline", "Memory over a step", "Device memory in use from the beginning to the end of one step.",
           timeline),
    Figure("stability", "How steady the steps are", "Each measured step against the median of its run: how far the "
           "times can be believed.", stability),
]


def models_of(results):
    return list(dict.fromkeys(tables.described(results)["model"]))


def draw_all(results, wanted, options):
    """Yields (figure of FIGURES, model, matplotlib figure or the Problem why there is none)."""
    for model in models_of(results):
        for figure in wanted:
            try:
                drawn = figure.draw(results, model, options)
            except Problem as problem:
                drawn = problem
            yield figure, model, drawn
