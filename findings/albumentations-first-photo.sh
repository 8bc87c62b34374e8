#!/usr/bin/env bash
# albumentations 2.0.8: a transform keeps the dtype of the labels of its first photo.
#
# A Compose notes the NumPy dtype of a label field at its first call and casts the labels of all
# later photos to it. Class names in an array are cut to the longest name on the first photo
# ("motorcycle" becomes "mot" after a photo with a "car"), class numbers above 255 wrap after a
# photo with uint8 numbers, and weights such as 0.75 become 0 after a photo with the weight 1.
# No warning is given; what a photo's labels become depends on which photo was first, and so on
# the shuffle and the worker.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv --without-pip "$folder"
python3 -m pip --python "$folder/bin/python" install -q --no-compile \
    albumentations==2.0.8 numpy==2.4.6 opencv-python-headless==5.0.0.93 scipy==1.17.1 \
    simsimd==6.5.16 stringzilla==5.3.2
NO_ALBUMENTATIONS_UPDATE=1 "$folder/bin/python" - <<'PYTHON'
from importlib.metadata import version

import albumentations
import numpy as np


def labels_after(first: np.ndarray | None, labels: np.ndarray) -> list[str | int | float]:
    """The labels of a photo, where another photo with one box went through before, or none."""
    params = albumentations.BboxParams(format="coco", label_fields=["labels"])
    transform = albumentations.Compose([albumentations.HorizontalFlip(p=1)], bbox_params=params)
    image = np.zeros((80, 100, 3), np.uint8)
    if first is not None:
        transform(image=image, bboxes=[[10, 10, 20, 20]], labels=first)
    boxes = [[10, 10, 20, 20], [40, 10, 20, 20]]
    return transform(image=image, bboxes=boxes, labels=labels)["labels"].tolist()


print("albumentations", version("albumentations"))
cases = [
    (np.array(["car"]), np.array(["van", "motorcycle"]), ["van", "mot"]),
    (np.array([1], np.uint8), np.array([7, 300]), [7, 44]),
    (np.array([1]), np.array([0.75, 0.25]), [0, 0]),
]
for first, labels, expected in cases:
    alone, after = labels_after(None, labels), labels_after(first, labels)
    print(f"{labels.tolist()}: first {alone}, after a photo with {first.tolist()} {after}")
    assert alone == labels.tolist(), "the labels of a first photo have changed"
    assert after == expected, f"the labels of the second photo were {expected}"
PYTHON
