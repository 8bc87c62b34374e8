"""The job that makes a version of a network from elsewhere: what was sent is kept, the gate looks at it in a process of its own."""

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from webapp.domain import LONG
from webapp.errors import BadRequestError, ModelRefusedError, StorageFullError
from webapp.inference.model_import.model_import import ENDINGS, PREPROCESSING
from webapp.inference.models.card import RESIZE_RULES
from webapp.services.jobs import queue
from webapp.services.jobs.commands import read_output, run_command
from webapp.services.jobs.job_type import JobType, Json, RunningJob, Tools
from webapp.services.jobs.queue import Job, Sender, new_id
from webapp.services.jobs.types.upload import CHUNK, SPOOL, forget, forget_abandoned

FILE_ENDINGS = (*ENDINGS, ".zip")
LABELS = "labels"
LIMITS = "It is rebuilt, checked layer by layer, compiled and compared with itself: one to five minutes, 15 at most."
KILLED = "It ended before it was done: somebody stopped it, or the server ran out of memory. Nothing of it is kept."


@dataclass(frozen=True)
class Sent:
    """A network that somebody sent: the name of its file and its content. `labels` are lines or a comma list; `labels_file`, if any, is
    a file of labels with its name, and goes before them."""

    filename: str
    content: IO[bytes]
    labels: str = ""
    labels_file: tuple[str, IO[bytes]] | None = None


def question(form: Mapping[str, str]) -> Json:
    """What an import is asked: `form` may have name, title, preprocess, size (224x224), resize, threshold (a whole percentage, 50).

    Raises `BadRequestError` for what makes no sense.
    """
    values: dict[str, Any] = {
        key: form.get(key, "").strip() for key in ("name", "title", "preprocess", "size", "resize")
    }
    threshold = form.get("threshold", "").strip() or "50"
    if not threshold.isdecimal() or int(threshold) > 100:
        raise BadRequestError(
            "The confidence below which it says nothing is a whole percentage, 0 to 100."
        )
    if values["size"] and not re.fullmatch(r"\d{1,5}[x×]\d{1,5}", values["size"]):
        raise BadRequestError(
            f"A size is height x width in pixels, such as 224x224, not {values['size'][:40]!r}."
        )
    for key, allowed in (("preprocess", PREPROCESSING), ("resize", RESIZE_RULES)):
        if values[key] and values[key] not in allowed:
            raise BadRequestError(f"There is no {key} called {values[key][:40]!r}.")
    return {key: value for key, value in values.items() if value} | {
        "threshold": str(int(threshold) / 100)
    }


def file_name(given: str) -> str:
    """A name of our own for an uploaded network, like the one it had. Raises `BadRequestError` for an ending that no network has."""
    path = Path(given.replace("\\", "/"))
    if path.suffix.lower() not in FILE_ENDINGS:
        raise BadRequestError(
            f"A network is a file that ends in {', '.join(ENDINGS)}, or a zip with one; {path.name[:80]!r} is neither."
        )
    return (
        re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-._")[:60] or "model"
    ) + path.suffix.lower()


def enqueue(data: Path, sent: Sent, options: Json, sender: Sender) -> Job:
    """Keep what was sent and enqueue its job. Acknowledged means kept and committed.

    Raises `BadRequestError` for a file that is no network, `StorageFullError`; nothing is kept then.
    """
    name = file_name(sent.filename)
    forget_abandoned(data)
    job_id = new_id()
    try:
        labels = _keep(data / SPOOL / job_id, name, sent)
        params = {"options": options, "file": name, "labels": labels}
        return queue.enqueue(JOB_TYPE, params, name, sender, public_id=job_id)
    except OSError as error:
        forget(data, job_id)
        raise StorageFullError(
            "The disk is full or read-only. Nothing was stored; make room and try again."
        ) from error
    except BaseException:
        forget(data, job_id)
        raise


def _keep(folder: Path, name: str, sent: Sent) -> str:
    """Write the files; returns the name of the one with the labels, "" when there is none."""
    folder.mkdir(parents=True, mode=0o700)
    with (folder / name).open("wb") as file:
        shutil.copyfileobj(sent.content, file, CHUNK)
    if sent.labels_file is not None:
        given, content = sent.labels_file
        labels = LABELS + (".json" if given.lower().endswith(".json") else ".txt")
        with (folder / labels).open("wb") as file:
            shutil.copyfileobj(content, file, CHUNK)
        return labels
    if (
        sent.labels.strip()
    ):  # a file of ours, never a name: the command would take a name for a file on this server
        (folder / f"{LABELS}.txt").write_text(
            "\n".join(re.split(r"[,\r\n]+", sent.labels.strip())), encoding="utf-8"
        )
        return f"{LABELS}.txt"
    return ""


def do(job: RunningJob) -> Json:
    """Let `flask model import` look at the network; returns name and version of what it made, and its notes.

    May run twice: two never run at once (a lock on the job's folder), a version appears by one rename when everything was checked, and
    what a command said that had ended well when its worker was gone is taken for the answer. Killed in the moment between the rename and
    that word, the same network is published once more, as the next version, which waits like the first.
    """
    folder = job.tools.data / SPOOL / job.id
    asked = job.params
    if not (folder / asked["file"]).is_file():
        raise ModelRefusedError("What was sent is not in the data folder any more. Send it again.")
    if (made := _made(folder)) is not None:
        return made
    job.say(LIMITS)
    options = [f"--{key}={value}" for key, value in asked["options"].items()]
    labels = [f"--labels={folder / asked['labels']}"] if asked["labels"] else []
    ended = run_command(
        job,
        ["model", "import", "--json", *options, *labels, "--", str(folder / asked["file"])],
        folder,
    )
    if ended.status:
        raise ModelRefusedError(KILLED if ended.status < 0 or not ended.trouble else ended.trouble)
    made = _made(folder)
    if made is None:
        raise ModelRefusedError(KILLED)
    for note in made["notes"]:
        job.say(note)
    return made


def _made(folder: Path) -> Json | None:
    """What a command in this folder said at its good end, None when none has ended well."""
    try:
        said = json.loads(read_output(folder))
        return {"name": said["name"], "version": said["version"], "notes": said["notes"]}
    except (ValueError, KeyError, TypeError):
        return None


def summary(result: Json) -> str:
    """What came of an import in a sentence."""
    return f"{result['name']} {result['version']} is there. It was not measured here, and it waits until somebody lets it serve."


def clear(job_id: str, _asked: Json, tools: Tools) -> None:
    """Remove what was sent."""
    forget(tools.data, job_id)


JOB_TYPE = JobType(
    name="import-model", title="Model import", do=do, clear=clear, queue=LONG, summary=summary
)
