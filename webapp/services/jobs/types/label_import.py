"""The job that imports a large file of labels: the look at it is its plan, and what it changes is one batch."""

import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple

from webapp.domain import Who
from webapp.errors import BadLabelFileError
from webapp.inference.models.card import ModelCard
from webapp.services.jobs import queue
from webapp.services.jobs.job_type import JobType, Json, RunningJob, Tools
from webapp.services.jobs.queue import Job, Sender
from webapp.services.labels import label_import as import_labels
from webapp.services.labels.import_formats import LabelLine, read_labels
from webapp.services.labels.label_import import BATCH, Change, Plan, plan_import
from webapp.storage.labels import label_files as storage
from webapp.storage.photos.bulk import count_batch

MOST_PARTS = 200


def question(
    public_id: str,
    cards: Sequence[ModelCard],
    *,
    who: Who,
    by_name: bool,
    replace: bool,
    dry_run: bool = False,
) -> Json:
    """What a job is asked that imports a file which `import_labels.keep_file` kept. Its labels are those of the cards.

    With `dry_run` it only looks. Raises `PhotoNotFoundError` for a file that somebody else sent or that is gone.
    """
    return {
        "file": public_id,
        "name": import_labels.own_file(public_id, who).filename,
        "models": [[one.name, one.version] for one in cards],
        "by_name": by_name,
        "replace": replace,
        "dry_run": dry_run,
    }


def enqueue(params: Json, sender: Sender) -> Job:
    """Enqueue the job. Raises what `queue.enqueue` raises."""
    return queue.enqueue(JOB_TYPE, params, params["name"], sender)


def plan(job: RunningJob) -> list[Json]:
    """What the file would change now, in parts. Planning changes nothing."""
    asked = job.params
    row = storage.find_file(asked["file"])
    if row is None:
        raise BadLabelFileError(
            "The file of labels is not here any more. Nothing was changed: send it again."
        )
    cards = [job.tools.registry.card(name, version) for name, version in asked["models"]]
    found = plan_import(
        _watched(read_labels(io.BytesIO(row.content), row.filename), job),
        cards,
        by_name=asked["by_name"],
    )
    job.say(
        f"{found.lines:,} lines: {found.new:,} photos would get a label, {found.conflicts:,} have another one."
    )
    changes = (
        []
        if asked["dry_run"]
        else [list(astuple(one)) for one in found.wanted(replace=asked["replace"])]
    )
    size = max(BATCH, -(-len(changes) // MOST_PARTS))
    parts = [
        {"changes": changes[at : at + size], "total": len(changes[at : at + size])}
        for at in range(0, len(changes), size)
    ]
    return [{"changes": [], "look": _figures(found)}, *parts]


def do(job: RunningJob) -> Json:
    """Give the photos of one part their labels, some in a transaction.

    May run twice: a photo is left alone that has a label event of this job, or another label than when the job looked.
    """
    changes = [Change(*one) for one in job.part["changes"]]
    for at in range(0, len(changes), BATCH):
        import_labels.give_labels(
            changes[at : at + BATCH], who=job.who, why=job.params["name"], batch=job.id
        )
        job.progress(min(at + BATCH, len(changes)))
    return {"look": job.part.get("look")}


def finish(job: RunningJob, results: Iterable[Json]) -> Json:
    """What the look found, how many photos were labelled, counted from what is stored, and the batch to undo. Twice gives the same."""
    (look,) = [one["look"] for one in results if one["look"]]
    changed = count_batch(job.id)
    wanted = look["new"] + (look["different"] if job.params["replace"] else 0)
    skipped = 0 if job.params["dry_run"] else max(0, wanted - changed)
    return look | {
        "dry_run": job.params["dry_run"],
        "changed": changed,
        "skipped": skipped,
        "batch": job.id if changed else None,
    }


def summary(result: Json) -> str:
    """What came of it in a sentence or two."""
    if result["dry_run"]:
        return f"{result['new']:,} photos would get a label, {result['different']:,} have another one. Nothing was changed."
    changed = result["changed"]
    left = (
        f" {result['skipped']:,} were relabelled or deleted meanwhile and stayed."
        if result["skipped"]
        else ""
    )
    return f"{changed:,} photo{'' if changed == 1 else 's'} labelled.{left}"


def clear(_job_id: str, asked: Json, _tools: Tools) -> None:
    """Remove the file."""
    import_labels.forget_file(asked["file"])


def _watched(lines: Iterable[LabelLine], job: RunningJob) -> Iterator[LabelLine]:
    """The lines; the job may be stopped between any two."""
    for line in lines:
        job.progress(0)
        yield line


def _figures(found: Plan) -> Json:
    """What the look found. Counts are of lines, but `new` and `different` of photos."""
    return {
        "lines": found.lines,
        "new": found.new,
        "different": found.conflicts,
        "same": found.same,
        "empty": found.empty,
        "left_out": dict(Counter(found.troubles)),
        "examples": found.examples,
    }


JOB_TYPE = JobType(
    name=import_labels.JOB,
    title="Labels from a file",
    plan=plan,
    do=do,
    finish=finish,
    clear=clear,
    summary=summary,
)
