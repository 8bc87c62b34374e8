"""Ground truth: given, changed, taken back; nothing is ever lost from the log."""

from collections.abc import Callable

import pytest
from flask import Flask
from flask.ctx import AppContext

from tests.fakes import make_card
from webapp.domain import Who
from webapp.errors import BadRequestError, NothingToUndoError, PhotoNotFoundError, UnknownLabelError
from webapp.gallery_filter import GalleryFilter
from webapp.services.labels.relabel import Relabelled, relabel_photo
from webapp.services.labels.undo import undo_batch
from webapp.services.photos import gallery as history
from webapp.services.photos.bulk import Selection, relabel_all
from webapp.storage.labels.events import Stamp

ANNA, BEN = Who("Anna"), Who("Ben")


@pytest.fixture
def photos(upload: Callable[..., str], app: Flask) -> list[str]:
    return [upload(mark=number) for number in range(3)]


@pytest.fixture(autouse=True)
def context(app: Flask, photos: list[str]):
    pushed: AppContext = app.app_context()
    with pushed:
        yield


def relabel(ids: list[str], label: str, who: Who = ANNA) -> Relabelled:
    """One photo as on its page, several as in the gallery."""
    if len(ids) == 1:
        return relabel_photo(ids[0], label, [make_card()], Stamp(who, "photo"))
    return relabel_all(Selection(ids=tuple(ids)), label, [make_card()], Stamp(who, "gallery"))


def truth(public_id: str) -> str | None:
    return history.get_photo(public_id).ground_truth


def log_of(public_id: str) -> list[tuple[str | None, str | None, str]]:
    return [
        (event.from_label, event.to_label, event.who)
        for event in history.get_details(public_id).events
    ]


def test_one_photo_gets_a_ground_truth(photos: list[str]) -> None:
    assert relabel(photos[:1], "mclaren").changed == 1
    assert truth(photos[0]) == "mclaren"
    assert log_of(photos[0]) == [(None, "mclaren", "Anna")]


def test_a_verdict_is_a_ground_truth(photos: list[str]) -> None:
    relabel(photos[:1], "unusable")
    assert history.get_photo(photos[0]).meant_outcome == "unusable"


def test_many_photos_are_one_batch(photos: list[str]) -> None:
    batch = relabel(photos, "ferrari").batch
    assert {
        event.batch for public_id in photos for event in history.get_details(public_id).events
    } == {batch}


def test_a_photo_that_has_the_label_is_skipped(photos: list[str]) -> None:
    relabel(photos[:1], "ferrari")
    done = relabel(photos, "ferrari")
    assert (done.changed, done.skipped) == (2, 1)


@pytest.mark.parametrize("number", [1, 3])
def test_an_unknown_label_changes_nothing(photos: list[str], number: int) -> None:
    with pytest.raises(UnknownLabelError, match="mclaren"):
        relabel(photos[:number], "lada")
    assert truth(photos[0]) is None


def test_an_unknown_photo_changes_nothing_at_all(photos: list[str]) -> None:
    with pytest.raises(PhotoNotFoundError):
        relabel([*photos, "gone"], "ferrari")
    assert truth(photos[0]) is None


def test_a_photo_that_is_gone_is_said_so() -> None:
    with pytest.raises(PhotoNotFoundError, match="no such photo"):
        relabel(["gone"], "ferrari")


def test_an_empty_selection_is_said_so() -> None:
    nothing = Selection(wanted=GalleryFilter(ground_truth="haas"))
    with pytest.raises(BadRequestError, match="No photo was selected"):
        relabel_all(nothing, "ferrari", [make_card()], Stamp(ANNA, "gallery"))


def test_undo_gives_every_photo_its_old_label_back(photos: list[str]) -> None:
    relabel(photos[:1], "mclaren")
    batch = relabel(photos, "ferrari").batch
    assert undo_batch(batch, Stamp(BEN, "log")).changed == 3
    assert [truth(public_id) for public_id in photos] == ["mclaren", None, None]


def test_undo_is_one_more_line_in_the_log(photos: list[str]) -> None:
    batch = relabel(photos[:1], "ferrari").batch
    undo_batch(batch, Stamp(BEN, "log"))
    assert log_of(photos[0]) == [("ferrari", None, "Ben"), (None, "ferrari", "Anna")]


def test_what_was_undone_cannot_be_undone_twice(photos: list[str]) -> None:
    batch = relabel(photos, "ferrari").batch
    undo_batch(batch, Stamp(ANNA, "log"))
    with pytest.raises(NothingToUndoError):
        undo_batch(batch, Stamp(ANNA, "log"))


def test_an_undo_can_be_undone(photos: list[str]) -> None:
    batch = relabel(photos, "ferrari").batch
    undo = undo_batch(batch, Stamp(ANNA, "log")).batch
    undo_batch(undo, Stamp(ANNA, "log"))
    assert [truth(public_id) for public_id in photos] == ["ferrari"] * 3


def test_undo_leaves_alone_what_was_relabelled_since(photos: list[str]) -> None:
    batch = relabel(photos, "ferrari").batch
    relabel(photos[:1], "mclaren", who=BEN)
    done = undo_batch(batch, Stamp(ANNA, "log"))
    assert (done.changed, done.skipped) == (2, 1)
    assert truth(photos[0]) == "mclaren"


def test_undo_of_nothing_is_said_so() -> None:
    with pytest.raises(NothingToUndoError):
        undo_batch("no such batch", Stamp(ANNA, "log"))
