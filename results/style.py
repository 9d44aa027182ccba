"""style.py - how all figures look: colours, markers, axes, and the line under each figure that says where it is from.

A trainer has the same colour and marker in every figure of every file.  Colours are those of Okabe and Ito (trainers)
and of Paul Tol's "muted" and "light" schemes (memory kinds, phases), made for colour-blind readers; markers, line
styles and text say the same once more.
"""
import textwrap
import zlib

from reading import need_module, provenance

matplotlib = need_module("matplotlib", "python3-matplotlib")
import matplotlib.figure  # noqa: E402  (needs the module; figures are made without pyplot, which would keep them all)

TRAINERS = {  # colour, marker; in the order of legends
    "standard": ("#000000", "o"),
    "dpsgd": ("#E69F00", "s"),
    "fastclip": ("#56B4E9", "^"),
    "ghost": ("#009E73", "D"),
    "bookkeeping": ("#0072B2", "v"),
    "mixed": ("#D55E00", "P"),
    "microbatch": ("#CC79A7", "*"),
    "auto": ("#7F0000", "X"),
}
OTHERS = [("#999999", "h"), ("#7A5C00", "<"), ("#5D3A9B", ">"), ("#4D4D00", "p")]  # trainers that are not in the list
MUTED = ["#332288", "#88CCEE", "#CC6677", "#DDCC77", "#117733", "#AA4499", "#44AA99", "#999933", "#882255", "#BBBBBB"]
PALE = ["#BBCC33", "#77AADD", "#EE8866", "#EEDD88", "#FFAABB", "#AAAA00", "#99DDFF", "#44BB99", "#DDDDDD"]
VARIANTS = [("-", "full"), ("--", "left"), (":", "bottom"), ("-.", "right")]  # line and marker: series of one trainer
WRONG = "#B00020"               # what is INVALID

matplotlib.rcParams.update({
    "font.size": 9, "axes.titlesize": 9, "axes.labelsize": 9, "legend.fontsize": 8, "xtick.labelsize": 8,
    "ytick.labelsize": 8, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
    "grid.color": "#E4E4E4", "grid.linewidth": 0.7, "axes.axisbelow": True, "lines.linewidth": 1.5,
    "lines.markersize": 5.5, "legend.frameon": False, "figure.constrained_layout.use": True,
})


def trainer_of(series):
    return series.split(" ")[0]


def look(trainer):
    """Colour and marker."""
    return TRAINERS.get(trainer) or OTHERS[zlib.crc32(trainer.encode()) % len(OTHERS)]


def in_order(series):
    """Series in the order of legends: known trainers first."""
    known = list(TRAINERS)
    return sorted(set(series), key=lambda s: (known.index(t) if (t := trainer_of(s)) in known else len(known), s))


def looks(series):
    """{series: keywords of a line}: one colour for each trainer, one line style and filling for each of its series."""
    styles, seen = {}, {}
    for name in in_order(series):
        trainer = trainer_of(name)
        colour, marker = look(trainer)
        line, fill = VARIANTS[seen.get(trainer, 0) % len(VARIANTS)]
        styles[name] = {"color": colour, "marker": marker, "linestyle": line, "fillstyle": fill,
                        "markerfacecoloralt": "white"}
        seen[trainer] = seen.get(trainer, 0) + 1
    return styles


def palette(names, colours):
    """{name: colour}, from the first colour on."""
    return {name: colours[i % len(colours)] for i, name in enumerate(names)}


def byte_unit(most_mib):
    """What to divide MiB by, and the unit, for axes that reach up to most_mib."""
    return (1024, "GiB") if most_mib >= 4096 else (1, "MiB")


def short(value):
    """Three figures, no exponent: 7.63, 86.8, 7011."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def sketch(rows, columns, width, height, **keywords):
    """A figure of rows x columns panels of the given size in inches; panels always as a 2-D array."""
    figure = matplotlib.figure.Figure(figsize=(width * columns, height * rows))
    return figure, figure.subplots(rows, columns, squeeze=False, **keywords)


def legend(axes, handles, **keywords):
    """Right of a panel, where it covers nothing."""
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0, **keywords)


def ticks_at(axis, values):
    """Ticks and numbers at these values, for logarithmic axes."""
    axis.set_major_locator(matplotlib.ticker.FixedLocator(sorted(values)))
    axis.set_minor_locator(matplotlib.ticker.NullLocator())
    axis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda v, _: f"{v:g}"))


def sign(figure, title, results, notes):
    """The title, and under the figure where it is from and what to know about it."""
    letters = int(figure.get_figwidth() * 16.5)
    paragraphs = [" · ".join(provenance(results)), *(note for note in notes if note)]
    lines = [line for paragraph in paragraphs for line in textwrap.wrap(paragraph, letters)]
    figure.set_figheight(figure.get_figheight() + 0.12 * len(lines) + 0.2)      # the panels keep theirs
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    figure.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=7, color="#444444")
    return figure
