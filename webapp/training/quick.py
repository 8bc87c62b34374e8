"""The quick training: a new last layer on the network of a version, from labelled cars of the
history whose embeddings are known. Run on the folder of a job, in a process of its own."""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from webapp.errors import TrainingError
from webapp.inference.familiarity import Familiarity, read_familiarity
from webapp.inference.models.card import (
    CARD_FILE,
    FAMILIARITY_FILE,
    KERAS_FILE,
    ModelCard,
    group_by_parent,
)
from webapp.inference.models.golden import write_golden
from webapp.inference.models.held_out import HELD_OUT, fingerprint, read_split, write_split
from webapp.inference.models.labelled_cars import PROGRESS_FILE, HeadOrder, LabelledCars
from webapp.inference.models.publish import GOLDEN_FOLDER
from webapp.inference.models.publish_child import load_network, main
from webapp.training.calibration import Calibration, keeping
from webapp.training.dataset import TrainingExample, group, split, split_of
from webapp.training.earlier import earlier_parts
from webapp.training.evaluation.metrics import summary
from webapp.training.last_layer import ITERATIONS, LastLayer, fit, replay, widen
from webapp.training.recipe import SplitRule

SOURCE = "history"  # what the card calls the photos
# photos that were in no part yet: a fifth is kept apart; those of validation are learned from too.
# Their perceptual hashes differ in up to six bits where the pictures are nearly the same
_RULE = SplitRule(validation=0.1, test=0.2, near_distance=6)
_FOLDS = 5
_KEPT = 0.95  # share of the new labels' cars that are to be familiar
_LEAST_FAMILIAR = 0.25  # the threshold falls no lower than this, for the sake of other things
_NO_PIXELS = np.zeros((0, 0, 3), dtype=np.uint8)
_Places = NDArray[np.int64]


class _Progress:
    """How far a training is, written to a file that is replaced whole."""

    def __init__(self, folder: Path, total: int) -> None:
        self._folder, self._total, self._done = folder, total, 0
        self.started_at = time.monotonic()
        self.losses: list[float] = []

    def fitting(self, *, kept: bool) -> Callable[[float], None]:
        """What to call after each iteration with the mean loss, which may be `kept`."""

        def step(loss: float) -> None:
            self._done += 1
            if kept:
                self.losses.append(round(loss, 4))
            self.write()

        return step

    @property
    def loss(self) -> float | None:
        """The last one that was kept, None when nothing was left to learn."""
        return self.losses[-1] if self.losses else None

    def end_fit(self, number: int) -> None:
        """The fits up to this number are through, however many iterations they took."""
        self._done = number * ITERATIONS
        self.write()

    def write(self) -> None:
        """Write the file."""
        state = {"done": self._done, "total": self._total, "losses": self.losses}
        waiting = self._folder / f".{PROGRESS_FILE}"
        waiting.write_text(json.dumps(state), encoding="utf-8")
        waiting.replace(self._folder / PROGRESS_FILE)


class _Training:
    """The cars of an order, and the version whose last layer learns them."""

    def __init__(self, folder: Path) -> None:
        """Raises `TrainingError` when there are too few cars, or the version has no such layer."""
        order = HeadOrder.read(folder)
        base, self.new, self.label_event = Path(order.base), order.new, order.label_event
        self.card, self.cars = ModelCard.read(base), LabelledCars.read(folder)
        self.network, familiarity = load_network(base, self.card), read_familiarity(base, self.card)
        if familiarity is None:
            raise TrainingError(
                f"{self.card} does not measure what it knows, so its last layer cannot be trained "
                "alone. Train all of it, with photos of other things (--unknown)."
            )
        self.familiarity, self.old = familiarity, _last_layer(self.network)
        self.labels = (*self.card.labels, *self.new)
        names = [label.name for label in self.labels]
        self.truths = np.array([names.index(label) for label in self.cars.labels], dtype=np.int64)
        self.parts, self.files = _divide(self.cars, base, self.card)
        self.learned = np.concatenate([self.parts["train"], self.parts["validation"]])
        self._replayed = replay(self.old, familiarity.space)

    def learn(
        self, chosen: _Places, watch: Callable[[float], object]
    ) -> tuple[LastLayer, Familiarity]:
        """The layer that learned these cars, and what measures familiarity with it."""
        embeddings, truths = self.cars.embeddings[chosen], self.truths[chosen]
        layer = fit(self.old, len(self.new), embeddings, truths, self._replayed, watch)
        space = widen(self.familiarity.space, layer, embeddings)
        return layer, replace(self.familiarity, space=space)

    def threshold(self, progress: _Progress) -> float:
        """The familiarity from which on cars are known: that of the version, or lower when cars of
        new labels need it, each judged by a layer that did not learn it."""
        scores, fold_of = np.zeros(len(self.truths)), np.arange(len(self.learned)) % _FOLDS
        for fold in range(_FOLDS):
            outside = self.learned[fold_of == fold]
            if len(outside):
                inside = self.learned[fold_of != fold]
                _, familiarity = self.learn(inside, progress.fitting(kept=False))
                scores[outside] = familiarity.of(self.cars.embeddings[outside])
            progress.end_fit(fold + 1)
        threshold = float(self.familiarity.rule["threshold"])
        new = self.learned[self.truths[self.learned] >= len(self.card.labels)]
        if not len(new):
            return threshold
        return min(threshold, max(keeping(scores[new], _KEPT), _LEAST_FAMILIAR))

    def metrics(self, layer: LastLayer, familiarity: Familiarity) -> dict[str, Any]:
        """The card's `metrics`: of the cars that were kept apart, empty without any."""
        places = self.parts["test"]
        if not len(places):
            return {}
        groups = group_by_parent({label.name: label.parent for label in self.labels})
        card, embeddings = self.card, self.cars.embeddings[places]
        limits = card.temperature, card.threshold, familiarity, card.parent_threshold
        probabilities = softmax(layer.logits(embeddings), axis=1)
        judged = Calibration(*limits, groups).judge(
            {"probabilities": probabilities, "embedding": embeddings}
        )
        names = tuple(label.name for label in self.labels)
        return {"test": summary(judged, self.truths[places], names, groups)}

    def draft(self, layer: LastLayer, familiarity: Familiarity, progress: _Progress) -> ModelCard:
        """The card without what publishing adds."""
        seconds = round(time.monotonic() - progress.started_at, 1)
        source = {"source": SOURCE, "photos": len(set(self.cars.files.tolist()))}
        return replace(
            self.card,
            version=1,
            labels=self.labels,
            familiarity=familiarity.rule,
            metrics=self.metrics(layer, familiarity),
            split=_split_of_card(self.card, self.parts, self.files),
            data=(*self.card.data, source | {"licence": "not stated", "note": ""}),
            label_event=self.label_event,
            training={
                "weights": str(self.card),
                "settings": {"mode": "quick", "cars": len(self.learned)},
                "seconds": seconds,
                "history": [{"stage": "head", "seconds": seconds, "loss": progress.loss}],
            },
            golden=(),
            files={},
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )


def train_last_layer(folder: Path) -> None:
    """Leave the draft of a version in `folder`, for the order and the cars that lie there.

    Raises `TrainingError` when there are too few cars, or the version has no such last layer.
    """
    training = _Training(folder)
    progress = _Progress(folder, (_FOLDS + 1) * ITERATIONS)
    threshold = training.threshold(progress)
    layer, familiarity = training.learn(training.learned, progress.fitting(kept=True))
    progress.end_fit(_FOLDS + 1)
    familiarity = replace(familiarity, rule=familiarity.rule | {"threshold": threshold})
    card = training.draft(layer, familiarity, progress)
    _with_last_layer(training.network, layer).save(folder / KERAS_FILE)
    familiarity.space.write(folder / FAMILIARITY_FILE)
    if card.split:
        write_split(folder, training.files)
    write_golden(folder / GOLDEN_FOLDER)
    (folder / CARD_FILE).write_text(card.to_json(), encoding="utf-8")


def _divide(
    cars: LabelledCars, base: Path, card: ModelCard
) -> tuple[dict[str, _Places], dict[str, str]]:
    """The places of the cars in each part, and the part of each file: those of the base version,
    and those that come new."""
    before, known = dict(read_split(base, card) or {}), earlier_parts(base / KERAS_FILE)
    held_out = np.array([known.get(file) == HELD_OUT for file in cars.files], dtype=bool)
    examples = [
        TrainingExample(
            path=Path(str(place)),
            label=str(cars.labels[place]),
            source=SOURCE,
            sha256=str(cars.files[place]),
            dhash=int(cars.hashes[place]) & (2**64 - 1),
            pixels=_NO_PIXELS,
        )
        for place in np.flatnonzero(~held_out)
    ]
    divided = split(group(examples, _RULE), _RULE, known)
    parts = {
        part: np.array([int(example.path.name) for example in members], dtype=np.int64)
        for part, members in divided.items()
    }
    parts["test"] = np.concatenate([parts["test"], np.flatnonzero(held_out)])
    return parts, before | dict(split_of(divided))


def _split_of_card(
    card: ModelCard, parts: dict[str, _Places], files: dict[str, str]
) -> dict[str, Any]:
    """The card's `split`; empty when nobody knows what the base version was trained on."""
    if not card.split.get("fingerprint"):
        return {}
    photos = {
        part: {"n": len(places), "sources": {SOURCE: len(places)}} for part, places in parts.items()
    }
    return dict(card.split) | photos | {"fingerprint": fingerprint(files)}


def _last_layer(network: keras.Model) -> LastLayer:
    try:
        weights, bias = network.get_layer("probabilities").get_weights()
    except ValueError as error:
        raise TrainingError(
            "The last layer of this version cannot be replaced: it was not trained here."
        ) from error
    return LastLayer(weights, bias)


def _with_last_layer(network: keras.Model, layer: LastLayer) -> keras.Model:
    """The network with another last layer, which may have more labels."""
    dense = keras.layers.Dense(len(layer.bias), activation="softmax", name="probabilities")
    probabilities = dense(network.get_layer("probabilities").input)
    dense.set_weights([layer.weights, layer.bias])
    return keras.Model(network.input, {**network.output, "probabilities": probabilities})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], train_last_layer))
