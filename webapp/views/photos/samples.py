"""The drawings that are shipped to be tried: which there are, and what the model says about one."""

from pathlib import Path
from typing import Any, cast

from flask import current_app

from webapp.domain import Answer
from webapp.errors import MarqueError, PhotoNotFoundError
from webapp.extensions import get_card, get_classifiers, get_turnstile
from webapp.inference.classifier import Classifier
from webapp.services.photos.classify import Incoming, answer_photo
from webapp.services.photos.samples import Drawing, find_drawings

FOLDER = "samples"
STRIP = 6
KEPT = "marque-drawings"


def all_drawings() -> list[Drawing]:
    """The drawings that are there by name, those of other things last."""
    return find_drawings(_folder(), get_card())


def strip() -> list[Drawing]:
    """A few to try: labels evenly spread, and one that shows something else."""
    drawings = all_drawings()
    labels = [one for one in drawings if one.is_label]
    others = [one for one in drawings if not one.is_label][:1]
    room = min(len(labels), STRIP - len(others))
    return [labels[place * len(labels) // room] for place in range(room)] + others


def drawing(name: str) -> Drawing:
    """The drawing of this name. Raises `PhotoNotFoundError`."""
    for one in all_drawings():
        if one.name == name:
            return one
    raise PhotoNotFoundError("There is no drawing of this name.")


def answers(one: Drawing, choice: str = "") -> list[Answer]:
    """What a live model (or all) says about a drawing; asked once for each version, then remembered. Raises like `answer_photo`."""
    return [_answer(one, classifier) for classifier in get_classifiers(choice)]


def _answer(one: Drawing, classifier: Classifier) -> Answer:
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
        kept[key] = answer_photo(
            Incoming(f"{one.name}.jpg", content), classifier=classifier, turnstile=get_turnstile()
        )
    return kept[key]


def answer_if_ready(one: Drawing) -> Answer | None:
    """What the site's model says, None when there is no model or no time for it now."""
    try:
        return answers(one)[0]
    except MarqueError:
        return None


def _folder() -> Path:
    return Path(str(current_app.static_folder)) / FOLDER
