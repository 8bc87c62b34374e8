"""The colour schemes of the ten teams: colours and simple shapes only, several seasons each."""

from __future__ import annotations

from dataclasses import dataclass

Polygon = tuple[tuple[float, float], ...]

SHELL = ("body", "cover", "pod", "rim", "fin")
"""The parts that make the car's painted skin."""

FLAPS = ("fw_flap_1", "fw_flap_2", "fw_flap_3")


@dataclass(frozen=True)
class Patch:
    """A colour inside a polygon on some parts.

    `view` says what the polygon's numbers are: from the `side` (x, z), from the `top` (x, distance from the middle), from the `front`
    (distance from the middle, z).
    """

    parts: tuple[str, ...]
    view: str
    shape: Polygon
    colour: str


@dataclass(frozen=True)
class Fade:
    """A colour that comes in gradually along x between `start` (none) and `end` (all)."""

    parts: tuple[str, ...]
    start: float
    end: float
    colour: str


@dataclass(frozen=True)
class Livery:
    """One season. `base` maps parts to colours; what it does not name is carbon black.

    `layers` are painted over it in order; `gloss` in [0, 1] is how much the sky shows in the paint.
    """

    season: int
    base: dict[str, str]
    layers: tuple[Patch | Fade, ...] = ()
    helmets: tuple[str, ...] = ("#f2f2ee", "#ffd400", "#1b1c1f", "#d81e2c")
    gloss: float = 0.6


def skin(colour: str, **parts: str) -> dict[str, str]:
    """The whole painted skin in one colour, with exceptions."""
    named = dict.fromkeys((*SHELL, "mirror", "pylon"), colour)
    named.update(parts)
    return named


def wings(front: str, flaps: str, front_end: str, rear: str, rear_flap: str, rear_end: str) -> dict[str, str]:
    """Colours of both wings."""
    named = {"fw_main": front, "fw_end": front_end, "rw_main": rear, "rw_flap": rear_flap, "rw_end": rear_end, "rw_low": "#1a1b1e"}
    named.update(dict.fromkeys(FLAPS, flaps))
    return named


def band(parts: tuple[str, ...], x0: float, x1: float, colour: str, lean: float = 0.0) -> Patch:
    """A stripe around the car between x0 and x1; `lean` moves its upper end by so many metres per metre of height."""
    return Patch(parts, "side", ((x0, 0.0), (x1, 0.0), (x1 + lean, 1.0), (x0 + lean, 1.0)), colour)


def spine(parts: tuple[str, ...], x0: float, x1: float, half: float, colour: str, half_end: float | None = None) -> Patch:
    """A stripe along the middle, seen from above."""
    return Patch(parts, "top", ((x0, -0.01), (x1, -0.01), (x1, half if half_end is None else half_end), (x0, half)), colour)


def below(parts: tuple[str, ...], line: Polygon, colour: str) -> Patch:
    """Everything under a line, seen from the side."""
    return Patch(parts, "side", ((line[0][0], -0.1), *line, (line[-1][0], -0.1)), colour)


def above(parts: tuple[str, ...], line: Polygon, colour: str) -> Patch:
    """Everything over a line, seen from the side."""
    return Patch(parts, "side", ((line[0][0], 1.2), *line, (line[-1][0], 1.2)), colour)


CARBON = "#1d1e22"

MERCEDES = (
    Livery(
        2019,
        skin("#a3abb0", rim="#a3abb0", fin=CARBON)
        | wings("#a3abb0", CARBON, "#98a1a6", CARBON, "#00b8a6", CARBON)
        | {"barge": "#00b8a6", "halo": "#a3abb0"},
        (
            Fade(("cover", "pod"), -0.75, -1.55, CARBON),
            below(SHELL, ((2.9, 0.28), (1.2, 0.285), (0.3, 0.20), (-0.6, 0.13), (-2.3, 0.2)), "#00b8a6"),
            below(SHELL, ((2.9, 0.262), (1.2, 0.262), (0.3, 0.17), (-0.6, 0.095), (-2.3, 0.17)), CARBON),
            Patch(("cover",), "side", ((-0.75, 1.0), (-1.0, 1.0), (-2.3, 0.25), (-2.3, 0.2)), "#00b8a6"),
            band(("body",), 2.68, 2.9, "#c9d0d4"),
        ),
        ("#ffd400", "#e8eef2", "#1f64c8"),
        0.9,
    ),
    Livery(
        2020,
        skin("#17181b") | wings("#17181b", "#17181b", "#00b8a6", "#17181b", "#00c4b0", "#17181b") | {"barge": "#00b8a6"},
        (
            below(SHELL, ((2.9, 0.30), (1.2, 0.30), (0.3, 0.24), (-0.5, 0.15), (-2.3, 0.24)), "#00c4b0"),
            below(SHELL, ((2.9, 0.275), (1.2, 0.275), (0.3, 0.205), (-0.5, 0.105), (-2.3, 0.2)), "#17181b"),
            Patch(("cover", "fin"), "side", ((-1.05, 1.1), (-1.25, 1.1), (-2.3, 0.4), (-2.3, 0.2)), "#9ea6aa"),
            Patch(("cover", "fin"), "side", ((-1.35, 1.1), (-1.42, 1.1), (-2.3, 0.55), (-2.3, 0.5)), "#00c4b0"),
            spine(("body",), 2.85, 1.2, 0.035, "#00c4b0", 0.02),
        ),
        ("#7a35c8", "#ffd400", "#e8eef2"),
        0.8,
    ),
    Livery(
        2016,
        skin("#adb5b9") | wings("#adb5b9", CARBON, "#adb5b9", CARBON, "#00a596", CARBON) | {"halo": "#30343a"},
        (
            Patch(SHELL, "side", ((1.0, 0.30), (0.2, 0.36), (-0.9, 0.42), (-2.3, 0.40), (-2.3, 0.2), (-0.6, 0.12), (0.3, 0.14)), "#00a596"),
            Patch(("pod", "body"), "side", ((0.8, 0.22), (0.2, 0.25), (-0.9, 0.30), (-2.3, 0.30), (-2.3, 0.0), (0.8, 0.0)), CARBON),
            band(("body",), 2.62, 2.9, CARBON, -0.3),
            spine(("body",), 2.6, 0.9, 0.03, "#00a596", 0.05),
        ),
        ("#ffd400", "#e8eef2", "#00a596"),
        0.9,
    ),
)

FERRARI = (
    Livery(
        2019,
        skin("#cf1016")
        | wings("#cf1016", CARBON, CARBON, CARBON, "#cf1016", "#cf1016")
        | {"barge": CARBON, "halo": "#cf1016", "vane": "#cf1016"},
        (
            below(("body", "pod"), ((2.9, 0.26), (1.2, 0.27), (0.4, 0.22), (-0.6, 0.16), (-2.3, 0.18)), CARBON),
            Patch(("rw_end",), "side", ((-2.0, 0.0), (-3.0, 0.0), (-3.0, 0.62), (-2.0, 0.62)), CARBON),
        ),
        ("#d81e2c", "#f2f2ee", "#1b1c1f"),
        0.35,
    ),
    Livery(
        2018,
        skin("#d4141a", fin="#f1f1ee") | wings("#f1f1ee", "#d4141a", "#d4141a", CARBON, "#d4141a", "#f1f1ee") | {"halo": "#d4141a"},
        (
            Patch(("cover",), "side", ((-0.75, 1.0), (-1.0, 0.62), (-2.3, 0.36), (-2.3, 0.6), (-1.2, 1.0)), "#f1f1ee"),
            below(("body", "pod"), ((2.9, 0.25), (1.2, 0.25), (0.4, 0.19), (-0.6, 0.14), (-2.3, 0.15)), CARBON),
            band(("cover",), -0.3, -0.42, CARBON),
        ),
        ("#d81e2c", "#f2f2ee", "#ffd400"),
        0.7,
    ),
    Livery(
        2016,
        skin("#d2181c") | wings("#f1f1ee", "#f1f1ee", "#d2181c", CARBON, "#d2181c", "#f1f1ee"),
        (
            above(("cover", "rim"), ((-0.35, 0.78), (-0.9, 0.72), (-1.5, 0.58), (-2.4, 0.42)), "#f1f1ee"),
            Patch(("body",), "side", ((2.2, 0.56), (2.1, 0.42), (0.9, 0.52), (0.7, 0.7)), "#f1f1ee"),
            spine(("body",), 2.9, 0.5, 0.07, "#d2181c", 0.16),
            below(("body", "pod"), ((2.9, 0.2), (0.4, 0.16), (-0.6, 0.12), (-2.3, 0.12)), CARBON),
        ),
        ("#f2f2ee", "#d81e2c"),
        0.7,
    ),
)

REDBULL = (
    Livery(
        2019,
        skin("#161d3d")
        | wings("#161d3d", "#161d3d", "#c8102e", "#161d3d", "#161d3d", "#161d3d")
        | {"fw_flap_3": "#c8102e", "barge": "#c8102e", "halo": "#14161f"},
        (
            band(("body",), 2.1, 3.0, "#c8102e", 0.2),
            band(("body",), 2.22, 3.0, "#ffc400", 0.2),
            Patch(("pod", "body"), "side", ((0.05, 0.5), (-0.1, 0.2), (-1.0, 0.16), (-1.25, 0.3), (-0.95, 0.48)), "#d3122c"),
            Patch(("cover", "fin"), "side", ((-0.75, 0.88), (-0.7, 0.64), (-1.35, 0.52), (-1.75, 0.58), (-1.3, 0.79)), "#d3122c"),
            Patch(("cover", "fin"), "side", ((-0.78, 0.8), (-0.76, 0.69), (-1.0, 0.66), (-1.03, 0.76)), "#ffc400"),
            band(("cover",), -0.3, -0.47, "#ffc400"),
            Patch(("rw_end",), "side", ((-2.0, 0.0), (-3.0, 0.0), (-3.0, 0.66), (-2.0, 0.66)), "#c8102e"),
        ),
        ("#c8102e", "#161d3d", "#f26a1b", "#ffd400"),
        0.3,
    ),
    Livery(
        2014,
        skin("#1d1b52", fin="#1d1b52") | wings("#1d1b52", "#1d1b52", "#c8102e", "#1d1b52", "#c8102e", "#1d1b52"),
        (
            band(("body",), 2.25, 3.0, "#ffc400"),
            Patch(("body",), "side", ((2.25, 0.6), (2.25, 0.2), (1.9, 0.3), (1.5, 0.62)), "#c8102e"),
            Patch(("pod", "body"), "side", ((0.15, 0.52), (-0.1, 0.16), (-1.2, 0.14), (-1.5, 0.36), (-0.8, 0.56)), "#c8102e"),
            Patch(("cover",), "side", ((-0.6, 1.0), (-0.7, 0.66), (-1.5, 0.5), (-1.9, 0.6), (-1.2, 0.9)), "#c8102e"),
            Patch(("cover",), "side", ((-0.65, 0.93), (-0.72, 0.76), (-1.0, 0.7), (-1.05, 0.86)), "#ffc400"),
            below(("pod", "cover"), ((-0.9, 0.24), (-1.6, 0.3), (-2.4, 0.34)), "#5a2a86"),
        ),
        ("#f2f2ee", "#c8102e", "#ffd400"),
        0.8,
    ),
)

HAAS = (
    Livery(
        2019,
        skin("#1c1c1e")
        | wings("#1c1c1e", "#1c1c1e", "#b8975a", "#1c1c1e", "#1c1c1e", "#1c1c1e")
        | {"fw_flap_3": "#b8975a", "vane": "#b8975a"},
        (
            below(SHELL, ((2.9, 0.32), (1.9, 0.36), (0.9, 0.36), (0.2, 0.30), (-0.7, 0.21), (-2.3, 0.26)), "#b8975a"),
            below(SHELL, ((2.9, 0.30), (1.9, 0.335), (0.9, 0.33), (0.2, 0.26), (-0.7, 0.16), (-2.3, 0.22)), "#1c1c1e"),
            Patch(("cover", "fin"), "side", ((-0.9, 1.0), (-0.97, 1.0), (-2.2, 0.3), (-2.2, 0.25)), "#b8975a"),
            spine(("body",), 2.9, 1.0, 0.05, "#b8975a", 0.03),
            spine(("body",), 2.85, 1.0, 0.03, "#1c1c1e", 0.012),
        ),
        ("#1b1c1f", "#d81e2c", "#f2f2ee"),
        0.8,
    ),
    Livery(
        2020,
        skin("#e6e6e3", fin="#4a4c50") | wings("#e6e6e3", "#1c1c1e", "#d0152a", "#1c1c1e", "#d0152a", "#4a4c50"),
        (
            above(("cover",), ((-0.3, 0.86), (-0.8, 0.72), (-1.5, 0.5), (-2.4, 0.3)), "#4a4c50"),
            Patch(
                ("cover", "pod"),
                "side",
                ((-0.3, 0.855), (-0.8, 0.715), (-1.5, 0.495), (-2.4, 0.295), (-2.4, 0.25), (-1.5, 0.46), (-0.8, 0.68), (-0.3, 0.82)),
                "#d0152a",
            ),
            below(SHELL, ((2.9, 0.29), (1.2, 0.34), (0.3, 0.32), (-0.7, 0.22), (-2.3, 0.22)), "#1c1c1e"),
            Patch(("body",), "side", ((2.9, 0.33), (1.2, 0.38), (0.3, 0.36), (0.3, 0.32), (1.2, 0.34), (2.9, 0.29)), "#d0152a"),
            band(("body",), 2.66, 3.0, "#d0152a"),
        ),
        ("#1b1c1f", "#f2f2ee", "#d81e2c"),
        0.7,
    ),
    Livery(
        2018,
        skin("#8f9296", rim="#8f9296") | wings("#d0152a", "#1c1c1e", "#1c1c1e", "#1c1c1e", "#d0152a", "#1c1c1e"),
        (
            Fade(("cover", "pod"), -0.9, -1.7, "#1c1c1e"),
            below(SHELL, ((2.9, 0.31), (1.2, 0.33), (0.3, 0.30), (-0.7, 0.2), (-2.3, 0.24)), "#1c1c1e"),
            Patch(
                ("body", "pod"),
                "side",
                ((2.9, 0.33), (1.2, 0.36), (0.3, 0.335), (-0.7, 0.235), (-0.7, 0.2), (0.3, 0.30), (1.2, 0.33), (2.9, 0.31)),
                "#d0152a",
            ),
            spine(("body",), 2.9, 0.8, 0.06, "#f0f0ee", 0.1),
            band(("cover",), -0.3, -0.46, "#d0152a"),
        ),
        ("#1b1c1f", "#d81e2c"),
        0.7,
    ),
)

BWT = (
    Livery(
        2020,
        skin("#f08cbe")
        | wings("#f3f2f2", "#f08cbe", "#f08cbe", "#f08cbe", "#1f49a8", "#f08cbe")
        | {"halo": "#f08cbe", "barge": "#f08cbe", "vane": "#f3f2f2"},
        (
            Patch(("pod", "cover"), "side", ((-0.95, 0.55), (-0.8, 0.1), (-1.1, 0.1), (-1.35, 0.5)), "#f3f2f2"),
            Patch(("pod", "cover"), "side", ((-1.2, 0.55), (-1.0, 0.1), (-2.4, 0.1), (-2.4, 0.4)), "#1f49a8"),
            Patch(("fw_main", "fw_end"), "top", ((3.0, 0.45), (2.0, 0.45), (2.0, 0.9), (3.0, 0.9)), "#1f49a8"),
            band(("body",), 2.6, 2.66, "#f3f2f2"),
        ),
        ("#1f49a8", "#f2f2ee", "#f08cbe"),
        0.75,
    ),
    Livery(
        2019,
        skin("#f28fc0") | wings("#f3f2f2", "#f28fc0", "#f3f2f2", "#f28fc0", "#1c4bb0", "#f28fc0") | {"halo": "#1c4bb0"},
        (
            Patch(("cover", "fin", "rim"), "side", ((-0.4, 1.1), (-0.55, 0.72), (-1.3, 0.44), (-2.4, 0.3), (-2.4, 1.1)), "#1c4bb0"),
            Patch(
                ("cover", "pod"), "side", ((-0.5, 0.74), (-0.55, 0.70), (-1.3, 0.36), (-2.4, 0.24), (-2.4, 0.3), (-1.3, 0.44)), "#f3f2f2"
            ),
            Patch(("pod",), "side", ((-0.55, 0.56), (-0.45, 0.12), (-0.62, 0.12), (-0.75, 0.56)), "#f3f2f2"),
            below(("body",), ((2.9, 0.27), (1.4, 0.30), (0.4, 0.26)), "#f3f2f2"),
        ),
        ("#1f49a8", "#f2f2ee", "#19a974"),
        0.75,
    ),
    Livery(
        2017,
        skin("#ee86b9", fin="#ee86b9") | wings("#ee86b9", "#ee86b9", "#c2185b", "#ee86b9", "#f3f2f2", "#ee86b9"),
        (
            Patch(("pod", "cover"), "side", ((0.1, 0.32), (-0.9, 0.24), (-2.4, 0.30), (-2.4, 0.24), (-0.9, 0.17), (0.1, 0.24)), "#c2185b"),
            below(("body", "pod"), ((2.9, 0.25), (1.3, 0.27), (0.3, 0.18), (-0.9, 0.13), (-2.4, 0.15)), "#8d9096"),
            band(("cover",), -0.95, -1.05, "#f3f2f2", -0.5),
            band(("body",), 2.3, 2.38, "#c2185b"),
        ),
        ("#ee86b9", "#f2f2ee"),
        0.75,
    ),
)

TORO_ROSSO = (
    Livery(
        2019,
        skin("#1d2f9c") | wings("#1d2f9c", "#1d2f9c", "#c9cdd2", "#1d2f9c", "#d0142c", "#1d2f9c") | {"halo": "#1b1d26", "barge": "#c9cdd2"},
        (
            Patch(("cover", "pod", "body"), "side", ((0.1, 0.42), (-0.1, 0.28), (-1.0, 0.2), (-1.6, 0.34), (-0.9, 0.46)), "#d0142c"),
            Patch(("cover", "fin"), "side", ((-0.75, 0.9), (-0.78, 0.72), (-1.4, 0.58), (-1.6, 0.66)), "#d0142c"),
            below(("body", "pod"), ((2.9, 0.30), (1.3, 0.30), (0.2, 0.18), (-0.9, 0.13), (-2.4, 0.2)), "#c9cdd2"),
            band(("body",), 2.58, 3.0, "#c9cdd2", 0.2),
            band(("body",), 2.50, 2.58, "#d0142c", 0.2),
        ),
        ("#c8102e", "#1d2f9c", "#f2f2ee"),
        0.85,
    ),
    Livery(
        2020,
        skin("#f2f3f3", fin="#16233f") | wings("#f2f3f3", "#16233f", "#f2f3f3", "#16233f", "#f2f3f3", "#16233f") | {"halo": "#16233f"},
        (
            Patch(("cover", "pod", "rim"), "side", ((-0.62, 1.1), (-1.05, 0.1), (-2.4, 0.1), (-2.4, 1.1)), "#16233f"),
            Patch(("cover", "pod"), "side", ((-1.05, 1.1), (-1.42, 0.1), (-1.58, 0.1), (-1.25, 1.1)), "#f2f3f3"),
            below(("body", "pod"), ((2.9, 0.26), (1.3, 0.29), (0.3, 0.27), (-0.8, 0.16), (-2.4, 0.18)), "#16233f"),
            spine(("body",), 2.9, 1.1, 0.04, "#16233f", 0.09),
        ),
        ("#f2f2ee", "#16233f", "#d81e2c"),
        0.7,
    ),
    Livery(
        2021,
        skin("#1a2a4d", fin="#f2f3f3") | wings("#1a2a4d", "#f2f3f3", "#1a2a4d", "#1a2a4d", "#f2f3f3", "#1a2a4d"),
        (
            Patch(("cover", "pod"), "side", ((-0.72, 1.1), (-1.0, 0.52), (-1.5, 0.3), (-2.4, 0.24), (-2.4, 1.1)), "#f2f3f3"),
            Patch(("body",), "side", ((2.5, 0.5), (2.3, 0.3), (1.2, 0.42), (0.8, 0.7), (2.4, 0.7)), "#f2f3f3"),
            spine(("body",), 2.9, 0.7, 0.06, "#1a2a4d", 0.14),
        ),
        ("#f2f2ee", "#1a2a4d", "#d81e2c"),
        0.6,
    ),
)

MCLAREN = (
    Livery(
        2020,
        skin("#f57f17")
        | wings("#f57f17", "#1a6fc4", "#1a6fc4", "#1d1e22", "#1a6fc4", "#1d1e22")
        | {"halo": "#1d1e22", "barge": "#1a6fc4", "vane": "#1a6fc4"},
        (
            Patch(
                ("pod", "cover", "body"), "side", ((0.4, 0.34), (0.0, 0.36), (-0.8, 0.31), (-2.4, 0.40), (-2.4, 0.0), (0.4, 0.0)), "#1a6fc4"
            ),
            below(("pod", "body"), ((1.3, 0.26), (0.2, 0.2), (-0.8, 0.14), (-2.4, 0.17)), "#1d1e22"),
            below(("body",), ((2.95, 0.285), (2.0, 0.32), (1.2, 0.31)), "#1a6fc4"),
            Patch(("cover", "fin"), "side", ((-1.2, 1.1), (-1.5, 0.4), (-2.4, 0.3), (-2.4, 1.1)), "#1a6fc4"),
        ),
        ("#f57f17", "#1a6fc4", "#d7f000", "#f2f2ee"),
        0.4,
    ),
    Livery(
        2018,
        skin("#f7820a", fin="#123a8c") | wings("#f7820a", "#f7820a", "#123a8c", "#123a8c", "#f7820a", "#f7820a"),
        (
            Patch(("cover",), "side", ((-1.0, 1.1), (-1.25, 0.6), (-2.4, 0.4), (-2.4, 1.1)), "#123a8c"),
            below(("pod", "body"), ((2.95, 0.25), (1.3, 0.26), (0.2, 0.19), (-0.8, 0.13), (-2.4, 0.15)), "#123a8c"),
            band(("fw_main",), 2.3, 2.8, "#123a8c"),
        ),
        ("#f57f17", "#123a8c", "#ffd400"),
        0.75,
    ),
    Livery(
        2021,
        skin("#f4790f", fin="#2f8fd8") | wings("#1d1e22", "#2f8fd8", "#f4790f", "#1d1e22", "#f4790f", "#2f8fd8") | {"halo": "#1d1e22"},
        (
            Patch(("pod", "cover"), "side", ((-0.35, 0.7), (-0.85, 0.1), (-2.4, 0.1), (-2.4, 0.5), (-1.2, 0.62)), "#2f8fd8"),
            Patch(("pod", "cover"), "side", ((-0.8, 0.7), (-1.25, 0.1), (-2.4, 0.1), (-2.4, 0.36)), "#1d1e22"),
            Patch(("body",), "side", ((2.95, 0.33), (2.2, 0.34), (1.2, 0.36), (0.9, 0.2), (2.95, 0.2)), "#2f8fd8"),
        ),
        ("#f57f17", "#2f8fd8", "#d7f000"),
        0.4,
    ),
)

ALFA_ROMEO = (
    Livery(
        2019,
        skin("#eeeeec", fin="#8e1020")
        | wings("#eeeeec", CARBON, "#8e1020", CARBON, "#8e1020", "#8e1020")
        | {"halo": "#1d1e22", "barge": "#8e1020"},
        (
            Patch(("cover", "rim"), "side", ((-0.25, 1.1), (-0.45, 0.7), (-1.1, 0.44), (-2.4, 0.26), (-2.4, 1.1)), "#8e1020"),
            Patch(("pod",), "side", ((-0.5, 0.7), (-0.95, 0.36), (-1.5, 0.2), (-2.4, 0.2), (-2.4, 0.7)), "#8e1020"),
            below(("pod", "body"), ((2.95, 0.24), (1.3, 0.25), (0.3, 0.2), (-0.8, 0.13), (-2.4, 0.15)), CARBON),
            spine(("body",), 3.0, 1.9, 0.2, "#8e1020", 0.0),
        ),
        ("#f2f2ee", "#1b1c1f", "#8e1020"),
        0.8,
    ),
    Livery(
        2021,
        skin("#f0efed", body="#f0efed", fin="#a01324")
        | wings("#a01324", CARBON, "#f0efed", CARBON, "#f0efed", "#a01324")
        | {"halo": "#a01324"},
        (
            Patch(("cover", "rim", "pod"), "side", ((-0.2, 1.1), (-0.5, 0.66), (-0.75, 0.1), (-2.4, 0.1), (-2.4, 1.1)), "#a01324"),
            Patch(("cover", "pod"), "side", ((-1.3, 1.1), (-1.55, 0.1), (-1.68, 0.1), (-1.43, 1.1)), "#f0efed"),
            below(("pod", "body"), ((2.95, 0.25), (1.3, 0.27), (0.3, 0.22), (-0.8, 0.13), (-2.4, 0.15)), "#a01324"),
            band(("body",), 2.64, 3.0, "#a01324"),
        ),
        ("#f2f2ee", "#1b1c1f", "#a01324"),
        0.8,
    ),
)

WILLIAMS = (
    Livery(
        2019,
        skin("#f1f3f4", fin="#1f6fc2") | wings("#58b4e8", CARBON, "#f1f3f4", CARBON, "#f1f3f4", "#17191d"),
        (
            Fade(("body",), 0.6, 1.9, "#58b4e8"),
            Patch(("cover", "pod"), "side", ((-0.55, 0.62), (-1.0, 0.1), (-2.4, 0.1), (-2.4, 0.5)), "#58b4e8"),
            Patch(("cover", "pod"), "side", ((-1.05, 0.62), (-1.35, 0.1), (-2.4, 0.1), (-2.4, 0.36)), "#1b2f6e"),
            below(("body", "pod"), ((2.95, 0.25), (1.3, 0.27), (0.3, 0.22), (-0.8, 0.13), (-2.4, 0.15)), "#1b2f6e"),
        ),
        ("#f2f2ee", "#1b2f6e", "#58b4e8"),
        0.7,
    ),
    Livery(
        2020,
        skin("#f2f4f5", fin="#1d5fbf") | wings("#f2f4f5", CARBON, "#1d5fbf", CARBON, "#f2f4f5", "#1d5fbf") | {"halo": "#f2f4f5"},
        (
            Patch(("body",), "side", ((2.7, 0.5), (2.45, 0.2), (1.0, 0.2), (0.5, 0.45), (1.2, 0.56)), "#1d5fbf"),
            Patch(("cover", "pod"), "side", ((-0.45, 1.1), (-1.2, 0.1), (-2.4, 0.1), (-2.4, 0.5), (-1.1, 1.1)), "#1d5fbf"),
            Patch(("cover", "pod"), "side", ((-0.40, 1.1), (-1.15, 0.1), (-1.25, 0.1), (-0.48, 1.1)), "#58b4e8"),
            Patch(("body",), "side", ((2.76, 0.5), (2.51, 0.2), (2.45, 0.2), (2.7, 0.5)), "#d0142c"),
            below(("body", "pod"), ((2.95, 0.24), (1.3, 0.25), (0.3, 0.2), (-0.8, 0.12), (-2.4, 0.14)), "#16244f"),
        ),
        ("#f2f2ee", "#d81e2c", "#1d5fbf"),
        0.7,
    ),
    Livery(
        2017,
        skin("#f3f4f5", fin="#f3f4f5") | wings("#f3f4f5", CARBON, "#f3f4f5", CARBON, "#f3f4f5", "#f3f4f5"),
        (
            Patch(
                ("body", "pod", "cover"),
                "side",
                (
                    (2.95, 0.36),
                    (1.0, 0.50),
                    (0.3, 0.46),
                    (-1.0, 0.34),
                    (-2.4, 0.34),
                    (-2.4, 0.29),
                    (-1.0, 0.27),
                    (0.3, 0.37),
                    (1.0, 0.42),
                    (2.95, 0.31),
                ),
                "#1b2b63",
            ),
            Patch(
                ("body", "pod", "cover"),
                "side",
                (
                    (2.95, 0.31),
                    (1.0, 0.42),
                    (0.3, 0.37),
                    (-1.0, 0.27),
                    (-2.4, 0.29),
                    (-2.4, 0.26),
                    (-1.0, 0.23),
                    (0.3, 0.33),
                    (1.0, 0.39),
                    (2.95, 0.29),
                ),
                "#4fb0e6",
            ),
            Patch(
                ("body", "pod", "cover"),
                "side",
                (
                    (2.95, 0.345),
                    (1.0, 0.475),
                    (0.3, 0.43),
                    (-1.0, 0.318),
                    (-2.4, 0.322),
                    (-2.4, 0.306),
                    (-1.0, 0.292),
                    (0.3, 0.4),
                    (1.0, 0.445),
                    (2.95, 0.328),
                ),
                "#d0142c",
            ),
            Patch(("cover", "fin"), "side", ((-0.8, 1.1), (-1.1, 0.8), (-2.2, 0.5), (-2.2, 0.56), (-1.15, 0.9), (-0.95, 1.1)), "#1b2b63"),
            Patch(("cover", "fin"), "side", ((-0.95, 1.1), (-1.15, 0.9), (-2.2, 0.56), (-2.2, 0.6), (-1.2, 0.95), (-1.05, 1.1)), "#4fb0e6"),
            spine(("body",), 2.9, 1.0, 0.035, "#1b2b63", 0.06),
            below(("body", "pod"), ((2.95, 0.22), (1.3, 0.23), (0.3, 0.18), (-0.8, 0.12), (-2.4, 0.14)), "#1b2b63"),
        ),
        ("#f2f2ee", "#1b2b63"),
        0.7,
    ),
)

RENAULT = (
    Livery(
        2019,
        skin("#ffe100", cover="#191a1c", fin="#191a1c", pod="#191a1c", rim="#191a1c")
        | wings("#191a1c", "#191a1c", "#ffe100", "#191a1c", "#ffe100", "#191a1c")
        | {"vane": "#ffe100"},
        (
            above(("pod",), ((0.5, 0.48), (-0.2, 0.46), (-0.8, 0.52), (-1.0, 0.7)), "#ffe100"),
            below(("body",), ((2.95, 0.30), (2.0, 0.36), (1.0, 0.38), (0.3, 0.34), (-0.8, 0.3)), "#191a1c"),
            Patch(("cover",), "side", ((-0.34, 1.1), (-0.34, 0.6), (-0.55, 0.84), (-0.9, 1.1)), "#ffe100"),
            Patch(("cover", "fin"), "side", ((-1.5, 1.1), (-1.95, 0.2), (-2.1, 0.2), (-1.65, 1.1)), "#ffe100"),
        ),
        ("#ffe100", "#1b1c1f", "#f2f2ee"),
        0.6,
    ),
    Livery(
        2020,
        skin("#17181a", body="#17181a")
        | wings("#17181a", "#17181a", "#ffe100", "#17181a", "#ffe100", "#17181a")
        | {"fw_flap_3": "#ffe100", "halo": "#17181a", "mirror": "#ffe100"},
        (
            spine(("body",), 3.0, 0.75, 0.3, "#ffe100", 0.16),
            Patch(("body",), "side", ((3.0, 0.6), (3.0, 0.33), (1.2, 0.5), (0.6, 0.62), (0.6, 0.8)), "#ffe100"),
            Patch(("pod", "body"), "side", ((0.6, 0.58), (0.3, 0.5), (-0.5, 0.44), (-1.4, 0.28), (-1.6, 0.36), (-0.5, 0.54)), "#ffe100"),
            Patch(("cover", "fin"), "side", ((-0.6, 0.95), (-0.75, 0.86), (-1.5, 0.66), (-2.1, 0.5), (-2.1, 0.56), (-1.4, 0.8)), "#ffe100"),
        ),
        ("#ffe100", "#1b1c1f", "#1f64c8"),
        0.6,
    ),
    Livery(
        2017,
        skin("#ffdc00", fin="#191a1c") | wings("#ffdc00", "#191a1c", "#ffdc00", "#191a1c", "#ffdc00", "#ffdc00"),
        (
            Patch(("cover", "pod"), "side", ((-0.75, 1.1), (-1.15, 0.1), (-2.4, 0.1), (-2.4, 1.1)), "#191a1c"),
            below(("body", "pod"), ((2.95, 0.26), (1.3, 0.3), (0.3, 0.28), (-0.8, 0.2), (-2.4, 0.2)), "#191a1c"),
            spine(("body",), 2.95, 1.9, 0.05, "#191a1c", 0.02),
        ),
        ("#ffe100", "#1b1c1f"),
        0.7,
    ),
)

LIVERIES: dict[str, tuple[Livery, ...]] = {
    "alfa_romeo": ALFA_ROMEO,
    "bwt": BWT,
    "ferrari": FERRARI,
    "haas": HAAS,
    "mclaren": MCLAREN,
    "mercedes": MERCEDES,
    "redbull": REDBULL,
    "renault": RENAULT,
    "toro_rosso": TORO_ROSSO,
    "williams": WILLIAMS,
}
"""Every label and its seasons, in label order."""
