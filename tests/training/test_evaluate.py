"""Figures and calibration from probabilities."""

from __future__ import annotations

import numpy as np
import pytest

from webapp.inference.classifier import scale
from webapp.training.calibrate import fit_temperature, keeping
from webapp.training.evaluate import calibration_error, confusion, figures, per_label

NAMES = ("a", "b", "c")
SURE = np.array([[0.9, 0.05, 0.05], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1], [0.1, 0.1, 0.8]], dtype=np.float32)
TRUTHS = np.array([0, 1, 1, 2])


def test_confusion_has_truths_in_rows() -> None:
    assert confusion(SURE, TRUTHS).tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]


def test_each_label_gets_precision_and_recall() -> None:
    rows = per_label(confusion(SURE, TRUTHS), NAMES)
    assert rows["a"] == {"n": 1, "precision": 0.5, "recall": 1.0, "f1": 0.6667}
    assert rows["b"]["recall"] == 0.5


def test_a_label_without_photos_is_not_measured() -> None:
    rows = per_label(confusion(SURE[:1], TRUTHS[:1]), NAMES)
    assert rows["c"] == {"n": 0, "precision": None, "recall": None, "f1": None}


def test_calibration_error_is_the_mean_distance_of_confidence_and_accuracy() -> None:
    half_sure = np.tile(np.array([[0.75, 0.25]], dtype=np.float32), (4, 1))
    assert calibration_error(half_sure, np.array([0, 0, 0, 1])) == pytest.approx(0.0)
    assert calibration_error(half_sure, np.array([0, 1, 1, 1])) == pytest.approx(0.5)


def test_figures_count_what_is_left_undecided() -> None:
    got = figures(SURE, TRUTHS, NAMES, temperature=1.0, threshold=0.65)
    assert (got["n"], got["top1"], got["unclassified"], got["top1_when_decided"]) == (4, 0.75, 0.25, 1.0)


def test_the_temperature_mends_an_overconfident_network() -> None:
    rng = np.random.default_rng(1)
    honest = rng.dirichlet((1, 1, 1), 4000).astype(np.float32)
    truths = np.array([rng.choice(3, p=one / one.sum()) for one in honest.astype(np.float64)])
    overconfident = np.stack([scale(one, 0.5) for one in honest])
    assert fit_temperature(overconfident, truths) == pytest.approx(2.0, rel=0.1)


def test_the_threshold_keeps_the_share_it_promises() -> None:
    confidences = np.linspace(0.01, 1.0, 100, dtype=np.float32)
    threshold = keeping(confidences, 0.95)
    assert (confidences >= threshold).sum() == 95
