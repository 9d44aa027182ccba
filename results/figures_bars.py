"""figures_bars.py - what a whole is made of: memory by kind, a step by phase, memory over a step."""
import figure_tables as tables
from figure_parts import Line, disturbed_note, not_drawn, of_model, thinned
from reading import np
from style import MUTED, PALE, WRONG, byte_unit, in_order, legend, matplotlib, palette, short, sign, sketch


def stacked(table, runs, parts, label, finish, room):
    """A panel for each B and T, a bar for each series, one colour for each part; INVALID instead of a bar where it is.
    finish(axes, y, row of table, end of bar) writes beside a bar; a panel is `room` times as wide as its longest."""
    columns, note_b = thinned(runs["batch_size"], "B")
    rows, note_t = thinned(runs["seq_len"], "T")
    series = in_order(runs["series"])
    colours = palette(parts, MUTED)
    shown = [p for p in parts if table[p].max() > 0]
    height = max(0.9 + 0.24 * len(series), 0.6 + 0.2 * len(shown) if len(rows) == 1 else 0)     # the legend needs it
    figure, grid = sketch(len(rows), len(columns), 3.6 if len(columns) > 1 else 6, height, sharey=True)
    for axes, (t, b) in zip(grid.flat, ((t, b) for t in rows for b in columns)):
        here = table[(table["batch_size"] == b) & (table["seq_len"] == t)].set_index("series")
        words = runs[(runs["batch_size"] == b) & (runs["seq_len"] == t)].set_index("series")["outcome"]
        for y, name in enumerate(series):
            if name in here.index:
                bar = here.loc[name]
                left = np.concatenate([[0], np.cumsum(bar[shown].to_numpy(float))])
                axes.barh([y] * len(shown), bar[shown], left=left[:-1], height=0.75, edgecolor="white", linewidth=0.4,
                          color=[colours[p] for p in shown])
                finish(axes, y, bar, left[-1])
            elif name in words.index:
                word = str(np.atleast_1d(words[name])[0])
                axes.text(0, y, f" {word}: no result", va="center", fontsize=7.5, color=WRONG, style="italic")
        axes.set_title(f"B = {b}, T = {t}")
        axes.grid(axis="y", visible=False)
        axes.set_xlim(0, room * axes.dataLim.x1 if axes.patches else 1)
    grid[0][0].set_yticks(range(len(series)), series)
    grid[0][0].set_ylim(len(series) - 0.4, -0.6)
    for bottom in grid[-1]:
        bottom.set_xlabel(label)
    handles = [matplotlib.patches.Patch(color=colours[p], label=p.replace("_", " ")) for p in shown]
    scales = "each panel has its own scale" if grid.size > 1 else ""
    return figure, grid, handles, [scales, note_b, note_t, not_drawn(runs)]


def memory_by_kind(results, model, _):
    table = of_model(tables.memory_by_kind(results), model)
    runs = of_model(tables.described(results), model)
    divisor, unit = byte_unit(table["peak_mib"].max())
    table[results.kinds + ["peak_mib"]] /= divisor

    def finish(axes, y, bar, _):
        axes.plot([bar["peak_mib"]] * 2, [y - 0.4, y + 0.4], color="black", linewidth=1.2)
        axes.text(bar["peak_mib"], y, f" {short(bar['peak_mib'])}", va="center", fontsize=7.5)

    label = f"device memory at the peak ({unit})"
    figure, grid, handles, notes = stacked(table, runs, results.kinds, label, finish, 1.16)
    reserved = Line([], [], linestyle="none", marker="|", color="black", markersize=10, label="reserved")
    legend(grid[0][-1], [*handles, reserved])
    note = "bars: in use at the fullest point of the step; mark and number: reserved, the peak a limit is compared with"
    return sign(figure, f"Memory by kind: {model}", results, [note, *notes])


def phases(results, model, _):
    table = of_model(tables.phase_times(results), model)
    runs = of_model(tables.described(results), model)

    def finish(axes, y, bar, end):
        ratio = f", {bar['time_ratio']:.2f}x" if np.isfinite(bar["time_ratio"]) else ""
        axes.text(end, y, f" {short(bar['step_ms'])}{ratio}", va="center", fontsize=7.5)

    figure, grid, handles, notes = stacked(table, runs, results.phases, "time of a step (ms)", finish, 1.45)
    legend(grid[0][-1], handles)
    note = "bars: median of each phase over the measured steps; numbers: median step, and its ratio to standard's"
    return sign(figure, f"Phases of a step: {model}", results, [note, disturbed_note(runs), *notes])


def show_phases(axes, panel, colours):
    """A strip along the top: which phase, when."""
    phase = panel["phase"].to_numpy()
    starts = np.flatnonzero(np.r_[True, phase[1:] != phase[:-1]])
    edges = np.r_[panel["ms"].to_numpy()[starts], panel["ms"].max()]
    for k, start in enumerate(starts):
        axes.axvspan(edges[k], edges[k + 1], ymin=0.93, color=colours[phase[start]], linewidth=0)


def lost_phases(runs, panel, phases):
    """Phases of more than 1 % of the step that the thinned timeline of this run does not show."""
    run = runs.set_index("run").loc[panel["run"].iloc[0]]
    seen = set(panel["phase"])
    return [p for p in phases if p not in seen and run.get(f"time_{p}", 0) > 0.01 * run["step_time_p50"]]


def timeline(results, model, _):
    """The step of one run of each series, at the B and T that most series have, the largest of them."""
    table = of_model(tables.timelines(results), model, "has a timeline")
    points = table.groupby(["batch_size", "seq_len"])["series"].nunique()
    b, t = max(points.index, key=lambda point: (points[point], point[0] * point[1]))
    here = table[(table["batch_size"] == b) & (table["seq_len"] == t)]
    series = in_order(here["series"])
    kinds = [kind for kind in results.kinds if here[kind].max() > 0]
    divisor, unit = byte_unit(here[kinds].sum(axis=1).max())
    kind_colour, phase_colour = palette(results.kinds, MUTED), palette([*results.phases, "outside"], PALE)
    columns = 3 if len(series) > 4 else 2 if len(series) > 1 else 1
    rows = -(-len(series) // columns)
    figure, grid = sketch(rows, columns, {1: 6, 2: 4.5, 3: 3.5}[columns], 2.2 if rows > 1 else 3.8, sharey=True)
    runs = of_model(tables.described(results), model)
    lost = set()
    for axes, name in zip(grid.flat, series):
        panel = here[here["series"] == name]
        panel = panel[panel["run"] == panel["run"].min()]
        axes.stackplot(panel["ms"], panel[kinds].to_numpy().T / divisor, step="post", linewidth=0,
                       colors=[kind_colour[kind] for kind in kinds])
        show_phases(axes, panel, phase_colour)
        lost.update(lost_phases(runs, panel, results.phases))
        axes.set_title(name)
        axes.set_xlim(0, panel["ms"].max())
        axes.set_xlabel("time since the step began (ms)")
    for axes in list(grid.flat)[len(series):]:
        axes.axis("off")
    grid[0][0].set_ylim(0, 1.1 * here[kinds].sum(axis=1).max() / divisor)
    for left in grid[:, 0]:
        left.set_ylabel(f"memory in use ({unit})")
    patch = matplotlib.patches.Patch
    seen = [p for p in phase_colour if p in set(here["phase"])]
    handles = [patch(color=kind_colour[k], label=k.replace("_", " ")) for k in kinds]
    strip = [patch(color=phase_colour[p], label=p) for p in seen]
    if rows > 1:
        legend(grid[-1][-1], strip, title="strip: phase")
    legend(grid[0][-1], handles if rows > 1 else [*handles, patch(color="none", label="strip: phase"), *strip])
    notes = ["one step before the measured ones, in which the device is waited for at each change: times are larger "
             "than in measured steps; each panel has its own time", not_drawn(runs)]
    if lost:
        notes.append(f"thinned: some strips lack {', '.join(p for p in results.phases if p in lost)}")
    return sign(figure, f"Memory over a step: {model}, B = {b}, T = {t}", results, notes)
