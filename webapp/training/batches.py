"""The batches of an epoch: which photos it shows, how often; made by threads ahead of time."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from webapp.training.augment import Batch, blend, views_of
from webapp.training.dataset import Examples, truths_of
from webapp.training.recipe import Recipe, TrainingStage

_T = TypeVar("_T")
# resizing, most of the work, releases Python's lock, so more than one thread is of use
THREADS = min(8, os.cpu_count() or 1)


class Batches(Generic[_T]):
    """Batches 0 to `count` - 1 in order; at most `threads` + 1 are being made or are waiting.

    `make(number)` is called in several threads, which must share no random generator. What it
    raises is raised here. `waited` are the seconds that the reader has waited so far.
    """

    def __init__(self, make: Callable[[int], _T], count: int, threads: int = THREADS) -> None:
        self.make, self.count, self.threads = make, count, threads
        self.waited = 0.0

    def __iter__(self) -> Iterator[_T]:
        pool = ThreadPoolExecutor(self.threads, thread_name_prefix="batches")
        pending: deque[Future[_T]] = deque()
        try:
            for number in range(self.count):
                pending.append(pool.submit(self.make, number))
                if len(pending) > self.threads:
                    yield self._next(pending)
            while pending:
                yield self._next(pending)
        finally:  # also when the reader stops in the middle
            pool.shutdown(wait=True, cancel_futures=True)

    def _next(self, pending: deque[Future[_T]]) -> _T:
        started = time.monotonic()
        try:
            return pending.popleft().result()
        finally:
            self.waited += time.monotonic() - started


class Sampler:
    """Draws the batches of an epoch, rare labels more often than they occur.

    Photos of `others`, which have none of the labels, are added to each in the share of the
    recipe's exposure.
    """

    def __init__(
        self, examples: Examples, recipe: Recipe, others: Sequence[NDArray[np.uint8]] = ()
    ) -> None:
        self.recipe, self.others = recipe, others
        self.exposed = round(recipe.exposure * recipe.batch) if others else 0
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

    def batches(self, stage: TrainingStage, seeds: list[int]) -> Batches[Batch]:
        """The batches of one epoch; the same `seeds` give the same views in any thread."""
        recipe, rng = self.recipe, np.random.default_rng(seeds)
        wanted = self.steps * recipe.batch
        shares = self.repeats * wanted / self.repeats.sum()
        times = np.floor(shares + rng.random(len(shares))).astype(int)
        order = np.repeat(np.arange(len(shares)), times)
        rng.shuffle(order)
        chunks = np.resize(order, wanted).reshape(-1, recipe.batch)
        labels, how = len(recipe.labels), recipe.augmentation
        smooth = np.eye(labels) * (1 - recipe.smoothing) + recipe.smoothing / labels

        def make(number: int) -> Batch:
            rng, chunk = np.random.default_rng([*seeds, 1 + number]), chunks[number]
            photos, targets = [self.pixels[place] for place in chunk], smooth[self.truths[chunk]]
            if self.exposed:
                drawn = rng.integers(0, len(self.others), self.exposed)
                photos += [self.others[place] for place in drawn]
                none = np.full((self.exposed, labels), 1 / labels)
                targets = np.concatenate([targets, none])
            views = views_of(photos, stage.size, how, rng)
            batch = views, targets.astype(np.float32)
            return blend(batch, how, rng) if stage.blended else batch

        return Batches(make, len(chunks))
