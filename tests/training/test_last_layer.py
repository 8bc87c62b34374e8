"""A last layer that learns a new label without forgetting the others."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from webapp.inference.familiarity import Space
from webapp.training.last_layer import LastLayer, fit, replay, widen

LABELS, FEATURES = 4, 32
RNG = np.random.default_rng(1)
CENTRES = RNG.normal(size=(LABELS + 1, FEATURES)).astype(np.float32)
NEW = LABELS


def seen(label: int, number: int = 20) -> np.ndarray:
    """Embeddings of a label: around its centre, of length 5."""
    around = CENTRES[label] + RNG.normal(0, 0.3, size=(number, FEATURES))
    return (5 * around / np.linalg.norm(around, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def old() -> LastLayer:
    return LastLayer(CENTRES[:LABELS].T.copy(), np.zeros(LABELS, np.float32))


@pytest.fixture(scope="module")
def space(old: LastLayer) -> Space:
    unit = np.concatenate([seen(label) for label in range(LABELS)]) / 5
    mean = unit.mean(axis=0)
    basis = np.linalg.svd(unit - mean, full_matrices=False)[2][:16]
    return Space(old.weights, old.bias, mean, basis.astype(np.float32))


@pytest.fixture(scope="module")
def layer(old: LastLayer, space: Space) -> LastLayer:
    return fit(old, 1, seen(NEW), np.full(20, NEW), replay(old, space))


def first(layer: LastLayer, embeddings: np.ndarray) -> np.ndarray:
    return layer.logits(embeddings).argmax(axis=1)


def test_it_learns_the_new_label_from_twenty_cars(layer: LastLayer) -> None:
    assert (first(layer, seen(NEW, 50)) == NEW).mean() >= 0.95


@pytest.mark.parametrize("label", range(LABELS))
def test_it_still_knows_the_labels_of_which_it_saw_no_car(layer: LastLayer, label: int) -> None:
    assert (first(layer, seen(label, 50)) == label).mean() >= 0.95


def test_labels_without_cars_keep_their_weights(old: LastLayer, layer: LastLayer) -> None:
    assert np.array_equal(layer.weights[:, :LABELS], old.weights)
    assert np.array_equal(layer.bias[:LABELS], old.bias)


def test_a_correction_moves_a_known_label(old: LastLayer, space: Space) -> None:
    mistaken = (seen(0, 10) + seen(1, 10)) / 2
    corrected = fit(old, 0, mistaken, np.zeros(10, dtype=int), replay(old, space))
    assert (first(corrected, mistaken) == 0).all()
    assert corrected.weights.shape == old.weights.shape


def test_what_is_replayed_is_of_each_label_and_not_too_sure(old: LastLayer, space: Space) -> None:
    replayed = replay(old, space)
    assert set(first(old, replayed)) == set(range(LABELS))
    assert softmax(old.logits(replayed), axis=1).max(axis=1).mean() == pytest.approx(0.65, abs=0.1)


def test_the_loss_is_told_and_falls(old: LastLayer, space: Space) -> None:
    losses: list[float] = []
    fit(old, 1, seen(NEW), np.full(20, NEW), replay(old, space), losses.append)
    assert losses[-1] < losses[0]


def test_new_cars_lie_in_the_widened_space(space: Space, layer: LastLayer) -> None:
    wider, cars = widen(space, layer, seen(NEW)), seen(NEW)
    before, after = (each.scores(cars, 1.0)["distance"].mean() for each in (space, wider))
    assert after > before
    assert np.allclose(wider.basis @ wider.basis.T, np.eye(len(wider.basis)), atol=1e-4)
