"""From photos with boxes to a published detector: read, train, measure, publish."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version as library_version
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from webapp.errors import TrainingError
from webapp.inference.models.card import KERAS_FILE
from webapp.inference.models.detector_card import DetectorCard
from webapp.inference.models.golden import write_golden
from webapp.inference.models.held_out import write_split
from webapp.inference.models.publish import GOLDEN_FOLDER, publish
from webapp.inference.models.registry import Registry
from webapp.reports.training_curves import by_stage
from webapp.training.callbacks import curves, tensorboard
from webapp.training.checkpoint import CHECKPOINT_FILE
from webapp.training.dataset import fingerprint, reading_report, split_of
from webapp.training.detector.data import BoxData
from webapp.training.detector.measure import (
    NetworkDetector,
    choose_threshold,
    look,
    look_at_others,
    metrics_of,
    unknown_metrics,
)
from webapp.training.detector.recipe import BoxSource, DetectorRecipe
from webapp.training.detector.run import DetectorRun
from webapp.training.job import TrainingJob, TrainingProgress, say
from webapp.training.tracking import tracking


def train_detector(job: TrainingJob[DetectorRecipe]) -> DetectorCard:
    """Train and publish a version; a run that was stopped goes on after its last epoch.

    Raises `TrainingError` if something cannot be used, `ModelRefusedError` from publishing.
    """
    recipe = job.recipe
    if job.resume and not (job.work / CHECKPOINT_FILE).is_file():
        raise TrainingError(
            f"There is no run to resume in {job.work}. Leave out --resume to start one."
        )
    data = BoxData(job.data, recipe, job.weights)
    sizes = ", ".join(f"{part} {len(members)}" for part, members in data.parts.items())
    say(f"{len(data.examples)} photos ({sizes}); {len(data.refused)} refused")
    with tracking(job, recipe) as tracker:
        callbacks = [*job.on_epoch, tensorboard(job.work / "tensorboard"), curves(job.work)]
        if tracker:
            callbacks.append(tracker.on_epoch)
        run = DetectorRun(replace(job, on_epoch=tuple(callbacks)), recipe, data)
        network = run.train()
        say("measuring")
        card = _measured(_card(job, data, run.progress), network, data, job.unknown)
        card = _publish(job, network, card, data)
        if tracker:
            tracker.finish(card)
    return card


def _measured(
    card: DetectorCard, network: keras.Model, data: BoxData, unknown: Path | None
) -> DetectorCard:
    """The card with its threshold and its figures. The threshold is chosen on validation photos and
    every second photo of other things; the others of those are counted."""
    detector = NetworkDetector(card, network)
    parts = {part: look(detector, data, part) for part in ("validation", "test")}
    others = look_at_others(detector, unknown) if unknown is not None else []
    threshold = choose_threshold(parts["validation"], others[::2])
    metrics = {part: metrics_of(measured, threshold) for part, measured in parts.items()}
    if others:
        metrics["unknown"] = unknown_metrics(others[1::2], threshold)
    return replace(card, threshold=threshold, metrics=metrics)


def _card(
    job: TrainingJob[DetectorRecipe], data: BoxData, progress: TrainingProgress
) -> DetectorCard:
    """The card without threshold, figures, version, files and golden photos."""
    recipe, start = job.recipe, Path(job.weights)
    version = f"{start.parent.parent.name} {start.parent.name}"
    return DetectorCard(
        name=recipe.name,
        version=1,
        title=recipe.title,
        summary=recipe.summary,
        input=recipe.input,
        threshold=0.5,
        limits=recipe.limits,
        split=_split(data),
        data=tuple(_sources(data)),
        training={
            "weights": version if start.name == KERAS_FILE else start.name,
            "settings": recipe.settings(),
            "epochs": len(progress.history),
            "best_epoch": progress.best_epoch,
            "seconds": round(progress.seconds),
            "stages": by_stage(progress.history),
            "history": progress.history,
        },
        libraries={name: library_version(name) for name in ("keras", "numpy", "pillow")}
        | {"tensorflow": tf.__version__},
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _sources(data: BoxData) -> list[dict[str, Any]]:
    counts = Counter(example.source for example in data.examples)
    known = {source.name: source for source in data.recipe.data}
    rows: list[dict[str, Any]] = []
    for name, photos in sorted(counts.items()):
        source = known.get(name, BoxSource(name, name))
        about = {"role": source.role, "licence": source.licence, "note": source.note}
        rows.append({"source": name, "photos": photos} | about)
    return rows


def _split(data: BoxData) -> dict[str, Any]:
    """Fingerprint, rule, sizes of the parts by source, and what was found while reading."""
    rule = data.recipe.split
    unusable = [name for name, _why in data.refused]
    return {
        "fingerprint": fingerprint(data.parts),
        "seed": rule.seed,
        "rule": "by groups of near-duplicates (64-bit difference hash, distance up to "
        f"{rule.near_distance}; frames up to {rule.burst_seconds} s apart), for each role and "
        "source apart",
        "learnt_from": "train",
        **{
            part: {"n": len(members), "sources": dict(Counter(photo.source for photo in members))}
            for part, members in data.parts.items()
        },
        "reading": reading_report(data.examples, unusable, data.repeated, data.two_roles),
    }


def _publish(
    job: TrainingJob[DetectorRecipe], network: keras.Model, card: DetectorCard, data: BoxData
) -> DetectorCard:
    """Save the network in the work folder, publish it, and forget the run when that worked."""
    job.work.mkdir(parents=True, exist_ok=True)
    network.save(job.work / KERAS_FILE)
    (job.work / "card.json").write_text(card.to_json(), encoding="utf-8")
    say("publishing")
    write_golden(job.work / GOLDEN_FOLDER)
    write_split(job.work, split_of(data.parts))
    version = publish(job.work, card, job.models)
    (job.work / CHECKPOINT_FILE).unlink(missing_ok=True)
    return DetectorCard.read(Registry(job.models).version_folder(card.name, version))
