"""Accuracies that NannyML's CBPE estimates for the windows in a JSON file, as JSON.

Usage: python cbpe.py windows.json

An answer is made a binary prediction that is always positive: "this answer holds", with the confidence as its probability.
"""

import importlib.metadata
import importlib.util
import json
import os
import sys
import warnings

os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"
warnings.simplefilter("ignore")

# Empty, as their __init__ imports every calculator, and with them FLAML, LightGBM and XGBoost.
for name in ("nannyml", "nannyml.performance_estimation"):
    sys.modules[name] = importlib.util.module_from_spec(importlib.util.find_spec(name))
sys.modules["nannyml"].__version__ = importlib.metadata.version("nannyml")

import numpy as np
import pandas as pd
from nannyml.performance_estimation.confidence_based import CBPE

with open(sys.argv[1]) as f:
    given = json.load(f)

reference = pd.DataFrame({"p": given["score"], "right": np.array(given["correct"], dtype=int), "said": 1})
estimates = []
for window in given["windows"]:
    cbpe = CBPE(
        problem_type="classification_binary",
        y_pred_proba="p",
        y_pred="said",
        y_true="right",
        metrics=["accuracy"],
        chunk_size=len(window),
    )
    cbpe.fit(reference)
    result = cbpe.estimate(pd.DataFrame({"p": window, "said": 1})).filter(period="analysis").to_df(multilevel=False)
    estimates.append([float(result["accuracy_value"].iloc[0]), bool(cbpe.needs_calibration)])
json.dump(estimates, sys.stdout)
