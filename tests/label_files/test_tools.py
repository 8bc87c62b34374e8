"""Files of labels as other tools write them, each in its documented shape."""

import io
import json
import zipfile
from typing import Any

import pytest

from webapp.errors import BadLabelFileError, NoLabelFileError
from webapp.label_files.listed_photo import ListedPhoto
from webapp.label_files.photo_names import ids_of, names_of
from webapp.label_files.registry import read_labels

PLACE = {"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 0}
EDGES = [0.1, 0.2, 0.4, 0.6]


def lines(content: Any, name: str) -> list[ListedPhoto]:
    text = content if isinstance(content, str) else json.dumps(content)
    return list(read_labels(io.BytesIO(text.encode()), name))


def zipped(files: dict[str, str]) -> list[ListedPhoto]:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return list(read_labels(stream, "labels.zip"))


def boxes(photo: ListedPhoto) -> list[tuple[str, list[float]]]:
    return [(box.label, [round(edge, 6) for edge in box.edges]) for box in photo.boxes or ()]


# ---- what photos are called ----


@pytest.mark.parametrize(
    "text",
    [
        "monza 1.jpg",
        "train/cars/monza 1.jpg",
        r"C:\cars\monza 1.jpg",
        "/data/upload/3/0a1b2c3d-monza_1.jpg",
        r"images\0a1b2c3d-monza_1.jpg",
        "/data/local-files/?d=cars/monza 1.jpg",
        "https://photos.test/cars/monza%201.jpg?width=80",
        "s3://bucket/cars/monza 1.jpg",
        "haas/monza 1-Ab3_x-yZ90Qw.jpg",
        "/data/upload/3/0a1b2c3d-monza_1-Ab3_x-yZ90Qw.jpg",
    ],
)
def test_a_photo_is_known_by_its_name_whatever_a_tool_made_of_it(text: str) -> None:
    assert "monza 1.jpg" in names_of(text)


def test_a_copy_is_known_by_its_number_without_parentheses() -> None:
    assert "monza (2).jpg" in names_of("/data/upload/3/0a1b2c3d-monza_2.jpg")


def test_an_exported_name_has_an_id_at_its_end() -> None:
    assert ids_of("haas/monza-Ab3_x-yZ90Qw.jpg") == ["Ab3_x-yZ90Qw"]
    assert ids_of("monza.jpg") == []


# ---- Label Studio ----


@pytest.mark.parametrize("key", ["image", "img", "photo of the car"])
def test_the_photo_of_a_label_studio_task_may_stand_under_any_key(key: str) -> None:
    result = [{"type": "choices", "value": {"choices": ["haas"]}}]
    task = {"data": {"note": "x", key: "/a/monza.jpg"}, "annotations": [{"result": result}]}
    (photo,) = lines([task], "full.json")
    assert (photo.names, photo.label) == (["monza.jpg"], "haas")


def test_a_short_task_may_call_its_choice_anything() -> None:
    task = {"id": 7, "img": "monza.jpg", "team": "haas", "annotator": "a@b.c", "lead_time": 3.1}
    (photo,) = lines([task], "min.json")
    assert (photo.names, photo.label) == (["monza.jpg"], "haas")


def test_a_short_task_has_the_rectangles_with_their_labels() -> None:
    task = {"image": "a.jpg", "label": [PLACE | {"rectanglelabels": ["haas"]}, PLACE]}
    assert boxes(lines([task], "min.json")[0]) == [("haas", EDGES), ("", EDGES)]


def test_the_choice_of_a_short_task_is_about_its_only_rectangle() -> None:
    (photo,) = lines([{"image": "a.jpg", "box": [PLACE], "label": "haas"}], "min.json")
    assert boxes(photo) == [("haas", EDGES)]


def test_a_short_task_does_not_say_which_of_two_rectangles_a_choice_is_about() -> None:
    task = {"image": "a.jpg", "box": [PLACE, PLACE], "label": "haas"}
    assert "Export as JSON instead" in lines([task], "min.json")[0].unreadable


def test_a_turned_rectangle_of_a_short_task_is_named() -> None:
    (photo,) = lines([{"image": "a.jpg", "label": [PLACE | {"rotation": 9}]}], "min.json")
    assert "turned rectangle" in photo.unreadable


@pytest.mark.parametrize("separator", [",", "\t"])
def test_a_table_of_label_studio_is_a_short_list(separator: str) -> None:
    head = ["annotation_id", "annotator", "id", "img", "lead_time", "team"]
    row = ["1", "a@b.c", "7", "/data/upload/1/0a1b2c3d-monza.jpg", "3.1", "haas"]
    (photo,) = lines("\n".join(map(separator.join, (head, row))), "a.csv")
    assert (photo.where, photo.label, photo.names[1]) == ("row 1", "haas", "monza.jpg")


def test_a_table_of_label_studio_has_rectangles_as_json() -> None:
    cell = json.dumps([PLACE | {"rectanglelabels": ["haas"]}]).replace('"', '""')
    table = f'annotation_id,annotator,image,label,lead_time\n1,1,a.jpg,"{cell}",2\n'
    assert boxes(lines(table, "a.csv")[0]) == [("haas", EDGES)]


def test_several_choices_for_one_photo_are_no_label_and_are_told() -> None:
    (photo,) = lines([{"image": "a.jpg", "team": {"choices": ["haas", "bwt"]}}], "min.json")
    assert photo.label == "haas and bwt"


# ---- Hugging Face ----


def test_the_metadata_of_hugging_face_names_a_file_and_its_label() -> None:
    (row,) = lines("file_name,label\ntrain/a.jpg,haas\n", "metadata.csv")
    (line,) = lines({"file_name": "train/a.jpg", "label": "haas"}, "metadata.jsonl")
    assert (row.names, row.label) == (line.names, line.label) == (["a.jpg"], "haas")


def test_the_number_of_a_class_is_told_as_it_stands() -> None:
    assert lines({"file_name": "a.jpg", "label": 3}, "metadata.jsonl")[0].label == "3"


@pytest.mark.parametrize(
    "objects",
    [
        {"bbox": [[6, 8, 48, 40]], "categories": ["haas"]},
        [{"bbox": [6, 8, 48, 40], "category": "haas"}],
    ],
)
def test_objects_of_hugging_face_are_boxes_in_pixels(objects: Any) -> None:
    (photo,) = lines({"file_name": "a.jpg", "objects": objects}, "metadata.jsonl")
    assert photo.in_pixels and boxes(photo) == [("haas", [6, 8, 54, 48])]


def test_objects_in_lists_of_different_lengths_are_refused() -> None:
    objects = {"bbox": [[6, 8, 48, 40]], "categories": []}
    with pytest.raises(BadLabelFileError, match=r"line 1: .* different lengths"):
        lines({"file_name": "a.jpg", "objects": objects}, "metadata.jsonl")


# ---- Datumaro ----


def datumaro(*annotations: dict[str, Any]) -> ListedPhoto:
    names = {"label": {"labels": [{"name": "haas", "parent": ""}, {"name": "bwt"}]}}
    image = {"path": "cars_monza.png", "size": [80, 120]}
    item = {"id": "cars/monza", "annotations": annotations, "image": image}
    content = {"dm_format_version": "1.0", "categories": names, "items": [item]}
    return lines(content, "default.json")[0]


def test_an_item_of_datumaro_has_its_label_by_number() -> None:
    photo = datumaro({"type": "label", "label_id": 1})
    assert (photo.names, photo.label, photo.boxes) == (["monza.png"], "bwt", None)


def test_a_box_of_datumaro_is_in_pixels() -> None:
    photo = datumaro({"type": "bbox", "label_id": 0, "bbox": [6, 8, 48, 40]})
    assert (photo.size, boxes(photo)) == ((120, 80), [("haas", [6, 8, 54, 48])])


def test_another_shape_of_datumaro_is_named() -> None:
    assert "polygon" in datumaro({"type": "polygon", "label_id": 0, "points": [1]}).unreadable


def test_an_outline_of_datumaro_in_the_group_of_a_box_is_of_the_same_object() -> None:
    box = {"type": "bbox", "label_id": 0, "bbox": [6, 8, 48, 40], "group": 4}
    photo = datumaro({"type": "polygon", "label_id": 0, "points": [1], "group": 4}, box)
    assert (photo.unreadable, boxes(photo)) == ("", [("haas", [6, 8, 54, 48])])


# ---- CVAT ----


def cvat(marks: str) -> list[ListedPhoto]:
    image = f'<image id="0" name="cars/monza.jpg" width="120" height="80">{marks}</image>'
    return lines(f'<?xml version="1.0"?><annotations>{image}</annotations>', "annotations.xml")


def test_a_tag_of_cvat_is_the_label_of_its_image() -> None:
    (photo,) = cvat('<tag label="haas" source="manual"></tag>')
    assert (photo.names, photo.label, photo.boxes) == (["monza.jpg"], "haas", None)


def test_a_box_of_cvat_is_in_pixels() -> None:
    (photo,) = cvat('<box label="haas" xtl="6.00" ytl="8.00" xbr="54.00" ybr="48.00"/>')
    assert (photo.size, boxes(photo)) == ((120, 80), [("haas", [6, 8, 54, 48])])


def test_an_outline_of_cvat_in_the_group_of_a_box_is_of_the_same_object() -> None:
    box = '<box label="haas" xtl="6" ytl="8" xbr="54" ybr="48" group_id="4"/>'
    (photo,) = cvat(f'<polygon label="haas" points="1,2;3,4;5,6" group_id="4"/>{box}')
    assert (photo.unreadable, boxes(photo)) == ("", [("haas", [6, 8, 54, 48])])


@pytest.mark.parametrize(
    ("mark", "shape"),
    [
        ('<polygon label="haas" points="1,2;3,4;5,6"/>', "polygon"),
        ('<box label="haas" xtl="1" ytl="1" xbr="9" ybr="9" rotation="30"/>', "turned box"),
    ],
)
def test_another_shape_of_cvat_is_named(mark: str, shape: str) -> None:
    assert shape in cvat(mark)[0].unreadable


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<annotations>", "cannot be read"),
        ("<html></html>", "none of CVAT"),
        ("<!DOCTYPE a><annotations/>", "document type"),
        ("<annotations><track/></annotations>", "video"),
        ('<annotations><image id="4" name="a.jpg"/></annotations>', "image 4: .* width"),
    ],
)
def test_other_xml_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(BadLabelFileError, match=words):
        lines(text, "annotations.xml")


# ---- FiftyOne ----


@pytest.mark.parametrize("target", [1, "bwt", {"label": 1, "confidence": 0.4}])
def test_a_target_of_fiftyone_is_a_name_or_its_number(target: Any) -> None:
    (photo,) = lines({"classes": ["haas", "bwt"], "labels": {"monza": target}}, "labels.json")
    assert (photo.names, photo.label) == (["monza"], "bwt")


def test_detections_of_fiftyone_are_boxes() -> None:
    detection = {"label": 0, "bounding_box": [0.1, 0.2, 0.3, 0.4], "confidence": 0.9}
    listed = {"monza": [detection], "empty": []}
    monza, empty = lines({"classes": ["haas"], "labels": listed}, "labels.json")
    assert (boxes(monza), empty.boxes) == ([("haas", EDGES)], ())


# ---- zips ----


def test_a_list_in_a_zip_is_read_and_named() -> None:
    image = '<image id="0" name="a.jpg" width="1" height="1"><tag label="haas"/></image>'
    (photo,) = zipped({"annotations.xml": f"<annotations>{image}</annotations>", "a.jpg": ""})
    assert (photo.label, photo.where) == ("haas", "annotations.xml, image 0")


def test_the_boxes_of_darknet_lie_beside_the_photos() -> None:
    text = "obj_train_data/monza.txt"
    files = {"obj.names": "haas\nbwt\n", text: "1 0.25 0.4 0.3 0.4\n", "train.txt": "x"}
    (photo,) = zipped(files | {"obj_train_data/monza.jpg": ""})
    assert (photo.names, boxes(photo)) == (["monza.jpg"], [("bwt", EDGES)])


def test_folders_in_a_zip_are_labels_below_splits_too() -> None:
    photos = zipped({"cars/train/haas/a.jpg": "", "cars/val/bwt/b.jpg": "x"})
    assert [(photo.label, photo.names) for photo in photos] == [
        ("haas", ["a.jpg"]),
        ("bwt", ["b.jpg"]),
    ]


def test_a_zip_of_photos_without_folders_says_nothing() -> None:
    with pytest.raises(NoLabelFileError, match="no folders of photos"):
        zipped({"a.jpg": ""})
