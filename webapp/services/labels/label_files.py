"""Files of labels that wait between the look at them and their import."""

import io
import secrets
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import islice
from pathlib import PurePosixPath

from webapp.domain import Who
from webapp.errors import BadLabelFileError, PhotoNotFoundError
from webapp.label_files.folders import folder_line
from webapp.label_files.listed_photo import ListedPhoto
from webapp.label_files.registry import read_labels
from webapp.reports.csv_safety import to_csv
from webapp.storage import jobs
from webapp.storage.database import writing
from webapp.storage.labels import label_files as storage
from webapp.storage.tables import LabelFile, now

MAX_BYTES = 20 * 1024 * 1024  # of a file in the browser; the terminal reads any
_KEPT = timedelta(days=1)  # how long a file waits between the preview and its import
LARGE = 5_000  # lines of a file that are imported while one waits; more are a job
MOST_DRAWN = 50  # boxes of a file that are drawn while one waits; more are a job
JOB = "labels"  # the type of that job, whose files wait as long as it needs them


def keep_file(filename: str, content: bytes, *, who: Who) -> str:
    """Keep a file of labels until it is imported, a day at most; its id. Raises
    `BadLabelFileError`."""
    if not content:
        raise BadLabelFileError(
            "No file came with the form, or an empty one. Choose one, then press the button again."
        )
    if len(content) > MAX_BYTES:
        raise BadLabelFileError(
            f"The file is larger than {MAX_BYTES // 2**20} MB. "
            "Import it in the terminal: flask photos import FILE."
        )
    deque(read_labels(io.BytesIO(content), filename), maxlen=0)  # what is kept can be read
    row = LabelFile(
        public_id=secrets.token_urlsafe(9),
        filename=filename[:255],
        content=content,
        user_id=who.user_id,
        created_at=now(),
    )
    with writing():
        spare = [params["file"] for params in jobs.uncleared_params(JOB)]
        storage.add_file(row, oldest=now() - _KEPT, spare=spare)
    return row.public_id


def keep_folder(files: Iterable[tuple[str, str]], *, who: Who) -> str:
    """Keep what a folder of photos says, as a table that waits like any file of labels; its id.

    `files` are paths, which begin with the folder that was chosen, and the SHA-256 of what they
    hold. The folders in it are the labels; what lies beside them, or is hidden, is left out. Raises
    `BadLabelFileError` when nothing is left.
    """
    name, rows = "", []
    for path, sha256 in files:
        chosen, *parts = PurePosixPath(path.replace("\\", "/")).parts or ("",)
        if len(parts) > 1 and not any(part.startswith(".") for part in parts):
            name, line = chosen, folder_line(PurePosixPath(*parts), sha256)
            rows.append((line.sha256, line.filename, line.label))
    if not rows:
        raise BadLabelFileError(
            "The folder has no folders with photos in it. "
            "Choose the one that has a folder for each class."
        )
    table = to_csv(("sha256", "filename", "label"), rows)
    return keep_file(f"{name[:200]}.csv", table.encode(), who=who)


def own_file(public_id: str, who: Who) -> LabelFile:
    """A file that waits. Raises `PhotoNotFoundError` when it is gone or somebody else's."""
    row = storage.find_file(public_id)
    if row is None or row.user_id != who.user_id:
        raise PhotoNotFoundError(
            "This file of labels is not here any more: "
            "it was imported, or waited for more than a day."
        )
    return row


def read_file(row: LabelFile) -> Iterator[ListedPhoto]:
    """The lines of a file that waits."""
    return read_labels(io.BytesIO(row.content), row.filename)


def is_large(row: LabelFile) -> bool:
    """True for a file with more lines than one waits for."""
    return sum(1 for _line in islice(read_file(row), LARGE + 1)) > LARGE


def forget_file(public_id: str) -> None:
    """The file was imported, or is not wanted."""
    with writing():
        storage.forget_file(public_id)
