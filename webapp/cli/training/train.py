"""`flask model train`: train a model and publish it."""

from dataclasses import dataclass
from pathlib import Path

import click

from webapp.cli.history import TERMINAL, needs_history, options_as
from webapp.cli.models.card_text import describe
from webapp.cli.models.group import bp
from webapp.cli.training.options import (
    DataOptions,
    data_options,
    needs_training_libraries,
    unknown_option,
    weights_of,
    weights_option,
)
from webapp.extensions import get_config, get_registry
from webapp.services.models import promotion


@dataclass(frozen=True, kw_only=True)
class _TrainOptions(DataOptions):
    weights: str
    unknown: Path | None
    resume: bool | None
    work: Path | None


@bp.cli.command("train")
@click.argument("name")
@data_options
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
@options_as(_TrainOptions)
@needs_history
def _train_command(options: _TrainOptions, name: str) -> None:
    """Train the model NAME and publish it as its next version.

    It can be stopped at any time and goes on after the last epoch.
    """
    with needs_training_libraries():
        from webapp.training.train import TrainingJob, train

    config = get_config()
    job = TrainingJob(
        recipe=options.recipe(name),
        data=options.data,
        models=config.models,
        work=options.work or config.data / "training" / name,
        weights=weights_of(options.weights),
        unknown=options.unknown,
        resume=options.resume,
    )
    card = train(job)
    click.echo("\n".join(describe(card)))
    promotion.note_first(get_registry(), name, card.version, TERMINAL)
    live = get_registry().live_version(name)
    click.echo("It is live." if live == card.version else f"Version {live} stays live.")
