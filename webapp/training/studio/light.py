"""Light: the sun, the sky, shadows, and the colour a surface shows under them.

All colours here are linear light; `encoded` makes a picture of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webapp.training.studio.camera import Camera, framed, look_at, seen
from webapp.training.studio.mesh import Mesh

Pixels = NDArray[np.floating]
Mask = NDArray[np.bool_]
Colour = tuple[float, float, float]
Paint = Callable[[str, Pixels], tuple[Pixels, Pixels]]
"""Part name and points of shape (n, 3) to linear colours of shape (n, 3) and gloss of shape (n,)."""

SHADOW_SIZE = 640
SUN_DISTANCE = 70.0


@dataclass(frozen=True)
class Light:
    """`turn` and `rise` place the sun, in radians. `ambient` comes from above, `bounce` from the ground.

    `wet` in [0, 1] is how much the ground mirrors, `softness` the blur of shadows in pixels of a picture 960 wide.
    """

    name: str
    turn: float
    rise: float
    sun: Colour
    ambient: Colour
    bounce: Colour
    sky_top: Colour
    sky_low: Colour
    wet: float = 0.0
    softness: float = 1.2

    @property
    def towards_sun(self) -> NDArray[np.floating]:
        """The unit vector to the sun."""
        return -look_at((0, 0, 0), self.turn, self.rise, 1.0).forward

    def on_flat(self, upwards: float = 1.0, facing: float | None = None) -> Pixels:
        """The light that falls on a flat thing: the ground, or with `facing` a wall whose normal meets the sun with this cosine."""
        hit = self.towards_sun[2] * upwards if facing is None else max(facing, 0.0)
        share = 1.0 if facing is None else 0.62
        return np.array([s * hit + a * share for s, a in zip(self.sun, self.ambient, strict=True)], dtype=np.float32)


WEATHERS = {
    "sun": Light("sun", 0.0, 0.85, (1.25, 1.17, 1.02), (0.40, 0.45, 0.53), (0.26, 0.25, 0.23), (0.14, 0.32, 0.66), (0.58, 0.71, 0.84)),
    "haze": Light(
        "haze", 0.0, 0.8, (0.85, 0.82, 0.76), (0.54, 0.56, 0.59), (0.27, 0.27, 0.26), (0.42, 0.54, 0.68), (0.78, 0.81, 0.83), softness=2.5
    ),
    "overcast": Light(
        "overcast", 0.0, 1.25, (0.30, 0.30, 0.30), (0.78, 0.80, 0.83), (0.3, 0.3, 0.3), (0.55, 0.59, 0.63), (0.74, 0.77, 0.79), softness=6
    ),
    "dusk": Light("dusk", 0.0, 0.42, (1.6, 1.18, 0.80), (0.36, 0.41, 0.54), (0.20, 0.17, 0.16), (0.14, 0.22, 0.46), (0.95, 0.62, 0.40)),
    "wet": Light(
        "wet",
        0.0,
        1.2,
        (0.2, 0.2, 0.2),
        (0.62, 0.66, 0.71),
        (0.22, 0.23, 0.25),
        (0.42, 0.47, 0.52),
        (0.62, 0.67, 0.70),
        wet=0.6,
        softness=7,
    ),
}
"""Kinds of weather by name, the sun straight ahead."""


def linear(colour: str) -> Colour:
    """A hex colour as linear light; gamma is taken as 2 so that a square root, exact on every machine, undoes it."""
    red, green, blue = (int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5))
    return red * red, green * green, blue * blue


def encoded(light: Pixels) -> NDArray[np.uint8]:
    """Linear light as 8-bit picture values; highlights roll off instead of clipping."""
    bright = np.maximum(light, 0)
    over = np.maximum(bright - np.float32(0.72), 0)
    rolled = np.minimum(bright, np.float32(0.72)) + over / (1 + over / np.float32(0.28))
    return (np.sqrt(rolled) * 255 + 0.5).astype(np.uint8)


def smoothstep(low: float, high: float, value: Pixels) -> Pixels:
    """0 below `low`, 1 above `high`, smooth between."""
    t = np.clip((value - low) / (high - low), 0, 1).astype(np.float32)
    return t * t * (3 - 2 * t)


def dot(first: NDArray[np.floating], second: NDArray[np.floating]) -> NDArray[np.floating]:
    """Row by row, for arrays of shape (n, 3); `second` may be a single vector. Written out because it is faster than a sum over three."""
    return first[:, 0] * second[..., 0] + first[:, 1] * second[..., 1] + first[:, 2] * second[..., 2]


def angle(rise: Pixels, run: Pixels) -> Pixels:
    """The direction of (run, rise) in radians, rounded so that every processor finds the same."""
    return np.round(np.arctan2(rise.astype(np.float64), run.astype(np.float64)), 6).astype(np.float32)


def arch(value: Pixels) -> Pixels:
    """A row of arches with period 1: 0 at whole numbers, 1 between them."""
    share = np.mod(value, 1)
    return 4 * share * (1 - share)


def _length(vectors: Pixels) -> Pixels:
    return np.sqrt(dot(vectors, vectors))[:, None]


class Shadow:
    """What the sun sees of a mesh, to ask whether a point is in shadow."""

    def __init__(self, mesh: Mesh, light: Light) -> None:
        camera = look_at((0, 0, 0.4), light.turn, light.rise, SUN_DISTANCE)
        self._camera = framed(camera, mesh.points, (SHADOW_SIZE, SHADOW_SIZE), 0.96, (0.5, 0.5))
        pixels, depth = self._camera.project(mesh.points)
        _, depths = seen(pixels, depth, mesh.triangles, (SHADOW_SIZE, SHADOW_SIZE))
        self._depth = np.pad(depths, 1, constant_values=np.inf).ravel()  # whatever falls outside is lit

    def on(self, points: Pixels, bias: float = 0.03) -> Pixels:
        """How much of the sun is hidden, in [0, 1], for points of shape (n, 3): the mean of four neighbouring looks."""
        pixels, depth = self._camera.project(points.astype(np.float64))
        x, y, far = (pixels[:, 0] + 1).astype(np.float32), (pixels[:, 1] + 1).astype(np.float32), (depth - bias).astype(np.float32)
        total = np.zeros(len(points), dtype=np.float32)
        for dx, dy in ((-0.6, -0.2), (0.2, -0.6), (0.6, 0.2), (-0.2, 0.6)):
            column = np.clip(x + np.float32(dx), 0, SHADOW_SIZE + 1).astype(np.int32)
            row = np.clip(y + np.float32(dy), 0, SHADOW_SIZE + 1).astype(np.int32)
            total += self._depth[row * (SHADOW_SIZE + 2) + column] < far
        return total / 4


@dataclass(frozen=True)
class Shot:
    """A rendered mesh: `colour` linear (h, w, 3), premultiplied by `cover` (h, w), in [0, 1]."""

    colour: Pixels
    cover: Pixels


def render(mesh: Mesh, camera: Camera, size: tuple[int, int], light: Light, paint: Paint, shadow: Shadow | None, fine: int = 2) -> Shot:
    """The mesh alone, drawn with `fine` x `fine` samples to a pixel."""
    whole, view = (size[0] * fine, size[1] * fine), camera.enlarged(fine)
    pixels, depth = view.project(mesh.points)
    owners, depths = seen(pixels, depth, mesh.triangles, whole)
    row, column = np.nonzero(owners >= 0)
    if len(row) == 0:
        return Shot(np.zeros((size[1], size[0], 3), np.float32), np.zeros((size[1], size[0]), np.float32))
    owner, far = owners[row, column], depths[row, column]
    rays = view.rays(column.astype(np.float32) + np.float32(0.5), row.astype(np.float32) + np.float32(0.5))
    points = np.stack([ray * far + np.float32(view.eye[k]) for k, ray in enumerate(rays)], 1)
    normals = _normals(mesh, pixels, owner, row, column)
    toward = np.stack(rays, 1)
    toward /= -_length(toward)
    normals *= np.where(dot(normals, toward) < 0, np.float32(-1), np.float32(1))[:, None]
    part_of = mesh.part_of[owner]
    colours, gloss = _painted(mesh, paint, part_of, points)
    lit = _lit(colours, gloss, points, normals, toward, light, shadow)
    lit *= _contours(owners, mesh, depths)[row, column][:, None]
    canvas = np.zeros((whole[1], whole[0], 3), np.float32)
    canvas[row, column] = np.square(encoded(lit).astype(np.float32) / 255)
    return Shot(_shrunk(canvas, fine), _shrunk((owners >= 0).astype(np.float32), fine))


def _shrunk(canvas: Pixels, fine: int) -> Pixels:
    """The mean of each block of `fine` x `fine` samples."""
    total = sum((canvas[j::fine, i::fine] for j in range(fine) for i in range(fine)), start=np.float32(0))
    return np.asarray(total / np.float32(fine * fine), dtype=np.float32)


def _normals(
    mesh: Mesh, pixels: NDArray[np.floating], owner: NDArray[np.int64], row: NDArray[np.int64], column: NDArray[np.int64]
) -> Pixels:
    corner = pixels[mesh.triangles]
    (ax, ay), (bx, by), (cx, cy) = ((corner[:, k, 0], corner[:, k, 1]) for k in range(3))
    area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
    area = np.where(np.abs(area) < 1e-9, 1e-9, area)[owner]
    x, y = column + 0.5 - ax[owner], row + 0.5 - ay[owner]
    second = np.clip((x * (cy - ay)[owner] - (cx - ax)[owner] * y) / area, 0, 1).astype(np.float32)
    third = np.clip(((bx - ax)[owner] * y - x * (by - ay)[owner]) / area, 0, 1).astype(np.float32)
    at = mesh.normals.astype(np.float32)[mesh.triangles]
    mixed = at[owner, 0] * (1 - second - third)[:, None] + at[owner, 1] * second[:, None] + at[owner, 2] * third[:, None]
    return mixed / np.maximum(_length(mixed), np.float32(1e-6))


def _painted(mesh: Mesh, paint: Paint, part_of: NDArray[np.int64], points: Pixels) -> tuple[Pixels, Pixels]:
    colours, gloss = np.zeros_like(points), np.zeros(len(points), np.float32)
    order = np.argsort(part_of, kind="stable")
    edges = np.searchsorted(part_of[order], np.arange(len(mesh.parts) + 1))
    for number, part in enumerate(mesh.parts):
        chosen = order[edges[number] : edges[number + 1]]
        if len(chosen):
            colours[chosen], gloss[chosen] = paint(part, points[chosen])
    return colours, gloss


def _lit(colours: Pixels, gloss: Pixels, points: Pixels, normals: Pixels, toward: Pixels, light: Light, shadow: Shadow | None) -> Pixels:
    sun = light.towards_sun.astype(np.float32)
    facing = np.maximum(dot(normals, sun), 0)
    shade = 1 - shadow.on(points + normals * np.float32(0.015)) if shadow is not None else np.ones_like(facing)
    up = 0.5 + 0.5 * normals[:, 2]
    near_ground = 0.45 + 0.55 * smoothstep(0.0, 0.42, points[:, 2])
    ambient = np.array(light.ambient, np.float32) * up[:, None] + np.array(light.bounce, np.float32) * (1 - up)[:, None]
    diffuse = colours * (ambient * near_ground[:, None] + np.array(light.sun, np.float32) * (facing * shade)[:, None])
    cosine = np.clip(dot(normals, toward), 0, 1)
    mirrored = 2 * cosine[:, None] * normals - toward
    rim = (1 - cosine) ** 2
    strength = gloss * (0.05 + 0.55 * rim * rim * (1 - cosine))
    high = np.clip(mirrored[:, 2], 0, 1)
    sky = np.array(light.sky_low, np.float32) * (1 - np.sqrt(high))[:, None] + np.array(light.sky_top, np.float32) * np.sqrt(high)[:, None]
    world = np.array(light.bounce, np.float32) * np.float32(0.35)
    horizon = smoothstep(-0.04, 0.06, mirrored[:, 2])[:, None]
    spark = np.clip(dot(mirrored, sun), 0, 1)
    for _ in range(5):
        spark = spark * spark
    highlight = (gloss * spark * shade * np.float32(0.7))[:, None] * np.array(light.sun, np.float32)
    return diffuse + strength[:, None] * (sky * horizon + world * (1 - horizon)) * near_ground[:, None] + highlight


def _contours(owners: NDArray[np.int64], mesh: Mesh, depths: Pixels) -> Pixels:
    """A thin darker line where one part ends before another that lies clearly further away."""
    part = np.where(owners >= 0, mesh.part_of[owners], -1)
    line = np.zeros(owners.shape, dtype=bool)
    for axis in (0, 1):
        near, far = (slice(None), slice(1, None)) if axis else (slice(1, None), slice(None))
        near2, far2 = (slice(None), slice(None, -1)) if axis else (slice(None, -1), slice(None))
        a, b = depths[near, far], depths[near2, far2]
        with np.errstate(invalid="ignore"):
            step = (part[near, far] != part[near2, far2]) & (np.abs(a - b) > 0.03)
            line[near, far] |= step & (a < b)
            line[near2, far2] |= step & (b < a)
    return np.where(line, np.float32(0.62), np.float32(1.0))
