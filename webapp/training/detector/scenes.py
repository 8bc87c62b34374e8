"""Photos with boxes become training views: windows, mosaics, and crops pasted on other photos."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

CAR, IGNORED, NOTHING = 1, -1, 0  # kinds of boxes; what an ignored box covers teaches nothing
MOST_BOXES = 24  # of a view; more are ignored
_LEAST_SIDE = 4.0  # pixels of a view: a smaller car is ignored
_WHOLE_ENOUGH = 0.4  # share of a car that must be seen, or it is ignored
_SEEN = 0.1  # less of it is nothing
_ASPECTS = (4 / 3, 4 / 3, 3 / 2, 3 / 2, 16 / 9, 1.0, 3 / 4)  # width to height of photos
_Floats = NDArray[np.float32]
_Ints = NDArray[np.int8]
_T = TypeVar("_T")


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture: uint8 RGB (height, width, 3), with `boxes` float32 (n, 4): left, top, right,
    bottom as shares, and their `kinds` int8 (n,): `CAR` or `IGNORED`."""

    pixels: NDArray[np.uint8]
    boxes: _Floats
    kinds: _Ints


@dataclass(frozen=True, eq=False)
class SceneMaker:
    """Makes views of `size` (height, width) from three kinds of photos.

    `scenes` are photos with their boxes, taken as often as their weights say, `crops` are filled by
    one car each, `others` show no car.
    """

    scenes: Sequence[Scene]
    crops: Sequence[NDArray[np.uint8]]
    others: Sequence[NDArray[np.uint8]]
    size: tuple[int, int]
    reach: NDArray[np.float64]  # (scenes,), the running sum of their weights

    def view(self, rng: np.random.Generator) -> Scene:
        """A random view, `boxes` of at most `MOST_BOXES`."""
        choice = rng.random()
        if choice < 0.5 or not self.crops:
            scene = self._window(self._scene(rng), self.size, rng)
        elif choice < 0.72:
            scene = self._mosaic(rng)
        else:
            scene = self._composed(rng)
        return _finish(scene, rng)

    # ---- the three kinds of views ----

    def _window(self, scene: Scene, size: tuple[int, int], rng: np.random.Generator) -> Scene:
        """A part of a photo, or the photo on part of a larger ground, stretched to `size`."""
        zoom = float(np.exp(rng.uniform(np.log(0.55), np.log(2.2)))) if rng.random() < 0.8 else 1.0
        stretch = float(np.exp(rng.uniform(-0.2, 0.2)))
        width, height = min(2.2, stretch / zoom), min(2.2, 1 / stretch / zoom)
        cars = scene.boxes[scene.kinds == CAR]
        if len(cars) and width < 1:  # most windows show a car
            middle = cars[rng.integers(len(cars))].reshape(2, 2).mean(0)
            centre = middle + rng.uniform(-0.4, 0.4, 2) * (width, height)
        else:
            centre = rng.uniform(0.3, 0.7, 2)
        free = np.maximum(0.5 - np.array([width, height]) / 2, 0)
        wide = np.array([width > 1, height > 1])
        low = np.where(wide, 0.5 - (np.array([width, height]) - 1) / 2, 0.5 - free)
        high = np.where(wide, 0.5 + (np.array([width, height]) - 1) / 2, 0.5 + free)
        centre = np.where(wide, rng.uniform(low, high), np.clip(centre, low, high))
        left, top = centre - np.array([width, height]) / 2
        ground = self._ground(size, rng) if width > 1 or height > 1 else None
        pixels = _cut(scene.pixels, (left, top, left + width, top + height), size, ground)
        boxes = (scene.boxes - [left, top, left, top]) / [width, height, width, height]
        return _visible(Scene(pixels, boxes.astype(np.float32), scene.kinds))

    def _mosaic(self, rng: np.random.Generator) -> Scene:
        """Two or four views side by side, so that cars are smaller (Bochkovskiy et al. 2020)."""
        height, width = self.size
        rows, columns = ((1, 2), (2, 1), (2, 2), (2, 2))[rng.integers(4)]
        across = [0, *([round(width * rng.uniform(0.35, 0.65))] if columns == 2 else []), width]
        down = [0, *([round(height * rng.uniform(0.35, 0.65))] if rows == 2 else []), height]
        canvas = np.empty((height, width, 3), np.uint8)
        boxes, kinds = [], []
        for top, bottom in pairwise(down):
            for left, right in pairwise(across):
                cell = (bottom - top, right - left)
                part = self._window(self._scene(rng), cell, rng)
                canvas[top:bottom, left:right] = part.pixels
                boxes.append(_placed(part.boxes, (left, top, *cell[::-1]), self.size))
                kinds.append(part.kinds)
        return Scene(canvas, np.concatenate(boxes), np.concatenate(kinds))

    def _composed(self, rng: np.random.Generator) -> Scene:
        """Crops of cars, and patches of other things, pasted on a photo without a car."""
        height, width = self.size
        canvas = Image.fromarray(self._ground(self.size, rng))
        aspect = _ASPECTS[rng.integers(len(_ASPECTS))] * height / width  # squeezes what is pasted
        pastes = [False] * int(rng.integers(0, 3)) if rng.random() < 0.5 else []
        pastes += [True] * (0, 1, 1, 1, 2, 2, 3, 5)[rng.integers(8)]
        rng.shuffle(pastes)
        boxes, kinds = np.zeros((0, 4), np.float32), np.zeros(0, np.int8)
        for is_car in pastes:
            patch = _any(self.crops, rng) if is_car else self._patch(rng)
            share = float(np.exp(rng.uniform(np.log(0.005), np.log(0.95)))) / len(pastes) ** 0.5
            shape = patch.shape[1] / patch.shape[0] / aspect * np.exp(rng.uniform(-0.15, 0.15))
            shape *= height / width  # in pixels of the canvas, then in shares
            across, down = min(1.05, (share * shape) ** 0.5), min(1.05, (share / shape) ** 0.5)
            left = rng.uniform(-0.12 * across, 1 - 0.88 * across)
            top = rng.uniform(-0.12 * down, 1 - 0.88 * down)
            box = np.array([left, top, left + across, top + down], np.float32)
            _paste(canvas, patch, box, rng)
            covered = _covered(boxes, box)
            kinds = np.where(covered > 1 - _WHOLE_ENOUGH, IGNORED, kinds).astype(np.int8)
            boxes, kinds = boxes[covered < 1 - _SEEN], kinds[covered < 1 - _SEEN]
            if is_car:
                boxes = np.concatenate([boxes, box[np.newaxis]])
                kinds = np.append(kinds, np.int8(CAR))
        return _visible(Scene(np.asarray(canvas), boxes, kinds))

    # ---- what they are made of ----

    def _scene(self, rng: np.random.Generator) -> Scene:
        place = np.searchsorted(self.reach, rng.uniform(0, self.reach[-1]), side="right")
        return self.scenes[int(place)]

    def _ground(self, size: tuple[int, int], rng: np.random.Generator) -> NDArray[np.uint8]:
        """Part of a photo without a car, at times one colour or blurred."""
        if rng.random() < 0.1:
            return np.full((*size, 3), rng.integers(0, 256, 3), np.uint8)
        width, height = rng.uniform(0.5, 1, 2)
        left, top = rng.uniform(0, 1 - width), rng.uniform(0, 1 - height)
        box = (left, top, left + width, top + height)
        return _cut(_any(self.others, rng), box, size, None)

    def _patch(self, rng: np.random.Generator) -> NDArray[np.uint8]:
        width, height = rng.uniform(0.3, 0.9, 2)
        left, top = rng.uniform(0, 1 - width), rng.uniform(0, 1 - height)
        return _cut(_any(self.others, rng), (left, top, left + width, top + height), (96, 128))


def _any(photos: Sequence[_T], rng: np.random.Generator) -> _T:
    return photos[int(rng.integers(len(photos)))]


def _cut(
    pixels: NDArray[np.uint8],
    window: tuple[float, float, float, float],
    size: tuple[int, int],
    ground: NDArray[np.uint8] | None = None,
) -> NDArray[np.uint8]:
    """A window (shares of the picture, may reach out of it) stretched to `size`."""
    image = Image.fromarray(pixels)
    left, top, right, bottom = window
    across, down = size[1] / (right - left), size[0] / (bottom - top)  # pixels per share
    inside = (max(left, 0), max(top, 0), min(right, 1), min(bottom, 1))
    wide, high = image.size
    source = inside[0] * wide, inside[1] * high, inside[2] * wide, inside[3] * high
    place = [
        round((share - start) * scale)
        for share, start, scale in zip(inside, (left, top) * 2, (across, down) * 2, strict=True)
    ]
    target = max(1, place[2] - place[0]), max(1, place[3] - place[1])
    part = image.resize(target, Image.Resampling.BILINEAR, box=source, reducing_gap=2.0)
    if target == (size[1], size[0]):
        return np.asarray(part)
    canvas = Image.fromarray(ground) if ground is not None else Image.new("RGB", size[::-1])
    canvas.paste(part, (place[0], place[1]))
    return np.asarray(canvas)


def _paste(
    canvas: Image.Image, patch: NDArray[np.uint8], box: _Floats, rng: np.random.Generator
) -> None:
    """Paste a patch with an edge that is hard, soft or rounded, so that no edge tells a car."""
    left, top, right, bottom = (
        round(float(share) * side) for share, side in zip(box, canvas.size * 2, strict=True)
    )
    size = max(2, right - left), max(2, bottom - top)
    part = Image.fromarray(patch).resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    if rng.random() < 0.5:
        part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    edge = rng.integers(4)
    if edge == 0:
        canvas.paste(part, (left, top))
        return
    across, down = np.meshgrid(np.linspace(-1, 1, size[0]), np.linspace(-1, 1, size[1]))
    power = (20, 8, 4)[edge - 1]  # of a superellipse: from a rectangle to a rounded one
    reach = (np.abs(across) ** power + np.abs(down) ** power) ** (1 / power)
    soft = rng.uniform(0.02, 0.12)
    mask = np.clip((1.04 - reach) / soft, 0, 1)
    canvas.paste(part, (left, top), Image.fromarray((mask * 255).astype(np.uint8)))


def _placed(boxes: _Floats, cell: tuple[int, int, int, int], size: tuple[int, int]) -> _Floats:
    """Boxes of a cell (left, top, width, height in pixels) as shares of a picture of `size`."""
    left, top, width, height = cell
    sides, start = np.array([width, height] * 2), np.array([left, top] * 2)
    return ((boxes * sides + start) / np.array([size[1], size[0]] * 2)).astype(np.float32)


def _covered(boxes: _Floats, cover: _Floats) -> _Floats:
    """The share of each box that `cover` hides."""
    sides = np.minimum(boxes[:, 2:], cover[2:]) - np.maximum(boxes[:, :2], cover[:2])
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    return np.asarray(np.maximum(sides, 0).prod(1) / np.maximum(areas, 1e-9), np.float32)


def _visible(scene: Scene) -> Scene:
    """The boxes cut to the picture; those of which too little is seen are ignored or gone."""
    seen = _covered(scene.boxes, np.array([0, 0, 1, 1], np.float32))
    kinds = np.where(seen < _WHOLE_ENOUGH, IGNORED, scene.kinds).astype(np.int8)
    kept = seen > _SEEN
    return Scene(scene.pixels, scene.boxes.clip(0, 1)[kept], kinds[kept])


def _finish(scene: Scene, rng: np.random.Generator) -> Scene:
    """Mirrored or not, in other light, at times blurred or noisy; tiny cars are ignored."""
    pixels, boxes, kinds = scene.pixels, scene.boxes, scene.kinds
    if rng.random() < 0.5:
        pixels = pixels[:, ::-1]
        boxes = np.stack([1 - boxes[:, 2], boxes[:, 1], 1 - boxes[:, 0], boxes[:, 3]], axis=1)
    sides = (boxes[:, 2:] - boxes[:, :2]) * [pixels.shape[1], pixels.shape[0]]
    kinds = np.where(sides.min(axis=1, initial=1e9) < _LEAST_SIDE, IGNORED, kinds).astype(np.int8)
    if rng.random() < 0.15:
        image = Image.fromarray(np.ascontiguousarray(pixels))
        pixels = np.asarray(image.filter(ImageFilter.GaussianBlur(rng.uniform(0.4, 1.6))))
    light = pixels.astype(np.float32)
    if rng.random() < 0.8:
        light = _in_other_light(light, rng)
    order = np.argsort(-(sides.prod(axis=1)))[:MOST_BOXES]
    return Scene(np.clip(light, 0, 255).astype(np.uint8), boxes[order], kinds[order])


def _in_other_light(pixels: _Floats, rng: np.random.Generator) -> _Floats:
    grey = pixels.mean(axis=2, keepdims=True)
    pixels = grey + (pixels - grey) * (0.0 if rng.random() < 0.08 else rng.uniform(0.5, 1.4))
    mean = float(grey.mean())
    pixels = mean + (pixels - mean) * rng.uniform(0.6, 1.3)
    dark = rng.uniform(0.3, 0.7) if rng.random() < 0.12 else rng.uniform(0.75, 1.25)
    pixels = pixels * dark
    if rng.random() < 0.15:
        noise = rng.normal(0, rng.uniform(2, 14), (*pixels.shape[:2], 1))
        pixels = pixels + noise.astype(np.float32)
    return np.asarray(pixels, np.float32)
