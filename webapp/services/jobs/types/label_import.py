"""The job that imports a large file of labels: the look at it is its plan, and what it changes is one batch."""

import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple

from webapp.domain import Who
from webapp.errors import BadLabelFileError
from webapp.inference.models.card import ModelCard
from webapp.services.jobs.job_type import Json, Kind, Tools, Work
from webapp.services.jobs.queue import Job, Owner, Ring, put_in
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


def put_in_file(
    asked: Json, *, owner: Owner, who: Who, ring: Ring, key: str = ""
) -> tuple[Job, bool]:
    """Put the job in; returns it and whether it is new. Raises what `jobs.put_in` raises."""
    return put_in(KIND, asked, title=asked["name"], owner=owner, who=who, ring=ring, key=key)


def plan(work: Work) -> list[Json]:
    """What the file would change now, in parts. Planning changes nothing."""
    asked = work.asked
    row = storage.find_file(asked["file"])
    if row is None:
        raise BadLabelFileError(
            "The file of labels is not here any more. Nothing was changed: send it again."
        )
    cards = [work.tools.registry.card(name, version) for name, version in asked["models"]]
    found = plan_import(
        _watched(read_labels(io.BytesIO(row.content), row.filename), work),
        cards,
        by_name=asked["by_name"],
    )
    work.say(
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


def do(work: Work) -> Json:
    """Give the photos of one part their labels, some in a transaction.

    May run twice: a photo is left alone that has a label event of this job, or another label than when the job looked.
    """
    changes = [Change(*one) for one in work.part["changes"]]
    for at in range(0, len(changes), BATCH):
        import_labels.give_labels(
            changes[at : at + BATCH], who=work.who, why=work.asked["name"], batch=work.job_id
        )
        work.progress(min(at + BATCH, len(changes)))
    return {"look": work.part.get("look")}


def finish(work: Work, results: Iterable[Json]) -> Json:
    """What the look found, how many photos were labelled, counted from what is stored, and the batch to undo. Twice gives the same."""
    (look,) = [one["look"] for one in results if one["look"]]
    changed = count_batch(work.job_id)
    wanted = look["new"] + (look["different"] if work.asked["replace"] else 0)
    skipped = 0 if work.asked["dry_run"] else max(0, wanted - changed)
    return look | {
        "dry_run": work.asked["dry_run"],
        "changed": changed,
        "skipped": skipped,
        "batch": work.job_id if changed else None,
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


def _watched(lines: Iterable[LabelLine], work: Work) -> Iterator[LabelLine]:
    """The lines; the job may be stopped between any two."""
    for line in lines:
        work.progress(0)
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


KIND = Kind(
    name=import_labels.JOB,
    title="Labels from a file",
    plan=plan,
    do=do,
    finish=finish,
    clear=clear,
    summary=summary,
)
