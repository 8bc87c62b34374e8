"""`flask photos`: rank files and folders from the terminal; the other commands of the group are added here."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import click
from flask import Blueprint

from webapp import cells
from webapp.cli.exporting import export_command
from webapp.cli.finding import ENDINGS, find_photos, read_photo
from webapp.cli.keeping import keep_command, purge_command
from webapp.cli.labelling import import_command
from webapp.cli.ready import needs_history
from webapp.errors import MarqueError
from webapp.ext import get_card, get_classifiers, get_cupboard
from webapp.inference.classifier import Classifier
from webapp.inference.turnstile import Turnstile
from webapp.services import classify, history, words
from webapp.services.relabel import new_batch
from webapp.values import ALL_MODELS, RankedLabel, Who

bp = Blueprint("cli_photos", __name__, cli_group="photos")
bp.cli.help = "Rank photos from the terminal, and take them and their labels in and out."
for command in (export_command, import_command, purge_command, keep_command):
    bp.cli.add_command(command)

COLUMNS = ("path", "decision", "label", "confidence", "second", "second_confidence", "model", "version", "elapsed_ms", "photo", "error")
AHEAD = 32
Said = tuple[dict[str, Any], list[dict[str, Any]]]
"""A photo's row so far, and what each model said about it; nothing when it was refused."""


@bp.cli.command("classify")
@click.argument("paths", nargs=-1, required=True, type=click.Path())
@click.option("--json", "json_to", type=click.File("w", encoding="utf-8", lazy=True), help="Write a JSON list to FILE (- for stdout).")
@click.option("--csv", "csv_to", type=click.File("w", encoding="utf-8", lazy=True), help="Write a CSV table to FILE (- for stdout).")
@click.option("--store/--no-store", default=False, show_default=True, help="Remember the photos in the history, as an upload would.")
@click.option("--truth", default="", metavar="LABEL", help="With --store: the ground truth of all these photos.")
@click.option("--model", default="", metavar="NAME|all", help="Which live model looks at them, or all.  [default: the site's]")
@click.option("--quiet", is_flag=True, help="No progress bar.")
@needs_history
def classify_command(
    paths: tuple[str, ...], json_to: IO[str] | None, csv_to: IO[str] | None, store: bool, truth: str, model: str, quiet: bool
) -> None:
    """Rank every photo in PATHS: files, folders (with all below them) or patterns like '*.jpg'.

    Without --json or --csv one line for each photo is printed. Files that cannot be read are named at the end, and the exit code is 1.
    """
    if truth and not store:
        raise click.UsageError("--truth needs --store.")
    found = list(find_photos(paths))
    if not found:
        raise click.ClickException("No photo in these paths. Folders are searched for " + ", ".join(sorted(ENDINGS)) + ".")
    try:
        classifiers = get_classifiers(model)
    except MarqueError as error:
        raise click.ClickException(str(error)) from error
    answers = _store(found, classifiers, truth) if store else _look(found, classifiers)
    results = (_row(row, said, every=model == ALL_MODELS) for row, said in answers)
    rows: list[dict[str, Any]] = []
    plain = json_to is None and csv_to is None
    with click.progressbar(results, length=len(found), label="Ranking", file=sys.stderr, show_pos=True, hidden=quiet) as bar:
        for row in bar:
            rows.append(row)
            if plain:
                click.echo(_line(row))
    if json_to is not None:
        json.dump(rows, json_to, indent=1)
        json_to.write("\n")
    if csv_to is not None:
        csv_to.write(to_csv(rows))
    failed = [row for row in rows if "error" in row]
    for row in failed:
        click.echo(f"{row['path']}: {row['error']}", err=True)
    click.echo(f"{len(rows) - len(failed)} ranked, {len(failed)} failed.", err=True)
    sys.exit(1 if failed else 0)


def to_csv(rows: list[dict[str, Any]]) -> str:
    """A table with a header, a line for each photo and model."""
    return cells.to_csv(COLUMNS, (_cells(row, said) for row in rows for said in row.get("predictions") or [row.get("prediction") or {}]))


def _cells(row: dict[str, Any], said: dict[str, Any]) -> tuple[object, ...]:
    second = (said.get("ranked") or [{}, {}])[1]
    model = said.get("model", {})
    return (
        row["path"],
        said.get("decision", ""),
        said.get("label", ""),
        said.get("confidence", ""),
        second.get("label", ""),
        second.get("probability", ""),
        model.get("name", ""),
        model.get("version", ""),
        said.get("elapsed_ms", ""),
        row.get("photo", ""),
        row.get("error", ""),
    )


def _look(found: list[Path], classifiers: list[Classifier]) -> Iterator[Said]:
    """Rank without storing, on all cores, for nobody else waits here; results come in order."""
    cores = os.cpu_count() or 1
    turnstile = Turnstile(cores, waiting=cores)
    seen = {each.card.name: get_card(each.card.name) or each.card for each in classifiers}  # asked here: threads cannot ask the history

    def one(path: Path) -> Said:
        row: dict[str, Any] = {"path": _shown(path)}
        try:
            answers = classify.answer_by_all(
                read_photo(path), classifiers=classifiers, turnstile=turnstile, read=lambda card: seen[card.name]
            )
        except MarqueError as error:
            return row | {"error": str(error)}, []
        return row, [
            _prediction(said.decision, said.model, said.version, said.ranked, said.reading.familiarity, said.elapsed_ms) for said in answers
        ]

    with ThreadPoolExecutor(cores) as pool:
        for start in range(0, len(found), AHEAD):
            yield from pool.map(one, found[start : start + AHEAD])


def _store(found: list[Path], classifiers: list[Classifier], truth: str) -> Iterator[Said]:
    """Rank and remember one after the other, each in its own transaction: what was printed is kept."""
    cupboard = get_cupboard()
    names = [one.card.name for one in classifiers]
    batch = new_batch() if len(found) > 1 else ""
    for path in found:
        row: dict[str, Any] = {"path": _shown(path)}
        try:
            done = classify.classify_photo(
                read_photo(path),
                classifier=classifiers[0],
                others=classifiers[1:],
                files=cupboard.files,
                turnstile=cupboard.turnstile,
                who=Who("terminal"),
                ground_truth=truth,
                place="cli",
                batch=batch,
            )
        except MarqueError as error:
            yield row | {"error": str(error)}, []
            continue
        kept = {one.prediction.model: _kept(one.prediction) for one in history.opinions(done.photo)}
        yield row | {"photo": done.photo.public_id, "duplicate": done.duplicate}, [kept[name] for name in names]


def _row(row: dict[str, Any], predictions: list[dict[str, Any]], *, every: bool) -> dict[str, Any]:
    """A line of the result: the first prediction, and all of them when every model was asked."""
    if not predictions:
        return row
    return row | {"prediction": predictions[0]} | ({"predictions": predictions} if every else {})


def _kept(row: history.Prediction) -> dict[str, Any]:
    lines = tuple(RankedLabel(one.rank, one.label, -1, one.probability) for one in row.top)
    return _prediction(row.decision, row.model, row.version, lines, row.familiarity, row.elapsed_ms)


def _prediction(
    decision: str, model: str, version: int, ranking: tuple[RankedLabel, ...], familiarity: float | None, elapsed_ms: float
) -> dict[str, Any]:
    return {
        "decision": decision,
        "label": ranking[0].label,
        "confidence": ranking[0].probability,
        "familiarity": familiarity,
        "ranked": [{"rank": one.rank, "label": one.label, "class_id": one.class_id, "probability": one.probability} for one in ranking],
        "model": {"name": model, "version": version},
        "elapsed_ms": round(elapsed_ms, 2),
    }


def _line(row: dict[str, Any]) -> str:
    if "error" in row:
        return f"{row['path']}: not ranked"
    several = row.get("predictions")
    if several:
        return f"{row['path']}: " + " · ".join(f"{said['model']['name']}: {_sentence(said)}" for said in several)
    return f"{row['path']}: {_sentence(row['prediction'])}"


def _sentence(said: dict[str, Any]) -> str:
    ranking = [RankedLabel(one["rank"], one["label"], one["class_id"], one["probability"]) for one in said["ranked"]]
    return words.say(said["decision"], ranking, get_cupboard().card(said["model"]["name"]), said["familiarity"]).text


def _shown(path: Path) -> str:
    """A path as text that every terminal and JSON reader takes, also when its name is not UTF-8."""
    return str(path).encode("utf-8", "replace").decode("utf-8")
