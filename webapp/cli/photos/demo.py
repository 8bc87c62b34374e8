"""`flask demo`: answers about sample pictures, or pictures of your own, as bars."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from flask import current_app

from webapp.cli.history import command_group
from webapp.cli.photos.bars import Bar, Terminal, draw_bars
from webapp.cli.photos.paths import find_photos, read_photo
from webapp.domain import Answer
from webapp.errors import MarqueError, ModelUnavailableError
from webapp.extensions import get_card, get_pipeline
from webapp.services.photos import wording
from webapp.services.photos.classify import Pipeline, answer_photo
from webapp.services.photos.samples import Sample, find_samples

bp = command_group("demo", top=True)
_TOP = 5
_PROMPT = "A number, the path of a picture, a for all, ? for the list, q to leave"


@bp.cli.command("demo")
@click.argument("paths", nargs=-1, type=click.Path())
@click.option(
    "--model", default="", metavar="NAME|all", help="A live model.  [default: the site's]"
)
def _demo(paths: tuple[str, ...], model: str) -> None:
    """Classify the pictures in PATHS; without any, samples and what you choose.

    Nothing is stored.
    """
    try:
        pipeline = get_pipeline(model)
    except ModelUnavailableError as error:
        hint = "The shipped models lie in models/; `flask model train` or `import` makes others."
        raise click.ClickException(f"{error} {hint}") from error
    folder = Path(str(current_app.static_folder)) / "samples"
    samples = find_samples(folder, get_card(pipeline.classifiers[0].card.name))
    shown = _Demo(Terminal.of(sys.stdout), pipeline, folder, samples)
    if paths:
        sys.exit(not shown.show_all(paths))
    shown.menu()


@dataclass(frozen=True)
class _Demo:
    """Shows pictures and their answers on a terminal. Questions go to stderr, answers to stdout."""

    terminal: Terminal
    pipeline: Pipeline
    folder: Path
    samples: Sequence[Sample]

    def show_all(self, paths: Sequence[str]) -> bool:
        """Show every picture in these paths; False when there is none, or one cannot be read."""
        shown: list[bool] = []
        for path in find_photos(paths):
            if shown:
                click.echo()
            shown.append(self._show(path, str(path)))
        if not shown:
            click.echo("No photo in these paths.", err=True)
        return bool(shown) and all(shown)

    def menu(self) -> None:
        """Ask and show until somebody leaves with q, Ctrl-D or Ctrl-C."""
        self._list()
        while True:
            try:
                choice = click.prompt(_PROMPT, err=True, prompt_suffix=": ").strip()
            except click.Abort:
                click.echo(err=True)
                return
            if choice.lower() in ("q", "quit", "exit"):
                return
            if choice == "?":
                self._list()
            elif choice.lower() == "a":
                for sample in self.samples:
                    self._show_sample(sample)
                    click.echo()
            elif choice.isdecimal() and not Path(choice).exists():
                if 1 <= int(choice) <= len(self.samples):
                    self._show_sample(self.samples[int(choice) - 1])
                else:
                    click.echo(f"There is no sample {choice}; ? shows the list.", err=True)
            else:
                self.show_all([str(_typed_path(choice))])

    def _list(self) -> None:
        titles = ", ".join(classifier.card.title for classifier in self.pipeline.classifiers)
        click.echo(f"\n{self.terminal.plain(titles)}. Samples:\n", err=True)
        for number, sample in enumerate(self.samples, 1):
            click.echo(f"  {number:>3}  {self.terminal.plain(sample.title)}", err=True)
        click.echo(err=True)

    def _show_sample(self, sample: Sample) -> None:
        self._show(self.folder / f"{sample.name}.jpg", sample.title)

    def _show(self, path: Path, title: str) -> bool:
        """Print the answers about one picture; False when it cannot be read."""
        try:
            answers = answer_photo(read_photo(path), self.pipeline)[0].answers
        except MarqueError as error:
            click.echo(f"{title}: {error}", err=True)
            return False
        click.echo(self.terminal.plain(title))
        for line in (line for answer in answers for line in self._lines(answer)):
            click.echo(line, color=self.terminal.color)
        return True

    def _lines(self, answer: Answer) -> list[str]:
        """An answer in words and bars; it begins with the model's title when several answer."""
        card = get_card(answer.model)
        sentence = wording.describe_answer(
            answer.decision, answer.ranked, card, answer.output.familiarity, answer.parent
        )
        title = card.title if card else answer.model
        text = sentence.text if len(self.pipeline.classifiers) == 1 else f"{title}: {sentence.text}"
        text = self.terminal.plain(text)
        bars = []
        for line in answer.ranked[:_TOP]:
            color = ""
            if line.label in sentence.named:
                label = card.label(line.label) if card else None
                color = (label.color if label else "") or "#E10600"
            name, percent = wording.display(card, line.label), wording.percent(line.probability)
            bars.append(Bar(name, line.probability, percent, color))
        reason = " ".join(filter(None, (sentence.reason, sentence.reason_strong)))
        return [
            click.style(text, bold=True) if self.terminal.color else text,
            self.terminal.plain(reason),
            *draw_bars(bars, self.terminal),
        ]


def _typed_path(text: str) -> Path:
    """The path that was typed, or dropped on the terminal, which quotes what needs it."""
    plain = Path(text).expanduser()
    if plain.exists():
        return plain
    try:
        parts = shlex.split(text)
    except ValueError:
        parts = []
    return Path(parts[0]).expanduser() if len(parts) == 1 else plain
