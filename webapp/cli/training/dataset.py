"""`flask model dataset`: look at photos before training on them."""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from webapp.cli.training.options import (
    DataOptions,
    data_option,
    layout_options,
    options_as,
    recipe_option,
)
from webapp.errors import MarqueError

if TYPE_CHECKING:
    from webapp.training.readers import ListedPhoto


@click.command("dataset")
@click.argument("name")
@data_option
@layout_options
@recipe_option
@click.option("--json", "as_json", is_flag=True, help="Everything as one JSON object.")
@options_as(DataOptions)
def dataset_command(
    options: DataOptions, name: str, recipe_file: Path | None, as_json: bool
) -> None:
    """Look at the photos that NAME would be trained on: counts, duplicates, doubtful labels."""
    from webapp.training.dataset_report import make_report, report_lines
    from webapp.training.recipe import source_of

    try:
        recipe = options.recipe(name, recipe_file)
        folders = [(folder, source_of(recipe, folder).name) for folder in options.data]
        report = make_report(recipe, folders, _with_progress_bar)
    except MarqueError as error:
        raise click.ClickException(str(error)) from error
    lines = report_lines(report)
    click.echo(
        json.dumps(report.as_json(), indent=2, ensure_ascii=False) if as_json else "\n".join(lines)
    )


def _with_progress_bar(photos: "Iterable[ListedPhoto]") -> "Iterator[ListedPhoto]":
    with click.progressbar(list(photos), label="Reading", file=sys.stderr, show_pos=True) as bar:
        yield from bar
