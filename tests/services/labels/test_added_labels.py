"""Labels that people add before any version knows them."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from tests.fakes import make_card
from webapp.domain import Who
from webapp.errors import BadRequestError
from webapp.extensions import get_label_cards, get_registry
from webapp.inference.models.card import Label
from webapp.inference.models.label_set import ADDED, apply_edits, offered, right_answers
from webapp.services.jobs.queue import Owner, Sender
from webapp.services.jobs.types import remap
from webapp.services.labels import label_sets, merges
from webapp.services.labels.relabel import relabel_photo
from webapp.services.photos.gallery import get_photo
from webapp.storage.database import db
from webapp.storage.labels.events import Stamp

CARD = make_card()
ANNA = Who("Anna")


@pytest.fixture(autouse=True)
def inside(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield
        db.session.remove()


def give(public_id: str, label: str) -> None:
    relabel_photo(public_id, label, get_label_cards("f1-teams"), Stamp(ANNA, "photo"))


def undo(label: str) -> int:
    editor = remap.editor(get_registry(), Sender(Owner("user:1"), ANNA))
    return label_sets.undo_last_change(CARD, label, editor)


def test_an_added_label_is_offered_after_those_of_the_version() -> None:
    merges.add_label(CARD, " Audi  Sport ", ANNA)
    card = label_sets.card_now(CARD)
    assert [label.name for label in offered(card)] == [*CARD.label_names, "Audi Sport"]
    assert card.label_names == CARD.label_names


def test_a_photo_may_have_it_at_once_and_says_nothing_about_the_version(
    upload: Callable[..., str],
) -> None:
    public_id = upload()
    merges.add_label(CARD, "Audi", ANNA)
    give(public_id, "Audi")
    photo = get_photo(public_id)
    assert (photo.ground_truth, photo.truth_model, photo.outcome) == (
        "Audi",
        "f1-teams",
        "unlabelled",
    )
    assert "Audi" not in right_answers(label_sets.card_now(CARD))


def test_a_version_that_learned_it_has_it_among_its_own() -> None:
    labels = (*CARD.labels, Label("Audi", "Audi"))
    card = apply_edits(make_card(2, labels=labels), {"Audi": {ADDED: ""}})
    assert card.added == () and "Audi" in right_answers(card)


@pytest.mark.parametrize(
    ("name", "words"),
    [("haas", "means Haas already"), ("none", "a meaning of its own"), ("  ", "needs a name")],
)
def test_it_refuses_names_that_mean_something(name: str, words: str) -> None:
    with pytest.raises(BadRequestError, match=words):
        merges.add_label(CARD, name, ANNA)


def test_it_can_be_taken_back_while_no_photo_has_it(upload: Callable[..., str]) -> None:
    merges.add_label(CARD, "Audi", ANNA)
    assert undo("Audi") == 1
    assert label_sets.card_now(CARD).added == ()
    merges.add_label(CARD, "Audi", ANNA)
    give(upload(), "Audi")
    with pytest.raises(BadRequestError, match="1 photo is checked as Audi"):
        undo("Audi")
