#!/usr/bin/env bash
# ensemble-boxes 1.0.9: soft_nms lowers no score that it returns.
#
# Soft-NMS keeps an overlapping box and lowers its score, so that a second box on the same object
# ranks below other objects. soft_nms() works the lower score out and compares it with `thresh`,
# then returns the box with the score it came with. With the default thresh of 0.001 the result is
# nearly the input: the second box on one car, whose score should fall from 0.8 to 0.16, still
# ranks above the only box on another car (0.7).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv --without-pip "$folder"
python3 -m pip --python "$folder/bin/python" install -q --no-compile --no-deps \
    ensemble-boxes==1.0.9 numpy==2.4.6 numba==0.68.1 llvmlite==0.50.0
"$folder/bin/python" - <<'PYTHON'
from importlib.metadata import version
from math import exp

from ensemble_boxes import soft_nms

boxes = [[[0.10, 0.1, 0.50, 0.5], [0.12, 0.1, 0.52, 0.5], [0.7, 0.7, 0.9, 0.9]]]
scores = [[0.9, 0.8, 0.7]]
labels = [[0, 0, 0]]
overlap = 0.38 * 0.4 / (2 * 0.4 * 0.4 - 0.38 * 0.4)  # IoU of the first two boxes: 0.905
expected = 0.8 * exp(-(overlap**2) / 0.5)  # gaussian decay with sigma 0.5: 0.156


def kept(thresh: float) -> list[float]:
    result = soft_nms(boxes, scores, labels, method=2, sigma=0.5, thresh=thresh)
    return sorted(result[1].tolist(), reverse=True)


print("ensemble-boxes", version("ensemble-boxes"))
print(f"by the formula            [0.9, 0.7, {expected:.3f}]")
print("thresh 0.001 returns     ", kept(0.001))
print("thresh 0.155 returns     ", kept(0.155))
print("thresh 0.156 returns     ", kept(0.156))
assert 0.155 < expected < 0.156
assert kept(0.001) == kept(0.155) == [0.9, 0.8, 0.7], "the returned scores have changed"
assert kept(0.156) == [0.9, 0.7], "thresh is no longer compared with the lowered score"
PYTHON
