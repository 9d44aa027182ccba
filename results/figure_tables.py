"""figure_tables.py - the numbers behind each figure, as pandas tables.  Nothing is drawn here.

Every table has the columns model, series, batch_size, seq_len.  A series is what becomes one line or bar: a trainer,
with what tells several runs of it apart ("ghost", "ghost per_layer").  Runs that differ only in seed or number of steps
are repetitions: their median counts.
"""
import re

from reading import MODEL_SHAPE, Problem, need, np, pd

MIB = 2**20
# of the configuration: what a figure shows in another way, and what only repeats a run
SHOWN = ["trainer", "model", *MODEL_SHAPE, "batch_size", "seq_len", "memory_limit"]
REPEATS = ["seed", "wait_steps", "warmup_steps", "active_steps"]
# of the configuration: in what a run and its standard run may differ, as in src/records/report_tables.c
PRIVATE = ["trainer", "clipping", "physical_batch_size", "max_grad_norm", "clip_quantile", "clip_learning_rate",
           "clip_count_noise", "noise_multiplier", "noise_placement", "noise_generator",
           "memory_budget", "memory_limit"]
POINT = ["model", "series", "batch_size", "seq_len"]


# ---- which runs are drawn, and what they are called ----------------------------------------------------------------

def outcome(run):
    """'' for a run that may be drawn as a result, else the word that stands in its place."""
    if run.status == "invalid" or run.verdict == "INVALID":
        return "INVALID"
    return "" if run.status == "ok" else run.status


def is_disturbed(runs):
    """As in `dpsweep report`: threads of a CPU run that were running less than 80 % of the step."""
    need(runs, "/runs", "device", "step_cpu_time_p50", "threads", "step_time_p50")
    return (runs["device"] == "cpu") & (runs["step_cpu_time_p50"] < 0.8 * runs["threads"] * runs["step_time_p50"])


def varying(runs, by, columns):
    """Those of the columns in which runs with equal `by` differ."""
    groups = runs.groupby(by, sort=False)
    return [c for c in columns if (groups[c].nunique(dropna=False) > 1).any()]


def telling_apart(results, runs):
    """The columns of the configuration that make series of the runs of one trainer: not those that a figure shows, that
    repeat a run, or that follow the batch size (one number for each), such as a learning rate scaled with it."""
    axes = [c for c in results.config_columns if c not in SHOWN + REPEATS]
    words = [c for c in axes if runs[c].dtype == object]
    at_batch = ["batch_size", *words, "physical_batch_size"]
    independent = varying(runs, at_batch, [c for c in axes if c not in at_batch])
    return varying(runs, ["trainer", "model"], [c for c in axes if c in at_batch + independent])


def value_text(name, value):
    """What a value adds to a name: nothing where it means that something is not done."""
    if value == "none" or (name == "physical_batch_size" and value == 0):
        return ""
    if isinstance(value, str):
        return " " + re.sub(r".*/", "", value)
    return f" {name} {value:g}" if name != "physical_batch_size" else f" split by {value}"


def names(runs, first, columns):
    """For each run: its value in `first`, followed by those in `columns`."""
    added = [[value_text(c, v) for v in runs[c]] for c in columns]
    return ["".join(parts) for parts in zip(runs[first], *added)]


def described(results):
    """The runs, with the columns outcome, model (the shape added where one name has several) and series.
    A batch that is not split has physical_batch_size 0."""
    runs = results.runs.copy()
    need(runs, "/runs", "physical_batch_size")
    runs.loc[runs["physical_batch_size"] == runs["batch_size"], "physical_batch_size"] = 0
    runs["model"] = names(runs, "model", varying(runs, "model", [c for c in MODEL_SHAPE if c in runs]))
    runs["series"] = names(runs, "trainer", telling_apart(results, runs))
    runs["outcome"] = [outcome(run) for run in runs.itertuples()]
    return runs


def drawable(runs, what, *columns):
    """Runs that are right and have been measured."""
    need(runs, "/runs", *columns)
    good = runs[runs["outcome"] == ""].dropna(subset=list(columns))
    if good.empty:
        raise Problem(f"no valid run has {what}")
    return good


def left_out(runs):
    """'broken-noclip INVALID (9 runs), ...': what is not drawn as a result."""
    bad = runs[runs["outcome"] != ""]
    counts = bad.groupby(["series", "outcome"], sort=False).size()
    return ", ".join(f"{series} {word} ({n} run{'s' if n > 1 else ''})" for (series, word), n in counts.items())


# ---- numbers -------------------------------------------------------------------------------------------------------

def standard_of(runs, config_columns):
    """For each run the row label of the standard run it is compared with, or None: equal in all that standard does too,
    with the batch split alike, else unsplit.  The rule of `dpsweep report`."""
    keys = [c for c in config_columns if c not in PRIVATE]
    standard = runs[(runs["trainer"] == "standard") & (runs["outcome"] == "")]
    known = runs[keys].astype(object).where(runs[keys].notna(), None)       # NaN would not equal itself
    key_of = dict(zip(runs.index, zip(*(known[k] for k in keys))))
    split, candidates = standard["physical_batch_size"].to_dict(), {}
    for label in standard.index:
        candidates.setdefault(key_of[label], []).append(label)

    def find(key, physical):
        rows = candidates.get(key, [])
        alike = [r for r in rows if split[r] == physical]
        unsplit = [r for r in rows if split[r] == 0]
        return (alike[:1] or unsplit[-1:] or [None])[0]

    return [find(key_of[label], physical) for label, physical in runs["physical_batch_size"].items()]


def with_ratios(results, runs):
    """Adds time_ratio and memory_ratio to standard; NaN where it was not measured."""
    need(runs, "/runs", "step_time_p50", "peak_ledger")
    base = runs.reindex(standard_of(runs, results.config_columns))
    runs = runs.copy()
    runs["time_ratio"] = runs["step_time_p50"].to_numpy() / base["step_time_p50"].to_numpy()
    runs["memory_ratio"] = runs["peak_ledger"].to_numpy() / base["peak_ledger"].to_numpy()
    runs.loc[runs["outcome"] != "", ["time_ratio", "memory_ratio"]] = np.nan
    return runs


def throughput(results):
    """tokens_per_s, its slowest and fastest step, time_ratio, disturbed."""
    runs = with_ratios(results, described(results))
    runs["disturbed"] = is_disturbed(runs)
    columns = ["throughput_p50", "throughput_min", "throughput_max"]
    good = drawable(runs, "a time", *columns)
    table = good.groupby(POINT, sort=False)[columns + ["time_ratio"]].median()
    table["disturbed"] = good.groupby(POINT, sort=False)["disturbed"].any()
    return table.reset_index().rename(columns={"throughput_p50": "tokens_per_s"})


def peaks(results):
    """peak_mib and measured: False where it is only predicted (the run did not fit, or was not started)."""
    runs = described(results)
    need(runs, "/runs", "peak_ledger", "predicted_peak")
    good = runs[(runs["outcome"] == "") | runs["outcome"].isin(["oom_device", "oom_host", "oom_predicted", "skipped",
                                                               "predicted"])].copy()
    good["measured"] = good["outcome"] == ""
    good["peak_mib"] = good["peak_ledger"].where(good["measured"], good["predicted_peak"]) / MIB
    good = good[good["peak_mib"] > 0]
    if good.empty:
        raise Problem("no valid run has a peak of memory")
    table = good.groupby(POINT, sort=False).agg(peak_mib=("peak_mib", "median"), measured=("measured", "all"))
    return table.reset_index()


def frontier(results, limit_mib=None):
    """For each model, series and sequence length the largest batch that fits (0: none); was a larger one tried?
    A point fits if its peak is within the limit; without a limit, if it ran."""
    table = peaks(results)
    table["fits"] = table["peak_mib"] <= limit_mib if limit_mib else table["measured"]

    def largest(points):
        fitting = points.loc[points["fits"], "batch_size"]
        best = int(fitting.max()) if len(fitting) else 0
        return pd.Series({"largest_batch": best, "larger_tried": bool((points["batch_size"] > best).any())})

    return table.groupby(["model", "series", "seq_len"], sort=False).apply(largest).reset_index()


def memory_by_kind(results):
    """MiB of each kind in use at the peak, and peak_mib: what was reserved."""
    runs = described(results)
    columns = [f"peak_{kind}" for kind in results.kinds]
    good = drawable(runs, "its memory by kind", "peak_ledger", *columns)
    table = good.groupby(POINT, sort=False)[columns + ["peak_ledger"]].median() / MIB
    return table.rename(columns=lambda c: "peak_mib" if c == "peak_ledger" else c[len("peak_"):]).reset_index()


def phase_times(results):
    """Milliseconds of each phase of a step, step_ms, tokens_per_s, time_ratio."""
    runs = with_ratios(results, described(results))
    columns = [f"time_{phase}" for phase in results.phases]
    good = drawable(runs, "a time", "step_time_p50", "throughput_p50", *columns)
    table = good.groupby(POINT, sort=False)[columns + ["step_time_p50", "throughput_p50", "time_ratio"]].median()
    table[columns + ["step_time_p50"]] *= 1e3
    table = table.rename(columns={c: c[len("time_"):] for c in columns})
    return table.rename(columns={"step_time_p50": "step_ms", "throughput_p50": "tokens_per_s"}).reset_index()


def privacy_cost(results):
    """time_ratio and memory_ratio of every private run to standard in the same configuration."""
    runs = with_ratios(results, described(results))
    good = drawable(runs[runs["trainer"] != "standard"], "a standard run to compare with", "time_ratio", "memory_ratio")
    return good.groupby(POINT, sort=False)[["time_ratio", "memory_ratio"]].median().reset_index()


def step_times(results):
    """Measured steps: relative = step time over the median of its run, minute = since the first run began."""
    runs, steps = described(results), results.steps
    need(runs, "/runs", "start_time")
    need(steps, "/steps", "run", "measured", "step_time", "time")
    good = drawable(runs, "a time", "step_time_p50").set_index("run")
    table = steps[steps["run"].isin(good.index) & (steps["measured"] == "measured")].copy()
    if table.empty:
        raise Problem("no valid run has measured steps")
    for column in ["model", "series", "batch_size", "seq_len"]:
        table[column] = table["run"].map(good[column])
    table["relative"] = table["step_time"] / table.groupby("run")["step_time"].transform("median")
    begin = table["run"].map(good["start_time"]) - runs["start_time"].min()
    table["minute"] = (begin + table["time"]) / 60
    return table[["run", *POINT, "step_time", "relative", "minute"]]


def timelines(results):
    """ms and the MiB of each kind at each change in one step of each valid run, with its phase."""
    if results.timeline is None:
        raise Problem("the file has no /timeline: it is of an older dpsweep")
    need(results.timeline, "/timeline", "run", "time", "phase", *results.kinds)
    runs = described(results)
    good = runs[runs["outcome"] == ""].set_index("run")
    table = results.timeline[results.timeline["run"].isin(good.index)].copy()
    if table.empty:
        raise Problem("no valid run has a timeline: they need a wait or warm-up step")
    for column in POINT:
        table[column] = table["run"].map(good[column])
    table["ms"] = 1e3 * table["time"]
    table[results.kinds] = table[results.kinds] / MIB
    return table[["run", *POINT, "ms", "phase", *results.kinds]]
