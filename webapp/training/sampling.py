"""Which photos an epoch shows, how often, and the batches that are made of them."""

import numpy as np
from numpy.typing import NDArray

from webapp.training.augment import Batch, blend
from webapp.training.batches import Batches
from webapp.training.dataset import Examples, truths_of
from webapp.training.head import views_of
from webapp.training.recipe import Recipe, TrainingStage


class Sampler:
    """Draws the batches of an epoch, rare labels more often than they occur."""

    def __init__(self, examples: Examples, recipe: Recipe) -> None:
        self.recipe = recipe
        self.pixels = [example.pixels for example in examples]
        self.truths = truths_of(examples, recipe.label_names)
        labels = len(recipe.labels)
        counts = np.bincount(self.truths, minlength=labels)
        # how often each example is shown in an epoch, on average
        self.repeats = (counts.max() / counts[self.truths]) ** float(recipe.balance)
        self.steps = max(1, round(float(self.repeats.sum()) / recipe.batch))
        # what multiplies the loss of each label's photos, to make up for being shown more or less
        self.label_weights = np.ones(labels, dtype=np.float32)
        if recipe.class_weights:
            shown = np.bincount(self.truths, weights=self.repeats, minlength=labels)
            mean = shown.sum() / np.count_nonzero(shown)
            self.label_weights = (mean / np.maximum(shown, 1e-9)).astype(np.float32) * (shown > 0)

    @property
    def example_weights(self) -> NDArray[np.float64]:
        """What the loss of an example counts when each is shown once, shape (examples,)."""
        return self.repeats * self.label_weights[self.truths]

    def batches(self, stage: TrainingStage, seeds: list[int]) -> Batches[Batch]:
        """The batches of one epoch; the same `seeds` give the same views in any thread."""
        recipe, rng = self.recipe, np.random.default_rng(seeds)
        wanted = self.steps * recipe.batch
        shares = self.repeats * wanted / self.repeats.sum()
        order = np.repeat(
            np.arange(len(shares)), np.floor(shares + rng.random(len(shares))).astype(int)
        )
        rng.shuffle(order)
        chunks = np.resize(order, wanted).reshape(-1, recipe.batch)
        labels = len(recipe.labels)
        smooth = np.eye(labels) * (1 - recipe.smoothing) + recipe.smoothing / labels

        def make(number: int) -> Batch:
            rng, chunk = np.random.default_rng([*seeds, 1 + number]), chunks[number]
            views = views_of([self.pixels[place] for place in chunk], stage.size, recipe, rng)
            targets = smooth[self.truths[chunk]].astype(np.float32)
            return blend((views, targets), recipe.augmentation, rng)

        return Batches(make, len(chunks))
