#!/usr/bin/python3
"""read_tensorboard.py own|tensorboard EVENTS CSV: are the exported events those of the exported tables?

`own` reads frames and messages by itself, with nothing but Python; `tensorboard` asks TensorBoard's own reader and its
plugin hparams.  EVENTS and CSV are the folders that `dpsweep export` wrote.  Exit status 1 and one line if not.
"""
import csv
import glob
import os
import struct
import sys


def need(condition, text):
    if not condition:
        sys.exit(f"read_tensorboard: {text}")


# ---- own: TFRecord frames and the wire format of protocol buffers ----------------------------------------------------

def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data):
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def frames(path):
    data, at = open(path, "rb").read(), 0
    while at < len(data):
        length, crc = struct.unpack_from("<QI", data, at)
        need(crc == masked(data[at:at + 8]), f"{path}: the CRC of a length is wrong")
        body = data[at + 12:at + 12 + length]
        need(struct.unpack_from("<I", data, at + 12 + length)[0] == masked(body), f"{path}: a CRC is wrong")
        yield body
        at += 16 + length


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift += 7
        at += 1
        if not data[at - 1] & 128:
            return value, at


def message(data):
    """{field: [values]}"""
    fields, at = {}, 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        elif key & 7 == 2:
            length, at = varint(data, at)
            value, at = data[at:at + length], at + length
        else:
            size = {1: 8, 5: 4}[key & 7]
            value, at = struct.unpack_from("<d" if size == 8 else "<f", data, at)[0], at + size
        fields.setdefault(key >> 3, []).append(value)
    return fields


def read_own(folder):
    """Scalars {tag: {step: value}} and hyper-parameters {name: value} of a run."""
    scalars, hparams = {}, {}
    for i, frame in enumerate(frames(glob.glob(folder + "/events.out.tfevents.*")[0])):
        event = message(frame)
        if i == 0:
            need(event[3] == [b"brain.Event:2"], "the first event is not the version of the file")
            continue
        value = message(message(event[5][0])[1][0])
        tag = value[1][0].decode()
        if 2 in value:
            scalars.setdefault(tag, {})[event[2][0]] = value[2][0]
        elif tag == "_hparams_/session_start_info":
            start = message(message(message(message(value[9][0])[1][0])[2][0])[3][0])
            for entry in map(message, start[1]):
                number_or_text = message(entry[2][0])
                hparams[entry[1][0].decode()] = number_or_text.get(2, number_or_text.get(3))[0]
    return scalars, {k: v.decode() if isinstance(v, bytes) else v for k, v in hparams.items()}


# ---- TensorBoard's ---------------------------------------------------------------------------------------------------

def read_tensorboard(folder):
    from tensorboard.backend.event_processing import event_accumulator
    from tensorboard.plugins.hparams import metadata
    events = event_accumulator.EventAccumulator(folder, size_guidance={event_accumulator.SCALARS: 0})
    events.Reload()
    scalars = {tag: {e.step: e.value for e in events.Scalars(tag)} for tag in events.Tags()["scalars"]}
    content = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    start = metadata.parse_session_start_info_plugin_data(content)
    end = metadata.parse_session_end_info_plugin_data(
        events.SummaryMetadata("_hparams_/session_end_info").plugin_data.content)
    need(end.end_time_secs > start.start_time_secs > 0, "the session has no times")
    return scalars, {k: getattr(v, v.WhichOneof("kind")) for k, v in start.hparams.items()}


def check_session_groups(folder, n):
    """What the page of the plugin shows: a group of sessions for each configuration, with all its hyper-parameters."""
    from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
    from tensorboard.context import RequestContext
    from tensorboard.plugins import base_plugin
    from tensorboard.plugins.hparams import api_pb2, backend_context, get_experiment, list_session_groups
    multiplexer = plugin_event_multiplexer.EventMultiplexer().AddRunsFromDirectory(folder)
    multiplexer.Reload()
    provider = data_provider.MultiplexerDataProvider(multiplexer, folder)
    context = backend_context.Context(base_plugin.TBContext(logdir=folder, data_provider=provider))
    request, metadata = RequestContext(), context.hparams_metadata(RequestContext(), "")
    experiment = get_experiment.Handler(request, context, "", api_pb2.GetExperimentRequest()).run()
    names = {info.name for info in experiment.hparam_infos}
    need({"trainer", "batch_size"} <= names, f"the plugin shows only {names}")
    need(metadata, "the plugin finds nothing")
    statuses = [api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE, api_pb2.STATUS_RUNNING, api_pb2.STATUS_UNKNOWN]
    groups = list_session_groups.Handler(
        request, context, "", api_pb2.ListSessionGroupsRequest(slice_size=1000, allowed_statuses=statuses)).run()
    need(len(groups.session_groups) == n, f"the plugin shows {len(groups.session_groups)} sessions, not {n}")


# ---- against the tables ----------------------------------------------------------------------------------------------

def table(folder, name):
    with open(os.path.join(folder, name + ".csv"), newline="") as f:
        return list(csv.DictReader(f))


def as_float(value):
    return struct.unpack("<f", struct.pack("<f", float(value)))[0]


def check_run(folder, run, steps, read):
    scalars, hparams = read(folder)
    need(hparams["trainer"] == run["trainer"] and hparams["batch_size"] == float(run["batch_size"]),
         f"{folder}: other hyper-parameters than its run")
    for column in ("loss", "step_time", "grad_norm", "time_backward"):
        want = {int(s["step"]): as_float(s[column]) for s in steps if s[column]}
        need(scalars.get("step/" + column, {}) == want, f"{folder}: step/{column} is not the column of steps.csv")
    need(scalars["memory/peak_ledger"] == {0: as_float(run["peak_ledger"])}, f"{folder}: another memory/peak_ledger")
    need(("run/step_time_p50" in scalars) == bool(run["step_time_p50"]), f"{folder}: a time that is not there")


def main(reader, events, tables):
    runs, steps = table(tables, "runs"), table(tables, "steps")
    read = {"own": read_own, "tensorboard": read_tensorboard}[reader]
    folders = sorted(os.listdir(events))
    need(len(folders) == len(runs), f"{len(folders)} folders for {len(runs)} runs")
    for folder, run in zip(folders, runs):
        check_run(os.path.join(events, folder), run, [s for s in steps if s["run_id"] == run["run_id"]], read)
    if reader == "tensorboard":
        check_session_groups(events, len(runs))
    print(len(runs), "runs")


if __name__ == "__main__":
    need(crc32c(b"123456789") == 0xE3069283, "crc32c is not the one of RFC 3720")
    main(*sys.argv[1:])
