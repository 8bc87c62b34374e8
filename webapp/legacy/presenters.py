"""The shapes of the old doors, field by field as their clients know them."""

from collections.abc import Sequence
from typing import Any

from webapp.domain import CANCELLED, FAILED, QUEUED, RUNNING, SUCCEEDED, RankedLabel
from webapp.inference.models.card import ModelCard
from webapp.inference.models.registry import Registry
from webapp.services.jobs.job_type import Json
from webapp.services.jobs.queue import JobView
from webapp.services.models.training_history import learning
from webapp.services.photos.gallery import Item, Photo, full_ranking

TASK_WORDS = {
    QUEUED: ("PENDING", "Task received"),
    RUNNING: ("STARTED", "Task started"),
    SUCCEEDED: ("SUCCESS", "Task finished"),
    FAILED: ("FAILURE", "Task failed"),
    CANCELLED: ("FAILURE", "Task cancelled"),
}
"""Status and message for each state of a job."""


def numbered_class(line: RankedLabel) -> Json:
    """The first label with its number, both as texts."""
    return {"class_num": str(line.class_id), "class_name": line.label}


def sentences(ranking: Sequence[RankedLabel]) -> Json:
    """Every label as a sentence, by its rank, and the first once more."""
    lines = [_sentence(line) for line in ranking]
    return {
        "prediction": lines[0],
        "predictions": {str(rank): line for rank, line in enumerate(lines, 1)},
    }


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th … 11th … 21st."""
    ending = (
        "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    )
    return f"{number}{ending}"


def by_filename(lines: Sequence[tuple[str, RankedLabel]]) -> Json:
    """The first label of each file by its name. Of several with one name the later ones are called `car (2).jpg`, so that none is lost."""
    found: Json = {}
    taken = {name for name, _line in lines}
    for name, line in lines:
        free = _free(name, {*taken, *found}) if name in found else name
        found[free] = {"class_id": line.class_id, "class_name": line.label}
    return found


def image(item: Item, registry: Registry) -> Json:
    """A stored photo; `predictions` is null until somebody has looked at it."""
    photo = item.photo
    return {
        "filename": photo.filename,
        "predictions": _predictions(item, registry),
        "ground_truth": photo.ground_truth,
        "id": photo.id,
    }


def uploaded(photo: Photo, name: str, link: str) -> Json:
    """A photo that came in under this name, and the address of its file. Nobody has looked at it, as far as the shape goes, also when its
    bytes are known."""
    return {
        "filename": name,
        "file": link,
        "predictions": None,
        "ground_truth": photo.ground_truth,
        "id": photo.id,
    }


def received(task_id: str) -> Json:
    """A ranking that was asked for."""
    return _task(task_id, "PENDING", "Task received")


def task(view: JobView) -> Json:
    """How a ranking stands, in the words of Celery. One that was cancelled failed: these words know no cancelling."""
    status, message = TASK_WORDS[view.state]
    return _task(view.job.public_id, status, view.job.error or message)


def _task(task_id: str, status: str, message: str) -> Json:
    return {"data": {"task_id": task_id, "status": status}, "message": message}


def training(card: ModelCard) -> Json:
    """A value for each epoch, and the figures at the end; null where nobody measured."""
    learnt = learning(card)
    history = learnt.history if learnt else []
    return {
        "model": {"name": card.name, "version": card.version},
        "history": {
            "train": _curves(history, "loss", "top1", "macro_f1"),
            "validation": _curves(
                history, "validation_loss", "validation_top1", "validation_macro_f1"
            ),
        },
        "metrics": {
            split: _figures(card.metrics.get(split) or {})
            for split in ("train", "validation", "test")
        },
    }


def _curves(history: Sequence[dict[str, Any]], loss: str, accuracy: str, f_score: str) -> Json:
    return {
        name: [line.get(key) for line in history]
        for name, key in (("loss", loss), ("accuracy", accuracy), ("f_score", f_score))
    }


def _figures(measured: dict[str, Any]) -> Json:
    return {
        name: measured.get(key)
        for name, key in (("loss", "nll"), ("accuracy", "top1"), ("f_score", "macro_f1"))
    }


def _predictions(item: Item, registry: Registry) -> Json | None:
    said = item.photo.prediction
    return (
        None
        if said is None
        else {line.label: line.probability for line in full_ranking(said, registry)}
    )


def _sentence(line: RankedLabel) -> Json:
    percent = line.probability * 100
    message = f"{ordinal(line.rank)} Prediction: {line.label} with {percent:.2f}% confidence."
    return {"class": line.label, "confidence_percent": round(percent, 2), "message": message}


def _free(name: str, taken: set[str]) -> str:
    stem, dot, ending = name.rpartition(".")
    numbered = (
        f"{stem} ({at}).{ending}" if dot else f"{name} ({at})" for at in range(2, len(taken) + 3)
    )
    return next(one for one in numbered if one not in taken)
