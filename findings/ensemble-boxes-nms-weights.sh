#!/usr/bin/env bash
# ensemble-boxes 1.0.9: nms(weights=...) writes the weighted scores into the caller's list.
#
# The read-me calls nms, soft_nms, non_maximum_weighted and weighted_boxes_fusion in turn with the
# same lists and weights. nms and soft_nms replace each model's scores in the list by
# score * weight / sum of weights, so every later call starts from smaller scores: fusion of the
# same boxes answers 0.8 before and 0.4 after one nms, and a comparison of the methods at one
# score threshold depends on their order. Equal weights are not the same as none either: with
# [1, 1] all scores are halved.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv --without-pip "$folder"
python3 -m pip --python "$folder/bin/python" install -q --no-compile --no-deps \
    ensemble-boxes==1.0.9 numpy==2.4.6 numba==0.68.1 llvmlite==0.50.0
"$folder/bin/python" - <<'PYTHON'
from importlib.metadata import version

from ensemble_boxes import nms, weighted_boxes_fusion

boxes = [[[0.1, 0.1, 0.5, 0.5]], [[0.1, 0.1, 0.5, 0.5]]]  # one car, boxed by two models
scores = [[0.9], [0.7]]
labels = [[0], [0]]


def fused() -> list[float]:
    result = weighted_boxes_fusion(boxes, scores, labels, weights=[1, 1], iou_thr=0.5)
    return [round(float(score), 6) for score in result[1]]


def suppressed(weights: list[int] | None) -> list[float]:
    result = nms(boxes, scores, labels, iou_thr=0.5, weights=weights)
    return [round(float(score), 6) for score in result[1]]


print("ensemble-boxes", version("ensemble-boxes"))
rows = [
    ("fusion", fused(), [0.8]),
    ("nms without weights", suppressed(None), [0.9]),
    ("nms, weights [1, 1]", suppressed([1, 1]), [0.45]),
    ("fusion again", fused(), [0.4]),
    ("nms, weights [1, 1] again", suppressed([1, 1]), [0.225]),
]
for name, result, expected in rows:
    print(f"{name:27}{result}")
    assert result == expected, f"{name} has changed: it was {expected}"
PYTHON
