"""`flask prepare` and `flask doctor`: get ready to serve, and say what is wrong."""

import shutil
import sqlite3
import sys
from collections.abc import Callable
from importlib.metadata import version as installed

import click
from flask import Blueprint
from sqlalchemy.exc import DBAPIError

from webapp.cli.history import migrate
from webapp.errors import (
    DamagedHistoryError,
    MarqueError,
    ModelUnavailableError,
    NobodyWorksError,
    NotDeliveredError,
    UserError,
)
from webapp.extensions import (
    get_classifier,
    get_config,
    get_extensions,
    get_rates,
    get_registry,
    load_classifier,
)
from webapp.inference.classifier import self_test
from webapp.services.accounts import users
from webapp.services.jobs import queue as jobs
from webapp.services.jobs.types.registry import KINDS
from webapp.services.labels.relabel import remember_label_sets
from webapp.services.operations.health import check_database, check_integrity, newer_sqlite_wanted
from webapp.services.photos import deletion as deleting
from webapp.services.stats.counters import check_tally
from webapp.services.stats.training_membership import read_lists
from webapp.services.webhooks import webhooks

bp = Blueprint("operate", __name__, cli_group=None)


@bp.cli.command("prepare")
def prepare() -> None:
    """Bring the database up to date, make the first admin, remove what was deleted a week ago; `make run` calls this before each start."""
    migrate()
    remember_label_sets(get_registry())
    read_lists(get_registry())
    deleting.purge(files=get_extensions().files)
    config = get_config()
    try:
        made = users.first_admin(config.admin_password)
    except UserError as error:
        raise click.ClickException(f"MARQUE_ADMIN_PASSWORD cannot be used: {error}") from error
    if made is not None and not config.admin_password:
        click.echo(
            "\n  The first admin was made. Log in with this name and password; it is shown this once:\n"
        )
        click.echo(f"      name      {made.user.name}\n      password  {made.password}\n")


@bp.cli.command("doctor")
def doctor() -> None:
    """Check settings, disk, database and the live models on this machine. Exit code 1 when something is wrong."""
    checks: list[tuple[str, Callable[[], str]]] = [
        ("Python", lambda: sys.version.split()[0]),
        (
            "Packages",
            lambda: ", ".join(
                f"{name} {installed(name)}"
                for name in ("flask", "pillow", "numpy", "ai-edge-litert")
            ),
        ),
        ("SQLite", _sqlite),
        ("Data folder", _disk),
        ("Database", _database),
        ("Files", _files),
        ("Stats", _stats),
        ("Rate limits", _rates),
        ("Model", _model),
        ("Same answers", _golden),
        ("Jobs", _jobs),
        ("Webhooks", _webhooks),
    ]
    wrong = 0
    for name, check in checks:
        try:
            mark, words = "ok", check()
        except (MarqueError, DBAPIError) as error:
            mark, words = "WRONG", _in_words(error)
            wrong += 1
        click.echo(f"{mark:>5}  {name:<13} {words}")
    sys.exit(1 if wrong else 0)


def _in_words(error: MarqueError | DBAPIError) -> str:
    """An error of the database is told without its question; a table that is not there yet is made by `flask prepare`."""
    return (
        str(error)
        if isinstance(error, MarqueError)
        else f"{error.orig}. `flask prepare` brings the database up to date."
    )


def _sqlite() -> str:
    if newer_sqlite_wanted():
        return f"{sqlite3.sqlite_version}: carries the WAL-reset bug (fixed in 3.51.3); worked around, see docs/decisions/0003-sqlite.md"
    return sqlite3.sqlite_version


def _disk() -> str:
    free = shutil.disk_usage(get_config().data).free
    return f"{get_config().data}, {free / 2**30:.1f} GiB free"


def _database() -> str:
    check_database()
    return check_integrity()


def _files() -> str:
    """Every photo has its file; files without a photo only take space."""
    orphans, missing = deleting.look_for_files(files=get_extensions().files)
    if missing:
        raise DamagedHistoryError(f"{missing:,} photos have no file. Restore a backup.")
    return (
        f"{orphans:,} belong to no photo: flask photos purge removes them"
        if orphans
        else "every photo has its own"
    )


def _stats() -> str:
    """What the stats page reads is what a full count gives."""
    found = check_tally()
    if not found.right:
        raise DamagedHistoryError(f"{found.words}. Run: flask stats recount")
    return found.words


def _rates() -> str:
    config = get_config()
    if not config.rate_limits:
        return "off"
    get_rates().check()
    where = "in Redis, for all processes" if config.rate_url else "in each process"
    return f"{config.rate_photos:,} photos and {config.rate_requests:,} requests a minute, counted {where}"


def _model() -> str:
    extensions = get_extensions()
    name, number = extensions.live()
    if trouble := extensions.trouble():
        raise ModelUnavailableError(trouble)
    card = get_classifier().card
    return f"{name} {number}, {len(card.labels)} labels, engine {extensions.config.engine}"


def _jobs() -> str:
    """A worker looks after the jobs that wait."""
    if trouble := jobs.nobody_works(KINDS):
        raise NobodyWorksError(trouble)
    return jobs.how_many()


def _webhooks() -> str:
    """What was to be told has arrived."""
    if trouble := webhooks.trouble():
        raise NotDeliveredError(trouble)
    return webhooks.how_many()


def _golden() -> str:
    """The live version of every model gives the answers its card promises."""
    extensions = get_extensions()
    lines = []
    for name, number in [extensions.live(one) for one in extensions.live_models() or [""]]:
        classifier = load_classifier(extensions.registry, name, number, extensions.config.engine)
        worst = self_test(classifier, extensions.registry.version_folder(name, number))
        lines.append(
            f"{name}: {len(classifier.card.golden)} golden photos, largest difference {worst:.1e}"
        )
    return "; ".join(lines)
