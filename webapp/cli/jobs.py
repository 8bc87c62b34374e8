"""`flask jobs`, `flask worker` and `flask serve`: background work seen from the terminal, and who does it."""

import json
import os
import sys
from pathlib import Path

import click
from flask import Blueprint

from webapp.cli.history import needs_history
from webapp.domain import JOB_STATES, Who
from webapp.errors import BadRequestError, JobNotFoundError, JobRefusedError
from webapp.services.jobs import queue as jobs
from webapp.services.jobs.queue import JobView, Owner

bp = Blueprint("cli_jobs", __name__, cli_group=None)
OPERATOR = Owner("", all=True)
TERMINAL = Who("the terminal")
ROOT = Path(__file__).resolve().parents[2]


@bp.cli.command("worker")
@click.option(
    "--hands",
    type=click.IntRange(1, 64),
    help="How many parts of jobs at once; one for each core when not given.",
)
def worker(hands: int | None) -> None:
    """Do background jobs until Ctrl-C. `flask serve` starts one; more may run, also on other machines."""
    _become("webapp.worker", *([f"--hands={hands}"] if hands else []))


@bp.cli.command("serve")
def serve() -> None:
    """Serve the site and do its background jobs, until Ctrl-C: gunicorn, and one worker that is started again when it dies."""
    _become("webapp.serve")


def _become(module: str, *words: str) -> None:
    """Go on as another module: this process has the whole app in memory, of which the next one needs little or its own."""
    sys.stdout.flush()
    os.chdir(ROOT)
    os.execv(sys.executable, [sys.executable, "-m", module, *words])  # noqa: S606


@bp.cli.group("jobs")
def group() -> None:
    """Background jobs."""


@group.command("list")
@click.option("--state", type=click.Choice(JOB_STATES), help="Only jobs in this state.")
@click.option("--kind", default="", help="Only jobs of this kind.")
@click.option("--json", "as_json", is_flag=True, help="A JSON list on standard output.")
@needs_history
def list_command(state: str | None, kind: str, as_json: bool) -> None:
    """The newest fifty jobs."""
    found = jobs.list_jobs(OPERATOR, state=state or "", job_type=kind).items
    if as_json:
        click.echo(json.dumps([_facts(one) for one in found], indent=2, ensure_ascii=False))
        return
    for one in found:
        click.echo(
            f"{one.job.public_id}  {one.state:<9}  {one.job.type:<10}  {_far(one):<22}  {one.job.title}"
        )
    if not found:
        click.echo("No jobs.")


@group.command("show")
@click.argument("job_id")
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
@needs_history
def show(job_id: str, as_json: bool) -> None:
    """One job: how it stands, what came of it, the end of its log. Exit code 1 when it failed."""
    view = _get(job_id)
    if as_json:
        click.echo(json.dumps(_facts(view), indent=2, ensure_ascii=False))
    else:
        click.echo(
            f"{view.job.title} ({view.job.type}), {view.state}, {_far(view)}, by {view.job.who}"
        )
        for line in jobs.log_lines(view):
            click.echo(f"  {line.at:%Y-%m-%d %H:%M:%S}  {line.text}")
    sys.exit(1 if view.state == "failed" else 0)


@group.command("cancel")
@click.argument("job_id")
@needs_history
def cancel(job_id: str) -> None:
    """Cancel a job. What it did stays."""
    try:
        view = jobs.cancel_job(job_id, OPERATOR, TERMINAL)
    except (JobNotFoundError, JobRefusedError) as error:
        raise click.ClickException(str(error)) from error
    click.echo("Cancelled." if view.over else "It stops within a few seconds.")


@group.command("retry")
@click.argument("job_id")
@needs_history
def retry(job_id: str) -> None:
    """Let a job that failed go on where it stopped."""
    try:
        jobs.retry_job(job_id, OPERATOR, TERMINAL)
    except (JobNotFoundError, JobRefusedError) as error:
        raise click.ClickException(str(error)) from error
    click.echo("It goes on as soon as a worker is free.")


def _get(job_id: str) -> JobView:
    try:
        return jobs.get_job(job_id, OPERATOR)
    except (JobNotFoundError, BadRequestError) as error:
        raise click.ClickException(str(error)) from error


def _far(view: JobView) -> str:
    done, total = view.progress.done, view.progress.total
    failed = f", {view.progress.failed:,} refused" if view.progress.failed else ""
    return (f"{done:,} of {total:,}" if total else f"{done:,}" if done else "-") + failed


def _facts(view: JobView) -> dict[str, object]:
    job = view.job
    return {
        "id": job.public_id,
        "kind": job.type,
        "title": job.title,
        "state": job.state,
        "done": view.progress.done,
        "total": view.progress.total,
        "failed": view.progress.failed,
        "who": job.who,
        "created_at": job.created_at.isoformat(),
        "ended_at": job.ended_at.isoformat() if job.ended_at else None,
        "result": job.result,
        "error": job.error,
    }
