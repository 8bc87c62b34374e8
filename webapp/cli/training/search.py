"""`flask model search`: find settings for a training by trying many."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import click

from webapp.cli.history import options_as
from webapp.cli.models.group import bp
from webapp.cli.training.options import (
    DataOptions,
    data_options,
    needs_training_libraries,
    weights_of,
    weights_option,
)
from webapp.extensions import get_config


@dataclass(frozen=True, kw_only=True)
class _SearchOptions(DataOptions):
    weights: str
    trials: int
    epochs: int | None
    study: str | None
    storage: str | None
    out: Path | None


@bp.cli.command("search")
@click.argument("name")
@data_options
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="Trials that the study shall hold in the end.",
)
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    help="Epochs of one trial in all.  [default: as many as the recipe says]",
)
@click.option("--study", help="The study's name; one that is there goes on.  [default: NAME]")
@click.option(
    "--storage",
    help="The database that keeps the study.  [default: training/search.sqlite in the data folder]",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the recipe goes.  [default: training/STUDY.toml]",
)
@weights_option
@options_as(_SearchOptions)
def _search_command(options: _SearchOptions, name: str) -> None:
    """Search for settings with which NAME learns better, and write them as a recipe.

    Several processes may share one study.
    """
    with needs_training_libraries():
        from webapp.training.job import TrainingJob
        from webapp.training.recipe import recipe_text
        from webapp.training.search import Search, result_lines, search

    config, study = get_config(), options.study or name
    folder = config.data / "training"
    folder.mkdir(parents=True, exist_ok=True)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", study):
        raise click.ClickException(
            f"A study's name is made of letters, digits, dots and dashes, got {study!r}."
        )
    out = options.out or folder / f"{study}.toml"
    if not out.parent.is_dir():
        raise click.ClickException(f"There is no folder {out.parent} to write the recipe to.")
    job = TrainingJob(
        recipe=options.recipe(name),
        data=options.data,
        models=config.models,
        work=folder / name / "search",
        weights=weights_of(options.weights),
    )
    storage = options.storage or f"sqlite:///{(folder / 'search.sqlite').resolve()}"
    result = search(Search(job, options.trials, study, storage, options.epochs))
    comment = f"{name} with the settings of trial {result.best.number} of the study {study}."
    try:
        out.write_text(recipe_text(result.recipe, comment), encoding="utf-8")
    except OSError as error:
        raise click.ClickException(
            f"The recipe cannot be written to {out} ({error.strerror})."
        ) from error
    click.echo("\n".join(result_lines(result, study)))
    folders = " ".join(f"--data {shlex.quote(str(folder))}" for folder in options.data)
    click.echo(
        f"\nWritten to {out}. Train with it:\n"
        f"  flask model train {name} --recipe {shlex.quote(str(out))} {folders}"
    )
