"""The figures of the stats page, against scikit-learn and against hand-made answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from flask import Flask
from numpy.typing import NDArray
from sqlalchemy import select

from tests.answers import AUDIT, MARCH, Checked, certain, remember
from tests.conftest import plan_of
from tests.fakes import make_card
from webapp.domain import NONE_OF_THESE, UNCLASSIFIED, UNUSABLE
from webapp.extensions import get_registry
from webapp.gallery_filter import GalleryFilter
from webapp.inference.models.card import Label, ModelCard
from webapp.services.stats import figures, label_figures
from webapp.services.stats.figures import AUDITED
from webapp.services.stats.matrix import cluster, confusion_matrix
from webapp.storage.database import db
from webapp.storage.stats.stats import Counts
from webapp.storage.tables import Photo, Prediction

sklearn = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
EVERY_PHOTO = GalleryFilter()
CARD = make_card()


@pytest.fixture(autouse=True)
def context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def make_wide_card() -> ModelCard:
    """196 labels of four parents."""
    labels = tuple(
        Label(f"car-{number:03d}", f"Car {number}", parent=f"Maker {number % 4}")
        for number in range(196)
    )
    return make_card(name="cars", labels=labels, threshold=0.4)


def count(wanted: GalleryFilter, card: ModelCard) -> Counts:
    """What was counted of a version's answers."""
    return figures.count(wanted, card, get_registry())[0]


def answered() -> tuple[list[str], list[str], list[str], NDArray[np.float32]]:
    """Label, decision, first guess and distribution of each checked photo."""
    rows = db.session.execute(
        select(Photo.ground_truth, Prediction)
        .join(Prediction)
        .where(Photo.ground_truth.is_not(None))
    ).all()
    distributions = np.stack([np.frombuffer(row[1].distribution, "<f4") for row in rows])
    return (
        [row[0] for row in rows],
        [row[1].decision for row in rows],
        [row[1].label for row in rows],
        distributions,
    )


def assert_equals_scikit_learn(card: ModelCard) -> None:
    """Every figure of all checked photos is the one that scikit-learn computes from the rows."""
    truths, decisions, first, distributions = answered()
    counts = count(EVERY_PHOTO, card)
    summary = figures.summarize(counts, card)
    names = list(card.label_names)
    assert summary.n == len(truths)
    assert summary.right.share == pytest.approx(sklearn.accuracy_score(truths, decisions))
    assert summary.first.share == pytest.approx(sklearn.accuracy_score(truths, first))
    places = [names.index(truth) for truth in truths]
    assert summary.five.share == pytest.approx(
        sklearn.top_k_accuracy_score(places, distributions, k=5, labels=range(len(names)))
    )
    present = sorted(set(truths))
    assert summary.macro_f1 == pytest.approx(
        sklearn.f1_score(truths, decisions, labels=present, average="macro", zero_division=0)
    )
    precision, recall, f1, n = sklearn.precision_recall_fscore_support(
        truths, decisions, labels=names, zero_division=0
    )
    for line in label_figures.label_accuracies(counts, card):
        place = names.index(line.label)
        got = (line.precision.share, line.recall.share, line.f1 or 0.0, line.recall.n)
        assert got == pytest.approx((precision[place], recall[place], f1[place], n[place])), (
            line.label
        )
    table = sklearn.confusion_matrix(truths, decisions, labels=[*names, UNCLASSIFIED])
    matrix = confusion_matrix(counts, card)
    assert [
        [matrix.counts.get((truth, answer), 0) for answer in matrix.columns]
        for truth in matrix.rows
    ] == table[:-1].tolist()
    assert_equals_calibration_curve(
        truths, first, distributions.max(axis=1), figures.reliability(counts)
    )
    named = distributions.max(axis=1) >= 0.7
    step = figures.threshold_figures(counts)[70]
    assert step.unsure.share == pytest.approx(1 - named.mean())
    kept = np.flatnonzero(named)
    assert step.right.share == pytest.approx(
        sklearn.accuracy_score([truths[row] for row in kept], [first[row] for row in kept])
    )


def assert_equals_calibration_curve(
    truths: list[str],
    first: list[str],
    confidence: NDArray[np.float32],
    bins: list[Any],
) -> None:
    calibration = pytest.importorskip("sklearn.calibration")
    right = [truth == guess for truth, guess in zip(truths, first, strict=True)]
    share, confident = calibration.calibration_curve(right, confidence, n_bins=10)
    assert [bar.right.share for bar in bins] == pytest.approx(share.tolist())
    assert [bar.confidence for bar in bins] == pytest.approx(confident.tolist())


def test_every_number_is_scikit_learns_for_196_labels() -> None:
    card, rng = make_wide_card(), np.random.default_rng(4)
    answers = []
    for _ in range(1500):
        probabilities = rng.dirichlet(np.full(196, 0.02)).astype(np.float32)
        truth = card.label_names[
            int(
                rng.choice(
                    196, p=probabilities.astype(np.float64) / probabilities.sum(dtype=np.float64)
                )
            )
        ]
        answers.append(Checked(truth, probabilities))
    remember(card, answers)
    assert_equals_scikit_learn(card)


def test_audited_photos_are_counted_apart() -> None:
    right, wrong = certain(CARD, "mclaren"), certain(CARD, "haas")
    remember(
        CARD,
        [Checked("mclaren", right, AUDIT), Checked("mclaren", wrong), Checked("mclaren", wrong)],
    )
    counts = count(EVERY_PHOTO, CARD)
    audited = figures.summarize(figures.of_sample(counts, AUDITED), CARD)
    assert audited.right.hits == audited.n == 1
    assert figures.summarize(counts, CARD).right.share == pytest.approx(1 / 3)


def test_photos_that_show_none_of_the_labels_are_answered_right_by_no_name() -> None:
    unsure = certain(CARD, "haas", 0.3)
    remember(
        CARD,
        [
            Checked(NONE_OF_THESE, unsure),
            Checked(NONE_OF_THESE, certain(CARD, "haas")),
            Checked("haas", unsure),
        ],
    )
    summary = figures.summarize(count(EVERY_PHOTO, CARD), CARD)
    assert (summary.right.hits, summary.unsure.hits, summary.wrong.hits) == (1, 1, 1)
    assert (summary.none.hits, summary.none.n, summary.first.n) == (1, 2, 1)


def test_what_says_nothing_about_the_labels_is_left_out() -> None:
    sure = certain(CARD, "haas")
    remember(
        CARD,
        [Checked("haas", sure), Checked(UNUSABLE, sure), Checked("lada", sure), Checked("", sure)],
    )
    assert figures.summarize(count(EVERY_PHOTO, CARD), CARD).n == 1


def test_a_filter_of_the_gallery_narrows_the_count() -> None:
    remember(
        CARD, [Checked("haas", certain(CARD, "haas")), Checked("haas", certain(CARD, "bwt", 0.6))]
    )
    counts = count(GalleryFilter(min_confidence=0.8), CARD)
    assert figures.summarize(counts, CARD).n == 1


def test_a_new_label_is_counted_at_once() -> None:
    remember(CARD, [Checked("haas", certain(CARD, "haas"))])
    assert figures.summarize(count(EVERY_PHOTO, CARD), CARD).n == 1
    other = make_card(version=2)
    remember(other, [Checked("haas", certain(CARD, "bwt"))], again=True)
    lines = figures.versions(EVERY_PHOTO, CARD.name, get_registry())
    assert [(line.version, line.everything.hits) for line in lines] == [(2, 0), (1, 1)]
    assert figures.summarize(count(EVERY_PHOTO, other), other).right.hits == 0


def test_months_are_those_of_the_upload() -> None:
    sure = certain(CARD, "haas")
    remember(
        CARD,
        [
            Checked("haas", sure, created_at=MARCH.replace(month=5)),
            Checked("bwt", sure),
            Checked("haas", sure),
        ],
    )
    points = figures.by_month(count(EVERY_PHOTO, CARD))
    assert [(point.year, point.month, point.right.hits, point.right.n) for point in points] == [
        (2026, 3, 1, 2),
        (2026, 5, 1, 1),
    ]


def test_the_commonest_mix_up_comes_first_with_its_newest_photos() -> None:
    haas = certain(CARD, "haas")
    remember(
        CARD,
        [
            Checked("bwt", haas),
            Checked("bwt", haas),
            Checked("ferrari", haas),
            Checked("haas", haas),
        ],
    )
    pairs = label_figures.with_photos(
        label_figures.mix_ups(count(EVERY_PHOTO, CARD), CARD),
        GalleryFilter(model=CARD.name, version=CARD.version),
    )
    assert [(pair.truth, pair.decision, pair.n) for pair in pairs] == [
        ("bwt", "haas", 2),
        ("ferrari", "haas", 1),
    ]
    assert [photo.public_id for photo in pairs[0].photos] == ["photo-2", "photo-1"]


def test_labels_that_are_mixed_up_stand_beside_each_other() -> None:
    table = {("a", "d"): 5, ("d", "a"): 4, ("b", "e"): 3, ("a", "a"): 10, ("c", "c"): 9}
    assert cluster(["a", "b", "c", "d", "e"], table) == ["a", "d", "b", "e", "c"]


def test_a_grouped_matrix_counts_parents() -> None:
    card = make_wide_card()
    remember(
        card,
        [
            Checked("car-000", certain(card, "car-004")),
            Checked("car-001", certain(card, "car-002")),
        ],
    )
    grouped = confusion_matrix(count(EVERY_PHOTO, card), card, grouped=True)
    assert grouped.counts == {("Maker 0", "Maker 0"): 1, ("Maker 1", "Maker 2"): 1}
    assert grouped.rows == ("Maker 0", "Maker 1", "Maker 2", "Maker 3")


def test_the_held_out_figure_counts_what_was_said() -> None:
    card = make_card(metrics={"test": {"n": 200, "unclassified": 0.1, "top1_when_decided": 0.95}})
    share = figures.held_out(card)
    assert share is not None
    assert (share.hits, share.n) == (171, 200)


def test_without_a_filter_only_the_sums_of_the_version_are_read() -> None:
    steps = plan_of(lambda: figures.storage.count_answers(EVERY_PHOTO, "f1-teams", 1))
    index = "sqlite_autoindex_month_counters_1 (model=? AND version=?)"
    assert steps == [f"SEARCH month_counters USING INDEX {index}"]
    steps = plan_of(lambda: figures.storage.months_of_versions(EVERY_PHOTO, "f1-teams"))
    assert "model=?" in steps[0]


def test_with_a_filter_its_photos_are_read_once() -> None:
    steps = plan_of(
        lambda: figures.storage.count_answers(GalleryFilter(ground_truth="haas"), "f1-teams", 1)
    )
    assert sum("cars USING INDEX ix_cars_ground_truth" in step for step in steps) == 1
    assert not [step for step in steps if step in ("SCAN photos", "SCAN checked_answers")]
