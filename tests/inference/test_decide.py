"""What is said out loud: a label, its parent, or nothing."""

import numpy as np
import pytest

from tests.fakes import familiarity_rule, make_card, make_card_of_makes
from webapp.domain import LABEL, NONE, PARENT, UNCLASSIFIED, Answer, NetworkOutput, level_of
from webapp.inference.classifier import make_answer
from webapp.inference.models.card import Label, ModelCard
from webapp.inference.models.label_set import apply_edits


def answer_by(card: ModelCard, *probabilities: float, familiarity: float | None = None) -> Answer:
    numbers, none = np.array(probabilities, dtype=np.float32), np.zeros(1, dtype=np.float32)
    return make_answer(card, NetworkOutput(numbers, none, none, familiarity), 1.0)


def test_a_label_that_is_probable_enough_is_the_decision() -> None:
    answer = answer_by(make_card_of_makes(), 0.6, 0.35, 0.03, 0.02)
    assert answer.decision == "audi-a4"
    assert level_of(answer.decision, answer.label) == LABEL


def test_a_parent_that_is_probable_enough_is_the_decision_when_no_label_is() -> None:
    answer = answer_by(make_card_of_makes(), 0.48, 0.45, 0.05, 0.02)
    assert answer.decision == "Audi"
    assert level_of(answer.decision, answer.label) == PARENT
    assert answer.parent is not None
    assert (answer.parent.label, answer.parent.probability) == ("Audi", pytest.approx(0.93))


def test_it_is_unclassified_when_neither_is() -> None:
    answer = answer_by(make_card_of_makes(), 0.44, 0.44, 0.1, 0.02)
    assert answer.decision == UNCLASSIFIED
    assert level_of(answer.decision, answer.label) == NONE
    assert answer.parent is not None and answer.parent.label == "Audi"


def test_an_unfamiliar_photo_is_not_given_a_parent() -> None:
    card = make_card_of_makes(familiarity=familiarity_rule())
    assert answer_by(card, 0.48, 0.45, 0.05, 0.02, familiarity=0.2).decision == UNCLASSIFIED


def test_a_card_without_a_parent_threshold_names_no_parent() -> None:
    card = make_card(labels=make_card_of_makes().labels)
    assert answer_by(card, 0.48, 0.45, 0.05, 0.02).decision == UNCLASSIFIED


def test_a_parent_of_one_label_is_not_named() -> None:
    answer = answer_by(make_card_of_makes(threshold=0.99), 0.02, 0.02, 0.95, 0.01)
    assert answer.decision == UNCLASSIFIED
    assert answer.parent is not None and answer.parent.label == "Audi"


def test_labels_without_parents_have_none() -> None:
    assert answer_by(make_card(), 0.91, *[0.01] * 9).parent is None


def test_a_parent_called_as_a_label_is_not_named() -> None:
    labels = tuple(Label(name, name, parent="audi") for name in ("audi", "audi-a4"))
    card = make_card(labels=labels, parent_threshold=0.5, threshold=0.9)
    assert answer_by(card, 0.5, 0.5).decision == UNCLASSIFIED


def test_labels_that_were_merged_count_once() -> None:
    card = apply_edits(make_card_of_makes(), {"audi-a4": {"merged": "audi-a5"}})
    answer = answer_by(card, 0.24, 0.24, 0.5, 0.02)
    assert answer.parent is None  # one Audi is left


def test_a_parent_that_was_edited_decides_as_it_was_published() -> None:
    edits = {"audi-a4": {"parent": "Germany"}, "audi-a5": {"parent": "Ingolstadt"}}
    answer = answer_by(apply_edits(make_card_of_makes(), edits), 0.48, 0.45, 0.05, 0.02)
    assert answer.decision == "Audi"


def test_a_cards_parent_threshold_comes_back_from_json() -> None:
    card = make_card_of_makes()
    assert ModelCard.from_json(card.to_json()).parent_threshold == 0.9
