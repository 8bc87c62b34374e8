"""How people see the labels of a model: changes over a card that stays as it is."""

import re
from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from tests.conftest import ROOT
from tests.fakes import make_card
from webapp.domain import Who
from webapp.errors import BadRequestError, NothingToUndoError, UnknownLabelError
from webapp.extensions import get_registry
from webapp.inference.models.label_set import apply_edits, as_current, offered, resolve_edits
from webapp.services.jobs.queue import Owner, Sender
from webapp.services.jobs.types import remap
from webapp.services.labels import label_sets
from webapp.services.labels.relabel import relabel_photo
from webapp.services.labels.search import examples, find_labels
from webapp.storage.database import db
from webapp.storage.labels import edits as storage
from webapp.storage.labels.events import Stamp

CARD = make_card()
ANNA = Who("Anna")


@pytest.fixture
def inside(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield
        db.session.remove()


def change(label: str, **wanted: str) -> int:
    return label_sets.change_label(CARD, label, wanted, who=ANNA)


def undo(label: str) -> int:
    editor = remap.editor(get_registry(), Sender(Owner("user:1"), ANNA))
    return label_sets.undo_last_change(CARD, label, editor)


def now():  # type: ignore[no-untyped-def]
    return apply_edits(
        CARD, resolve_edits((row.label, row.kind, row.value) for row in storage.edits_of(CARD.name))
    )


def test_the_last_change_of_a_kind_counts_and_none_takes_it_back() -> None:
    assert resolve_edits(
        [("a", "name", "x"), ("a", "name", "y"), ("a", "key", "q"), ("a", "key", None)]
    ) == {"a": {"name": "y"}}


def test_a_card_keeps_its_outputs_whatever_people_see() -> None:
    other = apply_edits(CARD, {"haas": {"name": "Хаас", "retired": "yes"}})
    assert other.label_names == CARD.label_names and other.label("haas").display == "Хаас"
    assert [label.name for label in offered(other)] == [
        name for name in CARD.label_names if name != "haas"
    ]


def test_a_label_is_renamed_in_another_script_and_found_by_its_alias(inside: None) -> None:
    assert change("haas", name="Лада  Гранта", aliases="Хаас\r\nkey car\n") == 2
    assert now().label("haas").display == "Лада Гранта"
    assert [label.name for label in find_labels("хаа", [now()])] == ["haas"]


def test_what_is_the_same_is_not_saved(inside: None) -> None:
    assert (
        change(
            "haas",
            name="Haas",
            color="#787878",
            parent="",
            key="",
            photo="",
            retired="",
            aliases="",
        )
        == 0
    )
    assert label_sets.changes(CARD.name) == []


def test_a_retired_label_is_not_found_by_people_who_label(inside: None) -> None:
    change("haas", retired="yes")
    assert find_labels("haas", [now()]) == [] and now().label("haas") is not None


def test_undo_goes_back_save_by_save(inside: None) -> None:
    change("haas", name="One")
    change("haas", name="Two", color="#000000")
    assert undo("haas") == 2
    assert (now().label("haas").display, now().label("haas").color) == ("One", "#787878")
    undo("haas")
    assert now().label("haas").display == "Haas"
    with pytest.raises(NothingToUndoError):
        undo("haas")
    assert [(change.undo, change.undone) for change in label_sets.changes(CARD.name)] == [
        (True, False),
        (True, False),
        (False, True),
        (False, True),
    ]


def test_an_undo_that_would_make_two_of_one_name_is_refused(inside: None) -> None:
    change("haas", name="Other")
    change("bwt", name="Haas F1")
    change("haas", name="Third")
    change("bwt", name="Other")
    with pytest.raises(BadRequestError, match="means Other already"):
        undo("haas")


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"name": " "}, "needs a name"),
        ({"name": "mclaren"}, "means McLaren already"),
        ({"aliases": "FERRARI"}, "means Ferrari already"),
        ({"aliases": "\n".join(f"a{number}" for number in range(21))}, "too many"),
        ({"name": "x" * 121}, "up to 120"),
        ({"parent": "a\x00b"}, "can be seen"),
        ({"color": "red"}, "#RRGGBB"),
        ({"key": "n"}, "something else"),
        ({"key": "!"}, "one letter or digit"),
        ({"photo": "nowhere"}, "no photo with this id"),
    ],
)
def test_what_makes_no_sense_is_refused(inside: None, wanted: dict[str, str], words: str) -> None:
    with pytest.raises(BadRequestError, match=words):
        change("haas", **wanted)
    assert label_sets.changes(CARD.name) == []


def keys_of_the_review() -> set[str]:
    """Letters in the templates of the review, and the digits of the ranked labels."""
    pages = (ROOT / "webapp" / "templates" / "review").glob("*.html")
    texts = " ".join(page.read_text(encoding="utf-8") for page in pages)
    return {*re.findall(r'aria-keyshortcuts="([a-z])"', texts), *"12345"}


@pytest.mark.parametrize("key", sorted(keys_of_the_review()))
def test_no_label_takes_a_key_of_the_review(inside: None, key: str) -> None:
    with pytest.raises(BadRequestError, match="something else in the review"):
        change("haas", key=key)


def test_a_key_belongs_to_one_label(inside: None) -> None:
    change("haas", key="H")
    assert as_current(now().label("haas")).key == "h"
    with pytest.raises(BadRequestError, match="gives Haas already"):
        change("bwt", key="h")


def test_a_label_that_the_model_does_not_have_is_refused(inside: None) -> None:
    with pytest.raises(UnknownLabelError):
        change("trabant", name="Trabant")


def test_a_reference_photo_is_one_that_was_checked_as_the_label(
    inside: None, upload: Callable[..., str]
) -> None:
    first, second = upload(mark=1), upload(mark=2)
    with pytest.raises(BadRequestError, match="must have been checked"):
        change("haas", photo=first)
    for photo in (first, second):
        relabel_photo(photo, "haas", [CARD], Stamp(ANNA, "cli"))
    assert examples([now().label("haas")])["haas"].public_id == second
    change("haas", photo=first)
    assert examples([now().label("haas")])["haas"].public_id == first
