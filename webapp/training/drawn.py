"""Drawn cars for training and as golden photos: our own pictures, so they may travel with a model."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from webapp.training.drawings import LABELS, draw_car

SOURCE = "drawings"
FIRST_SEED = 500_000  # far from the seeds of the sample pictures on the upload page
SIZE = (512, 320)
GOLDEN_SIZE = (288, 192)
GOLDEN_SEED = 400_000


def draw_training_set(folder: Path, labels: tuple[str, ...], per_label: int) -> None:
    """Fill `folder/<label>/` with drawings of every label that has a livery. Those that are there already are kept."""
    for label in labels:
        if label not in LABELS:
            continue
        (folder / label).mkdir(parents=True, exist_ok=True)
        for number in range(per_label):
            path = folder / label / f"drawing-{FIRST_SEED + number}.jpg"
            if not path.exists():
                waiting = path.with_suffix(".new")
                draw_car(label, FIRST_SEED + number, SIZE).save(waiting, "JPEG", quality=90)
                waiting.replace(path)


def draw_golden(folder: Path, labels: tuple[str, ...], count: int = 4) -> list[Path]:
    """`count` PNG pictures for a version's golden photos: cars of its labels where we can draw them, else simple shapes."""
    folder.mkdir(parents=True, exist_ok=True)
    drawable = [label for label in labels if label in LABELS]
    paths = []
    for number in range(count):
        if drawable:
            label = drawable[number * len(drawable) // count]
            image, name = draw_car(label, GOLDEN_SEED + number, GOLDEN_SIZE), f"{number + 1}-{label}.png"
        else:
            image, name = draw_shapes(number, GOLDEN_SIZE), f"{number + 1}-shapes.png"
        image.save(folder / name, "PNG", optimize=True)
        paths.append(folder / name)
    return paths


def draw_shapes(seed: int, size: tuple[int, int]) -> Image.Image:
    """Coloured ellipses and boxes before a plain ground; the same seed and size give the same picture."""
    rng = np.random.default_rng([seed, *hashlib.sha256(b"shapes").digest()[:4]])
    image = Image.new("RGB", size, tuple(rng.integers(60, 200, 3).tolist()))
    pen = ImageDraw.Draw(image)
    for number in range(12):
        left, top = int(rng.integers(0, size[0])), int(rng.integers(0, size[1]))
        box = (left, top, left + int(rng.integers(10, size[0] // 2)), top + int(rng.integers(10, size[1] // 2)))
        (pen.ellipse if number % 2 else pen.rectangle)(box, fill=tuple(rng.integers(0, 256, 3).tolist()))
    return image
