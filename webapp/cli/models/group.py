"""`flask model`: train a model, list what there is, show a card."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from flask import Blueprint

from webapp.cli.history import needs_history
from webapp.cli.labels.label_sets import labels_command, reread_command
from webapp.cli.models import model_import as importing
from webapp.cli.models import versions
from webapp.cli.training import search
from webapp.cli.training.dataset import (
    dataset_command,
    layout_options,
    recipe_for,
    start_of,
    weights_option,
)
from webapp.cli.training.evaluate import evaluate_command
from webapp.domain import Who
from webapp.errors import MarqueError
from webapp.extensions import get_config, get_registry
from webapp.services.models import promotion as promote

if TYPE_CHECKING:
    from webapp.inference.models.card import ModelCard

bp = Blueprint("cli_model", __name__, cli_group="model")
bp.cli.help = "Train and import models, look at their cards, choose which version serves."
for command in (
    dataset_command,
    evaluate_command,
    labels_command,
    reread_command,
    importing.import_command,
    search.search_command,
    *versions.COMMANDS,
):
    bp.cli.add_command(command)

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@bp.cli.command("train")
@click.argument("name")
@click.option(
    "--data",
    "data",
    multiple=True,
    required=True,
    type=FOLDER,
    help="A folder of photos, with one folder per label or in another layout. May be repeated.",
)
@layout_options
@weights_option
@click.option(
    "--recipe",
    "recipe_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A recipe of your own instead of NAME's.",
)
@click.option(
    "--unknown",
    type=FOLDER,
    help="A folder of photos of other things: measures how often the model admits that it does not know.",
)
@click.option(
    "--resume/--fresh",
    "resume",
    default=None,
    help="Insist on going on, or on starting again. Without either: go on if there is a run.",
)
@click.option(
    "--work",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for checkpoints.  [default: training/NAME in the data folder]",
)
@needs_history
def train_command(
    name: str,
    data: tuple[Path, ...],
    layout: str | None,
    image_column: str,
    label_column: str,
    weights: str,
    recipe_file: Path | None,
    unknown: Path | None,
    resume: bool | None,
    work: Path | None,
) -> None:
    """Train the model NAME and publish it as its next version. It can be stopped at any time and goes on after the last epoch."""
    os.environ.setdefault(
        "TF_CPP_MIN_LOG_LEVEL", "2"
    )  # its greetings would scroll the progress away
    try:
        # TensorFlow takes seconds to load and is not installed where photos are only served
        from webapp.training.train import Job, train
    except ImportError as error:
        raise click.ClickException(
            f"Training needs what requirements.txt lists ({error.name} is missing)."
        ) from error
    config = get_config()
    try:
        job = Job(
            recipe=recipe_for(name, recipe_file, layout, image_column, label_column),
            data=data,
            models=config.models,
            work=work or config.data / "training" / name,
            weights=start_of(weights),
            unknown=unknown,
            resume=resume,
        )
        outcome = train(job)
    except MarqueError as error:
        raise click.ClickException(str(error)) from error
    click.echo("\n".join(describe(outcome.card)))
    promote.note_first(get_registry(), name, outcome.version, Who("terminal"))
    live = get_registry().live_version(name)
    click.echo("It is live." if live == outcome.version else f"Version {live} stays live.")


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


def describe(card: ModelCard) -> list[str]:
    """A card in words, line by line."""
    test = card.metrics.get("test", {})
    lines = [f"{card.title} ({card.name} {card.version})", card.summary, ""]
    lines.append(
        f"{len(card.labels)} {card.noun_plural}: {', '.join(label.display for label in card.labels)}"
    )
    lines.append(f"Sees photos at {card.input.width} x {card.input.height} pixels.")
    lines.append(
        f"Says “unclassified” under {card.threshold:.0%}{', and when a photo looks unfamiliar' if card.familiarity else ''}."
    )
    lines += ["", *_accuracy("On photos it never saw", test)]
    lines += [
        line
        for source, figures in sorted(test.get("sources", {}).items())
        for line in _accuracy(f"  {source}", figures)
    ]
    if test.get("n"):
        before = f"{test['ece_before']:.1%} before temperature {card.temperature:.2f}"
        lines.append(f"Its confidence is off by {test['ece_after']:.1%} on average ({before}).")
    unknown = card.metrics.get("unknown")
    if unknown:
        lines.append(
            f"Of {unknown['n']} photos of other things it leaves {unknown['unclassified']:.0%} unclassified."
        )
    if test.get("per_label"):
        lines += ["", f"{card.noun:<22}{'photos':>7}{'found':>8}{'trust':>8}{'F1':>8}"]
        lines += [
            _label_line(label.display, test["per_label"].get(label.name, {}))
            for label in card.labels
        ]
    if card.limits:
        lines += ["", "What it cannot do:", *(f"  - {limit}" for limit in card.limits)]
    if card.data:
        lines += [
            "",
            "Learned from:",
            *(
                f"  - {one['photos']} {one['source']}; licence: {one['licence']}"
                for one in card.data
            ),
        ]
    if card.split.get("fingerprint"):
        lines += ["", f"Split {card.split['fingerprint'][:16]}, made {card.created_at}"]
    return lines


def _accuracy(name: str, figures: dict[str, Any]) -> list[str]:
    if not figures.get("n"):
        return [f"{name}: not measured"]
    low, high = figures["top1_interval"]
    return [
        f"{name}: {figures['top1']:.1%} of {figures['n']} right (95 % interval {low:.1%} to {high:.1%}), top five {figures['top5']:.1%}"
    ]


def _label_line(display: str, figures: dict[str, Any]) -> str:
    shares = "".join(
        f"{'-' if figures.get(key) is None else format(figures[key], '.0%'):>8}"
        for key in ("recall", "precision", "f1")
    )
    return f"{display:<22}{figures.get('n', 0):>7}{shares}"


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
