"""One training run: the last layer first, then stage after stage, saved after every epoch."""

import hashlib
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tqdm import tqdm

from webapp.training.calibration import fit_temperature, scaled
from webapp.training.checkpoint import Arrays, Checkpoint
from webapp.training.dataset import Parts, fingerprint, fit_all, truths_of
from webapp.training.evaluation.metrics import negative_log_likelihood
from webapp.training.head import extract, throughput, train_head
from webapp.training.job import TrainingJob, TrainingProgress, say
from webapp.training.network import build_network, for_learning, precision_here, reseed, unfreeze
from webapp.training.recipe import Recipe, TrainingStage
from webapp.training.sampling import Sampler
from webapp.training.schedule import rates_of_epoch

EVALUATION_BATCH = 16


class Run:
    """A network that learns, and its running average, which is validated and kept."""

    def __init__(self, job: TrainingJob, recipe: Recipe, parts: Parts, folder: Path | None) -> None:
        """Without validation photos the last epoch is kept instead of the best.

        `folder` keeps the checkpoint, if any; a run of the same photos and recipe goes on.
        """
        keras.utils.set_random_seed(recipe.seed)  # the same in a process that goes on
        self.job, self.recipe, self.folder = job, recipe, folder
        self.sampler = Sampler(parts["train"], recipe)
        self.validation = fit_all(parts["validation"], recipe.input)
        self.validation_truths = truths_of(parts["validation"], recipe.label_names)
        size = (recipe.input.height, recipe.input.width)
        self.average = build_network(recipe, len(recipe.labels), size, job.weights)
        self.infer = Inference(self.average)
        settings = recipe.settings() | {"refit": None}  # both runs of a refit are one recipe
        text = json.dumps(settings, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()
        self.progress = TrainingProgress(fingerprint(parts), digest)
        self.best: Arrays = []
        self.stored = self._stored_run()

    def train(self) -> None:
        """Train all stages, from the start or from the last epoch that was saved."""
        weights = self.average.get_weights()
        optimizer_state: Arrays = []
        if self.stored:
            self.progress, self.best = self.stored.progress, self.stored.best
            weights, optimizer_state = self.stored.weights, self.stored.optimizer
            self.average.set_weights(self.stored.average)
            say(f"going on after {len(self.progress.history)} epochs")
        if not self.progress.head_done:
            self._train_head()
            weights = self.average.get_weights()
        with tqdm(unit="pixel", unit_scale=True, file=sys.stderr, smoothing=0.1) as bar:
            bar.total = self._cost(self.recipe.stages)
            bar.update(self._cost_so_far())
            while not self.progress.finished:
                weights = self._train_stage(weights, optimizer_state, bar)
                optimizer_state = []

    def best_network(self) -> keras.Model:
        """The averaged network of the best epoch, or of the last one without validation photos."""
        self.average.set_weights(self.best)
        return self.average

    def _stored_run(self) -> Checkpoint | None:
        """The run to go on with; None when there is none, or of other photos or another recipe."""
        if self.folder is None or self.job.resume is False:
            return None
        stored = Checkpoint.read(self.folder)
        mine = (self.progress.fingerprint, self.progress.recipe)
        if stored and (stored.progress.fingerprint, stored.progress.recipe) == mine:
            return stored
        return None

    def _train_head(self) -> None:
        """Train the last layer alone, on a few random views of each photo."""
        recipe, sampler, started = self.recipe, self.sampler, time.monotonic()
        places = np.tile(np.arange(len(sampler.pixels)), recipe.head_views)
        pixels = [sampler.pixels[place] for place in places]
        features, speed = extract(self.infer, pixels, recipe, EVALUATION_BATCH)
        weights = sampler.example_weights[places].astype(np.float32)
        labels = len(recipe.labels)
        head = train_head(features, sampler.truths[places], weights, labels, recipe)
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
        optimizer = _make_optimizer(recipe, stage, network, optimizer_state)
        step = make_step(network, self.average, optimizer, self.sampler.label_weights)
        while self.progress.stage == place:
            started = time.monotonic()
            bar.set_description(f"{stage.name} {self.progress.epoch + 1}/{stage.epochs}")
            reseed(network, recipe.seed, place, self.progress.epoch)
            loss, speed = self._train_epoch(stage, step, optimizer, bar)
            self.progress.epoch += 1
            rate = {"rate": float(f"{float(optimizer.learning_rate):.3g}")}
            self._end_epoch(stage.name, time.monotonic() - started, loss, rate | speed)
            if self._is_over(stage):
                self.progress.stage, self.progress.epoch = place + 1, 0
                self.progress.finished = self.progress.stage == len(recipe.stages)
            state = optimizer.variables if self.progress.epoch else []
            self._save(network.get_weights(), [np.asarray(variable) for variable in state])
        return list(network.get_weights())

    def _train_epoch(
        self,
        stage: TrainingStage,
        step: Any,
        optimizer: keras.optimizers.Optimizer,
        bar: "tqdm[Any]",
    ) -> tuple[float, dict[str, float]]:
        """Train on every batch of an epoch; returns the mean loss and the throughput."""
        recipe, progress, started = self.recipe, self.progress, time.monotonic()
        batches = self.sampler.batches(stage, [recipe.seed, 1 + progress.stage, progress.epoch])
        rates = rates_of_epoch(
            recipe.schedule, stage.rate, stage.epochs, batches.count, self._stage_losses()
        )
        losses = []
        for rate, (views, targets) in zip(rates, batches, strict=True):
            optimizer.learning_rate.assign(rate)
            progress.steps += 1
            decay = min(recipe.averaging, (1 + progress.steps) / (10 + progress.steps))
            decay = tf.constant(decay, tf.float32)
            losses.append(float(step(tf.constant(views), tf.constant(targets), decay)))
            bar.update(len(views) * stage.height * stage.width)
            self.job.on_step(progress)
        photos, seconds = batches.count * recipe.batch, time.monotonic() - started
        return float(np.mean(losses)), throughput(photos, seconds, batches.waited)

    def _stage_losses(self) -> list[float]:
        """The losses of the stage's epochs so far: on validation photos, else while learning."""
        history = self.progress.history
        lines = history[len(history) - self.progress.epoch :]
        return [float(line.get("validation_loss", line["loss"])) for line in lines]

    def _is_over(self, stage: TrainingStage) -> bool:
        progress = self.progress
        stale = min(len(progress.history) - 1 - progress.best_epoch, progress.epoch)
        return progress.epoch >= stage.epochs or 0 < self.recipe.patience <= stale

    def _end_epoch(
        self, stage: str, seconds: float, loss: float | None, figures: dict[str, float]
    ) -> None:
        """Validate the average, add a line to the history, keep the best weights so far."""
        progress, truths = self.progress, self.validation_truths
        progress.seconds += seconds
        rounded = None if loss is None else round(loss, 4)
        line: dict[str, Any] = {"stage": stage, "seconds": round(seconds, 1), "loss": rounded}
        line |= figures
        validation_loss = -float(len(progress.history))  # without photos each epoch is the best
        if len(self.validation):
            raw = self.infer(self.validation)["probabilities"]
            # as calibration will do: smoothed labels make a network too modest
            probabilities = scaled(raw, fit_temperature(raw, truths))
            validation_loss = negative_log_likelihood(probabilities, truths)
            accuracy = float((raw.argmax(axis=1) == truths).mean())
            line["validation_loss"] = round(validation_loss, 4)
            line["validation_top1"] = round(accuracy, 4)
        if validation_loss < progress.best_loss or not self.best:
            progress.best_loss, progress.best_epoch = validation_loss, len(progress.history)
            self.best = self.average.get_weights()
        progress.history.append(line)
        values = {key.replace("_", " "): value for key, value in line.items() if key != "stage"}
        figures_text = [f"{key} {value}" for key, value in values.items() if value is not None]
        say(f"{stage}: {', '.join(figures_text)}")

    def _save(self, weights: Arrays, optimizer: Arrays) -> None:
        if self.folder is not None:
            average = self.average.get_weights()
            Checkpoint(self.progress, weights, average, optimizer, self.best).write(self.folder)
        self.job.on_epoch(self.progress)

    def _cost(self, stages: Sequence[TrainingStage]) -> int:
        """Pixels that the network sees in whole stages."""
        photos = self.sampler.steps * self.recipe.batch
        return photos * sum(stage.epochs * stage.height * stage.width for stage in stages)

    def _cost_so_far(self) -> int:
        progress, stages = self.progress, self.recipe.stages
        cost = self._cost(stages[: progress.stage])
        if progress.epoch:
            stage = stages[progress.stage]
            cost += self._cost([stage]) * progress.epoch // stage.epochs
        return cost


def _make_optimizer(
    recipe: Recipe, stage: TrainingStage, network: keras.Model, state: Arrays
) -> keras.optimizers.Optimizer:
    """AdamW for a stage, with the state of an interrupted one if there is any."""
    optimizer = keras.optimizers.AdamW(stage.rate, weight_decay=recipe.weight_decay, clipnorm=1.0)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    optimizer.build(network.trainable_variables)
    if state:
        for variable, value in zip(optimizer.variables, state, strict=True):
            variable.assign(value)
    return optimizer


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
