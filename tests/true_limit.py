#!/usr/bin/python3
"""Is what plan says fits what the system lets run?  For each trainer, by a limit on the address space of the process.

    true_limit.py DPSWEEP TRAINER...

`plan --frontier` finds the largest batch under a limit; of microbatch, which hardly notices samples, the longest
sequence.  A process takes more than its ledger knows: code, libraries, stacks; how much is measured in a run of the same
size, for the library's code depends on it.  Then the system allows that, the peak that was predicted of the largest, and
4 MiB.  The largest must end well; the next must be refused, by the system: the ledger has no limit here.
"""
import json
import resource
import subprocess
import sys
import time

MIB = 2 ** 20
LIMIT, SPARE = 128 * MIB, 4 * MIB
SHAPE = "--model tiny --layers 1 --dim 128 --vocab 500 --max-seq 32768 --threads 1".split()
STEPS = "--wait-steps 0 --warmup-steps 0 --active-steps 1".split()
TOKENS_MORE = 4096               # of microbatch, so that it needs more than SPARE and than code differs in


def size(trainer, n):
    """Arguments for n samples, or n tokens."""
    batch, seq = (2, n) if trainer == "microbatch" else (n, 2048)
    return ["--trainer", trainer, "--batch-size", str(batch), "--seq-len", str(seq)]


def plan(trainer, n, *arguments):
    return json.loads(subprocess.check_output([dpsweep, "plan", *SHAPE, *size(trainer, n), "--json", *arguments]))


def predicted_bytes(trainer, n):
    return plan(trainer, n)["points"][0]["predicted_peak"]


def largest(trainer):
    axis = "seq_len" if trainer == "microbatch" else "batch_size"
    answers = plan(trainer, 2, "--frontier", "--memory-limit", str(LIMIT))
    return next(answer[axis] for answer in answers if answer["largest"] == axis)


def start(trainer, n, *arguments, **options):
    command = [dpsweep, "run", *SHAPE, *STEPS, *size(trainer, n), "--json", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)


def record_of(process):
    return json.loads(process.communicate()[0])[0]


def bytes_beside_the_ledger(trainer, n):
    """Address space that a process takes for other things."""
    peak = 0
    process = start(trainer, n, "--no-isolate")
    while process.poll() is None:
        with open(f"/proc/{process.pid}/status") as status:
            peak = max([peak] + [int(line.split()[1]) * 1024 for line in status if line.startswith("VmPeak")])
        time.sleep(0.001)
    return peak - record_of(process)["peak_ledger"]


def run_within(limit, trainer, n):
    """The record of a run in a process with so much address space."""
    return record_of(start(trainer, n, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit))))


def is_true_limit(trainer):
    n = largest(trainer)
    more = n + (TOKENS_MORE if trainer == "microbatch" else 1)
    fits, too_large = predicted_bytes(trainer, n), predicted_bytes(trainer, more)
    beside = bytes_beside_the_ledger(trainer, n)
    good, bad = (run_within(beside + fits + SPARE, trainer, i) for i in (n, more))
    print(f"{trainer}: {n} needs {fits / MIB:.1f} MiB by prediction, the process {beside / MIB:.1f} beside: "
          f"{good['status']}; {more}, {(too_large - fits) / MIB:.1f} MiB more: {bad['status']}, {bad['message']}")
    return good["status"] == "ok" and bad["status"] == "oom_device" and "the system refuses it" in bad["message"]


dpsweep = sys.argv[1]
sys.exit(not all([is_true_limit(trainer) for trainer in sys.argv[2:]]))
