"""How like the photos it learned from a photo looks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.fakes import familiarity_rule, make_card
from webapp.domain import UNCLASSIFIED, NetworkOutput
from webapp.errors import BadCardError, ModelUnavailableError
from webapp.inference.classifier import make_answer
from webapp.inference.familiarity import Familiarity, Space, combine, read_familiarity
from webapp.inference.models.card import FAMILIARITY_FILE

FEATURES, LABELS = 6, 10


def make_space() -> Space:
    """Photos lie along the first two features; each label's logit is a feature."""
    basis = np.eye(FEATURES, dtype=np.float32)[:2]
    return Space(
        np.eye(FEATURES, LABELS, dtype=np.float32),
        np.zeros(LABELS, np.float32),
        np.zeros(FEATURES, np.float32),
        basis,
    )


def along(*places: int) -> np.ndarray:
    return np.eye(FEATURES, dtype=np.float32)[list(places)] * 3


def test_a_photo_outside_the_subspace_is_far() -> None:
    inside, outside = make_space().scores(along(0, 5), 1.0)["distance"]
    assert inside == pytest.approx(0.0, abs=1e-6)
    assert outside == pytest.approx(-1.0)


def test_energy_is_the_log_of_the_sum_of_exponentials() -> None:
    assert make_space().scores(along(0), 1.0)["energy"][0] == pytest.approx(np.log(np.exp(3) + 9))


def test_probability_is_the_log_odds_of_the_scaled_softmax() -> None:
    highest = np.exp(3 / 2) / (np.exp(3 / 2) + 9)
    assert make_space().scores(along(0), 2.0)["probability"][0] == pytest.approx(
        np.log(highest / (1 - highest))
    )


def test_scores_are_standardised_before_they_are_added() -> None:
    rule = familiarity_rule(scores=["logit", "distance"], means=[3.0, -1.0], spreads=[2.0, 0.5])
    scores = {"logit": np.array([5.0]), "distance": np.array([-0.5])}
    assert combine(scores, rule)[0] == pytest.approx(1 / (1 + np.exp(-2.0)))


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    make_space().write(tmp_path / FAMILIARITY_FILE)
    familiarity = read_familiarity(tmp_path, make_card(familiarity=familiarity_rule()))
    assert familiarity is not None
    assert familiarity.of(along(0)) == pytest.approx(
        Familiarity(make_space(), 1.0, familiarity_rule()).of(along(0))
    )


def test_a_card_without_a_rule_needs_no_file(tmp_path: Path) -> None:
    assert read_familiarity(tmp_path, make_card()) is None


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut off"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FAMILIARITY_FILE).write_bytes(content)
    with pytest.raises(ModelUnavailableError, match=FAMILIARITY_FILE):
        read_familiarity(tmp_path, make_card(familiarity=familiarity_rule()))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError, match=FAMILIARITY_FILE):
        read_familiarity(tmp_path, make_card(familiarity=familiarity_rule()))


def test_a_pickle_in_it_is_not_opened(tmp_path: Path) -> None:
    arrays = {
        name: np.array([{"a": 1}], dtype=object) for name in ("weights", "bias", "mean", "basis")
    }
    np.savez(tmp_path / FAMILIARITY_FILE, **arrays)
    with pytest.raises(ModelUnavailableError, match="allow_pickle"):
        read_familiarity(tmp_path, make_card(familiarity=familiarity_rule()))


def test_the_file_of_another_network_is_refused(tmp_path: Path) -> None:
    space = make_space()
    Space(space.weights[:, :4], space.bias[:4], space.mean, space.basis).write(
        tmp_path / FAMILIARITY_FILE
    )
    with pytest.raises(ModelUnavailableError, match="4 labels"):
        read_familiarity(tmp_path, make_card(familiarity=familiarity_rule()))


@pytest.mark.parametrize(
    "changes",
    [
        {"scores": ["courage"]},
        {"scores": []},
        {"means": []},
        {"spreads": [0.0]},
        {"slope": -1.0},
        {"threshold": 1.5},
        {"offset": "much"},
        {"means": [float("nan")]},
        {"spreads": None},
        {"slope": None},
        {"slope": "2"},
        {"slope": True},
        {"means": ["0"]},
        {"threshold": "0.5"},
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(BadCardError, match="familiarity"):
        make_card(familiarity=familiarity_rule(**changes))


@pytest.mark.parametrize(
    ("familiarity", "decision"), [(0.49, UNCLASSIFIED), (0.5, "alfa_romeo"), (None, "alfa_romeo")]
)
def test_an_unfamiliar_photo_is_unclassified_however_sure(
    familiarity: float | None, decision: str
) -> None:
    probabilities = np.array([0.91] + [0.01] * 9, dtype=np.float32)
    output = NetworkOutput(
        probabilities,
        np.zeros(FEATURES, np.float32),
        np.zeros((1, 1, FEATURES), np.float32),
        familiarity,
    )
    assert make_answer(make_card(familiarity=familiarity_rule()), output, 1.0).decision == decision
