"""`flask demo`: the answers to our samples, or to pictures of your own, as bars in the terminal."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from flask import Blueprint, current_app

from webapp.cli.photos.bars import Bar, Terminal, draw_bars, here
from webapp.cli.photos.paths import find_photos, read_photo
from webapp.domain import Answer
from webapp.errors import MarqueError, ModelNotFoundError, ModelUnavailableError
from webapp.extensions import get_card, get_classifiers, get_limiter
from webapp.inference.classifier import Classifier
from webapp.services.photos import classify, wording
from webapp.services.photos.samples import Sample, find_samples

bp = Blueprint("cli_demo", __name__, cli_group=None)
TOP = 5
LEAVE = ("q", "quit", "exit")


@dataclass(frozen=True)
class Stage:
    """Where it is shown and who answers."""

    terminal: Terminal
    classifiers: Sequence[Classifier]
    folder: Path
    samples: Sequence[Sample]


@bp.cli.command("demo")
@click.argument("paths", nargs=-1, type=click.Path())
@click.option(
    "--model",
    default="",
    metavar="NAME|all",
    help="Which live model answers, or all.  [default: the site's]",
)
def demo(paths: tuple[str, ...], model: str) -> None:
    """See what the model says about pictures: those in PATHS, or without any our samples and what you choose.

    Nothing is stored.
    """
    try:
        classifiers = get_classifiers(model)
    except ModelNotFoundError as error:
        raise click.ClickException(str(error)) from error
    except ModelUnavailableError as error:
        hint = "The shipped models lie in models/; `flask model train` and `flask model import` make others."
        raise click.ClickException(f"{error} {hint}") from error
    folder = Path(str(current_app.static_folder)) / "samples"
    stage = Stage(
        here(), classifiers, folder, find_samples(folder, get_card(classifiers[0].card.name))
    )
    if paths:
        sys.exit(1 if _show_all(paths, stage) else 0)
    _menu(stage)


def _show_all(paths: Sequence[str], stage: Stage) -> int:
    """Show every picture in these paths, and return how many failed."""
    failed = number = 0
    for number, path in enumerate(find_photos(paths), 1):
        if number > 1:
            click.echo()
        failed += not _show(path, str(path), stage)
    if not number:
        click.echo("No photo in these paths.", err=True)
    return failed or int(not number)


def _menu(stage: Stage) -> None:
    """Ask and show until somebody leaves, with q, Ctrl-D or Ctrl-C. Questions go to stderr, answers to stdout."""
    _list(stage)
    while True:
        try:
            asked = click.prompt(
                "A number, the path of a picture, a for all, ? for the list, q to leave",
                err=True,
                prompt_suffix=": ",
            )
        except click.Abort:
            click.echo(err=True)
            return
        asked = asked.strip()
        if asked.lower() in LEAVE:
            return
        if asked == "?":
            _list(stage)
        elif asked.lower() == "a":
            for one in stage.samples:
                _show(stage.folder / f"{one.name}.jpg", one.title, stage)
                click.echo()
        elif asked.isdecimal() and not Path(asked).exists():
            _show_number(int(asked), stage)
        else:
            _show_all([str(_path(asked))], stage)


def _list(stage: Stage) -> None:
    titles = ", ".join(one.card.title for one in stage.classifiers)
    click.echo(f"\n{stage.terminal.plain(titles)}. Our samples:\n", err=True)
    for number, one in enumerate(stage.samples, 1):
        click.echo(f"  {number:>3}  {stage.terminal.plain(one.title)}", err=True)
    click.echo(err=True)


def _show_number(number: int, stage: Stage) -> None:
    if not 1 <= number <= len(stage.samples):
        click.echo(f"There is no sample {number}; ? shows the list.", err=True)
        return
    one = stage.samples[number - 1]
    _show(stage.folder / f"{one.name}.jpg", one.title, stage)


def _show(path: Path, title: str, stage: Stage) -> bool:
    """Print what the models say about one picture; False when it cannot be read."""
    try:
        answers = classify.answer_by_all(
            read_photo(path), classifiers=stage.classifiers, limiter=get_limiter()
        )
    except MarqueError as error:
        click.echo(f"{title}: {error}", err=True)
        return False
    click.echo(stage.terminal.plain(title))
    for answer in answers:
        for line in _opinion(answer, stage):
            click.echo(line, color=stage.terminal.color)
    return True


def _opinion(answer: Answer, stage: Stage) -> list[str]:
    """The answer in words and its first labels as bars; whose it is when several answer."""
    card = get_card(answer.model)
    sentence = wording.describe_answer(
        answer.decision, answer.ranked, card, answer.output.familiarity
    )
    title = f"{card.title if card else answer.model}: " if len(stage.classifiers) > 1 else ""
    said = stage.terminal.plain(f"{title}{sentence.text}")
    bars = []
    for line in answer.ranked[:TOP]:
        label = card.label(line.label) if card and line.label in sentence.named else None
        color = (label.color if label else "") or (
            "#E10600" if line.label in sentence.named else ""
        )
        bars.append(
            Bar(
                wording.display(card, line.label),
                line.probability,
                wording.percent(line.probability),
                color,
            )
        )
    reason = stage.terminal.plain(" ".join(filter(None, (sentence.reason, sentence.reason_strong))))
    return [
        click.style(said, bold=True) if stage.terminal.color else said,
        reason,
        *draw_bars(bars, stage.terminal),
    ]


def _path(text: str) -> Path:
    """The path that was typed, or dropped on the terminal, which quotes what needs it."""
    plain = Path(text).expanduser()
    if plain.exists():
        return plain
    try:
        parts = shlex.split(text)
    except ValueError:
        parts = []
    return Path(parts[0]).expanduser() if len(parts) == 1 else plain
