"""The main car of each photo in a data folder, found by the live detector as in serving."""

from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from webapp.domain import DetectedCar
from webapp.errors import ModelError, PhotoRefusedError, TrainingError
from webapp.inference.decoding.crop import Box
from webapp.inference.decoding.images import decode_photo, working_side
from webapp.inference.detector import Detector
from webapp.inference.models.held_out import LabelledPhoto
from webapp.inference.models.loading import load_live_detector
from webapp.training.readers import Listing


def with_main_cars(listing: Listing, models: Path) -> Listing:
    """The listing with the box of the main car for each photo that has none yet.

    A photo in which no car is found, or that cannot be read, stays as it is. Raises
    `TrainingError` when no detector in `models` is live, or it cannot be used.
    """
    detector = _live_detector(models)
    if detector is None:
        raise TrainingError(
            "The recipe learns from crops of cars, and no detector is live that finds them. Train "
            'one (flask model train car-detector --data FOLDER), or set cars = "whole".'
        )
    return _with_boxes(listing, detector)


def as_served(listing: Listing, models: Path) -> Listing:
    """The listing as an answer is made: with the box of the main car where a detector is live, else
    the whole photos. Raises `TrainingError` when it cannot be used."""
    detector = _live_detector(models)
    return listing if detector is None else _with_boxes(listing, detector)


def _live_detector(models: Path) -> Detector | None:
    try:
        return load_live_detector(models)
    except ModelError as error:
        raise TrainingError(f"The cars in the photos cannot be found: {error}") from error


def _with_boxes(listing: Listing, detector: Detector) -> Listing:
    bar = tqdm(listing.photos, "finding cars", unit="photo", leave=False)
    return replace(listing, photos=tuple(_with_box(photo, detector) for photo in bar))


def _with_box(photo: LabelledPhoto, detector: Detector) -> LabelledPhoto:
    if photo.box is not None:
        return photo
    try:
        content = photo.path.read_bytes()
        decoded = decode_photo(content, max_side=working_side(detector.card.input))
    except (OSError, PhotoRefusedError):  # reading it says so again
        return photo
    cars = detector.find(decoded.pixels)
    return replace(photo, box=_pixels(cars[0], decoded.width, decoded.height)) if cars else photo


def _pixels(car: DetectedCar, width: int, height: int) -> Box:
    x, y, across, down = car.box
    left, top = min(width - 1, round(x * width)), min(height - 1, round(y * height))
    right = max(left + 1, round((x + across) * width))
    return left, top, right, max(top + 1, round((y + down) * height))
