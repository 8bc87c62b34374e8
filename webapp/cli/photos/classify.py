"""`flask photos classify`: rank files and folders here or on a running server; results come out while it works."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

import click
from flask.cli import with_appcontext

from webapp.cli.history import make_history
from webapp.cli.photos.output_formats import (
    FORMATS,
    RESUMABLE,
    FilenameMap,
    Format,
    JsonLines,
    JsonList,
    Kept,
    Row,
    Sentences,
    Table,
    Writer,
    read_kept,
    shown,
)
from webapp.cli.photos.paths import find_photos, read_photo
from webapp.cli.photos.store import store_all
from webapp.cli.progress import pace, watch
from webapp.domain import ALL_MODELS, PHOTO_ENDINGS, Answer, RankedLabel
from webapp.errors import MarqueError
from webapp.extensions import get_card, get_classifiers, get_extensions, get_registry
from webapp.inference.classifier import Classifier
from webapp.inference.models.card import ModelCard
from webapp.inference.models.label_set import reads_differently
from webapp.inference.pipeline import ClassifiedPhoto, make_answer
from webapp.inference.process_pool import Seen
from webapp.services.photos import gallery as history
from webapp.services.photos import wording
from webapp.services.photos.classify import StoredPhoto

TOP = 5
AT_ONCE = 4
"""Photos on the way to a server at the same time, unless somebody says otherwise."""
STOPPED = 130
"""The exit code of a command that was interrupted with Ctrl-C, as shells have it."""


@dataclass(frozen=True)
class Wish:
    """What was asked for, besides the photos and the file."""

    model: str
    store: bool
    truth: str
    every_label: bool
    processes: int | None
    url: str
    key: str


@click.command("classify")
@click.argument("paths", nargs=-1, required=True, type=click.Path())
@click.option(
    "--format",
    "format",
    type=click.Choice(FORMATS),
    help="How results are written; without it a sentence for each photo.",
)
@click.option(
    "--out", default="", metavar="FILE", help="Where results are written.  [default: stdout]"
)
@click.option(
    "--json",
    "json_to",
    default="",
    metavar="FILE",
    help="Short for --format json --out FILE (- for stdout).",
)
@click.option(
    "--csv",
    "csv_to",
    default="",
    metavar="FILE",
    help="Short for --format csv --out FILE (- for stdout).",
)
@click.option(
    "--resume", is_flag=True, help="Go on in FILE (jsonl or csv) where an interrupted run stopped."
)
@click.option(
    "--all-labels", is_flag=True, help="In JSON name every label, not only the first five."
)
@click.option(
    "--store/--no-store",
    default=False,
    show_default=True,
    help="Remember the photos in the history, as an upload would.",
)
@click.option(
    "--truth",
    default="",
    metavar="LABEL",
    help="With --store: the ground truth of all these photos.",
)
@click.option(
    "--model",
    default="",
    metavar="NAME|all",
    help="Which live model looks at them, or all.  [default: the site's]",
)
@click.option(
    "--processes",
    type=click.IntRange(1, 256),
    help="So many at the same time.  [default: one for each core; 4 with --url]",
)
@click.option(
    "--url",
    default="",
    metavar="URL",
    help="Let the Marque at this address rank them instead, such as http://127.0.0.1:8000.",
)
@click.option(
    "--key",
    default="",
    envvar="MARQUE_KEY",
    metavar="KEY",
    help="With --url: an API key.  [default: MARQUE_KEY]",
)
@click.option("--quiet", is_flag=True, help="No progress.")
@with_appcontext
def classify_command(
    paths: tuple[str, ...],
    format: str | None,
    out: str,
    json_to: str,
    csv_to: str,
    resume: bool,
    quiet: bool,
    **wishes: Any,
) -> None:
    """Rank every photo in PATHS: files, folders (with all below them) or patterns like '*.jpg'.

    Results are written while it works, in the order of the photos. Files that cannot be read are named at the end, and the exit code is 1.
    """
    wish = Wish(every_label=wishes.pop("all_labels"), **wishes)
    kind, file = _where(format, out, json_to, csv_to)
    if wish.truth and not wish.store:
        raise click.UsageError("--truth needs --store.")
    if resume and (kind not in RESUMABLE or not file):
        raise click.UsageError(
            f"--resume goes on in a file of --format {' or '.join(RESUMABLE)}: name it with --out."
        )
    found = list(find_photos(paths))
    if not found:
        raise click.ClickException(
            "No photo in these paths. Folders are searched for "
            + ", ".join(sorted(PHOTO_ENDINGS))
            + "."
        )
    try:
        kept = (
            read_kept(Path(file), kind, several=wish.model == ALL_MODELS)
            if resume
            else Kept(frozenset(), 0, 0)
        )
        sys.exit(_run(found, kept, wish, kind, file, quiet))
    except MarqueError as error:
        raise click.ClickException(str(error)) from error
    except BrokenPipeError:
        raise
    except OSError as error:
        raise click.ClickException(
            f"{error.filename or file or 'stdout'} cannot be written: {error.strerror}."
        ) from error


def _where(format: str | None, out: str, json_to: str, csv_to: str) -> tuple[str, str]:
    """The format ("" for sentences) and the file ("" for stdout)."""
    asked = [(kind, file) for kind, file in (("json", json_to), ("csv", csv_to)) if file]
    if format or out:
        endings = {f".{kind}": kind for kind in FORMATS}
        asked.append((format or endings.get(Path(out).suffix, ""), out))
    if len(asked) > 1:
        raise click.UsageError(
            "One format and one file at a time: --json and --csv are short for --format with --out."
        )
    kind, file = asked[0] if asked else ("", "")
    if file not in ("", "-") and not kind:
        raise click.UsageError(f"--out {file} does not say how: add --format {'|'.join(FORMATS)}.")
    return kind, "" if file == "-" else file


def _run(found: list[Path], kept: Kept, wish: Wish, kind: str, file: str, quiet: bool) -> int:
    """Rank what is not kept, and return the exit code."""
    left = [path for path in found if shown(path) not in kept.paths] if kept.paths else found
    if kept.paths:
        click.echo(f"{len(found) - len(left):,} of {len(found):,} are in {file} already.", err=True)
    tally = Tally(time.monotonic())
    quiet = (
        quiet or not left or (not file and sys.stdout.isatty())
    )  # the lines themselves show how far it is
    with ExitStack() as stack:
        rows = _rows(left, wish, stack)  # first, so that nothing is written when nobody can rank
        writer = stack.enter_context(
            Writer(
                stack.enter_context(_open(file, kept)), _format(kind, left), resumed=kept.end > 0
            )
        )
        try:
            for row in watch(rows, len(left), "Ranking", quiet=quiet):
                writer.write(row)
                tally.count(row)
        except KeyboardInterrupt:
            tally.say()
            click.echo(_advice(kind, file), err=True)
            return STOPPED
        except MarqueError:
            tally.say()
            click.echo(_advice(kind, file), err=True)
            raise
    tally.say()
    if kept.failed:
        click.echo(f"{kept.failed:,} of those that were in {file} had failed.", err=True)
    return 1 if tally.failed or kept.failed else 0


@dataclass
class Tally:
    """What has become of the photos since `started`."""

    started: float
    ranked: int = 0
    failed: list[str] = field(default_factory=list)

    def count(self, row: Row) -> None:
        """One more."""
        if "error" in row:
            self.failed.append(f"{row['path']}: {row['error']}")
        else:
            self.ranked += 1

    def say(self) -> None:
        """Name what failed, then the numbers and how long it took."""
        for line in self.failed:
            click.echo(line, err=True)
        number, seconds = self.ranked + len(self.failed), time.monotonic() - self.started
        took = f" {pace(number, seconds).capitalize()}." if number > 1 else ""
        click.echo(f"{self.ranked} ranked, {len(self.failed)} failed.{took}", err=True)


def _advice(kind: str, file: str) -> str:
    if file and kind in RESUMABLE:
        return (
            f"Stopped. What was ranked is in {file}; the same command with --resume goes on there."
        )
    return "Stopped. What was ranked until now was written."


def _open(file: str, kept: Kept) -> IO[str]:
    """stdout, or the file: new, or cut behind its last whole line."""
    if not file:
        return click.open_file("-", "w", encoding="utf-8")
    if kept.end:
        os.truncate(file, kept.end)
    return Path(file).open("a" if kept.end else "w", encoding="utf-8", newline="")


def _format(kind: str, paths: list[Path]) -> Format:
    makers: dict[str, Callable[[], Format]] = {
        "json": JsonList,
        "csv": Table,
        "jsonl": JsonLines,
        "filename-map": lambda: FilenameMap(paths),
    }
    return makers.get(kind, lambda: Sentences(_sentence))()


# ---- who ranks ----


def _rows(paths: list[Path], wish: Wish, stack: ExitStack) -> Iterator[Row]:
    """A row for each path, in their order. What ranks them is ready when this returns, and ends with `stack`."""
    if not paths:
        return iter(())
    if wish.url:
        from webapp.services.photos.remote import (
            Server,  # what speaks HTTP: no web process needs it
        )

        server = stack.enter_context(
            Server(wish.url, wish.key, store=wish.store, model=wish.model, ground_truth=wish.truth)
        )
        return (
            _sent(one, wish)
            for one in server.send_all(paths, read_photo, at_once=wish.processes or AT_ONCE)
        )
    if wish.store:
        make_history()
    classifiers = get_classifiers(wish.model)
    if wish.store:
        stored = store_all(paths, classifiers, truth=wish.truth, processes=wish.processes)
        stack.callback(stored.close)
        return (_stored(one, classifiers, wish) for one in stored)
    top = None if wish.every_label else TOP
    pool = stack.enter_context(
        closing(
            get_extensions().pool(
                classifiers, wish.processes, photos=len(paths), store=False, top=top
            )
        )
    )
    seen = [get_card(one.card.name) or one.card for one in classifiers]
    today = {card.name: card for card in seen if reads_differently(card)}
    return (_looked(seen, today, wish) for seen in pool.classify(paths))


def _sent(sent: tuple[Path, Row | MarqueError], wish: Wish) -> Row:
    """The row of a photo that a server has seen, with as many labels as it would have here."""
    path, answer = sent
    if isinstance(answer, MarqueError):
        return {"path": shown(path), "error": str(answer)}
    if not wish.every_label:
        for said in [answer["prediction"], *answer.get("predictions", [])]:
            said["ranked"] = said["ranked"][:TOP]
    return {"path": shown(path)} | answer


def _looked(seen: Seen, today: Mapping[str, ModelCard], wish: Wish) -> Row:
    """The row of a photo that is not stored; `today` has the cards of models with merged labels, as they read now."""
    path, looked = seen
    if isinstance(looked, MarqueError):
        return {"path": shown(path), "error": str(looked)}
    answers = cast(
        ClassifiedPhoto, looked
    ).answers  # nothing is passed over where nothing is stored
    top = None if wish.every_label else TOP
    read = [
        make_answer(today[one.model], one.output, one.elapsed_ms, top)
        if one.model in today
        else one
        for one in answers
    ]
    return _row({"path": shown(path)}, [_answered(one) for one in read], wish)


def _stored(
    stored: tuple[Path, StoredPhoto | MarqueError], classifiers: Sequence[Classifier], wish: Wish
) -> Row:
    """The row of a photo that is in the history now."""
    path, done = stored
    if isinstance(done, MarqueError):
        return {"path": shown(path), "error": str(done)}
    kept = {one.prediction.model: one.prediction for one in history.opinions(done.photo)}
    row: Row = {"path": shown(path), "photo": done.photo.public_id, "duplicate": done.duplicate}
    return _row(row, [_kept(kept[one.card.name], wish) for one in classifiers], wish)


# ---- the shape of a row ----


def _row(row: Row, predictions: list[dict[str, Any]], wish: Wish) -> Row:
    """A photo's first prediction, and all of them when every model was asked."""
    return (
        row
        | {"prediction": predictions[0]}
        | ({"predictions": predictions} if wish.model == ALL_MODELS else {})
    )


def _answered(said: Answer) -> dict[str, Any]:
    return _prediction(
        said.decision,
        said.model,
        said.version,
        said.ranked,
        said.output.familiarity,
        said.elapsed_ms,
    )


def _kept(row: history.Prediction, wish: Wish) -> dict[str, Any]:
    ranking = history.full_ranking(row, get_registry())
    lines = ranking if wish.every_label else ranking[:TOP]
    return _prediction(row.decision, row.model, row.version, lines, row.familiarity, row.elapsed_ms)


def _prediction(
    decision: str,
    model: str,
    version: int,
    ranking: Sequence[RankedLabel],
    familiarity: float | None,
    elapsed_ms: float,
) -> dict[str, Any]:
    return {
        "decision": decision,
        "label": ranking[0].label,
        "confidence": ranking[0].probability,
        "familiarity": familiarity,
        "ranked": [
            {
                "rank": one.rank,
                "label": one.label,
                "class_id": one.class_id,
                "probability": one.probability,
            }
            for one in ranking
        ],
        "model": {"name": model, "version": version},
        "elapsed_ms": round(elapsed_ms, 2),
    }


def _sentence(said: dict[str, Any]) -> str:
    ranking = [
        RankedLabel(one["rank"], one["label"], one["class_id"], one["probability"])
        for one in said["ranked"]
    ]
    return wording.describe_answer(
        said["decision"], ranking, get_card(said["model"]["name"]), said["familiarity"]
    ).text
