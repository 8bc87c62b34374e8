"""Calibrating and measuring what a network said."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="training needs TensorFlow")

from webapp.training.dataset import Example
from webapp.training.measure import Bench, Calibration, halves

pytestmark = pytest.mark.tensorflow
LABELS = ("blue", "green", "red")


def make_example(number: int, label: str, group: int) -> Example:
    return Example(
        Path(f"{number}.jpg"),
        label,
        "data",
        f"{number:064x}",
        0,
        np.zeros((1, 1, 3), np.uint8),
        None,
        group=group,
    )


def make_bench(count: int = 90) -> Bench:
    """A network that is right about four photos in five and far too modest, on photos of three labels."""
    rng = np.random.default_rng(4)
    examples = [make_example(number, LABELS[number % 3], number // 2) for number in range(count)]
    truths = np.arange(count) % 3
    said = np.where(rng.random(count) < 0.8, truths, (truths + 1) % 3)
    probabilities = np.full((count, 3), 0.3, np.float32)
    probabilities[np.arange(count), said] = 0.4
    bench: Any = object.__new__(Bench)  # without a network: what it said is given
    bench.recipe = SimpleNamespace(labels=tuple(SimpleNamespace(name=name) for name in LABELS))
    bench.job, bench.others = SimpleNamespace(unknown=None), None
    bench.parts, bench.said = (
        {"test": examples},
        {"test": {"probabilities": probabilities, "embedding": probabilities}},
    )
    return bench


def test_near_duplicates_are_in_one_half() -> None:
    examples = make_bench().parts["test"]
    first = halves(examples)
    assert 30 <= first.sum() <= 60
    assert all(first[place] == first[place + 1] for place in range(0, len(examples), 2))


def test_a_photo_is_not_judged_by_what_it_has_fitted_itself() -> None:
    bench = make_bench()
    crossed, first = bench.judge_crossed("test"), halves(bench.parts["test"])
    other: Calibration = bench.calibrate("test", ~first)
    np.testing.assert_allclose(crossed.scaled[first], other.judge(bench.said["test"]).scaled[first])
    np.testing.assert_array_equal(crossed.raw, bench.said["test"]["probabilities"])


def test_the_figures_of_a_part_are_those_of_what_was_judged() -> None:
    bench = make_bench()
    calibration = bench.calibrate("test")
    metrics = bench.measure({"test": calibration.judge(bench.said["test"])}, calibration)
    assert calibration.temperature == pytest.approx(0.5, abs=0.01)  # as low as it goes
    assert metrics["test"]["n"] == 90 and metrics["test"]["top1"] == pytest.approx(0.8, abs=0.1)
    assert (
        set(metrics["test"]["sources"]) == {"data"}
        and "confusion" not in metrics["test"]["sources"]["data"]
    )
    assert "unknown" not in metrics


def test_what_is_under_the_threshold_is_left_undecided() -> None:
    said = np.array([[0.9, 0.05, 0.05], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1]], dtype=np.float32)
    judged = Calibration(1.0, 0.65, None).judge({"probabilities": said})
    assert judged.decided.tolist() == [True, True, False]
    np.testing.assert_allclose(judged.score, [0.9, 0.7, 0.6], rtol=1e-6)
