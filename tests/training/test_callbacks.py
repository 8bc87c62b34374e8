"""What a training leaves behind after every epoch."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

pytest.importorskip("tensorflow", reason="training needs TensorFlow")

import tensorflow as tf

from tests.training.toys import toy_recipe
from webapp.training.callbacks import followed, to_board, to_curves
from webapp.training.checkpoint import Progress
from webapp.training.job import Job

pytestmark = pytest.mark.tensorflow
HEAD = {
    "stage": "head",
    "seconds": 1.0,
    "loss": None,
    "validation_loss": 1.5,
    "validation_top1": 0.4,
}
EPOCH = {
    "stage": "one",
    "seconds": 2.0,
    "loss": 1.0,
    "rate": 1e-3,
    "waited": 0.01,
    "validation_loss": 1.2,
    "validation_top1": 0.6,
}


def at(*history: dict[str, object]) -> Progress:
    return Progress("photos", "recipe", history=list(history))


def logged(folder: Path) -> dict[tuple[str, int], float]:
    """Every scalar of the log by tag and step."""
    found = {}
    for path in sorted(folder.glob("events*")):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                assert value.metadata.plugin_data.plugin_name == "scalars"
                found[value.tag, event.step] = float(tf.make_ndarray(value.tensor))
    return found


def test_the_log_has_the_scalars_of_every_epoch(tmp_path: Path) -> None:
    write = to_board(tmp_path / "board")
    write(at(HEAD))
    write(at(HEAD, EPOCH))
    scalars = logged(tmp_path / "board")
    assert scalars["loss/validation", 0] == pytest.approx(1.5)
    assert scalars["loss/learning", 1] == pytest.approx(1.0)
    assert scalars["time/share waited for photos", 1] == pytest.approx(0.01)
    assert ("loss/learning", 0) not in scalars


def test_a_run_that_starts_anew_forgets_the_old_log_and_one_that_goes_on_keeps_it(
    tmp_path: Path,
) -> None:
    to_board(tmp_path)(at(HEAD))
    to_board(tmp_path)(at(HEAD, EPOCH))
    assert ("loss/validation", 0) in logged(tmp_path)
    to_board(tmp_path)(at(HEAD | {"validation_loss": 3.0}))
    assert logged(tmp_path)["loss/validation", 0] == pytest.approx(3.0)
    assert ("loss/validation", 1) not in logged(tmp_path)


def test_the_curves_are_pictures_that_say_what_they_show(tmp_path: Path) -> None:
    to_curves(tmp_path)(at(HEAD, EPOCH))
    for name in ("loss.svg", "right.svg"):
        root = ElementTree.fromstring((tmp_path / name).read_bytes())  # noqa: S314
        assert root.get("role") == "img"
        assert [one.tag.rpartition("}")[2] for one in root][:2] == ["title", "desc"]


def test_one_epoch_is_no_curve(tmp_path: Path) -> None:
    to_curves(tmp_path)(at(HEAD))
    assert not list(tmp_path.iterdir())


def test_everybody_is_told_in_turn(tmp_path: Path) -> None:
    heard: list[str] = []
    job = Job(toy_recipe(), (), tmp_path, tmp_path, after_epoch=lambda _: heard.append("first"))
    followed(job, lambda _: heard.append("second"), lambda _: heard.append("third")).after_epoch(
        at(HEAD)
    )
    assert heard == ["first", "second", "third"]
