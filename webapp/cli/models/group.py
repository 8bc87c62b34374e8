"""`flask model`: the list of models, and a card."""

import json
from dataclasses import asdict
from typing import Any

import click

from webapp.cli.history import command_group
from webapp.cli.models.card_text import describe
from webapp.errors import MarqueError
from webapp.extensions import get_registry

bp = command_group(
    "model", "Train and import models, look at their cards, choose which version serves."
)


@bp.cli.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON list.")
def _list_command(as_json: bool) -> None:
    """Every version of every model: whether it is live, and its accuracy on held-out photos."""
    registry = get_registry()
    rows = [_row(name, number) for name in registry.names() for number in registry.versions(name)]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    if not rows:
        click.echo("There is no model yet. Make one: flask model train NAME --data FOLDER")
    for row in rows:
        right = row["problem"] or "not measured"
        if row["top1"] is not None:
            right = f"{row['top1']:.1%} of {row['n']} test photos"
        click.echo(f"{row['name']} {row['version']}\t{'live' if row['live'] else '-'}\t{right}")


@bp.cli.command("show")
@click.argument("name")
@click.option("--version", "version", type=int, help="Which version.  [default: the live one]")
@click.option("--json", "as_json", is_flag=True, help="The whole card as JSON.")
def _show_command(name: str, version: int | None, as_json: bool) -> None:
    """The card of NAME in words."""
    registry = get_registry()
    if as_json:
        card = registry.published_card(name, version)
        click.echo(json.dumps(asdict(card), indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(describe(registry.card(name, version))))


def _row(name: str, version: int) -> dict[str, Any]:
    registry = get_registry()
    is_live = registry.live_version(name) == version
    test: dict[str, Any] = {}
    problem = ""
    try:
        test = registry.card(name, version).metrics.get("test", {})
    except MarqueError as error:
        problem = str(error)
    row = {"name": name, "version": version, "live": is_live}
    return row | {"top1": test.get("top1"), "n": test.get("n", 0), "problem": problem}
