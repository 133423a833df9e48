"""What scripts/gpu-check does on a machine with a GPU.

    gpu_check.py PACK [--out FOLDER] [--device cuda:0] [--budget SECONDS] [--only STEP,...]

The steps: tests (those of the packages that need a GPU), labels (the server on the GPU against the CPU, photo by photo), engine (the bare
engine), pytorch (the same network in PyTorch, as a yardstick), http (the server fed with uint8 tensors and with JPEG). A step that fails is
reported and the others go on; one for which no time is left is left out and named. --device cpu rehearses it all where no GPU is.
"""

import argparse
import json
import multiprocessing
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request

import torch

ROOT = pathlib.Path(__file__).resolve().parent.parent
STEPS = ("tests", "labels", "engine", "pytorch", "http")
SIDE = 224
IMAGE_BYTES = 3 * SIDE * SIDE
P99_BOUND = 15  # ms


class Check:
    def __init__(self, args):
        self.args = args
        self.began = time.monotonic()
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="gpu-check-"))
        self.out = pathlib.Path(args.out)
        self.out.mkdir(parents=True, exist_ok=True)
        self.gpu = args.device != "cpu"
        self.result = {"machine": machine(), "device": args.device, "steps": {}, "failures": [], "left_out": []}
        self.env = dict(os.environ)

    def left(self):
        return self.args.budget - (time.monotonic() - self.began)

    def step(self, name, least, work):
        """Runs a step unless less than so many seconds are left for it."""
        if name not in self.args.only:
            return
        if self.left() < least:
            self.result["left_out"].append(name)
            print(f"gpu-check: {name}: left out, {self.left():.0f} s are left", flush=True)
            return
        start = time.monotonic()
        print(f"gpu-check: {name}", flush=True)
        try:
            self.result["steps"][name] = work()
        except Exception as e:  # the others are worth having
            self.result["failures"].append(f"{name}: {e}")
            print(f"gpu-check: {name} FAILED: {e}", flush=True)
        self.result.setdefault("seconds", {})[name] = round(time.monotonic() - start, 1)
        self.write()

    def call(self, command, limit, cwd=None):
        """Runs a command, at most for so long, and returns what it wrote."""
        limit = max(1, min(limit, self.left()))
        try:
            done = subprocess.run(command, cwd=cwd or self.work, env=self.env, timeout=limit, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        except subprocess.TimeoutExpired as e:
            raise RuntimeError(f"{pathlib.Path(command[0]).name} took longer than {limit:.0f} s: {tail(e.stdout)} {tail(e.stderr)}") from None
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(map(str, command))}: exit {done.returncode}: {tail(done.stdout)} {tail(done.stderr)}")
        return done.stdout

    def torchlit(self, *arguments, limit=90):
        return self.call([self.work / "bin" / "torchlit", *map(str, arguments)], limit)

    # What comes before the steps.

    def unpack(self):
        with tarfile.open(self.args.pack) as t:
            t.extractall(self.work, filter="data")
        libtorch = self.work / ".deps" / "libtorch"
        libtorch.mkdir(parents=True)
        # A link to the folder, not its files: libtorch finds NVIDIA's libraries from its own place.
        (libtorch / "lib").symlink_to(pathlib.Path(torch.__file__).parent / "lib")
        self.env["LD_LIBRARY_PATH"] = os.pathsep.join(filter(None, [str(self.work / "lib"), os.environ.get("LD_LIBRARY_PATH")]))
        self.env["TORCHLIT_NATIVE"] = str(self.work / ".deps" / "native" / "libtorchlit.so")
        if self.gpu:
            self.env["TORCHLIT_REQUIRE_GPU"] = "1"
        self.result["version"] = self.torchlit("version").splitlines()[0]
        doctor = subprocess.run([self.work / "bin" / "torchlit", "doctor"], env=self.env, capture_output=True, text=True)
        self.result["doctor"] = doctor.stdout.splitlines()
        print(doctor.stdout, flush=True)

    def make_model(self):
        self.photos = self.work / "photos"
        make_photos(self.photos, 64)
        self.models = self.work / "served"
        self.model = self.models / "resnet18" / "1"
        self.model.parent.mkdir(parents=True)
        self.call([sys.executable, ROOT / "bench" / "peers" / "litserve" / "weights.py", self.photos, self.model], 60)

    # The steps.

    def tests(self):
        found = {}
        for room, pattern in (("torch/engine", "GPU|CUDA"), ("predict", "GPU")):
            binary = self.work / "tests" / (room.replace("/", "-") + ".test")
            try:
                text = self.call([binary, "-test.v", "-test.timeout=120s", "-test.run", pattern], 130, ROOT / room)
            except RuntimeError as e:
                self.result["failures"].append(f"tests of {room}: {e}")
                found[room] = "FAILED"
                continue
            counts = {word: len(re.findall(rf"^--- {word}", text, re.M)) for word in ("PASS", "SKIP", "FAIL")}
            found[room] = counts
            print(f"gpu-check: tests of {room}: {counts}", flush=True)
        return found

    def serve(self, *arguments):
        return Server(self, *arguments)

    def labels(self):
        """The server's labels on the GPU, photo by photo, against the CPU's."""
        lines = self.torchlit("predict", "--model", self.model, "--top-k", "1", "--json", self.photos).splitlines()
        cpu = {pathlib.Path(a["file"]).name: a["predictions"][0] for a in map(json.loads, lines)}
        same, drift = 0, 0.0
        with self.serve() as s:
            for name, want in cpu.items():
                request = urllib.request.Request(s.url + "/v1/classify?top_k=1", data=(self.photos / name).read_bytes())
                with urllib.request.urlopen(request, timeout=30) as r:
                    got = json.load(r)["predictions"][0]
                same += got["index"] == want["index"]
                drift = max(drift, abs(got["probability"] - want["probability"]))
            about = s.about()
        if same < len(cpu):
            raise RuntimeError(f"{len(cpu) - same} of {len(cpu)} photos have another label on {about['device']} than on the CPU")
        return {"photos": len(cpu), "same_label": same, "largest_difference": round(drift, 5), "device": about["device"], "precision": about["precision"]}

    def engine(self):
        figures = []
        precision = "fp16" if self.gpu else "fp32"
        sizes = ((128, 3), (1, 1), (128, 6), (256, 4)) if self.gpu else ((4, 1), (1, 1))
        for batch, runners in sizes:
            if self.left() < 45:
                self.result["left_out"].append(f"engine, batch {batch}, {runners} runners")
                continue
            try:
                text = self.torchlit("bench", "--engine", "--model", self.model, "--device", self.args.device, "--precision", precision, "--batch", batch,
                                     "--runners", runners, "--duration", "4s", "--warmup", "1s", "--json")
            except RuntimeError as e:
                self.result["failures"].append(f"engine, batch {batch}, {runners} runners: {e}")
                continue
            r = json.loads(text)
            figures.append({"batch": batch, "runners": runners, "images_per_second": r["images_per_second"], "p50_ms": r["latency_ms"]["p50"],
                            "p99_ms": r["latency_ms"]["p99"], "device": r["device"], "precision": r["precision"]})
            print(f"gpu-check: engine: {figures[-1]}", flush=True)
        return figures

    def pytorch(self):
        """PyTorch's own best of the plain ways: float16, channels last, a CUDA graph, images already on the device."""
        if not self.gpu:
            return None
        import torchvision

        net = torchvision.models.resnet18().eval().half().cuda().to(memory_format=torch.channels_last)
        torch.backends.cudnn.benchmark = True
        figures = []
        for batch in (128, 256, 1):
            x = torch.zeros(batch, 3, SIDE, SIDE, device="cuda", dtype=torch.half).contiguous(memory_format=torch.channels_last)
            with torch.inference_mode():
                side = torch.cuda.Stream()
                side.wait_stream(torch.cuda.current_stream())
                with torch.cuda.stream(side):
                    for _ in range(3):
                        net(x)
                torch.cuda.current_stream().wait_stream(side)
                graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(graph):
                    net(x)
                torch.cuda.synchronize()
                start, n = time.perf_counter(), 0
                while time.perf_counter() - start < 2:
                    graph.replay()
                    n += 1
                    if n % 16 == 0 or batch == 1:
                        torch.cuda.synchronize()
                torch.cuda.synchronize()
                took = time.perf_counter() - start
            figures.append({"batch": batch, "images_per_second": batch * n / took, "ms": 1000 * took / n})
            del graph, x
        del net
        torch.cuda.empty_cache()
        return figures

    def http(self):
        figures = {"loopback_bytes_per_second": loopback(3)}
        arguments = ("--precision", "fp16", "--max-batch-size", "128") if self.gpu else ()
        with self.serve(*arguments) as s:
            figures["start_to_ready_s"] = round(s.started, 2)
            figures["tensors"] = []
            for batch, clients in ((32, 16), (32, 32), (16, 32), (64, 16)) if self.gpu else ((2, 2),):
                if self.left() < 15:
                    self.result["left_out"].append(f"http, {clients} clients")
                    continue
                figures["tensors"].append(self.load(s, clients, "--protocol", "v2", "--model", "resnet18", "--input", "pixels", "--batch", batch))
                figures["tensors"][-1]["batch"] = batch
            if self.left() > 15:
                figures["jpeg"] = self.load(s, 128 if self.gpu else 4)
        self.env["TORCHLIT_PHOTOS"] = str(self.photos)
        decode = self.call([self.work / "tests" / "vision.test", "-test.run", "^$", "-test.bench", "DecodePhotos", "-test.benchtime", "2s"], 30, ROOT / "vision")
        figures["decode"] = float(re.search(r"([0-9.e+]+) images/s", decode)[1])
        return figures

    def load(self, server, clients, *arguments):
        r = json.loads(self.torchlit("bench", "--url", server.url, "--images", self.photos, "--clients", clients, "--duration", "5s", "--warmup", "1s", "--json",
                                     *arguments, limit=40))
        found = {"clients": clients, "images_per_second": r["images_per_second"], "p50_ms": r["latency_ms"]["p50"], "p99_ms": r["latency_ms"]["p99"],
                 "errors": r["errors"], "client_limited": r["client_limited"]}
        print(f"gpu-check: http: {' '.join(map(str, arguments))} {found}", flush=True)
        if r["errors"]:
            self.result["failures"].append(f"http: {r['errors']} errors: {r['errors_by_kind']}")
        return found

    # What comes after.

    def write(self):
        (self.out / "gpu-check.json").write_text(json.dumps(self.result, indent=1) + "\n")
        (self.out / "gpu-check.md").write_text(table(self.result))


class Server:
    """torchlit serve, while the with statement lasts."""

    def __init__(self, check, *arguments):
        self.check = check
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.command = [check.work / "bin" / "torchlit", "serve", "--models", check.models, "--addr", f"127.0.0.1:{port}", "--device", check.args.device, *arguments]

    def __enter__(self):
        self.log = open(self.check.work / "serve.log", "w+")
        start = time.monotonic()
        self.process = subprocess.Popen(list(map(str, self.command)), env=self.check.env, stdout=self.log, stderr=subprocess.STDOUT)
        while True:
            if self.process.poll() is not None or time.monotonic() - start > 90:
                self.__exit__()
                raise RuntimeError(f"the server is not ready: {tail((self.check.work / 'serve.log').read_text())}")
            try:
                urllib.request.urlopen(self.url + "/readyz", timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        self.started = time.monotonic() - start
        return self

    def about(self):
        with urllib.request.urlopen(self.url + "/v1/models", timeout=10) as r:
            return json.load(r)["models"][0]

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()
        for line in (self.check.work / "serve.log").read_text().splitlines():
            if '"warn"' in line or '"error"' in line or '"device"' in line or '"precision"' in line:
                print("gpu-check: serve: " + line, flush=True)


def tail(text):
    if isinstance(text, bytes):
        text = text.decode(errors="replace")
    return (text or "")[-3000:]


def machine():
    found = {"processors": os.cpu_count(), "torch": torch.__version__, "date": time.strftime("%Y-%m-%d")}
    try:
        found["cpu"] = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    if shutil.which("nvidia-smi"):
        done = subprocess.run(["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"], capture_output=True, text=True)
        found["gpus"] = done.stdout.strip().splitlines()
    return found


def make_photos(folder, count):
    """Makes JPEG files of 500x375 with the contrasts and details of photos."""
    from PIL import Image

    folder.mkdir()
    noise = torch.Generator().manual_seed(1)
    for i in range(count):
        image = torch.zeros(3, 375, 500)
        for size in (3, 12, 48, 180):
            layer = torch.rand(1, 3, size, size * 4 // 3, generator=noise) - 0.5
            image += torch.nn.functional.interpolate(layer, (375, 500), mode="bilinear")[0] * (3 / size) ** 0.35
        pixels = ((image + 0.5).clamp(0, 1) * 255).byte().permute(1, 2, 0).contiguous()
        Image.frombytes("RGB", (500, 375), pixels.numpy().tobytes()).save(folder / f"{i:03}.jpg", quality=90)


def receive(listener, counted):
    connection, _ = listener.accept()
    buffer, total = bytearray(1 << 20), 0
    while n := connection.recv_into(buffer):
        total += n
    counted.put(total)


def send(port, seconds):
    with socket.create_connection(("127.0.0.1", port)) as s:
        data, end = bytes(1 << 20), time.monotonic() + seconds
        while time.monotonic() < end:
            s.sendall(data)


def loopback(seconds):
    """Bytes a second through loopback, with half of the processors on each side."""
    pairs = max(1, (os.cpu_count() or 2) // 2)
    context = multiprocessing.get_context("fork")
    counted, processes = context.Queue(), []
    for _ in range(pairs):
        listener = socket.create_server(("127.0.0.1", 0))
        processes += [context.Process(target=receive, args=(listener, counted)),
                      context.Process(target=send, args=(listener.getsockname()[1], seconds))]
    for p in processes:
        p.start()
    total = sum(counted.get(timeout=seconds + 30) for _ in range(pairs))
    for p in processes:
        p.join()
    return total / seconds


def best(figures, within=None):
    kept = [f for f in figures or [] if within is None or f["p99_ms"] < within]
    return max(kept, key=lambda f: f["images_per_second"], default=None)


def table(result):
    """The rows of the goal, each with what was found."""
    m, steps = result["machine"], result["steps"]
    lines = [f"{', '.join(m.get('gpus', ['no GPU']))}; {m.get('cpu', '')}, {m['processors']} processors; torch {m['torch']}; {m['date']}; "
             f"Torchlit {result.get('version', '')}; `scripts/gpu-check`", "",
             "| ResNet18, 224×224 | goal | found | |", "| --- | --- | --- | --- |"]

    def row(what, goal, figure, unit, note=""):
        lines.append(f"| {what} | {goal} | {'not measured' if figure is None else f'{figure:,.{2 if figure < 10 else 0}f} {unit}'} | {note} |")

    engine = steps.get("engine") or []
    bare = best(engine)
    row("bare engine, fp16, with the copy from host memory", "40,000 (aim 100,000)", bare and bare["images_per_second"], "images/s",
        bare and f"batch {bare['batch']}, {bare['runners']} runners; p50 {bare['p50_ms']:.2f} ms" or "")
    single = next((f for f in engine if f["batch"] == 1), None)
    row("batch 1, engine", "0.35 ms", single and single["p50_ms"], "ms", single and f"p99 {single['p99_ms']:.2f} ms" or "")
    for f in steps.get("pytorch") or []:
        row(f"PyTorch, fp16, channels last, CUDA graph, batch {f['batch']}, no copies", "", f["images_per_second"], "images/s", f"{f['ms']:.2f} ms")
    http = steps.get("http") or {}
    tensors = best(http.get("tensors"), P99_BOUND)
    wire = http.get("loopback_bytes_per_second")
    limit = wire and wire / IMAGE_BYTES
    if limit and bare:
        limit = min(limit, bare["images_per_second"])
    row(f"over HTTP from uint8 tensors, p99 under {P99_BOUND} ms", "80 % of the least of engine and loopback", tensors and tensors["images_per_second"], "images/s",
        tensors and f"{tensors['clients']} clients, {tensors['batch']} images a request; p99 {tensors['p99_ms']:.1f} ms"
        + (f"; {100 * tensors['images_per_second'] / limit:.0f} % of the limit" if limit else "") or "")
    row("loopback alone", "", wire and wire / IMAGE_BYTES, "images/s", wire and f"{wire / 1e9:.1f} GB/s" or "")
    jpeg, decode = http.get("jpeg"), http.get("decode")
    row("over HTTP from JPEG, 500×375", "the decode limit", jpeg and jpeg["images_per_second"], "images/s", jpeg and f"p99 {jpeg['p99_ms']:.1f} ms" or "")
    row("decoding these photos alone, on all processors", "", decode, "images/s")
    row("start to ready", "", http.get("start_to_ready_s"), "s")
    labels = steps.get("labels")
    lines += ["", f"Labels: {labels['same_label']} of {labels['photos']} photos as on the CPU in fp32, probabilities within {labels['largest_difference']} "
              f"({labels['precision']} on {labels['device']})." if labels else "Labels were not compared.",
              f"Tests: {json.dumps(steps.get('tests'))}."]
    lines += [f"- FAILED: {f.splitlines()[0][:500]}" for f in result["failures"]]
    lines += [f"- left out for want of time: {f}" for f in result["left_out"]]
    return "\n".join(lines) + "\n"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("pack", help="what gpu-check pack made")
    p.add_argument("--out", default=os.environ.get("OUT", "."), help="folder for gpu-check.md and gpu-check.json (default: $OUT, or here)")
    p.add_argument("--device", default="cuda:0", help="as torchlit serve has it; cpu for a rehearsal")
    p.add_argument("--budget", type=float, default=340, help="seconds for everything")
    p.add_argument("--only", type=lambda s: s.split(","), default=STEPS, help="steps, separated by commas: " + ",".join(STEPS))
    check = Check(p.parse_args())
    try:
        check.unpack()
        check.make_model()
        check.step("tests", 30, check.tests)
        check.step("engine", 45, check.engine)
        check.step("http", 60, check.http)
        check.step("pytorch", 20, check.pytorch)
        check.step("labels", 40, check.labels)
    finally:
        check.write()
        shutil.rmtree(check.work, ignore_errors=True)
    print((check.out / "gpu-check.md").read_text())
    return 1 if check.result["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
