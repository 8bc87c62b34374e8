"""`flask model`: the list of models, and a card."""

import json
from dataclasses import asdict
from typing import Any

import click

from webapp.cli.history import command_group
from webapp.cli.models.card_text import describe, describe_detector
from webapp.errors import MarqueError
from webapp.extensions import get_registry
from webapp.inference.models.detector_card import DetectorCard

bp = command_group(
    "model", "Train and import models, look at their cards, choose which version serves."
)


@bp.cli.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON list.")
def _list_command(as_json: bool) -> None:
    """Every version of every model: whether it is live, and its accuracy on held-out photos."""
    registry = get_registry()
    names = [*registry.names(), *registry.detectors()]
    rows = [_row(name, number) for name in names for number in registry.versions(name)]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    if not rows:
        click.echo("There is no model yet. Make one: flask model train NAME --data FOLDER")
    for row in rows:
        right = row["problem"] or "not measured"
        if row["top1"] is not None:
            right = f"{row['top1']:.1%} of {row['n']} test photos"
        if row["ap50"] is not None:
            right = f"average precision {row['ap50']:.1%} on {row['n']} test photos"
        click.echo(f"{row['name']} {row['version']}\t{'live' if row['live'] else '-'}\t{right}")


@bp.cli.command("show")
@click.argument("name")
@click.option("--version", "version", type=int, help="Which version.  [default: the live one]")
@click.option("--json", "as_json", is_flag=True, help="The whole card as JSON.")
def _show_command(name: str, version: int | None, as_json: bool) -> None:
    """The card of NAME in words."""
    registry = get_registry()
    card = registry.any_card(name, version)
    if as_json:
        if not isinstance(card, DetectorCard):
            card = registry.published_card(name, version)
        click.echo(json.dumps(asdict(card), indent=2, ensure_ascii=False))
    elif isinstance(card, DetectorCard):
        click.echo("\n".join(describe_detector(card)))
    else:
        click.echo("\n".join(describe(card)))


def _row(name: str, version: int) -> dict[str, Any]:
    registry = get_registry()
    is_live = registry.live_version(name) == version
    test: dict[str, Any] = {}
    problem = ""
    try:
        test = registry.any_card(name, version).metrics.get("test", {})
    except MarqueError as error:
        problem = str(error)
    row = {"name": name, "version": version, "live": is_live}
    photos = test.get("n", test.get("photos", 0))
    figures = {"top1": test.get("top1"), "ap50": test.get("ap50"), "n": photos}
    return row | figures | {"problem": problem}
