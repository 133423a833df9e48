"""Distances and p-values of alibi-detect for the samples in a JSON file, as JSON.

Usage: python alibi.py samples.json
"""

import importlib.util
import json
import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
# Empty, as their __init__ imports every detector, and with them transformers, numba, OpenCV and pandas.
for name in ("alibi_detect", "alibi_detect.cd"):
    sys.modules[name] = importlib.util.module_from_spec(importlib.util.find_spec(name))

import numpy as np
import tensorflow as tf
from alibi_detect.cd.ks import KSDrift
from alibi_detect.cd.tensorflow.mmd import MMDDriftTF

tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
with open(sys.argv[1]) as f:
    samples = json.load(f)


def mmd(c):
    tf.random.set_seed(0)
    x, y = (np.array(c[k], dtype=np.float32) for k in ("reference", "window"))
    detector = MMDDriftTF(x, n_permutations=300)
    r = detector.predict(y)["data"]
    return [r["distance"], float(detector.kernel.sigma[0]), r["p_val"]]


def ks(c):
    x, y = (np.array(c[k]) for k in ("reference", "window"))
    r = KSDrift(x, p_val=0.05, correction="bonferroni").predict(y, drift_type="batch")["data"]
    return {"d": r["distance"], "p": r["p_val"], "drift": r["is_drift"]}


json.dump(
    {name: [{"mmd": mmd, "ks": ks}[name](c) for c in cases] for name, cases in samples.items()},
    sys.stdout,
    default=lambda x: np.asarray(x).tolist(),
)
