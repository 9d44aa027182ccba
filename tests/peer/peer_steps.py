#!/usr/bin/env python3
"""peer_steps.py - a few training steps of one peer trainer, in a process of its own.

    peer_steps.py TRAINER JSON

JSON holds arch, vocab, dim, layers, heads, max_seq, batch_size, seq_len, dropout, precision, threads, warmup_steps,
active_steps, seed and perhaps fastdp. Prints one JSON line: each step's wall and CPU time (of all threads) and loss, and
resident sets: after the imports and at most.
"""

import json
import logging
import os
import resource
import sys
import time
import warnings

SETTING = json.loads(sys.argv[2])
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(SETTING["threads"])

import torch  # noqa: E402  after the number of threads is set

from peer_model import Transformer  # noqa: E402
from peer_trainers import TRAINERS, Setting  # noqa: E402


def resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def timed_step(trainer, tokens):
    wall, cpu = time.perf_counter(), time.process_time()
    loss = trainer.step(tokens)
    return {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu, "loss": loss}


def main():
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    name, s = sys.argv[1], SETTING
    torch.set_num_threads(s["threads"])
    torch.manual_seed(s["seed"])
    model = Transformer(*(s[key] for key in ("arch", "vocab", "dim", "layers", "heads", "max_seq", "dropout")))
    setting = Setting(autocast=s["precision"] == "bf16", fastdp=s.get("fastdp"))
    trainer = TRAINERS[name](model, setting, s["batch_size"])
    imported = resident_bytes() - sum(p.numel() * p.element_size() for p in model.parameters())
    n = s["warmup_steps"] + s["active_steps"]
    data = torch.randint(s["vocab"], (n, s["batch_size"], s["seq_len"]))
    steps = [timed_step(trainer, tokens) for tokens in data]
    print(
        json.dumps(
            {
                "kind": "peer",
                "trainer": name,
                **{key: s[key] for key in ("batch_size", "seq_len", "precision", "dropout", "threads", "seed")},
                "versions": {"torch": torch.__version__},
                "warmup": steps[: s["warmup_steps"]],
                "steps": steps[s["warmup_steps"] :],
                "rss_start": imported,
                "rss_peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            }
        )
    )


if __name__ == "__main__":
    main()
