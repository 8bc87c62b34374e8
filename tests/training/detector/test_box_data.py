"""A data folder tells where the objects are, in every format people have."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from webapp.errors import TrainingError
from webapp.training.detector.box_data import BoxedPhoto, read_boxes

SHARED = Path(__file__).parents[4] / "shared" / "data"


def photo(path: Path, size: tuple[int, int] = (200, 100), orientation: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", size, (90, 90, 200)).save(path, exif=exif)


def write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content))


def write_lines(path: Path, *lines: Any) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def coco(*images: dict[str, Any], annotations: list[dict[str, Any]]) -> dict[str, Any]:
    categories = [{"id": 7, "name": "car"}, {"id": 9, "name": "van"}]
    return {"images": images, "annotations": annotations, "categories": categories}


def boxes(boxed: BoxedPhoto) -> list[list[float]]:
    return np.round(boxed.boxes.astype(np.float64), 3).tolist()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    photo(tmp_path / "a.jpg")
    photo(tmp_path / "b.jpg")
    return tmp_path


# ---- what every format gives ----

CAR = {"box": [0.1, 0.2, 0.5, 0.6], "class": "car"}


def test_arrays_have_their_shapes_for_a_photo_without_a_box_too(folder: Path) -> None:
    write_lines(folder / "boxes.jsonl", {"file": "a.jpg", "boxes": []})
    (boxed,) = read_boxes(folder)
    assert boxed.boxes.shape == (0, 4) and boxed.scores.shape == boxed.crowds.shape == (0,)
    assert (boxed.boxes.dtype, boxed.scores.dtype) == (np.float32, np.float32)


def test_photos_that_no_line_names_are_left_out(folder: Path) -> None:
    write_lines(folder / "boxes.jsonl", {"file": "b.jpg", "boxes": [CAR]})
    assert [boxed.path for boxed in read_boxes(folder)] == [folder / "b.jpg"]


def test_the_source_is_that_of_the_line_or_the_name_of_the_folder(folder: Path) -> None:
    write_lines(
        folder / "boxes.jsonl",
        {"file": "a.jpg", "boxes": [], "source": "gate-3"},
        {"file": "b.jpg", "boxes": []},
    )
    assert [boxed.source for boxed in read_boxes(folder)] == ["gate-3", folder.name]


def test_a_box_that_reaches_out_a_little_is_cut_at_the_edge(folder: Path) -> None:
    write_lines(
        folder / "boxes.jsonl", {"file": "a.jpg", "boxes": [{"box": [-0.01, 0.2, 1.02, 1]}]}
    )
    assert boxes(read_boxes(folder)[0]) == [[0, 0.2, 1, 1]]


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ([0.5, 0.2, 0.5, 0.6], "The box 0.5, 0.2, 0.5, 0.6 .* has no area"),
        ([0.5, 0.2, 0.4, 0.6], "has no area"),
        ([0.5, 0.2, 1.4, 0.6], "reaches out of the photo"),
        ([0.5, 0.2, 0.6], r"boxes.* 0\.box"),
        ([0.5, 0.2, "x", 0.6], r"boxes.* 0\.box"),
        ([0.5, 0.2, None, 0.6], r"boxes.* 0\.box"),
    ],
)
def test_an_impossible_box_is_refused_by_file_and_line(
    folder: Path, box: list[Any], message: str
) -> None:
    lines = ({"file": "b.jpg", "boxes": [CAR]}, {"file": "a.jpg", "boxes": [{"box": box}]})
    write_lines(folder / "boxes.jsonl", *lines)
    with pytest.raises(TrainingError, match=rf"boxes\.jsonl, line 2: .*{message}"):
        read_boxes(folder)


def test_a_score_over_1_is_refused(folder: Path) -> None:
    write_lines(folder / "boxes.jsonl", {"file": "a.jpg", "boxes": [CAR | {"score": 93}]})
    with pytest.raises(TrainingError, match="line 1: A score is from 0 to 1, not 93"):
        read_boxes(folder)


def test_a_listed_photo_that_is_not_there_is_named(folder: Path) -> None:
    write_lines(folder / "boxes.jsonl", {"file": "c.jpg", "boxes": [CAR]})
    with pytest.raises(TrainingError, match=r"line 1: There is no photo 'c\.jpg'"):
        read_boxes(folder)


def test_a_box_that_is_listed_twice_is_refused(folder: Path) -> None:
    line = {"file": "a.jpg", "boxes": [CAR]}
    write_lines(folder / "boxes.jsonl", line, line)
    with pytest.raises(TrainingError, match=r"boxes\.jsonl, line 2: a\.jpg has this box already"):
        read_boxes(folder)


def test_a_name_that_may_be_two_photos_is_refused(folder: Path) -> None:
    photo(folder / "x" / "1.jpg")
    photo(folder / "y" / "1.jpg")
    write_lines(folder / "boxes.jsonl", {"file": "1.jpg", "boxes": [CAR]})
    with pytest.raises(TrainingError, match=r"1\.jpg may be x/1\.jpg or y/1\.jpg"):
        read_boxes(folder)


def test_a_path_may_begin_with_the_name_of_the_data_folder(folder: Path) -> None:
    photo(folder / "x" / "1.jpg")
    photo(folder / "y" / "1.jpg")
    write_lines(folder / "boxes.jsonl", {"file": f"{folder.name}/y/1.jpg", "boxes": [CAR]})
    assert read_boxes(folder)[0].path == folder / "y" / "1.jpg"


# ---- which list ----


def test_a_folder_without_a_list_is_refused(folder: Path) -> None:
    write_json(folder / "manifest.json", {"marque_export": 1})
    (folder / "photos.csv").write_text("path,label\na.jpg,car\n")
    with pytest.raises(TrainingError, match="There is no list of boxes in"):
        read_boxes(folder)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="There is no data folder"):
        read_boxes(tmp_path / "nowhere")


def test_two_lists_are_refused_by_name(folder: Path) -> None:
    write_lines(folder / "boxes.jsonl", {"file": "a.jpg", "boxes": [CAR]})
    (folder / "boxes.csv").write_text("image,x1,y1,x2,y2\na.jpg,0,0,9,9\n")
    with pytest.raises(TrainingError, match=r"boxes\.csv and boxes\.jsonl"):
        read_boxes(folder)


def test_one_of_two_lists_may_be_named(folder: Path) -> None:
    write_lines(folder / "boxes.jsonl", {"file": "a.jpg", "boxes": [CAR]})
    (folder / "boxes.csv").write_text("image,x1,y1,x2,y2\nb.jpg,0,0,9,9\n")
    assert read_boxes(folder / "boxes.csv")[0].path == folder / "b.jpg"


@pytest.mark.parametrize("name", ["boxes.json", "boxes.jsonl"])
def test_a_list_that_is_not_whole_is_refused(folder: Path, name: str) -> None:
    (folder / name).write_text('{"images": [')
    with pytest.raises(TrainingError, match=name):
        read_boxes(folder)


# ---- JSON lines ----


def test_a_line_of_json_has_classes_and_scores_where_there_are_any(folder: Path) -> None:
    scored = {"box": [0, 0, 1, 1], "score": 0.5}
    write_lines(folder / "boxes.jsonl", {"file": "a.jpg", "boxes": [CAR, scored]})
    (boxed,) = read_boxes(folder)
    assert boxed.classes == ("car", "") and boxed.scores.tolist() == [1.0, 0.5]


@pytest.mark.skipif(not SHARED.exists(), reason="the shared data sets are not here")
@pytest.mark.parametrize(("name", "photos"), [("car-boxes", 3010), ("f1-more", 1059)])
def test_the_shared_data_sets_are_read_whole(name: str, photos: int) -> None:
    assert len(read_boxes(SHARED / name)) == photos


# ---- COCO ----


def test_coco_boxes_are_pixels_of_the_upright_photo(tmp_path: Path) -> None:
    photo(tmp_path / "photos" / "a.jpg", (200, 100), orientation=6)
    marks = [{"image_id": 1, "category_id": 9, "bbox": [10, 20, 50, 100]}]
    write_json(tmp_path / "a.json", coco({"id": 1, "file_name": "a.jpg"}, annotations=marks))
    (boxed,) = read_boxes(tmp_path)
    assert boxes(boxed) == [[0.1, 0.1, 0.6, 0.6]] and boxed.classes == ("van",)


def test_coco_boxes_are_shares_of_the_listed_size(folder: Path) -> None:
    image = {"id": "x", "file_name": "a.jpg", "width": 400, "height": 200}
    marks = [{"image_id": "x", "category_id": 7, "bbox": [40, 20, 40, 20]}]
    write_json(folder / "a.json", coco(image, annotations=marks))
    assert boxes(read_boxes(folder)[0]) == [[0.1, 0.1, 0.2, 0.2]]


def test_a_photo_that_lies_on_its_side_in_the_list_is_refused(tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg", (200, 100), orientation=6)
    image = {"id": 1, "file_name": "a.jpg", "width": 200, "height": 100}
    marks = [{"image_id": 1, "category_id": 7, "bbox": [10, 20, 50, 50]}]
    write_json(tmp_path / "a.json", coco(image, annotations=marks))
    with pytest.raises(TrainingError, match="listed with 200 x 100 pixels, but upright it has 100"):
        read_boxes(tmp_path)


def test_a_coco_image_without_annotations_shows_no_object(folder: Path) -> None:
    write_json(folder / "a.json", coco({"id": 1, "file_name": "a.jpg"}, annotations=[]))
    assert len(read_boxes(folder)[0].boxes) == 0


def test_a_coco_crowd_is_told_apart(folder: Path) -> None:
    mark = {"image_id": 1, "category_id": 7, "bbox": [1, 1, 9, 9], "iscrowd": 1}
    write_json(folder / "a.json", coco({"id": 1, "file_name": "a.jpg"}, annotations=[mark]))
    assert read_boxes(folder)[0].crowds.tolist() == [True]


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        ({"image_id": 1, "category_id": 7}, r"annotations\.0 lacks bbox"),
        (
            {"image_id": 2, "category_id": 7, "bbox": [1, 1, 9, 9]},
            r"annotations\.0: There is no image 2",
        ),
        (
            {"image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9]},
            r"annotations\.0: There is no category 1",
        ),
    ],
)
def test_a_coco_annotation_that_leads_nowhere_is_refused(
    folder: Path, mark: dict[str, Any], message: str
) -> None:
    right = {"image_id": 1, "category_id": 7, "bbox": [1, 1, 9, 9]}
    write_json(folder / "a.json", coco({"id": 1, "file_name": "a.jpg"}, annotations=[mark, right]))
    with pytest.raises(TrainingError, match=rf"a\.json, {message}"):
        read_boxes(folder)


def test_a_photo_that_cannot_be_opened_is_named(folder: Path) -> None:
    (folder / "a.jpg").write_bytes(b"\xff\xd8\xff nothing")
    mark = {"image_id": 1, "category_id": 7, "bbox": [1, 1, 9, 9]}
    write_json(folder / "a.json", coco({"id": 1, "file_name": "a.jpg"}, annotations=[mark]))
    with pytest.raises(TrainingError, match=r"a\.json, image 1: a\.jpg: "):
        read_boxes(folder)


# ---- YOLO ----


def yolo(folder: Path, lines: str, name: str = "a") -> Path:
    photo(folder / "images" / f"{name}.jpg")
    label = folder / "labels" / f"{name}.txt"
    label.parent.mkdir(parents=True, exist_ok=True)
    label.write_text(lines)
    return folder


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("data.yaml", "path: .\nnames: [van, car]\n"),
        ("data.yaml", "names:\n  0: van\n  1: car\n"),
        ("classes.txt", "van\ncar\n"),
        ("labels/classes.txt", "van\ncar\n"),
    ],
)
def test_yolo_boxes_have_the_names_of_their_classes(tmp_path: Path, file: str, text: str) -> None:
    yolo(tmp_path, "1 0.5 0.5 0.2 0.4\n0 0.1 0.1 0.2 0.2 0.75\n")
    (tmp_path / file).write_text(text)
    (boxed,) = read_boxes(tmp_path)
    assert boxes(boxed) == [[0.4, 0.3, 0.6, 0.7], [0, 0, 0.2, 0.2]]
    assert boxed.classes == ("car", "van") and boxed.scores.tolist() == [1.0, 0.75]


def test_an_empty_yolo_file_is_a_photo_without_an_object(tmp_path: Path) -> None:
    yolo(tmp_path, "")
    photo(tmp_path / "images" / "unlisted.jpg")
    (tmp_path / "classes.txt").write_text("car\n")
    (boxed,) = read_boxes(tmp_path)
    assert boxed.path.name == "a.jpg" and len(boxed.boxes) == 0


def test_yolo_parts_may_have_photos_of_the_same_name(tmp_path: Path) -> None:
    yolo(tmp_path / "train", "0 0.5 0.5 0.2 0.4\n")
    yolo(tmp_path / "valid", "0 0.5 0.5 0.4 0.4\n")
    (tmp_path / "data.yaml").write_text("names: [car]\n")
    assert [boxed.path.relative_to(tmp_path).as_posix() for boxed in read_boxes(tmp_path)] == [
        "train/images/a.jpg",
        "valid/images/a.jpg",
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 0.1 0.1 0.2 0.1 0.2 0.2 0.1 0.2", "has 9. Outlines and turned boxes are not read"),
        ("0 0.5 0.5 x 0.2", "is not a list of numbers"),
        ("3 0.5 0.5 0.2 0.2", "There is no name for class 3"),
    ],
)
def test_a_yolo_line_that_is_no_box_is_refused(tmp_path: Path, line: str, message: str) -> None:
    yolo(tmp_path, f"0 0.5 0.5 0.2 0.2\n{line}\n")
    (tmp_path / "classes.txt").write_text("car\n")
    with pytest.raises(TrainingError, match=rf"labels/a\.txt, line 2: .*{message}"):
        read_boxes(tmp_path)


def test_yolo_without_names_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="Nothing names the classes"):
        read_boxes(yolo(tmp_path, "0 0.5 0.5 0.2 0.2\n"))


# ---- tables ----


@pytest.mark.parametrize(
    "text",
    [
        "filename,x1,y1,x2,y2,class\na.jpg,20,10,100,50,car\n",
        "filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,200,100,car,20,10,100,50\n",
        "image\tlabel\tx\ty\twidth\theight\na\tcar\t20\t10\t80\t40\n",
        "image;class_name;left;top;width;height\na.jpg;car;20;10;80;40\n",
        "ImageID,LabelName,Confidence,XMin,XMax,YMin,YMax\na,car,1,0.1,0.5,0.1,0.5\n",
        "image,x,y,w,h,class\na.jpg,0.1,0.1,0.4,0.4,car\n",
        "image,image_width,image_height,x1,y1,x2,y2,class\na.jpg,400,200,40,20,200,100,car\n",
    ],
)
def test_a_table_has_pixels_or_shares_corners_or_sizes(folder: Path, text: str) -> None:
    (folder / "boxes.csv").write_text(text)
    (boxed,) = read_boxes(folder)
    assert boxes(boxed) == [[0.1, 0.1, 0.5, 0.5]] and boxed.classes == ("car",)


def test_a_table_has_a_line_for_each_box(folder: Path) -> None:
    (folder / "boxes.csv").write_text(
        "image,x1,y1,x2,y2,score,is_group_of\n"
        "a.jpg,0,0,20,20,.5,0\nb.jpg,,,,,,\na.jpg,100,50,200,100,,1\n"
    )
    first, second = read_boxes(folder)
    assert boxes(first) == [[0, 0, 0.1, 0.2], [0.5, 0.5, 1, 1]] and len(second.boxes) == 0
    assert first.scores.tolist() == [0.5, 1.0] and first.crowds.tolist() == [False, True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,x1,y1,x2,y2\n\na.jpg,1,2,3,x\n", "line 3: y2 is no number: 'x'"),
        ("image,x1,y1,x2,y2\na.jpg,1,,3,4\n", "line 2: y1 is no number"),
        ("wheels,x1,y1,x2,y2\n4,1,2,3,4\n", "has no column for the photo"),
        ("image,x1,y1,x2,y2\na.jpg,1,2,3\n", "line 2: The table has 5 columns, this line 4"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(folder: Path, text: str, message: str) -> None:
    (folder / "boxes.csv").write_text(text)
    with pytest.raises(TrainingError, match=message):
        read_boxes(folder)


# ---- Label Studio ----


def rectangle(**more: Any) -> dict[str, Any]:
    value = {"x": 10, "y": 20, "width": 40, "height": 30, "rotation": 0}
    kind = more.pop("type", "rectanglelabels")
    return {"id": "r1", "type": kind, "value": value | more}


def tasks(*results: dict[str, Any], **data: Any) -> list[dict[str, Any]]:
    data = data or {"image": "/data/upload/1/0a1b2c3d-a.jpg"}
    return [{"data": data, "annotations": [{"was_cancelled": False, "result": list(results)}]}]


def test_label_studio_rectangles_are_in_percent(folder: Path) -> None:
    write_json(folder / "tasks.json", tasks(rectangle(rectanglelabels=["car"])))
    (boxed,) = read_boxes(folder)
    assert boxed.path.name == "a.jpg" and boxed.classes == ("car",)
    assert boxes(boxed) == [[0.1, 0.2, 0.5, 0.5]]


def test_a_label_studio_rectangle_takes_the_choice_of_its_region(folder: Path) -> None:
    choice = {"id": "r1", "type": "choices", "value": {"choices": ["van"]}}
    write_json(folder / "tasks.json", tasks(rectangle(type="rectangle"), choice))
    assert read_boxes(folder)[0].classes == ("van",)


@pytest.mark.parametrize(
    "data",
    [
        {"image": "http://marque.test/photos/Xy/file", "filename": "a.jpg"},
        {"image": "/data/local-files/?d=somewhere/a.jpg"},
        {"image": "https://example.test/a.jpg?size=2"},
    ],
)
def test_a_label_studio_photo_is_found_by_its_name(folder: Path, data: dict[str, Any]) -> None:
    write_json(folder / "tasks.json", tasks(rectangle(), **data))
    assert read_boxes(folder)[0].path == folder / "a.jpg"


def test_a_label_studio_task_that_nobody_did_is_left_out(folder: Path) -> None:
    done = tasks(image="b.jpg")
    skipped = tasks(rectangle(), image="a.jpg")
    skipped[0]["annotations"][0]["was_cancelled"] = True
    write_json(folder / "tasks.json", [*skipped, *done])
    (boxed,) = read_boxes(folder)
    assert boxed.path.name == "b.jpg" and len(boxed.boxes) == 0


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ({"type": "brushlabels", "value": {"rle": [1]}}, "A result is a brushlabels"),
        ({"type": "polygonlabels", "value": {"points": []}}, "A result is a polygonlabels"),
        (rectangle(rotation=12.5), "A result is a turned rectangle"),
        ({"type": "rectangle", "value": {"x": 1}}, "lacks y"),
    ],
)
def test_a_label_studio_shape_that_is_no_box_is_refused(
    folder: Path, result: dict[str, Any], message: str
) -> None:
    write_json(folder / "tasks.json", tasks(result))
    with pytest.raises(TrainingError, match=rf"tasks\.json, task 1:? {message}"):
        read_boxes(folder)
