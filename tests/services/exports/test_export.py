"""Photos and their answers leave in the order they came: streamed, counted, and never as a
formula."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from tests.fakes import make_card
from webapp.domain import Who
from webapp.errors import BadRequestError
from webapp.extensions import get_tools
from webapp.gallery_filter import GalleryFilter
from webapp.reports.csv_safety import plain_cell, safe_cell
from webapp.services.exports import order as orders
from webapp.services.exports import run as export_run
from webapp.services.exports.downloads import get_export, start_export
from webapp.services.exports.formats import FORMATS
from webapp.services.exports.order import ExportOrder
from webapp.services.labels.relabel import relabel_photo
from webapp.storage.labels.events import Stamp
from webapp.storage.tables import Export

ANNA = Who("Anna")
Upload = Callable[..., str]


@pytest.fixture(autouse=True)
def context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def begin(
    format: str,
    wanted: GalleryFilter = GalleryFilter(),  # noqa: B008
    **options: Any,
) -> tuple[Export, Iterator[bytes]]:
    order = ExportOrder(FORMATS[format], wanted, base_url="http://marque.test", **options)
    return start_export(order, who=ANNA, tools=get_tools())


def exported(
    format: str,
    wanted: GalleryFilter = GalleryFilter(),  # noqa: B008
    **options: Any,
) -> bytes:
    return b"".join(begin(format, wanted, **options)[1])


def table(content: bytes) -> list[dict[str, str]]:
    """The lines of a table; an id may begin with a dash, which is made safe like any cell."""
    return [
        row | {"id": plain_cell(row["id"])} for row in csv.DictReader(io.StringIO(content.decode()))
    ]


def relabel(ids: list[str], label: str) -> None:
    for public_id in ids:
        relabel_photo(public_id, label, [make_card()], Stamp(ANNA, "gallery"))


def test_a_table_has_a_line_for_each_photo_oldest_first(upload: Upload) -> None:
    ids = [upload(mark=number) for number in range(3)]
    rows = table(exported("csv"))
    assert [row["id"] for row in rows] == ids
    assert rows[0]["label_1"] == "mclaren" and float(rows[0]["confidence_1"]) > float(
        rows[0]["confidence_2"]
    )


def test_the_table_tells_who_labelled_a_photo_last(upload: Upload) -> None:
    public_id = upload(ground_truth="haas")
    relabel([public_id], "bwt")
    (row,) = table(exported("csv"))
    assert (row["ground_truth"], row["labelled_by"], row["outcome"]) == ("bwt", "Anna", "wrong")


def test_a_file_name_is_never_a_formula(upload: Upload) -> None:
    upload(name="=HYPERLINK(1).jpg")
    assert table(exported("csv"))[0]["filename"] == "'=HYPERLINK(1).jpg"


@pytest.mark.parametrize(
    "text", ["=1", "+1", "-1", "@a", "\ta", "\ra", "'=1", "''=1", "plain", "'84 Audi", ""]
)
def test_a_cell_comes_back_as_it_was(text: str) -> None:
    assert plain_cell(str(safe_cell(text))) == text


def test_a_line_of_json_is_the_photo_of_the_api_with_its_label_history(
    upload: Upload, client
) -> None:
    public_id = upload(ground_truth="haas")
    relabel([public_id], "bwt")
    (line,) = exported("jsonl").splitlines()
    photo = json.loads(line)
    assert [(event["from"], event["to"], event["who"]) for event in photo.pop("labels")] == [
        (None, "haas", "API"),
        ("haas", "bwt", "Anna"),
    ]
    assert photo == client.get(f"/api/v1/photos/{public_id}").json


def test_a_filter_keeps_the_others_at_home(upload: Upload) -> None:
    upload(ground_truth="haas")
    wanted = upload(mark=1, ground_truth="mclaren")
    assert [row["id"] for row in table(exported("csv", GalleryFilter(outcome="correct")))] == [
        wanted
    ]


def test_it_reads_in_batches_and_misses_none(
    upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_run, "BATCH", 2)
    ids = [upload(mark=number) for number in range(5)]
    assert [row["id"] for row in table(exported("csv"))] == ids


def test_photos_that_arrive_meanwhile_wait_for_the_next_export(
    upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_run, "BATCH", 1)
    ids = [upload(mark=number) for number in range(2)]
    pieces = begin("jsonl")[1]
    first = next(pieces)
    upload(mark=9)
    assert [json.loads(line)["id"] for line in (first + b"".join(pieces)).splitlines()] == ids


def test_an_export_goes_on_after_the_last_photo_that_is_there(upload: Upload) -> None:
    ids = [upload(mark=number) for number in range(3)]
    assert [row["id"] for row in table(exported("csv", after=ids[0]))] == ids[1:]


def test_going_on_after_an_unknown_photo_is_refused() -> None:
    with pytest.raises(BadRequestError, match="no photo 'nothing'"):
        exported("csv", after="nothing")


def test_it_says_what_it_was_and_what_it_hashes_to(upload: Upload) -> None:
    upload(ground_truth="haas")
    upload(mark=1)
    row, pieces = begin("csv")
    content = b"".join(pieces)
    manifest = get_export(row.public_id).manifest
    assert (
        manifest is not None
        and manifest["classes"] == {"haas": 1, "": 1}
        and manifest["photos"] == 2
    )
    assert (
        manifest["sha256"] == hashlib.sha256(content).hexdigest() and manifest["label_event"] == 1
    )


def test_one_that_was_broken_off_has_no_manifest(upload: Upload) -> None:
    ids = [upload(mark=number) for number in range(3)]
    row, pieces = begin("jsonl", after=ids[0])
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    stopped = get_export(row.public_id)
    assert (stopped.state, stopped.after, stopped.manifest) == ("stopped", ids[0], None)


def test_a_zip_has_a_folder_for_each_class_and_counts_the_rest(upload: Upload) -> None:
    first, second = (
        upload(ground_truth="haas", name="monza.jpg"),
        upload(mark=1, ground_truth="mclaren", name="monza.jpg"),
    )
    upload(mark=2, ground_truth="none")
    upload(mark=3)
    archive = zipfile.ZipFile(io.BytesIO(exported("folders")))
    assert archive.testzip() is None
    photos = [f"haas/monza-{first}.jpg", f"mclaren/monza-{second}.jpg"]
    assert archive.namelist() == [*photos, "photos.csv", "manifest.json"]
    manifest = json.loads(archive.read("manifest.json"))
    assert (manifest["photos"], manifest["left_out"]) == (2, {"none": 1, "unlabelled": 1})
    assert manifest["files"]["photos.csv"] == hashlib.sha256(archive.read("photos.csv")).hexdigest()


def test_every_file_of_a_zip_stands_in_its_table(upload: Upload) -> None:
    upload(ground_truth="haas")
    archive = zipfile.ZipFile(io.BytesIO(exported("folders")))
    (row,) = table(archive.read("photos.csv"))
    assert (
        hashlib.sha256(archive.read(row["path"])).hexdigest() == row["file_sha256"] == row["sha256"]
    )


def test_a_large_zip_comes_in_parts(upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "ZIP_PHOTOS", 2)
    for number in range(3):
        upload(mark=number, ground_truth="haas")
    row, pieces = begin("folders")
    first = zipfile.ZipFile(io.BytesIO(b"".join(pieces)))
    following = get_export(row.public_id).manifest["next"]  # type: ignore[index]
    second = zipfile.ZipFile(io.BytesIO(exported("folders", after=following)))
    assert [len(part.namelist()) for part in (first, second)] == [4, 3]
    assert json.loads(second.read("manifest.json"))["next"] is None


def test_photos_of_a_verdict_are_there_when_they_are_asked_for(upload: Upload) -> None:
    upload(ground_truth="none", name="boat.jpg")
    archive = zipfile.ZipFile(io.BytesIO(exported("folders", GalleryFilter(ground_truth="none"))))
    assert archive.namelist()[0].startswith("none/boat-")


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a:b?.jpg", "..", "日本.png", ".hidden.jpg", "x" * 300]
)
def test_no_file_name_leads_out_of_its_folder(upload: Upload, name: str) -> None:
    upload(name=name, ground_truth="haas")
    path = zipfile.ZipFile(io.BytesIO(exported("folders"))).namelist()[0]
    folder, _, file = path.partition("/")
    assert (
        folder == "haas"
        and not set(file) & set('<>:"/\\|?*')
        and not file.startswith(".")
        and len(file) < 120
    )


def test_coco_has_an_image_for_each_photo_and_an_annotation_for_each_class(upload: Upload) -> None:
    (
        upload(ground_truth="haas"),
        upload(mark=1),
        upload(mark=2, ground_truth="none"),
        upload(mark=3, ground_truth="haas"),
    )
    coco = json.loads(exported("coco"))
    assert [image["id"] for image in coco["images"]] == [1, 2, 3, 4]
    assert [(mark["image_id"], mark["category_id"]) for mark in coco["annotations"]] == [
        (1, 2),
        (4, 2),
    ]
    assert [category["name"] for category in coco["categories"]] == ["car", "haas"]
    assert coco["images"][2]["verdict"] == "none"


def test_label_studio_gets_ground_truths_and_answers(upload: Upload) -> None:
    public_id = upload(ground_truth="haas")
    (task,) = json.loads(exported("label-studio"))
    assert task["data"]["image"] == f"http://marque.test/photos/{public_id}/file"
    assert task["annotations"][0]["result"][0]["value"]["choices"] == ["haas"]
    assert task["predictions"][0]["result"][0]["value"]["choices"] == ["mclaren"]


@pytest.mark.parametrize("format", ["csv", "jsonl", "coco", "label-studio", "folders"])
def test_an_empty_history_is_a_whole_file(format: str) -> None:
    row, pieces = begin(format)
    assert b"".join(pieces) is not None and get_export(row.public_id).state == "complete"
