"""Calibrate a trained network, and measure it on all parts of the photos."""

from dataclasses import fields
from functools import partial
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from webapp.inference.models.card import group_by_parent
from webapp.training.calibration import Calibration, Floats, build_space, calibrate
from webapp.training.dataset import Examples, Parts, fit_all, truths_of
from webapp.training.evaluation.metrics import JudgedPhotos, area_under_curve, summary
from webapp.training.job import TrainingJob
from webapp.training.other_things import kept_apart
from webapp.training.recipe import Recipe
from webapp.training.run import Inference


class NetworkMeasurement:
    """A trained network's outputs for every part, ready to be calibrated and measured."""

    def __init__(
        self, job: TrainingJob[Recipe], recipe: Recipe, parts: Parts, network: keras.Model
    ) -> None:
        self.job, self.recipe, self.parts = job, recipe, parts
        infer = Inference(network)
        self.outputs = {
            part: infer(fit_all(members, recipe.input))
            for part, members in parts.items()
            if members
        }
        self.groups = group_by_parent({label.name: label.parent for label in recipe.labels})
        self.space = build_space(network, self.outputs["train"]["embedding"])
        self.others = None if job.unknown is None else infer(kept_apart(job.unknown, recipe))

    def calibrate(self, part: str, inside: NDArray[np.bool_] | None = None) -> Calibration:
        """Fit on a part not trained on (or those `inside`) and every second other thing."""
        truths = self._truths(part)
        chosen = np.ones(len(truths), dtype=bool) if inside is None else inside
        known = {name: array[chosen] for name, array in self.outputs[part].items()}
        unknown = None if self.others is None else self.others["embedding"][::2]
        return calibrate(known, truths[chosen], unknown, self.space, self.groups)

    def judge_crossed(self, part: str) -> JudgedPhotos:
        """A part judged by halves, each with what was fitted on the other one."""
        first = halves(self.parts[part])
        judged = [
            self.calibrate(part, ~half).judge(self.outputs[part]).only(half)
            for half in (first, ~first)
        ]
        order = np.argsort(np.concatenate([np.flatnonzero(first), np.flatnonzero(~first)]))
        pairs = ([getattr(half, field.name) for half in judged] for field in fields(JudgedPhotos))
        return JudgedPhotos(*(np.concatenate(pair)[order] for pair in pairs))

    def metrics(self, judged: dict[str, JudgedPhotos], shipped: Calibration) -> dict[str, Any]:
        """The card's `metrics` of judged parts, for a version with the calibration `shipped`."""
        metrics: dict[str, Any] = {}
        for part, photos in judged.items():
            truths, short = self._truths(part), part == "train"
            sources = np.array([example.source for example in self.parts[part]])
            names = sorted(set(sources.tolist()))
            figures = partial(summary, names=self.recipe.label_names, groups=self.groups)
            metrics[part] = figures(photos, truths, short=short)
            metrics[part]["sources"] = {
                name: figures(
                    photos.only(sources == name),
                    truths[sources == name],
                    short=short or len(names) == 1,  # a single source has the figures of the part
                )
                for name in names
            }
        if self.job.unknown is not None and self.others is not None:
            source = {"source": self.job.unknown.resolve().name}
            metrics["unknown"] = source | _measure_unknown(judged["test"], self.others, shipped)
        return metrics

    def _truths(self, part: str) -> NDArray[np.int64]:
        return truths_of(self.parts[part], self.recipe.label_names)


def halves(examples: Examples) -> NDArray[np.bool_]:
    """Which examples are in the first of two halves that share no group, alike in labels."""
    ordered = sorted(examples, key=lambda example: example.sha256)
    keys = {example.group: (example.source, example.label, example.sha256) for example in ordered}
    first = set(sorted(keys, key=lambda group: keys[group])[::2])
    return np.array([example.group in first for example in examples], dtype=bool)


def _measure_unknown(
    known: JudgedPhotos, others: dict[str, Floats], calibration: Calibration
) -> dict[str, Any]:
    """Figures about the photos of other things that fitted nothing; `known` are test photos."""
    unknown = calibration.judge({name: array[1::2] for name, array in others.items()})
    confidence = area_under_curve(known.scaled.max(axis=1), unknown.scaled.max(axis=1))
    return {
        "n": len(unknown.raw),
        "unclassified": round(1 - float(unknown.named.mean()), 4),
        "known_unclassified": round(1 - float(known.named.mean()), 4),
        "auroc": round(area_under_curve(known.score, unknown.score), 4),
        "auroc_of_confidence": round(confidence, 4),
        "fitted_on": len(others["embedding"]) - len(unknown.raw),
    }
