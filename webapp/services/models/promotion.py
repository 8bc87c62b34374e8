"""Which version of a model is live: compare, let another take over, go back, and what served when."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from webapp.domain import Who
from webapp.errors import ModelRefusedError, PromotionRefusedError, StorageFullError
from webapp.inference.classifier import Classifier
from webapp.inference.models.card import ModelCard
from webapp.inference.models.gate import BETTER, Comparison, compare, rank_both
from webapp.inference.models.held_out import LabelledPhoto, Split, unseen
from webapp.inference.models.label_set import right_answers
from webapp.inference.models.registry import Registry
from webapp.services.webhooks import events as webhook_events
from webapp.storage.database import writing
from webapp.storage.models import promotions as storage
from webapp.storage.tables import Promotion

Watch = Callable[[Sequence[LabelledPhoto]], Iterable[LabelledPhoto]]
LONGEST_WHY = 500


@dataclass(frozen=True)
class Weighed:
    """A comparison and what was left out of it: photos that a version has learnt from, labels not both know, files that are no photos."""

    comparison: Comparison
    seen: int
    other_labels: int
    left_out: tuple[str, ...]


def weigh(
    champion: Classifier,
    challenger: Classifier,
    found: tuple[list[LabelledPhoto], list[str]],
    splits: Sequence[Split | None],
    *,
    any_photo: bool = False,
    watch: Watch = iter,
    cards: tuple[ModelCard, ModelCard] | None = None,
) -> Weighed:
    """Compare two versions on the photos `found` that neither has learnt from; with them come sentences about what was left out.

    `splits` are what the versions learnt from, None when unknown. `any_photo` takes all photos, learnt or not. `watch` is handed the
    photos and gives them back one by one (a progress bar). `cards` say how labels read today; without them, as published. Raises
    `ModelRefusedError` when it is unknown what a version learnt from, or when no photo is left.
    """
    known = [split for split in splits if split is not None]
    versions = (champion.card.version, challenger.card.version)
    if len(known) < len(splits) and not any_photo:
        raise ModelRefusedError(
            not_known([one for one, split in zip(versions, splits, strict=True) if split is None])
        )
    photos, left_out = found
    cards = cards or (champion.card, challenger.card)
    labels = right_answers(cards[0]).keys() & right_answers(cards[1]).keys()
    ours = [photo for photo in photos if photo.label in labels]
    kept, seen = (ours, []) if any_photo else unseen(ours, known)
    if not kept:
        raise ModelRefusedError(_nothing_left(len(photos), len(ours)))
    said, refused = rank_both(champion, challenger, watch(kept), cards)
    return Weighed(
        compare(*versions, said), len(seen), len(photos) - len(ours), (*left_out, *refused)
    )


def promote(
    registry: Registry,
    challenger: Classifier,
    who: Who,
    *,
    comparison: Comparison | None = None,
    champion_works: bool = True,
    force: bool = False,
    why: str = "",
) -> Promotion:
    """Let the loaded `challenger` serve from now on; every worker follows with its next photo.

    Raises `PromotionRefusedError` when it is live already, and, unless `force` says otherwise, when a version that works is live and
    `comparison` does not find the challenger better than that one. `force` needs a reason.
    """
    name, version = challenger.card.name, challenger.card.version
    live = registry.live_version(name)
    if live == version:
        raise PromotionRefusedError(f"{name} {version} is live already.")
    if force and not why.strip():
        raise PromotionRefusedError("Say why: the history keeps the reason.")
    if not force and live is not None and champion_works:
        _demand_better(name, version, live, comparison)
    return _switch(registry, name, version, "promote", who, why, comparison, forced=force)


def rollback(
    registry: Registry,
    name: str,
    load: Callable[[str, int], Classifier],
    who: Who,
    *,
    why: str = "",
) -> Promotion:
    """Let the version serve again that was live before the present one. `load` proves that it can.

    Raises `PromotionRefusedError` when none is known, `ModelNotFoundError` or `ModelUnavailableError` when it is gone or damaged.
    """
    live, before = registry.live_version(name), way_back(registry, name)
    if before is None:
        what = f"{name} {live}" if live is not None else f"the present version of {name}"
        raise PromotionRefusedError(
            f"Nobody wrote down what was live before {what}. Choose a version and promote it."
        )
    load(name, before)
    return _switch(registry, name, before, "rollback", who, why, None, forced=False)


def note_first(registry: Registry, name: str, version: int, who: Who) -> None:
    """Remember that `version`, just published, went live by itself as the first of its name; nothing when it did not."""
    if registry.live_version(name) != version or storage.promotions_of(name):
        return
    row = Promotion(
        model=name,
        kind="first",
        from_version=None,
        to_version=version,
        who=who.name,
        user_id=who.user_id,
    )
    with writing():
        storage.add_promotion(row)
        webhook_events.version_promoted(row)


def way_back(registry: Registry, name: str) -> int | None:
    """The version that `rollback` would go back to, None when nobody wrote down what was live before."""
    live = registry.live_version(name)
    arrival = storage.last_arrival(name, live) if live is not None else None
    return arrival.from_version if arrival else None


def history(name: str) -> Sequence[Promotion]:
    """Every change of the live version of a model, newest first."""
    return storage.promotions_of(name)


def _switch(
    registry: Registry,
    name: str,
    version: int,
    kind: str,
    who: Who,
    why: str,
    comparison: Comparison | None,
    *,
    forced: bool,
) -> Promotion:
    """Write LIVE and the row, both or none."""
    live = registry.live_version(name)
    try:
        return _write(registry, name, version, kind, who, why, comparison, forced=forced)
    except BaseException:
        if live is not None and registry.live_version(name) != live:
            registry.make_live(name, live)  # the row could not be committed
        raise


def _write(
    registry: Registry,
    name: str,
    version: int,
    kind: str,
    who: Who,
    why: str,
    comparison: Comparison | None,
    *,
    forced: bool,
) -> Promotion:
    with writing():
        live = registry.live_version(name)
        row = Promotion(
            model=name,
            kind=kind,
            from_version=live,
            to_version=version,
            forced=forced,
            why=why.strip()[:LONGEST_WHY],
            figures=comparison.to_json() if comparison else None,
            who=who.name,
            user_id=who.user_id,
        )
        storage.add_promotion(row)
        webhook_events.version_promoted(row)
        try:
            registry.make_live(name, version)  # when this fails, no row is written
        except OSError as error:
            raise StorageFullError(
                f"The models folder cannot be written ({error.strerror}). Nothing was changed."
            ) from error
    return row


def _demand_better(name: str, version: int, live: int, comparison: Comparison | None) -> None:
    if comparison is None or (comparison.champion, comparison.challenger) != (live, version):
        raise PromotionRefusedError(
            f"{name} {live} is live and has not been compared with version {version}. Compare them first, or insist and say why "
            "(in the terminal: --data FOLDER or --history; --force --why REASON)."
        )
    if comparison.verdict != BETTER:
        found = "worse" if comparison.verdict != "same" else "no better"
        raise PromotionRefusedError(
            f"{name} {version} is {found} than version {live}, which stays live. {' '.join(comparison.reasons)}"
        )


def not_known(versions: Sequence[int]) -> str:
    """Why versions without a list of what they learnt from are not compared."""
    return (
        f"It is not known which photos version {' and '.join(map(str, versions))} has learnt from, so a comparison may flatter it. "
        "Name photos that are surely new and say so with --any-photo."
    )


def _nothing_left(photos: int, ours: int) -> str:
    if not photos:
        return "There is no photo to compare on. A data folder has one folder of photos per label."
    if not ours:
        return "None of the photos has a label that both versions know. The names of the folders must be labels."
    return f"One of the versions has learnt from each of the {ours} photos. Name new ones, or say --any-photo and mistrust the result."
