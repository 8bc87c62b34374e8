"""`flask model train --from-history`."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskCliRunner

TRAIN = ("model", "train", "f1-teams")


def test_it_wants_photos_from_one_place(runner: FlaskCliRunner, tmp_path: Path) -> None:
    for options in ((), ("--from-history", "--data", str(tmp_path))):
        result = runner.invoke(args=[*TRAIN, *options])
        assert result.exit_code == 2
        assert "--data FOLDER, or say --from-history" in result.output


def test_too_little_to_learn_from_is_said(runner: FlaskCliRunner) -> None:
    pytest.importorskip("tensorflow", reason="training needs TensorFlow")
    result = runner.invoke(args=[*TRAIN, "--from-history"])
    assert result.exit_code == 1
    assert "0 cars with a label of f1-teams can be learned from" in result.output
