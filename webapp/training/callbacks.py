"""What is written after every epoch: TensorBoard's log, and the curves as pictures."""

import shutil
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.framework.summary_pb2 import SummaryMetadata

from webapp.reports.charts import as_file
from webapp.reports.training_curves import has_curves, loss_svg, right_svg
from webapp.training.job import Callback, TrainingProgress

_TAGS = {
    "loss": "loss/learning",
    "validation_loss": "loss/validation",
    "validation_top1": "right/validation",
    "rate": "rate",
    "seconds": "time/seconds",
    "photos_per_second": "time/photos per second",
    "waited": "time/share waited for photos",
}


def tensorboard(folder: Path) -> Callback:
    """A log that `tensorboard --logdir` shows; a run that starts anew empties the folder first."""
    writers: list[Any] = []

    def write(progress: TrainingProgress) -> None:
        if not writers:
            if len(progress.history) == 1:
                shutil.rmtree(folder, ignore_errors=True)
            writers.append(tf.summary.create_file_writer(str(folder)))
        # what `tf.summary.scalar` does, which needs TensorBoard installed to write a log
        plugin = SummaryMetadata.PluginData(plugin_name="scalars")
        metadata = SummaryMetadata(data_class="DATA_CLASS_SCALAR", plugin_data=plugin)
        step, line = len(progress.history) - 1, progress.history[-1]
        with writers[0].as_default():
            for key, tag in _TAGS.items():
                if line.get(key) is not None:
                    value = tf.constant(line[key], tf.float32)
                    tf.summary.write(tag, value, step=step, metadata=metadata)
        writers[0].flush()

    return write


def curves(folder: Path) -> Callback:
    """`loss.svg` and `right.svg` in `folder`, written again after every epoch."""

    def write(progress: TrainingProgress) -> None:
        if has_curves(progress.history):
            folder.mkdir(parents=True, exist_ok=True)
            for name, chart in (("loss", loss_svg), ("right", right_svg)):
                text = as_file(chart(progress.history))
                (folder / f"{name}.svg").write_text(text, encoding="utf-8")

    return write
