"""Vehicles that are no racing car: a family hatchback, a lorry, a bicycle and a sailing boat, as solid models with their paint."""

from __future__ import annotations

import math

import numpy as np

from webapp.training.studio.dice import Dice
from webapp.training.studio.light import Mask, Paint, Pixels, angle, linear
from webapp.training.studio.mesh import Mesh, MeshBuilder, Point, Section, curve
from webapp.training.studio.paint import inside

Model = tuple[Mesh, Paint]

GLASS = "#1c242c"
RUBBER = "#1e1f22"


def hatchback(dice: Dice) -> Model:
    """A five-door family car."""
    builder = MeshBuilder()
    builder.loft(
        "shell",
        [
            Section(2.02, 0.66, 0.30, 0.66, top=4, bottom=4),
            Section(1.93, 0.78, 0.22, 0.74, top=4.5, bottom=5),
            Section(1.6, 0.85, 0.19, 0.83, top=5, bottom=6),
            Section(0.95, 0.87, 0.18, 0.93, top=5, bottom=7),
            Section(0.0, 0.88, 0.18, 0.97, top=6, bottom=7),
            Section(-1.0, 0.88, 0.18, 0.99, top=6, bottom=7),
            Section(-1.7, 0.86, 0.2, 1.0, top=6, bottom=6),
            Section(-1.98, 0.80, 0.26, 0.98, top=5, bottom=5),
            Section(-2.06, 0.70, 0.34, 0.88, top=4, bottom=4),
        ],
        stations=44,
        around=48,
    )
    builder.loft(
        "cabin",
        [
            Section(1.12, 0.66, 0.78, 0.93, top=5),
            Section(0.8, 0.70, 0.78, 1.12, top=4.5),
            Section(0.3, 0.71, 0.78, 1.385, top=4),
            Section(-0.2, 0.715, 0.78, 1.47, top=4),
            Section(-0.9, 0.71, 0.78, 1.46, top=4),
            Section(-1.5, 0.69, 0.78, 1.375, top=4),
            Section(-1.85, 0.66, 0.78, 1.16, top=4),
            Section(-2.0, 0.63, 0.78, 0.96, top=4),
        ],
        stations=40,
        around=44,
    )
    for side in (1.0, -1.0):
        builder.ball("shell", (0.78, side * 0.95, 1.0), (0.07, 0.1, 0.07), 10, 14)
        for x in (1.28, -1.28):
            builder.wheel(f"tyre {x} {side}", (x, side * 0.79, 0.315), _road_wheel(0.2, 0.315))
    colour = dice.pick(("#3d6f9e", "#b23a34", "#e4e4e0", "#5d7f5c", "#c98f2d", "#8d9499"))

    def paint(part: str, points: Pixels) -> tuple[Pixels, Pixels]:
        if part.startswith("tyre"):
            _, x, side = part.split()
            return _tyre(points, float(x), 0.315, 0.205, float(side))
        colours, gloss = _even(colour, points, 0.7)
        if part == "cabin":
            _colour(colours, gloss, _cabin_glass(points), GLASS, 1.0)
        else:
            _hatchback_details(points, colours, gloss)
        return colours, gloss

    return builder.build(), paint


def _cabin_glass(points: Pixels) -> Mask:
    x, y, z = points[:, 0], np.abs(points[:, 1]), points[:, 2]
    panes = inside(((0.72, 1.0), (0.22, 1.35), (-0.34, 1.40), (-0.36, 1.0)), x, z)
    panes |= inside(((-0.46, 1.0), (-0.44, 1.40), (-1.05, 1.38), (-1.32, 1.22), (-1.38, 1.03)), x, z)
    panes &= y > 0.5
    windscreen = (x > 0.28) & (x < 1.05) & (y < 0.6 - 0.04 * (1.4 - z)) & (z > 0.95)
    rear = (x < -1.55) & (x > -1.93) & (y < 0.54)
    return panes | windscreen | rear


def _hatchback_details(points: Pixels, colours: Pixels, gloss: Pixels) -> None:
    x, y, z = points[:, 0], np.abs(points[:, 1]), points[:, 2]
    for axle in (1.28, -1.28):
        _colour(colours, gloss, ((x - axle) ** 2 + (z - 0.315) ** 2 < 0.37**2) & (y > 0.5), "#101113", 0.0)
    _colour(colours, gloss, (z < 0.27) & (np.abs(x) < 2.2), "#2a2c2f", 0.1)
    _colour(colours, gloss, inside(((2.1, 0.56), (2.1, 0.69), (1.66, 0.73), (1.72, 0.62)), x, z) & (y > 0.38), "#f3f5f4", 1.0)
    _colour(colours, gloss, (x > 1.8) & (z > 0.30) & (z < 0.47) & (y < 0.55), "#17191c", 0.2)
    _colour(colours, gloss, (x > 1.8) & (z > 0.55) & (z < 0.63) & (y < 0.36), "#17191c", 0.4)
    _colour(colours, gloss, inside(((-1.76, 0.72), (-1.72, 0.94), (-2.2, 0.94), (-2.2, 0.70)), x, z) & (y > 0.48), "#b3191f", 0.9)
    _colour(colours, gloss, (x < -1.9) & (z > 0.30) & (z < 0.42), "#2a2c2f", 0.1)
    for seam in (0.78, -0.41, -1.25):
        _colour(colours, gloss, (np.abs(x - seam + 0.04 * (z - 0.6)) < 0.008) & (z > 0.3) & (y > 0.6), "#22252a", 0.1)
    for handle in (-0.24, -1.06):
        _colour(colours, gloss, (np.abs(x - handle) < 0.09) & (np.abs(z - 0.86) < 0.014) & (y > 0.6), "#22252a", 0.4)


def lorry(dice: Dice) -> Model:
    """A two-axle box lorry."""
    builder = MeshBuilder()
    builder.slab(
        "cab",
        [(3.55, -1.18, 0.55), (3.62, -1.18, 1.25), (3.38, -1.18, 2.45), (3.1, -1.18, 2.75), (1.75, -1.18, 2.75), (1.75, -1.18, 0.55)],
        (0, 2.36, 0),
    )
    builder.box("box", (-3.9, -1.25, 1.0), (1.55, 1.25, 3.35))
    builder.box("frame", (-3.8, -0.5, 0.62), (1.8, 0.5, 1.0))
    builder.box("frame", (-2.0, -1.15, 0.5), (0.9, 1.15, 0.85))
    builder.box("frame", (3.5, -1.2, 0.3), (3.66, 1.2, 0.62))
    for side in (1.0, -1.0):
        builder.box("frame", (3.2, side * 1.22, 1.75), (3.34, side * 1.42, 2.25))
        for x in (2.7, -2.55):
            builder.wheel(f"tyre {x} {side}", (x, side * 1.03, 0.48), _road_wheel(0.34, 0.48))
    cab, load = dice.pick((("#b23a34", "#e9e9e5"), ("#2f5f97", "#e9e9e5"), ("#3f7a5a", "#d9d3c4"), ("#d9dbdc", "#d18f2b")))

    def paint(part: str, points: Pixels) -> tuple[Pixels, Pixels]:
        if part.startswith("tyre"):
            _, axle, side = part.split()
            return _tyre(points, float(axle), 0.48, 0.27, float(side))
        colours, gloss = _even({"cab": cab, "box": load}.get(part, "#2a2c30"), points, 0.5)
        x, y, z = points[:, 0], np.abs(points[:, 1]), points[:, 2]
        if part == "cab":
            _colour(colours, gloss, inside(((3.42, 1.5), (3.25, 2.35), (2.35, 2.35), (2.35, 1.5)), x, z) & (y > 1.1), GLASS, 1.0)
            _colour(colours, gloss, (x > 3.2) & (z > 1.4) & (z < 2.42) & (y < 1.08), GLASS, 1.0)
            _colour(colours, gloss, (x > 3.4) & (z > 0.72) & (z < 0.9) & (y > 0.75), "#f3f5f4", 1.0)
            _colour(colours, gloss, (x > 3.4) & (z > 0.95) & (z < 1.25) & (y < 0.8), "#2a2c30", 0.2)
            _colour(colours, gloss, ((x - 2.7) ** 2 + (z - 0.48) ** 2 < 0.6**2) & (y > 0.7), "#101113", 0.0)
        if part == "box":
            _colour(colours, gloss, np.abs(z - 1.45) < 0.12, cab, 0.5)
        return colours, gloss

    return builder.build(), paint


def bicycle(dice: Dice) -> Model:
    """A road bicycle standing by itself, without a rider."""
    builder = MeshBuilder()
    front, rear, radius = (0.52, 0.0, 0.34), (-0.48, 0.0, 0.34), 0.33
    for centre in (front, rear):
        for part, size, thick in (("tyre", radius, 0.016), ("rim", radius - 0.026, 0.012)):
            turn = np.linspace(0, 2 * math.pi + 0.14, 50)
            builder.tube(part, [(centre[0] + size * math.cos(t), 0.0, centre[2] + size * math.sin(t)) for t in turn], thick, 8)
        for k in range(18):
            t = k * 2 * math.pi / 18
            hub = 0.02 * (1 if k % 2 else -1)
            builder.tube(
                "spoke", [(centre[0], hub, centre[2]), (centre[0] + 0.3 * math.cos(t), 0, centre[2] + 0.3 * math.sin(t))], 0.0022, 4
            )
        builder.tube("metal", [(centre[0], -0.05, centre[2]), (centre[0], 0.05, centre[2])], 0.022, 10)
    crank, seat, head_low, head_top = (-0.05, 0, 0.28), (-0.22, 0, 0.80), (0.40, 0, 0.70), (0.37, 0, 0.84)
    for start, end, thick in ((crank, seat, 0.017), (seat, head_top, 0.016), (crank, head_low, 0.02), (head_low, head_top, 0.02)):
        builder.tube("frame", [start, end], thick, 10)
    for side in (0.05, -0.05):
        builder.tube("frame", [crank, (rear[0], side, rear[2])], 0.011, 8)
        builder.tube("frame", [seat, (rear[0], side, rear[2])], 0.01, 8)
        builder.tube("frame", curve([head_low, (0.44, side, 0.55), (front[0], side, front[2])], 8), 0.012, 8)
        builder.tube(
            "grip",
            curve(
                [(0.43, 0, 0.90), (0.43, side * 4.2, 0.90), (0.53, side * 4.4, 0.88), (0.54, side * 4.4, 0.79), (0.44, side * 4.4, 0.76)],
                20,
            ),
            0.013,
            8,
        )
        builder.tube("metal", [(-0.05, side * 1.2, 0.28), (-0.05 + side * 3.0, side * 1.4, 0.28 - side * 1.2)], 0.012, 8)
        builder.box(
            "grip",
            (-0.09 + side * 3.0, min(side * 1.4, side * 3.0), 0.265 - side * 1.2),
            (-0.01 + side * 3.0, max(side * 1.4, side * 3.0), 0.285 - side * 1.2),
        )
    builder.tube("metal", [(0.37, 0, 0.84), (0.36, 0, 0.89), (0.43, 0, 0.90)], 0.014, 8)
    builder.tube("metal", [seat, (-0.25, 0, 0.90)], 0.013, 8)
    builder.loft(
        "grip", [Section(-0.12, 0.018, 0.90, 0.925), Section(-0.22, 0.04, 0.895, 0.935), Section(-0.38, 0.075, 0.90, 0.94)], 12, 14
    )
    builder.wheel("metal", (-0.05, 0.06, 0.28), [(0.0, 0.0), (0.0, 0.075), (0.006, 0.075), (0.006, 0.0)])
    for high in (0.353, 0.207):
        builder.tube("grip", [(-0.05, 0.062, high), (-0.48, 0.05, 0.34 + (high - 0.28) * 0.4)], 0.004, 4)
    colour = dice.pick(("#c8382f", "#2f6f8f", "#3d7a55", "#d79a2b"))
    colours_of = {"frame": colour, "tyre": RUBBER, "rim": "#a9aeb2", "spoke": "#b9bdc0", "metal": "#9aa0a5", "grip": "#26221f"}

    def paint(part: str, points: Pixels) -> tuple[Pixels, Pixels]:
        return _even(colours_of[part], points, 0.5)

    return builder.build(), paint


def sailing_boat(dice: Dice) -> Model:
    """A small cruising yacht under mainsail and jib."""
    builder = MeshBuilder()
    builder.loft(
        "hull",
        [
            Section(3.6, 0.03, 0.35, 0.98, top=8, bottom=2),
            Section(3.0, 0.30, 0.0, 0.94, top=10, bottom=2),
            Section(1.6, 0.85, -0.3, 0.86, top=12, bottom=2.2),
            Section(0.0, 1.12, -0.4, 0.80, top=12, bottom=2.4),
            Section(-1.8, 1.08, -0.3, 0.78, top=12, bottom=2.6),
            Section(-3.1, 0.86, 0.02, 0.80, top=10, bottom=3),
        ],
        stations=36,
        around=44,
    )
    builder.loft(
        "cabin",
        [
            Section(1.5, 0.3, 0.7, 0.86, top=4),
            Section(1.0, 0.52, 0.7, 1.12, top=4),
            Section(-0.6, 0.68, 0.7, 1.24, top=4),
            Section(-0.75, 0.66, 0.7, 1.2, top=4),
        ],
        stations=20,
    )
    builder.slab("well", [(-0.85, -0.6, 0.8), (-2.7, -0.5, 0.8), (-2.7, 0.5, 0.8), (-0.85, 0.6, 0.8)], (0, 0, 0.02))
    builder.tube("spar", [(0.75, 0, 0.8), (0.7, 0, 9.3)], (0.07, 0.045), 10)
    swing = dice.between(0.25, 0.5) * dice.sign()
    boom = (-2.3, swing * 1.6, 1.75)
    builder.tube("spar", [(0.7, 0, 1.7), boom], 0.045, 8)
    builder.grid("sail", _sail((0.68, 0, 1.85), boom, (0.68, 0, 9.1), 0.5 * np.sign(swing)))
    builder.grid("jib", _sail((3.45, 0, 1.05), (0.2, swing * 1.3, 1.35), (0.72, 0, 8.1), 0.45 * np.sign(swing)))
    for side in (1.0, -1.0):
        builder.tube("wire", [(0.4, side * 1.05, 0.82), (0.7, 0, 8.2)], 0.008, 4)
    builder.tube("wire", [(-3.0, 0, 0.85), (0.7, 0, 9.3)], 0.008, 4)
    hull, stripe = dice.pick((("#f1f1ee", "#2c5f94"), ("#243a5e", "#f1f1ee"), ("#f1f1ee", "#a8322f"), ("#2f5f57", "#f1e9d8")))
    jib = dice.pick(("#f3f0e6", "#f3f0e6", "#c9473c", "#e3a53a"))
    plain = {"spar": "#c8ccce", "wire": "#8b9196", "sail": "#f4f1e8", "jib": jib, "well": "#b88d5a", "cabin": "#eeeeea"}

    def paint(part: str, points: Pixels) -> tuple[Pixels, Pixels]:
        colours, gloss = _even(plain.get(part, hull), points, 0.05 if part in ("sail", "jib") else 0.5)
        x, y, z = points[:, 0], np.abs(points[:, 1]), points[:, 2]
        if part == "hull":
            _colour(colours, gloss, (z > 0.58) & (z < 0.68), stripe, 0.5)
            _colour(colours, gloss, z < 0.1, stripe, 0.4)
            _colour(
                colours,
                gloss,
                (z > 0.765 + 0.03 * np.maximum(x, 0)) & (y < 1.05) & (y < 1.1 - 0.24 * np.maximum(x - 0.5, 0)),
                "#c79d68",
                0.2,
            )
        if part == "cabin":
            _colour(colours, gloss, (z > 0.95) & (z < 1.07) & (x < 0.75) & (x > -0.6) & (y > 0.4), GLASS, 1.0)
        if part in ("sail", "jib"):
            for seam in (2.6, 4.0, 5.4, 6.8):
                _colour(colours, gloss, np.abs(z - seam) < 0.015, "#d5d0c2", 0.0)
        return colours, gloss

    return builder.build(), paint


def _sail(tack: Point, clew: Point, head: Point, belly: float) -> np.ndarray:
    """A sail bellied sideways by `belly` metres between its three corners, as a grid of points."""
    low, back, top = (np.array(corner, dtype=np.float64) for corner in (tack, clew, head))
    rows = []
    for up in np.linspace(0, 0.995, 16):
        luff, leech = low + (top - low) * up, back + (top - back) * up
        roach = 0.35 * math.sin(math.pi * up)
        row = []
        for across in np.linspace(0, 1, 10):
            push = belly * 4 * across * (1 - across) * (1 - up) ** 0.7
            row.append(luff + (leech - luff) * across * (1 + 0.12 * roach) + np.array([0, push, 0]))
        rows.append(row)
    return np.array(rows)


def _road_wheel(width: float, radius: float) -> list[tuple[float, float]]:
    half = width / 2
    outer = [
        (half - 0.03, 0.0),
        (half - 0.02, 0.06),
        (half - 0.035, 0.08),
        (half - 0.03, radius * 0.6),
        (half, radius * 0.66),
        (half + 0.004, radius * 0.8),
    ]
    for step in range(5):
        turn = step / 4 * math.pi / 2
        outer.append((half - 0.04 + 0.04 * math.cos(turn), radius - 0.04 + 0.04 * math.sin(turn)))
    return outer + [(-offset, size) for offset, size in reversed(outer)]


def _tyre(points: Pixels, x: float, radius: float, rim: float, side: float) -> tuple[Pixels, Pixels]:
    colours, gloss = _even(RUBBER, points, 0.1)
    dx, dz = points[:, 0] - x, points[:, 2] - radius
    far = np.sqrt(dx**2 + dz**2)
    hub = (far < rim) & (points[:, 1] * side > 0)
    _colour(colours, gloss, hub, "#34373b", 0.4)
    turn = angle(dz, dx) * np.float32(5 / (2 * math.pi))
    spokes = hub & ((np.abs(turn - np.floor(turn) - 0.5) < 0.27) | (far < 0.07) | (far > rim - 0.025))
    _colour(colours, gloss, spokes, "#b4b8bb", 0.7)
    return colours, gloss


def _even(colour: str, points: Pixels, gloss: float) -> tuple[Pixels, Pixels]:
    return np.broadcast_to(np.array(linear(colour), np.float32), points.shape).copy(), np.full(len(points), gloss, np.float32)


def _colour(colours: Pixels, gloss: Pixels, where: Mask, colour: str, shine: float) -> None:
    colours[where] = np.array(linear(colour), np.float32)
    gloss[where] = shine
