"""One training run: the last layer first, then stage after stage, saved after every epoch."""

import hashlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tqdm import tqdm

from webapp.inference.classifier import scale
from webapp.training.batches import Sampler
from webapp.training.calibration import fit_temperature
from webapp.training.checkpoint import Arrays, Checkpoint
from webapp.training.dataset import Parts, fingerprint, fit_all, reading_side, truths_of
from webapp.training.evaluation.metrics import negative_log_likelihood
from webapp.training.head import extract, throughput, train_head
from webapp.training.job import TrainingJob, TrainingProgress, say
from webapp.training.network import build_network, for_learning, precision_here, reseed, unfreeze
from webapp.training.other_things import exposed
from webapp.training.recipe import Recipe, TrainingStage
from webapp.training.schedule import rates_of_epoch

EVALUATION_BATCH = 16


class Run:
    """A network that learns, and its running average, which is validated and kept."""

    def __init__(
        self, job: TrainingJob[Recipe], recipe: Recipe, parts: Parts, folder: Path | None
    ) -> None:
        """`folder` keeps the checkpoint. Without validation photos the last epoch is kept."""
        keras.utils.set_random_seed(recipe.seed)  # the same in a process that goes on
        self.job, self.recipe, self.folder = job, recipe, folder
        side = reading_side(recipe)
        others = [] if job.unknown is None else exposed(job.unknown, recipe, side)
        self.sampler = Sampler(parts["train"], recipe, others)
        self.validation = fit_all(parts["validation"], recipe.input)
        self.validation_truths = truths_of(parts["validation"], recipe.label_names)
        size = (recipe.input.height, recipe.input.width)
        self.average = build_network(recipe, len(recipe.labels), size, job.weights)
        self.infer = Inference(self.average)
        settings = recipe.settings() | {"refit": None}  # both runs of a refit are one recipe
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
        self.progress = TrainingProgress(fingerprint(parts), digest)
        self.best: Arrays = []

    def train(self) -> None:
        """Train all stages, from the start or from the last epoch that was saved."""
        weights = self.average.get_weights()
        optimizer_state: Arrays = []
        mine = (self.progress.fingerprint, self.progress.recipe)
        folder = None if self.job.resume is False else self.folder
        stored = Checkpoint.read(folder) if folder else None
        if stored and (stored.progress.fingerprint, stored.progress.recipe) == mine:
            self.progress, self.best = stored.progress, stored.best
            weights, optimizer_state = stored.weights, stored.optimizer
            self.average.set_weights(stored.average)
            say(f"going on after {len(self.progress.history)} epochs")
        if not self.progress.head_done:
            self._train_head()
            weights = self.average.get_weights()
        stages, photos = self.recipe.stages, self.sampler.steps * self.recipe.batch
        pixels = [stage.height * stage.width for stage in stages for _ in range(stage.epochs)]
        done = sum(stage.epochs for stage in stages[: self.progress.stage]) + self.progress.epoch
        with tqdm(unit="pixel", unit_scale=True, file=sys.stderr, smoothing=0.1) as bar:
            bar.total = photos * sum(pixels)
            bar.update(photos * sum(pixels[:done]))
            while not self.progress.finished:
                weights = self._train_stage(weights, optimizer_state, bar)
                optimizer_state = []

    def best_network(self) -> keras.Model:
        """The averaged network of the best epoch, or of the last one without validation photos."""
        self.average.set_weights(self.best)
        return self.average

    def _train_head(self) -> None:
        """Train the last layer alone, on a few random views of each photo."""
        recipe, sampler, started = self.recipe, self.sampler, time.monotonic()
        pixels = sampler.pixels * recipe.head_views
        truths = np.tile(sampler.truths, recipe.head_views)
        features, speed = extract(self.infer, pixels, recipe, EVALUATION_BATCH)
        weights = np.tile(sampler.repeats, recipe.head_views) * sampler.label_weights[truths]
        weights, labels = weights.astype(np.float32), len(recipe.labels)
        head = train_head(features, truths, weights, labels, recipe)
        self.average.get_layer("probabilities").set_weights(head)
        self.progress.head_done = True
        self._end_epoch("head", time.monotonic() - started, None, speed)
        self._save(self.average.get_weights(), [])

    def _train_stage(self, weights: Arrays, optimizer_state: Arrays, bar: "tqdm[Any]") -> Arrays:
        """Train the current stage to its end; returns the weights of the network that learns."""
        place, recipe = self.progress.stage, self.recipe
        stage = recipe.stages[place]
        network = build_network(recipe, len(recipe.labels), stage.size)
        network = for_learning(network, precision_here(recipe.precision))
        network.set_weights(weights)
        unfreeze(network, stage.unfreeze)
        optimizer = keras.optimizers.AdamW(
            stage.rate, weight_decay=recipe.weight_decay, clipnorm=1.0
        )
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        optimizer.build(network.trainable_variables)
        if optimizer_state:
            for variable, value in zip(optimizer.variables, optimizer_state, strict=True):
                variable.assign(value)
        step = make_step(network, self.average, optimizer, self.sampler.label_weights)
        while self.progress.stage == place:
            started = time.monotonic()
            bar.set_description(f"{stage.name} {self.progress.epoch + 1}/{stage.epochs}")
            reseed(network, recipe.seed, place, self.progress.epoch)
            loss, speed = self._train_epoch(stage, step, optimizer.learning_rate, bar)
            self.progress.epoch += 1
            rate = {"rate": float(f"{float(optimizer.learning_rate):.3g}")}
            self._end_epoch(stage.name, time.monotonic() - started, loss, rate | speed)
            history = self.progress.history
            stale = min(len(history) - 1 - self.progress.best_epoch, self.progress.epoch)
            if self.progress.epoch >= stage.epochs or 0 < recipe.patience <= stale:
                self.progress.stage, self.progress.epoch = place + 1, 0
                self.progress.finished = self.progress.stage == len(recipe.stages)
            state = optimizer.variables if self.progress.epoch else []
            self._save(network.get_weights(), [np.asarray(variable) for variable in state])
        return list(network.get_weights())

    def _train_epoch(
        self, stage: TrainingStage, step: Any, learning_rate: Any, bar: "tqdm[Any]"
    ) -> tuple[float, dict[str, float]]:
        """Train on every batch of an epoch; returns the mean loss and the throughput."""
        recipe, progress, started = self.recipe, self.progress, time.monotonic()
        batches = self.sampler.batches(stage, [recipe.seed, 1 + progress.stage, progress.epoch])
        lines = progress.history[len(progress.history) - progress.epoch :]  # of this stage
        before = [float(line.get("validation_loss", line["loss"])) for line in lines]
        rates = rates_of_epoch(recipe.schedule, stage.rate, stage.epochs, batches.count, before)
        losses = []
        for rate, (views, targets) in zip(rates, batches, strict=True):
            learning_rate.assign(rate)
            progress.steps += 1
            decay = min(recipe.averaging, (1 + progress.steps) / (10 + progress.steps))
            batch = (tf.constant(views), tf.constant(targets), tf.constant(decay, tf.float32))
            losses.append(float(step(*batch)))
            bar.update(len(views) * stage.height * stage.width)
            self.job.on_step(progress)
        photos, seconds = batches.count * recipe.batch, time.monotonic() - started
        return float(np.mean(losses)), throughput(photos, seconds, batches.waited)

    def _end_epoch(
        self, stage: str, seconds: float, loss: float | None, figures: dict[str, float]
    ) -> None:
        """Validate the average, add a line to the history, keep the best weights so far."""
        progress, truths = self.progress, self.validation_truths
        progress.seconds += seconds
        line: dict[str, Any] = {"stage": stage, "seconds": round(seconds, 1)}
        line |= {"loss": None if loss is None else round(loss, 4)} | figures
        validation_loss = -float(len(progress.history))  # without photos each epoch is the best
        if len(self.validation):
            raw = self.infer(self.validation)["probabilities"]
            # as calibration will do: smoothed labels make a network too modest
            probabilities = scale(raw, fit_temperature(raw, truths))
            validation_loss = negative_log_likelihood(probabilities, truths)
            line["validation_loss"] = round(validation_loss, 4)
            line["validation_top1"] = round(float((raw.argmax(axis=1) == truths).mean()), 4)
        if validation_loss < progress.best_loss or not self.best:
            progress.best_loss, progress.best_epoch = validation_loss, len(progress.history)
            self.best = self.average.get_weights()
        progress.history.append(line)
        values = (pair for pair in line.items() if pair[0] != "stage" and pair[1] is not None)
        text = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in values)
        say(f"{stage}: {text}")

    def _save(self, weights: Arrays, optimizer: Arrays) -> None:
        if self.folder is not None:
            average = self.average.get_weights()
            Checkpoint(self.progress, weights, average, optimizer, self.best).write(self.folder)
        self.job.end_epoch(self.progress)


def make_step(
    network: keras.Model,
    average: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    label_weights: NDArray[np.float32] | None = None,
) -> Any:
    """A compiled step on views, targets and the average's decay, which returns the loss.

    `label_weights` (labels,) multiply the loss, of a blended photo in the shares of its labels.
    """
    weights = None if label_weights is None else tf.constant(label_weights[:, np.newaxis])

    @tf.function(reduce_retracing=True)
    def step(views: tf.Tensor, targets: tf.Tensor, decay: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            probabilities = network(views, training=True)["probabilities"]
            losses = keras.losses.categorical_crossentropy(targets, probabilities)
            if weights is not None:
                losses *= tf.squeeze(targets @ weights, 1)
            loss = tf.reduce_mean(losses)
        variables = network.trainable_variables
        gradients = tape.gradient(loss, variables)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        for kept, new in zip(average.weights, network.weights, strict=True):
            if kept.dtype == "float32":
                kept.assign(kept * decay + new * (1 - decay))
        return loss

    return step


class Inference:
    """A network's outputs for fitted photos, in batches; with its weights of the moment."""

    def __init__(self, network: keras.Model) -> None:
        def infer(batch: tf.Tensor) -> dict[str, tf.Tensor]:
            outputs = network(batch, training=False)
            return {name: outputs[name] for name in ("probabilities", "embedding")}

        shape = (None, *network.input_shape[1:])
        self._infer = tf.function(infer, input_signature=[tf.TensorSpec(shape, tf.float32)])

    def __call__(self, photos: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        """`probabilities` and `embedding` of photos of shape (photos, height, width, 3)."""
        starts = range(0, len(photos), EVALUATION_BATCH)
        chunks = (photos[start : start + EVALUATION_BATCH] for start in starts)
        outputs = [self._infer(tf.constant(chunk.astype(np.float32))) for chunk in chunks]
        return {
            name: np.concatenate([np.asarray(chunk[name]) for chunk in outputs])
            for name in ("probabilities", "embedding")
        }
