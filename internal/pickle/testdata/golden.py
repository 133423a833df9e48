"""Writes the .pkl files beside it with Python 3.11 and omegaconf 2.4: seeds of the fuzz target."""
import argparse
import collections
import enum
import pathlib
import pickle

import omegaconf

HERE = pathlib.Path(__file__).parent


class Colour(enum.Enum):
    RED = 1


value = {
    "config": omegaconf.OmegaConf.create({"optim": {"lr": 0.1, "betas": [0.9, 0.999]}, "name": "${optim.lr}"}),
    "args": argparse.Namespace(lr=0.1, layers=[1, 2]),
    "path": pathlib.PurePosixPath("/data"),
    "colour": Colour.RED,
    "counts": collections.Counter("hello"),
    "by": collections.defaultdict(list, {(1, 2): [3]}),
    "big": 1 << 80,
    "bytes": b"\x00\xff",
    "array": bytearray(b"ab"),
    "sets": (set("ab"), frozenset("cd"), complex(1, 2), range(3), slice(1, 2), ...),
}
for protocol in range(6):
    (HERE / f"protocol{protocol}.pkl").write_bytes(pickle.dumps(value, protocol))
