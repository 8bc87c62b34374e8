"""Labels from elsewhere: what would change is said first, then it is one batch with one undo."""

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask

from tests.conftest import draw
from tests.fakes import make_card
from webapp.domain import Who
from webapp.errors import BadLabelFileError, PhotoNotFoundError
from webapp.extensions import get_pipeline, get_tools
from webapp.gallery_filter import GalleryFilter
from webapp.inference.models.card import Label
from webapp.label_files.folders import read_label_folders
from webapp.label_files.listed_photo import ListedPhoto
from webapp.label_files.registry import read_labels
from webapp.services.exports.downloads import start_export
from webapp.services.exports.formats import FORMATS
from webapp.services.exports.order import ExportOrder
from webapp.services.labels import label_import
from webapp.services.labels.import_plan import Plan, plan_import
from webapp.services.labels.label_files import keep_file, own_file
from webapp.services.labels.label_import import apply_import
from webapp.services.labels.relabel import Relabelled
from webapp.services.labels.undo import undo_batch
from webapp.services.photos import gallery as history
from webapp.storage.labels.events import Stamp

ANNA = Who("Anna")
Upload = Callable[..., str]


@pytest.fixture(autouse=True)
def context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def lines(text: str, name: str = "labels.csv") -> list[ListedPhoto]:
    return list(read_labels(io.BytesIO(text.encode()), name))


def plan(text: str, name: str = "labels.csv", **options: bool) -> Plan:
    return plan_import(lines(text, name), [make_card()], **options)


def done(planned: Plan, *, replace: bool = False) -> Relabelled:
    return apply_import(planned, get_pipeline(), replace=replace, who=ANNA, why="labels.csv")


def truth(public_id: str) -> str | None:
    return history.get_photo(public_id).ground_truth


def sha(**options: int) -> str:
    return hashlib.sha256(draw(**options)).hexdigest()


# ---- matching ----


def test_a_photo_is_found_by_its_hash_whatever_it_is_called(upload: Upload) -> None:
    public_id = upload(name="here.jpg")
    assert list(plan(f"filename,sha256,label\nthere.jpg,{sha().upper()},haas\n").changes) == [
        public_id
    ]


def test_a_photo_is_found_by_its_name_when_nothing_better_is_said(upload: Upload) -> None:
    public_id = upload(name="monza.jpg")
    assert list(plan("filename,label\nmonza.jpg,haas\n").changes) == [public_id]


@pytest.mark.parametrize("name", ["train/monza.jpg", r"C:\cars\monza.jpg"])
def test_the_folders_of_a_file_elsewhere_do_not_matter(upload: Upload, name: str) -> None:
    public_id = upload(name="monza.jpg")
    marks = [{"image_id": 1, "category_id": 1}]
    categories = [{"id": 1, "name": "haas"}]
    images = [{"id": 1, "file_name": name}]
    text = json.dumps({"images": images, "annotations": marks, "categories": categories})
    assert list(plan(text, "coco.json").changes) == [public_id]


def test_an_uploaded_name_of_label_studio_is_found_by_what_it_was(upload: Upload) -> None:
    public_id = upload(name="monza.jpg")
    task = {"image": "/data/upload/1/0a1b2c3d-monza.jpg", "choice": "haas"}
    assert list(plan(json.dumps([task]), "min.json").changes) == [public_id]


def test_a_name_without_its_ending_is_enough_where_one_photo_has_it(upload: Upload) -> None:
    public_id = upload(name="monza.JPG")
    text = json.dumps({"classes": ["haas"], "labels": {"monza": 0}})
    assert list(plan(text, "labels.json").changes) == [public_id]
    upload(name="monza.png", mark=1)
    assert plan(text, "labels.json").troubles == {"several photos of this name": 1}


def test_a_label_of_the_photo_beside_boxes_is_named(upload: Upload) -> None:
    upload(name="a.jpg")
    image = '<image id="0" name="a.jpg" width="120" height="80"><tag label="bwt"/>'
    box = '<box label="haas" xtl="6" ytl="8" xbr="54" ybr="48"/></image>'
    planned = plan(f"<annotations>{image}{box}</annotations>", "a.xml")
    assert (planned.drawn, planned.troubles) == (1, {"label of a photo with boxes": 1})


def test_a_shape_that_is_no_box_is_told_once(upload: Upload) -> None:
    upload(name="a.jpg")
    image = '<image id="0" name="a.jpg" width="120" height="80"><polygon label="haas" points=""/>'
    box = '<box label="haas" xtl="6" ytl="8" xbr="54" ybr="48"/></image>'
    planned = plan(f"<annotations>{image}{box}</annotations>", "a.xml")
    assert planned.troubles == {"unreadable boxes": 1} and not planned.changes


@pytest.mark.parametrize("column", ["path", "image", "file_name"])
def test_an_exported_name_is_found_by_the_id_in_it(upload: Upload, column: str) -> None:
    public_id = upload(name="monza.jpg")
    assert list(plan(f"{column},label\nhaas/x-{public_id}.jpg,haas\n").changes) == [public_id]


def test_a_name_that_several_photos_have_is_left_out(upload: Upload) -> None:
    upload(name="a.jpg"), upload(name="a.jpg", mark=1)
    planned = plan("filename,label\na.jpg,haas\n")
    assert not planned.changes and planned.examples["several photos of this name"] == [
        "line 2: 2 photos are called a.jpg"
    ]


def test_another_file_of_the_same_name_is_meant_only_when_asked(upload: Upload) -> None:
    public_id = upload(name="a.jpg")
    text = f"filename,sha256,label\na.jpg,{'0' * 64},haas\n"
    assert plan(text).troubles == {"another file of this name": 1}
    assert list(plan(text, by_name=True).changes) == [public_id]


@pytest.mark.parametrize(
    "label", ["haas", "HAAS", "Alpha Tauri", "uralkali", "none", "None of these", "unusable"]
)
def test_a_label_may_be_written_as_people_do(upload: Upload, label: str) -> None:
    upload(name="a.jpg")
    labels = tuple(
        Label("haas", "Haas", aliases=("Uralkali",)) if label.name == "haas" else label
        for label in make_card().labels
    )
    planned = plan_import(
        [ListedPhoto("line 1", label, filename="a.jpg")], [make_card(labels=labels)]
    )
    assert len(planned.changes) == 1


def test_unknown_labels_and_photos_are_counted_and_named(upload: Upload) -> None:
    upload(name="a.jpg")
    planned = plan("filename,label\na.jpg,trabant\nb.jpg,haas\na.jpg,\n")
    assert (planned.lines, planned.empty) == (3, 1)
    assert planned.troubles == {"unknown photo": 1, "unknown label": 1}
    assert planned.examples["unknown label"] == ["line 2: trabant"]


def test_a_photo_that_is_said_to_be_two_things_gets_neither(upload: Upload) -> None:
    upload(name="a.jpg")
    planned = plan("filename,label\na.jpg,haas\na.jpg,bwt\na.jpg,haas\n")
    assert not planned.changes and planned.troubles == {"contradiction": 1}


def test_a_look_changes_nothing(upload: Upload) -> None:
    public_id = upload(name="a.jpg")
    plan("filename,label\na.jpg,haas\n")
    assert truth(public_id) is None


# ---- doing it ----


def test_all_is_one_batch_with_one_undo(upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_import, "BATCH", 2)
    ids = [upload(name=f"{number}.jpg", mark=number) for number in range(5)]
    text = "filename,label\n" + "".join(f"{number}.jpg,haas\n" for number in range(5))
    given = done(plan(text))
    assert (given.changed, {truth(public_id) for public_id in ids}) == (5, {"haas"})
    undo_batch(given.batch, Stamp(ANNA, "undo"))
    assert {truth(public_id) for public_id in ids} == {None}


def test_another_label_stays_unless_it_is_to_be_replaced(upload: Upload) -> None:
    public_id = upload(name="a.jpg", ground_truth="bwt")
    planned = plan("filename,label\na.jpg,haas\n")
    assert planned.conflicts == 1 and done(planned).batch == ""
    done(planned, replace=True)
    assert truth(public_id) == "haas"


def test_a_photo_that_was_relabelled_since_is_left_alone(upload: Upload) -> None:
    public_id = upload(name="a.jpg")
    early = plan("filename,label\na.jpg,haas\n")
    done(plan("filename,label\na.jpg,bwt\n"))
    assert done(early).changed == 0 and truth(public_id) == "bwt"


def test_doing_it_twice_changes_nothing_more(upload: Upload) -> None:
    upload(name="a.jpg")
    done(plan("filename,label\na.jpg,haas\n"))
    again = plan("filename,label\na.jpg,haas\n")
    assert again.same == 1 and not again.changes


@pytest.mark.parametrize("format", ["csv", "jsonl", "coco", "label-studio"])
def test_what_was_exported_comes_back_as_it_was(upload: Upload, format: str) -> None:
    ids = {
        upload(name="=1.jpg", ground_truth="haas"): "haas",
        upload(name="b.jpg", mark=1, ground_truth="none"): "none",
    }
    order = ExportOrder(FORMATS[format], GalleryFilter(), base_url="http://marque.test")
    content = b"".join(start_export(order, who=ANNA, tools=get_tools())[1])
    name = {"csv": "a.csv", "jsonl": "a.jsonl"}.get(format, "a.json")
    assert plan_import(read_labels(io.BytesIO(content), name), [make_card()]).same == 2
    for event in [event for public_id in ids for event in history.get_details(public_id).events]:
        undo_batch(event.batch, Stamp(ANNA, "undo"))
    done(plan_import(read_labels(io.BytesIO(content), name), [make_card()]))
    assert {public_id: truth(public_id) for public_id in ids} == ids


def test_folders_are_labels(upload: Upload, tmp_path: Path) -> None:
    public_id = upload()
    (tmp_path / "haas").mkdir()
    (tmp_path / "haas" / "renamed.jpg").write_bytes(draw())
    planned = plan_import(read_label_folders(tmp_path), [make_card()])
    assert planned.changes[public_id].label == "haas"


# ---- a file that waits ----


def test_a_file_waits_for_the_one_who_sent_it() -> None:
    public_id = keep_file("a.csv", b"filename,label\n", who=Who("Anna", None))
    assert own_file(public_id, Who("Anna", None)).filename == "a.csv"
    with pytest.raises(PhotoNotFoundError, match="not here any more"):
        own_file(public_id, Who("Ben", 5))


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(BadLabelFileError, match="No file came"):
        keep_file("a.csv", b"", who=ANNA)
