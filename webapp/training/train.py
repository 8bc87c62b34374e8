"""From folders of labelled photos to a published model version: read, train, measure, publish."""

import sys
from dataclasses import replace

import keras
from tqdm import tqdm

from webapp.errors import TrainingError
from webapp.inference.familiarity import Familiarity
from webapp.inference.models.card import FAMILIARITY_FILE, KERAS_FILE, ModelCard
from webapp.inference.models.golden import write_golden
from webapp.inference.models.held_out import Split, once_each, write_split
from webapp.inference.models.publish import GOLDEN_FOLDER, publish
from webapp.inference.models.registry import Registry
from webapp.training.callbacks import curves, tensorboard
from webapp.training.car_boxes import with_main_cars
from webapp.training.card import TrainingData, make_card
from webapp.training.checkpoint import CHECKPOINT_FILE
from webapp.training.dataset import (
    group,
    read_examples,
    reading_report,
    reading_side,
    split,
    split_of,
    without_conflicts,
)
from webapp.training.earlier import earlier_parts
from webapp.training.job import TrainingJob, say
from webapp.training.measure import NetworkMeasurement
from webapp.training.readers import list_data
from webapp.training.recipe import Recipe, fitted, with_labels
from webapp.training.run import Run
from webapp.training.tracking import tracking


def train(job: TrainingJob[Recipe]) -> ModelCard:
    """Train and publish a version; a run that was stopped goes on after its last epoch.

    Raises `TrainingError` if something cannot be used, `ModelRefusedError` from publishing.
    """
    data = prepare(job)
    if job.resume and not (job.work / CHECKPOINT_FILE).is_file():
        raise TrainingError(
            f"There is no run to resume in {job.work}. Leave out --resume to start one."
        )
    with tracking(job, data.recipe) as tracker:
        callbacks = [*job.on_epoch, tensorboard(job.work / "tensorboard"), curves(job.work)]
        if tracker:
            callbacks.append(tracker.on_epoch)
        card = _train_and_publish(replace(job, on_epoch=tuple(callbacks)), data)
        if tracker:
            tracker.finish(card)
    return card


def _train_and_publish(job: TrainingJob[Recipe], data: TrainingData) -> ModelCard:
    recipe, parts = data.recipe, data.parts
    run = Run(job, recipe, parts, job.work)
    run.train()
    network, runs = run.best_network(), [run.progress]
    measurement = NetworkMeasurement(job, recipe, parts, network)
    calibration = measurement.calibrate("validation")
    judged = {part: calibration.judge(outputs) for part, outputs in measurement.outputs.items()}

    if recipe.refit:
        say("once more, on train and validation photos together")
        together = parts["train"] + parts["validation"]
        run = Run(job, recipe, {"train": together, "validation": []}, job.work / "refit")
        run.train()
        network = run.best_network()
        runs.append(run.progress)
        measurement = NetworkMeasurement(job, recipe, parts | {"train": together}, network)
        calibration = measurement.calibrate("test")
        judged["test"] = measurement.judge_crossed("test")
        judged["train"] = calibration.judge(measurement.outputs["train"])

    say("measuring")
    metrics = measurement.metrics(judged, calibration)
    card = make_card(data, job.weights, calibration, metrics, runs)
    return _publish(job, network, card, split_of(parts), calibration.familiarity)


def _publish(
    job: TrainingJob[Recipe],
    network: keras.Model,
    card: ModelCard,
    split: Split,
    familiarity: Familiarity | None,
) -> ModelCard:
    """Save the network in the work folder, publish it, and forget the run when that worked."""
    job.work.mkdir(parents=True, exist_ok=True)
    network.save(job.work / KERAS_FILE)
    (job.work / "card.json").write_text(card.to_json(), encoding="utf-8")
    say("publishing")
    write_golden(job.work / GOLDEN_FOLDER)
    write_split(job.work, split)
    if familiarity is not None:
        familiarity.space.write(job.work / FAMILIARITY_FILE)
    version = publish(job.work, card, job.models)
    for folder in (job.work, job.work / "refit"):
        (folder / CHECKPOINT_FILE).unlink(missing_ok=True)
    return Registry(job.models).card(card.name, version)


def prepare(job: TrainingJob[Recipe]) -> TrainingData:
    """Read and divide the photos. Raises `TrainingError` if data or weights cannot be used."""
    listing = list_data(job.data, job.recipe)
    if job.recipe.cars == "detect":
        listing = with_main_cars(listing, job.models)
    recipe = with_labels(job.recipe, listing.labels)
    if recipe.exposure and job.unknown is None:
        say("there are no photos of other things (--unknown) to learn from: exposure is off")
        recipe = replace(recipe, exposure=0.0)
    keras.utils.set_random_seed(recipe.seed)
    bar = tqdm(listing.photos, "reading photos", unit="photo", file=sys.stderr, leave=False)
    readable, refused = read_examples(bar, reading_side(recipe))
    examples, repeated, two_labels = once_each(readable)
    examples, two_pictures = without_conflicts(examples, recipe.split.near_distance)
    for line in (
        *listing.missing,
        *(f"{name}: {why}" for name, why in refused),
        *(f"{name}: the same file lies under another label too" for name in two_labels),
        *(f"{name}: the same picture lies under another label too" for name in two_pictures),
    ):
        say(f"left out {line}")
    examples = group(examples, recipe.split)
    parts = split(examples, recipe.split, earlier_parts(job.weights))
    unusable = [*listing.missing, *(name for name, _ in refused)]
    report = reading_report(examples, unusable, repeated, two_labels + two_pictures)
    sizes = ", ".join(f"{part} {len(members)}" for part, members in parts.items())
    say(
        f"{report['photos']} photos ({sizes}); {report['photos_in_such_groups']} have a "
        f"near-duplicate; {len(unusable)} refused"
    )
    return TrainingData(fitted(recipe, len(parts["train"])), parts, report, listing.label_event)
