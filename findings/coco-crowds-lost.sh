#!/usr/bin/env bash
# sahi 0.12.8, globox 2.9.0: reading a COCO file makes each crowd region one ordinary object.
#
# `iscrowd: 1` marks a region with many objects that were not boxed one by one: pycocotools asks
# no detection of it and counts none inside it as false. SAHI's reader (and so slice_coco, which
# cuts data sets into tiles) writes `iscrowd: 0` on the way out; globox and its COCOEvaluator know
# no crowds. One file, two detections, one on the boxed car and one on a car in the crowd: average
# precision 1.0 with pycocotools, 0.25 with globox, and 0.25 with pycocotools once SAHI has read
# and written the file.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv --without-pip "$folder"
python3 -m pip --python "$folder/bin/python" install -q --no-compile \
    sahi==0.12.8 globox==2.9.0 pycocotools==2.0.11 numpy==2.4.6 \
    opencv-python==5.0.0.93 shapely==2.2.0
cd "$folder"
"$folder/bin/python" - <<'PYTHON'
import contextlib
import io
import json
from importlib.metadata import version

import globox
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from sahi.utils.coco import Coco

CAR = {"image_id": 1, "category_id": 1, "bbox": [10, 10, 200, 150]}
IN_CROWD = {"image_id": 1, "category_id": 1, "bbox": [420, 420, 100, 80]}
CROWD = {"image_id": 1, "category_id": 1, "bbox": [400, 400, 500, 300]}
truth = {
    "images": [{"id": 1, "file_name": "road.jpg", "width": 1000, "height": 800}],
    "categories": [{"id": 1, "name": "car"}],
    "annotations": [
        {**CAR, "id": 1, "area": 30_000, "iscrowd": 0, "segmentation": []},
        {**CROWD, "id": 2, "area": 150_000, "iscrowd": 1, "segmentation": []},
    ],
}
detections = [{**CAR, "score": 0.8}, {**IN_CROWD, "score": 0.9}]


def save(name: str, content: object) -> str:
    with open(name, "w", encoding="utf-8") as file:
        json.dump(content, file)
    return name


def average_precision(truth_file: str) -> float:
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(truth_file)
        evaluation = COCOeval(coco, coco.loadRes("detections.json"), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return round(float(evaluation.stats[0]), 2)


save("truth.json", truth)
save("detections.json", detections)
save("sahi.json", Coco.from_coco_dict_or_path("truth.json").json)
boxes = globox.AnnotationSet.from_coco("truth.json")
detected = boxes.from_results("detections.json")
evaluator = globox.COCOEvaluator(ground_truths=boxes, predictions=detected)
results = {
    "pycocotools": average_precision("truth.json"),
    "globox": round(float(evaluator.ap()), 2),
    "pycocotools, after sahi": average_precision("sahi.json"),
}
for package in ("pycocotools", "globox", "sahi"):
    print(package, version(package))
print("average precision:", results)
expected = {"pycocotools": 1.0, "globox": 0.25, "pycocotools, after sahi": 0.25}
assert results == expected, f"it was {expected}"
PYTHON
