"""Figures of scikit-learn and scipy for the answers in a JSON file, as JSON.

Usage: python referee.py answers.json
"""

import json
import sys

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn import metrics
from sklearn.calibration import calibration_curve

with open(sys.argv[1]) as f:
    answers = json.load(f)
truth = np.array(answers["truth"])
p = np.array(answers["probabilities"], dtype=np.float64)
logits = np.array(answers["logits"], dtype=np.float64)
classes = np.arange(p.shape[1])
predicted = p.argmax(1)
one_hot = np.eye(len(classes))[truth]
confidence, right = p.max(1), (predicted == truth).astype(int)

out = {
    "accuracy": metrics.accuracy_score(truth, predicted),
    "balanced_accuracy": np.mean([np.mean(predicted[truth == c] == c) for c in np.unique(truth)]),
    "top_5": metrics.top_k_accuracy_score(truth, p + 1e-12 * one_hot, k=5, labels=classes),
    "per_class": metrics.precision_recall_fscore_support(truth, predicted, labels=classes, zero_division=0)[:3],
    "macro": metrics.precision_recall_fscore_support(truth, predicted, average="macro", zero_division=0)[:3],
    "weighted": metrics.precision_recall_fscore_support(truth, predicted, average="weighted", zero_division=0)[:3],
    "log_loss": -np.mean(np.log(np.maximum(p[np.arange(len(truth)), truth], 1e-12))),
    "brier": np.mean(((p - one_hot) ** 2).sum(1)),
    "confusion": metrics.confusion_matrix(truth, predicted, labels=classes),
}
if p[np.arange(len(truth)), truth].min() > 1e-12:
    out["log_loss"] = metrics.log_loss(truth, p / p.sum(1, keepdims=True), labels=classes)

# Reliability: bins of equal width by scikit-learn, their sizes by numpy.
hit, mean = calibration_curve(right, confidence, n_bins=15, strategy="uniform")
sizes = np.histogram(confidence, bins=np.linspace(0, 1, 16))[0]
out["calibration_curve"] = [hit, mean]
out["ece"] = np.sum(np.abs(hit - mean) * sizes[sizes > 0]) / len(truth)
order = np.argsort(confidence, kind="stable")
out["adaptive_ece"] = sum(
    len(part) * abs(confidence[part].mean() - right[part].mean()) for part in np.array_split(order, 15) if len(part)
) / len(truth)

# scikit-learn refuses a class without images in roc_auc_score; leave it out.
seen = [c for c in classes if 0 < one_hot[:, c].sum() < len(truth)]
out["roc_auc"] = [metrics.roc_auc_score(one_hot[:, c], p[:, c]) for c in seen]
out["average_precision"] = [metrics.average_precision_score(one_hot[:, c], p[:, c]) for c in seen]
out["roc_macro"] = metrics.roc_auc_score(one_hot[:, seen], p[:, seen], average="macro")
out["ap_macro"] = metrics.average_precision_score(one_hot[:, seen], p[:, seen], average="macro")
out["roc_micro"] = metrics.roc_auc_score(one_hot.ravel(), p.ravel())
out["ap_micro"] = metrics.average_precision_score(one_hot.ravel(), p.ravel())


def nll(t):
    return -np.mean(log_softmax(logits / t, axis=1)[np.arange(len(truth)), truth])


out["temperature"] = minimize_scalar(nll, bounds=(0.01, 100), method="bounded", options={"xatol": 1e-10}).x
out["nll_before"], out["nll_after"] = nll(1.0), nll(out["temperature"])

json.dump(out, sys.stdout, default=lambda x: np.asarray(x).tolist())
