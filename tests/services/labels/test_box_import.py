"""Boxes from elsewhere: they are about the cars that have them, or are drawn."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from tests.cars import LEFT, RIGHT, put_cars
from tests.fakes import make_card
from webapp.domain import NO_CAR, PERSON, Box, Who
from webapp.errors import NothingToUndoError, PhotoNotFoundError
from webapp.extensions import get_files, get_pipeline, get_tools
from webapp.label_files.listed_photo import edges_of
from webapp.label_files.registry import read_labels
from webapp.services.cars.boxes import undo_boxes
from webapp.services.exports.downloads import start_export
from webapp.services.exports.formats import FORMATS
from webapp.services.exports.order import ExportOrder
from webapp.services.labels.box_matching import match_boxes
from webapp.services.labels.import_plan import Plan, plan_import
from webapp.services.labels.label_import import apply_import
from webapp.services.labels.relabel import Relabelled, relabel_car
from webapp.services.labels.undo import undo_batch
from webapp.services.photos.deletion import delete_photo, purge
from webapp.services.photos.gallery import cars_of, get_photo
from webapp.storage.file_stores.database import DatabaseFiles
from webapp.storage.labels.events import Stamp
from webapp.storage.tables import Car, now

ANNA, AWAY = Who("Anna"), (0.1, 0.75, 0.3, 0.2)
Upload = Callable[..., str]


@pytest.fixture(autouse=True)
def context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def plan(content: bytes, name: str) -> Plan:
    return plan_import(read_labels(io.BytesIO(content), name), [make_card()])


def listed(photo_id: str, *boxes: dict[str, Any]) -> Plan:
    line = {"id": photo_id, "boxes": list(boxes)}
    return plan(json.dumps(line).encode(), "boxes.jsonl")


def box(place: Box, label: str = "") -> dict[str, Any]:
    return {"box": edges_of(*place), "class": label}


def done(planned: Plan) -> Relabelled:
    return apply_import(planned, get_pipeline(), replace=False, who=ANNA, why="boxes.jsonl")


def cars(photo_id: str) -> list[Car]:
    return cars_of(get_photo(photo_id))


def truths(photo_id: str) -> list[str | None]:
    return [car.ground_truth for car in cars(photo_id)]


# ---- matching ----


class _Place:
    def __init__(self, place: Box, found_by: str = PERSON) -> None:
        self.x, self.y, self.width, self.height = place
        self.found_by = found_by


def test_each_car_is_matched_once_by_what_overlaps_it_most() -> None:
    left, right = _Place(LEFT), _Place(RIGHT)
    near = (LEFT[0] + 0.04, LEFT[1], LEFT[2], LEFT[3])
    boxes = [edges_of(*place) for place in (near, LEFT, RIGHT)]
    assert match_boxes(boxes, [right, left]) == [None, left, right]


def test_what_overlaps_by_less_than_half_is_another_car() -> None:
    half = (LEFT[0], LEFT[1], LEFT[2] * 0.49, LEFT[3])
    assert match_boxes([edges_of(*half)], [_Place(LEFT)]) == [None]


def test_a_whole_photo_is_not_matched() -> None:
    assert match_boxes([(0, 0, 1, 1)], [_Place((0, 0, 1, 1), "whole")]) == [None]


# ---- labels for cars that are here ----


def test_a_box_labels_the_car_that_has_it(upload: Upload) -> None:
    photo = upload()
    put_cars(photo)
    planned = listed(photo, box(RIGHT, "haas"), box(LEFT))
    assert (planned.lines, planned.new, planned.empty, planned.drawn) == (2, 1, 1, 0)
    assert done(planned).changed == 1 and truths(photo) == [None, "haas"]


def test_a_box_may_say_that_there_is_no_car(upload: Upload) -> None:
    photo = upload()
    put_cars(photo)
    done(listed(photo, box(LEFT, NO_CAR)))
    assert truths(photo) == [None, NO_CAR]


def test_two_boxes_of_one_car_that_say_two_things_are_left_out(upload: Upload) -> None:
    photo = upload()
    put_cars(photo)
    lines = [{"id": photo, "boxes": [box(LEFT, label)]} for label in ("haas", "bwt")]
    content = "\n".join(map(json.dumps, lines)).encode()
    planned = plan(content, "boxes.jsonl")
    assert not planned.changes and planned.troubles == {"contradiction": 1}


def test_a_new_box_with_two_labels_is_a_contradiction(upload: Upload) -> None:
    planned = listed(upload(), box(LEFT, "haas"), box(RIGHT, "bwt"), box(LEFT, "ferrari"))
    assert [change.label for change in planned.changes.values()] == ["bwt"]
    assert planned.troubles == {"contradiction": 1}


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        (box((0.2, 0.2, 0.0, 0.3)), "impossible box"),
        (box((0.9, 0.2, 0.4, 0.3)), "impossible box"),
        (box((0.2, 0.2, 0.01, 0.3)), "impossible box"),
        (box(LEFT, "trabant"), "unknown label"),
        (box(LEFT, "haas") | {"crowd": True}, "group of cars"),
    ],
)
def test_a_box_that_cannot_be_taken_is_named(
    upload: Upload, wrong: dict[str, Any], kind: str
) -> None:
    planned = listed(upload(), wrong)
    assert planned.troubles == {kind: 1} and not planned.changes
    assert planned.examples[kind][0].startswith("line 1: ")


# ---- boxes that are drawn ----


def test_a_box_that_no_car_has_is_drawn(upload: Upload) -> None:
    photo = upload()
    planned = listed(photo, box(LEFT, "haas"), box(RIGHT, "car"))
    assert (planned.drawn, planned.new) == (2, 1)
    done(planned)
    assert [(car.found_by, car.ground_truth) for car in cars(photo)] == [
        (PERSON, "haas"),
        (PERSON, None),
    ]
    assert [car.prediction is not None for car in cars(photo)] == [True, True]


def test_a_box_that_only_a_detector_found_does_not_become_a_persons(upload: Upload) -> None:
    photo = upload()
    by_machine = {"found_by": "detector"}
    planned = listed(photo, box(LEFT) | by_machine, box(RIGHT, "haas") | by_machine)
    assert (planned.drawn, planned.troubles) == (1, {"box of a detector": 1})
    done(planned)
    assert truths(photo) == ["haas"]


def test_all_of_it_is_taken_back_together(upload: Upload) -> None:
    seen, unseen = upload(), upload(mark=1)
    put_cars(seen)
    lines = [
        {"id": photo, "boxes": [box(LEFT, "haas"), box(AWAY, "bwt")]} for photo in (seen, unseen)
    ]
    given = done(plan("\n".join(map(json.dumps, lines)).encode(), "boxes.jsonl"))
    assert truths(seen) == ["haas", None, "bwt"] and truths(unseen) == ["haas", "bwt"]
    undone = undo_boxes(given.batch, get_pipeline, Stamp(ANNA, "undo"))
    assert undone.changed == 4
    assert truths(seen) == [None, None, NO_CAR]
    assert [(car.found_by, car.ground_truth) for car in cars(unseen)] == [
        ("whole", None),
        (PERSON, NO_CAR),
    ]
    with pytest.raises(NothingToUndoError):
        undo_boxes(given.batch, get_pipeline, Stamp(ANNA, "undo"))


def test_a_box_of_a_photo_whose_file_is_missing_does_not_keep_the_others(
    upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = [upload(mark=mark) for mark in range(2)]
    lines = [json.dumps({"id": photo, "boxes": [box(LEFT)]}) for photo in photos]
    given = done(plan("\n".join(lines).encode(), "boxes.jsonl"))
    missing, read = get_photo(photos[0]).sha256, DatabaseFiles.get
    monkeypatch.setattr(
        DatabaseFiles, "get", lambda files, name: None if name == missing else read(files, name)
    )
    undone = undo_boxes(given.batch, get_pipeline, Stamp(ANNA, "undo"))
    assert (undone.changed, undone.skipped) == (1, 1)
    assert [cars(photo)[0].found_by for photo in photos] == [PERSON, "whole"]
    with pytest.raises(PhotoNotFoundError, match="missing"):
        undo_boxes(given.batch, get_pipeline, Stamp(ANNA, "undo"))


def test_drawing_twice_draws_once(upload: Upload) -> None:
    photo = upload()
    planned = listed(photo, box(LEFT, "haas"))
    done(planned)
    assert done(planned).changed == 0
    assert done(listed(photo, box(LEFT, "haas"))).changed == 0
    assert len(cars(photo)) == 1


# ---- there and back ----


def exported(format: str) -> bytes:
    order = ExportOrder(FORMATS[format], base_url="http://marque.test")
    return b"".join(start_export(order, who=ANNA, tools=get_tools())[1])


SAYS_NO_CAR = [
    ("csv", "a.csv"),
    ("jsonl", "a.jsonl"),
    ("coco", "a.json"),
    ("label-studio", "a.json"),
]
EVERY_FORMAT = pytest.mark.parametrize(("format", "name"), [*SAYS_NO_CAR, ("yolo", "a.zip")])


@EVERY_FORMAT
def test_what_was_exported_comes_back_to_each_car(upload: Upload, format: str, name: str) -> None:
    photo = upload()
    stamps = [Stamp(ANNA, "photo") for _ in range(2)]
    for car, text, stamp in zip(put_cars(photo), ("haas", "bwt"), stamps, strict=True):
        relabel_car(car, text, [make_card()], stamp)
    content = exported(format)
    assert plan(content, name).same == 2
    for stamp in stamps:
        undo_batch(stamp.batch, Stamp(ANNA, "undo"))
    done(plan(content, name))
    assert truths(photo) == ["haas", "bwt"] and len(cars(photo)) == 2


def exported_and_gone(photo_id: str, format: str) -> bytes:
    content = exported(format)
    delete_photo(photo_id, who=ANNA, admin=True)
    purge(files=get_files(), before=now() + timedelta(days=1))
    return content


@EVERY_FORMAT
def test_a_drawn_box_comes_back_where_there_is_none(upload: Upload, format: str, name: str) -> None:
    first = upload(name="street.jpg")
    done(listed(first, box(LEFT, "haas"), box(RIGHT)))
    content = exported_and_gone(first, format)
    photo = upload(name="street.jpg")
    done(plan(content, name))
    assert truths(photo) == ["haas", None]
    assert [car.box for car in cars(photo)] == [pytest.approx(place) for place in (LEFT, RIGHT)]


def test_the_list_of_boxes_beside_exported_photos_is_read_too(upload: Upload) -> None:
    first = upload(name="street.jpg", ground_truth="haas")
    done(listed(first, box(LEFT, NO_CAR), box(RIGHT, "haas")))
    with zipfile.ZipFile(io.BytesIO(exported("folders"))) as archive:
        content = archive.read("boxes.jsonl")
    assert plan(content, "boxes.jsonl").same == 2
    delete_photo(first, who=ANNA, admin=True)
    purge(files=get_files(), before=now() + timedelta(days=1))
    photo = upload(name="street.jpg")
    done(plan(content, "boxes.jsonl"))
    assert truths(photo) == ["haas", NO_CAR]


@EVERY_FORMAT
def test_a_detected_box_stays_the_detectors_on_the_way_back(
    upload: Upload, format: str, name: str
) -> None:
    first = upload(name="street.jpg")
    relabel_car(put_cars(first)[0], "haas", [make_card()], Stamp(ANNA, "photo"))
    content = exported_and_gone(first, format)
    photo = upload(name="street.jpg")
    planned = plan(content, name)
    assert (planned.drawn, planned.troubles) == (1, {"box of a detector": 1})
    done(planned)
    assert truths(photo) == ["haas"]


@pytest.mark.parametrize(("format", "name"), SAYS_NO_CAR)
def test_a_box_without_a_car_comes_back(upload: Upload, format: str, name: str) -> None:
    first = upload(name="street.jpg")
    done(listed(first, box(LEFT, NO_CAR), box(RIGHT, "haas")))
    content = exported_and_gone(first, format)
    photo = upload(name="street.jpg")
    done(plan(content, name))
    assert [(car.ground_truth, car.box) for car in cars(photo)] == [
        ("haas", pytest.approx(RIGHT)),
        (NO_CAR, pytest.approx(LEFT)),
    ]


@pytest.mark.parametrize(("format", "name"), SAYS_NO_CAR)
def test_the_only_box_of_a_photo_comes_back_without_a_car(
    upload: Upload, format: str, name: str
) -> None:
    first = upload(name="street.jpg")
    done(listed(first, box(LEFT, NO_CAR)))
    content = exported_and_gone(first, format)
    photo = upload(name="street.jpg")
    done(plan(content, name))
    assert [(car.ground_truth, car.box) for car in cars(photo)] == [(NO_CAR, pytest.approx(LEFT))]


@pytest.mark.parametrize(("format", "name"), SAYS_NO_CAR)
def test_a_label_of_a_whole_photo_comes_back_beside_a_box_that_was_taken_back(
    upload: Upload, format: str, name: str
) -> None:
    first = upload(name="street.jpg", ground_truth="haas")
    drawn = done(listed(first, box(LEFT), box(RIGHT)))
    undo_boxes(drawn.batch, get_pipeline, Stamp(ANNA, "undo"))
    content = exported_and_gone(first, format)
    photo = upload(name="street.jpg")
    done(plan(content, name))
    assert truths(photo) == ["haas"]


def test_a_box_without_a_car_leaves_a_labelled_photo_its_label(upload: Upload) -> None:
    photo = upload(ground_truth="haas")
    done(listed(photo, box(LEFT, NO_CAR)))
    assert [(car.found_by, car.ground_truth) for car in cars(photo)] == [
        ("whole", "haas"),
        (PERSON, NO_CAR),
    ]
