"""`flask model compare|promote|rollback|history|export`: which version serves, and why."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from webapp.cli.history import TERMINAL, needs_history, options_as
from webapp.cli.models.group import bp
from webapp.cli.training.options import (
    FOLDER,
    DataOptions,
    layout_options,
    photos_in,
    with_progress_bar,
)
from webapp.errors import ModelError, ModelRefusedError
from webapp.extensions import get_files, get_limiter, get_registry, load_version
from webapp.inference.classifier import Classifier
from webapp.inference.models import bundle
from webapp.inference.models.gate import ComparedPhoto, Comparison
from webapp.inference.models.held_out import read_split
from webapp.services.labels.label_mapping import current_card
from webapp.services.models import compare, promotion
from webapp.services.models.promotion import Decision
from webapp.services.photos.classify import Pipeline

_LISTED = 20  # fixed or broken photos that are listed

_why_option = click.option(
    "--why", default="", metavar="TEXT", help="The reason, kept in the history."
)


@dataclass(frozen=True, kw_only=True)
class _Photos(DataOptions):
    """Which photos two versions are compared on: in folders, or `here` in the history."""

    here: bool
    any_photo: bool


def _photo_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that name photos to compare on, given to the command as `_Photos`."""
    data = click.option(
        "--data",
        multiple=True,
        type=FOLDER,
        help="A folder of photos, with one folder per label or in another layout. May be repeated.",
    )
    history = click.option(
        "--history",
        "here",
        is_flag=True,
        help="Compare on the photos of the history that have a ground truth.",
    )
    any_photo = click.option(
        "--any-photo",
        is_flag=True,
        help="Compare on all these photos, even if a version was trained on them or nobody knows.",
    )
    return data(layout_options(history(any_photo(options_as(_Photos)(command)))))


@bp.cli.command("compare")
@click.argument("name")
@click.argument("champion", type=int)
@click.argument("challenger", type=int)
@_photo_options
@click.option("--json", "as_json", is_flag=True, help="The whole comparison as JSON.")
@needs_history
def _compare_command(
    photos: _Photos, name: str, champion: int, challenger: int, as_json: bool
) -> None:
    """Compare versions CHAMPION and CHALLENGER of NAME on photos that neither was trained on."""
    if not photos.data and not photos.here:
        raise click.UsageError("Name photos to compare on: --data FOLDER, or --history.")
    versions = load_version(name, champion), load_version(name, challenger)
    comparison = _compare(versions, photos)
    if as_json:
        click.echo(json.dumps(comparison.to_json(), indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(_describe(comparison)))


@bp.cli.command("promote")
@click.argument("name")
@click.argument("version", type=int)
@_photo_options
@click.option(
    "--force",
    is_flag=True,
    help="Let it take over though it is no better, or was not compared. Needs --why.",
)
@_why_option
@needs_history
def _promote_command(photos: _Photos, name: str, version: int, force: bool, why: str) -> None:
    """Let VERSION of NAME serve, if it is better than the live one.

    Compared on photos that neither was trained on (--data or --history).
    """
    if force and not why.strip():
        raise click.UsageError("--force needs a reason: --why TEXT.")
    challenger = load_version(name, version)
    champion = _champion(name, version)
    comparison = None
    if champion is not None and (photos.data or photos.here):
        comparison = _compare((champion, challenger), photos)
        click.echo("\n".join(_describe(comparison)) + "\n", err=True)
    row = promotion.promote(
        get_registry(),
        challenger,
        Decision(TERMINAL, why, force=force),
        comparison=comparison,
        champion_works=champion is not None,
    )
    instead = f" instead of version {row.from_version}" if row.from_version is not None else ""
    click.echo(f"{name} {version} is live{instead}. Back again: flask model rollback {name}")


@bp.cli.command("rollback")
@click.argument("name")
@_why_option
@needs_history
def _rollback_command(name: str, why: str) -> None:
    """Let the version of NAME serve again that was live before the present one."""
    row = promotion.rollback(get_registry(), name, load_version, Decision(TERMINAL, why))
    click.echo(f"{name} {row.to_version} is live again, instead of version {row.from_version}.")


@bp.cli.command("history")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="One JSON list, with the comparisons.")
@needs_history
def _history_command(name: str, as_json: bool) -> None:
    """Which version of NAME was live when, who decided it and why; newest first."""
    rows = promotion.history(name)
    if as_json:
        keys = ("kind", "from_version", "to_version", "forced", "why", "who", "figures")
        items = [
            {"at": row.created_at.isoformat(timespec="seconds")}
            | {key: getattr(row, key) for key in keys}
            for row in rows
        ]
        click.echo(json.dumps(items, indent=2, ensure_ascii=False))
        return
    if not rows:
        click.echo(f"The history knows of no change of the live version of {name}.")
    kinds = {"first": "first version", "promote": "promoted", "rollback": "rolled back"}
    for row in rows:
        before = row.from_version if row.from_version is not None else "-"
        verdict = f"{row.figures['verdict']}: {row.figures['reasons'][1]}" if row.figures else "-"
        columns = (
            f"{row.created_at:%Y-%m-%d %H:%M} UTC",
            f"{before} → {row.to_version}",
            kinds[row.kind] + (" by force" if row.forced else ""),
            row.who,
            row.why or verdict,
        )
        click.echo("\t".join(columns))


@bp.cli.command("export")
@click.argument("name_and_version", metavar="NAME[@VERSION]")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def _export_command(name_and_version: str, file: Path) -> None:
    """Write a version (without @VERSION the live one) with its card into the zip FILE.

    `flask model import FILE` imports it elsewhere.
    """
    name, number = name_and_number(name_and_version)
    card = get_registry().card(name, number)
    bundle.pack(get_registry(), name, card.version, file)
    click.echo(f"{name} {card.version} is in {file}, {file.stat().st_size / 2**20:.1f} MiB.")


def name_and_number(text: str) -> tuple[str, int | None]:
    """A model and its version from NAME or NAME@VERSION, None without one."""
    name, separator, number = text.partition("@")
    if separator and not number.isdecimal():
        raise click.UsageError(f"A version is a number: {name}@1, not {text}.")
    return name, int(number) if number else None


def _describe(comparison: Comparison) -> list[str]:
    """A comparison line by line: verdict, reasons, each label that changed, the photos."""
    champion, challenger = comparison.champion, comparison.challenger
    verdict = {"better": "better than", "same": "no better than", "worse": "worse than"}
    lines = [
        f"Version {challenger} is {verdict[comparison.verdict]} version {champion}.",
        *comparison.reasons,
        "",
    ]
    changed = [label for label in comparison.labels if label.champion != label.challenger]
    if changed:
        columns = f"{f'version {champion}':>12}{f'version {challenger}':>12}"
        lines.append(f"{'label':<22}{'photos':>7}{columns}")
    lines += [
        f"{label.label:<22}{label.n:>7}{label.champion:>12}{label.challenger:>12}"
        for label in changed
    ]
    lines += _list("fixed", comparison.fixed) + _list("broken", comparison.broken)
    return lines if lines[-1] else lines[:-1]


def _list(word: str, photos: Sequence[ComparedPhoto]) -> list[str]:
    lines = [
        f"{word:<7} {photo.photo}: {photo.champion} → {photo.challenger}"
        for photo in photos[:_LISTED]
    ]
    more = len(photos) - _LISTED
    return lines + ([f"{word:<7} … and {more} more"] if more > 0 else [])


def _compare(versions: tuple[Classifier, Classifier], photos: _Photos) -> Comparison:
    """The comparison; what was left out is said on standard error."""
    if photos.here:
        return _compare_on_history(versions, photos)
    registry = get_registry()
    first, second = (version.card for version in versions)
    result = compare.compare_on_photos(
        versions,
        photos_in(first.name, photos),
        [
            read_split(registry.version_folder(card.name, card.version), card)
            for card in (first, second)
        ],
        (current_card(first), current_card(second)),
        any_photo=photos.any_photo,
        watch=with_progress_bar("Comparing"),
    )
    for sentence in result.left_out:
        click.echo(f"left out {sentence}", err=True)
    _say_trained_on(result.trained_on)
    if result.other_labels:
        click.echo(
            f"left out {result.other_labels} photos whose label one of the versions does not know",
            err=True,
        )
    if photos.any_photo:
        _warn()
    return result.comparison


def _compare_on_history(versions: tuple[Classifier, Classifier], photos: _Photos) -> Comparison:
    """The same on the photos of the history, where the answers are stored."""
    if photos.data:
        raise click.UsageError("Compare on --data or on the --history, not on both.")
    registry = get_registry()
    champion, challenger = (version.card for version in versions)
    ids = (champion.name, champion.version, challenger.version)
    result = compare.compare_on_history(registry, *ids)
    if result.unknown and not photos.any_photo:
        raise ModelRefusedError(compare.unknown_training(result.unknown))
    pipeline = Pipeline(versions, get_files(), get_limiter())
    compare.answer_history(registry, pipeline, with_progress_bar("Comparing"))
    result = compare.compare_on_history(registry, *ids)
    _say_trained_on(result.trained_on)
    if result.unknown:
        _warn()
    return result.require_comparison()


def _say_trained_on(photos: int) -> None:
    if photos:
        click.echo(
            f"left out {photos} photos that one of the versions was trained or calibrated on",
            err=True,
        )


def _warn() -> None:
    text = "A version may have been trained on these photos: mistrust the result."
    click.secho(text, fg="red", err=True)


def _champion(name: str, challenger: int) -> Classifier | None:
    """The live version, None without one that works: then there is nothing to compare with."""
    live = get_registry().live_version(name)
    if live is None or live == challenger:
        return None
    try:
        return load_version(name, live)
    except ModelError as error:
        click.echo(f"The live version cannot be compared with: {error}", err=True)
        return None
