"""Writes goldens.json: small samples and the referees' figures for them.

Usage: python goldens.py > goldens.json, with the versions of interop_test.go
"""

import sys

import numpy as np
import referee

rng = np.random.default_rng(7)


def normal(n, shift=0.0, digits=4):
    return np.round(rng.normal(shift, 1, n), digits).tolist()


def rows(n, dims, shift=0.0):
    scale = np.linspace(2, 0.5, dims)
    return np.round(rng.normal(0, 1, (n, dims)) * scale + shift, 3).tolist()


def shares(counts):
    return (np.array(counts) / sum(counts)).tolist()


def mix(n, bins):
    return rng.multinomial(n, rng.dirichlet(np.full(bins, 5.0))).tolist()


samples = {
    "ks": [
        {"reference": sorted(normal(n, 0, digits)), "window": sorted(normal(m, shift, digits))}
        for n, m, shift, digits in [
            (300, 100, 0, 4), (300, 100, 0.5, 4), (101, 97, 0.2, 4), (40, 40, 0.4, 4), (5, 200, 0, 4),
            (200, 200, 0.1, 1), (150, 60, 0.3, 0), (1, 1, 0, 4), (3, 2, 5, 4), (80, 240, 3, 4),
        ]
    ] + [{"reference": [1, 1, 2, 2, 2, 3], "window": [2, 2, 3, 3]}, {"reference": [1, 2], "window": [1, 2]}],
    "chi_square": [
        {"reference": [300, 200, 100], "window": [90, 70, 40]},
        {"reference": [300, 0, 200, 100], "window": [50, 0, 70, 80]},
        {"reference": mix(2000, 10), "window": mix(500, 10)},
        {"reference": [50, 0, 40], "window": [30, 25, 20]},
    ],
    "psi": [
        {"reference": shares(a), "window": shares(b), "n": sum(a), "m": sum(b)}
        for a, b in [
            ([200] * 10, [50] * 10), ([200] * 10, [70, 30] * 5), ([100, 0, 300], [40, 20, 0]),
            ([1, 19999, 0], [500, 400, 100]), (mix(2000, 10), mix(500, 10)),
        ]
    ],
    "adjusted": [[0.01, 0.04, 0.03, 0.005], [0.5], [0.2, 0.2, 0.9, 1.0, 0.0], rng.uniform(0, 0.2, 20).round(5).tolist()],
    "mmd": [
        {"reference": rows(40, 5), "window": rows(30, 5)},
        {"reference": rows(30, 5), "window": rows(41, 5, 0.7)},
        {"reference": rows(25, 3, 100), "window": rows(25, 3, 100.4)},
    ],
    "logistic": [
        {"reference": rows(60, 4), "window": rows(50, 4, 0.3)},
        {"reference": rows(40, 3), "window": rows(40, 3, 4)},
    ],
    "projection": [{"rows": rows(60, 12, 1), "dims": 4}, {"rows": rows(20, 6), "dims": 6}],
    "mahalanobis": [
        {
            "rows": rows(60, 6, np.arange(6)),
            "classes": [0, 1, 3] * 20,
            "queries": rows(5, 6, np.arange(6)) + rows(5, 6, 5),
        }
    ],
}
referee.dump({"samples": samples, "answers": referee.answers(samples)}, sys.stdout)
