"""Makes what each engine loads of one model folder.

    prepare.py MODEL PHOTOS OUT

OUT gets model.onnx (fp32, a batch of any size), model.int8.onnx (quantised for ONNX Runtime), model.int8.xml (quantised by NNCF for
OpenVINO), calibrate/ (the photos that both see, for Torchlit's own calibration), images.raw (32 photos of the model's size, 8-bit RGB,
one after the other) and about.json.

Both quantisations see the same photos, and are what their makers recommend for a convolutional network on a CPU: weights per channel,
activations of eight bits, scales from the photos. The quantised graphs are written once, so that they load as a user's would.
"""

import json
import logging
import pathlib
import shutil
import sys

import nncf
import numpy as np
import onnx
import openvino as ov
import torch
from onnxruntime import quantization as ortq
from onnxruntime.quantization.shape_inference import quant_pre_process
from PIL import Image
from torchvision.transforms import v2

from network import network, normalised

IMAGES, CALIBRATED = 32, 96


def photos(folder, how):
    side = how["input_size"][1]
    prepare = v2.Compose([v2.Resize(int(side / how["crop_pct"])), v2.CenterCrop(side)])
    names = sorted(p for p in pathlib.Path(folder).rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp"))
    if not names:
        sys.exit(f"cannot find photos in {folder}")
    names = names[: IMAGES + CALIBRATED]
    return names, np.stack([np.asarray(prepare(Image.open(p).convert("RGB"))) for p in names])


def sort_by_class(names, net, x, labels, out):
    """Copies photos into folders named by what the network says of them: the truth that int8 is held to."""
    with torch.inference_mode():
        said = torch.cat([net(part).argmax(1) for part in torch.from_numpy(x).split(8)])
    for name, index in zip(names, said.tolist()):
        folder = out / (labels[index] if labels else str(index))
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(name, folder)


class Reader(ortq.CalibrationDataReader):
    def __init__(self, x):
        self.batches = iter(np.array_split(x, max(1, len(x) // 8)))

    def get_next(self):
        x = next(self.batches, None)
        return None if x is None else {"input": x}


def quantise_for_onnxruntime(out, x):
    ready = out / "model.ready.onnx"
    quant_pre_process(str(out / "model.onnx"), str(ready))
    ortq.quantize_static(
        str(ready), str(out / "model.int8.onnx"), Reader(x), quant_format=ortq.QuantFormat.QDQ, per_channel=True,
        activation_type=ortq.QuantType.QUInt8, weight_type=ortq.QuantType.QInt8, calibrate_method=ortq.CalibrationMethod.MinMax,
    )
    ready.unlink()


def quantise_for_openvino(out, x):
    model = ov.convert_model(str(out / "model.onnx"))
    data = nncf.Dataset([part for part in np.array_split(x, len(x))])
    quantised = nncf.quantize(model, data, preset=nncf.QuantizationPreset.MIXED, subset_size=len(x))
    ov.save_model(quantised, str(out / "model.int8.xml"), compress_to_fp16=False)


def main(folder, where, out):
    folder, out = pathlib.Path(folder), pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    logging.getLogger("nncf").setLevel(logging.ERROR)
    config = json.loads((folder / "config.json").read_text())
    how = config["pretrained_cfg"]
    net = network(folder)
    names, all_photos = photos(where, how)
    images = np.resize(all_photos, (IMAGES, *all_photos.shape[1:]))  # over again where there are fewer
    images.tofile(out / "images.raw")
    calibration = normalised(all_photos[-CALIBRATED:], how)
    torch.onnx.export(
        net, torch.from_numpy(calibration[:1]), str(out / "model.onnx"), dynamo=False, opset_version=17,
        input_names=["input"], output_names=["logits"], dynamic_axes={"input": {0: "batch"}, "logits": {0: "batch"}},
    )
    onnx.checker.check_model(str(out / "model.onnx"))
    sort_by_class(names[-CALIBRATED:], net, calibration, config.get("label_names"), out / "calibrate")
    quantise_for_onnxruntime(out, calibration)
    quantise_for_openvino(out, calibration)
    about = {"model": str(folder.resolve()), "side": how["input_size"][1], "mean": how["mean"], "std": how["std"]}
    (out / "about.json").write_text(json.dumps(about))


if __name__ == "__main__":
    main(*sys.argv[1:])
