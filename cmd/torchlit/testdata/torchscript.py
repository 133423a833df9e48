"""Makes TorchScript modules of a model folder, with timm, and its state dict as a pickle.

    python torchscript.py MODEL_FOLDER OUTPUT_FOLDER
"""
import sys

import timm
import torch

folder, output = sys.argv[1:]
model = timm.create_model("local-dir:" + folder, pretrained=True).float().eval()
example = torch.rand(1, 3, 64, 64)
torch.jit.script(model).save(output + "/scripted.pt")
torch.jit.freeze(torch.jit.trace(model, example)).save(output + "/traced.pt")
probabilities = torch.nn.Sequential(model, torch.nn.Softmax(1)).eval()
torch.jit.trace(probabilities, example).save(output + "/probabilities.pt")
torch.save(model.state_dict(), output + "/pytorch_model.bin")
