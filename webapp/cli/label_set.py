"""`flask model labels`: the labels of a model as people see them."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from webapp.cli.ready import needs_history
from webapp.errors import MarqueError
from webapp.ext import get_registry
from webapp.inference.label_set import as_seen


@click.command("labels")
@click.argument("name")
@with_appcontext
@needs_history
def labels_command(name: str) -> None:
    """The labels of NAME as people see them: key, name, parent, aliases."""
    try:
        card = get_registry().card(name)
    except MarqueError as error:
        raise click.ClickException(str(error)) from error
    for label in map(as_seen, card.labels):
        click.echo(
            "\t".join((label.name, label.display, label.parent, ", ".join(label.aliases), "retired" if label.retired else "")).rstrip()
        )
