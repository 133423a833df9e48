"""Figures of scipy, statsmodels and scikit-learn for the samples in a JSON file, as JSON.

Usage: python referee.py samples.json
"""

import json
import sys

import numpy as np
from scipy import stats
from scipy.spatial.distance import jensenshannon, pdist
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler
from statsmodels.stats.multitest import multipletests


def ks(c):
    r = stats.ks_2samp(c["reference"], c["window"])
    return [r.statistic, r.pvalue]


def chi_square(c):
    table = np.array([c["reference"], c["window"]])
    r = stats.chi2_contingency(table[:, table.sum(0) > 0], correction=False)
    return [r.statistic, r.pvalue, r.dof]


def psi(c):
    """As Evidently fills zeros; p by the law of Yurdakul 2018."""

    def filled(shares):
        a = np.array(shares, dtype=float)
        least = a[a > 0].min()
        a[a == 0] = least / 1e6 if least <= 1e-4 else 1e-4
        return a

    r, w = filled(c["reference"]), filled(c["window"])
    value = np.sum((r - w) * np.log(r / w))
    return [value, stats.chi2.sf(value / (1 / c["n"] + 1 / c["m"]), len(r) - 1), jensenshannon(c["reference"], c["window"])]


def adjusted(p):
    return [multipletests(p, method=m)[1] for m in ("holm", "bonferroni")]


def mmd(c):
    """Gretton 2012, equation 3; the bandwidth of alibi-detect: of the pairs' squared distances the lower median is 2 sigma^2."""
    x, y = np.array(c["reference"]), np.array(c["window"])
    distances = np.sort(pdist(x, "sqeuclidean"))
    double = distances[(len(distances) - 1) // 2]

    def k(a, b):
        return np.exp(-((a[:, None] - b[None]) ** 2).sum(-1) / double)

    n, m = len(x), len(y)
    xx, yy, xy = k(x, x), k(y, y), k(x, y)
    return [
        (xx.sum() - n) / (n * (n - 1)) + (yy.sum() - m) / (m * (m - 1)) - 2 * xy.mean(),
        np.sqrt(double / 2),
    ]


def logistic(c):
    x = StandardScaler().fit_transform(np.array(c["reference"] + c["window"]))
    y = np.array([0] * len(c["reference"]) + [1] * len(c["window"]))
    model = LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-10, max_iter=1000).fit(x, y)
    s = np.round(model.decision_function(x), 1)  # with ties
    u = stats.mannwhitneyu(s[y == 1], s[y == 0], alternative="greater", method="asymptotic", use_continuity=False)
    return {
        "coefficients": np.append(model.coef_[0], model.intercept_),
        "scores": s,
        "auc": roc_auc_score(y, s),
        "p": u.pvalue,
    }


def projection(c):
    rows = np.array(c["rows"])
    model = PCA(n_components=c["dims"], svd_solver="full").fit(rows)
    coordinates = model.transform(rows)
    rest = np.linalg.norm(rows - model.inverse_transform(coordinates), axis=1)
    signs = np.sign(model.components_[np.arange(c["dims"]), np.abs(model.components_).argmax(1)])
    return np.hstack([coordinates * signs, rest[:, None]])


def mahalanobis(c):
    rows, classes = np.array(c["rows"]), np.array(c["classes"])
    means = np.array([rows[classes == k].mean(0) for k in np.unique(classes)])
    rest = rows - means[np.searchsorted(np.unique(classes), classes)]
    scale = rest.std(0)  # their means are 0
    model = LedoitWolf(assume_centered=True).fit(rest / scale)
    differences = [(x - means) / scale for x in np.array(c["queries"])]
    scores = [min(d @ model.precision_ @ d for d in ds) for ds in differences]
    return {"shrinkage": model.shrinkage_, "scores": scores}


def answers(samples):
    by_name = globals()
    return {name: [by_name[name](c) for c in cases] for name, cases in samples.items() if cases}


def dump(value, out):
    json.dump(value, out, default=lambda x: np.asarray(x).tolist())


if __name__ == "__main__":
    with open(sys.argv[1]) as f:
        dump(answers(json.load(f)), sys.stdout)
