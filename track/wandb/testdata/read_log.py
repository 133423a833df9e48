"""Prints what the protobuf classes of wandb read in a .wandb file, as JSON."""

import json
import struct
import sys
import zlib

from google.protobuf.unknown_fields import UnknownFieldSet
from wandb.proto import wandb_internal_pb2 as pb


def records(data):
    assert data[:7] == b":W&B\xe1\xbe\x00"
    at, whole = 7, b""
    while at < len(data):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        crc, length, kind = struct.unpack("<IHB", data[at : at + 7])
        payload = data[at + 7 : at + 7 + length]
        assert zlib.crc32(bytes([kind]) + payload) == crc
        at, whole = at + 7 + length, whole + payload
        if kind in (1, 4):
            yield pb.Record.FromString(whole)
            whole = b""


def unknown(message, path):
    found = [f"{path}.{f.field_number}" for f in UnknownFieldSet(message)]
    for field, value in message.ListFields():
        if field.message_type and not field.message_type.GetOptions().map_entry:
            many = value if not hasattr(value, "ListFields") else [value]
            for v in many:
                found += unknown(v, f"{path}.{field.name}")
    return found


def items(update):
    return {i.key or "/".join(i.nested_key): json.loads(i.value_json) for i in update}


def plain(v):
    return "NaN" if isinstance(v, float) and v != v else v


out = {"Kinds": [], "History": [], "Stats": [], "Files": [], "Summary": {}, "Metrics": {}, "Unknown": []}
for n, r in enumerate(records(open(sys.argv[1], "rb").read()), 1):
    assert r.num == n
    kind = r.WhichOneof("record_type")
    out["Kinds"].append(kind)
    out["Unknown"] += unknown(r, "record")
    if kind == "run":
        out["Run"] = {"display_name": r.run.display_name, "project": r.run.project, "tags": list(r.run.tags)}
        out["Config"] = items(r.run.config.update)
    elif kind == "history":
        row = {k: plain(v) for k, v in items(r.history.item).items()}
        assert r.history.step.num == row["_step"]
        out["History"].append(row)
    elif kind == "summary":
        out["Summary"].update({k: plain(v) for k, v in items(r.summary.update).items()})
    elif kind == "stats":
        out["Stats"].append(items(r.stats.item))
    elif kind == "files":
        out["Files"] += [f.path for f in r.files.files]
    elif kind == "metric":
        ops = {f.name: v for f, v in r.metric.summary.ListFields()}
        out["Metrics"][r.metric.name] = ops
    elif kind == "exit":
        out["Exit"] = {"exit_code": r.exit.exit_code, "runtime": r.exit.runtime}
print(json.dumps(out))
