"""Drawings: the same seed gives the same picture, every label is drawn, and each picture shows its livery."""

import colorsys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from webapp.errors import UnknownLabelError
from webapp.training.drawings import LABELS, SAMPLE_BYTES, SCENES, SIZE, draw_car, draw_sample, draw_scene, main, write_set

SMALL = (320, 200)
SAMPLES = Path(__file__).parents[2] / "webapp" / "static" / "samples"


def share_of(image, hue, spread=0.045, saturation=0.5):
    """The share of strongly coloured pixels whose hue is near `hue`, a colour's hue in [0, 1]."""
    hsv = np.asarray(image.convert("HSV"), dtype=np.float64) / 255
    away = np.abs((hsv[..., 0] - hue + 0.5) % 1 - 0.5)
    return ((away < spread) & (hsv[..., 1] > saturation) & (hsv[..., 2] > 0.2)).mean()


def test_the_same_label_and_seed_give_the_same_picture():
    assert draw_car("ferrari", 5, SMALL).tobytes() == draw_car("ferrari", 5, SMALL).tobytes()


def test_another_seed_gives_another_picture():
    first, second = (np.asarray(draw_car("ferrari", seed, SMALL), dtype=np.float64) for seed in (1, 2))
    assert np.abs(first - second).mean() > 5


def test_two_labels_with_one_seed_do_not_share_a_picture():
    assert draw_car("ferrari", 1, SMALL).tobytes() != draw_car("haas", 1, SMALL).tobytes()


@pytest.mark.parametrize("label", LABELS)
def test_every_label_is_drawn_in_rgb_at_the_size_asked_for(label):
    image = draw_car(label, 3, SMALL)
    assert (image.mode, image.size) == ("RGB", SMALL)
    assert np.asarray(image).std() > 15


@pytest.mark.parametrize(
    ("label", "colour"),
    [("ferrari", "#d01014"), ("mclaren", "#f57f17"), ("renault", "#ffe100"), ("bwt", "#f08cbe")],
)
def test_the_colour_of_the_livery_shows_more_than_in_the_other_teams_pictures(label, colour):
    red, green, blue = (int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5))
    hue, strength, _ = colorsys.rgb_to_hsv(red, green, blue)
    shares = {
        name: np.median([share_of(draw_car(name, seed, SMALL), hue, 0.03, strength * 0.7) for seed in range(6)])
        for name in (label, "haas", "toro_rosso")
    }
    assert shares[label] > 0.02
    assert shares[label] > 2 * max(share for name, share in shares.items() if name != label)


def test_an_unknown_label_is_refused_by_name():
    with pytest.raises(UnknownLabelError, match=r"minardi.*mclaren"):
        draw_car("minardi", 1, SMALL)


@pytest.mark.parametrize("kind", SCENES)
def test_other_vehicles_are_drawn_too(kind):
    image = draw_scene(kind, 2, SMALL)
    assert (image.mode, image.size) == ("RGB", SMALL)
    assert image.tobytes() == draw_scene(kind, 2, SMALL).tobytes()


def test_an_unknown_scene_is_refused_by_name():
    with pytest.raises(UnknownLabelError, match=r"submarine.*lorry"):
        draw_scene("submarine", 1, SMALL)


def test_a_set_has_a_folder_for_each_label(tmp_path):
    assert write_set(tmp_path, per_label=1, seed=3, size=SMALL) == len(LABELS)
    assert {folder.name: len(list(folder.iterdir())) for folder in tmp_path.iterdir()} == dict.fromkeys(LABELS, 1)


def test_the_sample_pictures_are_there_and_small():
    paths = {path.stem: path for path in SAMPLES.iterdir()}
    assert set(paths) == {*LABELS, "road-car", "sailing-boat"}
    for path in paths.values():
        assert path.stat().st_size <= SAMPLE_BYTES
        with Image.open(path) as image:
            assert (image.format, image.size) == ("JPEG", SIZE)


@pytest.mark.parametrize("name", ["mclaren", "sailing-boat"])
def test_a_sample_picture_is_what_the_script_draws_today(name):
    with Image.open(SAMPLES / f"{name}.jpg") as image:
        kept = np.asarray(image, dtype=np.float64)
    drawn = np.asarray(draw_sample(name), dtype=np.float64)
    assert np.abs(kept - drawn).mean() < 3, "run: python -m webapp.training.drawings samples webapp/static/samples"


def test_the_command_line_draws_a_set(tmp_path, capsys):
    assert main(["set", str(tmp_path), "--per-label", "0"]) == 0
    assert "0 drawings" in capsys.readouterr().out
