"""Makes timm_config.json and resnet18_shapes.json with timm itself.

    pip install timm==1.0.31 torch==2.11.0 safetensors==0.8.0
    python golden.py
"""
import json
import pathlib
import tempfile

import timm

HERE = pathlib.Path(__file__).parent
LABELS = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]

model = timm.create_model("resnet18", num_classes=10)
with tempfile.TemporaryDirectory() as folder:
    timm.models.save_for_hf(model, folder, model_config={"label_names": LABELS}, safe_serialization=True)
    (HERE / "timm_config.json").write_text((pathlib.Path(folder) / "config.json").read_text() + "\n")
shapes = {name: list(t.shape) for name, t in model.state_dict().items()}
(HERE / "resnet18_shapes.json").write_text(json.dumps(shapes, indent=0) + "\n")
