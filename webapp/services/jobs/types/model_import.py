"""The job that makes a version of an uploaded model, checked in a process of its own."""

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from webapp.domain import LONG
from webapp.errors import BadRequestError, ModelRefusedError, StorageFullError
from webapp.inference.model_import.model_import import (
    ENDINGS,
    PREPROCESSING,
    Request,
    import_model,
)
from webapp.inference.models.card import RESIZE_RULES
from webapp.inference.models.publish import ChildLimits
from webapp.services.jobs import queue
from webapp.services.jobs.job_type import JobType, Json, RunningJob
from webapp.services.jobs.lock import alone_in
from webapp.services.jobs.queue import Job, Sender, new_id
from webapp.services.photos.spool import CHUNK, Spool, clear_abandoned

FILE_ENDINGS = (*ENDINGS, ".zip")
_TEXTS = ("name", "title", "preprocess", "resize")  # options that are a text
_ANSWER = "output.txt"  # beside what was sent


@dataclass(frozen=True)
class ModelUpload:
    """A model file that somebody sent: its name and content. `labels` are lines or a comma list;
    `labels_file`, if any, is a file of labels with its name, and goes before them."""

    filename: str
    content: IO[bytes]
    labels: str = ""
    labels_file: tuple[str, IO[bytes]] | None = None


def check_options(form: Mapping[str, str]) -> Json:
    """The options of an import: those given of name, title, preprocess, size (224x224) and resize,
    and threshold (a whole percentage, else 50). Raises `BadRequestError`."""
    values = {name: form.get(name, "").strip() for name in ("size", *_TEXTS)}
    threshold = form.get("threshold", "").strip() or "50"
    if not threshold.isdecimal() or int(threshold) > 100:
        raise BadRequestError(
            "The confidence below which it says nothing is a whole percentage, 0 to 100."
        )
    size = values["size"]
    if size and not re.fullmatch(r"\d{1,5}[x×]\d{1,5}", size):
        raise BadRequestError(
            f"A size is height x width in pixels, such as 224x224, not {size[:40]!r}."
        )
    for name, allowed in (("preprocess", PREPROCESSING), ("resize", RESIZE_RULES)):
        if values[name] and values[name] not in allowed:
            raise BadRequestError(f"There is no {name} called {values[name][:40]!r}.")
    given = {name: value for name, value in values.items() if value}
    return given | {"threshold": str(int(threshold) / 100)}


def file_name(given: str) -> str:
    """A safe name for an uploaded model, like the one it had. Raises `BadRequestError` for an
    ending that no model has."""
    path = Path(given.replace("\\", "/"))
    ending = path.suffix.lower()
    if ending not in FILE_ENDINGS:
        raise BadRequestError(
            f"A network is a file that ends in {', '.join(ENDINGS)}, or a zip with one; "
            f"{path.name[:80]!r} is neither."
        )
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-._")[:60]
    return (stem or "model") + ending


def enqueue(data: Path, sent: ModelUpload, options: Json, sender: Sender) -> Job:
    """Keep what was sent and enqueue its job. Acknowledged means kept and committed.

    Raises `BadRequestError` for another kind of file, `StorageFullError`; nothing is kept then.
    """
    name = file_name(sent.filename)
    clear_abandoned(data)
    spool = Spool(data, new_id())
    try:
        labels = _keep(spool.folder, name, sent)
        params = {"options": options, "file": name, "labels": labels}
        return queue.enqueue(JOB_TYPE, params, name, sender, public_id=spool.folder.name)
    except BaseException as error:
        spool.clear()
        if isinstance(error, OSError):
            raise StorageFullError(
                "The disk is full or read-only. Nothing was stored; make room and try again."
            ) from error
        raise


def _keep(folder: Path, name: str, sent: ModelUpload) -> str:
    """Write the files; returns the name of the one with the labels, "" without any."""
    folder.mkdir(parents=True, mode=0o700)
    with (folder / name).open("wb") as file:
        shutil.copyfileobj(sent.content, file, CHUNK)
    if sent.labels_file is not None:
        given, content = sent.labels_file
        labels = "labels.json" if given.lower().endswith(".json") else "labels.txt"
        with (folder / labels).open("wb") as file:
            shutil.copyfileobj(content, file, CHUNK)
        return labels
    # Always a file: the command would take a label that is a path for a file of this server.
    lines = re.split(r"[,\r\n]+", sent.labels.strip())
    if lines != [""]:
        (folder / "labels.txt").write_text("\n".join(lines), encoding="utf-8")
        return "labels.txt"
    return ""


def _do(job: RunningJob) -> Json:
    """Let the gate check the model, in a process of its own; returns name, version and notes.

    May run twice: two never run at once (a lock on the job's folder), a version appears by one
    rename when everything was checked, and what an import that ended well wrote down is used.
    Killed between the rename and that note, the same model is published once more, as the next
    version, which waits like the first.
    """
    folder = Spool(job.tools.config.data, job.id).folder
    if not (folder / job.params["file"]).is_file():
        raise ModelRefusedError("What was sent is not in the data folder any more. Send it again.")
    try:
        with alone_in(folder, job):
            return _made(folder) or _import(job, folder)
    except OSError as error:
        raise StorageFullError(
            "The server's disk is full or cannot be written. Tell the admin."
        ) from error


def _import(job: RunningJob, folder: Path) -> Json:
    job.say(
        "It is rebuilt, checked layer by layer, compiled and compared with itself: "
        "one to five minutes, 15 at most."
    )
    options, labels = job.params["options"], job.params["labels"]
    size = re.split("[x×]", options["size"]) if "size" in options else None
    request = Request(
        folder / job.params["file"],
        str(folder / labels) if labels else "",
        size=(int(size[0]), int(size[1])) if size else None,
        threshold=float(options["threshold"]),
        **{name: options[name] for name in _TEXTS if name in options},
    )
    limits = ChildLimits(temporary=folder, watch=lambda: job.progress(job.done))
    made = asdict(import_model(request, job.tools.registry.folder, limits=limits))
    (folder / _ANSWER).write_text(json.dumps(made), encoding="utf-8")
    for note in made["notes"]:
        job.say(note)
    return made


def _made(folder: Path) -> Json | None:
    """What an import in this folder that ended well wrote down, None without one."""
    try:
        answer = json.loads((folder / _ANSWER).read_text(encoding="utf-8"))
        return {name: answer[name] for name in ("name", "version", "notes")}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _summary(result: Json) -> str:
    return (
        f"{result['name']} {result['version']} is there. It was not measured here, "
        "and it waits until somebody lets it serve."
    )


JOB_TYPE = JobType(
    "import-model",
    "Model import",
    _do,
    clear=lambda job_id, _params, tools: Spool(tools.config.data, job_id).clear(),
    queue=LONG,
    summary=_summary,
)
