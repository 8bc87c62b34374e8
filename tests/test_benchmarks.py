"""The benchmarks, which nothing else imports, use names that are there."""

import importlib

import pytest


@pytest.mark.parametrize(
    "name",
    ["classify", "detectors", "gallery", "memory", "scenes", "serve", "servers", "together"],
)
def test_a_benchmark_can_be_imported(name: str) -> None:
    importlib.import_module(f"benchmarks.{name}")


@pytest.mark.tensorflow
def test_the_benchmark_of_training_can_be_imported() -> None:
    pytest.importorskip("tensorflow", reason="training needs TensorFlow")
    importlib.import_module("benchmarks.training")
