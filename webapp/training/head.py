"""The last layer alone: it learns in seconds from features of the photos, computed once."""

import math
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from webapp.training.augment import Floats, Pixels, views_of
from webapp.training.batches import Batches
from webapp.training.recipe import Recipe

_Infer = Callable[[NDArray[Any]], dict[str, Floats]]


def extract(
    infer: _Infer, pixels: Sequence[Pixels], recipe: Recipe, batch: int
) -> tuple[Floats, dict[str, float]]:
    """The embedding of a random view of each photo, (photos, features), and its `throughput`."""
    started, how = time.monotonic(), recipe.augmentation
    size = (recipe.input.height, recipe.input.width)

    def make(number: int) -> Floats:
        rng = np.random.default_rng([recipe.seed, 0, 0, 1 + number])
        return views_of(pixels[number * batch : (number + 1) * batch], size, how, rng)

    batches = Batches(make, math.ceil(len(pixels) / batch))
    bar = tqdm(batches, total=batches.count, desc="features", file=sys.stderr, leave=False)
    features = np.concatenate([infer(views)["embedding"] for views in bar])
    return features, throughput(len(pixels), time.monotonic() - started, batches.waited)


def train_head(
    features: Floats, truths: NDArray[np.int64], weights: Floats, labels: int, recipe: Recipe
) -> list[Floats]:
    """Kernel (features, labels) and bias (labels,) of a dense layer trained on (photos, features).

    `truths` are places in the label order, `weights` multiply the loss of each photo.
    """
    dense = keras.layers.Dense(labels, activation="softmax")
    inputs = keras.Input((features.shape[1],))
    head = keras.Sequential([inputs, keras.layers.Dropout(recipe.dropout), dense])
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=recipe.smoothing)
    head.compile(keras.optimizers.AdamW(recipe.head_rate, weight_decay=1e-3), loss)
    targets, epochs = np.eye(labels, dtype=np.float32)[truths], recipe.head_epochs
    head.fit(features, targets, batch_size=128, epochs=epochs, sample_weight=weights, verbose=0)
    return list(dense.get_weights())


def throughput(photos: int, seconds: float, waited: float) -> dict[str, float]:
    """For a line of the history: photos per second, and the share of time spent waiting."""
    seconds = max(seconds, 1e-9)
    return {"photos_per_second": round(photos / seconds, 1), "waited": round(waited / seconds, 4)}
