"""`flask photos export`: the history, or what a filter leaves of it, as a file or a folder of
photos."""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from webapp.cli.history import needs_history
from webapp.cli.photos.group import bp
from webapp.cli.progress import watch
from webapp.extensions import get_config, get_tools
from webapp.gallery_filter import parse_filter
from webapp.services.exports import to_disk
from webapp.services.exports.export_format import Record
from webapp.services.exports.formats import FORMATS, folders
from webapp.services.exports.order import PHOTOS, UNITS, ExportOrder, left_out, size_of
from webapp.services.jobs.job_type import Json
from webapp.services.photos.filters import check_model


@bp.cli.command("export")
@click.option(
    "--format", required=True, type=click.Choice(list(FORMATS)), help="How it is written."
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="The file (- for stdout); for folders, the folder.",
)
@click.option(
    "--where",
    multiple=True,
    metavar="NAME=VALUE",
    help="A filter of the gallery, such as outcome=wrong. Repeatable.",
)
@click.option(
    "--after",
    default="",
    metavar="ID",
    help="Only photos that came after this one; not for folders.",
)
@click.option(
    "--unit",
    type=click.Choice(UNITS),
    default=PHOTOS,
    show_default=True,
    help="Folders: whole photos, each car with a class, cut out, or photos in which people checked "
    "every car, with boxes, to train a detector on.",
)
@click.option(
    "--metadata",
    type=click.Choice(["keep", "strip"]),
    default="keep",
    show_default=True,
    help="Folders: what to do with EXIF.",
)
@click.option(
    "--base-url",
    default="",
    metavar="URL",
    help="Where this Marque is, for addresses in the export.  [default: host and port]",
)
@click.option("--quiet", is_flag=True, help="No progress.")
@needs_history
def _export_command(
    format: str,
    out: Path,
    where: tuple[str, ...],
    after: str,
    unit: str,
    metadata: str,
    base_url: str,
    quiet: bool,
) -> None:
    """Write photos and what is known about them, oldest first; a manifest with counts and checksums
    is written with it.

    An interrupted export goes on when the same command is given again. `folders` holds the photos
    that a person gave a class, a folder for each, as `flask model train --data` reads them, with
    `--unit boxes` as a detector's training reads them; brought up to date, it keeps what is there.
    """
    try:
        home = base_url or f"http://{get_config().host}:{get_config().port}"
        wanted = parse_filter(dict(map(_name_and_value, where)))
        check_model(wanted, get_tools().registry)
        order = ExportOrder(
            FORMATS[format],
            wanted,
            after,
            keep_metadata=metadata == "keep",
            base_url=home,
            unit=unit,
        )
        manifest = _write(order, out, quiet)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise click.ClickException(f"{out} cannot be written: {error.strerror}.") from error
    click.echo(_summary(manifest), err=True)
    if manifest["lost"]:
        ids = ", ".join(manifest["lost"])
        click.echo(f"The files of these photos are missing or damaged: {ids}", err=True)
        sys.exit(1)


def _write(order: ExportOrder, out: Path, quiet: bool) -> Json:
    tools, size = get_tools(), size_of(order.wanted)
    total = size.photos - sum(left_out(order).values())

    def progress(photos: Iterator[Record]) -> Iterator[Record]:
        return watch(photos, total, "Exporting", quiet=quiet)

    if order.format is folders.FORMAT:
        if str(out) == "-":
            raise click.UsageError("--format folders writes a folder: name one with --out.")
        if order.after:
            raise click.UsageError("--after is not for folders: what is there already is kept.")
        return to_disk.export_folder(order, out, tools=tools, watch=progress)
    if str(out) == "-":
        return to_disk.export_stream(order, sys.stdout.buffer, tools=tools, watch=progress)
    return to_disk.export_file(order, out, tools=tools, watch=progress)


def _name_and_value(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"--where takes NAME=VALUE, such as outcome=wrong, got {text!r}.")
    return name.strip(), value.strip()


def _summary(manifest: Json) -> str:
    words = [f"{manifest['photos']:,} photos exported"]
    if "crops" in manifest:
        words = [f"{manifest['crops']:,} cars of {words[0]}"]
    for name, number in sorted(manifest["left_out"].items()):
        words.append(f"{number:,} {name} left out")
    if manifest.get("removed"):
        words.append(f"{manifest['removed']:,} removed that no longer belong")
    return f"{', '.join(words)}; labels up to event {manifest['label_event']}."
