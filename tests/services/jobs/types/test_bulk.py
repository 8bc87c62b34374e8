"""Actions on very many photos: cut by numbers, done twice without harm, stopped in the middle."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask, current_app

from tests.fakes import make_card
from webapp.domain import Who
from webapp.errors import BadRequestError, NothingToUndoError, UnknownLabelError
from webapp.extensions import get_pipeline, get_tools
from webapp.gallery_filter import GalleryFilter
from webapp.services.cars.boxes import DrawnCar, add_car
from webapp.services.jobs import parts, worker
from webapp.services.jobs import queue as jobs
from webapp.services.jobs.job_type import Json
from webapp.services.jobs.queue import Owner, Sender
from webapp.services.jobs.types import bulk as bulk_job
from webapp.services.jobs.types.registry import JOB_TYPES
from webapp.services.labels.relabel import relabel_photo
from webapp.services.photos import gallery as history
from webapp.services.photos.bulk import make_change
from webapp.storage.database import db
from webapp.storage.file_stores.database import DatabaseFiles
from webapp.storage.labels.events import Stamp
from webapp.storage.tables import LabelEvent

ANNA, WHO = Owner("user:1", all=True), Who("Anna")
STAMP = Stamp(WHO, "gallery")


@pytest.fixture
def photos(app: Flask, upload: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(bulk_job, "CHUNK", 2)
    return [upload(mark=mark) for mark in range(5)]


def enqueue(action: str = "label", **more: str) -> str:
    change = make_change(action, GalleryFilter(), "haas", [make_card()])
    asked = bulk_job.action_params(change, STAMP) | more
    return bulk_job.enqueue(asked, Sender(ANNA, WHO)).public_id


def do_next() -> parts.Claim:
    claim = parts.claim_part(JOB_TYPES, "w1")
    assert claim is not None
    parts.do_part(claim, JOB_TYPES["many"], get_tools())
    return claim


def truth(public_id: str) -> str | None:
    return history.get_photo(public_id).ground_truth


def test_parts_are_small_and_go_on_where_they_stopped(app: Flask, photos: list[str]) -> None:
    with app.app_context():
        job_id = enqueue()
        do_next(), do_next()
        assert [truth(photo) for photo in photos] == ["haas", "haas", None, None, None]
        jobs.cancel_job(job_id, ANNA, WHO)
        jobs.retry_job(job_id, ANNA, WHO)
        do_next(), do_next(), do_next()
        view = jobs.get_job(job_id, ANNA)
    assert (view.state, view.job.result) == (
        "succeeded",
        {"action": "label", "changed": 5, "skipped": 0, "batch": job_id},
    )


def test_a_part_that_runs_twice_leaves_alone_what_people_did_meanwhile(
    app: Flask, photos: list[str]
) -> None:
    with app.app_context():
        enqueue()
        do_next()
        claim = do_next()
        relabel_photo(photos[0], "ferrari", [make_card()], Stamp(Who("Ben"), "photo"))
        job = parts.running_job(claim, get_tools(), lambda: False)
        bulk_job.JOB_TYPE.do(job)
        assert [truth(photo) for photo in photos[:2]] == ["ferrari", "haas"]
        assert db.session.query(LabelEvent).count() == 3


def drawn_together(photos: list[str]) -> str:
    """The batch in which named boxes were drawn in photos."""
    stamp, pipeline = Stamp(WHO, "import"), get_pipeline()
    for photo in photos:
        add_car(photo, DrawnCar((0.1, 0.1, 0.5, 0.5), "haas", [make_card()]), pipeline, stamp)
    return stamp.batch


def undone(batch: str) -> Json:
    """The result of the job that takes a batch back."""
    job = bulk_job.enqueue(bulk_job.undo_params(batch, "undo"), Sender(ANNA, WHO))
    worker.Worker(JOB_TYPES, get_tools, current_app.app_context).run_queue("short")
    view = jobs.get_job(job.public_id, ANNA)
    assert view.state == "succeeded", view.job.error
    return view.job.result


def test_an_undo_counts_the_cars_whose_box_and_label_it_took_back(
    app: Flask, photos: list[str]
) -> None:
    with app.app_context():
        result = undone(drawn_together(photos[:3]))
        assert (result["changed"], result["skipped"]) == (3, 0)
        assert [truth(photo) for photo in photos[:3]] == [None] * 3


def test_an_undo_goes_on_after_a_photo_whose_file_is_missing(
    app: Flask, photos: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = DatabaseFiles.get
    with app.app_context():
        missing = history.get_photo(photos[1]).sha256
        batch = drawn_together(photos[:3])
        monkeypatch.setattr(
            DatabaseFiles,
            "get",
            lambda files, sha256: None if sha256 == missing else read(files, sha256),
        )
        result = undone(batch)
        assert (result["changed"], result["skipped"]) == (3, 1)
        found_by = [history.cars_of(history.get_photo(photo))[0].found_by for photo in photos[:3]]
        assert found_by == ["whole", "person", "whole"]


def test_photos_that_come_later_are_left_alone(
    app: Flask, photos: list[str], upload: Callable[..., str]
) -> None:
    with app.app_context():
        enqueue()
    late = upload(mark=9)
    with app.app_context():
        worker.Worker(JOB_TYPES, get_tools, app.app_context).run_queue("short")
        assert (truth(photos[4]), truth(late)) == ("haas", None)


def test_what_makes_no_sense_is_not_put_in(app: Flask) -> None:
    with app.app_context():
        with pytest.raises(BadRequestError, match="action must be one of"):
            make_change("dance", GalleryFilter())
        with pytest.raises(UnknownLabelError):
            make_change("label", GalleryFilter(), "trabant", [make_card()])
        with pytest.raises(NothingToUndoError):
            bulk_job.undo_params("nothing", "undo")
