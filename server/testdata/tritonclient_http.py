"""Every call of tritonclient's HTTP clients, against a server whose model "colours" (8 x 8 pixels; red, green, blue)
answers with the channels' shares of an image's light. Arguments: HOST:PORT, and two PNG files of 8 x 8 pixels, the first
all red."""

import asyncio
import gzip
import inspect
import json
import sys
import urllib.request

import numpy as np
import tritonclient.http as http
import tritonclient.http.aio as aio
from tritonclient.utils import InferenceServerException

url, png, mixed = sys.argv[1], open(sys.argv[2], "rb").read(), open(sys.argv[3], "rb").read()
M = "colours"


def same(got, want):
    assert np.allclose(got, want, atol=1e-6), (got, want)


def batch(n):
    """n images, red, green and blue in turn, and their answers."""
    pixels = np.zeros((n, 8, 8, 3), np.uint8)
    for i in range(n):
        pixels[i, :, :, i % 3] = 200
    return pixels, np.eye(3, dtype=np.float32)[np.arange(n) % 3]


def uint8(n, binary=True, module=http):
    pixels, want = batch(n)
    x = module.InferInput("input", list(pixels.shape), "UINT8")
    x.set_data_from_numpy(pixels, binary_data=binary)
    return x, want


def fp32(n, binary=True, module=http):
    pixels, want = batch(n)
    planes = np.ascontiguousarray(pixels.astype(np.float32).transpose(0, 3, 1, 2))
    x = module.InferInput("input", list(planes.shape), "FP32")
    x.set_data_from_numpy(planes, binary_data=binary)
    return x, want


def image(module=http, *files):
    files = files or (png,)
    x = module.InferInput("image", [len(files)], "BYTES")
    x.set_data_from_numpy(np.array(files, dtype=np.object_))
    return x, [[1, 0, 0]]


def v1(file):
    """What /v1/classify says of a file, by class."""
    answer = json.load(urllib.request.urlopen(f"http://{url}/v1/models/{M}/classify", file))
    return [p["probability"] for p in sorted(answer["predictions"], key=lambda p: p["index"])]


def fails(words, call):
    try:
        call()
    except InferenceServerException as e:
        assert words in str(e), (words, str(e))
        return e
    raise AssertionError(f"no error with {words!r}")


def health_and_metadata(c):
    assert c.is_server_live() and c.is_server_ready()
    assert c.is_model_ready(M) and c.is_model_ready(M, "1") and not c.is_model_ready("nobody") and not c.is_model_ready(M, "7")
    md = c.get_server_metadata()
    assert md["name"] == "torchlit" and "binary_tensor_data" in md["extensions"], md
    md = c.get_model_metadata(M)
    assert md["name"] == M and md["versions"] == ["1"] and md["platform"], md
    assert md["inputs"][0] == {"name": "input", "datatype": "FP32", "shape": [-1, 3, 8, 8]}, md
    assert md["outputs"] == [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 3]}], md
    config = c.get_model_config(M, "1")
    assert config["max_batch_size"] == 4 and config["input"][0]["dims"] == [3, 8, 8], config
    for f in (c.get_model_metadata, c.get_model_config, c.get_inference_statistics):
        assert "404" in str(fails("There is no model", lambda: f("nobody")).status())


def repository(c):
    index = c.get_model_repository_index()
    assert any({"name": M, "version": "1", "state": "READY"}.items() <= e.items() for e in index), index
    assert any(e["state"] == "UNAVAILABLE" and e["reason"] for e in index), index
    c.load_model("other")
    c.load_model("other", config=json.dumps({"max_batch_size": 4}))
    fails("cannot be loaded", lambda: c.load_model("broken"))
    c.unload_model("other")
    fails("no such model", lambda: c.unload_model("nobody"))


def absent(c):
    for call in (c.get_trace_settings, c.get_log_settings, c.get_system_shared_memory_status, c.get_cuda_shared_memory_status,
                 lambda: c.unregister_system_shared_memory(), lambda: c.unregister_cuda_shared_memory(),
                 lambda: c.register_system_shared_memory("a", "b", 8), lambda: c.register_cuda_shared_memory("a", b"b", 0, 8), lambda: c.update_log_settings({"log_info": False}),
                 lambda: c.update_trace_settings(settings={"trace_level": ["OFF"]})):
        fails("does not have that extension", call)


def infer(c):
    for make in (uint8, fp32):
        for binary_in in (True, False):
            for binary_out in (True, False):
                for n in (1, 3):
                    x, want = make(n, binary_in)
                    out = http.InferRequestedOutput("probabilities", binary_data=binary_out)
                    same(c.infer(M, [x], outputs=[out]).as_numpy("probabilities"), want)
    for binary in (True, False):
        x, want = fp32(200, binary)
        out = http.InferRequestedOutput("probabilities", binary_data=binary)
        for sent in (None, "gzip", "deflate"):
            for answered in (None, "gzip", "deflate"):
                r = c.infer(M, [x], outputs=[out], request_compression_algorithm=sent, response_compression_algorithm=answered)
                same(r.as_numpy("probabilities"), want)
                r = c.async_infer(M, [x], outputs=[out], request_compression_algorithm=sent, response_compression_algorithm=answered).get_result()
                same(r.as_numpy("probabilities"), want)
    x, want = image()
    same(c.infer(M, [x]).as_numpy("probabilities"), want)
    x, want = uint8(50)  # far above max_batch_size
    same(c.infer(M, [x], model_version="1").as_numpy("probabilities"), want)

    x, _ = uint8(2)
    r = c.infer(M, [x], request_id="seven", timeout=10_000_000, priority=2, outputs=[http.InferRequestedOutput("probabilities", class_count=2)])
    assert r.get_response()["id"] == "seven" and r.get_response()["model_version"] == "1"
    got = r.as_numpy("probabilities")
    assert got.shape == (2, 2) and got[0][0] == b"1.000000:0:red" and got[1][0] == b"1.000000:1:green", got
    calls = [c.async_infer(M, [uint8(n)[0]]) for n in (1, 2, 3)]
    for n, call in zip((1, 2, 3), calls):
        same(call.get_result().as_numpy("probabilities"), batch(n)[1])


def errors(c):
    x, _ = uint8(1)
    fails("There is no model", lambda: c.infer("nobody", [x]))
    fails("has no version", lambda: c.infer(M, [x], model_version="9"))
    fails("no output", lambda: c.infer(M, [x], outputs=[http.InferRequestedOutput("nothing")]))
    wrong = http.InferInput("input", [1, 4, 4, 3], "UINT8")
    wrong.set_data_from_numpy(np.zeros((1, 4, 4, 3), np.uint8))
    fails("UINT8 [1 4 4 3]", lambda: c.infer(M, [wrong]))
    bad = http.InferInput("image", [2], "BYTES")
    bad.set_data_from_numpy(np.array([png, b"no image"], dtype=np.object_))
    fails("Image 1 of the request", lambda: c.infer(M, [bad]))
    fails("image", lambda: c.infer(M, [x, image()[0]]))
    x.set_data_from_numpy(np.zeros((1, 8, 8, 3), np.uint8))
    fails("timeout", lambda: c.infer(M, [x], timeout=10**15))


def raw_binary():
    def post(body, **headers):
        headers["Inference-Header-Content-Length"] = "0"
        r = urllib.request.urlopen(urllib.request.Request(f"http://{url}/v2/models/{M}/infer", body, headers))
        data, n = r.read(), int(r.headers["Inference-Header-Content-Length"])
        return np.frombuffer(data[n:], np.float32)

    pixels, want = batch(2)
    same(post(pixels[1].tobytes()), want[1])
    same(post(np.ascontiguousarray(pixels[1].astype(np.float32).transpose(2, 0, 1)).tobytes()), want[1])
    same(post(png), [1, 0, 0])
    same(post(gzip.compress(png), **{"Content-Encoding": "gzip"}), [1, 0, 0])


def agrees_with_v1(c):
    both = np.array([v1(png), v1(mixed)])
    assert 0 < both[1].min(), both
    x, _ = image(http, png, mixed)
    same(c.infer(M, [x]).as_numpy("probabilities"), both)
    r = c.infer(M, [x], outputs=[http.InferRequestedOutput("probabilities", class_count=3)])
    for row, want in zip(r.as_numpy("probabilities"), both):
        for element in row:
            value, index, label = element.decode().split(":")
            assert abs(float(value) - want[int(index)]) < 1e-5 and label == ("red", "green", "blue")[int(index)], (row, want)


def bodies(c):
    """The client's own making and reading of bodies, for those who send them by other means."""
    x, want = uint8(2)
    body, n = http.InferenceServerClient.generate_request_body([x])
    r = urllib.request.urlopen(urllib.request.Request(f"http://{url}/v2/models/{M}/infer", body, {"Inference-Header-Content-Length": str(n)}))
    result = http.InferenceServerClient.parse_response_body(r.read(), header_length=int(r.headers["Inference-Header-Content-Length"]))
    same(result.as_numpy("probabilities"), want)


def packing():
    """Answers do come packed, and say so."""
    x, _ = uint8(300)
    body, n = http.InferenceServerClient.generate_request_body([x], outputs=[http.InferRequestedOutput("probabilities", binary_data=False)])
    for algorithm in ("gzip", "deflate"):
        headers = {"Inference-Header-Content-Length": str(n), "Accept-Encoding": algorithm}
        r = urllib.request.urlopen(urllib.request.Request(f"http://{url}/v2/models/{M}/infer", body, headers))
        assert r.headers["Content-Encoding"] == algorithm and len(r.read()) < 1000, r.headers


def statistics(c):
    s = c.get_inference_statistics(M)["model_stats"][0]
    assert s["inference_count"] >= 250 and s["last_inference"] > 0, s
    assert s["inference_stats"]["success"]["count"] > 20 and s["inference_stats"]["fail"]["count"] >= 3, s
    for part in ("queue", "compute_input", "compute_infer", "compute_output", "cache_hit", "cache_miss"):
        assert {"count", "ns"} <= s["inference_stats"][part].keys()
    assert c.get_inference_statistics()["model_stats"][0]["name"] == M


async def afails(words, call):
    try:
        await call
    except InferenceServerException as e:
        assert words in str(e), (words, str(e))
        return
    raise AssertionError(f"no error with {words!r}")


async def asynchronous():
    async with aio.InferenceServerClient(url) as c:
        assert await c.is_server_live() and await c.is_server_ready() and await c.is_model_ready(M) and not await c.is_model_ready("nobody")
        assert (await c.get_server_metadata())["name"] == "torchlit"
        assert (await c.get_model_metadata(M))["name"] == M and (await c.get_model_config(M))["max_batch_size"] == 4
        assert len(await c.get_model_repository_index()) == 2
        await c.load_model("other")
        await c.unload_model("other")
        await afails("cannot be loaded", c.load_model("broken"))
        assert (await c.get_inference_statistics(M))["model_stats"]
        for call in (c.get_trace_settings(), c.get_log_settings(), c.get_system_shared_memory_status(), c.get_cuda_shared_memory_status(),
                     c.unregister_system_shared_memory(), c.unregister_cuda_shared_memory(), c.register_system_shared_memory("a", "b", 8),
                     c.register_cuda_shared_memory("a", b"b", 0, 8), c.update_log_settings({"log_info": False}),
                     c.update_trace_settings(settings={"trace_level": ["OFF"]})):
            await afails("does not have that extension", call)
        answers = await asyncio.gather(*(c.infer(M, [make(n, binary, aio)[0]]) for make in (uint8, fp32) for binary in (True, False) for n in (1, 5)))
        for i, r in enumerate(answers):
            same(r.as_numpy("probabilities"), batch((1, 5)[i % 2])[1])
        x, want = uint8(300, True, aio)
        for sent in (None, "gzip", "deflate"):
            for answered in (None, "gzip", "deflate"):
                for binary in (True, False):
                    out = aio.InferRequestedOutput("probabilities", binary_data=binary)
                    r = await c.infer(M, [x], outputs=[out], request_compression_algorithm=sent, response_compression_algorithm=answered)
                    same(r.as_numpy("probabilities"), want)
        r = await c.infer(M, [uint8(1, True, aio)[0]], request_id="eight", outputs=[aio.InferRequestedOutput("probabilities", class_count=1)])
        assert r.get_response()["id"] == "eight" and r.as_numpy("probabilities")[0][0] == b"1.000000:0:red"
        await afails("There is no model", c.infer("nobody", [x]))
        await afails("Image 1 of the request", c.infer(M, [image(aio, png, b"no image")[0]]))


def nothing_left_out():
    """Whatever call the clients may get one day, this file is to make it."""
    text = open(__file__).read()
    for client in (http.InferenceServerClient, aio.InferenceServerClient):
        for name, _ in inspect.getmembers(client, inspect.isfunction):
            assert name.startswith("_") or "." + name in text or name in ("close", "register_plugin", "plugin", "unregister_plugin"), name


with http.InferenceServerClient(url, concurrency=3) as c:
    health_and_metadata(c)
    repository(c)
    absent(c)
    infer(c)
    agrees_with_v1(c)
    bodies(c)
    packing()
    errors(c)
    raw_binary()
    statistics(c)
asyncio.run(asynchronous())
nothing_left_out()
print("all calls agree")
