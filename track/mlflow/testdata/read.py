"""Reads runs back with MLflow's own client and writes what it sees as JSON.

usage: read.py TRACKING_URI EXPERIMENT DOWNLOADS OUT
"""
import json
import math
import os
import sys

import mlflow
from mlflow import MlflowClient

uri, experiment, downloads, out = sys.argv[1:]
mlflow.set_tracking_uri(uri)
client = MlflowClient(uri)
exp = client.get_experiment_by_name(experiment)


def artifacts(run_id, path=None):
    for f in client.list_artifacts(run_id, path):
        if f.is_dir:
            yield from artifacts(run_id, f.path)
        else:
            yield f.path


def number(v):
    return v if math.isfinite(v) else str(v)


seen = []
for run in client.search_runs([exp.experiment_id]):
    run_id = run.info.run_id
    metrics = {
        key: [[m.step, number(m.value), m.timestamp] for m in client.get_metric_history(run_id, key)]
        for key in run.data.metrics
    }
    contents = {}
    for path in artifacts(run_id):
        local = client.download_artifacts(run_id, path, downloads)
        with open(local, "rb") as f:
            contents[path] = f.read().hex()
    seen.append({
        "name": run.info.run_name,
        "status": run.info.status,
        "start": run.info.start_time,
        "end": run.info.end_time,
        "params": run.data.params,
        "tags": run.data.tags,
        "metrics": metrics,
        "artifacts": contents,
        "inputs": [[d.dataset.name, json.loads(d.dataset.source)["uri"]] for d in run.inputs.dataset_inputs],
    })

models = []
for version in client.search_model_versions():
    path = mlflow.artifacts.download_artifacts(f"models:/{version.name}/{version.version}", dst_path=os.path.join(downloads, "registered"))
    models.append({
        "name": version.name, "version": version.version, "run_id": version.run_id, "status": version.status,
        "files": sorted(os.listdir(path)),
    })

with open(out, "w") as f:
    json.dump({"runs": seen, "models": models}, f)
