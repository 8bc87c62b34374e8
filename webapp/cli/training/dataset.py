"""`flask model dataset`: look at photos before training on them; and what the options of a training mean."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from webapp.errors import MarqueError
from webapp.extensions import get_registry
from webapp.inference.models.card import KERAS_FILE

if TYPE_CHECKING:
    from webapp.inference.models.held_out import LabelledPhoto
    from webapp.training.readers import Found
    from webapp.training.recipe import Recipe

LAYOUTS = ("folders", "table", "cars-devkit", "dogs")
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


def layout_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--layout`, `--image-column` and `--label-column`."""
    for option in (
        click.option(
            "--label-column",
            default="",
            help="Of a table: the column that names the label, if it has no usual name.",
        ),
        click.option(
            "--image-column",
            default="",
            help="Of a table: the column that names the photo, if it has no usual name.",
        ),
        click.option(
            "--layout",
            type=click.Choice(LAYOUTS),
            help="How the data is laid out.  [default: the recipe's, or folders]",
        ),
    ):
        command = option(command)
    return command


weights_option = click.option(
    "--weights",
    default="imagenet",
    show_default=True,
    help="Where the backbone starts: a weights file, a version of ours (NAME@VERSION), 'imagenet' (downloaded) or 'none'.",
)


def recipe_for(
    name: str, recipe_file: Path | None, layout: str | None, image_column: str, label_column: str
) -> Recipe:
    """The recipe of the model NAME, or the one in the file, for data laid out in this way. Raises `TrainingError`."""
    from webapp.training.recipe import find_recipe, laid_out, named, read_recipe

    return named(
        laid_out(
            read_recipe(recipe_file) if recipe_file else find_recipe(name),
            layout,
            image_column,
            label_column,
        ),
        name,
    )


def photos_in(
    name: str, data: tuple[Path, ...], layout: str | None, image_column: str, label_column: str
) -> tuple[list[LabelledPhoto], list[str]]:
    """The labelled photos in data folders, each content once; and a sentence for each line or file that is left out.

    Boxes are cut out as in training. Raises `TrainingError`.
    """
    from webapp.inference.models.held_out import find_photos, once_each

    where = recipe_for(name, None, layout, image_column, label_column).layout
    if where.kind == "folders":
        kept, twice = find_photos(data)
        missing: list[str] = []
    else:
        try:
            from webapp.training.readers import list_photos
        except ImportError as error:
            raise click.ClickException(
                f"This layout needs what requirements.txt lists ({error.name} is missing)."
            ) from error
        listings = [list_photos(folder, where) for folder in data]
        kept, twice = once_each(
            (one.path, one.label, one.box) for listing in listings for one in listing.photos
        )
        missing = [line for listing in listings for line in listing.missing]
    return kept, [
        *missing,
        *(f"{one}: the same file lies under another label too" for one in twice),
    ]


def start_of(weights: str) -> str | Path:
    """Where a backbone starts, from the option: "imagenet", "none", a file, or the network of the version NAME@VERSION."""
    if weights in ("imagenet", "none"):
        return weights
    name, at, version = weights.rpartition("@")
    if at and version.isdecimal() and not Path(weights).exists():
        return get_registry().version_folder(name, int(version)) / KERAS_FILE
    return Path(weights)


@click.command("dataset")
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
    "--recipe",
    "recipe_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A recipe of your own instead of NAME's.",
)
@click.option("--json", "as_json", is_flag=True, help="Everything as one JSON object.")
def dataset_command(
    name: str,
    data: tuple[Path, ...],
    layout: str | None,
    image_column: str,
    label_column: str,
    recipe_file: Path | None,
    as_json: bool,
) -> None:
    """Look at the photos that NAME would be trained on: counts, unreadable files, duplicates, contradictory labels."""
    try:
        # the training room is not installed where photos are only served
        from webapp.training.dataset_report import in_words, report
        from webapp.training.recipe import source_of
    except ImportError as error:
        raise click.ClickException(
            f"This needs what requirements.txt lists ({error.name} is missing)."
        ) from error
    try:
        recipe = recipe_for(name, recipe_file, layout, image_column, label_column)
        found = report(
            recipe, [(folder, source_of(recipe, folder).name) for folder in data], _shown
        )
    except MarqueError as error:
        raise click.ClickException(str(error)) from error
    click.echo(
        json.dumps(found.as_json(), indent=2, ensure_ascii=False)
        if as_json
        else "\n".join(in_words(found))
    )


def _shown(photos: Iterable[Found]) -> Iterator[Found]:
    """The same photos, with a progress bar on standard error."""
    with click.progressbar(list(photos), label="Reading", file=sys.stderr, show_pos=True) as bar:
        yield from bar
