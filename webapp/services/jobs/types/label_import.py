"""The job that imports a large file of labels: its plan is the preview, its changes one batch."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple

from webapp.domain import ALL_MODELS, count
from webapp.errors import BadLabelFileError
from webapp.inference.models.card import ModelCard
from webapp.label_files.listed_photo import ListedPhoto
from webapp.services.jobs import queue
from webapp.services.jobs.job_type import JobType, Json, RunningJob, batch_result, cut
from webapp.services.jobs.queue import Job, Sender
from webapp.services.labels import label_files, label_import
from webapp.services.labels.import_plan import BATCH, PlannedLabel, plan_import
from webapp.services.photos.classify import Pipeline
from webapp.storage.cars.boxes import count_changed_cars
from webapp.storage.labels import label_files as storage
from webapp.storage.labels.events import Stamp
from webapp.storage.tables import LabelFile


def params_for(
    row: LabelFile,
    cards: Sequence[ModelCard],
    *,
    by_name: bool,
    replace: bool,
    dry_run: bool = False,
) -> Json:
    """The params of a job that imports a file which waits, with the labels of these cards; with
    `dry_run` it only says what would change."""
    return {
        "file": row.public_id,
        "name": row.filename,
        "models": [[card.name, card.version] for card in cards],
        "by_name": by_name,
        "replace": replace,
        "dry_run": dry_run,
    }


def enqueue(params: Json, sender: Sender) -> Job:
    """Enqueue the job. Raises what `queue.enqueue` raises."""
    return queue.enqueue(JOB_TYPE, params, params["name"], sender)


def _plan(job: RunningJob) -> list[Json]:
    """What the file would change now, in parts. Planning changes nothing."""
    asked = job.params
    row = storage.find_file(asked["file"])
    if row is None:
        raise BadLabelFileError(
            "The file of labels is not here any more. Nothing was changed: send it again."
        )
    cards = [job.tools.registry.card(name, version) for name, version in asked["models"]]
    lines = _watched(label_files.read_file(row), job)
    preview = plan_import(lines, cards, by_name=asked["by_name"])
    job.say(
        f"{preview.lines:,} lines: {preview.new:,} cars would get a label, "
        f"{preview.conflicts:,} have another one, {preview.drawn:,} boxes would be drawn."
    )
    wanted = [] if asked["dry_run"] else preview.wanted(replace=asked["replace"])
    chunks = cut([list(astuple(change)) for change in wanted], BATCH, BATCH)
    parts = [{"changes": chunk, "total": len(chunk)} for chunk in chunks]
    look = {  # of lines, but `new`, `different` and `drawn` of cars
        "lines": preview.lines,
        "new": preview.new,
        "different": preview.conflicts,
        "drawn": preview.drawn,
        "same": preview.same,
        "empty": preview.empty,
        "left_out": dict(preview.troubles),
        "examples": preview.examples,
        "wanted": len(wanted),
    }
    return [{"changes": [], "look": look}, *parts]


def _do(job: RunningJob) -> Json:
    """Give the cars of one part their labels, and draw its boxes.

    May run twice: a car is left alone that has a label event of this job, or another label than
    when it was planned.
    """
    tools, stamp = job.tools, Stamp(job.who, "import", job.params["name"], job.id)
    pipeline = Pipeline(tools.classifiers(ALL_MODELS), tools.files, tools.limiter)
    changes = [PlannedLabel(*values) for values in job.part["changes"]]
    label_import.give_labels(changes, pipeline, stamp)
    return {"look": job.part.get("look")}


def _finish(job: RunningJob, results: Iterable[Json]) -> Json:
    """What was planned, and how many cars got a label or a box, counted from what is stored."""
    (look,) = [result["look"] for result in results if result["look"]]
    dry_run = job.params["dry_run"]
    wanted = look.pop("wanted")
    result = batch_result(job, count_changed_cars(job.id), wanted)
    return look | {"dry_run": dry_run} | result


def _summary(result: Json) -> str:
    if result["dry_run"]:
        drawn = result.get("drawn")  # absent in jobs of earlier versions
        boxes = f", {count(drawn, 'box', 'boxes')} would be drawn" if drawn else ""
        return (
            f"{result['new']:,} cars would get a label, "
            f"{result['different']:,} have another one{boxes}. Nothing was changed."
        )
    changed, skipped = result["changed"], result["skipped"]
    left = f" {skipped:,} were relabelled or deleted meanwhile and stayed." if skipped else ""
    what = "labelled or drawn" if result.get("drawn") else "labelled"
    return f"{count(changed, 'car')} {what}.{left}"


def _watched(lines: Iterable[ListedPhoto], job: RunningJob) -> Iterator[ListedPhoto]:
    """The lines; the job may be stopped between any two."""
    for line in lines:
        job.progress(0)
        yield line


JOB_TYPE = JobType(
    label_files.JOB,
    "Labels from a file",
    _do,
    plan=_plan,
    finish=_finish,
    clear=lambda _job_id, params, _tools: label_files.forget_file(params["file"]),
    summary=_summary,
)
