"""The card of a trained version: everything but what publishing adds."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version as library_version
from pathlib import Path
from typing import Any

import tensorflow as tf

from webapp.inference.models.card import KERAS_FILE, ModelCard
from webapp.inference.models.held_out import CALIBRATED_ON_IT
from webapp.reports.training_curves import by_stage
from webapp.training.calibration import Calibration
from webapp.training.dataset import Parts, fingerprint
from webapp.training.job import TrainingProgress
from webapp.training.recipe import DataSource, Recipe


@dataclass(frozen=True)
class TrainingData:
    """What a training starts from."""

    recipe: Recipe  # with labels and stages
    parts: Parts  # the photos
    reading: dict[str, Any]  # see `reading_report`
    label_event: int | None  # the last one that the labels contain, if known


def make_card(
    data: TrainingData,
    weights: str | Path,
    calibration: Calibration,
    metrics: dict[str, Any],
    runs: list[TrainingProgress],
) -> ModelCard:
    """The card without version, files and golden photos; `runs` are the run, and the refit."""
    recipe, libraries, start = data.recipe, ("keras", "numpy", "pillow"), Path(weights)
    version = f"{start.parent.parent.name} {start.parent.name}"
    counts = Counter(example.source for members in data.parts.values() for example in members)
    known = {source.name: source for source in recipe.data}
    sources: list[dict[str, Any]] = []
    for name in sorted(counts):
        source = known.get(name, DataSource(name, name))
        about = {"licence": source.licence, "note": source.note}
        sources.append({"source": name, "photos": counts[name]} | about)
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
        parent_threshold=calibration.parent_threshold,
        familiarity=calibration.familiarity.rule if calibration.familiarity else {},
        limits=recipe.limits,
        metrics=metrics,
        split=_split(data),
        data=tuple(sources),
        label_event=data.label_event,
        training={
            "weights": version if start.name == KERAS_FILE else start.name,
            "settings": recipe.settings(),
            "epochs": len(runs[0].history),
            "best_epoch": runs[0].best_epoch,
            "seconds": round(sum(run.seconds for run in runs)),
            "stages": by_stage(runs[0].history),
            "history": runs[0].history,
        },
        libraries={name: library_version(name) for name in libraries}
        | {"tensorflow": tf.__version__},
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _split(data: TrainingData) -> dict[str, Any]:
    """Fingerprint, rule, sizes of the parts by source, and what was found while reading."""
    rule = data.recipe.split
    trained_on = "train"
    if data.recipe.refit:
        trained_on = (
            f"train and validation together; {CALIBRATED_ON_IT}, which are measured by halves, "
            "each calibrated on the other"
        )
    return {
        "fingerprint": fingerprint(data.parts),
        "seed": rule.seed,
        "rule": "by groups of near-duplicates (64-bit difference hash, distance up to "
        f"{rule.near_distance}; frames up to {rule.burst_seconds} s apart), for each label and "
        "source apart",
        "learnt_from": trained_on,
        **{
            part: {"n": len(members), "sources": dict(Counter(photo.source for photo in members))}
            for part, members in data.parts.items()
        },
        "reading": data.reading,
    }
