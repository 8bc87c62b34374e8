"""`flask model compare|promote|rollback|history|export`: which version of a model serves, and why."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
from flask.cli import with_appcontext

from webapp.cli.history import needs_history
from webapp.cli.training.options import DataOptions, layout_options, photos_in
from webapp.domain import Who
from webapp.errors import MarqueError, ModelError, ModelRefusedError
from webapp.extensions import get_files, get_limiter, get_registry, load_version
from webapp.inference.classifier import Classifier
from webapp.inference.models import bundle
from webapp.inference.models.gate import Comparison, Said
from webapp.inference.models.held_out import Split, read_split
from webapp.services.labels.label_mapping import current_card
from webapp.services.models import compare
from webapp.services.models import promotion as promote

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
TERMINAL = Who("terminal")
Watched = TypeVar("Watched")
SHOWN = 20
"""Photos that a list of fixed or broken ones shows."""

data_option = click.option(
    "--data",
    "data",
    multiple=True,
    type=FOLDER,
    help="A folder of photos, with one folder per label or in another layout. May be repeated.",
)
history_option = click.option(
    "--history",
    "here",
    is_flag=True,
    help="Compare on the photos of the history that have a ground truth.",
)
any_photo_option = click.option(
    "--any-photo",
    is_flag=True,
    help="Compare on all these photos, even if a version has learnt from them or nobody knows.",
)


@dataclass(frozen=True, kw_only=True)
class Photos(DataOptions):
    """Which photos two versions are compared on: in data folders, or `here` in the history."""

    here: bool
    any_photo: bool


@click.command("compare")
@click.argument("name")
@click.argument("champion", type=int)
@click.argument("challenger", type=int)
@data_option
@layout_options
@history_option
@any_photo_option
@click.option("--json", "as_json", is_flag=True, help="The whole comparison as JSON.")
@with_appcontext
@needs_history
def compare_command(
    name: str, champion: int, challenger: int, as_json: bool, **photos: Any
) -> None:
    """Compare the versions CHAMPION and CHALLENGER of NAME on photos that neither has learnt from: what is fixed, what is broken."""
    asked = Photos(**photos)
    if not asked.data and not asked.here:
        raise click.UsageError("Name photos to compare on: --data FOLDER, or --history.")
    with in_words():
        comparison = _weigh(load_version(name, champion), load_version(name, challenger), asked)
    if as_json:
        click.echo(json.dumps(comparison.to_json(), indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(describe(comparison)))


@click.command("promote")
@click.argument("name")
@click.argument("version", type=int)
@data_option
@layout_options
@history_option
@any_photo_option
@click.option(
    "--force",
    is_flag=True,
    help="Let it take over though it is no better, or was not compared. Needs --why.",
)
@click.option("--why", default="", metavar="TEXT", help="The reason, kept in the history.")
@with_appcontext
@needs_history
def promote_command(name: str, version: int, force: bool, why: str, **photos: Any) -> None:
    """Let VERSION of NAME serve, if it is better than the live one on photos that neither has learnt from (--data or --history)."""
    asked = Photos(**photos)
    if force and not why.strip():
        raise click.UsageError("--force needs a reason: --why TEXT.")
    with in_words():
        challenger = load_version(name, version)
        champion = _champion(name, version)
        wanted = bool(asked.data or asked.here) and champion is not None
        comparison = _weigh(champion, challenger, asked) if wanted and champion else None
        if comparison is not None:
            click.echo("\n".join(describe(comparison)) + "\n", err=True)
        row = promote.promote(
            get_registry(),
            challenger,
            TERMINAL,
            comparison=comparison,
            champion_works=champion is not None,
            force=force,
            why=why,
        )
    instead = f" instead of version {row.from_version}" if row.from_version is not None else ""
    click.echo(f"{name} {version} is live{instead}. Back again: flask model rollback {name}")


@click.command("rollback")
@click.argument("name")
@click.option("--why", default="", metavar="TEXT", help="The reason, kept in the history.")
@with_appcontext
@needs_history
def rollback_command(name: str, why: str) -> None:
    """Let the version of NAME serve again that was live before the present one."""
    with in_words():
        row = promote.rollback(get_registry(), name, load_version, TERMINAL, why=why)
    click.echo(f"{name} {row.to_version} is live again, instead of version {row.from_version}.")


@click.command("history")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="One JSON list, with the comparisons.")
@with_appcontext
@needs_history
def history_command(name: str, as_json: bool) -> None:
    """Which version of NAME was live when, who decided it and why; newest first."""
    rows = promote.history(name)
    if as_json:
        keys = ("kind", "from_version", "to_version", "forced", "why", "who", "figures")
        listed = [
            {"at": row.created_at.isoformat(timespec="seconds")}
            | {key: getattr(row, key) for key in keys}
            for row in rows
        ]
        click.echo(json.dumps(listed, indent=2, ensure_ascii=False))
        return
    if not rows:
        click.echo(f"The history knows of no change of the live version of {name}.")
    for row in rows:
        what = {"first": "first version", "promote": "promoted", "rollback": "rolled back"}[
            row.kind
        ] + (" by force" if row.forced else "")
        versions = f"{row.from_version if row.from_version is not None else '-'} → {row.to_version}"
        found = f"{row.figures['verdict']}: {row.figures['reasons'][1]}" if row.figures else ""
        click.echo(
            "\t".join(
                [
                    f"{row.created_at:%Y-%m-%d %H:%M} UTC",
                    versions,
                    what,
                    row.who,
                    row.why or found or "-",
                ]
            )
        )


@click.command("export")
@click.argument("name_and_version", metavar="NAME[@VERSION]")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@with_appcontext
def export_command(name_and_version: str, file: Path) -> None:
    """Write a version (without @VERSION the live one) with its card into the zip FILE; `flask model import FILE` takes it elsewhere."""
    name, number = name_and_number(name_and_version)
    with in_words():
        card = get_registry().card(name, number)
        bundle.pack(get_registry(), name, card.version, file)
    click.echo(f"{name} {card.version} is in {file}, {file.stat().st_size / 2**20:.1f} MiB.")


COMMANDS = (compare_command, promote_command, rollback_command, history_command, export_command)


def name_and_number(text: str) -> tuple[str, int | None]:
    """A model and its version from NAME or NAME@VERSION, None without one. Fails in words."""
    name, at, number = text.partition("@")
    if at and not number.isdecimal():
        raise click.UsageError(f"A version is a number: {name}@1, not {text}.")
    return name, int(number) if number else None


def describe(comparison: Comparison) -> list[str]:
    """A comparison in words, line by line: verdict, reasons, each label that changed, the photos."""
    verdict = {"better": "better than", "same": "no better than", "worse": "worse than"}[
        comparison.verdict
    ]
    lines = [
        f"Version {comparison.challenger} is {verdict} version {comparison.champion}.",
        *comparison.reasons,
        "",
    ]
    changed = [one for one in comparison.labels if one.champion != one.challenger]
    if changed:
        lines.append(
            f"{'label':<22}{'photos':>7}{f'version {comparison.champion}':>12}{f'version {comparison.challenger}':>12}"
        )
        lines += [
            f"{one.label:<22}{one.n:>7}{one.champion:>12}{one.challenger:>12}" for one in changed
        ]
    lines += _list("fixed", comparison.fixed) + _list("broken", comparison.broken)
    return lines if lines[-1] else lines[:-1]


def _list(word: str, photos: Sequence[Said]) -> list[str]:
    lines = [f"{word:<7} {one.photo}: {one.champion} → {one.challenger}" for one in photos[:SHOWN]]
    return lines + ([f"{word:<7} … and {len(photos) - SHOWN} more"] if len(photos) > SHOWN else [])


def _weigh(champion: Classifier, challenger: Classifier, asked: Photos) -> Comparison:
    """The comparison on the photos that were asked for; what was left out is said on standard error."""
    if asked.here:
        return _weigh_here(champion, challenger, asked)
    splits = [_split(one) for one in (champion, challenger)]
    found = photos_in(champion.card.name, asked)
    cards = current_card(champion.card), current_card(challenger.card)
    weighed = promote.weigh(
        champion, challenger, found, splits, any_photo=asked.any_photo, watch=_watched, cards=cards
    )
    for left_out in weighed.left_out:
        click.echo(f"left out {left_out}", err=True)
    if weighed.seen:
        click.echo(
            f"left out {weighed.seen} photos that one of the versions has learnt from or was calibrated by",
            err=True,
        )
    if weighed.other_labels:
        click.echo(
            f"left out {weighed.other_labels} photos whose label one of the versions does not know",
            err=True,
        )
    if asked.any_photo:
        _warn()
    return weighed.comparison


def _weigh_here(champion: Classifier, challenger: Classifier, asked: Photos) -> Comparison:
    """The same on the photos of the history; what the versions say is kept there."""
    if asked.data:
        raise click.UsageError("Compare on --data or on the --history, not on both.")
    registry, name, versions = (
        get_registry(),
        champion.card.name,
        (champion.card.version, challenger.card.version),
    )
    found = compare.standing(registry, name, *versions)
    if found.unknown and not asked.any_photo:
        raise ModelRefusedError(promote.not_known(found.unknown))
    compare.ask_both(
        registry,
        (champion, challenger),
        files=get_files(),
        limiter=get_limiter(),
        watch=_watched,
    )
    found = compare.standing(registry, name, *versions)
    if found.seen:
        click.echo(
            f"left out {found.seen} photos that one of the versions has learnt from or was calibrated by",
            err=True,
        )
    if found.unknown:
        _warn()
    return compare.demand_comparison(found)


def _warn() -> None:
    click.secho(
        "These may be photos that a version has learnt by heart: mistrust the result.",
        fg="red",
        err=True,
    )


def _watched(photos: Sequence[Watched]) -> Iterator[Watched]:
    """The photos one by one, with a progress bar on standard error."""
    with click.progressbar(photos, label="Comparing", file=sys.stderr, show_pos=True) as bar:
        yield from bar


def _split(classifier: Classifier) -> Split | None:
    card = classifier.card
    return read_split(get_registry().version_folder(card.name, card.version), card)


def _champion(name: str, challenger: int) -> Classifier | None:
    """The live version, None when there is none or it cannot be used: then there is nothing to compare with."""
    live = get_registry().live_version(name)
    if live is None or live == challenger:
        return None
    try:
        return load_version(name, live)
    except ModelError as error:
        click.echo(f"The live version cannot be compared with: {error}", err=True)
        return None


@contextmanager
def in_words() -> Iterator[None]:
    """Errors of ours become the one line that the terminal shows."""
    try:
        yield
    except MarqueError as error:
        raise click.ClickException(str(error)) from error
