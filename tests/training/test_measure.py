"""Calibrating and measuring the outputs of a network."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="training needs TensorFlow")

from webapp.training.calibration import Calibration
from webapp.training.dataset import TrainingExample
from webapp.training.measure import NetworkMeasurement, halves

pytestmark = pytest.mark.tensorflow
LABELS = ("blue", "green", "red")


def make_example(number: int, label: str, group: int) -> TrainingExample:
    return TrainingExample(
        Path(f"{number}.jpg"),
        label,
        source="data",
        sha256=f"{number:064x}",
        dhash=0,
        pixels=np.zeros((1, 1, 3), np.uint8),
        group=group,
    )


def make_measurement(count: int = 90) -> NetworkMeasurement:
    """A network that is right about four photos in five and far too modest."""
    rng = np.random.default_rng(4)
    examples = [make_example(number, LABELS[number % 3], number // 2) for number in range(count)]
    truths = np.arange(count) % 3
    named = np.where(rng.random(count) < 0.8, truths, (truths + 1) % 3)
    probabilities = np.full((count, 3), 0.3, np.float32)
    probabilities[np.arange(count), named] = 0.4
    # without a network: its outputs are given
    measurement: Any = object.__new__(NetworkMeasurement)
    measurement.recipe, measurement.groups = SimpleNamespace(label_names=LABELS), {}
    measurement.job, measurement.others, measurement.space = (
        SimpleNamespace(unknown=None),
        None,
        None,
    )
    measurement.parts, measurement.outputs = (
        {"test": examples},
        {"test": {"probabilities": probabilities, "embedding": probabilities}},
    )
    return measurement


def test_near_duplicates_are_in_one_half() -> None:
    examples = make_measurement().parts["test"]
    first = halves(examples)
    assert 30 <= first.sum() <= 60
    assert all(first[place] == first[place + 1] for place in range(0, len(examples), 2))


def test_a_photo_is_not_judged_by_what_it_has_fitted_itself() -> None:
    measurement = make_measurement()
    crossed, first = measurement.judge_crossed("test"), halves(measurement.parts["test"])
    other: Calibration = measurement.calibrate("test", ~first)
    np.testing.assert_allclose(
        crossed.scaled[first], other.judge(measurement.outputs["test"]).scaled[first]
    )
    np.testing.assert_array_equal(crossed.raw, measurement.outputs["test"]["probabilities"])


def test_the_figures_of_a_part_are_those_of_what_was_judged() -> None:
    measurement = make_measurement()
    calibration = measurement.calibrate("test")
    metrics = measurement.metrics(
        {"test": calibration.judge(measurement.outputs["test"])}, calibration
    )
    assert calibration.temperature == pytest.approx(0.25, abs=0.01)  # as low as it goes
    assert metrics["test"]["n"] == 90 and metrics["test"]["top1"] == pytest.approx(0.8, abs=0.1)
    assert (
        set(metrics["test"]["sources"]) == {"data"}
        and "confusion" not in metrics["test"]["sources"]["data"]
    )
    assert "unknown" not in metrics


def test_what_is_under_the_threshold_is_left_undecided() -> None:
    probabilities = np.array(
        [[0.9, 0.05, 0.05], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1]], dtype=np.float32
    )
    judged = Calibration(1.0, 0.65, None).judge({"probabilities": probabilities})
    assert judged.decided.tolist() == [True, True, False]
    np.testing.assert_allclose(judged.score, [0.9, 0.7, 0.6], rtol=1e-6)
