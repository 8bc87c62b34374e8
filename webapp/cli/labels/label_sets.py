"""`flask model labels` and `reread`: the labels of a model as people see them."""

from typing import BinaryIO

import click

from webapp.cli.history import TERMINAL, needs_history
from webapp.cli.models.group import bp
from webapp.extensions import get_registry
from webapp.inference.models.label_set import CurrentLabel, all_labels
from webapp.services.labels import label_set_files
from webapp.services.labels.remap import Editor, remap_all


@bp.cli.command("labels")
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
@needs_history
def _labels_command(name: str, shape: str, source: BinaryIO | None, apply: bool) -> None:
    """The labels of NAME as people see them: key, name, parent, aliases, and whether it is retired,
    merged or split from another."""
    if source is not None:
        _import_file(name, source.read(label_set_files.LARGEST + 1), apply=apply)
        return
    card = get_registry().card(name)
    if shape != "text":
        click.echo(
            label_set_files.to_json(card) if shape == "json" else label_set_files.to_table(card),
            nl=False,
        )
        return
    for label in all_labels(card):
        aliases = ", ".join(label.aliases)
        cells = (label.name, label.display, label.parent, aliases, _state(label))
        click.echo("\t".join(cells).rstrip())


@bp.cli.command("reread")
@click.argument("name")
@needs_history
def _reread_command(name: str) -> None:
    """Bring the photos and answers of NAME up to date after labels were merged or split."""
    get_registry().published_card(name)
    remap_all(get_registry(), name, _show_progress)
    click.echo(f"Every photo and answer of {name} reads as its labels are now.")


def _import_file(name: str, content: bytes, *, apply: bool) -> None:
    registry, large = get_registry(), list[str]()
    editor = Editor(TERMINAL, registry, large.append)
    planned = label_set_files.import_file(
        registry.published_card(name), content, editor, apply=apply
    )
    for label, change in planned:
        click.echo(f"{label}: {change}")
    for model in large:
        remap_all(registry, model, _show_progress)
    if apply:
        click.echo(f"{len(planned)} changed.")
    elif planned:
        click.echo(f"{len(planned)} would change; --apply changes them.")
    else:
        click.echo("This file changes nothing.")


def _show_progress(done: int, total: int) -> None:
    click.echo(f"\ranswers: {done / max(total, 1):4.0%} ", nl=False, err=True)


def _state(label: CurrentLabel) -> str:
    if label.merged:
        return f"reads as {label.merged}"
    return "retired" if label.retired else f"split from {label.split}" if label.split else ""
