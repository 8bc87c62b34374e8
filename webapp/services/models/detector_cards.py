"""The figures of a detector for people."""

from collections.abc import Mapping
from typing import Any

from webapp.domain import count
from webapp.inference.models.detector_card import DetectorCard
from webapp.services.models.cards import Measurement, found_share

_SIZES = {
    "small": "under 2 % of the photo, each is found",
    "medium": "2 to 15 % of the photo",
    "large": "over 15 % of the photo",
}


def detector_measurements(card: DetectorCard) -> list[Measurement]:
    """How well a detector does: the largest car of photos, in all and by source, cars by their
    size, and photos of other things; empty when the card says nothing."""
    test = card.metrics.get("test") or {}
    parts = {"All held-out photos": test, **(test.get("sources") or {})}
    rows = [
        (name, "the largest car is found", found_share((part.get("main_car") or {}).get("iou50")))
        for name, part in parts.items()
    ]
    sizes = test.get("recall") or {}
    rows += [
        (f"{size.capitalize()} cars", note, found_share(sizes.get(size)))
        for size, note in _SIZES.items()
    ]
    unknown = card.metrics.get("unknown") or {}
    clean = found_share({"share": unknown.get("without", 0.0), "n": unknown.get("n")})
    rows.append(("Photos of other things", "right is to find no car", clean))
    return [Measurement(name, note, share) for name, note, share in rows if share]


def detector_figures(figures: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """The figures of a set of photos (`box_metrics.summary`) in words, by what they tell: each with
    what is plausible, or what it is counted in, "" for nothing."""
    precision, main = figures["recall_at_precision"], figures["main_car"]
    shares = {f"{size} cars found": share for size, share in figures["recall"].items()}
    shares |= {"main car found": main["iou50"], "main car closely": main["iou80"]}
    alarms = count(figures["false_alarms"], "box", "boxes")
    return {
        "average precision": (_percent(figures["ap50"]), ""),
        f"found at precision {precision['precision']:.2f}": (_percent(precision["recall"]), ""),
        **{name: _with_interval(share) for name, share in shares.items()},
        "false alarms": (alarms, f"in {count(figures['photos'], 'photo')}"),
    }


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _with_interval(figures: Mapping[str, Any]) -> tuple[str, str]:
    if not figures["n"]:
        return "-", ""
    low, high = figures["interval"]
    return f"{figures['share']:.0%} of {figures['n']:,}", f"{low:.0%} to {high:.0%}"
