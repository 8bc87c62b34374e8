"""Golden photos of a new version: generated shapes, so they may travel with the model."""

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

_SIZE = (288, 192)


def write_golden(folder: Path, count: int = 4) -> list[Path]:
    """Write `count` PNG pictures of ellipses and boxes into `folder`, always the same ones; returns
    their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number + 1}-shapes.png" for number in range(count)]
    for seed, path in enumerate(paths):
        rng = np.random.default_rng([seed, *hashlib.sha256(b"shapes").digest()[:4]])
        image = Image.new("RGB", _SIZE, tuple(rng.integers(60, 200, 3).tolist()))
        pen = ImageDraw.Draw(image)
        for number in range(12):
            left, top = int(rng.integers(0, _SIZE[0])), int(rng.integers(0, _SIZE[1]))
            right = left + int(rng.integers(10, _SIZE[0] // 2))
            bottom = top + int(rng.integers(10, _SIZE[1] // 2))
            shape = pen.ellipse if number % 2 else pen.rectangle
            shape((left, top, right, bottom), fill=tuple(rng.integers(0, 256, 3).tolist()))
        image.save(path, "PNG", optimize=True)
    return paths
