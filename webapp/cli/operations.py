"""`flask prepare|serve|worker|doctor`: get ready, serve, do jobs, and say what is wrong."""

import os
import shutil
import sqlite3
import sys
from importlib.metadata import version as installed

import click
from sqlalchemy.exc import DBAPIError

from webapp.cli.history import command_group, migrate
from webapp.config import ROOT
from webapp.errors import (
    DamagedHistoryError,
    MarqueError,
    ModelUnavailableError,
    NotDeliveredError,
    UserError,
)
from webapp.extensions import (
    get_classifier,
    get_config,
    get_extensions,
    get_files,
    get_registry,
    load_classifier,
)
from webapp.http.rate_limits import get_rates
from webapp.inference.classifier import self_test
from webapp.inference.detector import self_test as detector_self_test
from webapp.services.accounts import users
from webapp.services.jobs import queue as jobs
from webapp.services.jobs.types.registry import JOB_TYPES
from webapp.services.labels.relabel import remember_label_sets
from webapp.services.operations.health import (
    check_database,
    check_integrity,
    has_wal_reset_bug,
)
from webapp.services.photos import deletion
from webapp.services.stats.counters import check_counters
from webapp.services.stats.training_membership import read_lists
from webapp.services.webhooks import webhooks

bp = command_group("operations", top=True)


@bp.cli.command("prepare")
def _prepare() -> None:
    """Bring the database up to date, create the first admin, purge what was deleted a week ago.

    `make run` calls this before each start.
    """
    migrate()
    remember_label_sets(get_registry())
    read_lists(get_registry())
    deletion.purge(files=get_files())
    config = get_config()
    try:
        admin = users.first_admin(config.admin_password)
    except UserError as error:
        raise click.ClickException(f"MARQUE_ADMIN_PASSWORD cannot be used: {error}") from error
    if admin is not None and not config.admin_password:
        user, password = admin
        click.echo("\n  The first admin was created. Log in with this name and password;")
        click.echo("  the password is shown this once:\n")
        click.echo(f"      name      {user.name}\n      password  {password}\n")


@bp.cli.command("worker")
@click.option(
    "--threads",
    "--hands",
    type=click.IntRange(1, 64),
    help="How many parts of jobs at once; one for each core when not given.",
)
def _worker(threads: int | None) -> None:
    """Do background jobs until Ctrl-C. `flask serve` starts one; any number may run."""
    _become("webapp.worker", *([f"--threads={threads}"] if threads else []))


@bp.cli.command("serve")
def _serve() -> None:
    """Serve the site and do its background jobs, until Ctrl-C.

    Starts gunicorn, and one worker that is started again when it dies.
    """
    _become("webapp.serve")


def _become(module: str, *arguments: str) -> None:
    """Go on as another module, which has no use for the whole app that is in memory here."""
    sys.stdout.flush()
    os.chdir(ROOT)
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606


@bp.cli.command("doctor")
def _doctor() -> None:
    """Check settings, disk, database and models on this machine. Exit code 1 when one is wrong."""
    wrong = False
    for name, check in _CHECKS.items():
        try:
            mark, text = "ok", check()
        except MarqueError as error:
            mark, text, wrong = "WRONG", str(error), True
        except DBAPIError as error:  # without its SQL; the tables may not be there yet
            text = f"{error.orig}. `flask prepare` brings the database up to date."
            mark, wrong = "WRONG", True
        click.echo(f"{mark:>5}  {name:<13} {text}")
    sys.exit(wrong)


def _sqlite() -> str:
    if has_wal_reset_bug():
        return (
            f"{sqlite3.sqlite_version}: carries the WAL-reset bug (fixed in 3.51.3); "
            "worked around, see docs/decisions/0003-sqlite.md"
        )
    return sqlite3.sqlite_version


def _disk() -> str:
    free = shutil.disk_usage(get_config().data).free
    return f"{get_config().data}, {free / 2**30:.1f} GiB free"


def _database() -> str:
    check_database()
    return check_integrity()


def _files() -> str:
    orphans, missing = deletion.count_orphans(files=get_files())
    if missing:
        raise DamagedHistoryError(f"{missing:,} photos have no file. Restore a backup.")
    if orphans:
        return f"{orphans:,} belong to no photo: flask photos purge removes them"
    return "every photo has its own"


def _stats() -> str:
    right, text = check_counters()
    if not right:
        raise DamagedHistoryError(f"{text}. Run: flask stats recount")
    return text


def _rate_limits() -> str:
    config = get_config()
    if not config.rate_limits:
        return "off"
    get_rates().check()
    where = "in Redis, for all processes" if config.rate_url else "in each process"
    return (
        f"{config.rate_photos:,} photos and {config.rate_requests:,} requests a minute, "
        f"counted {where}"
    )


def _model() -> str:
    extensions = get_extensions()
    name, number = extensions.live()
    if trouble := extensions.trouble():
        raise ModelUnavailableError(trouble)
    card = get_classifier().card
    return f"{name} {number}, {len(card.labels)} labels, engine {extensions.config.engine}"


def _same_answers() -> str:
    extensions = get_extensions()
    lines = []
    for live in extensions.live_models() or [""]:
        name, number = extensions.live(live)
        classifier = load_classifier(extensions.registry, name, number, extensions.config.engine)
        worst = self_test(classifier, extensions.registry.version_folder(name, number))
        photos = len(classifier.card.golden)
        lines.append(f"{name}: {photos} golden photos, largest difference {worst:.1e}")
    if detector := extensions.live_detector():
        lines.append(_same_cells(detector))
    return "; ".join(lines)


def _same_cells(name: str) -> str:
    """What the live version of a detector answers in the cells of its golden photos."""
    extensions = get_extensions()
    number = extensions.registry.live_version(name)
    if number is None:
        raise ModelUnavailableError(f"The file that names the live version of {name} is damaged.")
    detector = extensions.detector_version(name, number)
    worst = detector_self_test(detector, extensions.registry.version_folder(name, number))
    return f"{name}: {len(detector.card.golden)} golden photos, largest difference {worst:.1e}"


def _jobs() -> str:
    """A worker looks after the jobs that wait."""
    if trouble := jobs.missing_worker(JOB_TYPES):
        raise MarqueError(trouble)
    return jobs.overview()


def _webhooks() -> str:
    if trouble := webhooks.trouble():
        raise NotDeliveredError(trouble)
    return webhooks.overview()


_PACKAGES = ("flask", "pillow", "numpy", "ai-edge-litert")
_CHECKS = {
    "Python": lambda: sys.version.split()[0],
    "Packages": lambda: ", ".join(f"{name} {installed(name)}" for name in _PACKAGES),
    "SQLite": _sqlite,
    "Data folder": _disk,
    "Database": _database,
    "Files": _files,
    "Stats": _stats,
    "Rate limits": _rate_limits,
    "Model": _model,
    "Same answers": _same_answers,
    "Jobs": _jobs,
    "Webhooks": _webhooks,
}
