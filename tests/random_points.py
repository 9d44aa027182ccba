#!/usr/bin/python3
"""Points of a sweep with random shapes, for the suites that compare predictions with measurements.

    random_points.py N SEED      prints a .sweep file with N sections; each is every trainer with one of its clippings
"""
import random
import sys

TRAINERS = ["dpsgd", "fastclip", "ghost", "bookkeeping", "mixed", "microbatch"]
CLIPPINGS = ["flat", "automatic", "per_layer"]


def section(number, r):
    """One shape: small, and multiples of nothing."""
    model = r.choice(["tiny", "gpt2"])
    heads = r.choice([1, 2, 3, 4])
    batch = r.randint(1, 9)
    seq = r.choice([r.randint(2, 40), r.randint(41, 150)])
    return {
        "model": model, "layers": r.randint(1, 3), "heads": heads, "dim": heads * r.randint(1, 24),
        "vocab": r.randint(2, 700), "max-seq": seq + r.randint(0, 9), "seq-len": seq, "batch-size": batch,
        "physical-batch-size": r.choice([0, 0, 1, r.randint(1, batch)]), "dropout": r.choice([0, 0, 0.1]),
        "optimizer": r.choice(["sgd", "adamw"]), "norm-mode": r.choice(["instantiate", "ghost"]),
        "recompute": r.choice(["none", "block"]), "seed": number, "wait-steps": 0, "warmup-steps": 0, "active-steps": 2,
    }


def print_section(name, values):
    print(f"[{name}]")
    for key, value in values.items():
        print(f"{key} = {value}")


def main():
    n, seed = int(sys.argv[1]), int(sys.argv[2])
    r = random.Random(seed)
    for i in range(n):
        shape = section(i, r)
        print_section(f"{i} private", {"trainer": ", ".join(TRAINERS), "clipping": CLIPPINGS[i % 3], **shape})
        print_section(f"{i} standard", {"trainer": "standard", **shape})


main()
