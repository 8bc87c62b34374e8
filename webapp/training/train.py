"""From folders of labelled photos to a published model version, top to bottom: read, split, train, measure, publish."""

import sys
from dataclasses import dataclass
from pathlib import Path

import keras
from tqdm import tqdm

from webapp.errors import BadCardError, TrainingError
from webapp.inference.familiarity import Familiarity
from webapp.inference.models.card import FAMILIARITY_FILE, KERAS_FILE, ModelCard
from webapp.inference.models.golden import write_golden
from webapp.inference.models.held_out import HELD_OUT, read_split
from webapp.inference.models.publish import publish
from webapp.inference.models.registry import Registry
from webapp.training.callbacks import BOARD, followed, to_board, to_curves
from webapp.training.checkpoint import CHECKPOINT_FILE
from webapp.training.dataset import Dataset, Example, drop_repeats, group, read_photos, split
from webapp.training.job import Job, say
from webapp.training.measure import Bench, make_card
from webapp.training.readers import labels_in, list_photos
from webapp.training.recipe import Recipe, check, fitted, source_of, with_labels
from webapp.training.run import Run
from webapp.training.tracking import tracking

__all__ = ["Job", "Outcome", "train"]


@dataclass(frozen=True)
class Outcome:
    """A finished training: the version that was published and its card."""

    version: int
    card: ModelCard


def train(job: Job) -> Outcome:
    """Train and publish. Progress goes to standard error. A run that was stopped goes on after its last epoch.

    Raises `TrainingError` when data, recipe, weights or checkpoint cannot be used, `ModelRefusedError` when the publishing gate says no.
    """
    recipe, dataset, parts = prepare(job)
    require_a_run(job)
    with tracking(job, recipe) as tracker:
        followers = (
            to_board(job.work / BOARD),
            to_curves(job.work),
            *([tracker.epoch] if tracker else []),
        )
        outcome = learn(followed(job, *followers), recipe, dataset, parts)
        if tracker:
            tracker.finish(outcome.card)
    return outcome


def learn(job: Job, recipe: Recipe, dataset: Dataset, parts: dict[str, list[Example]]) -> Outcome:
    """All but reading: train, measure, publish."""
    run = Run(job, recipe, parts, job.work)
    run.train()
    network = run.best_network()
    bench = Bench(job, recipe, parts, network)
    calibration = bench.calibrate("validation")
    judged = {part: calibration.judge(said) for part, said in bench.said.items()}
    runs = [run.progress]

    if recipe.refit:
        say("once more, on train and validation photos together")
        together = parts["train"] + parts["validation"]
        run = Run(job, recipe, {"train": together, "validation": []}, job.work / "refit")
        run.train()
        network = run.best_network()
        runs.append(run.progress)
        bench = Bench(job, recipe, parts | {"train": together}, network)
        calibration = bench.calibrate("test")
        judged |= {
            "test": bench.judge_crossed("test"),
            "train": calibration.judge(bench.said["train"]),
        }

    say("measuring")
    metrics = bench.measure(judged, calibration)
    card = make_card(job, recipe, dataset, parts, calibration, metrics, runs)
    return hand_over(job, network, card, parts, calibration.familiarity)


def learnt_before(job: Job) -> set[str]:
    """SHA-256 of the photos that the version learnt from that the backbone starts from; empty for other weights.

    Raises `TrainingError` when that version's card cannot be read.
    """
    start = Path(job.weights)
    if start.name != KERAS_FILE:
        return set()
    try:
        known = read_split(start.parent, ModelCard.read(start.parent))
    except BadCardError as error:
        raise TrainingError(
            f"The version {start.parent} cannot be started from: {error}."
        ) from error
    if known is None:
        say(
            f"{start.parent.name} carries no list of what it has learnt: if photos of yours are among that, the figures will flatter"
        )
    return {digest for digest, part in (known or {}).items() if part != HELD_OUT}


def prepare(job: Job) -> tuple[Recipe, Dataset, dict[str, list[Example]]]:
    """The recipe with its labels and stages, the photos, and the parts they were divided into. Seeds the dice. Raises `TrainingError`."""
    shown = labels_in(list_photos(folder, job.recipe.layout) for folder in job.data)
    recipe = with_labels(job.recipe, shown, shown)
    check(recipe)
    keras.utils.set_random_seed(recipe.seed)
    dataset = read(job, recipe)
    parts = split(list(dataset.examples), recipe.split, learnt_before(job))
    say_parts(dataset, parts)
    return fitted(recipe, len(parts["train"])), dataset, parts


def require_a_run(job: Job) -> None:
    """Raise `TrainingError` when the job insists on going on and its work folder holds nothing to go on with."""
    if job.resume and not (job.work / CHECKPOINT_FILE).is_file():
        raise TrainingError(
            f"There is no run to resume in {job.work}. Leave out --resume to start one."
        )


def read(job: Job, recipe: Recipe) -> Dataset:
    """Every readable photo of the job's folders, grouped, without exact duplicates."""
    max_side = round(1.5 * max(recipe.input.height, recipe.input.width))
    listings = [
        (list_photos(folder, recipe.layout), source_of(recipe, folder).name) for folder in job.data
    ]
    examples: list[Example] = []
    refused: list[str] = []
    for listing, source in listings:
        for line in listing.missing:
            say(f"left out {line}")
        photos = tqdm(
            listing.photos, desc=f"reading {source}", unit="photo", file=sys.stderr, leave=False
        )
        found, left_out = read_photos(photos, source, max_side=max_side, say=say)
        examples += found
        refused += [*listing.missing, *left_out]
    kept, repeated, contradictory = drop_repeats(examples)
    for name in contradictory:
        say(f"left out {name}: the same file lies under another label too")
    events = [listing.label_event for listing, _ in listings if listing.label_event is not None]
    seen = min(events, default=None)
    return Dataset(
        tuple(group(kept, recipe.split)),
        tuple(refused),
        tuple(repeated),
        tuple(contradictory),
        seen,
    )


def say_parts(dataset: Dataset, parts: dict[str, list[Example]]) -> None:
    """One line about what was read and how it was divided."""
    report = dataset.report()
    sizes = ", ".join(f"{part} {len(members)}" for part, members in parts.items())
    say(
        f"{report['photos']} photos ({sizes}); {report['photos_in_such_groups']} have a near-duplicate; {len(dataset.refused)} refused"
    )


def hand_over(
    job: Job,
    network: keras.Model,
    card: ModelCard,
    parts: dict[str, list[Example]],
    familiarity: Familiarity | None,
) -> Outcome:
    """Save the network in the work folder, ask the publishing gate, and forget the run when it said yes."""
    job.work.mkdir(parents=True, exist_ok=True)
    network.save(job.work / "model.keras")
    (job.work / "card.json").write_text(card.to_json(), encoding="utf-8")
    say("publishing")
    golden = write_golden(job.work / "golden")
    files = {one.sha256: part for part, members in parts.items() for one in members}
    beside = None
    if familiarity is not None:
        beside = job.work / FAMILIARITY_FILE
        familiarity.space.write(beside)
    number = publish(
        job.work / "model.keras", card, golden, job.models, split=files, familiarity=beside
    )
    for folder in (job.work, job.work / "refit"):
        (folder / CHECKPOINT_FILE).unlink(missing_ok=True)
    return Outcome(number, Registry(job.models).card(card.name, number))
