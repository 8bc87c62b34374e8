"""What a training leaves behind after every epoch."""

from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import pytest

pytest.importorskip("tensorflow", reason="training needs TensorFlow")

import tensorflow as tf

from tests.training.toys import toy_recipe
from webapp.training.callbacks import curves, tensorboard
from webapp.training.job import TrainingJob, TrainingProgress

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


def after(*history: dict[str, object]) -> TrainingProgress:
    return TrainingProgress("photos", "recipe", history=list(history))


def logged(folder: Path) -> dict[tuple[str, int], float]:
    """Every scalar of the log by tag and step."""
    scalars = {}
    for path in sorted(folder.glob("events*")):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                assert value.metadata.plugin_data.plugin_name == "scalars"
                scalars[value.tag, event.step] = float(tf.make_ndarray(value.tensor))
    return scalars


def test_the_log_has_the_scalars_of_every_epoch(tmp_path: Path) -> None:
    write = tensorboard(tmp_path / "board")
    write(after(HEAD))
    write(after(HEAD, EPOCH))
    scalars = logged(tmp_path / "board")
    assert scalars["loss/validation", 0] == pytest.approx(1.5)
    assert scalars["loss/learning", 1] == pytest.approx(1.0)
    assert scalars["time/share waited for photos", 1] == pytest.approx(0.01)
    assert ("loss/learning", 0) not in scalars


def test_a_run_that_starts_anew_forgets_the_old_log_and_one_that_goes_on_keeps_it(
    tmp_path: Path,
) -> None:
    tensorboard(tmp_path)(after(HEAD))
    tensorboard(tmp_path)(after(HEAD, EPOCH))
    assert ("loss/validation", 0) in logged(tmp_path)
    tensorboard(tmp_path)(after(HEAD | {"validation_loss": 3.0}))
    assert logged(tmp_path)["loss/validation", 0] == pytest.approx(3.0)
    assert ("loss/validation", 1) not in logged(tmp_path)


def test_the_curves_are_pictures_that_say_what_they_show(tmp_path: Path) -> None:
    curves(tmp_path)(after(HEAD, EPOCH))
    for name in ("loss.svg", "right.svg"):
        root = ElementTree.fromstring((tmp_path / name).read_bytes())  # noqa: S314
        assert root.get("role") == "img"
        assert [element.tag.rpartition("}")[2] for element in root][:2] == ["title", "desc"]


def test_one_epoch_is_no_curve(tmp_path: Path) -> None:
    curves(tmp_path)(after(HEAD))
    assert not list(tmp_path.iterdir())


def test_callbacks_are_called_in_turn(tmp_path: Path) -> None:
    called: list[str] = []
    callbacks = [partial(lambda name, _: called.append(name), name) for name in ("first", "second")]
    job = TrainingJob(toy_recipe(), (), tmp_path, tmp_path, on_epoch=tuple(callbacks))
    job.end_epoch(after(HEAD))
    assert called == ["first", "second"]
