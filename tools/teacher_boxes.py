"""Boxes of cars for photos that have none, by a ready detector: JSON lines on standard output.

The detector is part of the npm package @mediapipe/objectron (Apache-2.0), which this downloads:
an SSD on MobileNetV2 for 300 x 300 pixels. It looks at each photo, at its mirror image, at the
photo with a margin and at four overlapping parts of it, and what it finds is put together.
"""

import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from tqdm import tqdm

from tools.teacher import Floats, Teacher
from webapp.domain import PHOTO_ENDINGS
from webapp.inference.metrics.overlap import iou

_PACKAGE = "@mediapipe/objectron@0.4.1675468480"
_MEMBER = "package/objectron_solution_packed_assets.data"
_BYTES = slice(184, 9987912)
_SHA256 = "d0a5255bf8c4f5a0bc4240741a76c41d5e939f7655078f945f50ab53a9375da6"
_LEAST_SCORE = 0.15
_SAME_CAR = 0.55
_MARGIN = 0.15
_PARTS = ((0.0, 0.0), (0.0, 0.4), (0.4, 0.0), (0.4, 0.4))  # left and top of parts of 0.6
_PART = 0.6
_EDGE = 0.02  # a box that touches the edge of a part may be of a car that goes on beyond it


def main(folder: Path) -> None:
    """Write a line for each photo below `folder`."""
    teacher = Teacher(_download(), _LEAST_SCORE)
    paths = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in PHOTO_ENDINGS]
    for path in tqdm(paths, unit="photo"):
        with Image.open(path) as image:
            boxes, scores = _together(teacher, ImageOps.exif_transpose(image).convert("RGB"))
        lines = [
            {"class": "car", "box": box.round(4).tolist(), "score": round(float(score), 3)}
            for box, score in zip(boxes, scores, strict=True)
            if (box[2:] - box[:2]).min() > 0.003
        ]
        name = path.relative_to(folder).as_posix()
        sys.stdout.write(json.dumps({"file": name, "boxes": lines}) + "\n")


def _download() -> bytes:
    """The detector's LiteRT file. Raises `SystemExit` when the package has another one."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", _PACKAGE, "--pack-destination", folder]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        archive = next(Path(folder).glob("*.tgz")).read_bytes()
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        member = members.extractfile(_MEMBER)
        network = member.read()[_BYTES] if member else b""
    if hashlib.sha256(network).hexdigest() != _SHA256:
        raise SystemExit(f"{_PACKAGE} does not hold the detector that this reads.")
    return network


def _together(teacher: Teacher, image: Image.Image) -> tuple[Floats, Floats]:
    """Boxes (n, 4) in 0..1 and scores (n,), one for each car: the mean of those that overlap."""
    boxes, scores = (np.concatenate(parts) for parts in zip(*_views(teacher, image), strict=True))
    order = np.argsort(-scores, kind="stable")
    boxes, scores = boxes[order].clip(0, 1), scores[order]
    free, means, sums = np.ones(len(boxes), bool), [], []
    for place in range(len(boxes)):
        if not free[place]:
            continue
        same = free & (iou(boxes[place : place + 1], boxes)[0] >= _SAME_CAR)
        same[place] = True
        free &= ~same
        means.append(np.average(boxes[same], axis=0, weights=scores[same]))
        agreeing = np.append(scores[same][:3], np.zeros(3))[:3].mean()  # of three looks at least
        sums.append(0.6 * scores[place] + 0.4 * agreeing)
    return np.array(means).reshape(-1, 4), np.array(sums)


def _views(teacher: Teacher, image: Image.Image) -> Iterator[tuple[Floats, Floats]]:
    """What is found in each view, in shares of the whole photo."""
    width, height = image.size
    yield teacher.find(image)
    boxes, scores = teacher.find(ImageOps.mirror(image))
    yield np.stack([1 - boxes[:, 2], boxes[:, 1], 1 - boxes[:, 0], boxes[:, 3]], axis=1), scores
    margin = round(_MARGIN * width), round(_MARGIN * height)
    wide = ImageOps.expand(image, (*margin, *margin), (127, 127, 127))
    boxes, scores = teacher.find(wide)
    yield boxes * (1 + 2 * _MARGIN) - _MARGIN, scores
    for left, top in _PARTS:
        end = round((left + _PART) * width), round((top + _PART) * height)
        part = image.crop((round(left * width), round(top * height), *end))
        boxes, scores = teacher.find(part)
        cut = (boxes[:, :2] < _EDGE) & (np.array([left, top]) > 0)
        cut |= (boxes[:, 2:] > 1 - _EDGE) & (np.array([left, top]) == 0)
        whole = ~cut.any(axis=1)
        yield boxes[whole] * _PART + np.array([left, top] * 2), scores[whole]


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        raise SystemExit("Usage: python -m tools.teacher_boxes FOLDER > boxes.jsonl")
    main(Path(sys.argv[1]))
