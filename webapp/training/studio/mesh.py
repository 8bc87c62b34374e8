"""Solid shapes as triangles: lofts, wings, tubes, plates and wheels, each carrying the name of its part.

Metres; x points forward, y to the left, z up, the ground is z = 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Point = tuple[float, float, float]


@dataclass(frozen=True)
class Mesh:
    """`points` and unit `normals` have shape (n, 3), `triangles` (m, 3) indexes them, `part_of` (m,) indexes `parts`."""

    points: Floats
    normals: Floats
    triangles: NDArray[np.int64]
    part_of: NDArray[np.int64]
    parts: tuple[str, ...]


@dataclass(frozen=True)
class Section:
    """One slice of a loft: a rounded box of half width `half` around `y`, from `low` to `high`.

    `top` and `bottom` are the exponents of its upper and lower outline: 2 is an ellipse, more is boxier.
    """

    x: float
    half: float
    low: float
    high: float
    y: float = 0.0
    top: float = 2.4
    bottom: float = 2.4


class MeshBuilder:
    """Collects shapes; `build` gives the finished mesh."""

    def __init__(self) -> None:
        self._points: list[Floats] = []
        self._normals: list[Floats] = []
        self._triangles: list[NDArray[np.int64]] = []
        self._part_of: list[NDArray[np.int64]] = []
        self._parts: dict[str, int] = {}
        self._count = 0

    def build(self) -> Mesh:
        """The mesh of everything added so far."""
        return Mesh(
            np.concatenate(self._points),
            np.concatenate(self._normals),
            np.concatenate(self._triangles),
            np.concatenate(self._part_of),
            tuple(self._parts),
        )

    def grid(self, part: str, points: Floats, closed: bool = False) -> None:
        """A smooth surface through `points` of shape (rows, columns, 3); `closed` joins the last column to the first."""
        rows, columns = points.shape[:2]
        along = np.gradient(points, axis=0)
        around = (np.roll(points, -1, axis=1) - np.roll(points, 1, axis=1)) / 2 if closed else np.gradient(points, axis=1)
        normals = _unit(np.cross(along, around))
        index = np.arange(rows * columns).reshape(rows, columns)
        right = np.roll(index, -1, axis=1) if closed else index[:, 1:]
        left = index if closed else index[:, :-1]
        a, b, c, d = left[:-1].ravel(), right[:-1].ravel(), left[1:].ravel(), right[1:].ravel()
        self._append(part, points.reshape(-1, 3), normals.reshape(-1, 3), np.concatenate([np.stack([a, b, c], 1), np.stack([b, d, c], 1)]))

    def fan(self, part: str, outline: Floats) -> None:
        """A flat polygon around its centre; `outline` has shape (corners, 3) and is seen whole from the centre."""
        centre = outline.mean(axis=0)
        spokes = np.cross(outline - centre, np.roll(outline, -1, axis=0) - centre).sum(axis=0)
        normal = spokes / max(float(np.sqrt((spokes**2).sum())), 1e-12)
        points = np.concatenate([centre[None], outline])
        corner = np.arange(1, len(outline) + 1)
        triangles = np.stack([np.zeros_like(corner), corner, np.roll(corner, -1)], 1)
        self._append(part, points, np.broadcast_to(normal, points.shape).copy(), triangles)

    def plate(self, part: str, outline: Sequence[Point]) -> None:
        """A thin flat sheet."""
        self.fan(part, np.array(outline, dtype=np.float64))

    def slab(self, part: str, outline: Sequence[Point], towards: Point) -> None:
        """A flat sheet made thick: the outline, its copy moved by `towards`, and the rim between them."""
        near = np.array(outline, dtype=np.float64)
        far = near + np.array(towards)
        self.fan(part, near)
        self.fan(part, far)
        self._ribbon(part, near, far)

    def _ribbon(self, part: str, near: Floats, far: Floats) -> None:
        """Flat four-cornered pieces between two closed outlines of the same number of corners."""
        next_near, next_far = np.roll(near, -1, axis=0), np.roll(far, -1, axis=0)
        points = np.stack([near, next_near, far, next_far], 1)
        normals = np.repeat(_unit(np.cross(next_near - near, far - near))[:, None], 4, axis=1)
        first = np.arange(len(near))[:, None] * 4
        triangles = np.concatenate([first + np.array([0, 1, 2]), first + np.array([1, 3, 2])])
        self._append(part, points.reshape(-1, 3), normals.reshape(-1, 3), triangles)

    def box(self, part: str, low: Point, high: Point) -> None:
        """A box with its edges along the axes."""
        (x0, y0, z0), (x1, y1, z1) = low, high
        self.slab(part, [(x0, y0, z0), (x1, y0, z0), (x1, y1, z0), (x0, y1, z0)], (0, 0, z1 - z0))

    def loft(self, part: str, sections: Sequence[Section], stations: int = 30, around: int = 32, front: str = "", back: str = "") -> None:
        """A smooth body through the sections, in order from front to back. The ends take the part names `front` and `back` if given."""
        values = np.array([[s.x, s.half, s.low, s.high, s.y, s.top, s.bottom] for s in sections])
        smooth = np.stack([spline(values[:, k], stations) for k in range(values.shape[1])], 1)
        turn = np.arange(around) * (2 * math.pi / around)
        cosine, sine = np.cos(turn), np.sin(turn)
        power = 2 / np.where(sine[None] >= 0, smooth[:, 5:6], smooth[:, 6:7])
        y = smooth[:, 4:5] + smooth[:, 1:2] * np.sign(cosine) * np.abs(cosine) ** power
        z = (smooth[:, 2:3] + smooth[:, 3:4]) / 2 + (smooth[:, 3:4] - smooth[:, 2:3]) / 2 * np.sign(sine) * np.abs(sine) ** power
        rings = np.stack([np.broadcast_to(smooth[:, :1], y.shape), y, z], 2)
        self.grid(part, rings, closed=True)
        self.fan(front or part, rings[0])
        self.fan(back or part, rings[-1])

    def wing(self, part: str, front: Callable[[float], Point], back: Callable[[float], Point], span: Sequence[float], bend: float) -> None:
        """A wing element between a leading and a trailing edge given for each y of `span`; `bend` is the camber in metres."""
        chord = (0.0, 0.08, 0.25, 0.5, 0.75, 1.0)
        rows = []
        for y in span:
            f, b = np.array(front(y)), np.array(back(y))
            upper = [f + (b - f) * t + np.array([0, 0, 0.014 * math.sqrt(t) * (1 - t) * 2 - bend * 4 * t * (1 - t)]) for t in chord]
            lower = [f + (b - f) * t - np.array([0, 0, 0.010 + bend * 4 * t * (1 - t)]) for t in reversed(chord)]
            rows.append(upper + lower)
        self.grid(part, np.array(rows), closed=True)

    def tube(self, part: str, path: Sequence[Point], radius: float | Sequence[float], sides: int = 8, flat: float = 1.0) -> None:
        """A round bar along a path; `radius` may differ at each corner, `flat` squeezes it in height."""
        line = np.array(path, dtype=np.float64)
        radii = np.broadcast_to(np.asarray(radius, dtype=np.float64), (len(line),))
        direction = _unit(np.gradient(line, axis=0))
        helper = np.where(np.abs(direction[:, 2:3]) > 0.9, np.array([[1.0, 0, 0]]), np.array([[0, 0, 1.0]]))
        sideways = _unit(np.cross(direction, helper))
        upwards = np.cross(sideways, direction)
        turn = np.arange(sides) * (2 * math.pi / sides)
        ring = sideways[:, None] * np.cos(turn)[None, :, None] + upwards[:, None] * (flat * np.sin(turn))[None, :, None]
        self.grid(part, line[:, None] + ring * radii[:, None, None], closed=True)

    def ball(self, part: str, centre: Point, radii: Point, rows: int = 14, columns: int = 20) -> None:
        """An ellipsoid."""
        down = np.linspace(0.02, math.pi - 0.02, rows)[:, None]
        turn = (np.arange(columns) * (2 * math.pi / columns))[None]
        points = np.stack([np.sin(down) * np.cos(turn), np.sin(down) * np.sin(turn), np.cos(down) * np.ones_like(turn)], 2)
        self.grid(part, points * np.array(radii) + np.array(centre), closed=True)

    def wheel(self, part: str, centre: Point, profile: Sequence[tuple[float, float]], steer: float = 0.0, around: int = 40) -> None:
        """A body turned around an axle along y, steered by `steer` radians; `profile` lists (offset along the axle, radius)."""
        turn = np.arange(around) * (2 * math.pi / around)
        outline = np.array(profile)
        x = outline[:, 1:2] * np.cos(turn)[None]
        z = outline[:, 1:2] * np.sin(turn)[None]
        y = np.broadcast_to(outline[:, :1], x.shape)
        c, s = math.cos(steer), math.sin(steer)
        self.grid(part, np.stack([x * c - y * s, x * s + y * c, z], 2) + np.array(centre), closed=True)

    def _append(self, part: str, points: Floats, normals: Floats, triangles: NDArray[np.int64]) -> None:
        number = self._parts.setdefault(part, len(self._parts))
        # Sines and powers differ in the last bit from one processor to the next; rounded, the mesh is the same on all of them.
        self._points.append(np.round(points, 7))
        self._normals.append(np.round(normals, 6))
        self._triangles.append(triangles + self._count)
        self._part_of.append(np.full(len(triangles), number))
        self._count += len(points)


def spline(values: Floats, count: int) -> Floats:
    """`count` values on a Catmull-Rom curve through `values`, shape (count,)."""
    padded = np.concatenate([[2 * values[0] - values[1]], values, [2 * values[-1] - values[-2]]])
    place = np.linspace(0, len(values) - 1, count)
    k = np.minimum(place.astype(np.int64), len(values) - 2)
    t = place - k
    a, b, c, d = padded[k], padded[k + 1], padded[k + 2], padded[k + 3]
    return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))


def curve(points: Sequence[Point], count: int) -> list[Point]:
    """`count` points on a smooth curve through `points`."""
    line = np.array(points, dtype=np.float64)
    smooth = np.stack([spline(line[:, k], count) for k in range(3)], 1)
    return [(float(x), float(y), float(z)) for x, y, z in smooth]


def _unit(vectors: Floats) -> Floats:
    length = np.sqrt((vectors**2).sum(axis=-1, keepdims=True))
    return vectors / np.maximum(length, 1e-12)
