"""Which version of a model is live: promote, roll back, and what served when."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from webapp.domain import Who
from webapp.errors import PromotionRefusedError, StorageFullError
from webapp.inference.classifier import Classifier
from webapp.inference.detector import Detector
from webapp.inference.models.gate import BETTER, SAME, AnyComparison
from webapp.inference.models.registry import Registry
from webapp.services.webhooks import events as webhook_events
from webapp.storage import models as storage
from webapp.storage.database import writing
from webapp.storage.tables import Promotion

Load = Callable[[str, int], Classifier | Detector]
_LONGEST_REASON = 500


@dataclass(frozen=True)
class Decision:
    """Who decides about the live version, and why; `force` overrules the gate and needs a
    reason."""

    who: Who
    why: str = ""
    force: bool = False


def promote(
    registry: Registry,
    challenger: Classifier | Detector,
    decision: Decision,
    *,
    comparison: AnyComparison | None = None,
    champion_works: bool = True,
) -> Promotion:
    """Let the loaded `challenger` serve from now on; every worker follows with its next photo.

    Raises `PromotionRefusedError` when it is live already, and, unless forced, when a version that
    works is live and `comparison` does not find the challenger better than that.
    """
    name, version = challenger.card.name, challenger.card.version
    live = registry.live_version(name)
    if live == version:
        raise PromotionRefusedError(f"{name} {version} is live already.")
    if decision.force and not decision.why.strip():
        raise PromotionRefusedError("Say why: the history keeps the reason.")
    if not decision.force and live is not None and champion_works:
        if comparison is None or (comparison.champion, comparison.challenger) != (live, version):
            raise PromotionRefusedError(
                f"{name} {live} is live and has not been compared with version {version}. "
                "Compare them first, or insist and say why "
                "(in the terminal: --data FOLDER or --history; --force --why REASON)."
            )
        if comparison.verdict != BETTER:
            verdict = "no better" if comparison.verdict == SAME else "worse"
            raise PromotionRefusedError(
                f"{name} {version} is {verdict} than version {live}, which stays live. "
                f"{' '.join(comparison.reasons)}"
            )
    figures = comparison.to_json() if comparison else None
    row = _row("promote", name, version, decision, forced=decision.force, figures=figures)
    return _switch(registry, row)


def rollback(registry: Registry, name: str, load: Load, decision: Decision) -> Promotion:
    """Let the version serve again that was live before the present one. `load` proves that it can.

    Raises `PromotionRefusedError` when none is known, `ModelNotFoundError` or
    `ModelUnavailableError` when it is gone or damaged.
    """
    live, before = registry.live_version(name), version_before(registry, name)
    if before is None:
        present = f"{name} {live}" if live is not None else f"the present version of {name}"
        raise PromotionRefusedError(
            f"Nobody wrote down what was live before {present}. Choose a version and promote it."
        )
    load(name, before)
    return _switch(registry, _row("rollback", name, before, decision))


def note_first(registry: Registry, name: str, version: int, who: Who) -> None:
    """Remember that `version`, just published, went live as the first of its name, if it did."""
    if registry.live_version(name) != version or storage.promotions_of(name):
        return
    row = _row("first", name, version, Decision(who))
    with writing():
        storage.add_promotion(row)
        webhook_events.version_promoted(row)


def version_before(registry: Registry, name: str) -> int | None:
    """The version that `rollback` would return to, None when nobody wrote it down."""
    live = registry.live_version(name)
    arrival = storage.last_arrival(name, live) if live is not None else None
    return arrival.from_version if arrival else None


def history(name: str) -> Sequence[Promotion]:
    """Every change of the live version of a model, newest first."""
    return storage.promotions_of(name)


def _row(kind: str, name: str, version: int, decision: Decision, **values: object) -> Promotion:
    why, who = decision.why.strip()[:_LONGEST_REASON], decision.who
    row = {"why": why, "who": who.name, "user_id": who.user_id, **values}
    return Promotion(model=name, kind=kind, from_version=None, to_version=version, **row)


def _switch(registry: Registry, row: Promotion) -> Promotion:
    """Write LIVE and the row, both or none."""
    name, version = row.model, row.to_version
    live = registry.live_version(name)
    try:
        with writing():
            row.from_version = registry.live_version(name)
            storage.add_promotion(row)
            webhook_events.version_promoted(row)
            registry.make_live(name, version)  # when this fails, no row is written
    except BaseException as error:
        if live is not None and registry.live_version(name) != live:
            registry.make_live(name, live)  # the row could not be committed
        if isinstance(error, OSError):
            raise StorageFullError(
                f"The models folder cannot be written ({error.strerror}). Nothing was changed."
            ) from error
        raise
    return row
