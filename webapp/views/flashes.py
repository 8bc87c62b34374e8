"""Words for the next page: what was saved, with the way to take it back."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from flask import flash

from webapp.domain import NO_CAR, WHOLE
from webapp.errors import MarqueError
from webapp.inference.models.card import ModelCard
from webapp.services.labels.relabel import Relabelled
from webapp.views.layout import shown_name
from webapp.views.template_filters import count


def note(
    text: str,
    *,
    strong: str = "",
    kind: str = "is-ok",
    batch: str = "",
    link: str = "",
    link_text: str = "",
) -> None:
    """Show a note on the next page: `text`, `strong` after it, an undo button for `batch`, a link.

    kind: "is-ok", "is-error" or "".
    """
    parts = {"text": text, "strong": strong, "batch": batch, "link": link, "link_text": link_text}
    flash(parts, kind)  # type: ignore[arg-type]  # the session keeps any JSON


@contextmanager
def noting(*errors: type[MarqueError]) -> Iterator[None]:
    """Show one of these errors as a note on the next page instead of raising it."""
    try:
        yield
    except errors as error:
        note(str(error), kind="is-error")


def note_saved(
    done: Relabelled, label: str, cards: Sequence[ModelCard], noun: str = "photo"
) -> None:
    """What a relabelling with a label of these cards did with photos, or with cars."""
    known = next(filter(None, (card.label(label) for card in cards)), None)
    shown = known.display if known and label == done.label else shown_name(label)
    if not done.changed:
        those = f"The {noun} is" if done.skipped == 1 else f"These {noun}s are all"
        note(f"{those} marked so already:", strong=f"{shown}.", kind="")
        return
    those = f"1 {noun} is" if done.changed == 1 else f"{count(done.changed, noun)} are"
    if done.car and done.car.found_by != WHOLE and (done.car.photo.car_count or 0) > 1:
        those = f"car {done.car.position + 1} is"
    already = f" {count(done.skipped, noun)} had it already." if done.skipped else ""
    if done.label == NO_CAR and done.changed == 1:
        those, shown = "there is", "no car here"
    note(
        f"Saved: {those}",
        strong=f"{shown}.{already}",
        batch=done.batch,
    )


def note_undone(done: Relabelled, *, boxed: bool = False) -> None:
    """What an undo did; `boxed`: boxes of cars were among it."""
    if boxed:
        left = f" {count(done.skipped, 'box', 'boxes')} stayed: changed since, or without a file."
        note(f"Undone: the boxes are those from before.{left if done.skipped else ''}")
        return
    verb = "has" if done.changed == 1 else "have"
    left = f" {count(done.skipped, 'photo')} changed since and stayed." if done.skipped else ""
    note(f"Undone: {count(done.changed, 'photo')} {verb} the label from before.{left}")
