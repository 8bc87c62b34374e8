"""What is written down after every epoch: TensorBoard's log, and the curves as pictures."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.framework.summary_pb2 import SummaryMetadata

from webapp.reports.charts import as_file
from webapp.reports.training_curves import has_curves, loss_svg, right_svg
from webapp.training.checkpoint import Progress
from webapp.training.job import Job

BOARD = "tensorboard"
TAGS = {
    "loss": "loss/learning",
    "validation_loss": "loss/validation",
    "validation_top1": "right/validation",
    "rate": "rate",
    "seconds": "time/seconds",
    "photos_per_second": "time/photos per second",
    "waited": "time/share waited for photos",
}
Follower = Callable[[Progress], None]


def followed(job: Job, *followers: Follower) -> Job:
    """The job with more who are told after every epoch, behind the one who is already."""
    everybody = (job.after_epoch, *followers)

    def tell(progress: Progress) -> None:
        for one in everybody:
            one(progress)

    return replace(job, after_epoch=tell)


def to_board(folder: Path) -> Follower:
    """A log in `folder` that `tensorboard --logdir` shows. A run that starts anew empties the folder; one that goes on adds to it."""
    writers: list[Any] = []

    def write(progress: Progress) -> None:
        if not writers:
            if len(progress.history) == 1:
                shutil.rmtree(folder, ignore_errors=True)
            writers.append(tf.summary.create_file_writer(str(folder)))
        with writers[0].as_default():
            for key, tag in TAGS.items():
                value = progress.history[-1].get(key)
                if value is not None:
                    _scalar(tag, float(value), len(progress.history) - 1)
        writers[0].flush()

    return write


def to_curves(folder: Path) -> Follower:
    """`loss.svg` and `right.svg` in `folder`, drawn anew after every epoch."""

    def draw(progress: Progress) -> None:
        if has_curves(progress.history):
            folder.mkdir(parents=True, exist_ok=True)
            for name, drawn in (
                ("loss.svg", loss_svg(progress.history)),
                ("right.svg", right_svg(progress.history)),
            ):
                (folder / name).write_text(as_file(drawn), encoding="utf-8")

    return draw


def _scalar(tag: str, value: float, step: int) -> None:
    """What `tf.summary.scalar` writes; that one wants TensorBoard installed, which only who reads the log needs."""
    metadata = SummaryMetadata(
        data_class="DATA_CLASS_SCALAR",
        plugin_data=SummaryMetadata.PluginData(plugin_name="scalars"),
    )
    tf.summary.write(tag, tf.constant(value, tf.float32), step=step, metadata=metadata)
