"""RandAugment: a few changes of the same strength, drawn at random for each photo (Cubuk et al. 2019). Plain Pillow."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

GREY = (128, 128, 128)  # what a photo that was moved leaves behind
MOST_TURN = 30.0  # degrees, at strength 1, as are the next
MOST_SHEAR = 0.3
MOST_SHIFT = 0.3  # of the picture's side
MOST_ENHANCE = 0.9
MOST_BITS = 4  # that posterising takes from each colour

Change = Callable[[Image.Image, float, int], Image.Image]


def rand_augment(
    image: Image.Image, changes: int, strength: float, rng: np.random.Generator
) -> Image.Image:
    """`image` (RGB) after `changes` of `CHANGES`, each at `strength` in [0, 1] and to a random side. The size stays."""
    for place in rng.integers(0, len(CHANGES), changes):
        side = 1 if rng.random() < 0.5 else -1
        image = CHANGES[place](image, strength, side)
    return image


def _same(image: Image.Image, _strength: float, _side: int) -> Image.Image:
    return image


def _turn(image: Image.Image, strength: float, side: int) -> Image.Image:
    return image.rotate(side * MOST_TURN * strength, Image.Resampling.BILINEAR, fillcolor=GREY)


def _move(image: Image.Image, *numbers: float) -> Image.Image:
    return image.transform(
        image.size, Image.Transform.AFFINE, numbers, Image.Resampling.BILINEAR, fillcolor=GREY
    )


def _shear_x(image: Image.Image, strength: float, side: int) -> Image.Image:
    return _move(image, 1, side * MOST_SHEAR * strength, 0, 0, 1, 0)


def _shear_y(image: Image.Image, strength: float, side: int) -> Image.Image:
    return _move(image, 1, 0, 0, side * MOST_SHEAR * strength, 1, 0)


def _shift_x(image: Image.Image, strength: float, side: int) -> Image.Image:
    return _move(image, 1, 0, side * MOST_SHIFT * strength * image.width, 0, 1, 0)


def _shift_y(image: Image.Image, strength: float, side: int) -> Image.Image:
    return _move(image, 1, 0, 0, 0, 1, side * MOST_SHIFT * strength * image.height)


def _stretch_levels(image: Image.Image, _strength: float, _side: int) -> Image.Image:
    return ImageOps.autocontrast(image)


def _equalise(image: Image.Image, _strength: float, _side: int) -> Image.Image:
    return ImageOps.equalize(image)


def _posterise(image: Image.Image, strength: float, _side: int) -> Image.Image:
    return ImageOps.posterize(image, 8 - round(MOST_BITS * strength))


def _solarise(image: Image.Image, strength: float, _side: int) -> Image.Image:
    return ImageOps.solarize(image, round(256 * (1 - strength)))


def _colour(image: Image.Image, strength: float, side: int) -> Image.Image:
    return ImageEnhance.Color(image).enhance(1 + side * MOST_ENHANCE * strength)


def _contrast(image: Image.Image, strength: float, side: int) -> Image.Image:
    return ImageEnhance.Contrast(image).enhance(1 + side * MOST_ENHANCE * strength)


def _brightness(image: Image.Image, strength: float, side: int) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(1 + side * MOST_ENHANCE * strength)


def _sharpness(image: Image.Image, strength: float, side: int) -> Image.Image:
    return ImageEnhance.Sharpness(image).enhance(1 + side * MOST_ENHANCE * strength)


CHANGES: tuple[Change, ...] = (
    _same,
    _turn,
    _shear_x,
    _shear_y,
    _shift_x,
    _shift_y,
    _stretch_levels,
    _equalise,
    _posterise,
    _solarise,
    _colour,
    _contrast,
    _brightness,
    _sharpness,
)
