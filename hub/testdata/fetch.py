"""Fetches a file of a repository with huggingface_hub and prints its path.

    HF_ENDPOINT=… HF_HUB_CACHE=… python fetch.py REPO REVISION FILE
"""
import sys

import huggingface_hub
from huggingface_hub.errors import EntryNotFoundError

repo, revision, name = sys.argv[1:]
try:
    print(huggingface_hub.hf_hub_download(repo, name, revision=revision))
except EntryNotFoundError:
    print("EntryNotFound")
