"""Places: what lies behind and under the car. Ground and walls are worked out for each pixel from the ray that goes through it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from webapp.training.studio.camera import Camera
from webapp.training.studio.dice import Dice
from webapp.training.studio.light import Light, Pixels, linear, smoothstep

FIELD = 128


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
    """A stretch of track: `left` and `right` of the car, the asphalt, and how far the car points away from the track's direction (radians)."""

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
    kind = dice.pick(("open", "open", "street", "pit"))
    strips = [_some_strip(dice, wide * share, kind, 0), _some_strip(dice, wide * (1 - share), kind, 1)]
    asphalt = dice.pick(("#5c5f63", "#66686b", "#54575c", "#6b6a68"))
    return Place(asphalt, strips[0], strips[1], dice.between(-0.07, 0.07), dice.chance(0.25))


def _some_strip(dice: Dice, edge: float, kind: str, side: int) -> Strip:
    colours = dice.pick((("#c8202b", "#efefec"), ("#c8202b", "#efefec"), ("#c8202b", "#efefec"), ("#2b5fa8", "#efefec"), ("#e2b21c", "#2f6fb8")))
    if kind == "street":
        return Strip(edge, 0.0, colours, "asphalt", edge + 1.6, "asphalt", edge + dice.between(1.6, 2.6), "concrete", dice.pick(("trees", "stand", "city")))
    if kind == "pit" and side == 0:
        return Strip(edge, 0.0, colours, "asphalt", edge + 5, "asphalt", edge + 5.5, "garages", "none")
    kerb = dice.between(0.9, 1.5) if dice.chance(0.7) else 0.0
    runoff = dice.pick(("grass", "grass", "gravel", "asphalt", "green", "red", "blue", "dry grass"))
    end = edge + kerb + dice.between(3.0, 9.0)
    beyond = dice.pick(("grass", "grass", "gravel", "dry grass"))
    wall = end + dice.between(3.0, 16.0)
    return Strip(edge, kerb, colours, runoff, end, beyond, wall, dice.pick(("armco", "tyres", "hoardings", "hoardings")), dice.pick(("trees", "stand", "stand", "hills")))


class Backdrop:
    """Draws a place as one camera sees it."""

    def __init__(self, place: Place, camera: Camera, size: tuple[int, int], light: Light, dice: Dice) -> None:
        self._place, self._camera, self._light = place, camera, light
        self._fields = [dice.field(FIELD, FIELD) for _ in range(3)]
        self._stripes = dice.between(0, 4)
        width, height = size
        x, y = np.meshgrid(np.arange(width, dtype=np.float32) + 0.5, np.arange(height, dtype=np.float32) + 0.5)
        rays = camera.rays(x, y)
        c, s = np.float32(math.cos(place.yaw)), np.float32(math.sin(place.yaw))
        eye = camera.eye.astype(np.float32)
        self._ray = (rays[0] * c + rays[1] * s, rays[1] * c - rays[0] * s, rays[2])
        self._eye = (float(eye[0] * c + eye[1] * s), float(eye[1] * c - eye[0] * s), float(eye[2]))
        down = self._ray[2] < -1e-4
        self.distance = np.where(down, -self._eye[2] / np.where(down, self._ray[2], -1), np.inf).astype(np.float32)

    def draw(self) -> Pixels:
        """The empty place, linear light, float32 of shape (height, width, 3)."""
        canvas = self._sky()
        reach = np.where(np.isfinite(self.distance), self.distance, 0)
        ground = self._ground(reach)
        canvas = np.where(np.isfinite(self.distance)[:, :, None], ground, canvas)
        for side, strip in ((1.0, self._place.left), (-1.0, self._place.right)):
            if self._eye[1] * side < strip.wall - 0.3:
                canvas = self._far_things(canvas, strip, side)
                canvas = self._wall(canvas, strip, side)
        return canvas

    def _noise(self, number: int, a: Pixels, b: Pixels) -> Pixels:
        """Smooth noise in [0, 1] with one knot for each unit of a and b."""
        field = self._fields[number]
        i, j = np.floor(a), np.floor(b)
        s, t = a - i, b - j
        s, t = s * s * (3 - 2 * s), t * t * (3 - 2 * t)
        i0, j0 = i.astype(np.int64) % FIELD, j.astype(np.int64) % FIELD
        i1, j1 = (i0 + 1) % FIELD, (j0 + 1) % FIELD
        return (field[i0, j0] * (1 - s) + field[i1, j0] * s) * (1 - t) + (field[i0, j1] * (1 - s) + field[i1, j1] * s) * t

    def _sky(self) -> Pixels:
        x, y, z = self._ray
        flat = np.sqrt(x * x + y * y)
        rise = np.clip(z / flat, 0, 1)
        share = np.sqrt(np.clip(rise * 2.2, 0, 1))[:, :, None]
        sky = np.array(self._light.sky_low, np.float32) * (1 - share) + np.array(self._light.sky_top, np.float32) * share
        turn = np.arctan2(y, x)
        cloud = self._noise(0, turn * 7, rise * 34) * 0.65 + self._noise(1, turn * 17, rise * 80) * 0.35
        puff = (smoothstep(0.52, 0.8, cloud) * np.float32(0.55))[:, :, None]
        sky = sky * (1 - puff) + np.array([s * 0.4 + 0.55 * m for s, m in zip(self._light.sky_low, self._light.on_flat(), strict=True)], np.float32) * puff
        hill = 0.03 + 0.05 * self._noise(2, turn * 4 + 3, np.zeros_like(turn)) + 0.012 * self._noise(2, turn * 23, np.ones_like(turn))
        green = np.array(linear("#6b8577"), np.float32) * self._light.on_flat() * 0.6 + np.array(self._light.sky_low, np.float32) * 0.35
        return np.where((z / flat < hill)[:, :, None], green, sky)

    def _ground(self, reach: Pixels) -> Pixels:
        place, along, across = self._place, self._eye[0] + reach * self._ray[0], self._eye[1] + reach * self._ray[1]
        blur = np.abs(np.gradient(across, axis=0)) + np.abs(np.gradient(across, axis=1)) + np.float32(0.004)
        along_blur = np.abs(np.gradient(along, axis=0)) + np.abs(np.gradient(along, axis=1)) + np.float32(0.004)
        coarse = self._noise(0, along * 0.06, across * 0.9)
        fine = self._noise(1, along * 3.0, across * 9.0)
        lane = np.exp2(-((across + 0.2) ** 2) * np.float32(0.5)) * np.float32(0.16)  # the darker line that everybody drives
        grain = (0.86 + 0.2 * coarse + (fine - 0.5) * 0.12 / (1 + 12 * blur) - lane)[:, :, None]
        colour = np.array(linear(place.asphalt), np.float32) * grain
        if place.dashes:
            dash = _between(across, 3.2, 3.35, blur) * _square(along / 6.0, along_blur / 6.0)
            colour = _over(colour, "#dcdcd8", dash)
        for side, strip in ((1.0, place.left), (-1.0, place.right)):
            out = across * np.float32(side)
            colour = self._strip(colour, strip, out, along, blur, along_blur, coarse)
        lit = colour * self._light.on_flat()
        haze = np.clip(reach / 900, 0, 0.7)[:, :, None]
        return lit * (1 - haze) + np.array(self._light.sky_low, np.float32) * np.float32(0.8) * haze

    def _strip(self, colour: Pixels, strip: Strip, out: Pixels, along: Pixels, blur: Pixels, along_blur: Pixels, coarse: Pixels) -> Pixels:
        end_of_kerb = strip.edge + 0.15 + strip.kerb
        mow = _square(along / 14.0 + 0.3, along_blur / 14.0)
        for kind, start in ((strip.runoff, end_of_kerb), (strip.beyond, strip.runoff_end)):
            first, second = (np.array(linear(c), np.float32) for c in GROUNDS[kind])
            mixed = mow if "grass" in kind else coarse
            shade = (0.82 + 0.36 * self._noise(2, along * 0.7, out * 1.7))[:, :, None] if "grass" in kind or kind == "gravel" else np.float32(1)
            ground = (first * mixed[:, :, None] + second * (1 - mixed[:, :, None])) * shade
            share = np.clip((out - np.float32(start)) / blur + 0.5, 0, 1)[:, :, None]
            colour = colour * (1 - share) + ground * share
        if strip.kerb:
            stripe = _square((along + np.float32(self._stripes)) / 3.0, along_blur / 3.0)[:, :, None]
            red, white = (np.array(linear(c), np.float32) for c in strip.kerb_colours)
            share = _between(out, strip.edge + 0.15, end_of_kerb, blur)[:, :, None]
            colour = colour * (1 - share) + (red * stripe + white * (1 - stripe)) * share
        return _over(colour, "#e6e6e2", _between(out, strip.edge, strip.edge + 0.15, blur))

    def _hit(self, side: float, away: float) -> tuple[Pixels, Pixels, Pixels, Pixels]:
        """Where rays meet an upright plane beside the track: along, height, whether at all, and the size of a pixel there in metres."""
        slope = self._ray[1] * np.float32(side)
        ahead = slope > 1e-4
        reach = (np.float32(away) - np.float32(self._eye[1] * side)) / np.where(ahead, slope, np.float32(1))
        along = self._eye[0] + reach * self._ray[0]
        high = self._eye[2] + reach * self._ray[2]
        return along, high, ahead & (reach > 0) & (reach < 700), reach / np.float32(self._camera.focal)

    def _far_things(self, canvas: Pixels, strip: Strip, side: float) -> Pixels:
        facing = -float(self._light.towards_sun[1]) * side
        lit = self._light.on_flat(facing=facing * 0.8 + 0.15)
        if strip.behind in ("trees", "hills"):
            for away, colour, tall in ((strip.wall + 34, "#4f6b3c", 9.0), (strip.wall + 20, "#3f5c31", 6.0)):
                if strip.behind == "hills" and tall < 9:
                    continue
                along, high, met, size = self._hit(side, away)
                crown = tall * (0.55 + 0.45 * self._noise(0, along * 0.13 + tall, np.full_like(along, tall)) + 0.18 * self._noise(1, along * 0.6, high * 0.6))
                share = np.clip((crown - high) / np.maximum(size, 0.03) + 0.5, 0, 1) * met
                leaf = (0.55 + 0.6 * self._noise(2, along * 0.8, high * 0.9) * np.clip(high / tall + 0.4, 0, 1.2))[:, :, None]
                canvas = _mix(canvas, np.array(linear(colour), np.float32) * leaf * lit, share)
        elif strip.behind == "stand":
            canvas = self._stand(canvas, strip, side, lit)
        elif strip.behind == "city":
            along, high, met, size = self._hit(side, strip.wall + 45)
            block = np.floor(along / 17)
            tall = 9 + 22 * self._noise(0, block * 3.7, np.zeros_like(block))
            share = np.clip((tall - high) / np.maximum(size, 0.05) + 0.5, 0, 1) * met
            window = _between(np.mod(high, 3.2), 1.0, 2.4, size) * _between(np.mod(along, 2.6), 0.6, 2.0, size)
            tone = (0.75 + 0.5 * self._noise(1, block * 5.1, np.zeros_like(block)))[:, :, None]
            wall = np.array(linear("#a9a49b"), np.float32) * tone
            canvas = _mix(canvas, _over(wall, "#5d6a78", window * np.float32(0.7)) * lit, share)
        return canvas

    def _stand(self, canvas: Pixels, strip: Strip, side: float, lit: Pixels) -> Pixels:
        along, high, met, size = self._hit(side, strip.wall + 9)
        met = met & (np.mod(along + 40, 150) < 120)
        roof = _between(high, 9.6, 10.6, size) * met
        seats = _between(high, 1.8, 8.2, size) * met
        back = _between(high, 8.2, 9.6, size) * met
        row, seat = np.floor(high / 0.62), np.floor(along / 0.5)
        pick = self._fields[0][seat.astype(np.int64) % FIELD, (row * 7 + seat // FIELD).astype(np.int64) % FIELD]
        palette = np.array([linear(c) for c in ("#c9c4bb", "#b5474a", "#3f64a0", "#e0d9cc", "#35383f", "#d89b3a", "#7d8a94", "#e8e6e0")], np.float32)
        crowd = palette[(pick * len(palette)).astype(np.int64)] * (0.55 + 0.45 * np.mod(high / 0.62, 1))[:, :, None]
        sharp = np.clip(1 - size / 0.5, 0, 1)[:, :, None]
        crowd = crowd * sharp + np.array(linear("#97928d"), np.float32) * (1 - sharp)
        canvas = _mix(canvas, np.array(linear("#4b4f57"), np.float32) * lit, back)
        canvas = _mix(canvas, crowd * lit * np.float32(0.85), seats)
        canvas = _mix(canvas, np.array(linear("#aeb2b6"), np.float32) * lit, _between(high, 0.0, 1.8, size) * met)
        return _mix(canvas, np.array(linear("#e4e6e8"), np.float32) * lit, roof)

    def _wall(self, canvas: Pixels, strip: Strip, side: float) -> Pixels:
        along, high, met, size = self._hit(side, strip.wall)
        lit = self._light.on_flat(facing=-float(self._light.towards_sun[1]) * side)
        panel = np.floor(along / 5.0).astype(np.int64)
        pick = self._fields[1][panel % FIELD, 3]
        if strip.wall_kind == "garages":
            return self._garages(canvas, along, high, met, size, lit)
        tall = {"armco": 1.05, "tyres": 1.1, "hoardings": 1.25, "concrete": 1.1}[strip.wall_kind]
        if strip.wall_kind == "armco":
            rib = 0.72 + 0.3 * np.abs(np.sin(high * np.float32(math.pi / 0.34)))
            colour = np.array(linear("#b4b9bd"), np.float32) * rib[:, :, None]
            colour = _over(colour, "#6d7277", _between(np.mod(along, 4.0), 0.0, 0.14, size))
        elif strip.wall_kind == "tyres":
            palette = np.array([linear(c) for c in ("#c4252f", "#e9e9e6")], np.float32)
            colour = palette[panel % 2] * (0.7 + 0.35 * np.abs(np.sin(along * np.float32(math.pi / 0.62))))[:, :, None]
            colour = _over(colour, "#2a2c30", _between(np.mod(high, 0.28), 0.0, 0.05, size))
        else:
            names = ("#e7e8e6", "#1f3f7d", "#e7e8e6", "#c4252f", "#20242b", "#1d7d63", "#e8c22a") if strip.wall_kind == "hoardings" else ("#bcbcb6", "#c6c6c0", "#b4b4ae")
            palette = np.array([linear(c) for c in names], np.float32)
            other = palette[((pick * 97).astype(np.int64)) % len(names)]
            colour = palette[(pick * len(names)).astype(np.int64)]
            if strip.wall_kind == "hoardings":  # a plain slanted block in a second colour, no words
                slant = _between(np.mod(along - high * 0.6, 5.0), 1.2, 1.2 + 2.2, size)[:, :, None]
                colour = colour * (1 - slant) + other * slant
            colour = _over(colour, "#8e9296", _between(np.mod(along, 5.0), 0.0, 0.06, size))
        share = _between(high, 0.0, tall, size) * met
        canvas = _mix(canvas, np.array(linear("#7e858b"), np.float32) * lit, _between(high, tall, tall + 2.6, size) * met * np.float32(0.2))
        post = _between(np.mod(along, 4.0), 0.0, 0.1, size) * _between(high, tall, tall + 2.7, size) * met
        canvas = _mix(canvas, np.array(linear("#6a6f74"), np.float32) * lit, post * np.float32(0.8))
        return _mix(canvas, colour * lit, share)

    def _garages(self, canvas: Pixels, along: Pixels, high: Pixels, met: Pixels, size: Pixels, lit: Pixels) -> Pixels:
        colour = np.broadcast_to(np.array(linear("#d9dbdc"), np.float32), canvas.shape)
        bay = np.mod(along, 6.5)
        door = _between(bay, 0.7, 5.8, size) * _between(high, 0.0, 3.0, size)
        inner = (np.array(linear("#3a3d43"), np.float32) * np.clip(0.35 + high / 4, 0, 1.2)[:, :, None]) + np.array(linear("#e9efef"), np.float32) * (
            _between(high, 2.35, 2.5, size) * _between(bay, 1.4, 5.1, size)
        )[:, :, None]
        colour = _mix(colour, inner, door)
        names = ("#b3262e", "#20304f", "#1d7d63", "#2b2e33")
        palette = np.array([linear(c) for c in names], np.float32)
        pick = palette[np.floor(along / 6.5).astype(np.int64) % len(names)]
        colour = _mix(colour, pick, _between(high, 3.25, 4.0, size))
        colour = _over(colour, "#59616b", _between(high, 4.6, 5.6, size) * _between(np.mod(along, 3.25), 0.15, 3.1, size))
        return _mix(canvas, colour * lit, _between(high, 0.0, 6.2, size) * met)


def _between(value: Pixels, low: float, high: float, blur: Pixels) -> Pixels:
    """1 between two bounds, 0 outside, with edges as soft as one pixel is wide."""
    wide = np.maximum(blur, np.float32(1e-4))
    return np.clip((value - np.float32(low)) / wide + 0.5, 0, 1) * np.clip((np.float32(high) - value) / wide + 0.5, 0, 1)


def _square(value: Pixels, blur: Pixels) -> Pixels:
    """A wave between 0 and 1 with period 1, its edges as soft as one pixel is wide; far away it is grey."""
    triangle = np.abs(np.mod(value, 1) - 0.5) - np.float32(0.25)
    return np.clip(triangle / np.maximum(blur, np.float32(1e-3)) + 0.5, 0, 1)


def _mix(canvas: Pixels, colour: Pixels, share: Pixels) -> Pixels:
    weight = share.astype(np.float32)[:, :, None]
    return canvas * (1 - weight) + colour * weight


def _over(canvas: Pixels, colour: str, share: Pixels) -> Pixels:
    return _mix(canvas, np.array(linear(colour), np.float32), share)
