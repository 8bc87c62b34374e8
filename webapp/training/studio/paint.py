"""Paint: what colour a point of the racing car has in a livery."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from webapp.training.studio.light import Mask, Paint, Pixels, angle, linear, smoothstep
from webapp.training.studio.liveries import CARBON, Fade, Livery, Patch, Polygon
from webapp.training.studio.racing_car import FRONT_AXLE, FRONT_TRACK, REAR_AXLE, REAR_TRACK, RIM_RADIUS, TYRE_RADIUS

PLAIN = {
    "dark": ("#0c0c0e", 0.1),
    "intake": ("#08080a", 0.0),
    "arm": ("#202226", 0.35),
    "carbon": (CARBON, 0.4),
    "metal": ("#8d8579", 0.6),
    "light": ("#ff2a2a", 0.2),
    "glove": ("#c9ccd0", 0.1),
}
COMPOUNDS = ("#e3262e", "#f2c500", "#eceae4", "#2fa84f", "#2f7fe0")


@dataclass(frozen=True)
class Trim:
    """What comes on top of the livery: helmet, tyre compound, camera, whether the wheels spin, and the steering in radians."""

    helmet: str
    stripe: str
    compound: str
    camera: str
    spinning: bool
    steer: float


def inside(shape: Polygon, a: Pixels, b: Pixels) -> Mask:
    """Which points (a, b) lie in a polygon, by counting crossings."""
    result = np.zeros(len(a), dtype=bool)
    for (x0, y0), (x1, y1) in zip(shape, (*shape[1:], shape[0]), strict=True):
        if y0 == y1:
            continue
        crosses = (b < y0) != (b < y1)
        result ^= crosses & (a < x0 + (b - y0) * ((x1 - x0) / (y1 - y0)))
    return result


def car_paint(livery: Livery, trim: Trim) -> Paint:
    """The paint of a racing car in this livery."""

    def paint(part: str, points: Pixels) -> tuple[Pixels, Pixels]:
        if part.startswith("wheel"):
            return _wheel(part, points, trim)
        if part == "helmet":
            return _helmet(points, trim)
        if part in PLAIN:
            colour, gloss = PLAIN[part]
            return _plain(colour, points), np.full(len(points), gloss, np.float32)
        if part == "camera":
            return _plain(trim.camera, points), np.full(len(points), 0.3, np.float32)
        return _shell(part, points, livery)

    return paint


def _plain(colour: str, points: Pixels) -> Pixels:
    return np.broadcast_to(np.array(linear(colour), np.float32), points.shape).copy()


def _shell(part: str, points: Pixels, livery: Livery) -> tuple[Pixels, Pixels]:
    base = livery.base.get(part, CARBON)
    colours = _plain(base, points)
    for layer in livery.layers:
        if part not in layer.parts:
            continue
        colour = np.array(linear(layer.colour), np.float32)
        if isinstance(layer, Fade):
            share = smoothstep(0, 1, (points[:, 0] - np.float32(layer.start)) / np.float32(layer.end - layer.start))[:, None]
            colours = colours * (1 - share) + colour * share
        else:
            colours[_covered(layer, points)] = colour
    gloss = np.full(len(points), livery.gloss if part in livery.base else 0.4, np.float32)
    if part[:3] in ("fw_", "rw_"):
        gloss *= np.float32(0.35)  # thin sheets: a bright mirror on their edges would sparkle
    if part == "body":
        hole = inside(
            ((0.56, 0.0), (0.5, 0.12), (0.35, 0.19), (0.0, 0.215), (-0.5, 0.2), (-0.5, -0.01), (0.56, -0.01)),
            points[:, 0],
            np.abs(points[:, 1]),
        )
        hole &= points[:, 2] > 0.5
        colours[hole], gloss[hole] = np.array(linear("#0c0c0e"), np.float32), 0
    if part == "rim":
        padding = (np.abs(points[:, 1]) < 0.225) & (points[:, 0] > -0.52)
        colours[padding], gloss[padding] = np.array(linear("#16171a"), np.float32), 0.1
    return colours, gloss


def _covered(patch: Patch, points: Pixels) -> Mask:
    x, y, z = points[:, 0], np.abs(points[:, 1]), points[:, 2]
    a, b = {"side": (x, z), "top": (x, y), "front": (y, z)}[patch.view]
    return inside(patch.shape, a, b)


def _helmet(points: Pixels, trim: Trim) -> tuple[Pixels, Pixels]:
    local = (points - np.array([-0.03, 0, 0.735], np.float32)) / np.array([0.135, 0.115, 0.13], np.float32)
    colours = _plain(trim.helmet, points)
    colours[np.abs(local[:, 1]) < 0.28] = np.array(linear(trim.stripe), np.float32)
    colours[local[:, 2] < -0.45] = np.array(linear(trim.stripe), np.float32)
    visor = (local[:, 0] > 0.2) & (local[:, 2] > -0.12) & (local[:, 2] < 0.4)
    colours[visor] = np.array(linear("#101318"), np.float32)
    return colours, np.where(visor, np.float32(1.0), np.float32(0.7))


def _wheel(part: str, points: Pixels, trim: Trim) -> tuple[Pixels, Pixels]:
    side = 1.0 if part.endswith("left") else -1.0
    front = "front" in part
    centre = (FRONT_AXLE, side * FRONT_TRACK) if front else (REAR_AXLE, side * REAR_TRACK)
    c, s = (round(math.cos(trim.steer), 9), round(math.sin(trim.steer), 9)) if front else (1.0, 0.0)
    dx, dy, dz = points[:, 0] - centre[0], points[:, 1] - centre[1], points[:, 2] - TYRE_RADIUS
    ahead, out = dx * c + dy * s, (dy * c - dx * s) * side
    radius = np.sqrt(ahead**2 + dz**2)
    colours = _plain("#1b1c1f", points)
    gloss = np.full(len(points), 0.12, np.float32)
    tread = radius > TYRE_RADIUS - 0.012
    colours[tread] = np.array(linear("#232427"), np.float32)
    ring = (radius > 0.232) & (radius < 0.262) & (out > 0)
    if not trim.spinning:  # standing, the band shows its two gaps
        ring &= np.abs(ahead) > 0.05
    colours[ring] = np.array(linear(trim.compound), np.float32)
    rim = radius < RIM_RADIUS
    colours[rim], gloss[rim] = np.array(linear("#26282c"), np.float32), 0.6
    edge = (radius < RIM_RADIUS) & (radius > RIM_RADIUS - 0.012)
    colours[edge] = np.array(linear("#6d7176"), np.float32)
    if not trim.spinning:
        turn = angle(dz, ahead) * np.float32(10 / (2 * math.pi))
        spoke = (np.abs(turn - np.floor(turn) - 0.5) < 0.16) & (radius < RIM_RADIUS - 0.012) & (radius > 0.06)
        colours[spoke] = np.array(linear("#54585d"), np.float32)
    else:
        blur = rim & (radius > 0.07) & (radius < RIM_RADIUS - 0.014)
        colours[blur] = np.array(linear("#34373b"), np.float32)
    colours[radius < 0.05] = np.array(linear("#8b8f94"), np.float32)
    return colours, gloss
