"""reading.py - a results file as pandas tables; shared by the scripts beside it.

    results = read_results("NAME.h5")
    results.runs, results.steps, results.memory       # DataFrames with the columns of docs/results-format.md
    results.timeline                                  # the same, or None where the file has no /timeline
    results.about["hostname"], results.config_text    # attributes of /, the sweep as it was given

What a user can cause is a Problem: one line, and exit code 2.
"""
import os
import sys
from dataclasses import dataclass
from datetime import datetime, timezone


def need_module(name, package):
    """Imports and returns a module; without it ends the script with one line and exit code 3."""
    try:
        return __import__(name)
    except ImportError as error:
        print(f"{os.path.basename(sys.argv[0])}: {sys.executable} cannot import {name} ({error}): install {package} "
              f"(Debian) or `pip install {name}`", file=sys.stderr)
        raise SystemExit(3) from None


h5py = need_module("h5py", "python3-h5py")
np = need_module("numpy", "python3-numpy")
pd = need_module("pandas", "python3-pandas")

MODEL_SHAPE = ["layers", "dim", "heads", "vocab", "max_seq"]


class Problem(Exception):
    """One line for the user."""


@dataclass
class Results:
    path: str
    about: dict            # attributes of /
    config_text: str
    config_columns: list   # the columns of runs that are the configuration
    kinds: list            # of memory, in order
    phases: list           # of a step, in order
    runs: "pd.DataFrame"
    steps: "pd.DataFrame"
    memory: "pd.DataFrame"
    timeline: "pd.DataFrame"


def plain(value):
    """A value or an array of h5py as Python and pandas like it: texts as str."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, np.ndarray) and value.dtype.kind in "SO":
        return np.array([plain(v) for v in value.ravel()], dtype=object).reshape(value.shape)
    return value.item() if isinstance(value, np.generic) else value


def words_of(dataset):
    """The words behind the numbers of a column (CF's flag_values and flag_meanings), or None."""
    if "flag_meanings" not in dataset.attrs:
        return None
    values = np.atleast_1d(dataset.attrs["flag_values"]).tolist()
    return dict(zip(values, plain(dataset.attrs["flag_meanings"]).split()))


def read_group(group, kinds):
    """The columns of a group; one with words holds the words, one with a value for each memory kind becomes several."""
    columns = {}
    for name, dataset in group.items():
        if name != "run" and h5py.h5ds.is_scale(dataset.id):
            continue
        values, words = plain(dataset[()]), words_of(dataset)
        if values.ndim == 2:
            columns.update({kind: values[:, k] for k, kind in enumerate(kinds)})
        else:
            columns[name] = pd.Series(values).map(words) if words else values
    try:
        return pd.DataFrame(columns)
    except ValueError:
        raise Problem(f"the columns of {group.name} differ in length: the file is damaged") from None


def need(table, group, *columns):
    """Ends with a Problem if a column is missing."""
    missing = [c for c in columns if c not in table.columns]
    if missing:
        raise Problem(f"{group} has no column {', '.join(missing)}")


def read_open_file(path, f):
    if plain(f.attrs.get("format")) != "dpsweep-results":
        raise Problem("not a results file of dpsweep (it has no attribute format = dpsweep-results)")
    if f.attrs["format_version"] != 1:
        raise Problem(f"format version {f.attrs['format_version']}: these scripts read version 1")
    for name in ("runs", "steps", "memory", "memory/category", "tables/runs"):
        if name not in f:
            raise Problem(f"it has no /{name}")
    members = list(f["tables/runs"].dtype.names)
    kinds = list(plain(f["memory/category"][()]))
    tables = {name: read_group(f[name], kinds) for name in ("runs", "steps", "memory", "timeline") if name in f}
    runs = tables["runs"]
    need(runs, "/runs", "run", "run_id", "trainer", "model", *MODEL_SHAPE, "batch_size", "seq_len", "status", "verdict")
    if runs.empty:
        raise Problem("it holds no runs")
    return Results(path=path, about={k: plain(v) for k, v in f.attrs.items()},
                   config_text=plain(f["config_text"][()]) if "config_text" in f else "",
                   config_columns=[m for m in members[:members.index("run_id")] if m in runs.columns],
                   kinds=kinds, phases=[m[len("time_"):] for m in members if m.startswith("time_")],
                   runs=runs, steps=tables["steps"], memory=tables["memory"], timeline=tables.get("timeline"))


def read_results(path):
    try:
        if not os.path.exists(path):
            raise Problem("there is no such file")
        try:
            with h5py.File(path, "r") as f:
                return read_open_file(path, f)
        except (OSError, RuntimeError, KeyError, ValueError) as error:
            why = str(error).strip('"').splitlines() or [type(error).__name__]
            raise Problem(f"not a readable HDF5 file ({why[0]})") from None
    except Problem as problem:
        raise Problem(f"{path}: {problem}") from None


def distinct(values, most=3):
    """'a, b', or 'a, b, c and 4 more'."""
    seen = list(dict.fromkeys(str(v) for v in values if str(v)))
    return ", ".join(seen[:most]) + (f" and {len(seen) - most} more" if len(seen) > most else "")


def provenance(results):
    """Which file, when, where, on what, by which program: the parts of one line."""
    runs, about = results.runs, results.about
    first = runs["start_time"].min() if "start_time" in runs else float("nan")
    when = datetime.fromtimestamp(first, timezone.utc).strftime("%Y-%m-%d %H:%M UTC") if first > 0 else "time not known"
    parts = [os.path.basename(results.path), when]
    if not about.get("runs_complete", 1):
        parts.append("INTERIM: the sweep had not ended")
    for column, text in (("host", "host {}"), ("device_name", "{}"), ("threads", "threads {}")):
        if column in runs and distinct(runs[column]):
            parts.append(text.format(distinct(runs[column])))
    parts.append(f"dpsweep {about.get('suite_version', '?')} ({about.get('git_commit', '?')})")
    return parts
