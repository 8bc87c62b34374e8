"""Actions on very many photos: cut by numbers, done twice without harm, stopped in the middle."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from tests.fakes import make_card
from webapp.domain import GalleryFilter, Who
from webapp.errors import BadRequestError, NothingToUndoError, UnknownLabelError
from webapp.services.jobs import queue as jobs
from webapp.services.jobs import worker as crew
from webapp.services.jobs.queue import Owner
from webapp.services.jobs.types import bulk as many_later
from webapp.services.jobs.types.registry import KINDS
from webapp.services.labels.relabel import relabel_photos
from webapp.services.photos import gallery as history
from webapp.storage.database import db
from webapp.storage.tables import LabelEvent
from webapp.tasks.ring import tools

ANNA, WHO = Owner("user:1", all=True), Who("Anna")


@pytest.fixture
def photos(app: Flask, upload: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(many_later, "CHUNK", 2)
    return [upload(mark=mark) for mark in range(5)]


def put_in(action: str = "label", **more: str) -> str:
    asked = (
        many_later.action_question(
            action, GalleryFilter(), cards=[make_card()], label="haas", place="gallery"
        )
        | more
    )
    return many_later.put_in_action(asked, owner=ANNA, who=WHO, ring=lambda _lane: None)[
        0
    ].public_id


def do_next() -> crew.Claim:
    claim = crew.claim_part(KINDS, "w1")
    assert claim is not None
    crew.do_part(claim, KINDS["many"], tools(), lambda: False)
    return claim


def truth(public_id: str) -> str | None:
    return history.get_item(public_id).photo.ground_truth


def test_parts_are_small_and_go_on_where_they_stopped(app: Flask, photos: list[str]) -> None:
    with app.app_context():
        job_id = put_in()
        do_next(), do_next()
        assert [truth(one) for one in photos] == ["haas", "haas", None, None, None]
        jobs.cancel_job(job_id, ANNA, WHO)
        jobs.retry_job(job_id, ANNA, WHO, lambda _lane: None)
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
        put_in()
        do_next()
        claim = do_next()
        relabel_photos(photos[:1], "ferrari", card=make_card(), who=Who("Ben"), place="photo")
        work = crew.make_work(claim, tools(), lambda: False)
        many_later.do(work)
        assert [truth(one) for one in photos[:2]] == ["ferrari", "haas"]
        assert db.session.query(LabelEvent).count() == 3


def test_photos_that_come_later_are_left_alone(
    app: Flask, photos: list[str], upload: Callable[..., str]
) -> None:
    with app.app_context():
        put_in()
    late = upload(mark=9)
    with app.app_context():
        crew.Crew(KINDS, tools, {"short": 1, "long": 1}, app.app_context, lambda _lane: None).work(
            "short"
        )
        assert (truth(photos[4]), truth(late)) == ("haas", None)


def test_what_makes_no_sense_is_not_put_in(app: Flask) -> None:
    with app.app_context():
        with pytest.raises(BadRequestError, match="action must be one of"):
            many_later.action_question("dance", GalleryFilter(), place="api")
        with pytest.raises(UnknownLabelError):
            many_later.action_question(
                "label", GalleryFilter(), cards=[make_card()], label="trabant", place="api"
            )
        with pytest.raises(NothingToUndoError):
            many_later.undo_question("nothing", place="undo")
