"""Choosing and fitting the measure of familiarity."""

import numpy as np
import pytest
from pydantic import TypeAdapter

from webapp.inference.classifier import scale
from webapp.inference.familiarity import FamiliarityRule, Space, combine
from webapp.training.calibration import calibrate, fit_logistic, fit_rule, keeping
from webapp.training.evaluation.metrics import area_under_curve

RNG = np.random.default_rng(8)


def make_space(features: int = 8) -> Space:
    weights = np.zeros((features, 3), np.float32)
    weights[:3] = np.eye(3)
    return Space(
        weights,
        np.zeros(3, np.float32),
        np.zeros(features, np.float32),
        np.eye(features, dtype=np.float32)[:3],
    )


def photos(count: int, place: int) -> np.ndarray:
    """Embeddings along one of the features, with some noise."""
    spots = RNG.normal(0, 0.1, (count, 8))
    spots[:, place] += 5.0
    return spots.astype(np.float32)


def test_the_area_is_how_often_a_known_photo_is_above_an_unknown_one() -> None:
    assert area_under_curve(np.array([1.0, 3.0]), np.array([0.0, 2.0])) == pytest.approx(0.75)
    assert area_under_curve(np.array([1.0]), np.array([1.0])) == pytest.approx(0.5)


def test_it_chooses_a_score_that_separates_them() -> None:
    known, unknown = np.concatenate([photos(20, 0), photos(20, 1)]), photos(40, 6)
    rule = fit_rule(make_space(), known, unknown, 1.0)
    assert rule is not None
    TypeAdapter(FamiliarityRule).validate_python(rule | {"threshold": 0.5})
    assert rule["candidates"][" + ".join(rule["scores"])] == max(rule["candidates"].values()) == 1.0
    assert set(rule["scores"]) <= set(make_space().scores(known, 1.0))


def test_familiarity_is_near_one_for_known_photos_and_near_nought_for_others() -> None:
    space, known, unknown = make_space(), photos(40, 0), photos(40, 6)
    rule = fit_rule(space, known, unknown, 1.0)
    assert rule is not None
    assert combine(space.scores(known, 1.0), rule).mean() > 0.9
    assert combine(space.scores(unknown, 1.0), rule).mean() < 0.1


def test_there_is_no_rule_when_nothing_separates_them() -> None:
    assert fit_rule(make_space(), photos(40, 0), photos(40, 0), 1.0) is None


def test_a_logistic_curve_is_a_half_where_both_are_as_many() -> None:
    slope, offset = fit_logistic(RNG.normal(3, 1, 4000), RNG.normal(1, 1, 4000))
    assert -offset / slope == pytest.approx(2.0, abs=0.1)  # in the middle
    assert slope == pytest.approx(2.0, abs=0.2)  # distance over variance


def test_two_kinds_that_separate_cleanly_have_a_finite_slope() -> None:
    slope, _offset = fit_logistic(np.linspace(1, 2, 30), np.linspace(-2, -1, 30))
    assert 0 < slope < 20


def test_the_threshold_lets_the_wanted_share_through() -> None:
    familiarities = np.linspace(0, 1, 101)[1:]
    assert (familiarities >= keeping(familiarities, 0.95)).sum() == 95
    assert keeping(np.array([0.3]), 0.98) == 0.3


def test_two_photos_in_a_hundred_may_be_unfamiliar_and_one_that_is_right_not_named() -> None:
    known, truths = np.concatenate([photos(100, 0), photos(100, 1)]), np.repeat([0, 1], 100)
    logits = known[:, :3].astype(np.float64) * 0.15  # modest, or the threshold is at its most
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    outputs = {"probabilities": probabilities.astype(np.float32), "embedding": known}
    calibration = calibrate(outputs, truths, photos(40, 6), make_space(), {})
    assert calibration.familiarity is not None
    familiar = calibration.familiarity.of(known) >= calibration.familiarity.rule["threshold"]
    assert familiar.sum() == 196
    named = scale(outputs["probabilities"], calibration.temperature).max(axis=1)
    assert (named >= calibration.threshold).sum() == 198
