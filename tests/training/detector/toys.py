"""Toy photos with boxes: a red block on grey ground is a car, a blue one is none."""

import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from webapp.inference.models.card import InputSpec
from webapp.training.detector.recipe import BoxSource, DetectorRecipe
from webapp.training.recipe import SplitRule

RED, BLUE = (200, 20, 20), (20, 20, 200)


def toy_recipe() -> DetectorRecipe:
    """A recipe that learns from the folders of `write_toys` in seconds."""
    return DetectorRecipe(
        name="toy-detector",
        title="Toy detector",
        data=(BoxSource("crops", "crops", role="crops"), BoxSource("photos", "photos")),
        ignored=("lorry",),
        split=SplitRule(validation=0.15, test=0.15, near_distance=0),
        input=InputSpec(height=64, width=64),
        width=0.25,
        views=16,
        epochs=2,
        batch=8,
    )


def write_toys(folder: Path) -> tuple[Path, Path]:
    """Twelve photos with a car, twelve without, and eight crops; the two data folders."""
    photos, crops = folder / "photos", folder / "crops"
    for path in (photos, crops):
        path.mkdir(parents=True)
    lines = []
    for number in range(24):
        rng = np.random.default_rng(number)
        left, top = (int(edge) for edge in rng.integers(4, 40, 2))
        size = int(rng.integers(16, 40))
        is_car = number % 2 == 0
        image = _ground(rng)
        box = (left, top, left + size, top + size)
        ImageDraw.Draw(image).rectangle(box, fill=RED if is_car else BLUE)
        image.save(photos / f"{number:02}.png")
        boxes = [{"class": "car", "box": [edge / 96 for edge in box]}] if is_car else []
        lines.append(json.dumps({"file": f"{number:02}.png", "boxes": boxes}))
    (photos / "boxes.jsonl").write_text("\n".join(lines) + "\n")
    for number in range(8):
        rng = np.random.default_rng(100 + number)
        pixels = rng.normal(0, 20, (40, 60, 3)) + RED
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(crops / f"{number}.png")
    return photos, crops


def _ground(rng: np.random.Generator) -> Image.Image:
    pixels = rng.integers(60, 200) + rng.normal(0, 30, (96, 96, 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
