#!/usr/bin/python3
"""read_trace.py TRACE CSV: is an exported trace valid, and what the exported tables say?

The schema is tests/trace_event.schema.json; CSV is the folder that `dpsweep export --format csv` wrote.  Exit status 1
and one line if something is wrong."""
import csv
import json
import os
import sys


def need(condition, text):
    if not condition:
        sys.exit(f"read_trace: {text}")


def table(folder, name):
    with open(os.path.join(folder, name + ".csv"), newline="") as f:
        return list(csv.DictReader(f))


def near(a, b):
    return abs(a - b) <= 0.002  # microseconds are written with three digits


def check_steps(events, rows):
    steps = [e for e in events if e["ph"] == "X" and e["tid"] == 1]
    need(len(steps) == len(rows), f"{len(steps)} steps of {len(rows)}")
    for event, row in zip(steps, rows):
        need(near(event["dur"], 1e6 * float(row["step_time"])), "a step of another duration")
        need(event["args"]["step"] == int(row["step"]), "a step of another number")
    phases = sum(e["dur"] for e in events if e["ph"] == "X" and e["tid"] == 2)
    want = 1e6 * sum(float(r[k]) for r in rows for k in r if k.startswith("time_"))
    need(abs(phases - want) < 0.002 * (8 * len(rows) + 1), "phases of other durations")
    for a, b in zip(steps, steps[1:]):
        need(a["ts"] + a["dur"] <= b["ts"] + 0.01, "steps overlap")


def check_memory(events, run, timeline):
    counters = [e for e in events if e["ph"] == "C"]
    highest = max((sum(e["args"].values()) for e in counters), default=0)
    kinds = [k for k in run if k.startswith("predicted_") and k != "predicted_peak"]
    if timeline:
        need(highest == sum(int(run["peak_" + k[len("predicted_"):]]) for k in kinds), "another peak of memory")
        traced = [e for e in events if e["ph"] == "X" and e["tid"] == 3]
        need({"forward", "backward"} <= {e["name"] for e in traced}, "phases are missing in the traced step")
        for a, b in zip(traced, traced[1:]):
            need(a["ts"] + a["dur"] <= b["ts"] + 0.01, "phases of the traced step overlap")


def main(path, tables):
    import jsonschema
    with open(path) as f:
        trace = json.load(f)
    with open(os.path.join(os.path.dirname(__file__), "trace_event.schema.json")) as f:
        schema = json.load(f)
    jsonschema.Draft7Validator.check_schema(schema)
    error = next(jsonschema.Draft7Validator(schema).iter_errors(trace), None)
    need(error is None, error and f"{'/'.join(map(str, error.absolute_path))}: {error.message}")
    steps, timeline = table(tables, "steps"), table(tables, "timeline")
    for run in table(tables, "runs"):
        events = [e for e in trace["traceEvents"] if e["pid"] == int(run["run_id"])]
        check_steps(events, [s for s in steps if s["run_id"] == run["run_id"]])
        check_memory(events, run, [t for t in timeline if t["run_id"] == run["run_id"]])
    print(len(trace["traceEvents"]), "events")


if __name__ == "__main__":
    main(*sys.argv[1:])
