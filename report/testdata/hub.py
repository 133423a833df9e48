"""What huggingface_hub and a Markdown reader see in a model card, as JSON.

Usage: python hub.py README.md
"""

import json
import sys

from huggingface_hub import ModelCard
from markdown_it import MarkdownIt

card = ModelCard.load(sys.argv[1])
results = {r.metric_type: r for r in card.data.eval_results}
accuracy = results["accuracy"]

tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(card.text)
cells, elements = [], set()
for i, token in enumerate(tokens):
    elements.add(token.tag)
    if token.type == "td_open":
        inline = tokens[i + 1]
        elements.update(child.tag for child in inline.children)
        cells.append("".join(child.content for child in inline.children))

json.dump(
    {
        "license": card.data.license,
        "library": card.data.library_name,
        "tags": card.data.tags,
        "dataset": accuracy.dataset_name,
        "datasetType": accuracy.dataset_type,
        "split": accuracy.dataset_split,
        "task": accuracy.task_type,
        "accuracy": accuracy.metric_value,
        "cells": cells,
        "elements": sorted(e for e in elements if e),
    },
    sys.stdout,
)
