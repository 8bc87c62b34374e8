"""Two versions of a detector compared: on photos with boxes in folders, or on those of this history
in which people checked every car.

Only photos that neither version was trained on count; what is left out is said.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np

from webapp.domain import NO_CAR, UNUSABLE, WHOLE, count
from webapp.errors import ModelError, ModelRefusedError
from webapp.inference.classifier import Classifier
from webapp.inference.detector import Detector
from webapp.inference.metrics.overlap import Boxes
from webapp.inference.models.detector_card import DetectorCard
from webapp.inference.models.detector_gate import (
    DetectorComparison,
    TruePhoto,
    compare_detectors,
    look_with_both,
)
from webapp.inference.models.held_out import Split, is_unseen, read_split
from webapp.inference.models.registry import Registry
from webapp.services.models.compare import LEAST, unknown_training
from webapp.services.models.promotion import Decision, Load, promote
from webapp.services.photos.gallery import stored_content
from webapp.storage.cars.boxes import checked_photos
from webapp.storage.cars.cars import load_cars
from webapp.storage.file_stores.contract import FileStore
from webapp.storage.tables import Car, Photo, Promotion

_MOST = 500  # photos of the history that are compared on: the newest ones
Detectors = tuple[Detector, Detector]
_Splits = Sequence[tuple[int, Split | None]]  # of each version
_AnyPhoto = TypeVar("_AnyPhoto", TruePhoto, Photo)
Watch = Callable[[Sequence[TruePhoto]], Iterable[TruePhoto]]


@dataclass(frozen=True)
class DetectorsCompared:
    """A comparison and what was left out of it: photos that a version was trained on, and sentences
    about files that are no photos."""

    comparison: DetectorComparison
    trained_on: int
    left_out: tuple[str, ...]


def compare_on_photos(
    detectors: Detectors,
    photos: Sequence[TruePhoto],
    registry: Registry,
    *,
    any_photo: bool = False,
    watch: Watch = iter,
) -> DetectorsCompared:
    """Compare champion and challenger on photos that neither was trained on; `any_photo` takes all
    of them. `watch` gets the photos and gives them back one by one.

    Raises `ModelRefusedError` when it is unknown what a version was trained on, or no photo is
    left.
    """
    splits = _splits(registry, (detectors[0].card, detectors[1].card))
    return _compare(detectors, photos, splits, any_photo, watch)


def _compare(
    detectors: Detectors,
    photos: Sequence[TruePhoto],
    splits: _Splits,
    any_photo: bool,
    watch: Watch,
) -> DetectorsCompared:
    unknown = [version for version, split in splits if split is None]
    if unknown and not any_photo:
        raise ModelRefusedError(unknown_training(unknown))
    kept = photos if any_photo else _unseen(photos, splits)
    if photos and not kept:
        raise ModelRefusedError(
            f"One of the versions was trained on each of the {len(photos)} photos. "
            "Name new ones, or say --any-photo and mistrust the result."
        )
    seen, refused = look_with_both(detectors, watch(kept))
    comparison = compare_detectors((detectors[0].card, detectors[1].card), seen)
    return DetectorsCompared(comparison, len(photos) - len(kept), tuple(refused))


def _splits(registry: Registry, cards: tuple[DetectorCard, DetectorCard]) -> _Splits:
    """Each version with the list of the photos it was trained on, None when nobody knows."""
    folders = [registry.version_folder(card.name, card.version) for card in cards]
    return [
        (card.version, read_split(folder, card))
        for card, folder in zip(cards, folders, strict=True)
    ]


def _unseen(photos: Sequence[_AnyPhoto], splits: _Splits) -> list[_AnyPhoto]:
    known = [split for _version, split in splits if split is not None]
    return [photo for photo in photos if is_unseen(photo.sha256, known)]


# ---- on the history ----


@dataclass(frozen=True)
class Comparable:
    """How many photos of the history two versions can be compared on, without those that one was
    `trained_on`; of the versions `unknown` nobody knows what they were trained on."""

    photos: int
    trained_on: int
    unknown: tuple[int, ...]

    @property
    def decides(self) -> bool:
        """Whether a comparison on them decides which version serves: they are enough, and it is
        known that neither version was trained on them."""
        return self.photos >= LEAST and not self.unknown


def comparable(registry: Registry, name: str, champion: int, challenger: int) -> Comparable:
    """What two versions can be compared on. Raises `ModelNotFoundError` or `BadCardError`."""
    cards = registry.detector_card(name, champion), registry.detector_card(name, challenger)
    return _comparable(checked_photos(_MOST), _splits(registry, cards))


def _comparable(photos: Sequence[Photo], splits: _Splits) -> Comparable:
    unseen = len(_unseen(photos, splits))
    unknown = tuple(version for version, split in splits if split is None)
    return Comparable(unseen, len(photos) - unseen, unknown)


def compare_on_history(
    detectors: Detectors,
    registry: Registry,
    files: FileStore,
    *,
    any_photo: bool = False,
    watch: Watch = iter,
) -> DetectorsCompared:
    """Compare two versions on the newest photos of the history in which people checked every car,
    drew it, or said that there is none. Raises like `compare_on_photos`, and when they are too few.
    """
    splits = _splits(registry, (detectors[0].card, detectors[1].card))
    photos = checked_photos(_MOST)
    possible = _comparable(photos, splits)
    if possible.photos < LEAST:
        raise ModelRefusedError(
            f"There is nothing to compare on: in {count(possible.photos, 'photo')} of the history "
            f"people checked every car, in a box; {LEAST} are needed. Photos that a version was "
            f"trained on are left out: {possible.trained_on}."
        )
    load_cars(photos)
    true = [_true_photo(photo, files) for photo in photos]
    return _compare(detectors, true, splits, any_photo, watch)


def _true_photo(photo: Photo, files: FileStore) -> TruePhoto:
    boxed = [car for car in photo.cars if car.found_by != WHOLE and car.ground_truth != NO_CAR]
    return TruePhoto(
        photo.filename,
        photo.sha256,
        _edges([car for car in boxed if car.ground_truth != UNUSABLE]),
        _edges([car for car in boxed if car.ground_truth == UNUSABLE]),
        partial(stored_content, photo, files),
    )


def _edges(cars: Sequence[Car]) -> Boxes:
    rows = [(car.x, car.y, car.x + car.width, car.y + car.height) for car in cars]
    return np.array(rows, np.float32).reshape(-1, 4)


def promote_detector(
    registry: Registry,
    challenger: Classifier | Detector,
    load: Load,
    decision: Decision,
    comparison: DetectorComparison | None,
) -> Promotion:
    """Let a version of a detector serve, judged by the last `comparison` on this history.

    With nothing to judge by, a reason is enough. Raises `PromotionRefusedError`.
    """
    name, version = challenger.card.name, challenger.card.version
    live, works = registry.live_version(name), False
    if live is not None and live != version:
        with suppress(ModelError):  # a champion that cannot look needs no comparison
            load(name, live)
            works = True
            if not comparable(registry, name, live, version).decides:
                decision, comparison = replace(decision, force=True), None
    return promote(registry, challenger, decision, comparison=comparison, champion_works=works)
