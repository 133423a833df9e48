"""LitServe with the model that Torchlit serves, at its best.

It takes what Torchlit's POST /v1/classify takes, an image as the body, so that the same client sends the same bytes to both:
LitServe's usual base64 in JSON would cost it, and the client, a third more. It answers in the same form.

Every choice below was made by measuring (README.md says what was tried), and each has an option to measure it again.
"""

import argparse
import copy
import io
import json
import os
import pathlib
from typing import Annotated

import litserve as ls
import torch
import torch._inductor.config
import torchvision
from fastapi import Body
from PIL import Image, ImageOps
from safetensors.torch import load_file
from torchvision.transforms import v2


class Classifier(ls.LitAPI):
    def __init__(self, folder, threads, layout, compiler, decoder, **kwargs):
        super().__init__(**kwargs)
        self.folder, self.threads, self.layout, self.compiler, self.decoder = pathlib.Path(folder), threads, layout, compiler, decoder

    def setup(self, device):
        if self.threads:
            torch.set_num_threads(self.threads)
        config = json.loads((self.folder / "config.json").read_text())
        how = config["pretrained_cfg"]
        self.labels = config["label_names"]
        self.side = how["input_size"][1]
        self.short = int(self.side / how["crop_pct"])
        self.mean = torch.tensor(how["mean"]).view(1, 3, 1, 1) * 255
        self.std = torch.tensor(how["std"]).view(1, 3, 1, 1) * 255
        net = getattr(torchvision.models, config["architecture"])(num_classes=config["num_classes"])
        net.load_state_dict(load_file(self.folder / "model.safetensors"), strict=False)
        net.eval()
        self.format = torch.channels_last if self.layout == "channels_last" else torch.contiguous_format
        net = net.to(memory_format=self.format)
        self.full, self.part = self.optimised(net)
        with torch.inference_mode():
            for n in (1, 2, 3, self.max_batch_size):
                for _ in range(3):
                    self.run(torch.zeros(n, 3, self.side, self.side).contiguous(memory_format=self.format))

    def optimised(self, net):
        """Returns what runs full batches, and what runs all others."""
        match self.compiler:
            case "freeze":
                with torch.no_grad():
                    traced = torch.jit.trace(net, torch.zeros(2, 3, self.side, self.side).contiguous(memory_format=self.format))
                    traced = torch.jit.optimize_for_inference(torch.jit.freeze(traced))
                return traced, traced
            case "compile":
                torch._inductor.config.freezing = True  # fold and pack the weights
                return torch.compile(copy.deepcopy(net), dynamic=False), torch.compile(net, dynamic=True)
        return net, net

    def run(self, x):
        return self.full(x) if len(x) == self.max_batch_size else self.part(x)

    def decode_request(self, request: Annotated[bytes, Body(media_type="application/octet-stream")]):
        if self.decoder == "pillow":
            image = Image.open(io.BytesIO(request))
            image.draft("RGB", (self.short, self.short))  # a JPEG is decoded no larger than needed
            image = ImageOps.exif_transpose(image).convert("RGB")
            least = min(image.size)
            image = image.resize([self.short * s // least for s in image.size], Image.Resampling.BILINEAR)
            left, top = (round((s - self.side) / 2) for s in image.size)
            image = image.crop((left, top, left + self.side, top + self.side))
            return v2.functional.pil_to_tensor(image)
        pixels = torchvision.io.decode_image(torch.frombuffer(bytearray(request), dtype=torch.uint8), torchvision.io.ImageReadMode.RGB, True)
        return v2.functional.center_crop(v2.functional.resize(pixels, [self.short], antialias=True), [self.side, self.side])

    def batch(self, inputs):
        return torch.stack(inputs)

    def predict(self, batch):
        with torch.inference_mode():
            pixels = batch.contiguous(memory_format=self.format).float()
            return self.run(pixels.sub_(self.mean).div_(self.std)).softmax(1).topk(5)

    def unbatch(self, output):
        return list(zip(output.values.tolist(), output.indices.tolist()))

    def encode_response(self, output):
        return {"predictions": [{"label": self.labels[i], "index": i, "probability": p} for p, i in zip(*output)]}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--model", required=True)
    p.add_argument("--port", type=int, required=True)
    p.add_argument("--batch", type=int, default=8)
    p.add_argument("--batch-timeout", type=float, default=0.005)
    p.add_argument("--workers", type=int, default=os.cpu_count())
    p.add_argument("--threads", type=int, default=1, help="of a worker; 0 for PyTorch's own choice")
    p.add_argument("--api-servers", type=int, default=1)
    p.add_argument("--layout", choices=["channels_last", "contiguous"], default="channels_last")
    p.add_argument("--compiler", choices=["none", "freeze", "compile"], default="compile")
    p.add_argument("--decoder", choices=["pillow", "torchvision"], default="torchvision")
    p.add_argument("--fast-queue", action="store_true")
    a = p.parse_args()
    api = Classifier(
        a.model, a.threads, a.layout, a.compiler, a.decoder, max_batch_size=a.batch, batch_timeout=a.batch_timeout, api_path="/v1/classify"
    )
    server = ls.LitServer(api, accelerator="cpu", workers_per_device=a.workers, timeout=60, fast_queue=a.fast_queue)
    server.run(host="127.0.0.1", port=a.port, num_api_servers=a.api_servers, generate_client_file=False, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
