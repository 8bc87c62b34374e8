"""Random views of training photos."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from webapp.training.augment import CHANGES, blend, vary
from webapp.training.recipe import Augmentation

PHOTO = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
STILL = Augmentation(flip=0, zoom=1, aspect=1, brightness=0, contrast=0, saturation=0, erase=0)


def test_a_view_has_the_size_asked_for_and_stays_in_range() -> None:
    view = vary(PHOTO, 32, 64, Augmentation(hue=0.1, grain=20, erase=1), np.random.default_rng(1))
    assert (view.shape, view.dtype) == ((32, 64, 3), np.float32)
    assert 0 <= view.min() <= view.max() <= 255


def test_without_changes_a_view_is_the_photo() -> None:
    assert vary(PHOTO, 40, 60, STILL, np.random.default_rng(1)) == pytest.approx(
        PHOTO.astype(np.float32), abs=1e-3
    )


def test_the_same_seed_gives_the_same_view() -> None:
    first, second = (
        vary(PHOTO, 32, 64, Augmentation(), np.random.default_rng(5)) for _ in range(2)
    )
    assert np.array_equal(first, second)


@pytest.mark.parametrize(
    "how", [Augmentation(mixup=1.0), Augmentation(mixup=0, cutmix=1.0)], ids=["mixup", "cutmix"]
)
def test_blended_targets_still_sum_to_one(how: Augmentation) -> None:
    views = np.random.default_rng(2).uniform(0, 255, (6, 16, 16, 3)).astype(np.float32)
    mixed, targets = blend((views, np.eye(6, dtype=np.float32)), how, np.random.default_rng(3))
    assert mixed.shape == views.shape
    assert targets.sum(axis=1) == pytest.approx(np.ones(6), abs=1e-5)
    assert not np.array_equal(mixed, views)


@pytest.mark.parametrize("name", CHANGES)
def test_every_random_change_keeps_the_size_and_does_nothing_at_strength_0(name: str) -> None:
    image, change = Image.fromarray(PHOTO), CHANGES[name]
    changed = change(image, -1.0)
    assert (changed.size, changed.mode) == (image.size, "RGB")
    if name not in ("autocontrast", "equalize"):
        assert np.array_equal(np.asarray(change(image, 0.0)), PHOTO)


def test_rand_augment_changes_a_view_and_the_same_seed_alike() -> None:
    how = replace(STILL, rand_changes=3, rand_strength=0.7)
    first, second = (vary(PHOTO, 40, 60, how, np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, vary(PHOTO, 40, 60, STILL, np.random.default_rng(7)))


def test_a_crop_may_reach_beyond_the_picture_whose_edge_goes_on() -> None:
    pixels = np.full((40, 60, 3), 200, np.uint8)
    pixels[10:30, 15:45] = 20
    how = replace(STILL, surround=0.5)
    views = [vary(pixels, 40, 60, how, np.random.default_rng(seed)) for seed in range(30)]
    dark = [float((view < 110).mean()) for view in views]
    assert min(dark) < 0.15  # the block is a quarter of the picture, and of no view more
    assert max(dark) <= 0.26
    assert all((view[:3, :3] > 180).all() for view in views)
