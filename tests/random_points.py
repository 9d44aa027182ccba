#!/usr/bin/python3
"""Points of a sweep with random shapes, for the suites that compare predictions with measurements.

    random_points.py all|one N SEED PRECISION,... RANKS LARGEST

prints a .sweep file with N shapes of at most LARGEST tokens a sample.  With `all` each is for every trainer, and the
shapes go through all pairs of a clipping and a precision, on groups of one rank, then of two, up to RANKS.  With `one`
each is for one trainer with one of its clippings, and the trainers take turns.  One time around, half of the shapes
recompute, and the next time the others.  Everything else is dealt.
"""
import itertools
import random
import sys

PRIVATE = ["dpsgd", "fastclip", "ghost", "bookkeeping", "mixed", "microbatch", "auto"]
CLIPPINGS = ["flat", "automatic", "per_layer"]
RECOMPUTE = ["none", "block"]

# lists of (trainers, clipping) that a shape is for
TURNS = {
    "all": [[(", ".join(PRIVATE), clipping), ("standard", "none")] for clipping in CLIPPINGS],
    "one": [[(trainer, clipping)] for trainer in PRIVATE for clipping in CLIPPINGS] + [[("standard", "none")]],
}


class Deck:
    """Deals values in random order, each before any comes again: few shapes meet them all."""

    def __init__(self, r, values):
        self.r, self.values, self.left = r, values, []

    def deal(self):
        if not self.left:
            self.left = self.r.sample(self.values, len(self.values))
        return self.left.pop()


def decks(r, largest):
    """What is dealt: sizes are multiples of nothing, and the smallest possible are among them.

    But for a vocabulary or a width of 2, where gradients cancel and rounding alone would be verified.
    """
    dealt = {
        "model": ["tiny", "gpt2"], "layers": [1, 1, 2, 3], "heads": [1, 1, 2, 3, 4],
        "dim": [1, 2, 3, 1 + largest // 10, 1 + largest // 6], "vocab": [7, 11, largest, 5 * largest],
        "seq-len": [2, 3, largest // 4, largest // 2 + 1, largest], "max-seq": [0, 0, 9],
        "batch-size": [1, 2, 3, 4, 5, 7, 9], "physical-batch-size": [0, 0, 1, 2, 3],
        "dropout": [0, 0, 0.1], "optimizer": ["sgd", "adamw"], "accumulate": ["sum", "momentum"],
        "norm-mode": ["instantiate", "ghost"],
        "sampling": ["shuffle", "shuffle", "poisson"], "noise-placement": ["sum", "shares", "sharded"],
        "clip-quantile": [0, 0, 0.5],
    }
    return {key: Deck(r, values) for key, values in dealt.items()}


def shape(number, dealing, ranks):
    """One shape, in which sizes that depend on others are made possible."""
    dealt = {key: deck.deal() for key, deck in dealing.items()}
    batch = max(dealt["batch-size"], ranks)
    share = (batch + ranks - 1) // ranks
    width = dealt["heads"] * dealt["dim"]
    if dealt["optimizer"] != "sgd" or ranks > 1:
        dealt["accumulate"] = "sum"
    dealt.update({
        "dim": width if width > 2 else 3 * dealt["heads"], "max-seq": dealt["seq-len"] + dealt["max-seq"],
        "batch-size": batch, "physical-batch-size": min(dealt["physical-batch-size"], share),
        "ranks-per-run": ranks, "seed": number, "wait-steps": 0, "warmup-steps": 0, "active-steps": 2,
    })
    return dealt


def print_section(name, values):
    print(f"[{name}]")
    for key, value in values.items():
        print(f"{key} = {value}")


def main():
    turns, n, seed, precisions, most_ranks, largest = sys.argv[1:]
    r = random.Random(int(seed))
    dealing = decks(r, int(largest))
    strata = list(itertools.product(range(1, int(most_ranks) + 1), precisions.split(","), TURNS[turns]))
    for i in range(int(n)):
        ranks, precision, turn = strata[i % len(strata)]
        recompute = RECOMPUTE[(i % len(strata) + i // len(strata)) % 2]
        one = {"precision": precision, "recompute": recompute, **shape(i, dealing, ranks)}
        for trainers, clipping in turn:
            quantile = one["clip-quantile"] if clipping in ("flat", "per_layer") else 0
            print_section(f"{i} {clipping}", {"trainer": trainers, "clipping": clipping, **one,
                                              "clip-quantile": quantile})


main()
