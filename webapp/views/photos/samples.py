"""The sample pictures that are shipped to be tried, and their answers."""

from pathlib import Path
from typing import Any

from flask import current_app

from webapp.domain import Answer
from webapp.errors import PhotoNotFoundError
from webapp.extensions import get_card, get_extensions, get_files, get_limiter
from webapp.inference.classifier import Classifier
from webapp.services.photos.classify import Incoming, Pipeline, answer_photo
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


def answers(sample: Sample, choice: str = "") -> list[Answer]:
    """The answers of a live model, or all, made once. Raises like `answer_photo`."""
    return [_answer(sample, classifier) for classifier in get_extensions().classifiers(choice)]


def _answer(sample: Sample, classifier: Classifier) -> Answer:
    known: dict[Any, Answer] = current_app.extensions.setdefault("marque-samples", {})
    card, path = classifier.card, _folder() / f"{sample.name}.jpg"
    merged = str((get_card(card.name) or card).outputs)
    key = (sample.name, card.name, card.version, merged, path.stat().st_mtime_ns)
    if key not in known:
        pipeline = Pipeline([classifier], get_files(), get_limiter())
        known[key] = answer_photo(Incoming(path.name, path.read_bytes()), pipeline)[0].answers[0]
    return known[key]


def _folder() -> Path:
    return Path(str(current_app.static_folder)) / "samples"
