"""Places: what lies behind and under the car. Ground and walls are worked out for each pixel from the ray that goes through it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webapp.training.studio.camera import Camera
from webapp.training.studio.dice import Dice
from webapp.training.studio.light import Light, Pixels, angle, arch, linear, smoothstep

FIELD = 128
"""Knots along each side of a noise field; a power of two."""

Where = NDArray[np.signedinteger]
"""Numbers of pixels, counted along the rows."""

HOARDINGS = ("#e7e8e6", "#1f3f7d", "#e7e8e6", "#c4252f", "#20242b", "#1d7d63", "#e8c22a")
HALLS = ("#dfe0e1", "#c9cbcd", "#8b8e92", "#4a4d52", "#26282b")
CONCRETE = ("#bcbcb6", "#c6c6c0", "#b4b4ae")


@dataclass(frozen=True)
class Strip:
    """What lies beside the track on one side, from the white line outwards. Distances in metres from the middle of the car's path."""

    edge: float
    kerb: float
    kerb_colours: tuple[str, str]
    runoff: str
    runoff_end: float
    beyond: str
    wall: float
    wall_kind: str
    behind: str


@dataclass(frozen=True)
class Place:
    """A stretch of track: asphalt, what lies left and right of it, and by how many radians the car points away from its direction."""

    asphalt: str
    left: Strip
    right: Strip
    yaw: float
    dashes: bool


GROUNDS = {
    "grass": ("#5f8a3a", "#4c7530"),
    "dry grass": ("#8a8f4a", "#7a7f3e"),
    "gravel": ("#c9b58c", "#b9a67e"),
    "asphalt": ("#6d7075", "#66696e"),
    "green": ("#2c8a63", "#2a855f"),
    "red": ("#b03a38", "#ab3836"),
    "blue": ("#2b5fa8", "#295ba2"),
}


def some_place(dice: Dice) -> Place:
    """A stretch of track thrown with the dice."""
    wide = dice.between(11.0, 15.0)
    share = dice.between(0.25, 0.75)
    kind = dice.pick(("open", "open", "open", "open", "street", "pit"))
    strips = [_some_strip(dice, wide * share, kind, 0), _some_strip(dice, wide * (1 - share), kind, 1)]
    asphalt = dice.pick(("#76797d", "#808285", "#6d7075", "#858380"))
    return Place(asphalt, strips[0], strips[1], dice.between(-0.07, 0.07), dice.chance(0.25))


def some_street(dice: Dice) -> Place:
    """A town street thrown with the dice."""
    left, right = dice.between(3.0, 4.5), dice.between(3.0, 4.5)
    sides = [
        Strip(
            edge,
            0.0,
            ("#c8202b", "#efefec"),
            "asphalt",
            edge + 2.5,
            "grass",
            edge + dice.between(5, 8),
            "concrete",
            dice.pick(("trees", "city")),
        )
        for edge in (left, right)
    ]
    return Place(dice.pick(("#76797d", "#808285", "#6d7075")), sides[0], sides[1], dice.between(-0.04, 0.04), False)


def _some_strip(dice: Dice, edge: float, kind: str, side: int) -> Strip:
    colours = dice.pick(
        (("#c8202b", "#efefec"), ("#c8202b", "#efefec"), ("#c8202b", "#efefec"), ("#2b5fa8", "#efefec"), ("#e2b21c", "#2f6fb8"))
    )
    if kind == "street":
        return Strip(
            edge,
            0.0,
            colours,
            "asphalt",
            edge + 1.6,
            "asphalt",
            edge + dice.between(1.6, 2.6),
            "concrete",
            dice.pick(("trees", "stand", "city")),
        )
    if kind == "pit" and side == 0:
        return Strip(edge, 0.0, colours, "asphalt", edge + 5, "asphalt", edge + 5.5, "garages", "none")
    kerb = dice.between(0.9, 1.5) if dice.chance(0.7) else 0.0
    runoff = dice.pick(("grass", "grass", "gravel", "asphalt", "green", "red", "blue", "dry grass"))
    end = edge + kerb + dice.between(3.0, 9.0)
    beyond = dice.pick(("grass", "grass", "gravel", "dry grass"))
    wall = end + dice.between(3.0, 16.0)
    return Strip(
        edge,
        kerb,
        colours,
        runoff,
        end,
        beyond,
        wall,
        dice.pick(("armco", "tyres", "hoardings", "hoardings")),
        dice.pick(("trees", "stand", "stand", "hills")),
    )


class Backdrop:
    """Draws a place as one camera sees it. Pixels are kept in one flat list; each thing is worked out only where it can be seen."""

    def __init__(self, place: Place, camera: Camera, size: tuple[int, int], light: Light, dice: Dice) -> None:
        self._place, self._camera, self._light, self._size = place, camera, light, size
        self._fields = [dice.field(FIELD, FIELD).ravel() for _ in range(3)]
        self._stripes = dice.between(0, 4)
        self._skids = [dice.between(-3, 3) for _ in range(4)]
        x, y = np.meshgrid(np.arange(size[0], dtype=np.float32) + 0.5, np.arange(size[1], dtype=np.float32) + 0.5)
        rays = camera.rays(x, y)
        c, s = round(math.cos(place.yaw), 9), round(math.sin(place.yaw), 9)
        eye = camera.eye.tolist()
        self._eye = (eye[0] * c + eye[1] * s, eye[1] * c - eye[0] * s, eye[2])
        turned = (rays[0] * np.float32(c) + rays[1] * np.float32(s), rays[1] * np.float32(c) - rays[0] * np.float32(s), rays[2])
        down = rays[2] < -1e-4
        self.distance = np.where(down, np.float32(-self._eye[2]) / np.where(down, rays[2], -1), np.inf).astype(np.float32)
        self._ray = tuple(axis.ravel() for axis in turned)

    def draw(self) -> Pixels:
        """The empty place, linear light, float32 of shape (height, width, 3)."""
        canvas = np.zeros((self._size[0] * self._size[1], 3), np.float32)
        met = np.isfinite(self.distance).ravel()
        self._sky(canvas, np.flatnonzero(~met))
        self._ground(canvas, np.flatnonzero(met))
        for side, strip in ((1.0, self._place.left), (-1.0, self._place.right)):
            if self._eye[1] * side < strip.wall - 0.3:
                self._far_things(canvas, strip, side)
                self._wall(canvas, strip, side)
        return canvas.reshape(self._size[1], self._size[0], 3)

    def _noise(self, number: int, a: Pixels, b: Pixels) -> Pixels:
        """Smooth noise in [0, 1] with one knot for each unit of a and b."""
        field = self._fields[number]
        i, j = np.floor(a), np.floor(b)
        s, t = a - i, b - j
        s, t = s * s * (3 - 2 * s), t * t * (3 - 2 * t)
        i0, j0 = i.astype(np.int32) & (FIELD - 1), j.astype(np.int32) & (FIELD - 1)
        i1, j1 = ((i0 + 1) & (FIELD - 1)) * FIELD, (j0 + 1) & (FIELD - 1)
        i0 *= FIELD
        first, second = field[i0 + j0], field[i0 + j1]
        first += (field[i1 + j0] - first) * s
        second += (field[i1 + j1] - second) * s
        return first + (second - first) * t

    def _sky(self, canvas: Pixels, at: Where) -> None:
        x, y, z = (axis[at] for axis in self._ray)
        flat = np.sqrt(x * x + y * y)
        rise = np.clip(z / flat, 0, 1)
        share = np.sqrt(np.clip(rise * 2.2, 0, 1))[:, None]
        low = np.array(self._light.sky_low, np.float32)
        sky = low * (1 - share) + np.array(self._light.sky_top, np.float32) * share
        turn = angle(y, x)
        cloud = self._noise(0, turn * 7, rise * 34) * 0.65 + self._noise(1, turn * 17, rise * 80) * 0.35
        sky = _mix(sky, low * np.float32(0.4) + np.float32(0.55) * self._light.on_flat(), smoothstep(0.52, 0.8, cloud) * np.float32(0.55))
        hill = 0.02 + 0.04 * self._noise(2, turn * 4 + 3, np.zeros_like(turn)) + 0.01 * self._noise(2, turn * 23, np.ones_like(turn))
        green = np.array(linear("#6b8577"), np.float32) * self._light.on_flat() * np.float32(0.6) + low * np.float32(0.35)
        canvas[at] = _mix(sky, green, np.clip((hill - z / flat) * np.float32(self._camera.focal) + 0.5, 0, 1))

    def _ground(self, canvas: Pixels, at: Where) -> None:
        place = self._place
        whole = np.where(np.isfinite(self.distance), self.distance, 1e4).astype(np.float32)
        lines = [self._eye[k] + whole * self._ray[k].reshape(whole.shape) for k in (0, 1)]
        along, across = (line.ravel()[at] for line in lines)
        along_blur, blur = (self._pixel_size(line).ravel()[at] for line in lines)
        reach = whole.ravel()[at]
        coarse = self._noise(0, along * 0.06, across * 0.9)
        fine = self._noise(1, along * 3.0, across * 9.0)
        lane = np.float32(0.16) / np.square(
            1 + np.float32(0.2) * np.square(across + np.float32(0.2))
        )  # the darker line that everybody drives
        for path in self._skids:
            mark = _between(across, path, path + 0.3, blur) * smoothstep(
                0.45, 0.75, self._noise(2, along * 0.035 + path, np.zeros_like(along))
            )
            lane = lane + mark * np.float32(0.16)
        grain = 0.86 + 0.2 * coarse + (fine - 0.5) * 0.08 / (1 + 12 * blur) - lane
        colour = np.array(linear(place.asphalt), np.float32) * grain[:, None]
        if place.dashes:
            dash = _between(across, 3.2, 3.35, blur) * _square(along / 6.0, along_blur / 6.0)
            colour = _over(colour, "#dcdcd8", dash)
        for side, strip in ((1.0, place.left), (-1.0, place.right)):
            out = across * np.float32(side)
            off = np.flatnonzero(out > strip.edge - 0.5 - blur)
            if len(off):
                colour[off] = self._strip(colour[off], strip, out[off], along[off], blur[off], along_blur[off], coarse[off])
        haze = np.clip(reach / 900, 0, 0.7)
        canvas[at] = _mix(colour * self._light.on_flat(), np.array(self._light.sky_low, np.float32) * np.float32(0.8), haze)

    @staticmethod
    def _pixel_size(line: Pixels) -> Pixels:
        """How far `line` moves from a pixel to its neighbours."""
        size = np.full(line.shape, np.float32(0.004))
        size[:-1] += np.abs(line[1:] - line[:-1])
        size[:, :-1] += np.abs(line[:, 1:] - line[:, :-1])
        return size

    def _strip(self, colour: Pixels, strip: Strip, out: Pixels, along: Pixels, blur: Pixels, along_blur: Pixels, coarse: Pixels) -> Pixels:
        end_of_kerb = strip.edge + 0.15 + strip.kerb
        mow = _square(along / 14.0 + 0.3, along_blur / 14.0)
        rough = 0.82 + 0.36 * self._noise(2, along * 0.7, out * 1.7)
        for kind, start in ((strip.runoff, end_of_kerb), (strip.beyond, strip.runoff_end)):
            first, second = (np.array(linear(c), np.float32) for c in GROUNDS[kind])
            ground = _mix(np.broadcast_to(second, colour.shape), first, mow if "grass" in kind else coarse)
            if "grass" in kind or kind == "gravel":
                ground = ground * rough[:, None]
            colour = _mix(colour, ground, np.clip((out - np.float32(start)) / blur + 0.5, 0, 1))
        if strip.kerb:
            stripe = _square((along + np.float32(self._stripes)) / 3.0, along_blur / 3.0)
            red, white = (np.array(linear(c), np.float32) for c in strip.kerb_colours)
            colour = _mix(
                colour, _mix(np.broadcast_to(white, colour.shape), red, stripe), _between(out, strip.edge + 0.15, end_of_kerb, blur)
            )
        return _over(colour, "#e6e6e2", _between(out, strip.edge, strip.edge + 0.15, blur))

    def _hit(self, side: float, away: float, tall: float) -> tuple[Where, Pixels, Pixels, Pixels]:
        """Where rays meet an upright plane beside the track, `tall` metres high: pixels, along, height, and the size of a pixel there."""
        slope = self._ray[1] * np.float32(side)
        reach = np.float32(away - self._eye[1] * side) / np.where(slope > 1e-4, slope, np.float32(1e-6))
        high = np.float32(self._eye[2]) + reach * self._ray[2]
        at = np.flatnonzero((slope > 1e-4) & (reach > 0) & (reach < 700) & (high >= 0) & (high < tall))
        reach = reach[at]
        return at, np.float32(self._eye[0]) + reach * self._ray[0][at], high[at], reach / np.float32(self._camera.focal)

    def _far_things(self, canvas: Pixels, strip: Strip, side: float) -> None:
        facing = -float(self._light.towards_sun[1]) * side
        lit = self._light.on_flat(facing=facing * 0.8 + 0.15)
        if strip.behind in ("trees", "hills"):
            self._trees(canvas, strip.wall + 34, "#4f6b3c", 9.0, side, lit)
        if strip.behind == "trees":
            self._trees(canvas, strip.wall + 20, "#3f5c31", 6.0, side, lit)
        if strip.behind == "stand":
            self._stand(canvas, strip, side, lit)
        if strip.behind == "city":
            self._city(canvas, strip, side, lit)

    def _trees(self, canvas: Pixels, away: float, colour: str, tall: float, side: float, lit: Pixels) -> None:
        at, along, high, size = self._hit(side, away, tall * 1.2)
        crown = tall * (
            0.5 + 0.4 * self._noise(0, along * 0.13 + tall, np.full_like(along, tall)) + 0.22 * self._noise(1, along * 0.6, high * 0.6)
        )
        leaf = (0.5 + 0.55 * self._noise(2, along * 0.8, high * 0.9)) * np.clip(high / tall + 0.45, 0, 1.2)
        share = np.clip((crown - high) / np.maximum(size, 0.03) + 0.5, 0, 1)
        canvas[at] = _mix(canvas[at], np.array(linear(colour), np.float32) * lit * leaf[:, None], share)

    def _city(self, canvas: Pixels, strip: Strip, side: float, lit: Pixels) -> None:
        at, along, high, size = self._hit(side, strip.wall + 45, 32)
        block = np.floor(along / 17)
        tall = 9 + 22 * self._noise(0, block * 3.7, np.zeros_like(block))
        window = _between(np.mod(high, 3.2), 1.0, 2.4, size) * _between(np.mod(along, 2.6), 0.6, 2.0, size)
        tone = 0.75 + 0.5 * self._noise(1, block * 5.1, np.zeros_like(block))
        wall = _over(np.array(linear("#a9a49b"), np.float32) * tone[:, None], "#5d6a78", window * np.float32(0.7))
        canvas[at] = _mix(canvas[at], wall * lit, np.clip((tall - high) / np.maximum(size, 0.05) + 0.5, 0, 1))

    def _stand(self, canvas: Pixels, strip: Strip, side: float, lit: Pixels) -> None:
        at, along, high, size = self._hit(side, strip.wall + 9, 10.6)
        keep = np.mod(along + 40, 150) < 120
        at, along, high, size = at[keep], along[keep], high[keep], size[keep]
        row, seat = np.floor(high / 0.62), np.floor(along / 0.5)
        number = (seat * 31 + row * 7919).astype(np.int32) & (FIELD * FIELD - 1)
        palette = np.array(
            [linear(c) for c in ("#c9c4bb", "#b5474a", "#3f64a0", "#e0d9cc", "#35383f", "#d89b3a", "#7d8a94", "#e8e6e0")], np.float32
        )
        crowd = palette[(self._fields[0][number] * len(palette)).astype(np.int32)] * (0.55 + 0.45 * np.mod(high / 0.62, 1))[:, None]
        crowd = _over(crowd, "#97928d", np.clip(size / 0.5, 0, 1)) * np.float32(0.85)
        colour = _over(crowd, "#4b4f57", _between(high, 8.2, 9.6, size))
        colour = _over(colour, "#aeb2b6", _between(high, -1.0, 1.8, size))
        colour = _over(colour, "#e4e6e8", _between(high, 9.6, 20.0, size))
        canvas[at] = colour * lit

    def _wall(self, canvas: Pixels, strip: Strip, side: float) -> None:
        lit = self._light.on_flat(facing=-float(self._light.towards_sun[1]) * side)
        if strip.wall_kind == "garages":
            self._garages(canvas, strip, side, lit)
            return
        tall = {"armco": 1.05, "tyres": 1.1, "hoardings": 1.25, "concrete": 1.1}[strip.wall_kind]
        at, along, high, size = self._hit(side, strip.wall, tall + 2.7)
        post = np.maximum(_between(np.mod(along, 4.0), 0.0, 0.1, size) * np.float32(0.8), np.float32(0.2))
        colour = _mix(canvas[at], np.array(linear("#6f757a"), np.float32) * lit, post)
        solid = np.flatnonzero(high < tall)
        colour[solid] = self._panels(strip, along[solid], high[solid], size[solid]) * lit
        canvas[at] = colour

    def _panels(self, strip: Strip, along: Pixels, high: Pixels, size: Pixels) -> Pixels:
        kind = strip.wall_kind
        panel = np.floor(along / 5.0).astype(np.int32)
        pick = self._fields[1][(panel * 3) & (FIELD - 1)]
        if kind == "armco":
            rib = 0.72 + 0.3 * arch(high / np.float32(0.34))
            colour = np.array(linear("#b4b9bd"), np.float32) * rib[:, None]
            return _over(colour, "#6d7277", _between(np.mod(along, 4.0), 0.0, 0.14, size))
        if kind == "tyres":
            palette = np.array([linear(c) for c in ("#c4252f", "#e9e9e6")], np.float32)
            colour = palette[panel & 1] * (0.7 + 0.35 * arch(along / np.float32(0.62)))[:, None]
            return _over(colour, "#2a2c30", _between(np.mod(high, 0.28), 0.0, 0.05, size))
        names = HOARDINGS if kind == "hoardings" else CONCRETE
        palette = np.array([linear(c) for c in names], np.float32)
        colour = palette[(pick * len(names)).astype(np.int32)]
        if kind == "hoardings":  # a plain slanted block in a second colour, no words
            other = palette[(pick * 97).astype(np.int32) % len(names)]
            colour = _mix(colour, other, _between(np.mod(along - high * np.float32(0.6), 5.0), 1.2, 3.4, size))
        else:
            colour = _over(colour, strip.kerb_colours[0], _between(high, 0.82, 1.0, size))
        return _over(colour, "#8e9296", _between(np.mod(along, 5.0), 0.0, 0.06, size))

    def _garages(self, canvas: Pixels, strip: Strip, side: float, lit: Pixels) -> None:
        at, along, high, size = self._hit(side, strip.wall, 6.2)
        bay = np.mod(along, 6.5)
        door = _between(bay, 0.7, 5.8, size) * _between(high, -1.0, 3.0, size)
        inner: Pixels = np.array(linear("#4a4e55"), np.float32) * np.clip(0.35 + high / 4, 0, 1.2)[:, None]
        inner = _over(inner, "#f4f8f8", _between(high, 2.3, 2.5, size) * _between(bay, 1.4, 5.1, size))
        inner = _over(inner, "#8d939b", _between(high, 0.0, 1.0, size) * _between(bay, 1.2, 2.3, size))  # a tool cabinet
        inner = _over(inner, "#a9343a", _between(high, 0.0, 0.8, size) * _between(bay, 4.4, 5.2, size))
        colour = _mix(np.broadcast_to(np.array(linear("#d9dbdc"), np.float32), inner.shape), inner, door)
        palette = np.array([linear(c) for c in ("#b3262e", "#20304f", "#1d7d63", "#2b2e33")], np.float32)
        colour = _mix(colour, palette[np.floor(along / 6.5).astype(np.int32) & 3], _between(high, 3.25, 4.0, size))
        canvas[at] = _over(colour, "#59616b", _between(high, 4.6, 5.6, size) * _between(np.mod(along, 3.25), 0.15, 3.1, size)) * lit


class Hall(Backdrop):
    """A plain hall for showing a new car: a seamless floor that runs up into the wall, brighter around the car."""

    def draw(self) -> Pixels:
        """The empty hall, linear light, float32 of shape (height, width, 3)."""
        shade = np.array(linear(HALLS[int(self._fields[0][0] * len(HALLS))]), np.float32)
        reach = np.where(np.isfinite(self.distance), self.distance, 60).ravel()
        along, across = (np.float32(self._eye[k]) + reach * self._ray[k] for k in (0, 1))
        glow = 1 / (1 + (np.square(along) + np.square(across)) / np.float32(60))
        back = smoothstep(14, 40, reach - np.float32(self._middle())) * np.float32(0.35)
        canvas = shade * (np.float32(0.45) + np.float32(0.6) * glow + back)[:, None] * self._light.on_flat()
        return canvas.reshape(self._size[1], self._size[0], 3)

    def _middle(self) -> float:
        return math.sqrt(sum(part * part for part in self._eye))


class Sea(Backdrop):
    """Open water with a coast on the horizon, instead of a track."""

    def draw(self) -> Pixels:
        """The empty sea, linear light, float32 of shape (height, width, 3)."""
        canvas = np.zeros((self._size[0] * self._size[1], 3), np.float32)
        met = np.isfinite(self.distance).ravel()
        self._sky(canvas, np.flatnonzero(~met))
        at = np.flatnonzero(met)
        reach = self.distance.ravel()[at]
        along, across = (np.float32(self._eye[k]) + reach * self._ray[k][at] for k in (0, 1))
        far = np.clip(reach / 140, 0, 1)
        swell = self._noise(0, along * 0.25, across * 0.25)
        ripple = self._noise(1, along * 1.3 + swell * 2, across * 1.3) * (1 - far) + 0.5 * far
        chop = self._noise(2, along * 3.5, across * 3.5 + swell) * np.clip(1 - reach / 60, 0, 1)
        deep = np.array(linear("#1d5a78"), np.float32) * self._light.on_flat()
        mirror = np.array(self._light.sky_low, np.float32) * np.float32(0.75)
        share = np.clip(0.12 + 0.45 * far + 0.5 * (ripple - 0.45) + 0.35 * (smoothstep(0.62, 0.85, chop)), 0.02, 0.92)
        canvas[at] = _mix(np.broadcast_to(deep, (len(at), 3)), mirror, share)
        return canvas.reshape(self._size[1], self._size[0], 3)


def _between(value: Pixels, low: float, high: float, blur: Pixels) -> Pixels:
    """1 between two bounds, 0 outside, with edges as soft as one pixel is wide."""
    wide = np.maximum(blur, np.float32(1e-4))
    return np.clip((value - np.float32(low)) / wide + 0.5, 0, 1) * np.clip((np.float32(high) - value) / wide + 0.5, 0, 1)


def _square(value: Pixels, blur: Pixels) -> Pixels:
    """A wave between 0 and 1 with period 1, its edges as soft as one pixel is wide; far away it is grey."""
    triangle = np.abs(np.mod(value, 1) - 0.5) - np.float32(0.25)
    return np.clip(triangle / np.maximum(blur, np.float32(1e-3)) + 0.5, 0, 1)


def _mix(canvas: Pixels, colour: Pixels, share: Pixels) -> Pixels:
    weight = share.astype(np.float32)[:, None]
    return canvas + (colour - canvas) * weight


def _over(canvas: Pixels, colour: str, share: Pixels) -> Pixels:
    return _mix(canvas, np.array(linear(colour), np.float32), share)
