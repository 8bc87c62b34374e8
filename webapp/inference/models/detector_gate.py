"""May a detector replace the live one: both look at the same photos, a verdict with reasons."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from webapp.domain import count
from webapp.errors import ModelRefusedError, PhotoNotFoundError, PhotoRefusedError
from webapp.inference.decoding.images import decode_photo, working_side
from webapp.inference.detector import Detector
from webapp.inference.metrics.box_metrics import LEAST_SCORE, PhotoBoxes, match, summary
from webapp.inference.metrics.overlap import Boxes
from webapp.inference.models.detector_card import DetectorCard
from webapp.inference.models.gate import BETTER, SAME, WORSE, falls, mcnemar, more_than_chance


@dataclass(frozen=True, eq=False)
class TruePhoto:
    """A photo of which people said where its cars are: boxes (n, 4), left, top, right, bottom, as
    shares. What is found in `ignored` boxes is neither right nor wrong.

    `read` gives the bytes of its file; it raises `OSError` or `PhotoNotFoundError`.
    """

    name: str
    sha256: str
    cars: Boxes
    ignored: Boxes
    read: Callable[[], bytes]


@dataclass(frozen=True, eq=False)
class SeenPhoto:
    """The boxes that both versions found in a photo, in the order champion, challenger."""

    name: str
    sha256: str
    boxes: tuple[PhotoBoxes, PhotoBoxes]


@dataclass(frozen=True)
class DetectorComparison:
    """Two versions of a detector on `n` photos with `cars` cars.

    Of the cars one version finds (with its own threshold, at an intersection over union of 0.5) the
    challenger finds `fixed` that the champion misses, and misses `broken` that it finds; `p_value`
    is McNemar's. `figures` are those of `box_metrics.summary`, the champion's first. `verdict` is
    "better", "same" or "worse"; `photos` is the SHA-256 of the set of photos.
    """

    champion: int
    challenger: int
    n: int
    cars: int
    fixed: int
    broken: int
    p_value: float
    figures: tuple[dict[str, Any], dict[str, Any]]
    verdict: str
    reasons: tuple[str, ...]
    photos: str

    def to_json(self) -> dict[str, Any]:
        """Everything as plain JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "DetectorComparison":
        """The comparison that `to_json` made these of."""
        first, second = values["figures"]
        return cls(**values | {"figures": (first, second), "reasons": tuple(values["reasons"])})


def look_with_both(
    detectors: tuple[Detector, Detector], photos: Iterable[TruePhoto]
) -> tuple[list[SeenPhoto], list[str]]:
    """What both versions find in each photo, decoded as in serving; and a sentence for each file
    that cannot be read as a photo."""
    side = max(working_side(detector.card.input) for detector in detectors)
    seen, refused = [], []
    for photo in photos:
        try:
            pixels = decode_photo(photo.read(), max_side=side).pixels
        except (OSError, PhotoNotFoundError, PhotoRefusedError) as error:
            refused.append(f"{photo.name}: {error}")
            continue
        first, second = (
            PhotoBoxes(*detector.boxes(pixels, LEAST_SCORE), photo.cars, photo.ignored)
            for detector in detectors
        )
        seen.append(SeenPhoto(photo.name, photo.sha256, (first, second)))
    return seen, refused


def compare_detectors(
    cards: tuple[DetectorCard, DetectorCard], photos: Sequence[SeenPhoto]
) -> DetectorComparison:
    """The verdict on two versions: worse when the challenger misses more cars than the champion,
    boxes the main cars less closely, or draws more false alarms while a smaller share of its boxes
    are cars; else better when it finds more cars or draws fewer false alarms.

    Raises `ModelRefusedError` without photos.
    """
    if not photos:
        raise ModelRefusedError("There is no photo left to compare the two versions on.")
    old, new = (_cars_found(photos, number, card) for number, card in enumerate(cards))
    fixed, broken = int((new & ~old).sum()), int((old & ~new).sum())
    first, second = (
        summary([photo.boxes[number] for photo in photos], card.threshold)
        for number, card in enumerate(cards)
    )
    alarms = first["false_alarms"], second["false_alarms"]
    less_precise = int(new.sum()) * alarms[0] < int(old.sum()) * alarms[1] or fixed == broken
    verdict = SAME if fixed == broken and alarms[0] == alarms[1] else BETTER
    noisier = alarms[1] > alarms[0] and less_precise
    if broken > fixed or noisier or falls(*_closely(first, second)):
        verdict = WORSE
    digests = "\n".join(sorted(photo.sha256 for photo in photos))
    comparison = DetectorComparison(
        champion=cards[0].version,
        challenger=cards[1].version,
        n=len(photos),
        cars=len(old),
        fixed=fixed,
        broken=broken,
        p_value=mcnemar(fixed, broken),
        figures=(first, second),
        verdict=verdict,
        reasons=(),
        photos=hashlib.sha256(digests.encode("ascii")).hexdigest(),
    )
    return replace(comparison, reasons=_reasons(comparison, int(old.sum()), int(new.sum())))


def _cars_found(photos: Sequence[SeenPhoto], number: int, card: DetectorCard) -> NDArray[np.bool_]:
    """Which cars of all photos a version finds: bool (cars,)."""
    return np.concatenate([match(photo.boxes[number]).found for photo in photos]) >= card.threshold


def _closely(first: dict[str, Any], second: dict[str, Any]) -> tuple[int, int, int]:
    """How many photos have a main car, and in how many of them each version boxes it closely."""
    shares = [figures["main_car"]["iou80"] for figures in (first, second)]
    n = int(shares[0]["n"])
    old, new = (round(share["share"] * n) for share in shares)
    return n, old, new


def _reasons(comparison: DetectorComparison, old: int, new: int) -> tuple[str, ...]:
    champion, challenger = comparison.champion, comparison.challenger
    fixed, broken = comparison.fixed, comparison.broken
    first, second = comparison.figures
    differences = "Both find the same cars."
    if fixed or broken:
        differences = (
            f"It finds {fixed} that version {champion} misses and misses {broken} that it finds, "
            f"{more_than_chance(comparison.p_value)}."
        )
    n, before, now = _closely(first, second)
    fall = ": it loses more than it may" if falls(n, before, now) else ""
    return (
        f"Version {challenger} finds {new} of {count(comparison.cars, 'car')} in "
        f"{count(comparison.n, 'photo')}, version {champion} {old}.",
        differences,
        f"It draws {count(second['false_alarms'], 'box', 'boxes')} where no car is, version "
        f"{champion} {first['false_alarms']}.",
        f"Of {count(n, 'main car')} it boxes {now} closely (intersection over union 0.8), version "
        f"{champion} {before}{fall}.",
    )
