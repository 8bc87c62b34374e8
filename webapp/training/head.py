"""The last layer alone: features of the photos, computed once and kept, and a dense layer that learns from them in seconds."""

import math
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from webapp.training.augment import vary
from webapp.training.batches import Feed
from webapp.training.recipe import Recipe

BATCH = 128
Floats = NDArray[np.float32]
Infer = Callable[[NDArray[Any]], dict[str, Floats]]


def views_of(
    pixels: Sequence[NDArray[np.uint8]],
    height: int,
    width: int,
    recipe: Recipe,
    rng: np.random.Generator,
) -> Floats:
    """A random view of each of these photos: float32 RGB in 0..255 of shape (photos, height, width, 3)."""
    return np.stack([vary(one, height, width, recipe.augmentation, rng) for one in pixels])


def extract(
    infer: Infer, pixels: Sequence[NDArray[np.uint8]], recipe: Recipe, batch: int
) -> tuple[Floats, dict[str, float]]:
    """The embedding of a random view of each photo, shape (photos, features), and how busy the network was kept meanwhile.

    Views are made ahead by threads, `batch` at a time, and depend on the recipe's seed alone.
    """
    started, spec = time.monotonic(), recipe.input

    def make(number: int) -> Floats:
        rng = np.random.default_rng([recipe.seed, 0, 0, 1 + number])
        return views_of(
            pixels[number * batch : (number + 1) * batch], spec.height, spec.width, recipe, rng
        )

    feed = Feed(make, math.ceil(len(pixels) / batch))
    shown = tqdm(feed, total=feed.count, desc="features", file=sys.stderr, leave=False)
    features = np.concatenate([infer(views)["embedding"] for views in shown])
    return features, busy(len(pixels), time.monotonic() - started, feed.waited)


def learn_head(
    features: Floats, truths: NDArray[np.int64], weights: Floats, labels: int, recipe: Recipe
) -> list[Floats]:
    """Kernel (features, labels) and bias (labels,) of a dense layer that has learnt `truths`, each photo's place in the label order.

    `weights` multiply the loss of each photo.
    """
    head = keras.Sequential(
        [
            keras.Input((features.shape[1],)),
            keras.layers.Dropout(recipe.dropout),
            keras.layers.Dense(labels, activation="softmax"),
        ]
    )
    head.compile(
        keras.optimizers.AdamW(recipe.head_rate, weight_decay=1e-3),
        keras.losses.CategoricalCrossentropy(label_smoothing=recipe.smoothing),
    )
    targets = np.eye(labels, dtype=np.float32)[truths]
    head.fit(
        features,
        targets,
        batch_size=BATCH,
        epochs=recipe.head_epochs,
        sample_weight=weights,
        verbose=0,
    )
    return list(head.layers[-1].get_weights())


def busy(photos: int, seconds: float, waited: float) -> dict[str, float]:
    """For a line of the history: photos per second, and the share of the time spent waiting for them."""
    seconds = max(seconds, 1e-9)
    return {"photos_per_second": round(photos / seconds, 1), "waited": round(waited / seconds, 4)}
