"""Calibrate on validation photos, measure on all parts, write the card."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from importlib.metadata import version as library_version
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from webapp.errors import PhotoRefusedError, TrainingError
from webapp.inference.decoding.images import decode_photo, fit_input, working_side
from webapp.inference.familiarity import Familiarity
from webapp.inference.models.card import KERAS_FILE, ModelCard
from webapp.inference.models.held_out import CALIBRATED_ON_IT
from webapp.reports.training_curves import by_stage
from webapp.training.calibrate import dividing, fit_temperature, keeping, keeping_both, scaled
from webapp.training.checkpoint import Progress
from webapp.training.dataset import Dataset, Example, fingerprint, fit_all, truths_of
from webapp.training.evaluation.metrics import area_under_curve, summary
from webapp.training.familiarity import build_space, fit_rule
from webapp.training.job import Job, say
from webapp.training.recipe import Recipe, Source
from webapp.training.run import Inference

KNOWN_KEPT = 0.97  # share of the fitted photos that are named: with few of them, new ones fare a little worse, and 95 % of those is the aim
SURE_ENOUGH = 0.99  # share whose confidence reaches the threshold, where unfamiliar photos are found by another measure
HIGHEST_THRESHOLD = 0.9  # but what the model gives nine in ten is always named
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Judged:
    """What a network said about some photos, and what came of it; arrays by photo.

    `raw` and `scaled` are the softmax before and after temperature, float32 of shape (photos, labels). `decided` tells which got a label.
    `score` is the familiarity, or the confidence where nothing measures that.
    """

    raw: Floats
    scaled: Floats
    decided: NDArray[np.bool_]
    score: NDArray[np.float64]

    def only(self, inside: NDArray[np.bool_]) -> Judged:
        """Those of the photos that are `inside`."""
        return Judged(
            self.raw[inside], self.scaled[inside], self.decided[inside], self.score[inside]
        )


@dataclass(frozen=True)
class Calibration:
    """What was fitted on photos that the network had not learnt. `familiarity` is None when nothing measures it."""

    temperature: float
    threshold: float
    familiarity: Familiarity | None

    def judge(self, said: dict[str, Floats]) -> Judged:
        """Apply it to what a network said: `probabilities` and `embedding`."""
        probabilities = scaled(said["probabilities"], self.temperature)
        confidences = probabilities.max(axis=1)
        decided = confidences >= self.threshold
        if self.familiarity is None:
            return Judged(
                said["probabilities"], probabilities, decided, confidences.astype(np.float64)
            )
        familiar = self.familiarity.of(said["embedding"])
        return Judged(
            said["probabilities"],
            probabilities,
            decided & (familiar >= self.familiarity.rule["threshold"]),
            familiar,
        )


class Bench:
    """A network that has learnt, laid out to be calibrated and measured: what it says, and where the photos it learnt from lie for it."""

    def __init__(
        self, job: Job, recipe: Recipe, parts: dict[str, list[Example]], network: keras.Model
    ) -> None:
        self.job, self.recipe, self.parts = job, recipe, parts
        infer = Inference(network)
        self.said = {
            part: infer(fit_all(members, recipe.input))
            for part, members in parts.items()
            if members
        }
        self.space = build_space(network, self.said["train"]["embedding"])
        self.others = None if job.unknown is None else infer(read_unknown(job.unknown, recipe))

    def calibrate(self, part: str, inside: NDArray[np.bool_] | None = None) -> Calibration:
        """Fit temperature, threshold and familiarity on a part that the network has not learnt, or those of it `inside`.

        Every second photo of other things, with the known ones, chooses and fits the measure of familiarity. Without such photos, or when
        nothing parts them, the confidence alone decides.
        """
        chosen = np.ones(len(self.parts[part]), dtype=bool) if inside is None else inside
        raw, known = self.said[part]["probabilities"][chosen], self.said[part]["embedding"][chosen]
        temperature = fit_temperature(raw, _truths(self.recipe, self.parts[part])[chosen])
        confidences = scaled(raw, temperature).max(axis=1)
        unknown = None if self.others is None else self.others["embedding"][::2]
        rule = None if unknown is None else fit_rule(self.space, known, unknown, temperature)
        if rule is None or unknown is None:
            return Calibration(
                temperature, min(HIGHEST_THRESHOLD, keeping(confidences, KNOWN_KEPT)), None
            )
        threshold = min(HIGHEST_THRESHOLD, keeping(confidences, SURE_ENOUGH))
        familiarity = Familiarity(self.space, temperature, rule)
        rule["threshold"] = min(
            dividing(familiarity.of(known), familiarity.of(unknown)),
            keeping_both(familiarity.of(known), confidences >= threshold, KNOWN_KEPT),
        )
        return Calibration(temperature, threshold, familiarity)

    def judge_crossed(self, part: str) -> Judged:
        """A part judged by halves, each with what was fitted on the other one, so that no photo is judged by what it has fitted itself."""
        first = halves(self.parts[part])
        judged = [
            self.calibrate(part, ~one).judge(self.said[part]).only(one) for one in (first, ~first)
        ]
        order = np.argsort(np.concatenate([np.flatnonzero(first), np.flatnonzero(~first)]))
        arrays = (
            np.concatenate([getattr(one, field.name) for one in judged])[order]
            for field in fields(Judged)
        )
        return Judged(*arrays)

    def measure(self, judged: dict[str, Judged], calibration: Calibration) -> dict[str, Any]:
        """The card's `metrics` of judged parts. `calibration` is what is shipped."""
        names = tuple(label.name for label in self.recipe.labels)
        metrics: dict[str, Any] = {}
        for part, said in judged.items():
            truths, sources = (
                _truths(self.recipe, self.parts[part]),
                np.array([one.source for one in self.parts[part]]),
            )
            one_source = len(set(sources.tolist())) == 1  # it alone has the figures of the whole

            def look(
                inside: NDArray[np.bool_],
                short: bool,
                said: Judged = said,
                truths: NDArray[np.int64] = truths,
            ) -> dict[str, Any]:
                some = said.only(inside)
                return summary(
                    some.raw, some.scaled, truths[inside], names, some.decided, short=short
                )

            metrics[part] = look(np.ones(len(truths), dtype=bool), part == "train") | {
                "sources": {
                    one: look(sources == one, part == "train" or one_source)
                    for one in sorted(set(sources.tolist()))
                }
            }
        if self.job.unknown is not None and self.others is not None:
            metrics["unknown"] = {"source": self.job.unknown.resolve().name} | measure_unknown(
                judged["test"], self.others, calibration
            )
        return metrics


def halves(examples: list[Example]) -> NDArray[np.bool_]:
    """Which examples are in the first of two halves: whole groups of near-duplicates, each label and source in both as far as they go."""
    groups = {
        one.group: (one.source, one.label, one.sha256)
        for one in sorted(examples, key=lambda one: one.sha256)
    }
    first = {
        group
        for place, group in enumerate(sorted(groups, key=lambda group: groups[group]))
        if place % 2 == 0
    }
    return np.array([one.group in first for one in examples], dtype=bool)


def measure_unknown(
    known: Judged, others: dict[str, Floats], calibration: Calibration
) -> dict[str, Any]:
    """Figures about the photos of other things that fitted nothing, every second one. `known` are the judged test photos."""
    unknown = calibration.judge({key: one[1::2] for key, one in others.items()})
    return {
        "n": len(unknown.raw),
        "unclassified": round(1 - float(unknown.decided.mean()), 4),
        "known_unclassified": round(1 - float(known.decided.mean()), 4),
        "auroc": round(area_under_curve(known.score, unknown.score), 4),
        "auroc_of_confidence": round(
            area_under_curve(known.scaled.max(axis=1), unknown.scaled.max(axis=1)), 4
        ),
        "fitted_on": len(others["embedding"]) - len(unknown.raw),
    }


def read_unknown(folder: Path, recipe: Recipe) -> NDArray[np.uint8]:
    """The photos of other things, as the network sees them, in the order of their names. Raises `TrainingError` for fewer than two."""
    photos = []
    for path in sorted(
        one for one in folder.rglob("*") if one.is_file() and not one.name.startswith(".")
    ):
        try:
            photos.append(
                fit_input(
                    decode_photo(path.read_bytes(), max_side=working_side(recipe.input)).pixels,
                    recipe.input,
                )
            )
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
        label_event=dataset.label_event,
        training=describe_training(job, recipe, runs),
        libraries={name: library_version(name) for name in ("keras", "numpy", "pillow")}
        | {"tensorflow": tf.__version__},
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def describe_split(
    recipe: Recipe, dataset: Dataset, parts: dict[str, list[Example]]
) -> dict[str, Any]:
    """The card's `split`: fingerprint, rule, sizes of the parts by source, and what reading found."""
    sizes = {
        part: {"n": len(members), "sources": dict(Counter(one.source for one in members))}
        for part, members in parts.items()
    }
    rule = recipe.split
    learnt = "train"
    if recipe.refit:
        learnt = f"train and validation together; {CALIBRATED_ON_IT}, which are measured by halves, each calibrated on the other"
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
    return tuple(
        {"source": one.name, "photos": counts[one.name], "licence": one.licence, "note": one.note}
        for one in sources
    )


def describe_training(job: Job, recipe: Recipe, runs: list[Progress]) -> dict[str, Any]:
    """The card's `training`: settings, where the weights came from, one line per epoch of the run that was validated."""
    first = runs[0]
    return {
        "weights": start_name(job.weights),
        "settings": recipe.settings(),
        "epochs": len(first.history),
        "best_epoch": first.best_epoch,
        "seconds": round(sum(run.seconds for run in runs)),
        "stages": [one.as_json() for one in by_stage(first.history)],
        "history": first.history,
    }


def start_name(weights: str | Path) -> str:
    """What the backbone started from, as the card says it: "imagenet", a file's name, or "f1-teams 1" for a version of ours."""
    path = Path(weights)
    return f"{path.parent.parent.name} {path.parent.name}" if path.name == KERAS_FILE else path.name


def _truths(recipe: Recipe, examples: list[Example]) -> NDArray[np.int64]:
    return truths_of(examples, tuple(label.name for label in recipe.labels))
