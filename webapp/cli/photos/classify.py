"""`flask photos classify`: files and folders, here or on a running server."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
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
from webapp.cli.photos.rows import TOP, classified_row, sent_row, stored_row
from webapp.cli.photos.store import store_photos
from webapp.cli.progress import pace, watch
from webapp.domain import ALL_MODELS, PHOTO_ENDINGS, Parent, RankedLabel
from webapp.errors import MarqueError
from webapp.extensions import get_card, get_extensions, get_pipeline
from webapp.inference.models.label_set import has_merges
from webapp.inference.process_pool import Task
from webapp.services.photos import wording

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
    whole: bool
    processes: int | None
    url: str
    key: str
    quiet: bool

    @property
    def top(self) -> int | None:
        """How many labels a row has; None for all."""
        return None if self.all_labels else TOP


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
@click.option("--whole", is_flag=True, help="Look for no cars: the whole photo counts as one.")
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

    A photo in which the detector finds cars has a line for each, with its box. Results are written
    photo by photo, in the order of the photos. Files that cannot be read are named at the end, and
    the exit code is 1.
    """
    options = _choose_output(options)
    if options.truth and not options.store:
        raise click.UsageError("--truth needs --store.")
    if options.whole and options.url:
        raise click.UsageError("--whole needs this machine: with --url the server looks for cars.")
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
        cars = not options.whole and get_extensions().live_detector() is not None
        several = options.model == ALL_MODELS or cars
        done = read_done(Path(out), format, several=several)
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
        return (
            _row(*pair, lambda answer: sent_row(answer, options.model, options.top))
            for pair in answers
        )
    if options.store:
        make_history()
    pipeline = get_pipeline(options.model)
    if options.whole:
        pipeline = replace(pipeline, detector=None)
    if options.store:
        photos = store_photos(paths, pipeline, options.truth, options.processes)
        stack.callback(photos.close)
        asked, top = options.model, options.top
        return (
            _row(*pair, lambda photo: stored_row(photo, pipeline, asked, top)) for pair in photos
        )
    pool = get_extensions().pool(pipeline, options.processes, len(paths))
    stack.enter_context(closing(pool))
    cards = [get_card(model.card.name) or model.card for model in pipeline.classifiers]
    changed = {card.name: card for card in cards if has_merges(card)}
    results = pool.classify(paths, Task(top=options.top))
    asked, top = options.model, options.top
    return (
        _row(*pair, lambda result: classified_row(result, changed, asked, top)) for pair in results
    )


def _row(path: Path, result: Any, columns: Callable[[Any], Row]) -> Row:
    """A photo's row: the columns of its result, or the error that it is."""
    failed = isinstance(result, MarqueError)
    return {"path": path_text(path)} | ({"error": str(result)} if failed else columns(result))


def _sentence(prediction: dict[str, Any]) -> str:
    ranked = [RankedLabel(**line) for line in prediction["ranked"]]
    card = get_card(prediction["model"]["name"])
    decision, familiarity = prediction["decision"], prediction["familiarity"]
    parent = Parent(**prediction["parent"]) if prediction.get("parent") else None
    return wording.describe_answer(decision, ranked, card, familiarity, parent).text
