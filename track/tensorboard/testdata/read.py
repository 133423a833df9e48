"""Reads a folder of runs as TensorBoard does and writes what it sees to OUT, as JSON.

usage: read.py LOGDIR RUN VALUES OUT
VALUES is a file of float32 values, which numpy sorts into TensorFlow's buckets too.
"""
import base64
import json
import os
import sys
import time

import numpy as np
from tensorboard import context as tb_context
from tensorboard.backend.event_processing import data_provider, event_accumulator
from tensorboard.backend.event_processing import plugin_event_multiplexer
from tensorboard.data import provider as provider_lib
from tensorboard.data import server_ingester
from tensorboard.plugins import base_plugin
from tensorboard.plugins.hparams import api_pb2, backend_context, get_experiment, list_session_groups
from tensorboard.util import grpc_util, tensor_util
from google.protobuf import json_format

logdir, run, values, out = sys.argv[1:]

acc = event_accumulator.EventAccumulator(os.path.join(logdir, run), size_guidance={
    event_accumulator.SCALARS: 0, event_accumulator.HISTOGRAMS: 0, event_accumulator.IMAGES: 0, event_accumulator.TENSORS: 0,
})
acc.Reload()
tags = acc.Tags()
seen = {
    "file_version": acc.file_version,
    "scalars": {t: [[e.step, e.value] for e in acc.Scalars(t)] for t in tags["scalars"]},
    "histograms": {t: [dict(step=e.step, **vars(e.histogram_value)) for e in acc.Histograms(t)] for t in tags["histograms"]},
    "images": {
        t: [dict(step=e.step, width=e.width, height=e.height, png=base64.b64encode(e.encoded_image_string).decode()) for e in acc.Images(t)]
        for t in tags["images"]
    },
    "captions": {t: acc.SummaryMetadata(t).summary_description for t in tags["images"] if t in acc.summary_metadata},
    "texts": {t: tensor_util.make_ndarray(acc.Tensors(t)[0].tensor_proto)[0].decode() for t in acc.summary_metadata
              if acc.summary_metadata[t].plugin_data.plugin_name == "text"},
}

# What the HPARAMS tab asks its backend for.
mux = plugin_event_multiplexer.EventMultiplexer()
mux.AddRunsFromDirectory(logdir)
mux.Reload()
provider = data_provider.MultiplexerDataProvider(mux, logdir)
ctx = backend_context.Context(base_plugin.TBContext(data_provider=provider))
request = tb_context.RequestContext()
experiment = get_experiment.Handler(
    request, ctx, "", api_pb2.GetExperimentRequest(include_metrics=True)).run()
columns = [api_pb2.ColParams(metric=m.name) for m in experiment.metric_infos]
groups = list_session_groups.Handler(request, ctx, "", api_pb2.ListSessionGroupsRequest(
    start_index=0, slice_size=100, col_params=columns, include_metrics=True,
    allowed_statuses=[api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE, api_pb2.STATUS_RUNNING, api_pb2.STATUS_UNKNOWN],
)).run()
seen["hparams"] = json_format.MessageToDict(experiment)
seen["sessions"] = [json_format.MessageToDict(s) for g in groups.session_groups for s in g.sessions]

# The loader that a TensorBoard in use has: a program of its own.
ingester = server_ingester.SubprocessServerDataIngester(
    server_binary=server_ingester.get_server_binary(), logdir=logdir, reload_interval=0,
    channel_creds_type=grpc_util.ChannelCredsType.LOCAL)
ingester.start()
fast = ingester.data_provider
filter_all = provider_lib.RunTagFilter(runs=[run])
for _ in range(400):  # it loads while it answers; the summary comes last
    series = fast.read_scalars(request, experiment_id="", plugin_name="scalars", downsample=1000, run_tag_filter=filter_all)
    if "summary/test_accuracy" in series.get(run, {}):
        break
    time.sleep(0.05)
seen["fast"] = {
    "scalars": {t: [[d.step, d.value] for d in points] for t, points in series.get(run, {}).items()},
    "captions": {t: s.description for t, s in fast.list_blob_sequences(
        request, experiment_id="", plugin_name="images", run_tag_filter=filter_all).get(run, {}).items()},
}
del ingester

# TensorFlow's buckets, by numpy.
limits = []
v = 1e-12
while v < 1e20:
    limits.append(v)
    v *= 1.1
edges = [-l for l in reversed(limits)] + [0.0] + limits
counts, _ = np.histogram(np.fromfile(values, dtype=np.float32).astype(np.float64), bins=edges)
first = int(np.nonzero(counts)[0][0])
last = int(np.nonzero(counts)[0][-1])
seen["numpy"] = {"limits": edges[first + 1 : last + 2], "counts": counts[first : last + 1].astype(float).tolist()}

with open(out, "w") as f:
    json.dump(seen, f)
