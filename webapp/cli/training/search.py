"""`flask model search`: find settings for a training by trying many."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click
from flask.cli import with_appcontext

from webapp.cli.training.dataset import FOLDER, layout_options, recipe_for, start_of, weights_option
from webapp.errors import MarqueError
from webapp.extensions import get_config

if TYPE_CHECKING:
    from webapp.training.search import Found

DATABASE = "search.sqlite"


@click.command("search")
@click.argument("name")
@click.option(
    "--data",
    "data",
    multiple=True,
    required=True,
    type=FOLDER,
    help="A folder of photos, as for `flask model train`. May be repeated.",
)
@layout_options
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
@click.option(
    "--recipe",
    "recipe_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Start from a recipe of your own.",
)
@with_appcontext
def search_command(
    name: str,
    data: tuple[Path, ...],
    layout: str | None,
    image_column: str,
    label_column: str,
    trials: int,
    epochs: int | None,
    study: str | None,
    storage: str | None,
    out: Path | None,
    weights: str,
    recipe_file: Path | None,
) -> None:
    """Search for settings with which NAME learns better, and write them as a recipe. Several processes may share one study."""
    os.environ.setdefault(
        "TF_CPP_MIN_LOG_LEVEL", "2"
    )  # its greetings would scroll the progress away
    try:
        # TensorFlow takes seconds to load and is not installed where photos are only served
        from webapp.training.job import Job
        from webapp.training.recipe_text import recipe_text
        from webapp.training.search import Search, search
    except ImportError as error:
        raise click.ClickException(
            f"Searching needs what requirements.txt lists ({error.name} is missing)."
        ) from error
    config = get_config()
    folder = config.data / "training"
    folder.mkdir(parents=True, exist_ok=True)
    study = study or name
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", study):
        raise click.ClickException(
            f"A study's name is made of letters, digits, dots and dashes, got {study!r}."
        )
    out = out or folder / f"{study}.toml"
    if not out.parent.is_dir():
        raise click.ClickException(f"There is no folder {out.parent} to write the recipe to.")
    try:
        job = Job(
            recipe=recipe_for(name, recipe_file, layout, image_column, label_column),
            data=data,
            models=config.models,
            work=folder / name / "search",
            weights=start_of(weights),
        )
        found = search(
            Search(
                job, trials, study, storage or f"sqlite:///{(folder / DATABASE).resolve()}", epochs
            )
        )
        out.write_text(
            recipe_text(
                found.recipe,
                f"{name} with the settings of trial {found.trial} of the study {study}.",
            ),
            encoding="utf-8",
        )
    except MarqueError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(
            f"The recipe cannot be written to {out} ({error.strerror})."
        ) from error
    click.echo("\n".join(describe(found, study)))
    folders = " ".join(f"--data {shlex.quote(str(one))}" for one in data)
    click.echo(
        f"\nWritten to {out}. Train with it:\n  flask model train {name} --recipe {shlex.quote(str(out))} {folders}"
    )


def describe(found: Found, study: str) -> list[str]:
    """What a search has found, line by line."""
    own = "" if found.own_loss is None else f"; the recipe's own settings had {found.own_loss:.4f}"
    lines = [
        f"Study {study}: {found.trials} trials, {found.pruned} of them stopped early, {found.failed} failed.",
        f"Best is trial {found.trial} with a validation loss of {found.loss:.4f}{own}.",
        "The best of many is flattered by luck: what it is worth, the test photos of a training with it will tell.",
        "",
    ]
    for name, value in found.settings.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list) else value
        lines.append(f"{name:<12}{shown}")
    return lines
