"""The rival: a photo endpoint as the earlier services wrote it; nothing is stored."""

import io
import os
from pathlib import Path
from typing import Annotated

import keras
import numpy as np
from fastapi import FastAPI, File
from PIL import Image

from benchmarks.servers import ROOT
from webapp.inference.models.registry import Registry

registry = Registry(Path(os.environ.get("MARQUE_MODELS") or ROOT / "models"))
card = registry.card("f1-teams")
folder = registry.version_folder(card.name, card.version)
model = keras.saving.load_model(folder / "model.keras", compile=False)
app = FastAPI()


@app.get("/ping")
def ping() -> dict[str, str]:
    """Whether the server is ready."""
    return {"message": "pong"}


@app.post("/infer")
def infer(file: Annotated[bytes, File()]) -> dict[str, str]:
    """The first label of a photo."""
    image = Image.open(io.BytesIO(file)).convert("RGB")
    image = image.resize((card.input.width, card.input.height))
    outputs = model.predict(np.asarray(image, dtype=np.float32)[np.newaxis])
    return {"class": card.label_names[int(np.argmax(outputs["probabilities"][0]))]}
