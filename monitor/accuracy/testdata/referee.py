"""Figures of scikit-learn for the answers in a JSON file, as JSON.

Usage: python referee.py answers.json
"""

import json
import sys

import numpy as np
from sklearn.isotonic import IsotonicRegression


def isotonic(c):
    model = IsotonicRegression(out_of_bounds="clip", increasing=True)
    model.fit(c["score"], np.array(c["correct"], dtype=float))
    return {"knots": [model.X_thresholds_, model.y_thresholds_], "values": model.predict(c["at"])}


def dump(value, out):
    json.dump(value, out, default=lambda x: np.asarray(x).tolist())


if __name__ == "__main__":
    with open(sys.argv[1]) as f:
        dump([isotonic(c) for c in json.load(f)], sys.stdout)
