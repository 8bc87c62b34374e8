"""Golden photos of a new version: plain shapes of our own, so they may travel with the model."""

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SIZE = (288, 192)


def write_golden(folder: Path, count: int = 4) -> list[Path]:
    """Write `count` PNG pictures into `folder`, the same ones every time; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number + 1}-shapes.png" for number in range(count)]
    for number, path in enumerate(paths):
        draw_shapes(number, SIZE).save(path, "PNG", optimize=True)
    return paths


def draw_shapes(seed: int, size: tuple[int, int]) -> Image.Image:
    """Coloured ellipses and boxes on a plain ground; the same seed and size give the same picture."""
    rng = np.random.default_rng([seed, *hashlib.sha256(b"shapes").digest()[:4]])
    image = Image.new("RGB", size, tuple(rng.integers(60, 200, 3).tolist()))
    pen = ImageDraw.Draw(image)
    for number in range(12):
        left, top = int(rng.integers(0, size[0])), int(rng.integers(0, size[1]))
        right = left + int(rng.integers(10, size[0] // 2))
        bottom = top + int(rng.integers(10, size[1] // 2))
        shape = pen.ellipse if number % 2 else pen.rectangle
        shape((left, top, right, bottom), fill=tuple(rng.integers(0, 256, 3).tolist()))
    return image
