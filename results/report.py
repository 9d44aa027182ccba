#!/usr/bin/env python3
"""Make one HTML page of a results file: tables and figures inside, no server, no network."""
import argparse
import base64
import html
import io
import os
import re
import sys

import figure_tables as tables
from figures import FIGURES, draw_all
from plot import add_limit, drawing_options
from reading import Problem, distinct, need, np, provenance, read_results
from style import in_order

EPILOG = """\
example:
  results/report.py sweep.h5 -o report.html && xdg-open report.html

The page holds everything it shows and asks for nothing else; it can be sent and kept.

exit codes: 0 written; 2 the file or the command line cannot be used; 3 a Python module is missing
"""

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #222; max-width: 72rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem; margin-bottom: 0 } h2 { margin-top: 2.2rem; border-bottom: 1px solid #ddd }
table { border-collapse: collapse; font-size: 13px }
td, th { padding: .2rem .6rem; text-align: left; vertical-align: top }
th { border-bottom: 2px solid #888 } tr.new td { border-top: 1px solid #aaa }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums } .wide { overflow-x: auto }
.bad { color: #b00020; font-weight: 600 }
.warn { border-left: 5px solid #b00020; padding: .5rem 1rem; background: #fff3f3 }
figure { margin: 1.5rem 0 } img { max-width: 100%; height: auto } figcaption, .quiet { color: #555 }
pre { background: #f6f6f6; padding: .7rem; overflow-x: auto; white-space: pre-wrap }
"""
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"  # a browser must not fetch anything

LEGEND = """MiB: device memory by the ledger, after the measured steps, after the trainer is freed, at its peak.
Batch 4 (1): 4 samples a step, 1 in memory at once. Step: median of the measured steps. Tokens/s: valid input tokens of
a step over that median. Ratios: step time and peak over those of
standard in the same configuration (split alike, else unsplit).
~: its threads ran less than 80 % of it: a shared machine, or a run too small for its threads. &ndash;: not measured."""


def text_of(value, digits=None):
    """A number for the table; a dash for what is not known."""
    if isinstance(value, str):
        return html.escape(value) or "&ndash;"
    if not np.isfinite(value) or value <= 0:
        return "&ndash;"
    return f"{value:.{digits if digits is not None else 2 if value < 10 else 1 if value < 1000 else 0}f}"


def batch_text(run):
    split = run["physical_batch_size"]
    return f"{run['batch_size']} ({split})" if split else str(run["batch_size"])


# heading, is a number, text of a run
COLUMNS = [
    ("trainer", False, lambda r: text_of(r["series"])),
    ("clipping", False, lambda r: text_of(r["clipping"])),
    ("batch", True, batch_text),
    ("sequence", True, lambda r: str(r["seq_len"])),
    ("MiB after profiling", True, lambda r: text_of(r["memory_after_profiling"] / 2**20, 1)),
    ("MiB after cleanup", True, lambda r: text_of(r["memory_after_cleanup"] / 2**20, 1)),
    ("peak MiB", True, lambda r: text_of(r["peak_ledger"] / 2**20, 1)),
    ("step ms", True, lambda r: text_of(r["step_ms"]) + ("~" if r["disturbed"] else "")),
    ("tokens/s", True, lambda r: text_of(r["tokens_per_s"])),
    ("time ratio", True, lambda r: text_of(r["time_ratio"])),
    ("peak ratio", True, lambda r: text_of(r["memory_ratio"])),
    ("verdict", False, lambda r: text_of(r["verdict"])),
    ("status", False, lambda r: text_of(r["status"])),
]


def comparison(results):
    """The runs with what COLUMNS shows; one that is not right or not ok has no time."""
    runs = tables.with_ratios(results, tables.described(results))
    need(runs, "/runs", "clipping", "memory_after_profiling", "memory_after_cleanup", "throughput_p50")
    timed = runs["outcome"] == ""
    runs["step_ms"] = (1e3 * runs["step_time_p50"]).where(timed)
    runs["tokens_per_s"] = runs["throughput_p50"].where(timed)
    runs["disturbed"] = tables.is_disturbed(runs) & timed
    runs["order"] = runs["series"].map({name: i for i, name in enumerate(in_order(runs["series"]))})
    return runs.sort_values(["model", "batch_size", "seq_len", "order", "run_id"])


def row(cells, tag="td", css=""):
    inside = "".join(f"<{tag}{' class=n' if number else ''}>{text}</{tag}>" for text, number in cells)
    return f'<tr class="{css}">{inside}</tr>' if css else f"<tr>{inside}</tr>"


def table_of(runs):
    lines = [row([(heading, number) for heading, number, _ in COLUMNS], "th")]
    before = None
    for _, run in runs.iterrows():
        point = (run["batch_size"], run["seq_len"])
        css = ["bad"] * (run["outcome"] == "INVALID") + ["new"] * (point != before)
        lines.append(row([(text(run), number) for _, number, text in COLUMNS], css=" ".join(css)))
        before = point
    return "<div class=wide><table>" + "\n".join(lines) + "</table></div>"


def warnings(results, runs):
    lines = []
    if not results.about.get("runs_complete", 1):
        lines.append("This is an interim file: the sweep had not come to its end.")
    bad = runs[runs["outcome"] == "INVALID"]
    if len(bad):
        lines.append(f"<b>{len(bad)} of {len(runs)} runs are INVALID</b>: their gradient or noise is wrong. They have "
                     f"no time and are not drawn as results: {html.escape(distinct(bad['series'], 10))}.")
    odd = runs[runs["verdict"] == "WARN"]
    if len(odd):
        lines.append(f"{len(odd)} of {len(runs)} runs have the verdict WARN: the error of the gradient is larger than "
                     f"usual: {html.escape(distinct(odd['series'], 10))}.")
    return "".join(f"<p class=warn>{line}</p>" for line in lines)


def messages(runs):
    """What did not work, and why."""
    rest = runs[(runs["outcome"] != "") | (runs["message"] != "")]
    if rest.empty:
        return ""
    shown = ["run_id", "series", "model", "batch_size", "seq_len", "status", "message"]
    lines = [row([(h, False) for h in ("run", "trainer", "model", "batch", "sequence", "status", "message")], "th")]
    for _, run in rest.iterrows():
        lines.append(row([(html.escape(str(run[name])), False) for name in shown]))
    return "<h2>What did not work</h2><div class=wide><table>" + "\n".join(lines) + "</table></div>"


MECHANISM = {
    "clipping": "clipping", "max_grad_norm": "threshold R", "clip_groups": "clip groups", "sensitivity": "sensitivity",
    "noise_multiplier": "noise multiplier", "noise_std": "noise std on the sum",
    "noise_variance_ratio": "measured / stated noise variance", "expected_batch_size": "divisor",
    "sampling": "sampling", "neighbouring": "neighbouring", "epsilon": "epsilon", "delta": "delta",
    "grad_rel_err": "gradient error",
}


def figures_of(values):
    """'a, b', or the range of numbers."""
    if values.nunique() > 1 and values.dtype.kind in "fiu":
        return f"{values.min():.4g} to {values.max():.4g}"
    return distinct([f"{v:.4g}" if isinstance(v, float) else v for v in values.dropna()])


def mechanism(runs):
    """What the runs of each series did to the gradient."""
    private = runs[runs["trainer"] != "standard"]
    shown = [name for name in MECHANISM if name in private and private[name].notna().any()]
    if private.empty:
        return ""
    lines = [row([(text, False) for text in ("trainer", *(MECHANISM[name] for name in shown))], "th")]
    for series, rows in private.groupby("series", sort=False):
        lines.append(row([(html.escape(text), False) for text in (series, *(figures_of(rows[n]) for n in shown))]))
    return "<h2>What was done to the gradient</h2><div class=wide><table>" + "\n".join(lines) + "</table></div>"


def image(figure):
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=160)
    return "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()


def figures_section(results, options):
    parts, missing = [], []
    for figure, model, drawn in draw_all(results, FIGURES, options):
        title = html.escape(f"{figure.title}: {model}")
        if isinstance(drawn, Problem):
            missing.append(f"<li>{title}: {html.escape(str(drawn))}</li>")
        else:
            parts.append(f'<figure id="{figure.name}">'
                         f'<img alt="{title}" style="width: {drawn.get_figwidth():.1f}in" src="{image(drawn)}">'
                         f"<figcaption>{html.escape(figure.caption)}</figcaption></figure>")
    text = "<h2>Figures</h2>" + "\n".join(parts)
    return text + (f"<p class=quiet>Not drawn:</p><ul class=quiet>{''.join(missing)}</ul>" if missing else "")


def origin(results):
    rows = [row([(html.escape(str(name)), False), (html.escape(str(value)), False)])
            for name, value in sorted(results.about.items()) if value != ""]
    sweep = results.config_text.strip()
    if sweep:
        sweep = f"<h3>The sweep as it was given</h3><pre>{html.escape(sweep)}</pre>"
    return f"<h2>Where this is from</h2><table>{''.join(rows)}</table>{sweep}"


def page(results, options):
    need(results.runs, "/runs", "message")
    runs = comparison(results)
    name = html.escape(os.path.basename(results.path))
    parts = [f"<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8><title>dpsweep: {name}</title>",
             f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
             f'<meta name=viewport content="width=device-width"><style>{STYLE}</style></head><body>',
             f"<h1>{name}</h1><p class=quiet>{html.escape(' · '.join(provenance(results)))}</p>",
             f"<pre>{html.escape(results.about.get('command_line', ''))}</pre>", warnings(results, runs)]
    for model, rows in runs.groupby("model", sort=False):
        shape = rows.iloc[0]
        parts.append(f"<h2>{html.escape(model)}: {shape['layers']} layers, D {shape['dim']}, {shape['heads']} heads, "
                     f"V {shape['vocab']}</h2>{table_of(rows)}")
    parts += [f"<p class=quiet>{LEGEND}</p>", messages(runs), figures_section(results, options),
              mechanism(runs), origin(results), "</body></html>\n"]
    return "\n".join(parts)


def main(argv=None):
    parser = argparse.ArgumentParser(prog="report.py", description=__doc__, epilog=EPILOG,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", metavar="FILE.h5", help="results of dpsweep sweep")
    parser.add_argument("-o", "--output", metavar="FILE.html", help="the page to write (default: beside FILE.h5)")
    add_limit(parser)
    arguments = parser.parse_args(argv)
    output = arguments.output or re.sub(r"\.h5$", "", arguments.file) + ".html"
    try:
        results = read_results(arguments.file)
        text = page(results, drawing_options(results, arguments))
        with open(output, "w", encoding="utf-8") as f:
            f.write(text)
    except (Problem, OSError) as problem:
        print(f"report.py: {problem}", file=sys.stderr)
        return 2
    print(output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
