"""`flask model promote|rollback|history|export`: which version serves, and why."""

import json
from pathlib import Path

import click

from webapp.cli.history import TERMINAL, needs_history
from webapp.cli.models.comparison import (
    ComparedOn,
    Version,
    compare_versions,
    describe,
    photo_options,
)
from webapp.cli.models.group import bp
from webapp.errors import ModelError
from webapp.extensions import get_registry, load_any_version
from webapp.inference.models import bundle
from webapp.services.models import promotion
from webapp.services.models.promotion import Decision

_why_option = click.option(
    "--why", default="", metavar="TEXT", help="The reason, kept in the history."
)


@bp.cli.command("promote")
@click.argument("name")
@click.argument("version", type=int)
@photo_options
@click.option(
    "--force",
    is_flag=True,
    help="Let it take over though it is no better, or was not compared. Needs --why.",
)
@_why_option
@needs_history
def _promote_command(photos: ComparedOn, name: str, version: int, force: bool, why: str) -> None:
    """Let VERSION of NAME serve, if it is better than the live one.

    Compared on photos that neither was trained on (--data or --history).
    """
    if force and not why.strip():
        raise click.UsageError("--force needs a reason: --why TEXT.")
    challenger = load_any_version(name, version)
    champion = _champion(name, version)
    comparison = None
    if champion is not None and photos.named:
        comparison = compare_versions(champion, challenger, photos)
        click.echo("\n".join(describe(comparison)) + "\n", err=True)
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
    row = promotion.rollback(get_registry(), name, load_any_version, Decision(TERMINAL, why))
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
    card = get_registry().any_card(name, number)
    bundle.pack(get_registry(), name, card.version, file)
    click.echo(f"{name} {card.version} is in {file}, {file.stat().st_size / 2**20:.1f} MiB.")


def name_and_number(text: str) -> tuple[str, int | None]:
    """A model and its version from NAME or NAME@VERSION, None without one."""
    name, separator, number = text.partition("@")
    if separator and not number.isdecimal():
        raise click.UsageError(f"A version is a number: {name}@1, not {text}.")
    return name, int(number) if number else None


def _champion(name: str, challenger: int) -> Version | None:
    """The live version, None without one that works: then there is nothing to compare with."""
    live = get_registry().live_version(name)
    if live is None or live == challenger:
        return None
    try:
        return load_any_version(name, live)
    except ModelError as error:
        click.echo(f"The live version cannot be compared with: {error}", err=True)
        return None
