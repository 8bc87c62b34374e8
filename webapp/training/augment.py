"""Random changes to training photos and batches, which are resized as in serving."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from webapp.training.recipe import Augmentation

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]
Batch = tuple[Floats, Floats]
_Rng = np.random.Generator
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601


def views_of(
    photos: Sequence[Pixels], size: tuple[int, int], how: Augmentation, rng: _Rng
) -> Floats:
    """A random view of each photo: float32 RGB in 0..255 of shape (photos, height, width, 3)."""
    return np.stack([vary(pixels, *size, how, rng) for pixels in photos])


def vary(pixels: Pixels, height: int, width: int, how: Augmentation, rng: _Rng) -> Floats:
    """A random view of a photo: float32 RGB in 0..255, shape (height, width, 3)."""
    if how.surround:
        pixels = _continued(pixels, how.surround, rng)
    area = rng.uniform(how.zoom, 1.0)
    stretch = math.exp(rng.uniform(-1, 1) * math.log(how.aspect))
    box_width = pixels.shape[1] * min(1.0, math.sqrt(area * stretch))
    box_height = pixels.shape[0] * min(1.0, math.sqrt(area / stretch))
    left = rng.uniform(0, pixels.shape[1] - box_width)
    top = rng.uniform(0, pixels.shape[0] - box_height)
    box = (left, top, left + box_width, top + box_height)
    method = Image.Resampling.BICUBIC
    image = Image.fromarray(pixels).resize((width, height), method, box=box, reducing_gap=2.0)
    changes = list(CHANGES.values())
    for place in rng.integers(0, len(changes), how.rand_changes):  # Cubuk et al. 2019
        sign = 1 if rng.random() < 0.5 else -1
        image = changes[place](image, sign * how.rand_strength)
    view = np.asarray(image, dtype=np.float32)
    if rng.random() < how.flip:
        view = view[:, ::-1]
    view = _recolour(view, how, rng)
    if rng.random() < how.erase:  # Zhong et al. 2017, "Random Erasing"
        top, left, bottom, right = _rectangle(height, width, float(rng.uniform(0.02, 0.15)), rng)
        view = view.copy()
        view[top:bottom, left:right] = rng.uniform(0, 255, (bottom - top, right - left, 3))
    if how.grain:
        view = view + rng.normal(0.0, how.grain * rng.random(), view.shape).astype(np.float32)
    return np.clip(view, 0.0, 255.0)


def _continued(pixels: Pixels, most: float, rng: _Rng) -> Pixels:
    """A picture with its edges continued on each side by up to `most` of its sides, as a box may
    be too large for its car."""
    height, width = pixels.shape[:2]
    top, bottom = (int(most * height * rng.random() ** 2) for _ in range(2))
    left, right = (int(most * width * rng.random() ** 2) for _ in range(2))
    return np.pad(pixels, ((top, bottom), (left, right), (0, 0)), mode="edge")


def blend(batch: Batch, how: Augmentation, rng: _Rng) -> Batch:
    """A batch as it is, or blended by MixUp (Zhang et al. 2017) or CutMix (Yun et al. 2019)."""
    views, targets = batch
    chance = rng.random()
    order = rng.permutation(len(views))
    if chance < how.mixup:
        share = float(rng.beta(0.4, 0.4))
        return _mix(views, order, share), _mix(targets, order, share)
    if chance < how.mixup + how.cutmix:
        height, width = views.shape[1:3]
        top, left, bottom, right = _rectangle(height, width, float(rng.uniform(0.05, 0.4)), rng)
        views = views.copy()
        views[:, top:bottom, left:right] = views[order, top:bottom, left:right]
        share = 1 - (bottom - top) * (right - left) / (height * width)
        return views, _mix(targets, order, share)
    return batch


def _mix(values: Floats, order: NDArray[np.int64], share: float) -> Floats:
    return (share * values + (1 - share) * values[order]).astype(np.float32)


def _recolour(view: Floats, how: Augmentation, rng: _Rng) -> Floats:
    amounts = (how.brightness, how.contrast, how.saturation)
    brightness, contrast, saturation = (1 + amount * rng.uniform(-1, 1) for amount in amounts)
    if how.hue:  # a rotation about the grey axis (Rodrigues), for row vectors
        angle = 2 * math.pi * rng.uniform(-how.hue, how.hue)
        third, root = (1 - math.cos(angle)) / 3, math.sin(angle) / math.sqrt(3)
        a, b, c = math.cos(angle) + third, third - root, third + root
        view = view @ np.array([[a, c, b], [b, a, c], [c, b, a]], dtype=np.float32)
    grey: Floats = (view @ _LUMA)[..., np.newaxis]
    mean = grey.mean(dtype=np.float32)
    coloured: Floats = grey + (view - grey) * np.float32(saturation)
    return ((coloured - mean) * np.float32(contrast) + mean) * np.float32(brightness)


def _rectangle(height: int, width: int, area: float, rng: _Rng) -> tuple[int, int, int, int]:
    """Top, left, bottom, right of a random rectangle on about `area` of the picture."""
    stretch = math.exp(rng.uniform(-0.7, 0.7))
    tall = max(1, min(height, round(height * math.sqrt(area * stretch))))
    wide = max(1, min(width, round(width * math.sqrt(area / stretch))))
    top, left = int(rng.integers(0, height - tall + 1)), int(rng.integers(0, width - wide + 1))
    return top, left, top + tall, left + wide


# ---- RandAugment (Cubuk et al. 2019) ----

_GREY = (128, 128, 128)


def _affine(image: Image.Image, *matrix: float) -> Image.Image:
    method, resample = Image.Transform.AFFINE, Image.Resampling.BILINEAR
    return image.transform(image.size, method, matrix, resample, fillcolor=_GREY)


def _enhance(kind: Callable[[Image.Image], ImageEnhance._Enhance]) -> "_Change":
    return lambda image, amount: kind(image).enhance(1 + 0.9 * amount)


_Change = Callable[[Image.Image, float], Image.Image]
# each takes an RGB image and a strength in [-1, 1]
CHANGES: dict[str, _Change] = {
    "same": lambda image, _amount: image,
    "rotate": lambda image, amount: image.rotate(
        30 * amount, Image.Resampling.BILINEAR, fillcolor=_GREY
    ),
    "shear x": lambda image, amount: _affine(image, 1, 0.3 * amount, 0, 0, 1, 0),
    "shear y": lambda image, amount: _affine(image, 1, 0, 0, 0.3 * amount, 1, 0),
    "shift x": lambda image, amount: _affine(image, 1, 0, 0.3 * amount * image.width, 0, 1, 0),
    "shift y": lambda image, amount: _affine(image, 1, 0, 0, 0, 1, 0.3 * amount * image.height),
    "autocontrast": lambda image, _amount: ImageOps.autocontrast(image),
    "equalize": lambda image, _amount: ImageOps.equalize(image),
    "posterize": lambda image, amount: ImageOps.posterize(image, 8 - round(4 * abs(amount))),
    "solarize": lambda image, amount: ImageOps.solarize(image, round(256 * (1 - abs(amount)))),
    "color": _enhance(ImageEnhance.Color),
    "contrast": _enhance(ImageEnhance.Contrast),
    "brightness": _enhance(ImageEnhance.Brightness),
    "sharpness": _enhance(ImageEnhance.Sharpness),
}
