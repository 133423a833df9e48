"""Hosts a store of PyTorch's: prints its port, then the value that Go sets."""

import sys

from torch.distributed import TCPStore

store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
store.set("from python", "value")
print(store.port, flush=True)
print(store.get("from go").decode(), flush=True)
sys.stdin.read()
