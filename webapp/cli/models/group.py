"""`flask model`: list what there is, show a card."""

import json
from dataclasses import asdict
from typing import Any

import click
from flask import Blueprint

from webapp.cli.labels.label_sets import labels_command, reread_command
from webapp.cli.models import model_import as importing
from webapp.cli.models import versions
from webapp.cli.models.card_text import describe
from webapp.cli.training.dataset import dataset_command
from webapp.cli.training.evaluate import evaluate_command
from webapp.cli.training.search import search_command
from webapp.cli.training.train import train_command
from webapp.errors import MarqueError
from webapp.extensions import get_registry

bp = Blueprint("cli_model", __name__, cli_group="model")
bp.cli.help = "Train and import models, look at their cards, choose which version serves."
for command in (
    dataset_command,
    evaluate_command,
    labels_command,
    reread_command,
    importing.import_command,
    search_command,
    train_command,
    *versions.COMMANDS,
):
    bp.cli.add_command(command)


@bp.cli.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON list.")
def list_command(as_json: bool) -> None:
    """Every version of every model: which one is live, and how often it was right on photos it had never seen."""
    rows = []
    for name in get_registry().names():
        for version in get_registry().versions(name):
            rows.append(_row(name, version))
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    elif not rows:
        click.echo("There is no model yet. Make one: flask model train NAME --data FOLDER")
    for row in [] if as_json else rows:
        right = (
            f"{row['top1']:.1%} of {row['n']} test photos"
            if row["top1"] is not None
            else row["problem"] or "not measured"
        )
        click.echo(f"{row['name']} {row['version']}\t{'live' if row['live'] else '-'}\t{right}")


@bp.cli.command("show")
@click.argument("name")
@click.option("--version", "version", type=int, help="Which version.  [default: the live one]")
@click.option("--json", "as_json", is_flag=True, help="The whole card as JSON.")
def show_command(name: str, version: int | None, as_json: bool) -> None:
    """The card of NAME in words."""
    try:
        card = (
            get_registry().published_card(name, version)
            if as_json
            else get_registry().card(name, version)
        )
    except MarqueError as error:
        raise click.ClickException(str(error)) from error
    click.echo(
        json.dumps(asdict(card), indent=2, ensure_ascii=False)
        if as_json
        else "\n".join(describe(card))
    )


def _row(name: str, version: int) -> dict[str, Any]:
    registry = get_registry()
    row: dict[str, Any] = {
        "name": name,
        "version": version,
        "live": registry.live_version(name) == version,
    }
    try:
        test = registry.card(name, version).metrics.get("test", {})
    except MarqueError as error:
        return row | {"top1": None, "n": 0, "problem": str(error)}
    return row | {"top1": test.get("top1"), "n": test.get("n", 0), "problem": ""}
