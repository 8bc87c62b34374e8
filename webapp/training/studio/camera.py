"""The camera, and which triangle each pixel sees."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Camera:
    """A pinhole at `eye` with unit axes; `focal` is in pixels, `centre` is the pixel that the forward axis meets."""

    eye: Floats
    right: Floats
    up: Floats
    forward: Floats
    focal: float
    centre: tuple[float, float]

    def project(self, points: Floats) -> tuple[Floats, Floats]:
        """Pixels of shape (n, 2) and depths of shape (n,) in metres."""
        ahead, above, beside = (
            (points[:, 0] - self.eye[0]) * axis[0] + (points[:, 1] - self.eye[1]) * axis[1] + (points[:, 2] - self.eye[2]) * axis[2]
            for axis in (self.forward, self.up, self.right)
        )
        depth = ahead
        x = self.centre[0] + self.focal * beside / depth
        y = self.centre[1] - self.focal * above / depth
        return np.stack([x, y], 1), depth

    def rays(self, x: NDArray[np.floating], y: NDArray[np.floating]) -> list[NDArray[np.floating]]:
        """Directions through pixels, one array for each axis, scaled so that depth 1 is length 1 along the forward axis."""
        across = (x - np.float32(self.centre[0])) / np.float32(self.focal)
        above = (np.float32(self.centre[1]) - y) / np.float32(self.focal)
        return [np.float32(self.forward[k]) + across * np.float32(self.right[k]) + above * np.float32(self.up[k]) for k in range(3)]

    def enlarged(self, factor: int) -> Camera:
        """The same view with `factor` times as many pixels each way."""
        return replace(self, focal=self.focal * factor, centre=(self.centre[0] * factor, self.centre[1] * factor))


def look_at(target: tuple[float, float, float], turn: float, rise: float, distance: float, roll: float = 0.0) -> Camera:
    """A camera `distance` metres from `target`; `turn` counts from straight ahead to the left, `rise` from the ground up, in radians."""
    back = np.array([math.cos(rise) * math.cos(turn), math.cos(rise) * math.sin(turn), math.sin(rise)])
    right = np.array([-math.sin(turn), math.cos(turn), 0.0])
    up = np.array([-math.sin(rise) * math.cos(turn), -math.sin(rise) * math.sin(turn), math.cos(rise)])
    c, s = math.cos(roll), math.sin(roll)
    axes = [np.round(axis, 9) for axis in (right * c + up * s, up * c - right * s, -back)]  # the same on every processor
    return Camera(np.array(target) - axes[2] * distance, axes[0], axes[1], axes[2], 1.0, (0.0, 0.0))


def framed(camera: Camera, points: Floats, size: tuple[int, int], fill: float, place: tuple[float, float]) -> Camera:
    """The camera zoomed until `points` fill `fill` of the picture, and shifted to share out the free space by `place`, both in [0, 1]."""
    spots, _ = camera.project(points)
    low, high = spots.min(axis=0), spots.max(axis=0)
    wide, tall = float(high[0] - low[0]), float(high[1] - low[1])
    focal = fill * min(size[0] / wide, size[1] / tall)
    left = (size[0] - wide * focal) * place[0]
    top = (size[1] - tall * focal) * place[1]
    return replace(camera, focal=focal, centre=(left - float(low[0]) * focal, top - float(low[1]) * focal))


def seen(
    pixels: Floats, depth: Floats, triangles: NDArray[np.int64], size: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.floating]]:
    """Which triangle each pixel sees and how far it is: two arrays of shape (height, width); -1 and infinity where there is none.

    Each triangle is cut into rows, each row into pixels, all at once. The nearest wins: a minimum over depth and triangle packed in
    one integer.
    """
    width, height = size
    corner = pixels[triangles]
    inverse = 1.0 / depth[triangles]
    triangle, row = _rows(corner, height)
    first, last = _span(corner[triangle], row + 0.5)
    first = np.clip(np.ceil(first - 0.5), 0, width).astype(np.int64)
    last = np.clip(np.ceil(last - 0.5), 0, width).astype(np.int64)
    counts = np.maximum(last - first, 0)
    span = np.repeat(np.arange(len(counts)), counts)
    column = np.arange(len(span)) - np.repeat(np.cumsum(counts) - counts, counts) + first[span]
    per_x, per_y, base = _plane(corner, inverse)
    owner = triangle[span]
    start = base[triangle] + per_y[triangle] * (row + 0.5)
    closeness = start[span] + per_x[owner] * (column + 0.5)
    far = 1.0 / np.clip(closeness, inverse.min(axis=1)[owner], inverse.max(axis=1)[owner])
    packed = (np.minimum(far * 4.0e6, 4.0e9).astype(np.uint64) << np.uint64(32)) | owner.astype(np.uint64)
    nearest = np.full(width * height, np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(nearest, row[span] * width + column, packed)
    empty = nearest == np.iinfo(np.uint64).max
    owners = np.where(empty, -1, (nearest & np.uint64(0xFFFFFFFF)).astype(np.int64))
    depths = np.where(empty, np.inf, (nearest >> np.uint64(32)).astype(np.float64) / 4.0e6).astype(np.float32)
    return owners.reshape(height, width), depths.reshape(height, width)


def _rows(corner: Floats, height: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    top = np.clip(np.ceil(corner[:, :, 1].min(axis=1) - 0.5), 0, height).astype(np.int64)
    end = np.clip(np.ceil(corner[:, :, 1].max(axis=1) - 0.5), 0, height).astype(np.int64)
    counts = np.maximum(end - top, 0)
    triangle = np.repeat(np.arange(len(corner)), counts)
    return triangle, np.arange(len(triangle)) - np.repeat(np.cumsum(counts) - counts, counts) + top[triangle]


def _span(corner: Floats, y: Floats) -> tuple[Floats, Floats]:
    first = np.full(len(y), np.inf)
    last = np.full(len(y), -np.inf)
    for a, b in ((0, 1), (1, 2), (2, 0)):
        x0, y0, x1, y1 = corner[:, a, 0], corner[:, a, 1], corner[:, b, 0], corner[:, b, 1]
        crosses = (y0 <= y) != (y1 <= y)
        x = x0 + (y - y0) * (x1 - x0) / np.where(crosses, y1 - y0, 1.0)
        first = np.where(crosses, np.minimum(first, x), first)
        last = np.where(crosses, np.maximum(last, x), last)
    return np.where(np.isfinite(first), first, 0.0), np.where(np.isfinite(last), last, 0.0)


def _plane(corner: Floats, value: Floats) -> tuple[Floats, Floats, Floats]:
    """`value` as a linear function of the pixel over each triangle: slopes and value at pixel (0, 0)."""
    x, y = corner[:, :, 0], corner[:, :, 1]
    area = (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (x[:, 2] - x[:, 0]) * (y[:, 1] - y[:, 0])
    area = np.where(np.abs(area) < 1e-9, 1e-9, area)
    up, across = value[:, 1] - value[:, 0], value[:, 2] - value[:, 0]
    per_x = (up * (y[:, 2] - y[:, 0]) - across * (y[:, 1] - y[:, 0])) / area
    per_y = (across * (x[:, 1] - x[:, 0]) - up * (x[:, 2] - x[:, 0])) / area
    return per_x, per_y, value[:, 0] - per_x * x[:, 0] - per_y * y[:, 0]
