"""The rival: a photo endpoint as the earlier services wrote it. FastAPI, Pillow, resize, `model.predict`; nothing is stored."""

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
name = "f1-teams"
card = registry.card(name)
model = keras.saving.load_model(
    registry.version_folder(name, card.version) / "model.keras", compile=False
)
app = FastAPI()


@app.get("/ping")
def ping() -> dict[str, str]:
    """It is there."""
    return {"message": "pong"}


@app.post("/infer")
def infer(file: Annotated[bytes, File()]) -> dict[str, str]:
    """The first label of a photo."""
    image = (
        Image.open(io.BytesIO(file)).convert("RGB").resize((card.input.width, card.input.height))
    )
    probabilities = model.predict(np.asarray(image, dtype=np.float32)[np.newaxis])["probabilities"][
        0
    ]
    return {"class": card.label_names[int(np.argmax(probabilities))]}
