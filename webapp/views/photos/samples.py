"""The samples that are shipped to be tried: which there are, and what the model says about one."""

from pathlib import Path
from typing import Any, cast

from flask import current_app

from webapp.domain import Answer
from webapp.errors import MarqueError, PhotoNotFoundError
from webapp.extensions import get_card, get_classifiers, get_files, get_limiter
from webapp.inference.classifier import Classifier
from webapp.services.photos.classify import Incoming, Pipeline, answer_photo
from webapp.services.photos.samples import Sample, find_samples

FOLDER = "samples"
STRIP = 6
KEPT = "marque-samples"


def all_samples() -> list[Sample]:
    """The samples that are there by name, those of other things last."""
    return find_samples(_folder(), get_card())


def strip() -> list[Sample]:
    """A few to try: labels evenly spread, and one that shows something else."""
    samples = all_samples()
    labels = [one for one in samples if one.is_label]
    others = [one for one in samples if not one.is_label][:1]
    room = min(len(labels), STRIP - len(others))
    return [labels[place * len(labels) // room] for place in range(room)] + others


def sample(name: str) -> Sample:
    """The sample of this name. Raises `PhotoNotFoundError`."""
    for one in all_samples():
        if one.name == name:
            return one
    raise PhotoNotFoundError("There is no sample of this name.")


def answers(one: Sample, choice: str = "") -> list[Answer]:
    """What a live model (or all) says about a sample; asked once for each version, then remembered. Raises like `answer_photo`."""
    return [_answer(one, classifier) for classifier in get_classifiers(choice)]


def _answer(one: Sample, classifier: Classifier) -> Answer:
    kept = cast(dict[tuple[Any, ...], Answer], current_app.extensions.setdefault(KEPT, {}))
    reads = tuple(sorted(getattr(get_card(classifier.card.name), "reads", {}).items()))
    key = (
        one.name,
        classifier.card.name,
        classifier.card.version,
        reads,
        (_folder() / f"{one.name}.jpg").stat().st_mtime_ns,
    )
    if key not in kept:
        content = (_folder() / f"{one.name}.jpg").read_bytes()
        pipeline = Pipeline([classifier], get_files(), get_limiter())
        kept[key] = answer_photo(Incoming(f"{one.name}.jpg", content), pipeline)[0]
    return kept[key]


def answer_if_ready(one: Sample) -> Answer | None:
    """What the site's model says, None when there is no model or no time for it now."""
    try:
        return answers(one)[0]
    except MarqueError:
        return None


def _folder() -> Path:
    return Path(str(current_app.static_folder)) / FOLDER
