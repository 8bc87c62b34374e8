"""Sets of photos change chunk by chunk, in one batch; what was deleted goes for good after a
while."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import text

from tests.fakes import make_card
from webapp.domain import Who
from webapp.extensions import get_extensions
from webapp.gallery_filter import GalleryFilter
from webapp.services.labels import relabel, undo
from webapp.services.photos import bulk
from webapp.services.photos import gallery as history
from webapp.services.photos.bulk import Selection, change_all, make_change
from webapp.storage.database import db
from webapp.storage.labels.events import Stamp
from webapp.storage.photos.pages import count_by_outcome
from webapp.storage.tables import now

ANNA, BEN = Who("Anna"), Who("Ben")


@pytest.fixture
def seven(app: Flask, upload: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Seven photos, changed three at a time."""
    for module in (bulk, relabel):
        monkeypatch.setattr(module, "CHUNK", 3)
    return [upload(mark=mark) for mark in range(7)]


def everything(label: str) -> relabel.Relabelled:
    return bulk.relabel_all(Selection(), label, [make_card()], Stamp(ANNA, "gallery"))


def confirm(selection: Selection) -> relabel.Relabelled:
    change = make_change("confirm", selection.wanted)
    return change_all(selection, change, Stamp(ANNA, "gallery"))


def numbers(statement: str) -> list[int]:
    return list(db.session.execute(text(statement)).scalars())


def test_all_chunks_are_one_batch(app: Flask, seven: list[str]) -> None:
    with app.app_context():
        done = everything("haas")
        assert done.changed == 7 and numbers(
            "SELECT count(*) FROM label_events GROUP BY batch"
        ) == [7]
        assert count_by_outcome(GalleryFilter())["wrong"].number == 7
        assert count_by_outcome(GalleryFilter(model="f1-teams"))["wrong"].number == 7


def test_one_undo_brings_every_chunk_back(app: Flask, seven: list[str]) -> None:
    with app.app_context():
        for public_id in seven[:2]:
            relabel.relabel_photo(public_id, "ferrari", [make_card()], Stamp(BEN, "photo"))
        batch = everything("haas").batch
        relabel.relabel_photo(seven[0], "bwt", [make_card()], Stamp(BEN, "photo"))
        undone = undo.undo_batch(batch, Stamp(ANNA, "undo"))
        assert (undone.changed, undone.skipped) == (6, 1)
        truths = [history.get_photo(public_id).ground_truth for public_id in seven]
        assert truths == ["bwt", "ferrari", *[None] * 5]
        assert [history.get_photo(public_id).meant_outcome for public_id in seven[:3]] == [
            "wrong",
            "wrong",
            "unlabelled",
        ]


def test_a_change_that_moves_photos_out_of_the_filter_meets_all(
    app: Flask, seven: list[str]
) -> None:
    with app.app_context():
        selection = Selection(wanted=GalleryFilter(outcome="unlabelled"))
        assert confirm(selection).changed == 7
        assert bulk.forecast(selection).photos == 0


def test_the_answers_of_one_model_are_confirmed(app: Flask, seven: list[str]) -> None:
    with app.app_context():
        done = confirm(Selection(wanted=GalleryFilter(model="f1-teams", version=1)))
        assert done.changed == 7 and history.get_photo(seven[0]).truth_model == "f1-teams"


def test_what_waited_long_enough_goes_for_good(app: Flask, seven: list[str]) -> None:
    with app.app_context():
        selection, stamp = Selection(ids=tuple(seven[:2])), Stamp(ANNA, "gallery")
        bulk.delete_all(selection, stamp, get_extensions().files)
        assert bulk.purge(files=get_extensions().files) == 0
        assert bulk.purge(files=get_extensions().files, before=now() + timedelta(minutes=1)) == 2
        for table in ("photos", "files", "thumbnails", "predictions"):
            assert numbers(f"SELECT count(*) FROM {table}") == [5]  # noqa: S608
        assert numbers(
            "SELECT count(*) FROM label_events WHERE place = 'delete' AND who = 'Anna'"
        ) == [2]
