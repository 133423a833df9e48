"""One engine that runs a network for one turn when it is told to.

    peer.py --peer onnxruntime|openvino|eager|compile --precision fp32|bf16|int8 --folder OUT --threads N

OUT is prepare.py's. The program says on standard output, in a line of JSON, what it is and which settings it has, or why it refuses the
precision. Then it reads requests, a line of JSON each, and answers each with a line:

    {"setting": "1×2", "batch": 8, "images": "images.raw", "warmup_s": 0.3, "seconds": 2}  →  {"batches": 120, "seconds": 2.01, "p50_ms": 16.4}
    {"setting": "1×2", "batch": 8, "images": "images.raw", "logits": true}                →  {"logits": [[…], …]}

A setting "k×t" runs k batches at once, on t threads each. What it needs is built when it is first asked for. Between two requests the
program waits for input and computes nothing.
"""

import argparse
import contextlib
import copy
import json
import os
import pathlib
import statistics
import sys
import threading
import time

import numpy as np

from network import network, normalised


class Refused(Exception):
    """The engine has no such precision on this machine."""


class Engine:
    """names maps a setting to how many batches it runs at once; open returns as many functions, each of which runs one batch x
    and returns logits; entering prepares the thread that will call them."""

    def entering(self, setting):
        return contextlib.nullcontext()


def shapes(threads):
    """All ways to share the threads out among batches that run at once."""
    return {f"{k}×{threads // k}": k for k in range(1, threads + 1) if threads % k == 0}


class OnnxRuntime(Engine):
    name = "ONNX Runtime"

    def __init__(self, folder, precision, threads):
        import onnxruntime

        if precision == "bf16":
            raise Refused("ONNX Runtime's CPU kernels compute in fp32 and int8; bf16 only on arm64")
        self.rt, self.version = onnxruntime, onnxruntime.__version__
        self.file = folder / ("model.onnx" if precision == "fp32" else "model.int8.onnx")
        self.names, self.threads = shapes(threads), threads

    def session(self, batch, threads):
        o = self.rt.SessionOptions()
        o.graph_optimization_level = self.rt.GraphOptimizationLevel.ORT_ENABLE_ALL
        o.execution_mode = self.rt.ExecutionMode.ORT_SEQUENTIAL
        o.intra_op_num_threads, o.inter_op_num_threads = threads, 1
        o.add_free_dimension_override_by_name("batch", batch)
        return self.rt.InferenceSession(str(self.file), o, providers=["CPUExecutionProvider"])

    def open(self, setting, batch):
        k = self.names[setting]

        def one():
            session = self.session(batch, self.threads // k)
            return lambda x: session.run(["logits"], {"input": x})[0]

        return [one() for _ in range(k)]


class OpenVINO(Engine):
    """Its own hints choose streams and threads. A throughput setting runs as many requests at once as OpenVINO calls optimal."""

    name = "OpenVINO"

    def __init__(self, folder, precision, threads):
        import openvino

        self.version = openvino.__version__.split("-")[0]
        self.core = openvino.Core()
        if precision == "bf16" and "BF16" not in self.core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise Refused("OpenVINO finds no bf16 instructions on this processor")
        self.model = self.core.read_model(str(folder / ("model.int8.xml" if precision == "int8" else "model.onnx")))
        self.threads = threads
        self.configs = {}
        # What int8 leaves in floats may be bf16 where the processor has it: OpenVINO's own choice.
        floats = {"fp32": ["f32"], "bf16": ["bf16"], "int8": ["", "f32"]}[precision]
        for hint in ("LATENCY", "THROUGHPUT"):
            for f in floats:
                config = {"PERFORMANCE_HINT": hint, "INFERENCE_NUM_THREADS": threads}
                if f:
                    config["INFERENCE_PRECISION_HINT"] = f
                self.configs[hint.lower() + (f" {f} rest" if precision == "int8" and f else "")] = config
        self.names = {name: 1 if c["PERFORMANCE_HINT"] == "LATENCY" else 0 for name, c in self.configs.items()}
        for name in self.names:
            if not self.names[name]:
                self.names[name] = self.compiled(name, 1).get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")

    def compiled(self, setting, batch):
        model = self.model.clone()
        model.reshape({0: [batch, *[d.get_length() for d in list(model.input(0).partial_shape)[1:]]]})
        return self.core.compile_model(model, "CPU", self.configs[setting])

    def open(self, setting, batch):
        compiled = self.compiled(setting, batch)

        def one():
            request = compiled.create_infer_request()
            return lambda x: request.infer({0: x}, share_inputs=True, share_outputs=True)[0]

        return [one() for _ in range(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS") if self.names[setting] > 1 else 1)]


class PyTorch(Engine):
    def __init__(self, folder, precision, threads):
        import torch

        if precision == "int8":
            raise Refused("PyTorch is measured in fp32 and bf16")  # its own int8 is for others to run
        torch.set_num_threads(threads)
        self.torch, self.version = torch, torch.__version__.split("+")[0]
        self.dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
        self.net = network(json.loads((folder / "about.json").read_text())["model"]).to(self.dtype)
        self.threads = threads

    @contextlib.contextmanager
    def entering(self, setting):
        self.torch.set_num_threads(self.threads // self.at_once(setting))  # of the calling thread
        with self.torch.inference_mode():
            yield

    def at_once(self, setting):
        return self.names[setting]

    def run(self, net, format):
        def f(x):
            x = self.torch.from_numpy(x).to(self.dtype).contiguous(memory_format=format)
            return net(x).float().numpy()

        return f


class Eager(PyTorch):
    name = "PyTorch eager"

    def __init__(self, folder, precision, threads):
        super().__init__(folder, precision, threads)
        self.names = {"contiguous": 1} | {s + " channels_last": k for s, k in shapes(threads).items()}

    def open(self, setting, batch):
        format = self.torch.contiguous_format if setting == "contiguous" else self.torch.channels_last
        net = copy.deepcopy(self.net).to(memory_format=format)
        return [self.run(net, format) for _ in range(self.names[setting])]


class Compiled(PyTorch):
    name = "torch.compile"

    def __init__(self, folder, precision, threads):
        super().__init__(folder, precision, threads)
        import torch._inductor.config

        torch._inductor.config.freezing = True
        self.names = shapes(threads)

    def open(self, setting, batch):
        torch, made = self.torch, []
        for _ in range(self.names[setting]):
            net = torch.compile(copy.deepcopy(self.net).to(memory_format=torch.channels_last), dynamic=False)
            made.append(self.run(net, torch.channels_last))
        x = np.zeros((batch, 3, *[self.side] * 2), np.float32)
        with self.entering(setting):
            for f in made:  # one after the other: the compiler is not for several threads
                f(x)
        return made


PEERS = {"onnxruntime": OnnxRuntime, "openvino": OpenVINO, "eager": Eager, "compile": Compiled}


class Turns:
    def __init__(self, engine, about):
        self.engine, self.about = engine, about
        self.opened, self.inputs = {}, {}

    def input(self, images, batch):
        if (images, batch) not in self.inputs:
            side = self.about["side"]
            raw = np.fromfile(images, np.uint8).reshape(-1, side, side, 3)[:batch]
            self.inputs[images, batch] = normalised(raw, self.about)
        return self.inputs[images, batch]

    def answer(self, r):
        key = r["setting"], r["batch"]
        if key not in self.opened:
            self.opened[key] = self.engine.open(*key)
        run, x = self.opened[key], self.input(r["images"], r["batch"])
        if r.get("logits"):
            with self.engine.entering(r["setting"]):
                return {"logits": [f.tolist() for f in np.asarray(run[0](x), np.float32)]}
        return self.turn(run, x, r)

    def turn(self, run, x, r):
        """All functions at once, each in a thread of its own; the rate is the sum of theirs."""
        took, failed, start = [[] for _ in run], [], threading.Barrier(len(run))

        def worker(i):
            try:
                with self.engine.entering(r["setting"]):
                    repeat(lambda: run[i](x), start, r["warmup_s"], r["seconds"], took[i])
            except Exception as e:
                failed.append(e)
                start.abort()

        others = [threading.Thread(target=worker, args=(i,)) for i in range(1, len(run))]
        for t in others:
            t.start()
        worker(0)
        for t in others:
            t.join()
        if failed:
            raise failed[0]
        rate = sum(len(t) / sum(t) for t in took)
        batches = sum(map(len, took))
        return {"batches": batches, "seconds": batches / rate, "p50_ms": 1000 * statistics.median(sum(took, []))}


def repeat(call, start, warmup, seconds, took):
    call()
    start.wait()
    begin = time.perf_counter()
    while time.perf_counter() - begin < warmup:
        call()
    begin = last = time.perf_counter()
    while last - begin < seconds:
        call()
        now = time.perf_counter()
        took.append(now - last)
        last = now


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--peer", choices=PEERS, required=True)
    p.add_argument("--precision", choices=("fp32", "bf16", "int8"), required=True)
    p.add_argument("--folder", type=pathlib.Path, required=True)
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    a = p.parse_args()
    # Libraries print to standard output, too.
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    say = lambda v: print(json.dumps(v), file=out)
    about = json.loads((a.folder / "about.json").read_text())
    try:
        engine = PEERS[a.peer](a.folder, a.precision, a.threads)
    except Refused as e:
        say({"name": PEERS[a.peer].name, "refused": str(e)})
        return
    engine.side = about["side"]
    say({"name": engine.name, "version": engine.version, "settings": [{"name": n, "at_once": k} for n, k in engine.names.items()]})
    turns = Turns(engine, about)
    for line in sys.stdin:
        try:
            say(turns.answer(json.loads(line)))
        except Exception as e:
            say({"error": f"{type(e).__name__}: {e}"})


if __name__ == "__main__":
    main()
