"""Writes goldens.json: small validation sets and scikit-learn's maps of them.

Usage: python goldens.py > goldens.json, with the versions of interop_test.go
"""

import sys

import numpy as np
import referee

rng = np.random.default_rng(3)


def answers(n, digits):
    score = np.round(rng.beta(4, 1.5, n), digits)
    return {
        "score": score.tolist(),
        "correct": (rng.uniform(size=n) < score**1.5).tolist(),
        "at": np.round(np.linspace(-0.1, 1.1, 37), 4).tolist(),
    }


cases = [answers(200, 6), answers(300, 2), answers(50, 1), answers(3, 4), answers(1, 4)]
cases.append({"score": [0.1, 0.2, 0.3, 0.4], "correct": [True, True, False, False], "at": [0, 0.25, 1]})
cases.append({"score": [0.1, 0.2, 0.3, 0.4], "correct": [False, False, True, True], "at": [0, 0.15, 0.225, 0.25, 0.3, 1]})
referee.dump({"cases": cases, "answers": [referee.isotonic(c) for c in cases]}, sys.stdout)
