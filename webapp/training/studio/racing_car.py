"""The solid model of an open-wheel racing car of 2017 to 2021, the years of the ten liveries."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from webapp.training.studio.mesh import Mesh, MeshBuilder, Point, Section, curve

FRONT_AXLE, REAR_AXLE = 1.8, -1.8
TYRE_RADIUS = 0.335
RIM_RADIUS = 0.185
FRONT_TRACK, REAR_TRACK = 0.825, 0.79


@dataclass(frozen=True)
class CarShape:
    """What differs between two cars. `steer` is in radians, left is positive; `fin` is the height of the engine cover's fin in metres."""

    steer: float = 0.0
    fin: float = 0.06
    wide_nose: bool = False
    t_wing: bool = False


def racing_car(shape: CarShape) -> Mesh:
    """The car's mesh. The origin is on the ground halfway between the axles."""
    builder = MeshBuilder()
    _body(builder, shape)
    _sidepods(builder)
    _floor(builder)
    _front_wing(builder, shape)
    _rear_wing(builder, shape)
    _driver(builder)
    _aero_parts(builder)
    for side in (1.0, -1.0):
        _suspension(builder, side)
        _wheels(builder, side, shape.steer)
    return builder.build()


def _body(builder: MeshBuilder, shape: CarShape) -> None:
    tip = 0.105 if shape.wide_nose else 0.07
    builder.loft(
        "body",
        [
            Section(2.84, tip * 0.75, 0.235, 0.31),
            Section(2.72, tip, 0.22, 0.35),
            Section(2.45, tip + 0.025, 0.235, 0.42, top=2.8),
            Section(2.1, 0.145, 0.25, 0.50, top=3, bottom=3),
            Section(1.75, 0.17, 0.25, 0.555, top=3.2, bottom=3.2),
            Section(1.35, 0.205, 0.235, 0.60, top=3.4, bottom=3.2),
            Section(1.0, 0.24, 0.20, 0.632, top=3.4, bottom=3),
            Section(0.7, 0.285, 0.14, 0.645, top=3.6, bottom=3),
            Section(0.35, 0.325, 0.10, 0.63, top=3.8, bottom=3),
            Section(0.0, 0.345, 0.09, 0.62, top=3.8, bottom=3),
            Section(-0.35, 0.35, 0.09, 0.64, top=3.4, bottom=3),
            Section(-0.75, 0.29, 0.10, 0.60, top=2.8, bottom=3),
        ],
        stations=46,
    )
    for side in (1.0, -1.0):  # the padded rim of the cockpit, rising towards the head rest
        builder.loft(
            "rim",
            [
                Section(0.42, 0.028, 0.56, 0.635, side * 0.235),
                Section(0.2, 0.05, 0.54, 0.675, side * 0.245),
                Section(-0.05, 0.065, 0.52, 0.72, side * 0.245),
                Section(-0.3, 0.085, 0.5, 0.775, side * 0.22),
                Section(-0.5, 0.1, 0.5, 0.80, side * 0.15),
                Section(-0.75, 0.08, 0.5, 0.76, side * 0.1),
            ],
            stations=18,
            around=18,
        )
    builder.loft(
        "cover",
        [
            Section(-0.36, 0.112, 0.715, 0.95, top=2.6, bottom=2.2),
            Section(-0.46, 0.14, 0.60, 0.972, top=2.4),
            Section(-0.75, 0.17, 0.40, 0.955, top=2.0),
            Section(-1.1, 0.195, 0.28, 0.865, top=1.8),
            Section(-1.5, 0.185, 0.22, 0.71, top=1.8),
            Section(-1.9, 0.14, 0.20, 0.54, top=1.9),
            Section(-2.25, 0.085, 0.22, 0.42, top=2),
        ],
        stations=34,
        front="intake",
        back="dark",
    )
    builder.slab("cover", [(-0.35, -0.014, 0.72), (-0.36, -0.014, 0.95), (-0.42, -0.014, 0.95), (-0.42, -0.014, 0.7)], (0, 0.028, 0))
    if shape.fin > 0.02:
        top = [(-0.85, 0.0, 0.93), (-1.15, 0.0, 0.86 + shape.fin), (-1.9, 0.0, 0.56 + shape.fin * 1.6)]
        builder.slab("fin", [(x, -0.008, z) for x, _, z in [*top, (-2.12, 0.0, 0.47), (-1.2, 0.0, 0.7)]], (0, 0.016, 0))
    if shape.t_wing:
        builder.box("rw_low", (-2.08, -0.36, 0.80), (-1.98, 0.36, 0.812))
        builder.box("carbon", (-2.06, -0.012, 0.45), (-2.0, 0.012, 0.80))
    builder.box("camera", (-0.53, -0.10, 0.985), (-0.42, 0.10, 1.02))
    builder.box("carbon", (-0.5, -0.015, 0.95), (-0.45, 0.015, 0.99))
    builder.tube("metal", [(-2.2, 0, 0.40), (-2.42, 0, 0.43)], 0.055, sides=14)
    builder.tube("carbon", [(-2.1, 0, 0.28), (-2.62, 0, 0.30)], (0.09, 0.06), sides=12)
    builder.box("light", (-2.66, -0.04, 0.25), (-2.62, 0.04, 0.35))


def _sidepods(builder: MeshBuilder) -> None:
    for side in (1.0, -1.0):
        builder.loft(
            "pod",
            [
                Section(0.30, 0.165, 0.33, 0.575, side * 0.50, top=4, bottom=3),
                Section(0.20, 0.20, 0.25, 0.605, side * 0.515, top=4, bottom=2.8),
                Section(-0.1, 0.24, 0.13, 0.605, side * 0.51, top=3.6, bottom=2.6),
                Section(-0.5, 0.265, 0.08, 0.575, side * 0.47, top=3.2, bottom=2.6),
                Section(-0.95, 0.26, 0.07, 0.50, side * 0.38, top=2.8, bottom=2.6),
                Section(-1.4, 0.20, 0.07, 0.41, side * 0.27, top=2.6, bottom=2.6),
                Section(-1.8, 0.13, 0.08, 0.32, side * 0.17, top=2.4),
                Section(-2.1, 0.08, 0.10, 0.26, side * 0.10, top=2.4),
            ],
            stations=34,
            front="intake",
        )


def _floor(builder: MeshBuilder) -> None:
    edge = [(0.95, 0.22), (0.85, 0.5), (0.3, 0.70), (-0.3, 0.74), (-1.1, 0.74), (-1.32, 0.58), (-1.42, 0.46), (-2.05, 0.46)]
    outline = [(x, y, 0.045) for x, y in edge] + [(x, -y, 0.045) for x, y in reversed(edge)]
    builder.slab("carbon", outline, (0, 0, 0.022))
    for side in (1.0, -1.0):
        for inset in (0.12, 0.3, 0.46):
            builder.plate(
                "carbon",
                [(-1.95, side * inset, 0.06), (-2.35, side * inset, 0.08), (-2.35, side * inset, 0.27), (-1.95, side * inset, 0.2)],
            )
    builder.plate("carbon", [(-1.95, 0.46, 0.18), (-2.35, 0.46, 0.28), (-2.35, -0.46, 0.28), (-1.95, -0.46, 0.18)])


def _front_wing(builder: MeshBuilder, shape: CarShape) -> None:
    span = np.linspace(-0.96, 0.96, 25).tolist()

    def main_front(y: float) -> Point:
        return (2.96 - 0.21 * abs(y) ** 1.3, y, 0.075 + 0.03 * max(0.0, 1 - abs(y) / 0.25))

    def main_back(y: float) -> Point:
        return (2.70 - 0.12 * abs(y), y, 0.10 + 0.02 * max(0.0, 1 - abs(y) / 0.25))

    builder.wing("fw_main", main_front, main_back, span, 0.012)
    for number, name in enumerate(("fw_flap_1", "fw_flap_2", "fw_flap_3")):
        start = 2.71 - 0.125 * number
        height = 0.115 + 0.055 * number

        def front(y: float, start: float = start, height: float = height) -> Point:
            return (start - 0.13 * abs(y), y, height + 0.045 * (0.9 - abs(y)))

        def back(y: float, start: float = start, height: float = height) -> Point:
            return (start - 0.14 - 0.11 * abs(y), y, height + 0.055 + 0.06 * (0.9 - abs(y)))

        inner = 0.17 + 0.03 * number
        for side in (1.0, -1.0):
            builder.wing(name, front, back, [side * y for y in np.linspace(inner, 0.955, 12).tolist()], 0.012)
    for side in (1.0, -1.0):
        y = side * 0.965
        builder.slab(
            "fw_end", [(2.80, y, 0.045), (2.78, y, 0.17), (2.55, y, 0.30), (2.24, y, 0.315), (2.2, y, 0.045)], (0, side * 0.014, 0)
        )
        builder.slab(
            "carbon", [(2.8, y, 0.045), (2.2, y, 0.045), (2.2, y + side * 0.035, 0.04), (2.75, y + side * 0.035, 0.04)], (0, 0, 0.012)
        )
        inner = (0.085 if shape.wide_nose else 0.06) * side
        builder.slab("pylon", [(2.78, inner, 0.08), (2.72, inner, 0.3), (2.42, inner, 0.3), (2.5, inner, 0.1)], (0, side * 0.012, 0))


def _rear_wing(builder: MeshBuilder, shape: CarShape) -> None:
    span = np.linspace(-0.505, 0.505, 13).tolist()

    def dip(y: float) -> float:
        return 0.035 * (1 - (abs(y) / 0.5) ** 2)

    builder.wing("rw_main", lambda y: (-2.28, y, 0.80 - dip(y)), lambda y: (-2.60, y, 0.862 - dip(y) * 0.6), span, 0.03)
    builder.wing("rw_flap", lambda y: (-2.575, y, 0.865 - dip(y) * 0.3), lambda y: (-2.735, y, 0.965), span, 0.018)
    for side in (1.0, -1.0):
        y = side * 0.51
        corners = [
            (-2.26, 0.945),
            (-2.32, 0.96),
            (-2.755, 0.975),
            (-2.765, 0.70),
            (-2.70, 0.63),
            (-2.62, 0.46),
            (-2.47, 0.46),
            (-2.43, 0.62),
            (-2.26, 0.70),
        ]
        builder.slab("rw_end", [(x, y, z) for x, z in corners], (0, side * 0.014, 0))
        builder.slab("rw_low", [(-2.47, y, 0.46), (-2.60, y, 0.46), (-2.46, y * 0.96, 0.12), (-2.30, y * 0.96, 0.12)], (0, side * 0.014, 0))
    for y in (-0.07, 0.07) if not shape.t_wing else (0.0,):
        builder.slab(
            "carbon", [(-2.2, y - 0.008, 0.3), (-2.36, y - 0.008, 0.3), (-2.48, y - 0.008, 0.80), (-2.36, y - 0.008, 0.80)], (0, 0.016, 0)
        )


def _driver(builder: MeshBuilder) -> None:
    builder.ball("helmet", (-0.03, 0, 0.735), (0.135, 0.115, 0.13), rows=20, columns=28)
    builder.ball("dark", (-0.02, 0, 0.60), (0.16, 0.2, 0.09))
    builder.box("dark", (0.36, -0.13, 0.6), (0.4, 0.13, 0.675))
    builder.ball("glove", (0.34, 0.12, 0.64), (0.06, 0.04, 0.04), 8, 10)
    builder.ball("glove", (0.34, -0.12, 0.64), (0.06, 0.04, 0.04), 8, 10)
    arch: list[Point] = [(-0.42, 0.215, 0.76), (-0.15, 0.265, 0.80), (0.15, 0.24, 0.835), (0.36, 0.14, 0.845), (0.44, 0.0, 0.845)]
    arch += [(x, -y, z) for x, y, z in reversed(arch[:-1])]
    builder.tube("halo", curve(arch, 34), 0.03, sides=10, flat=0.85)
    builder.tube("halo", curve([(0.44, 0, 0.845), (0.58, 0, 0.80), (0.72, 0, 0.72), (0.84, 0, 0.62)], 12), (0.026,) * 12, sides=10)


def _aero_parts(builder: MeshBuilder) -> None:
    for side in (1.0, -1.0):
        for path, low, high, part in (
            ([(1.25, 0.33, 0), (0.95, 0.42, 0), (0.66, 0.60, 0)], 0.09, 0.37, "barge"),
            ([(0.92, 0.50, 0), (0.72, 0.60, 0), (0.50, 0.72, 0)], 0.09, 0.43, "carbon"),
            ([(0.62, 0.68, 0), (0.48, 0.72, 0), (0.33, 0.75, 0)], 0.08, 0.50, "vane"),
            ([(0.48, 0.73, 0), (0.38, 0.755, 0), (0.22, 0.765, 0)], 0.08, 0.40, "carbon"),
        ):
            line = np.array(curve([(x, y * side, z) for x, y, z in path], 10))
            lower, upper = line + np.array([0, 0, low]), line + np.array([-0.03, 0, high])
            builder.grid(part, np.stack([lower, (lower + upper) / 2, upper], 1))
        builder.slab(
            "carbon",
            [(0.95, side * 0.36, 0.41), (0.78, side * 0.72, 0.43), (0.70, side * 0.72, 0.43), (0.82, side * 0.36, 0.41)],
            (0, 0, 0.012),
        )
        builder.ball("mirror", (0.52, side * 0.57, 0.70), (0.045, 0.10, 0.042), 10, 14)
        builder.tube("carbon", [(0.5, side * 0.57, 0.67), (0.45, side * 0.5, 0.6)], 0.012, sides=6)
        builder.tube("carbon", [(0.5, side * 0.5, 0.70), (0.52, side * 0.3, 0.63)], 0.01, sides=6)
        # vertical strakes behind the cockpit opening's side, then the winglets before the rear wheels
        builder.plate("carbon", [(-1.15, side * 0.72, 0.06), (-1.38, side * 0.6, 0.06), (-1.38, side * 0.6, 0.2), (-1.2, side * 0.7, 0.16)])


def _suspension(builder: MeshBuilder, side: float) -> None:
    def arm(start: Point, end: Point, radius: float = 0.017) -> None:
        builder.tube("arm", [(start[0], start[1] * side, start[2]), (end[0], end[1] * side, end[2])], radius, sides=6, flat=0.6)

    for start in ((2.02, 0.07, 0.44), (1.42, 0.11, 0.51)):
        arm(start, (FRONT_AXLE - 0.02, 0.70, 0.475), 0.02)
    for start in ((2.05, 0.07, 0.32), (1.4, 0.11, 0.30)):
        arm(start, (FRONT_AXLE, 0.70, 0.20), 0.02)
    arm((1.72, 0.09, 0.51), (FRONT_AXLE, 0.66, 0.24))
    arm((2.0, 0.08, 0.4), (FRONT_AXLE + 0.12, 0.68, 0.36), 0.014)
    for start in ((-1.35, 0.12, 0.42), (-1.95, 0.08, 0.40)):
        arm(start, (REAR_AXLE, 0.62, 0.47), 0.022)
    for start in ((-1.3, 0.15, 0.22), (-2.05, 0.08, 0.20)):
        arm(start, (REAR_AXLE, 0.62, 0.21), 0.022)
    arm((REAR_AXLE, 0.08, 0.32), (REAR_AXLE, 0.62, TYRE_RADIUS), 0.035)
    arm((-1.5, 0.12, 0.44), (REAR_AXLE, 0.58, 0.25))


def _wheels(builder: MeshBuilder, side: float, steer: float) -> None:
    for name, x, y, width, turned in (
        ("front", FRONT_AXLE, FRONT_TRACK, 0.315, steer),
        ("rear", REAR_AXLE, REAR_TRACK, 0.405, 0.0),
    ):
        part = f"wheel_{name}_{'left' if side > 0 else 'right'}"
        builder.wheel(part, (x, side * y, TYRE_RADIUS), _tyre_profile(width), turned)


def _tyre_profile(width: float) -> list[tuple[float, float]]:
    half, shoulder = width / 2, 0.06
    outer = [(half - 0.03, 0.0), (half - 0.03, 0.05), (half - 0.05, 0.06), (half - 0.05, 0.165), (half - 0.045, 0.17)]
    outer += [(half - 0.008, RIM_RADIUS - 0.006), (half - 0.004, RIM_RADIUS), (half, 0.21), (half + 0.004, 0.25)]
    for step in range(7):
        turn = step / 6 * math.pi / 2
        outer.append((half - shoulder + shoulder * math.cos(turn), TYRE_RADIUS - shoulder + shoulder * math.sin(turn)))
    return outer + [(-offset, radius) for offset, radius in reversed(outer)]
