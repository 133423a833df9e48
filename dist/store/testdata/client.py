"""Uses a store of Torchlit's with PyTorch's client; prints ok."""

import datetime
import sys

from torch.distributed import TCPStore

store = TCPStore("127.0.0.1", int(sys.argv[1]), is_master=False, wait_for_workers=False)
store.set("from python", "value")
assert store.get("from python") == b"value"
assert store.add("counter", 2) == 2 and store.add("counter", 40) == 42
assert store.get("counter") == b"42"
assert store.check(["counter", "from python"]) and not store.check(["missing"])
assert store.compare_set("cas", "", "a") == b"a"
assert store.compare_set("cas", "b", "c") == b"a"
assert store.compare_set("cas", "a", "c") == b"c"
store.append("list", "x")
store.append("list", "y")
assert store.get("list") == b"xy"
store.multi_set(["m1", "m2"], ["v1", "v2"])
assert store.multi_get(["m1", "m2"]) == [b"v1", b"v2"]
assert store.delete_key("m1") and not store.delete_key("m1")
keys = store.num_keys()
store.set("another", "")
assert store.num_keys() == keys + 1
try:
    store.wait(["missing"], datetime.timedelta(milliseconds=50))
    raise SystemExit("a wait for a missing key returned")
except Exception as error:
    assert "missing" in str(error) or "imeout" in str(error), error
assert store.get("cas") == b"c"  # the connection lives on after a timeout
print("ok")
