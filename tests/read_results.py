#!/usr/bin/python3
"""read_results.py READER FILE.h5 [RUNS]: reads a results file as a user of READER would, and checks what it finds.

READER is h5py, pandas, tables (PyTables), xarray, h5netcdf (xarray on it) or netCDF4.  RUNS is the number of runs
expected.  Exit status 1 and one line if something is wrong.
"""
import re
import sys

import numpy as np

KEYS = ["trainer", "batch_size", "seq_len", "status", "verdict", "throughput_p50", "step_time_p50", "peak_ledger",
        "predicted_peak"]
GROUPS = {"runs": "run", "steps": "obs", "memory": "sample", "timeline": "change"}  # and their dimension


def need(condition, text):
    if not condition:
        sys.exit(f"read_results: {text}")


def check_root(f):
    a = f.attrs
    for name in ("suite_version", "git_commit", "command_line", "sweep_uuid", "sweep_name", "hostname", "mpi_library",
                 "hdf5_version", "compiler", "time_coverage_start", "time_coverage_end"):
        need(isinstance(a[name], str), f"attribute {name} is not text")
    for name in ("time_coverage_start", "time_coverage_end"):
        need(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", a[name]), f"{name} is {a[name]!r}")
    need(a["format"] == "dpsweep-results" and a["format_version"] == 1, "not the format that is described")
    need(a["run_count"] == f["runs/run"].shape[0], "run_count is not the number of rows")
    need(a["runs_complete"] in (0, 1) and 0 <= a["journal_crc32"] < 2**32, "attributes out of range")
    need(isinstance(f["config_text"].asstr()[()], str), "config_text is not text")


def check_group(group):
    """Columns of equal length, each on a scale, described, plain."""
    import h5py
    lengths = {v.shape[0] for k, v in group.items() if k != "category"}
    need(len(lengths) == 1, f"{group.name}: columns of lengths {lengths}")
    for name, v in group.items():
        if v.attrs.get("CLASS") == b"DIMENSION_SCALE":
            continue
        need(len(v.dims[0]) == 1, f"{v.name} has no dimension scale")
        need(v.attrs["long_name"], f"{v.name} has no long_name")
        need(v.dtype.kind == "O" or name in ("run", "measured", "stage", "phase") or v.attrs["units"], f"{v.name} has no units")
        need(h5py.check_enum_dtype(v.dtype) is None and v.dtype.names is None, f"{v.name} is not a plain column")
        v[...]  # verifies checksums


def check_slices(f, group):
    """Both ways to find the rows of a run agree."""
    runs, rows = f["runs"], f[group]["run"][:]
    start, count = (runs[f"{group}_{w}"][:].astype("i8") for w in ("start", "count"))
    need((start == np.cumsum(count) - count).all(), f"{group}_start is not the running sum of {group}_count")
    need(np.array_equal(rows, np.repeat(np.arange(len(count)), count)), f"/{group}/run does not fit to the counts")


def check_table(f):
    table, runs = f["tables/runs"][:], f["runs"]
    need(set(table.dtype.names) == set(runs) - {"run"} | {"status_code"}, "/tables/runs has other columns than /runs")
    for name in table.dtype.names:
        if name == "status_code":
            continue
        column = runs[name].asstr()[:] if table.dtype[name].kind == "S" else runs[name][:]
        member = np.array([x.decode() for x in table[name]], dtype=object) if table.dtype[name].kind == "S" else table[name]
        same = (member == column) | ((member != member) & (column != column))
        need(np.all(same), f"/tables/runs: {name} differs from /runs/{name}")


def with_h5py(path):
    import h5py
    with h5py.File(path) as f:
        check_root(f)
        for name in ("runs", "steps", "memory", "timeline"):
            check_group(f[name])
        for name in ("steps", "memory", "timeline"):
            check_slices(f, name)
        for words in (f["memory/stage"], f["timeline/phase"]):
            need(len(words.attrs["flag_values"]) == len(words.attrs["flag_meanings"].split()), f"{words.name}: no words")
        for group in (f["memory"], f["timeline"]):
            need(group["bytes"].dims[1][0] == group["category"], "bytes are not on the scale of categories")
        check_table(f)
        for name in KEYS:
            f["runs"][name][:]
        return f["runs/run"].shape[0]


def with_pandas(path):
    """Both ways: the table, and the columns one by one."""
    import h5py
    import pandas
    table = pandas.read_hdf(path, "tables/runs")
    need(set(KEYS) <= set(table.columns), f"no columns {set(KEYS) - set(table.columns)}")
    need((table["batch_size"] > 0).all(), "batch_size is not a number")
    with h5py.File(path) as f:
        values = {k: f["runs"][k] for k in KEYS}
        columns = pandas.DataFrame({k: v.asstr()[:] if v.dtype.kind == "O" else v[:] for k, v in values.items()})
        steps = pandas.DataFrame({k: v[:] for k, v in f["steps"].items() if k != "obs"})
        counts = f["runs/steps_count"][:]
    need(columns.equals(table[KEYS].astype(columns.dtypes)), "columns and table differ")
    need((steps.groupby("run").size().reindex(range(len(counts)), fill_value=0) == counts).all(), "steps of each run")
    return len(table)


def check_dataset(f, name, dataset):
    """What xarray makes of a group: all columns, their values, dimensions with names."""
    group = f[name]
    need(dataset.sizes[GROUPS[name]] == group["run"].shape[0], f"/{name}: dimensions {dict(dataset.sizes)}")
    for key, column in group.items():
        if key != "run" and key == GROUPS[name]:
            continue
        values = dataset[key].values
        if values.dtype.kind == "M":  # seconds since 1970 became dates
            seconds = (values - np.datetime64(0, "s")) / np.timedelta64(1, "s")
            need(np.allclose(seconds, column[:], rtol=0, atol=1e-5), f"/{name}/{key}: dates")
        elif column.dtype.kind == "O":
            need(list(values) == list(column.asstr()[:]), f"/{name}/{key}: texts")
        else:
            need(values.dtype == column.dtype and np.array_equal(values, column[:], equal_nan=column.dtype.kind == "f"),
                 f"/{name}/{key}: values or type {values.dtype}")
    need(len(dataset.to_dataframe()) > 0 or group["run"].shape[0] == 0, f"/{name} makes no table")


def with_xarray(path, engine="netcdf4"):
    import h5py
    import xarray
    datasets = {}
    for name in GROUPS:
        with xarray.open_dataset(path, group=name, engine=engine) as opened:
            datasets[name] = opened.load()
    with h5py.File(path) as f:
        for name, dataset in datasets.items():
            check_dataset(f, name, dataset)
    return datasets["runs"].sizes["run"]


def with_netcdf4(path):
    import h5py
    import netCDF4
    with netCDF4.Dataset(path) as n:
        found = {name: {k: v[:] for k, v in n[name].variables.items()} for name in GROUPS}
        units = n["runs/step_time_p50"].units
    need(units == "s", "units are lost")
    with h5py.File(path) as f:
        for name, variables in found.items():
            columns = set(f[name]) - ({GROUPS[name]} - {"run"})
            need(columns <= set(variables), f"/{name}: {columns - set(variables)} cannot be seen")
            for key in columns:
                column = f[name][key]
                values = column.asstr()[:] if column.dtype.kind == "O" else column[:]
                plain = np.ma.getdata(variables[key])
                need(np.array_equal(plain, values, equal_nan=column.dtype.kind == "f"), f"/{name}/{key} differs")
    return len(found["runs"]["run"])


def with_tables(path):
    import tables
    with tables.open_file(path) as f:
        table = f.get_node("/tables/runs")
        need(set(KEYS) <= set(table.colnames), f"no columns {set(KEYS) - set(table.colnames)}")
        return len(table.read())


if __name__ == "__main__":
    readers = {"h5py": with_h5py, "pandas": with_pandas, "tables": with_tables, "xarray": with_xarray,
               "h5netcdf": lambda path: with_xarray(path, "h5netcdf"), "netCDF4": with_netcdf4}
    n = readers[sys.argv[1]](sys.argv[2])
    need(len(sys.argv) < 4 or n == int(sys.argv[3]), f"{n} runs, not {sys.argv[3:]}")
    print(n, "runs")
