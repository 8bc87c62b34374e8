"""`flask photos purge|keep`: what goes for good, and the retention rule."""

import click

from webapp.cli.history import TERMINAL, needs_history
from webapp.cli.photos.group import bp
from webapp.extensions import get_files
from webapp.services.photos import deletion

_MB = 2**20


@bp.cli.command("purge")
@needs_history
def _purge_command() -> None:
    """Remove for good what was deleted longer than a week ago, and files that belong to no photo.
    Happens at every start too."""
    photos = deletion.purge(files=get_files())
    orphans = deletion.sweep(files=get_files())
    click.echo(f"{photos:,} photos removed for good, {orphans:,} files that belonged to none.")


@bp.cli.command("keep")
@click.option(
    "--per-class",
    required=True,
    metavar="NUMBER",
    help="How many photos of each class stay, the newest.",
)
@click.option(
    "--older-than",
    default="0d",
    show_default=True,
    metavar="AGE",
    help="Only photos older than this go: 90d, 12w, 2y.",
)
@click.option(
    "--dry-run/--apply",
    default=True,
    show_default=True,
    help="Only say what would go, or delete it.",
)
@needs_history
def _keep_command(per_class: str, older_than: str, dry_run: bool) -> None:
    """Keep a number of photos of each class and delete the rest. Labelled and starred photos never
    go.

    A class is the ground truth, else the first label of the answer. What is deleted can be brought
    back for a week.
    """
    number, age = deletion.parse_number(per_class), deletion.parse_age(older_than)
    surplus = deletion.surplus(number, age)
    for name, (count, going, size) in surplus.classes.items():
        if going:
            click.echo(
                f"{name or 'not answered'}\t{count:,} photos\t{going:,} go\t{size / _MB:.1f} MB"
            )
    if dry_run:
        click.echo(
            f"{surplus.photos:,} photos would go, {surplus.bytes / _MB:.1f} MB. Nothing was "
            "deleted: do it with --apply."
        )
    else:
        done = deletion.apply_rule(number, age, who=TERMINAL)
        days = deletion.GRACE.days
        click.echo(f"{done.changed:,} photos deleted. They go for good in {days} days.")
