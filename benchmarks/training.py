"""Training: the last layer alone on kept features, feature extraction against the bare network, and how long the learner waits for photos.

Run `python -m benchmarks.training` on an idle machine. Limits: the last layer learns 6,500 photos of 196 labels in under 60 s, and
extraction runs at 80 % of the bare network's speed or more. Weights are random, photos are noise of 250 x 250 pixels: neither changes the
time.
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

from webapp.training.batches import MAKERS, Feed
from webapp.training.head import extract, learn_head, views_of
from webapp.training.network import build_network, for_learning
from webapp.training.recipe import Recipe, find_recipe
from webapp.training.run import EVALUATION_BATCH, Inference, make_step

PHOTOS, LABELS = 6500, 196
LONGEST_HEAD = 60.0
LEAST_SHARE = 0.8


def main() -> None:
    """Print the figures; exit 1 when a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=640, help="photos in a round of extraction")
    parser.add_argument(
        "--rounds", type=int, default=5, help="rounds of extraction; the two take turns"
    )
    parser.add_argument(
        "--steps", type=int, default=12, help="learning steps for the share of waiting"
    )
    wanted = parser.parse_args()
    recipe = find_recipe("stanford-cars")
    rng = np.random.default_rng(1)
    pixels = [rng.integers(0, 256, (250, 250, 3), dtype=np.uint8) for _ in range(wanted.photos)]
    seconds = head(recipe, rng)
    shares = extraction(recipe, pixels, wanted.rounds)
    for makers in (1, MAKERS):
        print(
            f"learning with {makers} making batches: waited {waiting(recipe, pixels, makers, wanted.steps):.1%} of the time"
        )
    raise SystemExit(1 if seconds > LONGEST_HEAD or statistics.median(shares) < LEAST_SHARE else 0)


def head(recipe: Recipe, rng: np.random.Generator) -> float:
    """Seconds of the last layer's training, on features that lie around a centre for each label."""
    truths = np.arange(PHOTOS) % LABELS
    centres = rng.normal(0, 1, (LABELS, 1280))
    features = np.maximum(centres[truths] + rng.normal(0, 2, (PHOTOS, 1280)), 0).astype(np.float32)
    started = time.perf_counter()
    kernel, bias = learn_head(features, truths, np.ones(PHOTOS, dtype=np.float32), LABELS, recipe)
    seconds = time.perf_counter() - started
    right = float(((features @ kernel + bias).argmax(axis=1) == truths).mean())
    print(
        f"last layer: {PHOTOS} photos, {LABELS} labels, {recipe.head_epochs} epochs in {seconds:.1f} s; it knows {right:.0%} of them"
    )
    return seconds


def extraction(recipe: Recipe, pixels: list[NDArray[np.uint8]], rounds: int) -> list[float]:
    """Extraction's speed as a share of the bare network's on arrays that are ready, round by round."""
    spec = recipe.input
    infer = Inference(
        build_network(recipe.backbone, spec.height, spec.width, LABELS, dropout=0.2, momentum=0.9)
    )
    ready = views_of(pixels, spec.height, spec.width, recipe, np.random.default_rng(2))
    infer(ready[: 2 * EVALUATION_BATCH])  # traced
    shares = []
    for _ in range(rounds):
        started = time.perf_counter()
        infer(ready)
        bare = len(ready) / (time.perf_counter() - started)
        _, figures = extract(infer, pixels, recipe, EVALUATION_BATCH)
        shares.append(figures["photos_per_second"] / bare)
        speeds = f"extraction {figures['photos_per_second']:.0f} photos/s, bare network {bare:.0f}"
        print(f"{speeds}: {shares[-1]:.0%}; waited {figures['waited']:.1%}")
    print(f"median share {statistics.median(shares):.0%} (limit {LEAST_SHARE:.0%})")
    return shares


def waiting(recipe: Recipe, pixels: list[NDArray[np.uint8]], makers: int, steps: int) -> float:
    """Share of the time that the learner waits for batches of the recipe's first stage made by so many threads."""
    stage = recipe.stages[0]
    average = build_network(
        recipe.backbone, stage.height, stage.width, LABELS, dropout=0.2, momentum=0.9
    )
    network, optimizer = for_learning(average), keras.optimizers.AdamW(1e-4)
    optimizer.build(network.trainable_variables)
    step, targets = (
        make_step(network, average, optimizer),
        tf.constant(np.eye(LABELS, dtype=np.float32)[: recipe.batch]),
    )

    def make(number: int) -> NDArray[np.float32]:
        chunk = [pixels[(number * recipe.batch + one) % len(pixels)] for one in range(recipe.batch)]
        return views_of(
            chunk, stage.height, stage.width, recipe, np.random.default_rng([3, number])
        )

    step(tf.constant(make(0)), targets, tf.constant(0.9))  # traced
    feed, started = Feed(make, steps, makers), time.monotonic()
    for views in feed:
        float(step(tf.constant(views), targets, tf.constant(0.9)))
    return feed.waited / (time.monotonic() - started)


if __name__ == "__main__":
    main()
