"""`flask model labels` and `reread`: the labels of a model as people see them, and photos and answers read again after they changed."""

from typing import BinaryIO

import click
from flask.cli import with_appcontext

from webapp.cli.history import needs_history
from webapp.domain import Who
from webapp.errors import MarqueError
from webapp.extensions import get_registry
from webapp.inference.models.label_set import SeenLabel, as_seen
from webapp.services.labels import label_set_files
from webapp.services.labels import remapping as rereading
from webapp.services.labels.remapping import Progress

TERMINAL = Who("terminal")


@click.command("labels")
@click.argument("name")
@click.option(
    "--format",
    "shape",
    type=click.Choice(("text", "csv", "json")),
    default="text",
    help="A table or JSON: what --import reads.",
)
@click.option(
    "--import",
    "source",
    type=click.File("rb"),
    help="Take in a label set: what it changes, or with --apply the change.",
)
@click.option("--apply", is_flag=True, help="With --import: change the labels.")
@with_appcontext
@needs_history
def labels_command(name: str, shape: str, source: BinaryIO | None, apply: bool) -> None:
    """The labels of NAME as people see them: key, name, parent, aliases, and whether it is retired, merged or split from another."""
    try:
        if source is not None:
            _take_in(name, source.read(label_set_files.LARGEST + 1), apply=apply)
            return
        card = get_registry().card(name)
    except MarqueError as error:
        raise click.ClickException(str(error)) from error
    if shape != "text":
        click.echo(
            label_set_files.to_json(card) if shape == "json" else label_set_files.to_table(card),
            nl=False,
        )
        return
    for label in map(as_seen, (*card.labels, *getattr(card, "added", ()))):
        click.echo(
            "\t".join(
                (label.name, label.display, label.parent, ", ".join(label.aliases), _state(label))
            ).rstrip()
        )


@click.command("reread")
@click.argument("name")
@with_appcontext
@needs_history
def reread_command(name: str) -> None:
    """Read the photos and answers of NAME again after labels were merged or split, from where that was stopped."""
    try:
        get_registry().published_card(name)
    except MarqueError as error:
        raise click.ClickException(str(error)) from error
    rereading.go_on(get_registry(), name, watch=_tell)
    click.echo(f"Every photo and answer of {name} reads as its labels are now.")


def _take_in(name: str, content: bytes, *, apply: bool) -> None:
    planned = label_set_files.take_in(
        get_registry().published_card(name), content, who=TERMINAL, apply=apply
    )
    for one in planned:
        click.echo(f"{one.label}: {one.change}")
    if apply:
        rereading.go_on(get_registry(), name, watch=_tell)
        click.echo(f"{len(planned)} changed.")
    else:
        click.echo(
            f"{len(planned)} would change; --apply changes them."
            if planned
            else "This file changes nothing."
        )


def _tell(where: Progress) -> None:
    click.echo(f"\r{where.stage}: {where.share:4.0%} ", nl=False, err=True)


def _state(label: SeenLabel) -> str:
    if label.merged:
        return f"reads as {label.merged}"
    return "retired" if label.retired else f"split from {label.split}" if label.split else ""
