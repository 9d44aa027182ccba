#!/usr/bin/env python3
"""reference.py - what `make bench` measured, as files that can be kept.

    reference.py PROGRAM FOLDER DESTINATION PART ...

FOLDER holds what the parts wrote. DESTINATION gets
    bench.md      what the parts printed, below what they ran on; a part that is missing is named
    bench.h5      the runs of dpsweep, a results file as any other
    bench.csv     the same: what was run, times, memory, verdict
    bench.json    the runs of PyTorch, Opacus and fastDP with all their steps, and the times of matrix products
"""

import json
import os
import platform
import subprocess
import sys

from bench_runs import info

COLUMNS = (
    "trainer model layers dim batch_size physical_batch_size seq_len precision dropout seed threads step_time_min"
    " step_time_p50 step_cpu_time_p50 throughput_max predicted_peak peak_ledger peak_rss verdict grad_rel_err flops"
)


def cpu_name():
    with open("/proc/cpuinfo") as file:
        facts = dict(line.split(":", 1) for line in file if ":" in line)
    names = {name.strip(): text.strip() for name, text in facts.items()}
    return f"{names.get('model name', platform.machine())} (family {names.get('cpu family')}, model {names.get('model')})"


def heading(program):
    about = info(program)
    libraries = ", ".join(f"{name} {version}" for name, version in about["libraries"].items())
    return "\n".join(
        [
            "# `make bench`",
            "",
            "Written by tests/bench/reference.py; docs/measuring.md says how to read it.",
            "",
            f"- machine: {cpu_name()}, {about['machine']['device']}, {about['machine']['cores']} cores,"
            f" {about['machine']['memory_bytes'] / 2**30:.0f} GiB; {platform.system()} {platform.release()}",
            f"- dpsweep {about['program']['version']}, commit {about['program']['commit']},"
            f" {about['program']['compiler']}",
            f"- libraries: {libraries}",
            "",
        ]
    )


def part_text(folder, part):
    path = os.path.join(folder, f"{part}.md")
    if not os.path.exists(path):
        return f"## {part}\n\nNot measured: this part was not run or failed.\n"
    with open(path) as file:
        return file.read()


def write_runs(program, folder, destination, parts):
    """bench.h5 and bench.csv"""
    files = [os.path.join(folder, f"{part}.h5") for part in parts]
    files = [file for file in files if os.path.exists(file)]
    if not files:
        return
    merged = os.path.join(folder, "bench.h5")
    subprocess.run([program, "merge", *files, "-o", merged, "--overwrite"], check=True, stdout=subprocess.DEVNULL)
    with open(merged, "rb") as source, open(os.path.join(destination, "bench.h5"), "wb") as copy:
        copy.write(source.read())
    with open(os.path.join(destination, "bench.csv"), "w") as file:
        columns = ",".join(COLUMNS.split())
        subprocess.run([program, "report", merged, "--columns", columns, "--format", "csv"], check=True, stdout=file)


def json_lines(folder, name):
    path = os.path.join(folder, f"{name}.jsonl")
    if not os.path.exists(path):  # a part that had nothing to measure
        return []
    with open(path) as file:
        return [json.loads(line) for line in file]


def main():
    program, folder, destination, *parts = sys.argv[1:]
    os.makedirs(destination, exist_ok=True)
    with open(os.path.join(destination, "bench.md"), "w") as file:
        file.write("\n".join([heading(program), *(part_text(folder, part) for part in parts)]))
    measured = [part for part in parts if os.path.exists(os.path.join(folder, f"{part}.md"))]
    write_runs(program, folder, destination, measured)
    lines = {part: json_lines(folder, part) for part in ("peer", "bound") if part in measured}
    with open(os.path.join(destination, "bench.json"), "w") as file:
        json.dump(lines, file, indent=0)
        file.write("\n")
    print(f"bench: {destination}/bench.md, .h5, .csv, .json")


if __name__ == "__main__":
    main()
