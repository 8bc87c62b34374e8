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
from webapp.inference.card import KERAS_FILE, ModelCard
from webapp.inference.familiarity import Familiarity, Space
from webapp.inference.images import decode_photo, fit_input, working_side
from webapp.training.calibrate import dividing, fit_temperature, keeping, keeping_both, scaled
from webapp.training.checkpoint import Progress
from webapp.training.dataset import Dataset, Example, fingerprint, fit_all, truths_of
from webapp.training.drawn import SOURCE
from webapp.training.evaluate import area_under_curve, figures
from webapp.training.familiar import build_space, fit_rule
from webapp.training.job import Job, say
from webapp.training.recipe import Recipe, Source
from webapp.training.run import Inference

KNOWN_KEPT = 0.95  # share of known validation photos that are named
SURE_ENOUGH = 0.98  # share whose confidence reaches the threshold, where unfamiliar photos are found by another measure
HIGHEST_THRESHOLD = 0.9  # but what the model gives nine in ten is always named
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Calibration:
    """What was fitted on the validation photos, and what the network that had not seen them said about them.

    `familiarity` is None when nothing measures it. `validation` are the
    softmax outputs for the validation photos, `validation_familiar` which of them looked familiar.
    """

    temperature: float
    threshold: float
    familiarity: Familiarity | None
    validation: Floats
    validation_familiar: NDArray[np.bool_] | None


def calibrate(job: Job, recipe: Recipe, parts: dict[str, list[Example]], network: keras.Model) -> Calibration:
    """Fit temperature, threshold and familiarity with a network that has not learnt from the validation photos. Drawings are left out.

    Every second photo of other things, with the known validation photos, chooses and fits the measure of familiarity. Without such
    photos, or when nothing parts them, the confidence alone decides.
    """
    infer = Inference(network)
    said = infer(fit_all(parts["validation"], recipe.input))
    raw, real = said["probabilities"], _real(parts["validation"])
    temperature = fit_temperature(raw[real], _truths(recipe, parts["validation"])[real])
    confidences = scaled(raw[real], temperature).max(axis=1)
    rule = None
    if job.unknown is not None:
        space = learn_space(recipe, parts, network)
        known, unknown = said["embedding"][real], infer(read_unknown(job.unknown, recipe)[::2])["embedding"]
        rule = fit_rule(space, known, unknown, temperature)
    if rule is None:
        return Calibration(temperature, min(HIGHEST_THRESHOLD, keeping(confidences, KNOWN_KEPT)), None, raw, None)
    threshold = min(HIGHEST_THRESHOLD, keeping(confidences, SURE_ENOUGH))
    familiarity = Familiarity(space, temperature, rule)
    inside, outside = familiarity.of(known), familiarity.of(unknown)
    rule["threshold"] = min(dividing(inside, outside), keeping_both(inside, confidences >= threshold, KNOWN_KEPT))
    return Calibration(temperature, threshold, familiarity, raw, _familiar(said["embedding"], familiarity))


def learn_space(recipe: Recipe, parts: dict[str, list[Example]], network: keras.Model) -> Space:
    """Where the photos that `network` learnt from lie for it."""
    return build_space(network, Inference(network)(fit_all(parts["train"], recipe.input))["embedding"])


def measure(job: Job, recipe: Recipe, parts: dict[str, list[Example]], network: keras.Model, calibration: Calibration) -> dict[str, Any]:
    """The card's `metrics`. Validation figures are those of the calibration; drawings count only in a source of their own."""
    infer = Inference(network)
    said = {part: infer(fit_all(parts[part], recipe.input)) for part in ("test", "train")}
    raw = {part: one["probabilities"] for part, one in said.items()} | {"validation": calibration.validation}
    familiar = {part: _familiar(one["embedding"], calibration.familiarity) for part, one in said.items()}
    familiar["validation"] = calibration.validation_familiar
    names = tuple(label.name for label in recipe.labels)
    metrics: dict[str, Any] = {}
    for part in ("test", "validation", "train"):
        sources = np.array([one.source for one in parts[part]])
        several = len(set(sources.tolist())) > 1  # one source alone has the figures of the whole

        def look(inside: NDArray[np.bool_], part: str = part, *, short: bool = False) -> dict[str, Any]:
            truths, known = _truths(recipe, parts[part])[inside], familiar[part]
            familiarity = None if known is None else known[inside]
            found = raw[part][inside]
            return figures(found, truths, names, calibration.temperature, calibration.threshold, familiar=familiarity, short=short)

        metrics[part] = look(_real(parts[part]), short=part == "train") | {
            "sources": {source: look(sources == source, short=part == "train" or not several) for source in sorted(set(sources.tolist()))}
        }
    if job.unknown is not None:
        test = {key: one[_real(parts["test"])] for key, one in said["test"].items()}
        metrics["unknown"] = measure_unknown(job.unknown, recipe, infer, calibration, test)
    return metrics


def measure_unknown(folder: Path, recipe: Recipe, infer: Inference, calibration: Calibration, known: dict[str, Floats]) -> dict[str, Any]:
    """Figures about the photos of other things that fitted nothing. `known` is what the network said about the test photos."""
    photos = read_unknown(folder, recipe)
    sides = [known, infer(photos[1::2])]
    confidences = [scaled(one["probabilities"], calibration.temperature).max(axis=1) for one in sides]
    silent = [one < calibration.threshold for one in confidences]
    scores: list[NDArray[Any]] = confidences
    if calibration.familiarity is not None:
        scores = [calibration.familiarity.of(one["embedding"]) for one in sides]
        silent = [unsure | (one < calibration.familiarity.rule["threshold"]) for unsure, one in zip(silent, scores, strict=True)]
    return {
        "source": folder.resolve().name,
        "n": len(silent[1]),
        "unclassified": round(float(silent[1].mean()), 4),
        "known_unclassified": round(float(silent[0].mean()), 4),
        "auroc": round(area_under_curve(*scores), 4),
        "auroc_of_confidence": round(area_under_curve(*confidences), 4),
        "fitted_on": len(photos) - len(silent[1]),
    }


def _familiar(embeddings: Floats, familiarity: Familiarity | None) -> NDArray[np.bool_] | None:
    """Which photos look familiar, None when that is not measured."""
    return None if familiarity is None else familiarity.of(embeddings) >= familiarity.rule["threshold"]


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
        familiarity=calibration.familiarity.rule if calibration.familiarity else {},
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
        "weights": start_name(job.weights),
        "settings": recipe.settings(),
        "epochs": len(first.history),
        "best_epoch": first.best_epoch,
        "seconds": round(sum(run.seconds for run in runs)),
        "history": first.history,
    }


def start_name(weights: str | Path) -> str:
    """What the backbone started from, as the card says it: "imagenet", a file's name, or "f1-teams 1" for a version of ours."""
    path = Path(weights)
    return f"{path.parent.parent.name} {path.parent.name}" if path.name == KERAS_FILE else path.name


def _real(examples: list[Example]) -> NDArray[np.bool_]:
    """Which examples are no drawings of ours; all of them when there are only drawings."""
    real = np.array([one.source != SOURCE for one in examples], dtype=bool)
    return real if real.any() else np.ones(len(examples), dtype=bool)


def _truths(recipe: Recipe, examples: list[Example]) -> NDArray[np.int64]:
    return truths_of(examples, tuple(label.name for label in recipe.labels))
