"""A quick training: the last layer of the live version learns from labelled cars of the history, in
a process of its own; what comes of it waits as a challenger."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from webapp.config import available_cores
from webapp.domain import count
from webapp.errors import PhotoNotFoundError, PhotoRefusedError, TrainingError
from webapp.inference.models.card import ModelCard
from webapp.inference.models.labelled_cars import PROGRESS_FILE, HeadOrder, LabelledCars
from webapp.inference.models.publish import ChildLimits, publish, run_child
from webapp.services.jobs.job_type import Json, Tools
from webapp.services.models.compare import answer_history
from webapp.services.photos.classify import Pipeline, ask_models
from webapp.services.training.history import LEAST, require_photos
from webapp.storage import training as storage
from webapp.storage.database import end_reading, last_id
from webapp.storage.photos.photos import photos_by_number
from webapp.storage.tables import LabelEvent

_CHILD = "webapp.training.quick"
_SECONDS = 900  # at most
Watch = Callable[[int, int], None]  # is given how much is done, of how much; may raise to stop
# what each step takes of the whole, in percent up to its end: most of it is loading and compiling
_ANSWERED, _LEARNED, _PUBLISHED = 10, 50, 90


def train_quick(
    tools: Tools, name: str, folder: Path, watch: Watch, say: Callable[[str], None]
) -> Json:
    """Train and publish a version in the folder of a job; returns its name and number, how many
    cars it learned from, and the labels that it knows now for the first time. `say` gets a sentence
    for people before each step.

    Raises `TrainingError` when there is too little to learn from, `ModelRefusedError` when the
    training or the gate refuses, a `ModelError` when the live version cannot be used.
    """
    photos = require_photos(tools.registry, name)
    event, version = last_id(LabelEvent), photos.card.version
    pipeline = Pipeline([tools.one_version(name, version)], tools.files, tools.limiter)
    if photos.unanswered:
        say(f"Version {version} looks at {count(photos.unanswered, 'photo')} that are new to it.")
        _answer(pipeline, name, version, _within(0, _ANSWERED, watch))
    base = tools.registry.version_folder(name, version).resolve()
    cars = _write_cars(folder, photos.card)
    HeadOrder(str(base), photos.unlearned, event).write(folder)

    learning = _within(_ANSWERED, _LEARNED, watch)

    def look() -> None:
        progress = read_progress(folder)
        learning(progress["done"], progress["total"])

    say(f"The last layer learns from {count(cars, 'car')}.")
    threads = max(1, available_cores() // 2)
    limits = ChildLimits(seconds=_SECONDS, temporary=folder, threads=threads, watch=look)
    run_child(_CHILD, folder, limits, "Training")
    say("The new version is compiled, and compared with itself.")
    card = ModelCard.read(folder)
    number = publish(folder, card, tools.registry.folder, first_is_live=False, limits=limits)
    return {
        "name": name,
        "version": number,
        "base": version,
        "cars": cars,
        "new_labels": [label.name for label in photos.unlearned],
    }


def compare_with_base(tools: Tools, made: Json, watch: Watch) -> None:
    """Let the new version and the one that it started from answer the photos that a promotion is
    judged by."""
    name = made["name"]
    versions = [tools.one_version(name, made[which]) for which in ("base", "version")]
    pipeline = Pipeline(versions, tools.files, tools.limiter, tools.detector())
    watch = _within(_PUBLISHED, 100, watch)

    def watched(items: Sequence[Any]) -> Iterator[Any]:
        for done, item in enumerate(items):
            watch(done, len(items))
            yield item

    answer_history(tools.registry, pipeline, watched)


def read_progress(folder: Path) -> Json:
    """How far the training in a folder is: done, total, and the losses of its last fit."""
    progress: Json = {"done": 0, "total": 0, "losses": []}
    with suppress(OSError, ValueError):
        progress |= json.loads((folder / PROGRESS_FILE).read_text(encoding="utf-8"))
    return progress


def _within(first: int, last: int, watch: Watch) -> Watch:
    """What watches a step that takes these percents of the whole."""
    return lambda done, total: watch(first + (last - first) * done // max(1, total), 100)


def _answer(pipeline: Pipeline, name: str, version: int, watch: Watch) -> None:
    """Let the version answer about the labelled cars that it has not seen. A photo that is gone or
    damaged is left out."""
    missing = storage.photos_without_answer(name, version)
    for done, number in enumerate(missing):
        watch(done, len(missing))
        for photo in photos_by_number([number]):
            try:
                ask_models(photo, pipeline, standing=False)
            except (PhotoRefusedError, PhotoNotFoundError):
                continue


def _write_cars(folder: Path, card: ModelCard) -> int:
    """Write the labelled cars whose labels the card has, or was given, into the folder; returns how
    many there are."""
    rows = storage.labelled_cars(card.name, card.version)
    rows = [row for row in rows if card.label(row.label) is not None]
    end_reading()
    if len(rows) < LEAST:
        raise TrainingError(f"Only {len(rows)} of the labelled photos can be read.")
    embeddings = np.stack([np.frombuffer(row.embedding, "<f2") for row in rows])
    LabelledCars(
        embeddings.astype(np.float32),
        np.array([row.label for row in rows]),
        np.array([row.sha256 for row in rows]),
        np.array([_hash_of(row) for row in rows], dtype=np.int64),
    ).write(folder)
    return len(rows)


def _hash_of(row: Any) -> int:
    """The perceptual hash of a photo, else a number that is like no other one's."""
    return row.phash if row.phash is not None else int(row.sha256[:15], 16)
