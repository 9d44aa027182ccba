#!/usr/bin/env python3
"""peer.py - dpsweep beside PyTorch, Opacus and (with --fastdp) fastDP: the same model, shapes, dropout, optimizer,
clipping and noise, on the same threads, in turns.

    peer.py PROGRAM FILE.h5 quick|full|long --python PYTHON [--shim LIB.so] [--fastdp DIR]

PYTHON is that of the peer's environment (tests/peer/install.sh). Runs of dpsweep go to FILE.h5, those of the peer to
FILE.jsonl. Every run is a process of its own; minima over rounds are compared.

The peer's model and every trainer's clipping are checked first (peer_check.py): what is not right is not timed.
PyTorch runs with its own defaults but for transparent huge pages, which make it faster (THP_MEM_ALLOC_ENABLE=1). On an
AMD processor its MKL leaves AVX-512 alone; LIB.so (mkl_on_amd.c) changes that. Both are measured at the first shape, at
the others the faster one, with `long` both at all.
"""

import argparse
import json
import os
import subprocess
import sys
from dataclasses import dataclass

from bench_runs import CORES, MIB, Runs, info, least, ratio, table

PEER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "peer")
GOLDEN = [os.path.join(PEER, "..", "golden", f"{arch}.h5") for arch in ("postln", "gpt2")]
DROPOUT = 0.1
# what is compared with what
PEERS = {
    "standard": ["torch standard", "torch compiled"],
    "dpsgd": ["opacus hooks", "torch vmap"],
    "fastclip": ["opacus fastclip"],
    "ghost": ["opacus ghost"],
    "mixed": [],
    "bookkeeping": ["fastdp bookkeeping"],
    "microbatch": [],
    "auto": [],
}
PLAIN, SHIM = "as installed", "MKL with AVX-512"


@dataclass
class Shape:
    model: str
    batch_size: int
    seq_len: int
    precision: str = "fp32"
    rounds: int = 1
    trainers: tuple = tuple(PEERS)
    left_out: tuple = ("torch compiled", "torch vmap")  # of the peer's: they take minutes
    builds: tuple = (SHIM,)

    def title(self):
        return f"{self.model} B={self.batch_size} T={self.seq_len} {self.precision}, dropout {DROPOUT}"

    def options(self):
        return (
            f"--model {self.model} --batch-size {self.batch_size} --seq-len {self.seq_len}"
            f" --precision {self.precision} --dropout {DROPOUT} --wait-steps 0 --warmup-steps 1 --active-steps 1"
        )


FULL = [
    Shape("medium", 4, 512, rounds=2, left_out=(), builds=(PLAIN, SHIM)),
    Shape("medium", 32, 128),
    Shape("medium", 4, 1024),
    Shape("medium", 4, 512, "bf16", builds=(PLAIN,)),  # PyTorch's products in bf16 are oneDNN's
    Shape("gpt2", 4, 64, rounds=2, trainers=("standard",), left_out=(), builds=(PLAIN, SHIM)),
]
QUICK = [Shape("small", 4, 128, builds=(PLAIN,))]


class Peer:
    def __init__(self, args, models):
        self.args, self.models, self.records = args, models, []
        self.file = open(os.path.splitext(args.file)[0] + ".jsonl", "w")

    def keep(self, record):
        self.records.append(record)
        print(json.dumps(record), file=self.file, flush=True)

    def call(self, script, arguments, build):
        environment = {name: text for name, text in os.environ.items() if name != "OMP_WAIT_POLICY"}
        environment["THP_MEM_ALLOC_ENABLE"] = "1"
        environment["TORCHINDUCTOR_CACHE_DIR"] = os.path.join(os.path.dirname(self.args.file), "inductor")
        if build == SHIM:
            environment["LD_PRELOAD"] = self.args.shim
        command = [self.args.python, os.path.join(PEER, script), *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    def builds(self, shape):
        builds = (PLAIN, SHIM) if self.args.extent == "long" and shape.precision == "fp32" else shape.builds
        return [build for build in builds if build == PLAIN or self.args.shim] or [PLAIN]

    def check(self, builds):
        """Which trainers are right, by architecture."""
        fastdp = ["--fastdp", self.args.fastdp] if self.args.fastdp else []
        for build in builds:
            run = self.call("peer_check.py", [*GOLDEN, *fastdp], build)
            if run.returncode:
                sys.exit(f"peer_check.py, {build}: {run.stderr}")
            for line in run.stdout.splitlines():
                self.keep({**json.loads(line), "build": build})

    def is_right(self, trainer, model):
        own = [r for r in self.records if r["kind"] == "check" and r["trainer"] == trainer]
        return bool(own) and all(r["right"] for r in own if r["arch"] == self.models[model]["arch"])

    def measure(self, shape, trainer, build, round_number):
        setting = {
            **self.models[shape.model],
            "batch_size": shape.batch_size,
            "seq_len": shape.seq_len,
            "precision": shape.precision,
            "dropout": DROPOUT,
            "threads": CORES,
            "seed": round_number,
            "warmup_steps": 1,
            "active_steps": 1,
        }
        run = self.call("peer_steps.py", [trainer, json.dumps({**setting, "fastdp": self.args.fastdp})], build)
        if run.returncode:
            why = (run.stderr.strip().splitlines() or [f"exit code {run.returncode}"])[-1]
            self.keep({"kind": "failed", "shape": shape.title(), "trainer": trainer, "build": build, "why": why})
            return []
        record = {**json.loads(run.stdout), "model": shape.model, "build": build}
        record["wall"] = min(step["wall_s"] for step in record["steps"])
        record["cpu"] = min(step["cpu_s"] for step in record["steps"])
        self.keep(record)
        print(f"peer: {shape.title()}: {trainer}, {build}: {record['wall']:.3g} s", file=sys.stderr)
        return [record]


def own_result(records):
    return {
        "wall": least(records, "step_time_min"),
        "cpu": least(records, "step_cpu_time_p50"),
        "rss": least(records, "peak_rss"),
        "ledger": least(records, "peak_ledger"),
    }


def peer_result(records):
    return {"wall": least(records, "wall"), "cpu": least(records, "cpu"), "rss": least(records, "rss_peak")}


def take_turns(runs, peer, shape):
    """({trainer: result}, {(trainer, build): result})"""
    own, others = {name: [] for name in shape.trainers}, {}
    for number in range(1, shape.rounds + 1):
        for name in shape.trainers:
            own[name] += runs.measure(f"{shape.options()} --trainer {name}", CORES, number)
            for trainer in PEERS[name]:
                if trainer not in shape.left_out and peer.is_right(trainer, shape.model):
                    for build in peer.builds(shape):
                        others.setdefault((trainer, build), []).extend(peer.measure(shape, trainer, build, number))
    others = {key: records for key, records in others.items() if records}
    return {n: own_result(r) for n, r in own.items()}, {key: peer_result(r) for key, r in others.items()}


def print_measured(shape, own, others):
    tokens = shape.batch_size * shape.seq_len
    rows = [["dpsweep", name, "", r, f"{r['ledger'] / MIB:.0f}"] for name, r in own.items()]
    rows += [["", trainer, build, r, ""] for (trainer, build), r in others.items()]
    table(
        f"### {shape.title()}\n\nOne step, rounds: {shape.rounds}, the least; load average {os.getloadavg()[0]:.1f}",
        ["", "trainer", "", "wall s:", "CPU s:", "tokens/s:", "RSS MiB:", "ledger MiB:"],
        [
            [who, name, build, f"{r['wall']:.3f}", f"{r['cpu']:.3f}", f"{tokens / r['wall']:.0f}",
             f"{r['rss'] / MIB:.0f}", ledger]
            for who, name, build, r, ledger in rows
        ],
    )  # fmt: skip


def print_failed(shape, peer):
    for record in peer.records:
        if record.get("shape") == shape.title():
            print(f"\nFailed: {record['trainer']}, {record['build']}: {record['why']}")


def compared(name, own, others, build, candidates):
    """A row: the fastest of the candidates in this build against ours."""
    there = {trainer: others[trainer, build] for trainer in candidates if (trainer, build) in others}
    if not there:
        return []
    fastest = min(there, key=lambda trainer: there[trainer]["wall"])
    leanest = min(r["rss"] for r in there.values())
    times = [ratio(there[fastest][clock], own[clock]) for clock in ("wall", "cpu")]
    return [[name, fastest, build, *times, ratio(own["rss"], leanest), ratio(own["ledger"], leanest)]]


def print_compared(shape, own, others, builds):
    rows = []
    private = {name: result for name, result in own.items() if name != "standard"}
    for build in builds:
        for name in shape.trainers:
            for trainer in PEERS[name]:
                rows += compared(name, own[name], others, build, [trainer])
        if private:
            best = min(private, key=lambda name: private[name]["wall"])
            rivals = [trainer for name in private for trainer in PEERS[name]]
            rows += compared(f"best private: {best}", private[best], others, build, rivals)
    table(
        "How many times as fast, and with which share of its resident set (best private: of the leanest's):",
        ["dpsweep", "against", "", "tokens/s:", "CPU:", "RSS:", "ledger/RSS:"],
        rows,
    )


def versions(python):
    code = (
        "import json, platform, importlib.metadata as m;"
        "print(json.dumps({'Python': platform.python_version(), **{n: m.version(n) for n in ('torch', 'opacus')}}))"
    )
    return json.loads(subprocess.check_output([python, "-c", code], text=True))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("file")
    parser.add_argument("extent", choices=["quick", "full", "long"])
    parser.add_argument("--python", required=True)
    parser.add_argument("--shim")
    parser.add_argument("--fastdp")
    args = parser.parse_args()
    shapes = QUICK if args.extent == "quick" else FULL
    runs, peer = Runs(args.program, args.file), Peer(args, info(args.program)["models"])
    peer.check(dict.fromkeys(build for shape in shapes for build in peer.builds(shape)))
    print("## Beside PyTorch and Opacus\n")
    print(f"{CORES} threads; {', '.join(f'{name} {v}' for name, v in versions(args.python).items())}.")
    for record in peer.records:
        if not record["right"]:
            why = record.get("refused") or f"another sum of clipped gradients, by {record['error']:.1e}"
            print(f"Not timed with {record['arch']} models: {record['trainer']}, {record['build']}: {why}.")
    for shape in shapes:
        own, others = take_turns(runs, peer, shape)
        print_measured(shape, own, others)
        print_failed(shape, peer)
        print_compared(shape, own, others, peer.builds(shape))


if __name__ == "__main__":
    main()
