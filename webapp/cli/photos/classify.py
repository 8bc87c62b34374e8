"""`flask photos classify`: files and folders, here or on a running server."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import click

from webapp.cli.history import make_history, options_as
from webapp.cli.photos.group import bp
from webapp.cli.photos.output_formats import (
    FORMATS,
    RESUMABLE,
    Done,
    Row,
    make_format,
    open_writer,
    path_text,
    read_done,
)
from webapp.cli.photos.paths import find_photos, read_photo
from webapp.cli.photos.store import store_photos
from webapp.cli.progress import pace, watch
from webapp.domain import ALL_MODELS, PHOTO_ENDINGS, Parent, RankedLabel, level_of
from webapp.errors import MarqueError
from webapp.extensions import get_card, get_extensions, get_pipeline, get_registry
from webapp.inference.classifier import ClassifiedPhoto, make_answer
from webapp.inference.models.card import ModelCard
from webapp.inference.models.label_set import has_merges
from webapp.inference.process_pool import Task
from webapp.services.photos import gallery as history
from webapp.services.photos import wording
from webapp.services.photos.classify import Pipeline, StoredPhoto

_TOP = 5
_SENT_AT_ONCE = 4  # photos on the way to a server, unless --processes says otherwise
_INTERRUPTED = 130  # the exit code of a command that was stopped with Ctrl-C, as shells have it


@dataclass(frozen=True)
class _Options:
    """What was asked for, besides photos. Once the output is chosen, `format` is "" for sentences
    and `out` is "" for stdout."""

    format: str | None
    out: str
    json_file: str
    csv_file: str
    resume: bool
    all_labels: bool
    store: bool
    truth: str
    model: str
    processes: int | None
    url: str
    key: str
    quiet: bool

    @property
    def top(self) -> int | None:
        """How many labels a row has; None for all."""
        return None if self.all_labels else _TOP


@bp.cli.command("classify")
@click.argument("paths", nargs=-1, required=True, type=click.Path())
@click.option("--format", type=click.Choice(FORMATS), help="Without it a sentence for each photo.")
@click.option("--out", default="", metavar="FILE", help="Where to write.  [default: stdout]")
@click.option("--json", "json_file", default="", metavar="FILE", help="--format json --out FILE")
@click.option("--csv", "csv_file", default="", metavar="FILE", help="--format csv --out FILE")
@click.option("--resume", is_flag=True, help="Go on in FILE (jsonl or csv) after an interruption.")
@click.option("--all-labels", is_flag=True, help="In JSON every label, not only the first five.")
@click.option("--store/--no-store", default=False, help="Store the photos, as an upload would.")
@click.option("--truth", default="", metavar="LABEL", help="With --store: their ground truth.")
@click.option(
    "--model", default="", metavar="NAME|all", help="A live model.  [default: the site's]"
)
@click.option(
    "--processes",
    type=click.IntRange(1, 256),
    help="How many at a time.  [default: one for each core; 4 with --url]",
)
@click.option("--url", default="", metavar="URL", help="Send them to the Marque at this address.")
@click.option(
    "--key", default="", envvar="MARQUE_KEY", metavar="KEY", help="With --url: an API key."
)
@click.option("--quiet", is_flag=True, help="No progress.")
@options_as(_Options)
def _classify_command(options: _Options, paths: tuple[str, ...]) -> None:
    """Classify every photo in PATHS: files, folders (with all below them) or patterns like '*.jpg'.

    Results are written photo by photo, in the order of the photos. Files that cannot be read are
    named at the end, and the exit code is 1.
    """
    options = _choose_output(options)
    if options.truth and not options.store:
        raise click.UsageError("--truth needs --store.")
    if options.resume and (options.format not in RESUMABLE or not options.out):
        raise click.UsageError(
            f"--resume goes on in a file of --format {' or '.join(RESUMABLE)}: name it with --out."
        )
    photos = list(find_photos(paths))
    if not photos:
        endings = ", ".join(sorted(PHOTO_ENDINGS))
        raise click.ClickException(f"No photo in these paths. Folders are searched for {endings}.")
    try:
        sys.exit(_run(photos, options))
    except BrokenPipeError:
        raise
    except OSError as error:
        place = error.filename or options.out or "stdout"
        raise click.ClickException(f"{place} cannot be written: {error.strerror}.") from error


def _choose_output(options: _Options) -> _Options:
    """The options with the format and the file that they mean."""
    short = {"json": options.json_file, "csv": options.csv_file}
    asked = [(kind, file) for kind, file in short.items() if file]
    if options.format or options.out:
        by_ending = {f".{known}": known for known in FORMATS}
        kind = options.format or by_ending.get(Path(options.out).suffix, "")
        asked.append((kind, options.out))
    if len(asked) > 1:
        raise click.UsageError(
            "One format and one file at a time: --json and --csv are short for --format with --out."
        )
    format, file = asked[0] if asked else ("", "")
    if file not in ("", "-") and not format:
        raise click.UsageError(f"--out {file} does not say how: add --format {'|'.join(FORMATS)}.")
    return replace(options, format=format, out="" if file == "-" else file)


def _run(photos: list[Path], options: _Options) -> int:
    """Classify what is not done, and return the exit code."""
    format, out, done = options.format or "", options.out, Done()
    if options.resume:
        done = read_done(Path(out), format, several=options.model == ALL_MODELS)
    left = [path for path in photos if path_text(path) not in done.paths] if done.paths else photos
    if done.paths:
        ready = len(photos) - len(left)
        click.echo(f"{ready:,} of {len(photos):,} are in {out} already.", err=True)
    summary = _Summary(time.monotonic())
    lines_are_seen = not out and sys.stdout.isatty()  # they show how far it is
    with ExitStack() as stack:
        rows = _rows(left, options, stack)  # first: nothing is written when nobody can classify
        stream = stack.enter_context(_open(out, done))
        writer = open_writer(stream, make_format(format, left, _sentence), resumed=done.end > 0)
        write = stack.enter_context(writer)
        quiet = options.quiet or not left or lines_are_seen
        try:
            for row in watch(rows, len(left), "Classifying", quiet=quiet):
                write(row)
                summary.count(row)
        except (KeyboardInterrupt, MarqueError) as error:
            summary.echo()
            advice = "What was classified until now was written."
            if out and format in RESUMABLE:
                advice = f"{out} has what is done; the same command with --resume goes on."
            click.echo(f"Stopped. {advice}", err=True)
            if isinstance(error, MarqueError):
                raise
            return _INTERRUPTED
    summary.echo()
    if done.failed:
        click.echo(f"{done.failed:,} of those that were in {out} had failed.", err=True)
    return 1 if summary.failed or done.failed else 0


@dataclass
class _Summary:
    """What has become of the photos since `started`."""

    started: float
    classified: int = 0
    failed: list[str] = field(default_factory=list)

    def count(self, row: Row) -> None:
        """Add a photo."""
        if "error" in row:
            self.failed.append(f"{row['path']}: {row['error']}")
        else:
            self.classified += 1

    def echo(self) -> None:
        """Name what failed, then the numbers and the time it took."""
        for line in self.failed:
            click.echo(line, err=True)
        number, seconds = self.classified + len(self.failed), time.monotonic() - self.started
        took = f" {pace(number, seconds).capitalize()}." if number > 1 else ""
        click.echo(f"{self.classified} classified, {len(self.failed)} failed.{took}", err=True)


def _open(file: str, done: Done) -> IO[str]:
    """stdout, or the file: new, or cut behind its last whole line."""
    if not file:
        return click.open_file("-", "w", encoding="utf-8")
    if done.end:
        os.truncate(file, done.end)
    return Path(file).open("a" if done.end else "w", encoding="utf-8", newline="")


# ---- from photos to rows ----


def _rows(paths: list[Path], options: _Options, stack: ExitStack) -> Iterator[Row]:
    """A row for each path, in order. What classifies is ready on return and ends with `stack`."""
    if not paths:
        return iter(())
    if options.url:
        from webapp.services.photos.remote import Server  # no web process needs it

        fields = {"model": options.model, "ground_truth": options.truth}
        server = stack.enter_context(Server(options.url, options.key, options.store, fields))
        answers = server.send_all(paths, read_photo, at_once=options.processes or _SENT_AT_ONCE)
        return (_row(*pair, lambda answer: _sent(answer, options)) for pair in answers)
    if options.store:
        make_history()
    pipeline = get_pipeline(options.model)
    if options.store:
        photos = store_photos(paths, pipeline, options.truth, options.processes)
        stack.callback(photos.close)
        return (_row(*pair, lambda photo: _stored(photo, pipeline, options)) for pair in photos)
    pool = get_extensions().pool(pipeline, options.processes, len(paths))
    stack.enter_context(closing(pool))
    cards = [get_card(model.card.name) or model.card for model in pipeline.classifiers]
    changed = {card.name: card for card in cards if has_merges(card)}
    results = pool.classify(paths, Task(top=options.top))
    return (_row(*pair, lambda result: _classified(result, changed, options)) for pair in results)


def _row(path: Path, result: Any, columns: Callable[[Any], Row]) -> Row:
    """A photo's row: the columns of its result, or the error that it is."""
    failed = isinstance(result, MarqueError)
    return {"path": path_text(path)} | ({"error": str(result)} if failed else columns(result))


def _sent(answer: Row, options: _Options) -> Row:
    """As a photo that is classified here: with as many labels, and as many predictions."""
    if options.model != ALL_MODELS:
        answer.pop("predictions", None)
    for prediction in [answer["prediction"], *answer.get("predictions", [])]:
        prediction["ranked"] = prediction["ranked"][: options.top]
    return answer


def _classified(photo: ClassifiedPhoto, changed: Mapping[str, ModelCard], options: _Options) -> Row:
    """`changed` are the cards of models with merged labels, as they read now."""
    predictions = []
    for answer in photo.cars[0].answers:
        if card := changed.get(answer.model):
            answer = make_answer(card, answer.output, answer.elapsed_ms, options.top)
        familiarity, parent = answer.output.familiarity, answer.parent
        predictions.append(_prediction(answer, answer.ranked, familiarity, parent))
    return _predictions(predictions, options)


def _stored(stored: StoredPhoto, pipeline: Pipeline, options: _Options) -> Row:
    predictions = {}
    for prediction in history.current_predictions(stored.photo):
        ranked = history.full_ranking(prediction, get_registry())[: options.top]
        familiarity, parent = prediction.familiarity, history.parent_of(prediction, get_registry())
        predictions[prediction.model] = _prediction(prediction, ranked, familiarity, parent)
    asked = [predictions[model.card.name] for model in pipeline.classifiers]
    row = {"photo": stored.photo.public_id, "duplicate": stored.duplicate}
    return row | _predictions(asked, options)


def _predictions(predictions: list[dict[str, Any]], options: _Options) -> Row:
    """A photo's first prediction, and all of them when every model was asked."""
    all_of_them = {"predictions": predictions} if options.model == ALL_MODELS else {}
    return {"prediction": predictions[0], **all_of_them}


def _prediction(
    answer: Any, ranked: Sequence[RankedLabel], familiarity: float | None, parent: Parent | None
) -> dict[str, Any]:
    """In the shape of the JSON API. `answer` is an `Answer` or a stored `Prediction`."""
    return {
        "decision": answer.decision,
        "level": level_of(answer.decision, ranked[0].label),
        "label": ranked[0].label,
        "confidence": ranked[0].probability,
        "familiarity": familiarity,
        "parent": asdict(parent) if parent else None,
        "ranked": [asdict(line) for line in ranked],
        "model": {"name": answer.model, "version": answer.version},
        "elapsed_ms": round(answer.elapsed_ms, 2),
    }


def _sentence(prediction: dict[str, Any]) -> str:
    ranked = [RankedLabel(**line) for line in prediction["ranked"]]
    card = get_card(prediction["model"]["name"])
    decision, familiarity = prediction["decision"], prediction["familiarity"]
    parent = Parent(**prediction["parent"]) if prediction.get("parent") else None
    return wording.describe_answer(decision, ranked, card, familiarity, parent).text
