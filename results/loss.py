#!/usr/bin/env python3
"""Print how the loss of each run moved, at up to ten of its steps.

    results/loss.py NAME.h5
"""
import argparse
import signal
import sys

from reading import Problem, read_results


def say_losses(results):
    losses = dict(iter(results.steps.groupby("run").loss))
    for _, run in results.runs[results.runs.run.isin(losses)].iterrows():
        shown = losses[run.run][::max(1, -(-len(losses[run.run]) // 10))]
        print(f"{run.trainer:12} B={run.batch_size:<4} T={run.seq_len:<5} loss", " ".join(f"{x:.2f}" for x in shown))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", help="results of a sweep")
    options = parser.parse_args()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)   # `| head` ends it quietly
    try:
        say_losses(read_results(options.file))
    except Problem as problem:
        print(f"loss.py: {problem}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
