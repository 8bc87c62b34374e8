"""The cars of a photo: what is cut out for the classifiers, and whose answer is shown."""

from collections.abc import Sequence

from PIL import Image

from webapp.domain import UNCLASSIFIED, Answer, Box, DetectedCar
from webapp.inference.decoding.crop import cut_edges
from webapp.inference.decoding.images import (
    MAX_SIDE,
    VIEW_QUALITY,
    DecodedPhoto,
    decode_photo,
    encode_jpeg,
)

_MOST_SIDE = 2560  # of a photo decoded for small cars


def crop(image: Image.Image, box: Box) -> Image.Image:
    """What a car's box and its margin cut out of a decoded photo: at least one pixel."""
    return image.crop(crop_edges(box, *image.size))


def crop_edges(box: Box, width: int, height: int) -> tuple[int, int, int, int]:
    """Left, top, right and bottom, in pixels, of what a car's box and its margin cut out of a photo
    of this size."""
    x, y, across, down = box
    edges = x * width, y * height, (x + across) * width, (y + down) * height
    return cut_edges(width, height, edges)


def render_crops(content: bytes, boxes: Sequence[Box]) -> list[bytes]:
    """What the boxes of cars and their margins cut out of a photo, in its own resolution: JPEG,
    sRGB, no metadata. Raises `PhotoRefusedError`."""
    photo = decode_photo(content, max_side=MAX_SIDE)
    return [encode_jpeg(crop(photo.image, box), quality=95) for box in boxes]


def render_crop(content: bytes, box: Box, max_side: int) -> bytes:
    """What a car's box and its margin cut out of a photo, to be looked at: a JPEG, at most
    `max_side` pixels on its longest side, sRGB, no metadata. Raises `PhotoRefusedError`."""
    image = crop(decode_photo(content, max_side=_MOST_SIDE).image, box)
    image.thumbnail((max_side, max_side), Image.Resampling.BICUBIC)
    return encode_jpeg(image, quality=VIEW_QUALITY)


def side_for(cars: Sequence[DetectedCar], side: int, photo: DecodedPhoto) -> int:
    """The longest side at which a photo is decoded so that its smallest car has `side` pixels on
    its own longest side; never more than the photo has."""
    longest = max(photo.width, photo.height)
    sides = [max(car.box[2] * photo.width, car.box[3] * photo.height) for car in cars]
    share = max(min(sides, default=longest) / longest, 1e-3)
    return min(round(side / share), longest, _MOST_SIDE)


def choose(answers: Sequence[Answer]) -> int | None:
    """The place of the answer that is shown, None without answers.

    Of those that name something the one that knows this kind of car best, by familiarity; without
    such an answer the most familiar one.
    """
    if not answers:
        return None

    def rank(place: int) -> tuple[bool, float, float]:
        answer = answers[place]
        familiarity = answer.output.familiarity
        known = answer.confidence if familiarity is None else familiarity
        return answer.decision != UNCLASSIFIED, known, answer.confidence

    return max(range(len(answers)), key=rank)
