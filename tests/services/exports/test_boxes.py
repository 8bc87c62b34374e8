"""Cars leave with their boxes, in every format."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from PIL import Image

from tests.cars import LEFT, RIGHT, put_cars
from tests.fakes import make_card
from webapp.domain import NO_CAR, PERSON, UNUSABLE, Who
from webapp.errors import BadRequestError
from webapp.extensions import get_tools
from webapp.gallery_filter import GalleryFilter
from webapp.reports.csv_safety import plain_cell
from webapp.services.exports.downloads import start_export
from webapp.services.exports.formats import FORMATS
from webapp.services.exports.order import BOXES, CROPS, ExportOrder
from webapp.services.labels.relabel import relabel_car, relabel_photo
from webapp.storage.labels.events import Stamp
from webapp.training.detector.box_data import read_boxes
from webapp.training.detector.data import box_kinds
from webapp.training.detector.recipe import DetectorRecipe
from webapp.training.detector.scenes import CAR, IGNORED

ANNA = Who("Anna")
Upload = Callable[..., str]


@pytest.fixture(autouse=True)
def context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def exported(format: str, **options: Any) -> bytes:
    order = ExportOrder(FORMATS[format], base_url="http://marque.test", **options)
    return b"".join(start_export(order, who=ANNA, tools=get_tools())[1])


def opened(format: str, **options: Any) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(exported(format, **options)))


def label(car_id: str, text: str) -> None:
    relabel_car(car_id, text, [make_card()], Stamp(ANNA, "photo"))


@pytest.fixture
def two_cars(upload: Upload) -> list[str]:
    """A photo of 120 x 80 pixels, its car on the left a Haas; the ids of both cars."""
    ids = put_cars(upload(name="street.jpg"))
    label(ids[0], "haas")
    return ids


# ---- tables and lines ----


def test_a_table_has_a_line_for_each_car_with_its_box(two_cars: list[str]) -> None:
    first, second = csv.DictReader(io.StringIO(exported("csv").decode()))
    assert first["id"] == second["id"] and first["cars"] == second["cars"] == "2"
    assert [plain_cell(row["car"]) for row in (first, second)] == two_cars
    assert (first["ground_truth"], second["ground_truth"]) == ("haas", "")
    names = ("box_x", "box_y", "box_width", "box_height")
    assert tuple(float(second[name]) for name in names) == RIGHT
    assert (second["found_by"], second["score"], second["label_1"]) == ("detector", "0.9", "")


def test_a_line_of_json_has_the_cars_of_the_api(two_cars: list[str], client) -> None:
    photo = json.loads(exported("jsonl"))
    assert photo["cars"] == client.get(f"/api/v1/photos/{photo['id']}").json["cars"]
    assert [event["car"] for event in photo["labels"]] == two_cars[:1]


# ---- COCO ----


def test_coco_has_boxes_in_pixels(two_cars: list[str]) -> None:
    coco = json.loads(exported("coco"))
    first, second = coco["annotations"]
    assert (first["bbox"], first["area"], first["image_id"]) == ([6, 8, 48, 40], 1920, 1)
    assert second["bbox"] == [66, 20, 48, 40] and second["score"] == 0.9
    names = {category["id"]: category["name"] for category in coco["categories"]}
    assert [names[mark["category_id"]] for mark in coco["annotations"]] == ["haas", "car"]


def test_coco_categories_have_the_same_numbers_in_every_export(upload: Upload) -> None:
    for mark, text in enumerate(["haas", "bwt", "haas", "mclaren"]):
        relabel_photo(upload(mark=mark), text, [make_card()], Stamp(ANNA, "gallery"))
    only_bwt = json.loads(exported("coco", wanted=GalleryFilter(ground_truth="bwt")))
    everything = json.loads(exported("coco"))
    assert only_bwt["categories"] == everything["categories"]
    assert [mark["category_id"] for mark in everything["annotations"]] == [2, 3, 2, 4]
    assert [mark["category_id"] for mark in only_bwt["annotations"]] == [3]


def test_coco_keeps_what_people_said_besides_classes(two_cars: list[str]) -> None:
    label(two_cars[0], "none")
    label(two_cars[1], NO_CAR)
    (mark,) = json.loads(exported("coco"))["annotations"]
    assert (mark["verdict"], mark["category_id"], mark["marque_car"]) == ("none", 1, two_cars[0])


def test_coco_lists_boxes_without_a_car_beside_its_annotations(two_cars: list[str]) -> None:
    label(two_cars[1], NO_CAR)
    coco = json.loads(exported("coco"))
    assert [mark["marque_car"] for mark in coco["annotations"]] == two_cars[:1]
    assert coco["images"][0]["no_car"] == [[66, 20, 48, 40]]


def test_a_box_in_coco_is_also_an_outline(two_cars: list[str]) -> None:
    first, _second = json.loads(exported("coco"))["annotations"]
    assert first["segmentation"] == [[6, 8, 54, 8, 54, 48, 6, 48]]


def test_a_whole_photo_is_a_box_in_coco_that_says_so(upload: Upload) -> None:
    upload(ground_truth="haas")
    (mark,) = json.loads(exported("coco"))["annotations"]
    assert (mark["bbox"], mark["found_by"]) == ([0, 0, 120, 80], "whole")


# ---- Label Studio ----


def test_label_studio_has_a_rectangle_and_a_choice_for_each_car(two_cars: list[str]) -> None:
    (task,) = json.loads(exported("label-studio"))
    first, choice, second = task["annotations"][0]["result"]
    assert (first["type"], first["id"], second["id"]) == ("rectangle", *two_cars)
    assert [first["value"][name] for name in ("x", "y", "width", "height")] == [
        pytest.approx(100 * share) for share in LEFT
    ]
    assert (choice["id"], choice["value"]["choices"]) == (two_cars[0], ["haas"])
    assert (first["original_width"], first["original_height"]) == (120, 80)


def test_boxes_in_which_is_no_car_stay_rectangles(two_cars: list[str]) -> None:
    for car in two_cars:
        label(car, NO_CAR)
    (task,) = json.loads(exported("label-studio"))
    results = task["annotations"][0]["result"]
    choices = [result for result in results if result["type"] == "choices"]
    assert [choice["id"] for choice in choices] == two_cars
    assert [choice["value"]["choices"] for choice in choices] == [[NO_CAR]] * 2
    assert [result["type"] for result in results].count("rectangle") == 2


# ---- YOLO ----


def test_yolo_has_a_text_file_beside_each_photo(two_cars: list[str]) -> None:
    archive = opened("yolo")
    image, text, *lists = archive.namelist()
    assert image.startswith("images/street-") and text == f"labels/{image[7:-4]}.txt"
    assert archive.read(text).decode().splitlines() == [
        "1 0.250000 0.350000 0.400000 0.500000",
        "0 0.750000 0.500000 0.400000 0.500000",
    ]
    assert lists == [f"detected/{image[7:-4]}.txt", "classes.txt", "data.yaml", "manifest.json"]
    assert archive.read("classes.txt").decode() == "car\nhaas\n"


def test_yolo_has_only_photos_of_which_people_know_where_the_cars_are(
    upload: Upload, two_cars: list[str]
) -> None:
    upload(mark=1, ground_truth="haas")
    upload(mark=2, ground_truth=NO_CAR)
    archive = opened("yolo")
    texts = [name for name in archive.namelist() if name.startswith("labels/")]
    assert [bool(archive.read(name)) for name in texts] == [True, False]
    manifest = json.loads(archive.read("manifest.json"))
    assert (manifest["photos"], manifest["left_out"]) == (2, {"without a box": 1})


def test_yolo_names_the_boxes_that_only_the_detector_found_with_their_scores(
    two_cars: list[str],
) -> None:
    archive = opened("yolo")
    (name,) = [name for name in archive.namelist() if name.startswith("detected/")]
    assert archive.read(name).decode() == "0 0.750000 0.500000 0.400000 0.500000 0.9\n"


def test_yolo_says_how_many_boxes_without_a_car_it_leaves_out(two_cars: list[str]) -> None:
    label(two_cars[1], NO_CAR)
    manifest = json.loads(opened("yolo").read("manifest.json"))
    assert manifest["left_out"] == {"boxes without a car": 1}


# ---- what training reads ----


@pytest.mark.parametrize(("format", "name"), [("folders", ""), ("yolo", "haas")])
def test_training_reads_the_boxes_of_an_export(
    two_cars: list[str], tmp_path: Path, format: str, name: str
) -> None:
    opened(format).extractall(tmp_path)
    (photo,) = read_boxes(tmp_path)
    assert np.allclose(photo.boxes, [[0.05, 0.1, 0.45, 0.6], [0.55, 0.25, 0.95, 0.75]])
    assert photo.classes[0] == name  # in YOLO nothing tells that this is the label of a car


def test_training_reads_coco_beside_its_photos(two_cars: list[str], tmp_path: Path) -> None:
    content = exported("coco")
    opened("folders").extractall(tmp_path)
    (tmp_path / "boxes.jsonl").unlink()
    (tmp_path / "coco.json").write_bytes(content)
    (photo,) = read_boxes(tmp_path)
    assert np.allclose(photo.boxes, [[0.05, 0.1, 0.45, 0.6], [0.55, 0.25, 0.95, 0.75]])


def test_a_box_without_a_car_is_listed_but_teaches_no_car(
    two_cars: list[str], tmp_path: Path
) -> None:
    label(two_cars[1], NO_CAR)
    opened("folders").extractall(tmp_path)
    listed = json.loads((tmp_path / "boxes.jsonl").read_text())
    assert [box["class"] for box in listed["boxes"]] == ["haas", NO_CAR]
    (photo,) = read_boxes(tmp_path)
    assert np.allclose(photo.boxes, [[0.05, 0.1, 0.45, 0.6]])


def test_folders_without_a_box_have_no_list_of_boxes(upload: Upload) -> None:
    upload(ground_truth="haas")
    assert "boxes.jsonl" not in opened("folders").namelist()


# ---- photos to train a detector on ----


def test_photos_for_a_detector_are_those_in_which_people_checked_every_car(
    two_cars: list[str], upload: Upload
) -> None:
    upload(mark=2, ground_truth="haas")  # where the car is nobody said
    empty, drawn = upload(mark=3), upload(mark=4)
    relabel_photo(empty, NO_CAR, [make_card()], Stamp(ANNA, "photo"))
    put_cars(drawn, found_by=PERSON)
    archive = opened("folders", unit=BOXES)
    lines = list(map(json.loads, archive.read("boxes.jsonl").splitlines()))
    assert [(line["file"], len(line["boxes"])) for line in lines] == [
        (f"photos/car-{empty}.jpg", 0),
        (f"photos/car-{drawn}.jpg", 2),
    ]
    manifest = json.loads(archive.read("manifest.json"))
    assert manifest["left_out"] == {"not checked car by car": 2}
    label(two_cars[1], "bwt")  # then both cars of that photo are checked
    assert len(opened("folders", unit=BOXES).read("boxes.jsonl").splitlines()) == 3


@pytest.mark.parametrize("format", ["folders", "coco"])
def test_a_car_that_people_named_is_a_car_to_the_detector(
    two_cars: list[str], tmp_path: Path, format: str
) -> None:
    label(two_cars[1], UNUSABLE)
    content = exported(format)
    if format == "folders":
        zipfile.ZipFile(io.BytesIO(content)).extractall(tmp_path)
    else:
        with opened("folders") as photos:
            photos.extractall(tmp_path, [name for name in photos.namelist() if "/" in name])
        (tmp_path / "coco.json").write_bytes(content)
    (photo,) = read_boxes(tmp_path)
    assert (photo.classes, photo.scores.tolist()) == (("", ""), [1.0, 1.0])
    assert box_kinds(photo, DetectorRecipe("any", "Any")).tolist() == [CAR, IGNORED]


@pytest.mark.parametrize("format", ["folders", "yolo"])
def test_a_box_that_nobody_checked_keeps_the_score_of_the_detector(
    two_cars: list[str], tmp_path: Path, format: str
) -> None:
    with opened(format) as archive:
        archive.extractall(tmp_path)
    (photo,) = read_boxes(tmp_path)
    assert np.allclose(photo.scores, [1.0, 0.9])


# ---- crops ----


def test_crops_are_cut_with_a_margin_into_the_folder_of_their_class(two_cars: list[str]) -> None:
    label(two_cars[1], "bwt")
    archive = opened("folders", unit=CROPS)
    paths = [f"haas/street-{two_cars[0]}.jpg", f"bwt/street-{two_cars[1]}.jpg"]
    assert archive.namelist() == [*paths, "photos.csv", "manifest.json"]
    with Image.open(io.BytesIO(archive.read(paths[0]))) as crop:
        assert crop.size == (52, 44)  # 0.4 x 0.5 of 120 x 80, and a little more on each side
    (row, _second) = csv.DictReader(io.StringIO(archive.read("photos.csv").decode()))
    assert (plain_cell(row["car"]), row["box"]) == (two_cars[0], "0.05 0.1 0.4 0.5")
    manifest = json.loads(archive.read("manifest.json"))
    assert (manifest["photos"], manifest["crops"]) == (1, 2)
    assert manifest["classes"] == {"bwt": 1, "haas": 1}


def test_a_car_without_a_class_is_not_cut_out(two_cars: list[str]) -> None:
    archive = opened("folders", unit=CROPS)
    assert [name for name in archive.namelist() if name.endswith(".jpg")] == [
        f"haas/street-{two_cars[0]}.jpg"
    ]


def test_a_photo_comes_for_its_second_car_too(two_cars: list[str]) -> None:
    label(two_cars[0], "none")
    label(two_cars[1], "bwt")
    assert "bwt/" in opened("folders", unit=CROPS).namelist()[0]
    assert opened("folders").namelist() == ["photos.csv", "manifest.json"]


@pytest.mark.parametrize("format", ["csv", "coco", "yolo"])
def test_crops_are_only_for_folders(format: str) -> None:
    with pytest.raises(BadRequestError, match="Cars that are cut out come in folders"):
        ExportOrder(FORMATS[format], unit=CROPS)


def test_a_drawn_box_is_told_from_a_detected_one(upload: Upload) -> None:
    put_cars(upload(), found_by=PERSON)
    (task,) = json.loads(exported("label-studio"))
    assert len(task["annotations"][0]["result"]) == 2
