"""A run that was killed at any moment ends as one that was not."""

import multiprocessing
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("tensorflow", reason="training needs TensorFlow")

from tests.training.toys import toy_recipe, write_pictures
from webapp.training.checkpoint import Checkpoint
from webapp.training.job import TrainingJob, TrainingProgress
from webapp.training.run import Run
from webapp.training.train import prepare

pytestmark = pytest.mark.tensorflow
LAST_STEP = 11  # inside the last epoch but one


def toy_run(data: Path, work: Path, last_step: int = 0) -> Run:
    """A run with dropout and mixing, whose process is killed at its step `last_step`."""

    def watch(progress: TrainingProgress) -> None:
        if progress.steps == last_step:
            os.kill(os.getpid(), signal.SIGKILL)

    job = TrainingJob(
        replace(toy_recipe(), dropout=0.4), (data,), work / "models", work, on_step=watch
    )
    data = prepare(job)
    return Run(job, data.recipe, data.parts, work)


def train_until_killed(data: Path, work: Path) -> None:
    toy_run(data, work, LAST_STEP).train()


def outcome(run: Run) -> tuple[list[float], NDArray[np.float32]]:
    """Validation losses after each epoch, and the best network's validation probabilities."""
    run.train()
    run.best_network()
    return [line["validation_loss"] for line in run.progress.history], run.infer(run.validation)[
        "probabilities"
    ]


def test_a_run_that_was_killed_ends_like_one_that_was_not(tmp_path: Path) -> None:
    data = write_pictures(tmp_path / "data", 15)
    (losses, answers), (losses_again, answers_again) = (
        outcome(toy_run(data, tmp_path / name)) for name in ("one", "two")
    )
    noise = float(np.abs(answers - answers_again).max())

    child = multiprocessing.get_context("spawn").Process(
        target=train_until_killed, args=(data, tmp_path / "killed")
    )
    child.start()
    child.join(300)
    assert child.exitcode == -signal.SIGKILL
    stored = Checkpoint.read(tmp_path / "killed")
    assert stored is not None and 1 < len(stored.progress.history) < len(losses)

    losses_resumed, answers_resumed = outcome(toy_run(data, tmp_path / "killed"))
    assert losses == pytest.approx(losses_again, abs=1e-3)
    assert losses_resumed == pytest.approx(losses, abs=1e-3)
    assert np.abs(answers - answers_resumed).max() <= 2 * noise + 1e-4
