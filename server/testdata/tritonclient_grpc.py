"""Every call of tritonclient's gRPC clients, against a server whose model "colours" (8 x 8 pixels; red, green, blue)
answers with the channels' shares of an image's light. Arguments: HOST:PORT, and a PNG file of 8 x 8 pixels, all red."""

import asyncio
import inspect
import json
import queue
import sys
import time

import grpc as plain
import ml_dtypes
import numpy as np
import tritonclient.grpc as grpc
import tritonclient.grpc.aio as aio
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


def uint8(n):
    pixels, want = batch(n)
    x = grpc.InferInput("input", list(pixels.shape), "UINT8")
    x.set_data_from_numpy(pixels)
    return x, want


def floats(n, datatype="FP32"):
    pixels, want = batch(n)
    planes = np.ascontiguousarray(pixels.astype({"FP32": np.float32, "FP16": np.float16, "BF16": ml_dtypes.bfloat16}[datatype]).transpose(0, 3, 1, 2))
    x = grpc.InferInput("input", list(planes.shape), datatype)
    x.set_data_from_numpy(planes)
    return x, want


def image(*files):
    files = files or (png,)
    x = grpc.InferInput("image", [len(files)], "BYTES")
    x.set_data_from_numpy(np.array(files, dtype=np.object_))
    return x, [[1, 0, 0]]


def fails(words, call, code=None):
    try:
        call()
    except InferenceServerException as e:
        codes = code if isinstance(code, tuple) else (code,)
        assert words in str(e) and (code is None or any(c in str(e.status()) for c in codes)), (words, code, str(e))
        return e
    raise AssertionError(f"no error with {words!r}")


def health_and_metadata(c):
    assert c.is_server_live() and c.is_server_ready()
    assert c.is_model_ready(M) and c.is_model_ready(M, "1")
    for name, version in (("nobody", ""), (M, "7")):
        fails("no", lambda: c.is_model_ready(name, version), "NOT_FOUND")
    md = c.get_server_metadata(as_json=True)
    assert md["name"] == "torchlit" and "model_repository" in md["extensions"], md
    md = c.get_model_metadata(M)
    assert md.name == M and list(md.versions) == ["1"] and md.platform, md
    assert md.inputs[0].name == "input" and md.inputs[0].datatype == "FP32" and list(md.inputs[0].shape) == [-1, 3, 8, 8], md
    assert md.outputs[0].name == "probabilities" and list(md.outputs[0].shape) == [-1, 3], md
    config = c.get_model_config(M, "1").config
    assert config.max_batch_size == 4 and list(config.input[0].dims) == [3, 8, 8] and config.input[1].optional, config
    assert config.parameters["labels"].string_value == "red\ngreen\nblue" and config.HasField("dynamic_batching"), config
    for f in (c.get_model_metadata, c.get_model_config, c.get_inference_statistics):
        fails("There is no model", lambda: f("nobody"), "NOT_FOUND")


def repository(c):
    index = c.get_model_repository_index().models
    assert any((e.name, e.version, e.state) == (M, "1", "READY") for e in index), index
    assert any(e.state == "UNAVAILABLE" and e.reason for e in index), index
    c.load_model("other")
    c.load_model("other", config=json.dumps({"max_batch_size": 4}))
    fails("cannot be loaded", lambda: c.load_model("broken"), "FAILED_PRECONDITION")
    c.unload_model("other")
    fails("no such model", lambda: c.unload_model("nobody"), "NOT_FOUND")
    fails("own machine only", lambda: c.load_model("other", headers={"x-forwarded-for": "10.0.0.1"}), "PERMISSION_DENIED")


def absent_calls(c):
    return (c.get_trace_settings, c.get_log_settings, c.get_system_shared_memory_status, c.get_cuda_shared_memory_status,
            c.unregister_system_shared_memory, c.unregister_cuda_shared_memory,
            lambda: c.register_system_shared_memory("a", "b", 8), lambda: c.register_cuda_shared_memory("a", b"YQ==", 0, 8),
            lambda: c.update_log_settings({"log_info": False}), lambda: c.update_trace_settings(settings={"trace_level": ["OFF"]}))


def infer(c):
    for n in (1, 3, 50):  # 50 are far above max_batch_size
        for x, want in (uint8(n), floats(n), floats(n, "FP16"), floats(n, "BF16")):
            for outputs in (None, [grpc.InferRequestedOutput("probabilities")]):
                same(c.infer(M, [x], outputs=outputs).as_numpy("probabilities"), want)
    x, want = floats(200)
    for compression in (None, "gzip", "deflate"):
        same(c.infer(M, [x], compression_algorithm=compression).as_numpy("probabilities"), want)
    x, want = image()
    same(c.infer(M, [x], model_version="1").as_numpy("probabilities"), want)

    x, _ = uint8(2)
    r = c.infer(M, [x], request_id="seven", timeout=10_000_000, priority=2, outputs=[grpc.InferRequestedOutput("probabilities", class_count=2)])
    assert r.get_response().id == "seven" and r.get_response().model_version == "1"
    got = r.as_numpy("probabilities")
    assert got.shape == (2, 2) and got[0][0] == b"1.000000:0:red" and got[1][0] == b"1.000000:1:green", got

    answers = queue.Queue()
    for n in (1, 2, 3):
        c.async_infer(M, [uint8(n)[0]], lambda result, error, n=n: answers.put((n, result, error)), compression_algorithm="gzip")
    for _ in range(3):
        n, result, error = answers.get(timeout=20)
        assert error is None, error
        same(result.as_numpy("probabilities"), batch(n)[1])
    call = c.async_infer(M, [uint8(1)[0]], lambda result, error: answers.put(error), client_timeout=20)
    assert answers.get(timeout=20) is None and not call.cancel()


def deadlines(c):
    """The slow model takes ten seconds, and ends when nobody waits any more."""
    start = time.monotonic()
    x, _ = uint8(1)
    # Both ends know this deadline. Whichever is first says so: the client by its own word, the server by ending the stream.
    fails("", lambda: c.infer("slow", [x], client_timeout=0.2), ("DEADLINE_EXCEEDED", "CANCELLED"))
    fails("deadline passed", lambda: c.infer("slow", [x], timeout=200_000), "DEADLINE_EXCEEDED")
    answers = queue.Queue()
    call = c.async_infer("slow", [x], lambda result, error: answers.put(error))
    time.sleep(0.2)
    call.cancel()
    assert "CANCELLED" in str(answers.get(timeout=5)), "a call that was cancelled"
    assert time.monotonic() - start < 8


def errors(c):
    x, _ = uint8(1)
    fails("There is no model", lambda: c.infer("nobody", [x]), "NOT_FOUND")
    fails("has no version", lambda: c.infer(M, [x], model_version="9"), "NOT_FOUND")
    fails("no output", lambda: c.infer(M, [x], outputs=[grpc.InferRequestedOutput("nothing")]), "INVALID_ARGUMENT")
    wrong = grpc.InferInput("input", [1, 4, 4, 3], "UINT8")
    wrong.set_data_from_numpy(np.zeros((1, 4, 4, 3), np.uint8))
    fails("UINT8 [1 4 4 3]", lambda: c.infer(M, [wrong]), "INVALID_ARGUMENT")
    fails("Image 1 of the request", lambda: c.infer(M, [image(png, b"no image")[0]]), "INVALID_ARGUMENT")
    fails("takes one", lambda: c.infer(M, [x, image()[0]]), "INVALID_ARGUMENT")
    fails("timeout", lambda: c.infer(M, [x], timeout=10**15), "INVALID_ARGUMENT")


def streams(c):
    answers = queue.Queue()
    c.start_stream(lambda result, error: answers.put((result, error)), compression_algorithm="deflate", headers={"a": "b"})
    for i in range(100):
        c.async_stream_infer(M, [uint8(1 + i % 5)[0]], request_id=str(i), enable_empty_final_response=i == 7)
    for i in range(100):
        result, error = answers.get(timeout=20)
        assert error is None and result.get_response().id == str(i), (i, error)
        assert ("triton_final_response" in result.get_response().parameters) == (i == 7)
        same(result.as_numpy("probabilities"), batch(1 + i % 5)[1])
    c.async_stream_infer(M, [image(b"no image")[0]], request_id="bad")
    c.async_stream_infer(M, [image()[0]], request_id="good")
    result, error = answers.get(timeout=20)
    assert "image" in str(error), error
    result, error = answers.get(timeout=20)  # the stream goes on
    assert error is None and result.get_response().id == "good"
    c.async_stream_infer("slow", [uint8(1)[0]])
    c.stop_stream(cancel_requests=True)


def typed():
    """Typed contents, as KServe's clients send them, over a plain stub."""
    from tritonclient.grpc import service_pb2, service_pb2_grpc

    with plain.insecure_channel(url) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        pixels, want = batch(2)
        planes = pixels.astype(np.float32).transpose(0, 3, 1, 2)
        for datatype, shape, contents in (
            ("FP32", planes.shape, {"fp32_contents": planes.ravel().tolist()}),
            ("UINT8", pixels.shape, {"uint_contents": pixels.ravel().tolist()}),
        ):
            request = service_pb2.ModelInferRequest(model_name=M, inputs=[{"name": "input", "datatype": datatype, "shape": shape, "contents": contents}])
            r, call = stub.ModelInfer.with_call(request, metadata=(("x-request-id", "typed"),))
            same(np.reshape(r.outputs[0].contents.fp32_contents, (2, 3)), want)
            assert ("x-request-id", "typed") in call.initial_metadata()
        request = service_pb2.ModelInferRequest(model_name=M, inputs=[{"name": "image", "datatype": "BYTES", "shape": [1], "contents": {"bytes_contents": [png]}}])
        same(stub.ModelInfer(request).outputs[0].contents.fp32_contents, [1, 0, 0])


def statistics(c):
    s = c.get_inference_statistics(M).model_stats[0]
    assert s.inference_count >= 250 and s.last_inference > 0, s
    assert s.inference_stats.success.count > 100 and s.inference_stats.fail.count >= 3, s
    assert c.get_inference_statistics().model_stats[0].name == M


async def afails(words, call):
    try:
        await call
    except InferenceServerException as e:
        assert any(w in str(e) for w in ([words] if isinstance(words, str) else words)), (words, str(e))
        return
    raise AssertionError(f"no error with {words!r}")


async def asynchronous():
    async with aio.InferenceServerClient(url) as c:
        assert await c.is_server_live() and await c.is_server_ready() and await c.is_model_ready(M)
        assert (await c.get_server_metadata()).name == "torchlit"
        assert (await c.get_model_metadata(M)).name == M and (await c.get_model_config(M)).config.max_batch_size == 4
        assert len((await c.get_model_repository_index()).models) == 2
        await c.load_model("other")
        await c.unload_model("other")
        await afails("cannot be loaded", c.load_model("broken"))
        assert (await c.get_inference_statistics(M)).model_stats
        for call in absent_calls(c):
            await afails("does not have that extension", call())
        answers = await asyncio.gather(*(c.infer(M, [make(n)[0]]) for make in (uint8, floats) for n in (1, 5)))
        for i, r in enumerate(answers):
            same(r.as_numpy("probabilities"), batch((1, 5)[i % 2])[1])
        for compression in (None, "gzip", "deflate"):
            x, want = uint8(100)
            same((await c.infer(M, [x], compression_algorithm=compression)).as_numpy("probabilities"), want)
        await afails("There is no model", c.infer("nobody", [uint8(1)[0]]))
        # Both ends keep the deadline; which one's word comes first on a busy machine is nobody's promise.
        await afails(("DEADLINE_EXCEEDED", "CANCELLED"), c.infer("slow", [uint8(1)[0]], client_timeout=0.2))

        async def requests():
            for i in range(20):
                yield {"model_name": M, "inputs": [uint8(1)[0]], "request_id": str(i)}

        got = [(result.get_response().id, error) async for result, error in c.stream_infer(requests())]
        assert got == [(str(i), None) for i in range(20)], got


def nothing_left_out():
    """Whatever call the clients may get one day, this file is to make it."""
    text = open(__file__).read()
    for client in (grpc.InferenceServerClient, aio.InferenceServerClient):
        for name, _ in inspect.getmembers(client, inspect.isfunction):
            assert name.startswith("_") or "." + name in text or name in ("close", "register_plugin", "plugin", "unregister_plugin"), name


with grpc.InferenceServerClient(url) as c:
    health_and_metadata(c)
    repository(c)
    for call in absent_calls(c):
        fails("does not have that extension", call, "UNIMPLEMENTED")
    infer(c)
    deadlines(c)
    errors(c)
    streams(c)
    typed()
    statistics(c)
asyncio.run(asynchronous())
nothing_left_out()
print("all calls agree")
