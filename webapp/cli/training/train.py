"""`flask model train`: train a model and publish it."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from webapp.cli.history import TERMINAL, needs_history, options_as
from webapp.cli.models.card_text import describe, describe_detector
from webapp.cli.models.group import bp
from webapp.cli.training.options import (
    DataOptions,
    data_options,
    needs_training_libraries,
    unknown_option,
    weights_of,
    weights_option,
)
from webapp.domain import count
from webapp.extensions import get_config, get_registry, get_tools
from webapp.inference.models.card import ModelCard
from webapp.inference.models.detector_card import DetectorCard
from webapp.services.models import promotion
from webapp.services.training.quick import train_quick

if TYPE_CHECKING:
    from webapp.training.detector.recipe import DetectorRecipe
    from webapp.training.job import TrainingJob
    from webapp.training.recipe import Recipe

_Recipe = TypeVar("_Recipe", "Recipe", "DetectorRecipe")


@dataclass(frozen=True, kw_only=True)
class _TrainOptions(DataOptions):
    weights: str
    unknown: Path | None
    resume: bool | None
    work: Path | None
    from_history: bool


@bp.cli.command("train")
@click.argument("name")
@partial(data_options, required=False)
@weights_option
@unknown_option
@click.option(
    "--resume/--fresh",
    default=None,
    help="Insist on going on, or on starting again.  [default: go on if there is a run]",
)
@click.option(
    "--work",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for checkpoints.  [default: training/NAME in the data folder]",
)
@click.option(
    "--from-history",
    is_flag=True,
    help="Instead of --data: the last layer of the live version learns from the cars that people "
    "labelled here, and new labels.",
)
@options_as(_TrainOptions)
@needs_history
def _train_command(options: _TrainOptions, name: str) -> None:
    """Train the model NAME and publish it as its next version.

    It can be stopped at any time and goes on after the last epoch.
    """
    if options.from_history == bool(options.data):
        raise click.UsageError("Name photos with --data FOLDER, or say --from-history.")
    if options.from_history:
        _train_from_history(options, name)
        return
    with needs_training_libraries():
        from webapp.training.detector.recipe import find_detector_recipe
        from webapp.training.detector.train import train_detector
        from webapp.training.train import train

    detector = find_detector_recipe(name, options.recipe_file)
    card: ModelCard | DetectorCard
    if detector is not None:
        card = train_detector(_job(options, detector))
        lines = describe_detector(card)
    else:
        card = train(_job(options, options.recipe(name)))
        lines = describe(card)
    click.echo("\n".join(lines))
    promotion.note_first(get_registry(), name, card.version, TERMINAL)
    live = get_registry().live_version(name)
    click.echo("It is live." if live == card.version else f"Version {live} stays live.")


def _train_from_history(options: _TrainOptions, name: str) -> None:
    config = get_config()
    work = options.work or config.data / "training" / f"{name}-quick"
    work.mkdir(parents=True, exist_ok=True)
    with needs_training_libraries():
        import tensorflow  # noqa: F401
    echo = partial(click.echo, err=True)
    made = train_quick(get_tools(), name, work, lambda _done, _total: None, echo)
    click.echo("\n".join(describe(get_registry().card(name, made["version"]))))
    click.echo(
        f"It learned from {count(made['cars'], 'labelled car')}. Version {made['base']} stays "
        f"live: flask model promote {name} {made['version']} --history, or --force --why TEXT "
        "where few photos have labels that both know."
    )


def _job(options: _TrainOptions, recipe: _Recipe) -> "TrainingJob[_Recipe]":
    from webapp.training.job import TrainingJob

    config = get_config()
    return TrainingJob(
        recipe=recipe,
        data=options.data,
        models=config.models,
        work=options.work or config.data / "training" / recipe.name,
        weights=weights_of(options.weights),
        unknown=options.unknown,
        resume=options.resume,
    )
