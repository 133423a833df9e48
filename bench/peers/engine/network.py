"""What the engines and their preparation share."""

import json
import pathlib
import sys

import numpy as np


def network(folder):
    """The torchvision network with a model folder's weights, for evaluation. PyTorch is imported here, for those who need it."""
    import torchvision
    from safetensors.torch import load_file

    folder = pathlib.Path(folder)
    config = json.loads((folder / "config.json").read_text())
    if not hasattr(torchvision.models, config["architecture"]):
        sys.exit(f"cannot export {config['architecture']}: torchvision has no such network")
    net = getattr(torchvision.models, config["architecture"])(num_classes=config["num_classes"])
    net.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
    return net.eval()


def normalised(images, how):
    """8-bit images [N, H, W, 3] as the network's float32 [N, 3, H, W]."""
    mean, std = (np.array(how[k], np.float32) for k in ("mean", "std"))
    return np.ascontiguousarray(((images.astype(np.float32) / 255 - mean) / std).transpose(0, 3, 1, 2))
