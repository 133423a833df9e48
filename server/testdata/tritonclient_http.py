"""Every call of tritonclient's HTTP clients, against a server whose model "colours" (8 x 8 pixels; red, green, blue)
answers with the channels' shares of an image's light. Arguments: HOST:PORT, and a PNG file that is all red."""

import asyncio
import gzip
import json
import sys
import urllib.request

import numpy as np
import tritonclient.http as http
import tritonclient.http.aio as aio
from tritonclient.utils import InferenceServerException

url, png = sys.argv[1], open(sys.argv[2], "rb").read()
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


def image(module=http):
    x = module.InferInput("image", [1], "BYTES")
    x.set_data_from_numpy(np.array([png], dtype=np.object_))
    return x, [[1, 0, 0]]


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
                 lambda: c.register_system_shared_memory("a", "b", 8), lambda: c.update_log_settings({"log_info": False}),
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
    x, want = uint8(2)
    for algorithm in ("gzip", "deflate"):
        r = c.infer(M, [x], request_compression_algorithm=algorithm, response_compression_algorithm=algorithm)
        same(r.as_numpy("probabilities"), want)
        many, all = fp32(200, False)
        out = http.InferRequestedOutput("probabilities", binary_data=False)
        r = c.infer(M, [many], outputs=[out], request_compression_algorithm=algorithm, response_compression_algorithm=algorithm)
        same(r.as_numpy("probabilities"), all)
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
    v1 = json.load(urllib.request.urlopen(f"http://{url}/v1/models/{M}/classify", png))
    assert v1["predictions"][0]["label"] == "red" and v1["predictions"][0]["probability"] == 1, v1


def statistics(c):
    s = c.get_inference_statistics(M)["model_stats"][0]
    assert s["inference_count"] >= 250 and s["last_inference"] > 0, s
    assert s["inference_stats"]["success"]["count"] > 20 and s["inference_stats"]["fail"]["count"] >= 3, s
    for part in ("queue", "compute_input", "compute_infer", "compute_output", "cache_hit", "cache_miss"):
        assert {"count", "ns"} <= s["inference_stats"][part].keys()
    assert c.get_inference_statistics()["model_stats"][0]["name"] == M


async def asynchronous():
    async with aio.InferenceServerClient(url) as c:
        assert await c.is_server_live() and await c.is_server_ready() and await c.is_model_ready(M)
        assert (await c.get_server_metadata())["name"] == "torchlit"
        assert (await c.get_model_metadata(M))["name"] == M and (await c.get_model_config(M))["max_batch_size"] == 4
        assert len(await c.get_model_repository_index()) == 2
        await c.load_model("other")
        await c.unload_model("other")
        await c.get_inference_statistics(M)
        answers = await asyncio.gather(*(c.infer(M, [make(n, binary, aio)[0]]) for make in (uint8, fp32) for binary in (True, False) for n in (1, 5)))
        for i, r in enumerate(answers):
            same(r.as_numpy("probabilities"), batch((1, 5)[i % 2])[1])
        x, want = uint8(3, True, aio)
        r = await c.infer(M, [x], request_compression_algorithm="gzip", response_compression_algorithm="deflate")
        same(r.as_numpy("probabilities"), want)


with http.InferenceServerClient(url, concurrency=3) as c:
    health_and_metadata(c)
    repository(c)
    absent(c)
    infer(c)
    errors(c)
    raw_binary()
    statistics(c)
asyncio.run(asynchronous())
print("all calls agree")
