"""What the URL of the statistics asks for, and the addresses that its numbers lead to."""

import calendar
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from flask import request, url_for

from webapp.domain import AMONG_FIVE, FIRST_GUESS, KNOWN, NO, YES
from webapp.errors import BadRequestError, ModelError, ModelUnavailableError
from webapp.extensions import get_card, get_registry, get_version_card
from webapp.gallery_filter import GalleryFilter, filter_params, parse_filter
from webapp.inference.models.card import ModelCard
from webapp.services.stats import figures, matrix
from webapp.services.stats.figures import MonthAccuracy, TrainingShare

# parameters of this page beside the filters of the gallery, which has `model` and `version`
_OWN = ("sample", "include", "order", "diagonal", "group", "at")
# values of the filter `checked`, each of which lets through only what the one before it does
_CHECKED_NARROWING = ("", YES, KNOWN, AMONG_FIVE, FIRST_GUESS)


@dataclass(frozen=True)
class StatsQuery:
    """What the URL asks for: the filters of the gallery without the version, which is `card`, and
    the parameters of this page (`own`). `percent` is the threshold to look at, `trained` is known
    once it was counted."""

    card: ModelCard
    photo_filter: GalleryFilter
    own: dict[str, str]
    sample: str
    order: str
    grouped: bool
    diagonal: bool
    percent: int
    with_trained: bool
    trained: TrainingShare = field(default=TrainingShare(known=False, photos=0, counted=False))

    @property
    def version(self) -> str:
        """The version as a URL names it."""
        return f"{self.card.name}@{self.card.version}"

    @property
    def filters(self) -> dict[str, str]:
        """The parameters of the filters that are on."""
        return filter_params(self.photo_filter)

    @property
    def params(self) -> dict[str, str]:
        """All parameters of this page."""
        return {"model": self.version, **self.own, **self.filters}

    @cached_property
    def _gallery_address(self) -> str:
        return url_for("gallery.index")  # a page has a thousand links to it

    def narrowed(self, **narrower: Any) -> GalleryFilter:
        """The filters and the sample about this version's answers, narrowed further."""
        values: dict[str, Any] = {"model": self.card.name, "version": self.card.version}
        if self.sample == figures.AUDITED:
            values["audited"] = YES
        if self.trained.photos and not self.trained.counted:
            values["trained_on"] = NO
        values |= {
            name: _narrower(name, getattr(self.photo_filter, name), value)
            for name, value in narrower.items()
        }
        return self.photo_filter.replace(**values)

    def gallery(self, **narrower: Any) -> str:
        """The gallery with the same."""
        return f"{self._gallery_address}?{urlencode(filter_params(self.narrowed(**narrower)))}"

    def month(self, point: MonthAccuracy, **narrower: Any) -> str:
        """The same for the photos of one month."""
        last_day = calendar.monthrange(point.year, point.month)[1]
        first, last = (date(point.year, point.month, day) for day in (1, last_day))
        return self.gallery(since=first, until=last, **narrower)

    def here(self, **changes: str) -> str:
        """This page with some parameters changed; an empty one is taken out."""
        params = {key: value for key, value in {**self.params, **changes}.items() if value}
        return f"{url_for('.index')}?{urlencode(params)}"


def read_query() -> StatsQuery | None:
    """None when no model is installed. Raises `BadRequestError` or `ModelNotFoundError`."""
    args = request.args
    photo_filter = parse_filter(args)
    name, version = photo_filter.model, photo_filter.version
    card = get_version_card(name, version) if name else get_card() or _any_card()
    if card is None:
        return None
    grouped = _choice("group", ("", "parent")) == "parent"
    return StatsQuery(
        card=card,
        photo_filter=photo_filter.replace(model="", version=None, sort="newest"),
        own={name: args[name] for name in _OWN if args.get(name)},
        sample=_choice("sample", figures.SAMPLES),
        order=_choice("order", matrix.ORDERS),
        grouped=grouped and any(label.parent for label in card.labels),
        diagonal=_choice("diagonal", ("", "hide")) != "hide",
        percent=_percent(args.get("at", ""), round(card.threshold * 100)),
        with_trained=_choice("include", ("", "learnt")) == "learnt",
    )


def need_query() -> StatsQuery:
    """The same; raises `ModelUnavailableError` when no model is installed."""
    if (query := read_query()) is None:
        raise ModelUnavailableError("No model is installed: there is nothing to measure.")
    return query


def _any_card() -> ModelCard | None:
    registry = get_registry()
    for name in registry.names():
        for version in reversed(registry.versions(name)):
            try:
                return registry.card(name, version)
            except ModelError:
                continue
    return None


def _narrower(name: str, first: Any, second: Any) -> Any:
    """What two values of the same filter let through together; of most the second passed the
    first."""
    if name == "checked":
        return max(first, second, key=_CHECKED_NARROWING.index)
    if first is not None and name in ("min_confidence", "since"):
        return max(first, second)
    if first is not None and name in ("max_confidence", "until"):
        return min(first, second)
    return second


def _choice(name: str, allowed: tuple[str, ...]) -> str:
    value = request.args.get(name, "") or allowed[0]
    if value not in allowed:
        raise BadRequestError(f"{name} must be one of {', '.join(filter(None, allowed))}.")
    return value


def _percent(text: str, default: int) -> int:
    text = text.removesuffix("%").strip()
    if not text:
        return min(99, default)
    if not text.isdecimal() or len(text) > 3 or int(text) > 99:
        raise BadRequestError("The threshold is a whole number from 0 to 99.")
    return int(text)
