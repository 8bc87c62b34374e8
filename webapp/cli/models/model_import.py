"""`flask model import`: a network becomes a version, checked like a trained one."""

import json
import re
from dataclasses import asdict
from pathlib import Path

import click

from webapp.cli.history import TERMINAL, needs_history, options_as
from webapp.cli.models.group import bp
from webapp.extensions import get_config, get_registry
from webapp.inference.model_import.model_import import PREPROCESSING, Request, import_model
from webapp.inference.models.card import RESIZE_RULES
from webapp.services.models import promotion


class _Size(click.ParamType):
    """Height and width in pixels, as in 224x224."""

    name = "HxW"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """(height, width)."""
        size = re.fullmatch(r"(\d{1,5})[x×](\d{1,5})", str(value))
        if not size:
            text = f"a size is height x width in pixels, such as 224x224, not {value!r}"
            self.fail(text, param, ctx)
        return int(size[1]), int(size[2])


@bp.cli.command("import")
@click.argument("source", metavar="FILE", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--labels",
    default="",
    metavar="FILE|LIST",
    help="A file (lines, '0 name', class_indices.json, a JSON list) or first,second,third.",
)
@click.option("--name", default="", help="The model's name.  [default: from the file's]")
@click.option("--title", default="", help="What people call it.")
@click.option(
    "--preprocess",
    type=click.Choice(PREPROCESSING),
    default="auto",
    show_default=True,
    help="How photos were prepared in training. auto: as the network's first layers tell, else as "
    "fits --photos best, else it is refused.",
)
@click.option(
    "--photos",
    metavar="FOLDER",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Photos with known labels, a folder for each, to try with auto.",
)
@click.option(
    "--size",
    type=_Size(),
    help="Of the photos it was trained with, for a network that takes any size.",
)
@click.option(
    "--resize",
    type=click.Choice(RESIZE_RULES),
    default="stretch",
    show_default=True,
    help="How a photo is resized for the network.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="Confidence below which it answers 'unclassified'.",
)
@click.option(
    "--live", is_flag=True, help="Let it serve at once, if it is the first version of its name."
)
@click.option("--json", "as_json", is_flag=True, help="The result as one JSON object.")
@options_as(Request)
@needs_history
def _import_command(request: Request, live: bool, as_json: bool) -> None:
    """Make a version of FILE: a network (.keras, .h5, .hdf5), a folder or zip with one, an export.

    A folder or zip holds the network and its labels. It is checked, loaded and compiled in a
    process of its own; nothing in it can run code. The version waits until it is promoted.
    """
    imported = import_model(request, get_config().models, live=live)
    promotion.note_first(get_registry(), imported.name, imported.version, TERMINAL)
    if as_json:
        click.echo(json.dumps(asdict(imported), ensure_ascii=False))
        return
    for note in imported.notes:
        click.echo(note, err=True)
    name, version = imported.name, imported.version
    click.echo(
        f"{name} {version} is imported, not measured here: "
        f"flask model show {name} --version {version}"
    )
    is_live = get_registry().live_version(name) == version
    waits = f"It waits. To let it serve: flask model promote {name} {version}"
    click.echo("It is live." if is_live else waits)
