"""`flask jobs`: background jobs in the terminal."""

import json
import sys

import click

from webapp.cli.history import command_group, needs_history
from webapp.domain import JOB_STATES, Who
from webapp.services.jobs import queue
from webapp.services.jobs.queue import EVERYBODY, JobView

bp = command_group("jobs", "Background jobs.")
_TERMINAL = Who("the terminal")
_ANY_ID = {"ignore_unknown_options": True}  # an id may begin with a dash


@bp.cli.command("list")
@click.option("--state", type=click.Choice(JOB_STATES), help="Only jobs in this state.")
@click.option("--kind", "job_type", default="", help="Only jobs of this type.")
@click.option("--json", "as_json", is_flag=True, help="A JSON list on standard output.")
@needs_history
def _list_command(state: str | None, job_type: str, as_json: bool) -> None:
    """The newest fifty jobs."""
    views = queue.list_jobs(EVERYBODY, state=state or "", job_type=job_type).items
    if as_json:
        click.echo(json.dumps([_facts(view) for view in views], indent=2, ensure_ascii=False))
        return
    for view in views:
        job = view.job
        click.echo(
            f"{job.public_id}  {view.state:<9}  {job.type:<10}  {_progress(view):<22}  {job.title}"
        )
    if not views:
        click.echo("No jobs.")


@bp.cli.command("show", context_settings=_ANY_ID)
@click.argument("job_id")
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
@needs_history
def _show(job_id: str, as_json: bool) -> None:
    """One job: how it stands, what came of it, the end of its log. Exit code 1 when it failed."""
    view = queue.get_job(job_id, EVERYBODY)
    job = view.job
    if as_json:
        click.echo(json.dumps(_facts(view), indent=2, ensure_ascii=False))
    else:
        click.echo(f"{job.title} ({job.type}), {view.state}, {_progress(view)}, by {job.who}")
        for line in queue.log_lines(view):
            click.echo(f"  {line.at:%Y-%m-%d %H:%M:%S}  {line.text}")
    sys.exit(1 if view.state == "failed" else 0)


@bp.cli.command("cancel", context_settings=_ANY_ID)
@click.argument("job_id")
@needs_history
def _cancel(job_id: str) -> None:
    """Cancel a job. What it did stays."""
    view = queue.cancel_job(job_id, EVERYBODY, _TERMINAL)
    click.echo("Cancelled." if view.over else "It stops within a few seconds.")


@bp.cli.command("retry", context_settings=_ANY_ID)
@click.argument("job_id")
@needs_history
def _retry(job_id: str) -> None:
    """Let a job that failed go on where it stopped."""
    queue.retry_job(job_id, EVERYBODY, _TERMINAL)
    click.echo("It goes on as soon as a worker is free.")


def _progress(view: JobView) -> str:
    done, total, failed = view.progress.done, view.progress.total, view.progress.failed
    text = f"{done:,} of {total:,}" if total else f"{done:,}" if done else "-"
    return f"{text}, {failed:,} refused" if failed else text


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
