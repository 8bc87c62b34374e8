"""Files of labels and boxes in the formats people have; where the photos are is another matter."""

import io
import json
import zipfile
from typing import Any

import pytest

from webapp.errors import BadLabelFileError, NoLabelFileError
from webapp.label_files.listed_photo import ListedBox, ListedPhoto, placed_boxes
from webapp.label_files.registry import read_labels


def lines(text: str, name: str = "labels.csv") -> list[ListedPhoto]:
    return list(read_labels(io.BytesIO(text.encode()), name))


@pytest.mark.parametrize(
    "head", ["filename,label", "file_name;class", "image\tground_truth", "\ufeffpath,category"]
)
def test_a_table_may_name_its_columns_in_several_ways(head: str) -> None:
    separator = next(mark for mark in "\t,;" if mark in head)
    assert [(line.filename, line.label) for line in lines(f"{head}\na.jpg{separator}haas\n")] == [
        ("a.jpg", "haas")
    ]


def test_an_apostrophe_before_a_formula_is_taken_away() -> None:
    assert lines("filename,label\n'=a.jpg,haas\n")[0].filename == "=a.jpg"


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("filename,size\na,1\n", "a.csv", "no column for the label"),
        ("label,size\na,1\n", "a.csv", "no column for the photo"),
        ("", "a.csv", "no column"),
        ("{", "a.json", "cannot be read"),
        ('{"a": 1}', "a.json", "neither"),
        ("[1]", "a.jsonl", "no JSON object"),
        ('{"images": [{}], "annotations": [], "categories": []}', "a.json", "lacks"),
        ("x", "a.exe", "no file of labels"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_in_words(text: str, name: str, words: str) -> None:
    with pytest.raises(BadLabelFileError, match=words):
        lines(text, name)


def test_a_table_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(BadLabelFileError, match="cannot be read"):
        list(read_labels(io.BytesIO(b"filename,label\n\xff,haas\n"), "a.csv"))


def test_the_short_list_of_label_studio_is_read() -> None:
    tasks = [{"image": "http://x.test/data/monza%201.jpg", "choice": "haas"}]
    (photo,) = lines(json.dumps(tasks), "min.json")
    assert (photo.label, photo.names[0]) == ("haas", "monza 1.jpg")


def test_a_cancelled_annotation_does_not_count() -> None:
    annotations = [
        {"result": [{"value": {"choices": [label]}}], "was_cancelled": label == "bwt"}
        for label in ("haas", "bwt")
    ]
    assert (
        lines(json.dumps([{"data": {"image": "a.jpg"}, "annotations": annotations}]), "full.json")[
            0
        ].label
        == "haas"
    )


# ---- boxes ----

CAR = {"box": [0.1, 0.2, 0.4, 0.4], "ground_truth": "haas", "found_by": "detector", "score": 0.9}
WHOLE = {"box": [0, 0, 1, 1], "ground_truth": "haas", "found_by": "whole", "score": None}


def exported(*cars: dict[str, Any]) -> ListedPhoto:
    photo = {"id": "abc", "filename": "a.jpg", "ground_truth": "haas", "cars": cars}
    return lines(json.dumps(photo), "a.jsonl")[0]


def coco(images: list[dict[str, Any]], marks: list[dict[str, Any]]) -> list[ListedPhoto]:
    categories = [{"id": 1, "name": "haas"}]
    content = {"images": images, "annotations": marks, "categories": categories}
    return lines(json.dumps(content), "a.json")


def test_an_exported_line_has_the_boxes_of_its_cars() -> None:
    photo = exported(CAR, CAR | {"ground_truth": None, "found_by": "person", "score": None})
    assert photo.boxes is not None and [
        (box.label, box.score, [round(edge, 6) for edge in box.edges]) for box in photo.boxes
    ] == [("haas", 0.9, [0.1, 0.2, 0.5, 0.6]), ("", 1.0, [0.1, 0.2, 0.5, 0.6])]


def test_a_whole_photo_is_no_box() -> None:
    photo = exported(WHOLE)
    assert (photo.boxes, photo.label) == (None, "haas")


def test_a_coco_annotation_without_a_box_labels_its_image() -> None:
    (photo,) = coco([{"id": 1}], [{"image_id": 1, "category_id": 1}])
    assert (photo.boxes, photo.label) == (None, "haas")


def test_several_labels_of_a_coco_image_are_no_label_and_are_told() -> None:
    categories = [{"id": 1, "name": "haas"}, {"id": 2, "name": "bwt"}]
    marks = [{"image_id": 1, "category_id": number} for number in (1, 2, 1)]
    content = {"images": [{"id": 1}], "annotations": marks, "categories": categories}
    (photo,) = lines(json.dumps(content), "a.json")
    assert photo.label == "haas and bwt"


def test_an_exported_coco_image_without_annotation_was_perhaps_not_looked_at() -> None:
    mark = {"image_id": 1, "category_id": 1, "bbox": [1, 1, 2, 2]}
    images = [{"id": 1}, {"id": 2, "marque_id": "x"}, {"id": 3, "marque_id": "y"}, {"id": 4}]
    images[2]["verdict"] = "no-car"
    assert [photo.boxes is None for photo in coco(images, [mark])] == [False, True, False, False]


def test_a_coco_annotation_may_carry_a_verdict() -> None:
    mark = {"image_id": 1, "category_id": 1, "bbox": [1, 1, 2, 2], "verdict": "none"}
    (photo,) = coco([{"id": 1}], [mark])
    assert photo.boxes is not None and photo.boxes[0].label == "none"


def test_a_table_lists_the_boxes_of_a_photo_together() -> None:
    head = "id,filename,ground_truth,found_by,box_x,box_y,box_width,box_height\n"
    rows = (
        "a,a.jpg,haas,person,0,0,1,.5\na,a.jpg,,detector,.5,.5,.5,.5\nb,b.jpg,bwt,whole,0,0,1,1\n"
    )
    first, second = lines(head + rows)
    assert first.boxes is not None
    assert [(box.label, box.found_by) for box in first.boxes] == [
        ("haas", "person"),
        ("", "detector"),
    ]
    assert (second.boxes, second.label, second.where) == (None, "bwt", "line 4")


def test_a_zip_of_yolo_names_the_photos_of_an_export() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("cars/classes.txt", "car\nhaas\n")
        archive.writestr("cars/images/monza-Ab3_x-yZ90Qw.jpg", b"")
        archive.writestr("cars/labels/monza-Ab3_x-yZ90Qw.txt", "1 0.5 0.5 0.2 0.4\n")
    (photo,) = read_labels(stream, "cars.zip")
    assert photo.ids == ["Ab3_x-yZ90Qw"]
    assert photo.names == ["monza-Ab3_x-yZ90Qw.jpg", "monza.jpg"]
    assert photo.boxes is not None and photo.boxes[0].label == "haas"


@pytest.mark.parametrize(
    ("content", "words"), [(b"PK nothing", "no whole zip"), (None, "no folder labels/")]
)
def test_a_zip_without_boxes_is_refused(content: bytes | None, words: str) -> None:
    stream = io.BytesIO(content or b"")
    if content is None:
        zipfile.ZipFile(stream, "w").close()
    with pytest.raises(BadLabelFileError, match=words):
        list(read_labels(stream, "a.zip"))


def test_a_file_of_another_kind_is_told_from_a_broken_one() -> None:
    with pytest.raises(NoLabelFileError):
        lines('{"marque_export": 1}', "manifest.json")


def test_boxes_in_pixels_become_shares_of_the_photo() -> None:
    box = ListedBox("line 1", (20, 10, 100, 51))
    listed = ListedPhoto("line 1", boxes=(box,), in_pixels=True)
    assert placed_boxes(listed, 200, 100) == [(0.1, 0.1, 0.5, 0.51)]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('{"id": "a", "ground_truth": "no-car", "cars": []}', "a.jsonl"),
        (
            "id,ground_truth,found_by,box_x,box_y,box_width,box_height\na,no-car,whole,0,0,1,1",
            "a.csv",
        ),
        (
            '[{"data": {"marque_id": "a"}, "annotations": [{"result": '
            '[{"type": "choices", "value": {"choices": ["no-car"]}}]}]}]',
            "a.json",
        ),
    ],
)
def test_a_photo_without_a_car_has_no_boxes_and_says_so(text: str, name: str) -> None:
    (photo,) = lines(text, name)
    assert (photo.boxes, photo.label) == ((), "no-car")
