"""Drawings of our own: racing cars in the ten liveries and a few other vehicles, as sample pictures and test images. No photo is used."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from webapp.errors import UnknownLabelError
from webapp.training.studio.camera import Camera, framed, look_at
from webapp.training.studio.dice import Dice
from webapp.training.studio.light import WEATHERS, Light, Paint, Pixels, Shadow, encoded, render, smoothstep
from webapp.training.studio.liveries import LIVERIES
from webapp.training.studio.mesh import Mesh
from webapp.training.studio.others import Model, bicycle, hatchback, lorry, sailing_boat
from webapp.training.studio.paint import COMPOUNDS, Trim, car_paint
from webapp.training.studio.places import Backdrop, Hall, Sea, some_place, some_street
from webapp.training.studio.racing_car import CarShape, racing_car

LABELS = tuple(LIVERIES)
SCENES: dict[str, Callable[[Dice], Model]] = {"road-car": hatchback, "sailing-boat": sailing_boat, "bicycle": bicycle, "lorry": lorry}
SIZE = (960, 600)


SAMPLE_SEEDS = {
    "alfa_romeo": 15,
    "bwt": 12,
    "ferrari": 30,
    "haas": 10,
    "mclaren": 2,
    "mercedes": 27,
    "redbull": 6,
    "renault": 11,
    "toro_rosso": 12,
    "williams": 8,
    "road-car": 7,
    "sailing-boat": 10,
}
"""The drawings shown as sample pictures, chosen by eye."""

SAMPLE_BYTES = 60_000


def draw_car(label: str, seed: int, size: tuple[int, int] = SIZE) -> Image.Image:
    """A racing car in the livery of `label`, RGB of `size`; the same label, seed and size give the same picture.

    Raises `UnknownLabelError` for a label that has no livery.
    """
    if label not in LIVERIES:
        raise UnknownLabelError(f"There is no livery for “{label}”. Known labels: {', '.join(LABELS)}.")
    dice = Dice(label, seed)
    livery = dice.pick(LIVERIES[label])
    moving = dice.chance(0.8)
    shape = CarShape(
        steer=dice.between(-0.16, 0.16),
        fin=0.2 if livery.season in (2017, 2018) else dice.between(0.03, 0.08),
        wide_nose=livery.season < 2019,
        t_wing=dice.chance(0.35),
    )
    trim = Trim(
        dice.pick(livery.helmets),
        dice.pick(livery.helmets),
        dice.pick(COMPOUNDS[:3]),
        dice.pick(("#1b1c1f", "#e8e33a")),
        moving,
        shape.steer,
    )
    mesh = racing_car(shape)
    turn, rise = _some_angle(dice)
    camera = _framed(dice, mesh, size, turn, rise, dice.between(9, 20))
    light = _some_light(dice, turn)
    place = some_place(dice)
    if Dice(f"{label} hall", seed).chance(0.1):
        light, moving, trim = replace(WEATHERS["haze"], turn=light.turn, wet=0.18), False, replace(trim, spinning=False)
        backdrop: Backdrop = Hall(place, camera, size, light, dice)
    else:
        backdrop = Backdrop(place, camera, size, light, dice)
    return _compose(mesh, car_paint(livery, trim), camera, size, light, backdrop, abs(math.sin(turn)) if moving else 0.0)


def draw_scene(kind: str, seed: int, size: tuple[int, int] = SIZE) -> Image.Image:
    """Something that is no racing car: a kind out of `SCENES`, RGB of `size`; the same kind, seed and size give the same picture.

    Raises `UnknownLabelError` for any other kind.
    """
    if kind not in SCENES:
        raise UnknownLabelError(f"There is no drawing of “{kind}”. Known kinds: {', '.join(SCENES)}.")
    dice = Dice(kind, seed)
    mesh, paint = SCENES[kind](dice)
    turn = math.radians(dice.between(28, 78)) * dice.sign()
    at_sea = kind == "sailing-boat"
    rise = math.radians(dice.between(3, 7) if at_sea else dice.between(5, 13))
    length = float(np.ptp(mesh.points[:, 0]))
    camera = _framed(dice, mesh, size, turn, rise, length * dice.between(2.2, 3.6))
    light = _some_light(dice, turn)
    if at_sea:
        light = replace(light, wet=0.45)
    backdrop = Sea(some_street(dice), camera, size, light, dice) if at_sea else Backdrop(some_street(dice), camera, size, light, dice)
    return _compose(mesh, paint, camera, size, light, backdrop, 0.0)


def _some_light(dice: Dice, camera_turn: float) -> Light:
    """Sun, haze, overcast, dusk or rain; the sun stands on the camera's side of the car."""
    name = dice.pick(("sun", "sun", "sun", "sun", "haze", "overcast", "dusk", "wet"))
    turn = camera_turn + dice.between(-1.7, 1.7)
    weather = WEATHERS[name]
    return replace(weather, turn=turn, rise=weather.rise + dice.between(-0.2, 0.2) * (1.0 if name in ("sun", "haze") else 0.2))


def _some_angle(dice: Dice) -> tuple[float, float]:
    """Where the camera stands around a racing car: turn and rise in radians."""
    kind = dice.pick(("side", "side", "front", "front", "front", "front", "rear", "rear", "head", "high"))
    low, high = {"side": (75, 105), "front": (24, 68), "rear": (112, 152), "head": (4, 22), "high": (25, 150)}[kind]
    turn = math.radians(dice.between(low, high)) * dice.sign()
    return turn, math.radians(dice.between(22, 42) if kind == "high" else dice.between(2.5, 17))


def _framed(dice: Dice, mesh: Mesh, size: tuple[int, int], turn: float, rise: float, distance: float) -> Camera:
    middle = float(mesh.points[:, 2].max()) * 0.36
    camera = look_at((0, 0, middle), turn, rise, distance, math.radians(dice.between(-2, 2)))
    return framed(camera, mesh.points, size, dice.between(0.64, 0.9), (dice.between(0.25, 0.75), dice.between(0.45, 0.7)))


def _compose(
    mesh: Mesh, paint: Paint, camera: Camera, size: tuple[int, int], light: Light, backdrop: Backdrop, speed: float
) -> Image.Image:
    """The whole picture: place, blur, shadow, reflection, car. `speed` in [0, 1] is how far the background is smeared."""
    canvas = backdrop.draw()
    canvas = _focus(canvas, backdrop.distance, camera, size, speed)
    shadow = Shadow(mesh, light)
    canvas *= _on_the_ground(backdrop.distance, camera, size, light, shadow, mesh)[:, :, None]
    if light.wet:
        canvas = _reflect(canvas, mesh, paint, camera, size, light)
    shot = render(mesh, camera, size, light, paint, shadow)
    canvas = canvas * (1 - shot.cover[:, :, None]) + shot.colour
    return Image.fromarray(encoded(canvas))


def _focus(canvas: Pixels, distance: Pixels, camera: Camera, size: tuple[int, int], speed: float) -> Pixels:
    """The background out of focus, and smeared sideways where the camera follows a fast car."""
    reach = float(np.sqrt((camera.eye**2).sum()))
    soft = _decoded(Image.fromarray(encoded(canvas)).filter(ImageFilter.GaussianBlur(size[0] / 260)))
    away = np.abs(np.where(np.isfinite(distance), distance, 1e4) - reach) / reach
    share = smoothstep(0.12, 0.8, away)[:, :, None]
    canvas = canvas * (1 - share) + soft * share
    length = int(size[0] * 0.06 * max(speed - 0.45, 0) / 0.55)
    for _ in range(2):
        canvas = _smeared(canvas, length)
    return canvas


def _smeared(canvas: Pixels, length: int) -> Pixels:
    if length < 2:
        return canvas
    padded = np.pad(canvas, ((0, 0), (length // 2 + 1, length - length // 2), (0, 0)), mode="edge")
    total = np.cumsum(padded, axis=1, dtype=np.float64)
    return ((total[:, length : length + canvas.shape[1]] - total[:, : canvas.shape[1]]) / length).astype(np.float32)


def _decoded(image: Image.Image) -> Pixels:
    return np.square(np.asarray(image).astype(np.float32) / 255)


def _on_the_ground(distance: Pixels, camera: Camera, size: tuple[int, int], light: Light, shadow: Shadow, mesh: Mesh) -> Pixels:
    """How much light is left on the ground, in [0, 1]: the shadow of the mesh, and the dark under it."""
    row, column = np.nonzero(np.isfinite(distance) & (distance < 80))
    rays = camera.rays(column.astype(np.float32) + np.float32(0.5), row.astype(np.float32) + np.float32(0.5))
    reach = distance[row, column]
    points = np.stack([ray * reach + np.float32(camera.eye[k]) for k, ray in enumerate(rays)], 1)
    near = (np.abs(points[:, 0]) < 12) & (np.abs(points[:, 1]) < 12)
    row, column, points = row[near], column[near], points[near]
    points[:, 2] = 0
    flat = light.on_flat()
    direct = float(np.mean(np.array(light.sun) * light.towards_sun[2]) / np.mean(flat))
    hidden: Pixels = np.zeros(distance.shape, np.float32)
    hidden[row, column] = shadow.on(points, 0.02)
    hidden = (
        np.asarray(
            Image.fromarray((hidden * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(light.softness * size[0] / 960)), np.float32
        )
        / 255
    )
    under = np.zeros(distance.shape, np.float32)
    low = mesh.points[mesh.points[:, 2] < 0.5]
    middle = (low[:, :2].max(axis=0) + low[:, :2].min(axis=0)) / 2
    half = np.ptp(low[:, :2], axis=0) / 2
    edge = np.minimum(half, 0.75)
    long, wide = (np.abs(points[:, k] - np.float32(middle[k])) for k in (0, 1))
    under[row, column] = smoothstep(half[0] + edge[0] * 0.2, half[0] - edge[0], long) * smoothstep(
        half[1] + edge[1] * 0.3, half[1] - edge[1] * 0.6, wide
    )
    return (1 - hidden * np.float32(direct * 0.93)) * (1 - under * np.float32(0.62))


def _reflect(canvas: Pixels, mesh: Mesh, paint: Paint, camera: Camera, size: tuple[int, int], light: Light) -> Pixels:
    """The wet ground's soft mirror image of the car."""
    flip = np.array([1.0, 1.0, -1.0])
    mirrored = Mesh(mesh.points * flip, mesh.normals * flip, mesh.triangles, mesh.part_of, mesh.parts)

    def upright(part: str, points: Pixels) -> tuple[Pixels, Pixels]:
        return paint(part, points * flip.astype(np.float32))

    shot = render(mirrored, camera, size, light, upright, None, fine=1)
    blur = ImageFilter.GaussianBlur(size[0] / 240)
    cover = np.asarray(Image.fromarray((shot.cover * 255).astype(np.uint8)).filter(blur), np.float32)[:, :, None] / 255
    colour = _decoded(Image.fromarray(encoded(shot.colour)).filter(blur))
    share = np.float32(light.wet)
    return canvas * (1 - cover * share) + colour * share


def write_set(out: Path, per_label: int, seed: int, size: tuple[int, int] = SIZE) -> int:
    """Writes `per_label` drawings for each label into a folder of its name under `out`; returns how many."""
    for label in LABELS:
        folder = out / label
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(per_label):
            draw_car(label, seed * 10_000 + number, size).save(folder / f"drawing-{seed}-{number:04d}.jpg", quality=88)
    return per_label * len(LABELS)


def draw_sample(name: str) -> Image.Image:
    """The sample picture called `name`, a key of `SAMPLE_SEEDS`."""
    return draw_car(name, SAMPLE_SEEDS[name]) if name in LIVERIES else draw_scene(name, SAMPLE_SEEDS[name])


def write_samples(out: Path) -> list[Path]:
    """Writes the sample pictures `<label>.jpg` and `<kind>.jpg` into `out`, each at most `SAMPLE_BYTES`; returns their paths."""
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for name in SAMPLE_SEEDS:
        image = draw_sample(name)
        path = out / f"{name}.jpg"
        for quality in (92, 88, 84, 78, 70):
            image.save(path, quality=quality, optimize=True, progressive=True)
            if path.stat().st_size <= SAMPLE_BYTES:
                break
        written.append(path)
    return written


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line: `samples OUT` or `set OUT`. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m webapp.training.drawings", description="Draw racing cars in the ten liveries.")
    commands = parser.add_subparsers(dest="command", required=True)
    few = commands.add_parser("samples", help="the sample pictures of the upload page, one for each team and two others")
    few.add_argument("out", type=Path)
    many = commands.add_parser("set", help="a folder of drawings for each label")
    many.add_argument("out", type=Path)
    many.add_argument("--per-label", type=int, default=20, help="how many for each label (20)")
    many.add_argument("--seed", type=int, default=7, help="another seed, another set (7)")
    chosen = parser.parse_args(arguments)
    count = len(write_samples(chosen.out)) if chosen.command == "samples" else write_set(chosen.out, chosen.per_label, chosen.seed)
    sys.stdout.write(f"{count} drawings in {chosen.out}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
