#!/usr/bin/env bash
# albumentations 2.0.8: a numeric label field is carried as float32, which changes large ids.
#
# BboxParams(label_fields=[...]) is the way to know after an augmentation which boxes are left, so
# annotation ids go through it. Above 2**24 float32 cannot hold every whole number: neighbouring
# ids become one, and the crowd annotations of COCO, whose ids have twelve digits, come back with
# ids that nothing has, even from a transform that does nothing. An int64 array returns as int64,
# which looks exact. The same ids as strings return unchanged.
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

IDS = [16_777_216, 16_777_217, 900_100_250_282]


def through(ids: list[int] | list[str] | np.ndarray) -> list[int]:
    params = albumentations.BboxParams(format="coco", label_fields=["ids"])
    transform = albumentations.Compose([albumentations.NoOp()], bbox_params=params)
    image = np.zeros((80, 100, 3), np.uint8)
    boxes = [[10, 10, 20, 20], [40, 10, 20, 20], [70, 10, 20, 20]]
    result = transform(image=image, bboxes=boxes, ids=ids)["ids"]
    returned = [int(number) for number in result]
    print(f"{type(ids[0]).__name__:16}{returned}")
    return returned


print("albumentations", version("albumentations"))
print(f"ids             {IDS}")
changed = [16_777_216, 16_777_216, 900_100_259_840]
assert through(IDS) == changed, "ids in a list have changed"
assert through(np.array(IDS)) == changed, "ids in an int64 array have changed"
assert through([str(number) for number in IDS]) == IDS, "ids as strings have changed"
PYTHON
