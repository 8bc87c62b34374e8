"""Training: the last layer, feature extraction against the bare network, waiting for batches.

Run `python -m benchmarks.training` on an idle machine. Limits: the last layer learns 6,500 photos
of 196 labels in under 60 s, and extraction runs at 80 % of the bare network's speed or more.
Weights are random, photos are noise of 250 x 250 pixels: neither changes the time.
"""

import argparse
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from webapp.training.augment import views_of
from webapp.training.batches import THREADS, Batches
from webapp.training.head import extract, train_head
from webapp.training.network import build_network, for_learning
from webapp.training.recipe import Recipe, find_recipe
from webapp.training.run import EVALUATION_BATCH, Inference, make_step

_PHOTOS, _LABELS = 6500, 196
_LONGEST_HEAD = 60.0  # seconds
_LEAST_SHARE = 0.8
_Photos = list[NDArray[np.uint8]]


def main() -> None:
    """Print the figures; exit 1 when a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=640, help="photos in a round of extraction")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of extraction, in turns")
    parser.add_argument("--steps", type=int, default=12, help="training steps to measure waiting")
    options = parser.parse_args()
    recipe = find_recipe("stanford-cars")
    rng = np.random.default_rng(1)
    pixels = [rng.integers(0, 256, (250, 250, 3), dtype=np.uint8) for _ in range(options.photos)]
    truths, centres = np.arange(_PHOTOS) % _LABELS, rng.normal(0, 1, (_LABELS, 1280))
    features = np.maximum(centres[truths] + rng.normal(0, 2, (_PHOTOS, 1280)), 0).astype(np.float32)
    started = time.perf_counter()
    kernel, bias = train_head(features, truths, np.ones(_PHOTOS, np.float32), _LABELS, recipe)
    seconds = time.perf_counter() - started
    right = float(((features @ kernel + bias).argmax(axis=1) == truths).mean())
    work = f"{_PHOTOS} photos, {_LABELS} labels, {recipe.head_epochs} epochs"
    print(f"last layer: {work} in {seconds:.1f} s; it knows {right:.0%} of them")
    share = statistics.median(_measure_extraction(recipe, pixels) for _ in range(options.rounds))
    print(f"median share {share:.0%} (limit {_LEAST_SHARE:.0%})")
    for threads in (1, THREADS):
        waited = _measure_waiting(recipe, pixels, threads, options.steps)
        print(f"training with {threads} threads for batches: waited {waited:.1%} of the time")
    raise SystemExit(1 if seconds > _LONGEST_HEAD or share < _LEAST_SHARE else 0)


def _measure_extraction(recipe: Recipe, pixels: _Photos) -> float:
    """Extraction's speed as a share of the bare network's on arrays that are ready."""
    size = (recipe.input.height, recipe.input.width)
    infer = Inference(build_network(recipe, _LABELS, size))
    ready = views_of(pixels, size, recipe.augmentation, np.random.default_rng(2))
    infer(ready[: 2 * EVALUATION_BATCH])  # traces the function
    started = time.perf_counter()
    infer(ready)
    bare = len(ready) / (time.perf_counter() - started)
    _, figures = extract(infer, pixels, recipe, EVALUATION_BATCH)
    speed = figures["photos_per_second"]
    print(f"extraction {speed:.0f} photos/s, bare network {bare:.0f}: {speed / bare:.0%}")
    return speed / bare


def _measure_waiting(recipe: Recipe, pixels: _Photos, threads: int, steps: int) -> float:
    """Share of the time that training waits for batches of the recipe's first stage."""
    size, batch = recipe.stages[0].size, recipe.batch
    average = build_network(recipe, _LABELS, size)
    network, optimizer = for_learning(average), keras.optimizers.AdamW(1e-4)
    optimizer.build(network.trainable_variables)
    step = make_step(network, average, optimizer)
    targets, decay = tf.constant(np.eye(_LABELS, dtype=np.float32)[:batch]), tf.constant(0.9)

    def make(number: int) -> NDArray[np.float32]:
        chunk = [pixels[(number * batch + place) % len(pixels)] for place in range(batch)]
        return views_of(chunk, size, recipe.augmentation, np.random.default_rng([3, number]))

    step(tf.constant(make(0)), targets, decay)  # traces the function
    batches, started = Batches(make, steps, threads), time.monotonic()
    for views in batches:
        float(step(tf.constant(views), targets, decay))
    return batches.waited / (time.monotonic() - started)


if __name__ == "__main__":
    main()
