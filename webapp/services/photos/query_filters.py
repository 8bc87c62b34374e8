"""A filter from the parameters of a URL, and back: the one place that knows their names. Pages, JSON and exports all ask here."""

import re
from collections.abc import Mapping
from dataclasses import fields
from datetime import date

from webapp.domain import AMONG_FIVE, FIRST_GUESS, KNOWN, NO, OUTCOMES, SORTS, YES, GalleryFilter
from webapp.errors import BadRequestError

TEXTS = (
    "predicted",
    "decision",
    "ground_truth",
    "filename",
    "uploader",
    "source",
    "batch",
    "labelled",
    "like",
    "compared",
)
PERCENTAGES = {
    "from": ("min_confidence", "Confidence"),
    "to": ("max_confidence", "Confidence"),
    "margin_from": ("min_margin", "Margin"),
    "margin_to": ("max_margin", "Margin"),
}
"""Parameters that pages use, since people read percentages, with the parameter of JSON that says the same as a fraction."""

NAMES = (*(one.name for one in fields(GalleryFilter)), *PERCENTAGES)
"""Every parameter that means something here."""

MOST_PICKED = 200
"""Photos that can be named one by one: as many as the largest page has."""


def parse_filter(args: Mapping[str, str]) -> GalleryFilter:
    """A filter from the parameters of a URL; unknown ones are somebody else's. Raises `BadRequestError` that names the parameter.

    `model` may be `NAME@VERSION`. The order `most-wrong` knows only wrong answers, so it sets the outcome.
    """
    model, version = _model(args)
    sort = _one_of(args, "sort", SORTS)
    outcome = _one_of(args, "outcome", ("", *OUTCOMES))
    return GalleryFilter(
        **{name: _text(args, name) for name in TEXTS},  # type: ignore[arg-type]
        **{name: _share(args, short, name, title) for short, (name, title) in PERCENTAGES.items()},  # type: ignore[arg-type]
        model=model,
        version=version,
        since=_day(args, "since"),
        until=_day(args, "until"),
        picked=_picked(args),
        duplicates=_one_of(args, "duplicates", ("", YES, NO)),
        starred=_one_of(args, "starred", ("", YES, NO)),
        audited=_one_of(args, "audited", ("", YES, NO)),
        checked=_one_of(args, "checked", ("", YES, KNOWN, FIRST_GUESS, AMONG_FIVE)),
        learnt=_one_of(args, "learnt", ("", YES, NO)),
        outcome="wrong" if sort == "most-wrong" else outcome,
        sort=sort,
    )


def filter_params(wanted: GalleryFilter) -> dict[str, str]:
    """The parameters of a page that `parse_filter` reads as this filter; what is off is left out."""
    found: dict[str, str] = {}
    shorts = {name: short for short, (name, _title) in PERCENTAGES.items()}
    for one in fields(GalleryFilter):
        value = getattr(wanted, one.name)
        if value == one.default:
            continue
        found[shorts.get(one.name, one.name)] = (
            f"{value * 100:.10g}" if one.name in shorts else str(value)
        )
    return found


def without(wanted: Mapping[str, str], *names: str) -> dict[str, str]:
    """Parameters with some of them taken off; the sort goes with the outcome that it demands."""
    gone = {
        *names,
        *(["sort"] if "outcome" in names and wanted.get("sort") == "most-wrong" else []),
    }
    return {name: value for name, value in wanted.items() if name not in gone}


def _text(args: Mapping[str, str], name: str) -> str:
    value = args.get(name, "").strip()
    if len(value) > 255 or "\x00" in value:
        raise BadRequestError(f"{name} is too long or has characters that no name has.")
    return value


def _picked(args: Mapping[str, str]) -> str:
    """Ids with commas between them, each once."""
    ids = list(
        dict.fromkeys(
            one for one in (part.strip() for part in args.get("picked", "").split(",")) if one
        )
    )
    if len(ids) > MOST_PICKED or not all(re.fullmatch(r"[A-Za-z0-9_-]{1,24}", one) for one in ids):
        raise BadRequestError(
            f"picked must be up to {MOST_PICKED} ids of photos with commas between them."
        )
    return ",".join(ids)


def _one_of(args: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str:
    value = args.get(name, "") or allowed[0]
    if value not in allowed:
        raise BadRequestError(f"{name} must be one of {', '.join(one for one in allowed if one)}.")
    return value


def _share(args: Mapping[str, str], percentage: str, fraction: str, title: str) -> float | None:
    """What either parameter says, in [0, 1]."""
    value = _number(args.get(fraction, "").strip())
    if value is not None and not 0 <= value <= 1:
        raise BadRequestError(f"{fraction} must be a number from 0 to 1.")
    percents = _number(args.get(percentage, "").strip().removesuffix("%").strip())
    if percents is not None and not 0 <= percents <= 100:
        raise BadRequestError(f"{title} is a number from 0 to 100.")
    return value if percents is None else percents / 100


def _number(text: str) -> float | None:
    """None for no text, -1 for a text that is no number."""
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        return -1.0


def parse_day(args: Mapping[str, str], name: str) -> date:
    """The day of a parameter, like 2026-02-27. Raises `BadRequestError`."""
    text = args.get(name, "").strip()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadRequestError(f"{name} must be a day like 2026-02-27.") from None


def _day(args: Mapping[str, str], name: str) -> date | None:
    return parse_day(args, name) if args.get(name, "").strip() else None


def _model(args: Mapping[str, str]) -> tuple[str, int | None]:
    name, _, behind = _text(args, "model").partition("@")
    text = args.get("version", "").strip() or behind
    if not text:
        return name, None
    if not name:
        raise BadRequestError("version says nothing without a model.")
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        raise BadRequestError("version must be a whole number.")
    return name, int(text)
