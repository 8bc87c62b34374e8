"""Figures and calibration from probabilities."""

import numpy as np
import pytest
from sklearn import metrics

from webapp.inference.classifier import scale
from webapp.inference.metrics.counts import mean_f1
from webapp.training.calibration import fit_temperature, keeping
from webapp.training.evaluation.metrics import (
    JudgedPhotos,
    area_under_curve,
    calibration_error,
    confusion,
    label_measures,
    mix_ups,
    per_label,
    summary,
)

NAMES = ("a", "b", "c")
SURE = np.array(
    [[0.9, 0.05, 0.05], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1], [0.1, 0.1, 0.8]], dtype=np.float32
)
TRUTHS = np.array([0, 1, 1, 2])


def judged(
    probabilities: np.ndarray, decided: list[bool], parents: list[int] | None = None
) -> JudgedPhotos:
    decisions = np.array(decided, dtype=bool)
    places = np.array(parents or [-1] * len(decided), dtype=np.int64)
    return JudgedPhotos(probabilities, probabilities, decisions, probabilities.max(axis=1), places)


def test_confusion_has_truths_in_rows() -> None:
    assert confusion(SURE, TRUTHS).tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]


def test_each_label_gets_precision_and_recall() -> None:
    rows = per_label(label_measures(confusion(SURE, TRUTHS)), NAMES)
    assert rows["a"] == {"n": 1, "precision": 0.5, "recall": 1.0, "f1": 0.6667}
    assert rows["b"]["recall"] == 0.5


def test_a_label_without_photos_is_not_measured() -> None:
    rows = per_label(label_measures(confusion(SURE[:1], TRUTHS[:1])), NAMES)
    assert rows["c"] == {"n": 0, "precision": None, "recall": None, "f1": None}


def test_calibration_error_is_the_mean_distance_of_confidence_and_accuracy() -> None:
    half_sure = np.tile(np.array([[0.75, 0.25]], dtype=np.float32), (4, 1))
    assert calibration_error(half_sure, np.array([0, 0, 0, 1])) == pytest.approx(0.0)
    assert calibration_error(half_sure, np.array([0, 1, 1, 1])) == pytest.approx(0.5)


def test_a_summary_counts_those_answered_by_their_parent() -> None:
    photos = judged(SURE, [True, False, False, False], [-1, 0, 1, -1])
    got = summary(photos, TRUTHS, NAMES, {"vowels": [0], "others": [1, 2]}, short=True)
    assert got["parent"]["n"] == 2
    assert got["parent"]["right"] == 1  # the photo of b whose parent is said to be "others"
    assert got["unclassified"] == 0.25


def test_a_summary_takes_the_decisions_that_were_made() -> None:
    got = summary(judged(SURE, [True, False, False, True]), TRUTHS, NAMES, {}, short=True)
    assert (got["unclassified"], got["top1_when_decided"]) == (0.5, 1.0)
    assert "confusion" not in got
    assert summary(judged(SURE[:0], []), TRUTHS[:0], NAMES, {}) == {"n": 0}


def random_answers(seed: int, n: int = 300, labels: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """Answers that are right about half the time; the last label never occurs."""
    rng = np.random.default_rng(seed)
    truths = rng.integers(0, labels - 1, n)
    probabilities = rng.dirichlet(np.ones(labels), n)
    probabilities[np.arange(n), truths] += 0.3
    return (probabilities / probabilities.sum(axis=1, keepdims=True)).astype(np.float32), truths


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_figures_are_those_of_scikit_learn(seed: int) -> None:
    probabilities, truths = random_answers(seed)
    named, labels = probabilities.argmax(axis=1), np.arange(7)
    got = summary(judged(probabilities, [True] * len(truths)), truths, tuple("abcdefg"), {})
    there = np.unique(truths)
    assert got["top1"] == pytest.approx(metrics.accuracy_score(truths, named), abs=1e-4)
    assert got["top5"] == pytest.approx(
        metrics.top_k_accuracy_score(truths, probabilities, k=5, labels=labels), abs=1e-4
    )
    assert got["macro_f1"] == pytest.approx(
        metrics.f1_score(truths, named, labels=there, average="macro"), abs=1e-4
    )
    assert got["weighted_f1"] == pytest.approx(
        metrics.f1_score(truths, named, labels=there, average="weighted"), abs=1e-4
    )
    assert got["nll"] == pytest.approx(
        metrics.log_loss(truths, probabilities, labels=labels), abs=1e-3
    )
    assert got["confusion"] == metrics.confusion_matrix(truths, named, labels=labels).tolist()
    rows = metrics.precision_recall_fscore_support(truths, named, labels=there)
    for place, values in enumerate(zip(*rows, strict=True)):
        row = got["per_label"]["abcdefg"[there[place]]]
        assert (row["precision"], row["recall"], row["f1"], row["n"]) == pytest.approx(
            values, abs=1e-4
        )


@pytest.mark.parametrize("decimals", [1, 3])  # with one decimal nearly every score has its equal
def test_auroc_is_that_of_scikit_learn_also_with_ties(decimals: int) -> None:
    rng = np.random.default_rng(5)
    known, unknown = rng.beta(4, 2, 80).round(decimals), rng.beta(2, 3, 50).round(decimals)
    expected = metrics.roc_auc_score([1] * 80 + [0] * 50, np.concatenate([known, unknown]))
    assert area_under_curve(known.astype(np.float32), unknown.astype(np.float32)) == pytest.approx(
        expected
    )


def test_auroc_of_scores_that_say_nothing_is_a_half() -> None:
    assert area_under_curve(np.ones(3, np.float32), np.ones(4, np.float32)) == 0.5


def test_a_label_without_photos_does_not_count_in_the_mean_f1() -> None:
    table = np.array([[1, 1, 0], [0, 2, 0], [0, 0, 0]])
    assert mean_f1(label_measures(table)) == pytest.approx((2 / 3 + 0.8) / 2)


def test_the_commonest_mistake_comes_first_and_of_two_that_of_the_rarer_label() -> None:
    table = np.array([[5, 2, 0], [0, 8, 2], [3, 0, 1]])
    assert [
        (row["truth"], row["answer"], row["n"], row["of"]) for row in mix_ups(table, NAMES)
    ] == [
        ("c", "a", 3, 4),
        ("a", "b", 2, 7),
        ("b", "c", 2, 10),
    ]


def test_the_temperature_mends_an_overconfident_network() -> None:
    rng = np.random.default_rng(1)
    honest = rng.dirichlet((1, 1, 1), 4000).astype(np.float32)
    truths = np.array([rng.choice(3, p=row / row.sum()) for row in honest.astype(np.float64)])
    overconfident = np.stack([scale(row, 0.5) for row in honest])
    assert fit_temperature(overconfident, truths) == pytest.approx(2.0, rel=0.1)


def test_the_threshold_keeps_the_share_it_promises() -> None:
    confidences = np.linspace(0.01, 1.0, 100, dtype=np.float32)
    threshold = keeping(confidences, 0.95)
    assert (confidences >= threshold).sum() == 95
