"""One training run: the last layer first, then stage after stage, saved after every epoch."""

from __future__ import annotations

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

from webapp.training.augment import Batch, blend
from webapp.training.batches import Feed
from webapp.training.calibrate import fit_temperature, scaled
from webapp.training.checkpoint import Checkpoint, Progress
from webapp.training.dataset import Example, fingerprint, fit_all, truths_of
from webapp.training.evaluation.metrics import negative_log_likelihood
from webapp.training.head import busy, extract, learn_head, views_of
from webapp.training.job import Job, say
from webapp.training.network import build_network, for_learning, precision_here, reseed, unfreeze
from webapp.training.recipe import Recipe, Stage
from webapp.training.schedule import rates_of_epoch

EVALUATION_BATCH = 16


class Run:
    """One training run: two networks (the one that learns, and its running average, which is what counts) and where they are."""

    def __init__(
        self, job: Job, recipe: Recipe, parts: dict[str, list[Example]], folder: Path | None
    ) -> None:
        """`parts["validation"]` may be empty: then the last epoch is kept instead of the best. `folder` keeps the checkpoint, if any."""
        keras.utils.set_random_seed(
            recipe.seed
        )  # a run that goes on in another process has the same dice
        self.job, self.recipe, self.folder = job, recipe, folder
        self.names = tuple(label.name for label in recipe.labels)
        self.examples = parts["train"]
        self.truths = truths_of(self.examples, self.names)
        self.validation = fit_all(parts["validation"], recipe.input)
        self.validation_truths = truths_of(parts["validation"], self.names)
        self.average = self._build(recipe.input.height, recipe.input.width, weights=job.weights)
        self.infer = Inference(self.average)
        settings = json.dumps(
            recipe.settings() | {"refit": None}, sort_keys=True
        ).encode()  # both runs of a refit are one recipe
        self.progress = Progress(fingerprint(parts), hashlib.sha256(settings).hexdigest())
        self.best: list[NDArray[Any]] = []
        self.stored = self._stored_run()

    def train(self) -> None:
        """All stages, from the start or from the last epoch that was saved."""
        weights = self.average.get_weights()
        optimizer_state: list[NDArray[Any]] = []
        if self.stored:
            self.progress, self.best, optimizer_state = (
                self.stored.progress,
                self.stored.best,
                self.stored.optimizer,
            )
            self.average.set_weights(self.stored.average)
            weights = self.stored.weights
            say(f"going on after {len(self.progress.history)} epochs")
        if not self.progress.head_done:
            self._train_head()
            weights = self.average.get_weights()
        with tqdm(
            total=self._cost(),
            unit="pixel",
            unit_scale=True,
            file=sys.stderr,
            desc="training",
            smoothing=0.1,
        ) as bar:
            bar.update(self._cost_done())
            for place in range(self.progress.stage, len(self.recipe.stages)):
                weights = self._train_stage(place, weights, optimizer_state, bar)
                optimizer_state = []

    def best_network(self) -> keras.Model:
        """The averaged network of the epoch that did best on the validation photos, or of the last one when there are none."""
        self.average.set_weights(self.best)
        return self.average

    def _build(self, height: int, width: int, weights: str | Path = "none") -> keras.Model:
        recipe = self.recipe
        return build_network(
            recipe.backbone,
            height,
            width,
            len(self.names),
            dropout=recipe.dropout,
            momentum=recipe.momentum,
            weights=weights,
        )

    def _stored_run(self) -> Checkpoint | None:
        """The run to go on with, None when there is none or it was one of other photos or another recipe."""
        if self.folder is None or self.job.resume is False:
            return None
        stored = Checkpoint.read(self.folder)
        same = stored is not None and (stored.progress.fingerprint, stored.progress.recipe) == (
            self.progress.fingerprint,
            self.progress.recipe,
        )
        return stored if same else None

    def _train_head(self) -> None:
        """The last layer alone, on features of a few random views of each photo that are computed once."""
        recipe, started = self.recipe, time.monotonic()
        places = np.tile(np.arange(len(self.examples)), recipe.head_views)
        features, figures = extract(
            self.infer, [self.examples[one].pixels for one in places], recipe, EVALUATION_BATCH
        )
        weights = (self._repeats() * self._label_weights()[self.truths])[places].astype(np.float32)
        self.average.get_layer("probabilities").set_weights(
            learn_head(features, self.truths[places], weights, len(self.names), recipe)
        )
        self.progress.head_done = True
        self._remember("head", time.monotonic() - started, None, figures)
        self._save(self.average.get_weights(), [])

    def _train_stage(
        self,
        place: int,
        weights: list[NDArray[Any]],
        optimizer_state: list[NDArray[Any]],
        bar: tqdm[Any],
    ) -> list[NDArray[Any]]:
        recipe, stage = self.recipe, self.recipe.stages[place]
        network = for_learning(
            self._build(stage.height, stage.width), precision_here(recipe.precision)
        )
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
        step = make_step(network, self.average, optimizer, self._label_weights())
        unit = _unit(stage)
        while self.progress.epoch < stage.epochs:
            started, losses = time.monotonic(), []
            bar.set_description(f"{stage.name} {self.progress.epoch + 1}/{stage.epochs}")
            reseed(network, recipe.seed, place, self.progress.epoch)
            feed = self._feed(place, stage)
            rates = rates_of_epoch(
                recipe.schedule, stage.rate, stage.epochs, feed.count, self._stage_losses()
            )
            for number, (views, targets) in enumerate(feed):
                optimizer.learning_rate.assign(rates[number])
                self.progress.steps += 1
                decay = min(
                    recipe.averaging, (1 + self.progress.steps) / (10 + self.progress.steps)
                )
                losses.append(
                    float(
                        step(
                            tf.constant(views), tf.constant(targets), tf.constant(decay, tf.float32)
                        )
                    )
                )
                bar.update(len(views) * unit)
                self.job.watch(self.progress)
            self.progress.epoch += 1
            seconds = time.monotonic() - started
            rate = {"rate": float(f"{float(optimizer.learning_rate):.3g}")}
            self._remember(
                stage.name,
                seconds,
                float(np.mean(losses)),
                rate | busy(feed.count * recipe.batch, seconds, feed.waited),
            )
            if self._is_over(stage):
                self.progress.stage, self.progress.epoch = place + 1, 0
                self.progress.finished = self.progress.stage == len(recipe.stages)
            self._save(
                network.get_weights(),
                []
                if self.progress.epoch == 0
                else [np.asarray(one) for one in optimizer.variables],
            )
            if self.progress.epoch == 0:
                break
        return list(network.get_weights())

    def _is_over(self, stage: Stage) -> bool:
        stale = len(self.progress.history) - 1 - self.progress.best_epoch
        return self.progress.epoch >= stage.epochs or (
            0 < self.recipe.patience <= min(stale, self.progress.epoch)
        )

    def _remember(
        self, stage: str, seconds: float, loss: float | None, more: dict[str, float]
    ) -> None:
        """Measure the average on the validation photos, add a line to the history, keep the weights when they are the best so far."""
        self.progress.seconds += seconds
        line: dict[str, Any] = {
            "stage": stage,
            "seconds": round(seconds, 1),
            "loss": None if loss is None else round(loss, 4),
        } | more
        validation_loss = -float(
            len(self.progress.history)
        )  # without validation photos each epoch counts as better than the last
        if len(self.validation):
            raw = self.infer(self.validation)["probabilities"]
            temperature = fit_temperature(
                raw, self.validation_truths
            )  # what calibration will do: smoothed labels leave a net too modest
            validation_loss = negative_log_likelihood(
                scaled(raw, temperature), self.validation_truths
            )
            accuracy = float((raw.argmax(axis=1) == self.validation_truths).mean())
            line |= {
                "validation_loss": round(validation_loss, 4),
                "validation_top1": round(accuracy, 4),
            }
        if validation_loss < self.progress.best_loss or not self.best:
            self.progress.best_loss, self.progress.best_epoch = (
                validation_loss,
                len(self.progress.history),
            )
            self.best = self.average.get_weights()
        self.progress.history.append(line)
        text = ", ".join(
            f"{key.replace('_', ' ')} {value}"
            for key, value in line.items()
            if key != "stage" and value is not None
        )
        say(f"{stage}: {text}")

    def _save(self, weights: list[NDArray[Any]], optimizer: list[NDArray[Any]]) -> None:
        if self.folder is not None:
            Checkpoint(
                self.progress, weights, self.average.get_weights(), optimizer, self.best
            ).write(self.folder)
        self.job.after_epoch(self.progress)

    def _repeats(self) -> NDArray[np.float64]:
        """How often each example is shown in an epoch, on average: rare labels more often."""
        counts = np.bincount(self.truths, minlength=len(self.names))
        return np.asarray(
            (counts.max() / counts[self.truths]) ** self.recipe.balance, dtype=np.float64
        )

    def _label_weights(self) -> NDArray[np.float32]:
        """What the loss of each label's photos is multiplied by: 1, or what makes up for being shown more or less often than others."""
        if not self.recipe.class_weights:
            return np.ones(len(self.names), dtype=np.float32)
        shown = np.bincount(self.truths, weights=self._repeats(), minlength=len(self.names))
        return (shown.sum() / (np.count_nonzero(shown) * np.maximum(shown, 1e-9))).astype(
            np.float32
        ) * (shown > 0)

    def _stage_losses(self) -> list[float]:
        """The losses of the stage's epochs so far: on validation photos, or where there are none, while learning."""
        lines = self.progress.history[len(self.progress.history) - self.progress.epoch :]
        return [float(line.get("validation_loss", line["loss"])) for line in lines]

    def _steps_per_epoch(self) -> int:
        return max(1, round(float(self._repeats().sum()) / self.recipe.batch))

    def _feed(self, place: int, stage: Stage) -> Feed[Batch]:
        """The batches of one epoch. The same epoch of the same recipe has the same views, whichever thread makes them."""
        recipe, dice = self.recipe, [self.recipe.seed, 1 + place, self.progress.epoch]
        rng = np.random.default_rng(dice)
        wanted = self._steps_per_epoch() * recipe.batch
        repeats = self._repeats()
        counts = np.floor(repeats * wanted / repeats.sum() + rng.random(len(repeats))).astype(int)
        order = np.repeat(np.arange(len(repeats)), counts)
        rng.shuffle(order)
        chunks = np.resize(order, wanted).reshape(-1, recipe.batch)
        identity = np.eye(len(self.names), dtype=np.float32) * (
            1 - recipe.smoothing
        ) + recipe.smoothing / len(self.names)

        def make(number: int) -> Batch:
            rng, chunk = np.random.default_rng([*dice, 1 + number]), chunks[number]
            views = views_of(
                [self.examples[one].pixels for one in chunk], stage.height, stage.width, recipe, rng
            )
            return blend(
                (views, identity[self.truths[chunk]].astype(np.float32)), recipe.augmentation, rng
            )

        return Feed(make, len(chunks))

    def _cost(self) -> int:
        return (
            sum(stage.epochs * _unit(stage) for stage in self.recipe.stages)
            * self._steps_per_epoch()
            * self.recipe.batch
        )

    def _cost_done(self) -> int:
        done = sum(
            stage.epochs * _unit(stage) for stage in self.recipe.stages[: self.progress.stage]
        )
        if self.progress.epoch:
            done += self.progress.epoch * _unit(self.recipe.stages[self.progress.stage])
        return done * self._steps_per_epoch() * self.recipe.batch


def make_step(
    network: keras.Model,
    average: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    label_weights: NDArray[np.float32] | None = None,
) -> Any:
    """A compiled step: learn from one batch, then move the average. Takes views, targets and the average's decay; returns the loss.

    `label_weights` (labels,) multiply the loss of a photo, for a blended one in the shares of its labels.
    """
    weights = None if label_weights is None else tf.constant(label_weights[:, np.newaxis])

    @tf.function(reduce_retracing=True)
    def step(views: tf.Tensor, targets: tf.Tensor, decay: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            answers = network(views, training=True)["probabilities"]
            losses = keras.losses.categorical_crossentropy(targets, answers)
            loss = tf.reduce_mean(
                losses if weights is None else losses * tf.squeeze(targets @ weights, 1)
            )
        variables = network.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        for kept, new in zip(average.weights, network.weights, strict=True):
            if kept.dtype == "float32":
                kept.assign(kept * decay + new * (1 - decay))
        return loss

    return step


class Inference:
    """What a network says about fitted photos, in batches. Traced once; sees the network's weights of the moment."""

    def __init__(self, network: keras.Model) -> None:
        def answer(batch: tf.Tensor) -> dict[str, tf.Tensor]:
            outputs = network(batch, training=False)
            return {key: outputs[key] for key in ("probabilities", "embedding")}

        signature = [tf.TensorSpec((None, *network.input_shape[1:]), tf.float32)]
        self._run = tf.function(answer, input_signature=signature)

    def __call__(self, photos: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        """`probabilities` (photos, labels) and `embedding` (photos, features) for photos of shape (photos, height, width, 3)."""
        chunks = [
            photos[place : place + EVALUATION_BATCH]
            for place in range(0, len(photos), EVALUATION_BATCH)
        ]
        answers = [self._run(tf.constant(chunk.astype(np.float32))) for chunk in chunks]
        return {
            key: np.concatenate([np.asarray(one[key]) for one in answers])
            for key in ("probabilities", "embedding")
        }


def _unit(stage: Stage) -> int:
    """Cost of a photo: its pixels."""
    return stage.height * stage.width
