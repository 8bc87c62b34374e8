"""Toy data: folders of coloured pictures, and a recipe that is trained on them in seconds."""

from pathlib import Path

import numpy as np
from PIL import Image

from webapp.inference.models.card import InputSpec
from webapp.training.recipe import Augmentation, Recipe, SplitRule, TrainingStage

COLORS = {"blue": (40, 60, 200), "green": (50, 180, 60), "red": (200, 40, 40)}


def picture(
    seed: int, color: tuple[int, int, int], size: tuple[int, int] = (60, 40)
) -> Image.Image:
    """Coarse blocks around a colour: two seeds give pictures that no one would call the same."""
    rng = np.random.default_rng(seed)
    blocks = np.clip(np.array(color) + rng.normal(0, 40, (8, 9, 1)), 0, 255).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(blocks)).resize(size, Image.Resampling.BICUBIC)


def write_pictures(folder: Path, per_label: int, first_seed: int = 0) -> Path:
    """`folder/<color>/<number>.png`; returns the folder."""
    for place, (label, color) in enumerate(COLORS.items()):
        (folder / label).mkdir(parents=True, exist_ok=True)
        for number in range(per_label):
            picture(first_seed + 1000 * place + number, color).save(
                folder / label / f"{number:03d}.png"
            )
    return folder


def toy_recipe(name: str = "toy", epochs: int = 2) -> Recipe:
    return Recipe(
        name=name,
        title="Toy colours",
        backbone="small_cnn",
        input=InputSpec(32, 64),
        split=SplitRule(validation=0.2, test=0.2, seed=1),
        batch=8,
        refit=True,
        head_views=1,
        head_epochs=2,
        augmentation=Augmentation(mixup=0.2, cutmix=0.2, hue=0.01),
        stages=(
            TrainingStage(
                name="small", epochs=epochs, rate=1e-2, unfreeze=0.5, height=32, width=32
            ),
            TrainingStage(
                name="large", epochs=epochs, rate=1e-2, unfreeze=1.0, height=32, width=64
            ),
        ),
    )
