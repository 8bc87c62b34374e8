"""One run of training a detector, saved after every epoch."""

import hashlib
import json
import sys
import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tqdm import tqdm

from webapp.training.batches import Batches
from webapp.training.checkpoint import Arrays, Checkpoint
from webapp.training.dataset import fingerprint
from webapp.training.detector.data import BoxData
from webapp.training.detector.loss import DetectionLoss
from webapp.training.detector.network import build_detector
from webapp.training.detector.recipe import DetectorRecipe
from webapp.training.detector.scenes import MOST_BOXES, NOTHING, Scene
from webapp.training.detector.weights import first_weights, narrow_widths
from webapp.training.head import throughput
from webapp.training.job import TrainingJob, TrainingProgress, say
from webapp.training.network import unfreeze
from webapp.training.schedule import rates_of_epoch

_VALIDATION_SEED = 20_26
_VALIDATION_VIEWS = 320
Targets = tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int8]]


class DetectorRun:
    """A detector that learns, and its running average, which is kept."""

    def __init__(
        self, job: TrainingJob[DetectorRecipe], recipe: DetectorRecipe, data: BoxData
    ) -> None:
        keras.utils.set_random_seed(recipe.seed)
        self.job, self.recipe = job, recipe
        self.maker = data.maker()
        size = (recipe.input.height, recipe.input.width)
        self.network = build_detector(size, narrow_widths(recipe.width))
        unfreeze(self.network, recipe.unfreeze)
        self.average = build_detector(size, narrow_widths(recipe.width))
        self.loss = DetectionLoss(size)
        self.validation = _validation_views(data)
        digest = json.dumps(recipe.settings(), sort_keys=True)
        recipe_hash = hashlib.sha256(digest.encode()).hexdigest()
        self.progress = TrainingProgress(fingerprint(data.parts), recipe_hash)
        self.best: Arrays = []

    def train(self) -> keras.Model:
        """Train from the start or from the last epoch that was saved; the best average."""
        recipe, progress = self.recipe, self.progress
        optimizer = keras.optimizers.AdamW(
            recipe.rate, weight_decay=recipe.weight_decay, clipnorm=5.0
        )
        optimizer.exclude_from_weight_decay(var_names=["bias"])
        optimizer.build(self.network.trainable_variables)
        stored = None if self.job.resume is False else Checkpoint.read(self.job.work)
        mine = (progress.fingerprint, progress.recipe)
        if stored and (stored.progress.fingerprint, stored.progress.recipe) == mine:
            self.progress, self.best = stored.progress, stored.best
            self.network.set_weights(stored.weights)
            self.average.set_weights(stored.average)
            for variable, value in zip(optimizer.variables, stored.optimizer, strict=True):
                variable.assign(value)
            say(f"going on after {len(self.progress.history)} epochs")
        else:
            first_weights(self.network, self.job.weights, recipe, self.maker)
            self.average.set_weights(self.network.get_weights())
        step = self._make_step(optimizer)
        steps = max(1, recipe.views // recipe.batch)
        with tqdm(unit="view", file=sys.stderr, smoothing=0.1) as bar:
            bar.total = recipe.epochs * steps * recipe.batch
            bar.update(len(self.progress.history) * steps * recipe.batch)
            while not self.progress.finished:
                self._train_epoch(step, optimizer, steps, bar)
        self.average.set_weights(self.best)
        return self.average

    def _train_epoch(
        self,
        step: Any,
        optimizer: keras.optimizers.Optimizer,
        steps: int,
        bar: "tqdm[Any]",
    ) -> None:
        recipe, progress, started = self.recipe, self.progress, time.monotonic()
        epoch = len(progress.history)
        rates = rates_of_epoch("cosine", recipe.rate, recipe.epochs, steps, [0.0] * epoch)
        batches = Batches(lambda number: self._batch([recipe.seed, epoch, number]), steps)
        losses = []
        for rate, (views, boxes, kinds) in zip(rates, batches, strict=True):
            optimizer.learning_rate.assign(rate)
            progress.steps += 1
            decay = min(recipe.averaging, (1 + progress.steps) / (10 + progress.steps))
            batch = tf.constant(views), tf.constant(boxes), tf.constant(kinds)
            losses.append(float(step(*batch, tf.constant(decay, tf.float32))))
            bar.update(len(views))
            self.job.on_step(progress)
        seconds = time.monotonic() - started
        speed = throughput(steps * recipe.batch, seconds, batches.waited)
        self._end_epoch(float(np.mean(losses)), float(rates[-1]), seconds, speed)
        state = [np.asarray(variable) for variable in optimizer.variables]
        weights, average = self.network.get_weights(), self.average.get_weights()
        Checkpoint(progress, weights, average, state, self.best).write(self.job.work)
        self.job.end_epoch(progress)

    def _end_epoch(self, loss: float, rate: float, seconds: float, speed: dict[str, float]) -> None:
        progress = self.progress
        views, boxes, kinds = self.validation
        parts = []
        for start in range(0, len(views), 16):
            part = slice(start, start + 16)
            outputs = self.average(views[part].astype(np.float32), training=False)
            parts.append(float(self.loss(outputs, tf.constant(boxes[part]), kinds[part])))
        validation_loss = float(np.mean(parts))
        progress.seconds += seconds
        line = {"stage": "all layers", "seconds": round(seconds, 1), "loss": round(loss, 4)}
        line |= {"rate": float(f"{rate:.3g}"), "validation_loss": round(validation_loss, 4)}
        if validation_loss < progress.best_loss or not self.best:
            progress.best_loss, progress.best_epoch = validation_loss, len(progress.history)
            self.best = self.average.get_weights()
        progress.history.append(line | speed)
        progress.finished = len(progress.history) >= self.recipe.epochs
        say(", ".join(f"{key.replace('_', ' ')} {value}" for key, value in (line | speed).items()))

    def _batch(self, seeds: list[int]) -> Targets:
        rng = np.random.default_rng(seeds)
        return stack([self.maker.view(rng) for _ in range(self.recipe.batch)])

    def _make_step(self, optimizer: keras.optimizers.Optimizer) -> Any:
        network, average = self.network, self.average

        @tf.function(reduce_retracing=True)
        def step(
            views: tf.Tensor, boxes: tf.Tensor, kinds: tf.Tensor, decay: tf.Tensor
        ) -> tf.Tensor:
            with tf.GradientTape() as tape:
                outputs = network(tf.cast(views, tf.float32), training=True)
                loss = self.loss(outputs, boxes, kinds)
            variables = network.trainable_variables
            gradients = tape.gradient(loss, variables)
            optimizer.apply_gradients(zip(gradients, variables, strict=True))
            for kept, new in zip(average.weights, network.weights, strict=True):
                kept.assign(kept * decay + new * (1 - decay))
            return loss

        return step


def stack(views: list[Scene]) -> Targets:
    """Views of one size as pixels (views, height, width, 3), boxes (views, `MOST_BOXES`, 4) and
    kinds (views, `MOST_BOXES`), filled up with boxes of no kind."""
    boxes = np.zeros((len(views), MOST_BOXES, 4), np.float32)
    kinds = np.full((len(views), MOST_BOXES), NOTHING, np.int8)
    for place, view in enumerate(views):
        boxes[place, : len(view.boxes)] = view.boxes
        kinds[place, : len(view.kinds)] = view.kinds
    return np.stack([view.pixels for view in views]), boxes, kinds


def _validation_views(data: BoxData) -> Targets:
    """The same views of validation photos for every epoch."""
    rng, maker = np.random.default_rng(_VALIDATION_SEED), data.maker("validation")
    return stack([maker.view(rng) for _ in range(_VALIDATION_VIEWS)])
