"""The options that name photos to train or measure on, and a recipe."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from webapp.errors import TrainingError
from webapp.extensions import get_config, get_registry
from webapp.inference.models.card import KERAS_FILE
from webapp.inference.models.detector_gate import TruePhoto
from webapp.inference.models.held_out import LabelledPhoto, hashed, once_each

if TYPE_CHECKING:
    from webapp.training.recipe import Recipe

_Command = TypeVar("_Command", bound=Callable[..., Any])
_T = TypeVar("_T")
LAYOUTS = ("folders", "table", "cars-devkit", "dogs")
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Folders of photos, and how they are laid out."""

    data: tuple[Path, ...]
    layout: str | None
    image_column: str
    label_column: str
    recipe_file: Path | None = None

    def recipe(self, name: str) -> "Recipe":
        """That in the file, or of the model NAME, for this layout. Raises `TrainingError`."""
        from webapp.training.recipe import find_recipe, laid_out, named, read_recipe

        recipe = read_recipe(self.recipe_file) if self.recipe_file else find_recipe(name)
        return named(laid_out(recipe, self.layout, self.image_column, self.label_column), name)


def layout_options(command: _Command) -> _Command:
    """`--layout`, `--image-column` and `--label-column`."""
    for what, column in (("label", "--label-column"), ("photo", "--image-column")):
        text = f"Of a table: the column that names the {what}, if it has no usual name."
        command = click.option(column, default="", help=text)(command)
    text = "How the data is laid out.  [default: the recipe's, or folders]"
    return click.option("--layout", type=click.Choice(LAYOUTS), help=text)(command)


def data_options(command: _Command, *, required: bool = True) -> _Command:
    """`--data`, which may be `required`, those of `layout_options`, and `--recipe`."""
    recipe = click.option(
        "--recipe",
        "recipe_file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="A recipe of your own instead of NAME's.",
    )
    data = click.option(
        "--data",
        multiple=True,
        required=required,
        type=FOLDER,
        help="A folder of photos, with a folder per label or in another layout. May be repeated.",
    )
    return data(layout_options(recipe(command)))


unknown_option = click.option(
    "--unknown",
    type=FOLDER,
    help="A folder of photos of other things: how often it admits that it does not know.",
)
weights_option = click.option(
    "--weights",
    default="imagenet",
    show_default=True,
    help="Where the backbone starts: a weights file, a version that is here (NAME@VERSION), "
    "'imagenet' (downloaded) or 'none'.",
)


def weights_of(option: str) -> str | Path:
    """Where a backbone starts: "imagenet", "none", a file, or the network of NAME@VERSION."""
    name, separator, version = option.rpartition("@")
    if separator and version.isdecimal() and not Path(option).exists():
        return get_registry().version_folder(name, int(version)) / KERAS_FILE
    return option if option in ("imagenet", "none") else Path(option)


def photos_in(name: str, options: DataOptions) -> tuple[list[LabelledPhoto], list[str]]:
    """The labelled photos in data folders, each once, and sentences about those left out.

    Boxes are cut out as in training. Raises `TrainingError`.
    """
    from webapp.training.car_boxes import as_served
    from webapp.training.readers import list_data

    recipe = options.recipe(name)
    listing = list_data(options.data, recipe)
    if recipe.cars == "detect" and get_config().detector:
        listing = as_served(listing, get_config().models)
    kept, _, two_labels = once_each(map(hashed, listing.photos))
    twice = (f"{name}: the same file lies under another label too" for name in two_labels)
    return kept, [*listing.missing, *twice]


def true_photos(name: str, data: Iterable[Path], unknown: Path | None) -> list[TruePhoto]:
    """The photos that detectors are compared on, each once: those of data folders with the boxes of
    their cars, and those of `unknown` without. Raises `TrainingError`."""
    from webapp.training.detector.data import photos_with_truth
    from webapp.training.detector.recipe import find_detector_recipe

    recipe = find_detector_recipe(name)
    if recipe is None:
        raise TrainingError(f"No recipe is called {name}: it would say which boxes are cars.")
    return photos_with_truth(data, unknown, recipe)


def with_progress_bar(label: str) -> Callable[[Iterable[_T]], Iterator[_T]]:
    """A function that passes things on one by one, with a progress bar on standard error."""

    def watch(items: Iterable[_T]) -> Iterator[_T]:
        with click.progressbar(list(items), label=label, file=sys.stderr, show_pos=True) as bar:
            yield from bar

    return watch


@contextmanager
def needs_training_libraries() -> Iterator[None]:
    """Say what is missing where an import fails; TensorFlow is not installed to serve only."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # else it writes over the progress bar
    try:
        yield
    except ImportError as error:
        raise click.ClickException(
            f"This needs what requirements.txt lists ({error.name} is missing)."
        ) from error
