"""Calibrate on validation photos, measure on all parts, write the card."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version as library_version
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from webapp.errors import PhotoRefusedError, TrainingError
from webapp.inference.card import ModelCard
from webapp.inference.images import decode_photo, fit_input, working_side
from webapp.training.calibrate import dividing, fit_temperature, keeping, scaled
from webapp.training.checkpoint import Progress
from webapp.training.dataset import Dataset, Example, fingerprint, fit_all, truths_of
from webapp.training.drawn import SOURCE
from webapp.training.evaluate import figures
from webapp.training.job import Job, say
from webapp.training.recipe import Recipe, Source
from webapp.training.run import Inference

KNOWN_KEPT = 0.95  # share of known validation photos that the threshold lets through
HIGHEST_THRESHOLD = 0.9  # but what the model gives nine in ten is always named
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Calibration:
    """What was fitted on the validation photos, and what the network that had not seen them said about them."""

    temperature: float
    threshold: float
    none_below: float
    validation: Floats


def calibrate(job: Job, recipe: Recipe, parts: dict[str, list[Example]], network: keras.Model) -> Calibration:
    """Fit temperature, threshold and `none_below` with a network that has not learnt from the validation photos. Drawings are left out.

    Every second photo of other things, with the known validation photos, fits `none_below`; without such photos it is the confidence
    that 99 % of the known ones reach.
    """
    infer = Inference(network)
    raw = infer(fit_all(parts["validation"], recipe.input))["probabilities"]
    real = _real(parts["validation"])
    temperature = fit_temperature(raw[real], _truths(recipe, parts["validation"])[real])
    confidences = scaled(raw[real], temperature).max(axis=1)
    threshold = min(HIGHEST_THRESHOLD, keeping(confidences, KNOWN_KEPT))
    none_below = min(threshold, keeping(confidences, 0.99))
    if job.unknown is not None:
        unknown = scaled(infer(read_unknown(job.unknown, recipe)[::2])["probabilities"], temperature).max(axis=1)
        none_below = dividing(confidences, unknown, threshold)
    return Calibration(temperature, threshold, none_below, raw)


def measure(job: Job, recipe: Recipe, parts: dict[str, list[Example]], network: keras.Model, calibration: Calibration) -> dict[str, Any]:
    """The card's `metrics`. Validation figures are those of the calibration; drawings count only in a source of their own."""
    infer = Inference(network)
    raw = {part: infer(fit_all(parts[part], recipe.input))["probabilities"] for part in ("test", "train")}
    raw["validation"] = calibration.validation
    names = tuple(label.name for label in recipe.labels)
    metrics: dict[str, Any] = {}
    for part in ("test", "validation", "train"):

        def look(inside: NDArray[np.bool_], part: str = part) -> dict[str, Any]:
            truths = _truths(recipe, parts[part])[inside]
            return figures(raw[part][inside], truths, names, calibration.temperature, calibration.threshold, short=part == "train")

        sources = np.array([one.source for one in parts[part]])
        metrics[part] = look(_real(parts[part])) | {
            "sources": {source: look(sources == source) for source in sorted(set(sources.tolist()))}
        }
    if job.unknown is not None:
        known = scaled(raw["test"][_real(parts["test"])], calibration.temperature).max(axis=1)
        metrics["unknown"] = measure_unknown(job.unknown, recipe, infer, calibration, known)
    return metrics


def measure_unknown(folder: Path, recipe: Recipe, infer: Inference, calibration: Calibration, known: Floats) -> dict[str, Any]:
    """Figures about the photos of other things that fitted nothing. `known` are the confidences of the test photos."""
    photos = read_unknown(folder, recipe)
    confidences = scaled(infer(photos[1::2])["probabilities"], calibration.temperature).max(axis=1)
    wins = (known[:, np.newaxis] > confidences).mean() + 0.5 * (known[:, np.newaxis] == confidences).mean()
    return {
        "source": folder.resolve().name,
        "n": len(confidences),
        "unclassified": round(float((confidences < calibration.threshold).mean()), 4),
        "below_none": round(float((confidences < calibration.none_below).mean()), 4),
        "auroc": round(float(wins), 4),
        "fitted_on": len(photos) - len(confidences),
    }


def read_unknown(folder: Path, recipe: Recipe) -> NDArray[np.uint8]:
    """The photos of other things, as the network sees them, in the order of their names. Raises `TrainingError` for fewer than two."""
    photos = []
    for path in sorted(one for one in folder.rglob("*") if one.is_file() and not one.name.startswith(".")):
        try:
            photos.append(fit_input(decode_photo(path.read_bytes(), max_side=working_side(recipe.input)).pixels, recipe.input))
        except PhotoRefusedError as error:
            say(f"left out {path.name}: {error}")
    if len(photos) < 2:
        raise TrainingError(f"There are no photos of other things in {folder}.")
    return np.stack(photos)


def make_card(
    job: Job,
    recipe: Recipe,
    dataset: Dataset,
    parts: dict[str, list[Example]],
    calibration: Calibration,
    metrics: dict[str, Any],
    runs: list[Progress],
) -> ModelCard:
    """Everything but what publishing adds: version, files, golden photos."""
    return ModelCard(
        name=recipe.name,
        version=1,
        title=recipe.title,
        noun=recipe.noun,
        noun_plural=recipe.noun_plural,
        question=recipe.question,
        summary=recipe.summary,
        labels=recipe.labels,
        input=recipe.input,
        temperature=calibration.temperature,
        threshold=calibration.threshold,
        none_below=calibration.none_below,
        limits=recipe.limits,
        metrics=metrics,
        split=describe_split(recipe, dataset, parts),
        data=describe_data(recipe, dataset),
        training=describe_training(job, recipe, runs),
        libraries={name: library_version(name) for name in ("keras", "numpy", "pillow")} | {"tensorflow": tf.__version__},
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def describe_split(recipe: Recipe, dataset: Dataset, parts: dict[str, list[Example]]) -> dict[str, Any]:
    """The card's `split`: fingerprint, rule, sizes of the parts by source, and what reading found."""
    sizes = {
        part: {"n": int(_real(members).sum()), "sources": dict(Counter(one.source for one in members))} for part, members in parts.items()
    }
    rule = recipe.split
    learnt = "train and validation together, after validation had chosen and calibrated" if recipe.refit else "train"
    return {
        "fingerprint": fingerprint(parts),
        "seed": rule.seed,
        "rule": f"by groups of near-duplicates (64-bit difference hash, distance up to {rule.near_distance}; frames up to "
        f"{rule.burst_seconds} s apart), for each label and source apart",
        "learnt_from": learnt,
        **sizes,
        "reading": dataset.report(),
    }


def describe_data(recipe: Recipe, dataset: Dataset) -> tuple[dict[str, Any], ...]:
    """The card's `data`: each source with its licence and number of photos."""
    counts = Counter(one.source for one in dataset.examples)
    known = {one.name: one for one in recipe.data}
    sources = [known.get(name, Source(name, name)) for name in sorted(counts)]
    return tuple({"source": one.name, "photos": counts[one.name], "licence": one.licence, "note": one.note} for one in sources)


def describe_training(job: Job, recipe: Recipe, runs: list[Progress]) -> dict[str, Any]:
    """The card's `training`: settings, where the weights came from, one line per epoch of the run that was validated."""
    first = runs[0]
    return {
        "weights": str(job.weights) if job.weights in ("none", "imagenet") else Path(job.weights).name,
        "settings": recipe.settings(),
        "epochs": len(first.history),
        "best_epoch": first.best_epoch,
        "seconds": round(sum(run.seconds for run in runs)),
        "history": first.history,
    }


def _real(examples: list[Example]) -> NDArray[np.bool_]:
    """Which examples are no drawings of ours; all of them when there are only drawings."""
    real = np.array([one.source != SOURCE for one in examples], dtype=bool)
    return real if real.any() else np.ones(len(examples), dtype=bool)


def _truths(recipe: Recipe, examples: list[Example]) -> NDArray[np.int64]:
    return truths_of(examples, tuple(label.name for label in recipe.labels))
