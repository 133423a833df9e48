"""A KServe model server with one model, which fails on what it does not expect.

    python kserve_server.py HTTP_PORT GRPC_PORT
"""

import base64
import sys

import numpy as np
from kserve import InferOutput, InferResponse, Model, ModelServer


class Checker(Model):
    def __init__(self):
        super().__init__("checker")
        self.ready = True

    async def get_input_types(self):
        return [
            {"name": "input", "datatype": "FP32", "shape": [-1, 3, 8, 8]},
            {"name": "image", "datatype": "BYTES", "shape": [-1]},
        ]

    async def get_output_types(self):
        return [{"name": "n", "datatype": "FP32", "shape": [-1]}]

    async def predict(self, request, headers=None, response_headers=None):
        (tensor,) = request.inputs
        value = tensor.as_numpy()
        if tensor.name == "input":
            assert value.shape[1:] == (3, 8, 8) and value.dtype == np.float32 and np.isfinite(value).all()
        else:
            for image in value:
                image = image if isinstance(image, bytes) else base64.b64decode(image, validate=True)
                assert image[:2] == b"\xff\xd8" and image[-2:] == b"\xff\xd9", "not a whole JPEG"
        return InferResponse(request.id or "", self.name, [InferOutput("n", [len(value)], "FP32", [1.0] * len(value))])


if __name__ == "__main__":
    ModelServer(http_port=int(sys.argv[1]), grpc_port=int(sys.argv[2]), workers=1).start([Checker()])
