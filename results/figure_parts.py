"""figure_parts.py - what several figures have in common: choice of rows, notes, legends."""
import figure_tables as tables
from reading import Problem
from style import looks, matplotlib

Line = matplotlib.lines.Line2D
MOST_PANELS = 3      # in a row; more values of an axis are thinned, and the figure says so


def of_model(table, model, lacking="to draw"):
    rows = table[table["model"] == model]
    if rows.empty:
        raise Problem(f"no valid run of {model} {lacking}")
    return rows


def thinned(values, what):
    """At most MOST_PANELS of the values, the smallest and the largest among them, and the note that says so."""
    values = sorted(set(values))
    if len(values) <= MOST_PANELS:
        return values, ""
    kept = [values[round(i * (len(values) - 1) / (MOST_PANELS - 1))] for i in range(MOST_PANELS)]
    return kept, f"{what} {', '.join(map(str, kept))} of {len(values)} values are shown"


def not_drawn(runs):
    text = tables.left_out(runs)
    return f"not drawn as results: {text}" if text else ""


def disturbed_note(runs):
    good = runs[runs["outcome"] == ""]
    count = int(tables.is_disturbed(good).sum())
    text = f"of {len(good)} runs {count} had threads that ran less than 80 % of the time: believe these less"
    return text if count else ""


def series_handles(series):
    return [Line([], [], label=name, **style) for name, style in looks(series).items()]
