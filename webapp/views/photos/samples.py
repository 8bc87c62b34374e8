"""The sample pictures that are shipped to be tried, and their answers."""

from pathlib import Path
from typing import Any

from flask import current_app

from webapp.domain import ClassifiedCar
from webapp.errors import PhotoNotFoundError
from webapp.extensions import get_card, get_pipeline
from webapp.services.photos.classify import Incoming, answer_photo
from webapp.services.photos.samples import Sample, find_samples

_STRIP = 6


def all_samples() -> list[Sample]:
    """The samples by name, those of other things last."""
    return find_samples(_folder(), get_card())


def strip() -> list[Sample]:
    """A few to try: labels evenly spread, and one that shows something else."""
    samples = all_samples()
    labels = [sample for sample in samples if sample.is_label]
    others = [sample for sample in samples if not sample.is_label][:1]
    room = min(len(labels), _STRIP - len(others))
    return [labels[place * len(labels) // room] for place in range(room)] + others


def get_sample(name: str) -> Sample:
    """The sample of this name. Raises `PhotoNotFoundError`."""
    known = {sample.name: sample for sample in all_samples()}
    if name not in known:
        raise PhotoNotFoundError("There is no sample of this name.")
    return known[name]


def cars_of(sample: Sample, choice: str = "") -> list[ClassifiedCar]:
    """The cars of a sample, the main one first, with the answers of the models of a choice: found
    and classified once, like an upload. Raises like `answer_photo`."""
    known: dict[Any, list[ClassifiedCar]] = current_app.extensions.setdefault("marque-samples", {})
    pipeline, path = get_pipeline(choice), _folder() / f"{sample.name}.jpg"
    cards = [classifier.card for classifier in pipeline.classifiers]
    asked = [
        (card.name, card.version, str((get_card(card.name) or card).outputs)) for card in cards
    ]
    detector = pipeline.detector and pipeline.detector.card.version
    key = (sample.name, path.stat().st_mtime_ns, tuple(asked), detector)
    if key not in known:
        known[key] = answer_photo(Incoming(path.name, path.read_bytes()), pipeline)
    return known[key]


def _folder() -> Path:
    return Path(str(current_app.static_folder)) / "samples"
