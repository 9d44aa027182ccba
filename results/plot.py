#!/usr/bin/env python3
"""Draw the figures of a results file."""
import argparse
import os
import re
import sys

from figures import FIGURES, draw_all, models_of
from reading import Problem, read_results

EPILOG = """\
examples:
  results/plot.py sweep.h5                                  all figures, in sweep-figures/
  results/plot.py sweep.h5 --figure privacy-cost,phases --format pdf -o paper
  results/plot.py sweep.h5 --figure frontier --memory-limit 16GiB

Each figure says which file it is from, when and where that was measured.  Runs that are INVALID or have no result are
marked, never drawn as results.  A figure for which the file has no data is named with the reason.

exit codes: 0 drawn; 2 the file, the command line or a named figure cannot be used; 3 a Python module is missing
"""


def size_mib(text):
    """'16GiB' -> 16384.0"""
    match = re.fullmatch(r"(\d+(?:\.\d*)?)(K|M|G|KiB|MiB|GiB)?", text)
    if not match or not float(match[1]):
        raise argparse.ArgumentTypeError(f"'{text}' is no size: bytes, or with K, M, G, KiB, MiB, GiB")
    scale = {"": 1, "K": 1e3, "M": 1e6, "G": 1e9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
    return float(match[1]) * scale[match[2] or ""] / 2**20


def add_limit(parser):
    parser.add_argument("--memory-limit", metavar="SIZE", type=size_mib,
                        help="draw what fits into this much device memory: bytes, or with K, M, G, KiB, MiB, GiB "
                             "(default: the largest --memory-limit of the sweep, if it had one)")


def drawing_options(results, arguments):
    limit = arguments.memory_limit
    if limit is None and "memory_limit" in results.runs:
        limit = results.runs["memory_limit"].max() / 2**20
    return {"limit_mib": limit or None}


def parse(argv):
    names = [f.name for f in FIGURES]

    def chosen(text):
        unknown = [name for name in text.split(",") if name not in names]
        if unknown:
            raise argparse.ArgumentTypeError(f"no figure '{unknown[0]}': there are {', '.join(names)}")
        return [f for f in FIGURES if f.name in text.split(",")]

    parser = argparse.ArgumentParser(prog="plot.py", description=__doc__, epilog=EPILOG,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", metavar="FILE.h5", help="results of dpsweep sweep")
    parser.add_argument("-o", "--output", metavar="FOLDER", help="where the figures go (default: FILE-figures)")
    parser.add_argument("--figure", metavar="NAME,...", type=chosen, help=f"only these: {', '.join(names)}")
    parser.add_argument("--format", choices=["png", "svg", "pdf"], default="png", help="default: png")
    add_limit(parser)
    return parser.parse_args(argv)


def draw(arguments):
    results = read_results(arguments.file)
    folder = arguments.output or re.sub(r"\.h5$", "", arguments.file) + "-figures"
    models = models_of(results)
    os.makedirs(folder, exist_ok=True)
    drawn = missing = 0
    for figure, model, made in draw_all(results, arguments.figure or FIGURES, drawing_options(results, arguments)):
        name = figure.name + (f"-{re.sub('[^A-Za-z0-9.]+', '_', model)}" if len(models) > 1 else "")
        if isinstance(made, Problem):
            missing += 1
            print(f"plot.py: {name} is not drawn: {made}", file=sys.stderr)
            continue
        path = os.path.join(folder, f"{name}.{arguments.format}")
        made.savefig(path, dpi=160)
        print(path)
        drawn += 1
    return 2 if drawn == 0 or (arguments.figure and missing) else 0


def main(argv=None):
    arguments = parse(argv)
    try:
        return draw(arguments)
    except (Problem, OSError) as problem:
        print(f"plot.py: {problem}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
