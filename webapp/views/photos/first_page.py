"""The first page: the upload form, the latest answer, samples, what the model knows."""

from contextlib import suppress
from typing import Any

from flask.typing import ResponseReturnValue

from webapp.domain import NONE_OF_THESE
from webapp.errors import MarqueError, ModelUnavailableError
from webapp.extensions import get_card, get_classifier, get_config
from webapp.inference.models.card import ModelCard
from webapp.inference.models.label_set import every_label
from webapp.services.models import cards
from webapp.services.photos.spool import allowance_of
from webapp.storage.labels.events import new_batch
from webapp.storage.photos import photos
from webapp.views import guards
from webapp.views.forms import Form
from webapp.views.layout import label_groups, model_choices, render_page
from webapp.views.photos import samples
from webapp.views.photos.presenters import present_answers, present_photo


def render(form: Form, error: MarqueError | None = None) -> ResponseReturnValue:
    """The page with the form as it was sent; `error` is why that was refused."""
    card, trouble = get_card(), error
    if trouble is None:
        try:
            get_classifier()
        except ModelUnavailableError as missing:
            trouble = missing
    latest = photos.latest_photo() if guards.may_browse() else None
    return render_page(
        "photos/upload.html",
        trouble,
        form=form,
        card=card,
        batch=new_batch(),
        allowance=allowance_of(guards.owner()),
        models=model_choices(),
        automatic=not get_config().model,
        groups=label_groups(verdicts=(NONE_OF_THESE,), retired=False),
        latest=latest,
        latest_shown=present_photo(latest) if latest else None,
        stand_in=None if latest else _stand_in(),
        samples=samples.strip() if card and (error or not trouble) else [],
        knows=_what_it_knows(card),
        found={row.label: row.recall for row in cards.card_labels(card)} if card else {},
    )


def _stand_in() -> dict[str, Any] | None:
    """On a fresh install a sample stands where the latest photo will, with its answer, if any."""
    there = samples.strip()
    if not there:
        return None
    sample, shown = there[len(there) // 2], None
    with suppress(MarqueError):  # no model, or no time for it now
        shown = present_answers(samples.cars_of(sample)[0])[0][1]
    return {"sample": sample, "shown": shown}


def _what_it_knows(card: ModelCard | None) -> list[dict[str, Any]]:
    """A tile for each label: its newest checked photo, else its sample, else its colour.

    Of many labels only those with a picture.
    """
    if card is None:
        return []
    checked = photos.latest_checked_photo_of_each_label() if guards.may_browse() else {}
    pictures = {sample.name: sample for sample in samples.all_samples()}
    tiles = [
        {"label": label, "photo": checked.get(label.name), "sample": pictures.get(label.name)}
        for label in sorted(every_label(card), key=lambda label: label.display.casefold())
    ]
    if len(tiles) <= cards.MANY:
        return tiles
    return [tile for tile in tiles if tile["photo"] or tile["sample"]][: cards.MANY]
