"""`flask photos import`: labels from elsewhere for the photos here, and new photos of a folder."""

import sys
from contextlib import closing
from pathlib import Path

import click

from webapp.cli.history import TERMINAL, needs_history
from webapp.cli.photos.group import bp
from webapp.cli.photos.paths import find_photos
from webapp.cli.photos.store import store_photos
from webapp.cli.progress import watch
from webapp.domain import ALL_MODELS
from webapp.errors import MarqueError
from webapp.extensions import get_cards, get_pipeline
from webapp.label_files.folders import read_label_folders
from webapp.label_files.registry import read_labels
from webapp.services.labels.import_plan import UNKNOWN, Plan, plan_import
from webapp.services.labels.label_import import apply_import

_FOLDERS = "folders"


@bp.cli.command("import")
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--labels",
    default="",
    metavar="folders|FILE",
    help="For a folder: where its labels are.  [default: folders]",
)
@click.option(
    "--add",
    is_flag=True,
    help="For a folder: photos that are not here yet are ranked and remembered first.",
)
@click.option(
    "--by-name",
    is_flag=True,
    help="A photo of the same file name is meant, also when the file is another.",
)
@click.option("--replace", is_flag=True, help="Photos that have another label get the new one.")
@click.option(
    "--dry-run/--apply",
    default=True,
    show_default=True,
    help="Only say what would happen, or do it.",
)
@click.option("--quiet", is_flag=True, help="No progress.")
@needs_history
def _import_command(
    source: Path, labels: str, add: bool, by_name: bool, replace: bool, dry_run: bool, quiet: bool
) -> None:
    """Give photos the labels of SOURCE: a .csv, .tsv or .jsonl file, a .json file of Label Studio,
    COCO, Datumaro or FiftyOne, an .xml file of CVAT, a .zip of one of these, of YOLO or of folders,
    or a folder of photos. Its boxes are about the cars here that have
    them; others are drawn.

    Photos are found by their id or the SHA-256 of their file, else by file name. A folder's labels
    are the names of its folders, or in the file that --labels names. All changes are one batch,
    which is undone as one in the label log.
    """
    folder = source.is_dir()
    if add and not folder:
        raise click.UsageError("--add takes a folder of photos.")
    file = None if folder and labels in ("", _FOLDERS) else Path(labels) if folder else source
    try:
        refused = _add(source, quiet) if add and not dry_run else 0
        plan = _plan(source, file, by_name)
        if not plan.lines:
            raise click.ClickException(
                f"There are no labels in {file or source}. "
                "A folder of labels has a folder for each class."
            )
        coming = plan.troubles.pop(UNKNOWN, 0) if add and dry_run else 0
        _show_plan(plan, replace)
        if coming:
            click.echo(
                f"{coming:,} are about photos that are not here yet: "
                "with --apply those of the folder come in first."
            )
        elif plan.troubles[UNKNOWN] and folder and not add:
            click.echo("To take in the photos of the folder that are not here yet, add --add.")
        if not dry_run:
            why = (file or source).name[:200]
            done = apply_import(
                plan, get_pipeline(ALL_MODELS), replace=replace, who=TERMINAL, why=why
            )
            batch = f" Batch {done.batch}" if done.batch else ""
            what = "labelled or drawn" if plan.drawn else "labelled"
            click.echo(f"{done.changed:,} cars {what}.{batch}")
        elif plan.changes or coming:
            click.echo("Nothing was changed. Do it with --apply.")
    except OSError as error:
        raise click.ClickException(f"{error.filename} cannot be read: {error.strerror}.") from error
    sys.exit(1 if plan.troubles.total() or refused else 0)


def _plan(source: Path, file: Path | None, by_name: bool) -> Plan:
    cards = get_cards()
    if file is None:
        return plan_import(read_label_folders(source), cards, by_name=by_name)
    with file.open("rb") as stream:
        return plan_import(read_labels(stream, file.name), cards, by_name=by_name)


def _add(folder: Path, quiet: bool) -> int:
    """Rank and remember what is not here yet; refused files are named. Returns how many were."""
    paths = list(find_photos([str(folder)]))
    new, refused = 0, []
    with closing(store_photos(paths, get_pipeline())) as stored:
        for path, done in watch(stored, len(paths), "Adding", quiet=quiet):
            if isinstance(done, MarqueError):
                refused.append(f"{path}: {done}")
            else:
                new += not done.duplicate
    for line in refused:
        click.echo(line, err=True)
    click.echo(f"{new:,} photos added." + (f" {len(refused):,} were refused." if refused else ""))
    return len(refused)


def _show_plan(plan: Plan, replace: bool) -> None:
    click.echo(
        f"{plan.lines:,} lines: {plan.new:,} cars get a label, {plan.same:,} have it already, "
        f"{plan.empty:,} lines have no label."
    )
    if plan.drawn:
        click.echo(f"{plan.drawn:,} boxes that no car here has are drawn.")
    if plan.conflicts:
        what = "get the new one" if replace else "keep it; --replace gives them the new one"
        click.echo(f"{plan.conflicts:,} cars have another label and {what}.")
    for kind, number in sorted(plan.troubles.items()):
        click.echo(f"{number:,} left out, {kind}:")
        for example in plan.examples[kind]:
            click.echo(f"  {example}")
