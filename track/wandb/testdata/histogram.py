"""Prints what wandb.Histogram makes of a list of numbers, as JSON."""

import json
import sys

import numpy as np
import wandb

print(json.dumps(wandb.Histogram(np.array(json.loads(sys.argv[1]), dtype="float64")).to_json()))
