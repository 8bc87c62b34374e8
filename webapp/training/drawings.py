"""Drawings of our own: racing cars in the ten liveries and a few other vehicles, as sample pictures and test images. No photo is used."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from webapp.errors import UnknownLabelError
from webapp.training.studio.camera import Camera, framed, look_at
from webapp.training.studio.dice import Dice
from webapp.training.studio.light import Light, Paint, Pixels, Shadow, encoded, render, smoothstep
from webapp.training.studio.liveries import LIVERIES
from webapp.training.studio.mesh import Mesh
from webapp.training.studio.paint import COMPOUNDS, Trim, car_paint
from webapp.training.studio.places import Backdrop, Place, some_place
from webapp.training.studio.racing_car import CarShape, racing_car

LABELS = tuple(LIVERIES)
SIZE = (960, 600)


def draw_car(label: str, seed: int, size: tuple[int, int] = SIZE) -> Image.Image:
    """A racing car in the livery of `label`, RGB of `size`; the same label, seed and size give the same picture.

    Raises `UnknownLabelError` for a label that has no livery.
    """
    if label not in LIVERIES:
        raise UnknownLabelError(f"There is no livery for “{label}”. Known labels: {', '.join(LABELS)}.")
    dice = Dice(label, seed)
    livery = dice.pick(LIVERIES[label])
    light = some_light(dice)
    moving = dice.chance(0.8)
    shape = CarShape(
        steer=dice.between(-0.16, 0.16),
        fin=0.2 if livery.season in (2017, 2018) else dice.between(0.03, 0.08),
        wide_nose=livery.season < 2019,
        t_wing=dice.chance(0.35),
    )
    trim = Trim(dice.pick(livery.helmets), dice.pick(livery.helmets), dice.pick(COMPOUNDS[:3]), dice.pick(("#1b1c1f", "#e8e33a")), moving, shape.steer)
    mesh = racing_car(shape)
    camera, side_on = some_view(dice, mesh, size)
    return compose(mesh, car_paint(livery, trim), camera, size, light, some_place(dice), dice, side_on if moving else 0.0)


def some_light(dice: Dice) -> Light:
    """Sun, hazy sun, overcast, dusk or rain."""
    turn = dice.between(-math.pi, math.pi)
    name = dice.pick(("sun", "sun", "sun", "haze", "overcast", "dusk", "wet"))
    if name == "sun":
        rise = dice.between(0.6, 1.1)
        return Light(name, turn, rise, (1.05, 0.99, 0.88), (0.36, 0.40, 0.47), (0.17, 0.16, 0.15), (0.16, 0.34, 0.66), (0.56, 0.68, 0.80))
    if name == "haze":
        return Light(name, turn, dice.between(0.6, 1.0), (0.70, 0.68, 0.63), (0.46, 0.48, 0.51), (0.18, 0.18, 0.17), (0.42, 0.52, 0.64), (0.74, 0.77, 0.79), softness=2.5)
    if name == "overcast":
        return Light(name, turn, 1.25, (0.28, 0.28, 0.28), (0.60, 0.62, 0.65), (0.2, 0.2, 0.2), (0.50, 0.54, 0.58), (0.68, 0.71, 0.73), softness=6)
    if name == "dusk":
        return Light(name, turn, dice.between(0.3, 0.42), (1.15, 0.74, 0.42), (0.27, 0.29, 0.40), (0.13, 0.11, 0.10), (0.10, 0.16, 0.36), (0.86, 0.52, 0.30))
    return Light(name, turn, 1.2, (0.18, 0.18, 0.18), (0.50, 0.53, 0.57), (0.16, 0.17, 0.18), (0.38, 0.42, 0.47), (0.58, 0.62, 0.65), wet=0.6, softness=7)


def some_view(dice: Dice, mesh: Mesh, size: tuple[int, int]) -> tuple[Camera, float]:
    """A camera on the car, and how far the view is from along the car: 1 is side on, 0 is head on."""
    kind = dice.pick(("side", "side", "front", "front", "front", "front", "rear", "rear", "head", "high"))
    low, high = {"side": (75, 105), "front": (24, 68), "rear": (112, 152), "head": (4, 22), "high": (25, 150)}[kind]
    turn = math.radians(dice.between(low, high)) * dice.sign()
    rise = math.radians(dice.between(22, 42) if kind == "high" else dice.between(2.5, 17))
    camera = look_at((0, 0, 0.35), turn, rise, dice.between(9, 20), math.radians(dice.between(-2.5, 2.5)))
    fill = dice.between(0.62, 0.9) * (0.86 if kind == "head" else 1.0)
    return framed(camera, mesh.points, size, fill, (dice.between(0.2, 0.8), dice.between(0.42, 0.72))), abs(math.sin(turn))


def compose(mesh: Mesh, paint: Paint, camera: Camera, size: tuple[int, int], light: Light, place: Place, dice: Dice, speed: float) -> Image.Image:
    """The whole picture: place, blur, shadow, reflection, car. `speed` in [0, 1] is how far the background is smeared."""
    backdrop = Backdrop(place, camera, size, light, dice)
    canvas = backdrop.draw()
    canvas = _focus(canvas, backdrop.distance, camera, size, speed)
    shadow = Shadow(mesh, light)
    canvas *= _on_the_ground(backdrop.distance, camera, size, light, shadow)[:, :, None]
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


def _on_the_ground(distance: Pixels, camera: Camera, size: tuple[int, int], light: Light, shadow: Shadow) -> Pixels:
    """How much light is left on the ground, in [0, 1]: the car's shadow, and the dark under its floor."""
    row, column = np.nonzero(np.isfinite(distance) & (distance < 80))
    rays = camera.rays(column.astype(np.float32) + np.float32(0.5), row.astype(np.float32) + np.float32(0.5))
    reach = distance[row, column]
    points = np.stack([ray * reach + np.float32(camera.eye[k]) for k, ray in enumerate(rays)], 1)
    near = (np.abs(points[:, 0]) < 9) & (np.abs(points[:, 1]) < 8)
    row, column, points = row[near], column[near], points[near]
    points[:, 2] = 0
    flat = light.on_flat()
    direct = float(np.mean(np.array(light.sun) * light.towards_sun[2]) / np.mean(flat))
    hidden = np.zeros(distance.shape, np.float32)
    hidden[row, column] = shadow.on(points, 0.02)
    hidden = np.asarray(Image.fromarray((hidden * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(light.softness * size[0] / 960)), np.float32) / 255
    under = np.zeros(distance.shape, np.float32)
    long, wide = np.abs(points[:, 0] + 0.1), np.abs(points[:, 1])
    under[row, column] = smoothstep(2.75, 1.9, long) * smoothstep(1.25, 0.6, wide)
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


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line: `set OUT`."""
    parser = argparse.ArgumentParser(prog="python -m webapp.training.drawings", description="Draw racing cars.")
    commands = parser.add_subparsers(dest="command", required=True)
    many = commands.add_parser("set", help="a folder of drawings for each label")
    many.add_argument("out", type=Path)
    many.add_argument("--per-label", type=int, default=20)
    many.add_argument("--seed", type=int, default=7)
    chosen = parser.parse_args(arguments)
    count = write_set(chosen.out, chosen.per_label, chosen.seed)
    sys.stdout.write(f"{count} drawings in {chosen.out}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
