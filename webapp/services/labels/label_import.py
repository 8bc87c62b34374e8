"""Labels from elsewhere meet the photos here: what would change is said first; then it is one batch, with one undo."""

import io
import secrets
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

from webapp.domain import NONE_OF_THESE, VERDICTS, Who
from webapp.errors import BadLabelFileError, PhotoNotFoundError
from webapp.inference.models.card import ModelCard
from webapp.inference.models.label_set import all_labels
from webapp.reports.csv_safety import to_csv
from webapp.services.exports.formats.tables import folder_of
from webapp.services.labels.import_formats import LabelLine, folder_line, read_labels
from webapp.services.labels.label_mapping import current_card
from webapp.services.labels.relabel import Relabelled, model_of, record_label
from webapp.storage import jobs
from webapp.storage.database import end_reading, writing
from webapp.storage.labels import label_files as storage
from webapp.storage.labels.events import Stamp, new_batch
from webapp.storage.photos import photos
from webapp.storage.photos.bulk import not_in_batch
from webapp.storage.tables import LabelFile, now

BATCH = 500
SHOWN = 20
MAX_BYTES = 20 * 1024 * 1024
"""Bytes of a file of labels in the browser; the terminal reads any."""
KEPT = timedelta(days=1)
"""How long a file waits between the look at it and its import."""
LARGE = 5_000
"""Lines of a file that are imported while one waits; more are a job."""
JOB = "labels"
"""The kind of that job, whose files wait as long as it needs them."""


UNKNOWN, LIKE, SEVERAL = "unknown photo", "another file of this name", "several photos of this name"
STRANGE, CONTRADICTION = "unknown label", "contradiction"


@dataclass(frozen=True)
class Change:
    """A photo that would get a label; `before` is what it has now."""

    public_id: str
    label: str
    model: str | None
    before: str | None
    replaces: bool


@dataclass
class Plan:
    """What a file of labels would do. Counts are of lines, but for `changes`, which has each photo once.

    `examples` holds the first lines of each kind that cannot be taken.
    """

    lines: int = 0
    same: int = 0
    empty: int = 0
    changes: dict[str, Change] = field(default_factory=dict)
    unknown_labels: Counter[str] = field(default_factory=Counter)
    troubles: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    @property
    def new(self) -> int:
        """Photos without a label that would get one."""
        return sum(not one.replaces for one in self.changes.values())

    @property
    def conflicts(self) -> int:
        """Photos that have another label."""
        return sum(one.replaces for one in self.changes.values())

    @property
    def unknown(self) -> int:
        """Lines whose photo is not here."""
        return self.troubles[UNKNOWN]

    def wanted(self, *, replace: bool) -> list[Change]:
        """The changes to be made: those to photos that have another label only with `replace`."""
        return [one for one in self.changes.values() if replace or not one.replaces]

    def trouble(self, kind: str, line: LabelLine, what: str) -> None:
        """A line that cannot be taken."""
        self.troubles[kind] += 1
        if len(self.examples.setdefault(kind, [])) < SHOWN:
            self.examples[kind].append(f"{line.where}: {what}")


def plan_import(
    lines: Iterable[LabelLine], cards: Sequence[ModelCard], *, by_name: bool = False
) -> Plan:
    """What these lines would do to the photos here; nothing is changed.

    A photo is found by its id, else by the SHA-256 of its file; by its file name, when only one photo has it, if the line says no SHA-256
    or with `by_name`. A label is one of the cards' (by name, display name or alias, upper and lower case alike) or a verdict. Raises
    `BadLabelFileError`.
    """
    plan, contradicted = Plan(), set[str]()
    names = names_of_labels(cards)
    several = iter(lines)
    while some := list(islice(several, BATCH)):
        found = storage.find_photos(
            [line.id for line in some if line.id], [line.sha256 for line in some if line.sha256]
        )
        found = found.with_names(
            [line.filename for line in some if line.filename and _found(line, found) is None]
        )
        end_reading()
        for line in some:
            plan.lines += 1
            _take(plan, line, found, names, cards, contradicted, by_name)
    for public_id in contradicted:
        plan.changes.pop(public_id, None)
    return plan


def apply_import(plan: Plan, *, replace: bool, who: Who, why: str) -> Relabelled:
    """Give the photos of a plan their labels, all in one batch. Photos that have another label keep it unless `replace`.

    A photo that was relabelled since the plan is skipped. Some thousand photos are several transactions: when the machine stops between
    two, the same import goes on.
    """
    several = iter(plan.wanted(replace=replace))
    batch, changed = new_batch(), 0
    while some := list(islice(several, BATCH)):
        changed += give_labels(some, who=who, why=why, batch=batch)
    return Relabelled(changed, len(plan.changes) - changed, batch if changed else "")


def give_labels(changes: Sequence[Change], *, who: Who, why: str, batch: str) -> int:
    """Give some photos their labels in one transaction; how many got one. Photos that were relabelled since the look are left alone, and
    those that this batch has labelled before."""
    changed = 0
    with writing():
        here = photos.photos_by_public_id([one.public_id for one in changes])
        fresh = {*not_in_batch([photo.id for photo, _outcome in here.values()], batch)}
        for one in changes:
            photo = here[one.public_id][0] if one.public_id in here else None
            if photo is not None and photo.id in fresh and photo.ground_truth == one.before:
                model = one.model or (photo.prediction.model if photo.prediction else None)
                record_label(photo, one.label, model, Stamp(who, "import", why, batch))
                changed += 1
    return changed


# ---- files that wait ----


def keep_file(filename: str, content: bytes, *, who: Who) -> str:
    """Keep a file of labels until it is imported, a day at most; its id. Raises `BadLabelFileError` for one that cannot be read."""
    if not content:
        raise BadLabelFileError(
            "No file came with the form, or an empty one. Choose one, then press the button again."
        )
    if len(content) > MAX_BYTES:
        raise BadLabelFileError(
            f"The file is larger than {MAX_BYTES // 2**20} MB. Import it in the terminal: flask photos import FILE."
        )
    deque(
        read_labels(io.BytesIO(content), filename), maxlen=0
    )  # to its end: what is kept can be read
    row = LabelFile(
        public_id=secrets.token_urlsafe(9),
        filename=filename[:255],
        content=content,
        user_id=who.user_id,
        created_at=now(),
    )
    with writing():
        storage.forget_older(
            now() - KEPT, spare=[one["file"] for one in jobs.uncleared_params(JOB)]
        )
        storage.add_file(row)
    return row.public_id


def is_large(public_id: str, *, who: Who) -> bool:
    """True for a file with more lines than one waits for. Raises what `plan_of_file` raises."""
    row = own_file(public_id, who)
    return (
        sum(1 for _line in islice(read_labels(io.BytesIO(row.content), row.filename), LARGE + 1))
        > LARGE
    )


def keep_folder(files: Iterable[tuple[str, str]], *, who: Who) -> str:
    """Keep what a folder of photos says, as a table that waits like any file of labels; its id.

    `files` are paths, which begin with the folder that was chosen, and the SHA-256 of what they hold. The folders in it are the labels;
    what lies in it beside them, or is hidden, is left out. Raises `BadLabelFileError` when nothing is left.
    """
    name, lines = "", []
    for path, sha256 in files:
        chosen, *parts = PurePosixPath(path.replace("\\", "/")).parts or ("",)
        if len(parts) > 1 and not any(part.startswith(".") for part in parts):
            name, line = chosen, folder_line(PurePosixPath(*parts), sha256)
            lines.append((line.id, line.sha256, line.filename, line.label))
    if not lines:
        raise BadLabelFileError(
            "The folder has no folders with photos in it. Choose the one that has a folder for each class."
        )
    return keep_file(
        f"{name[:200]}.csv", to_csv(("id", "sha256", "filename", "label"), lines).encode(), who=who
    )


def plan_of_file(
    public_id: str, cards: Sequence[ModelCard], *, who: Who, by_name: bool = False
) -> tuple[str, Plan]:
    """The name of a file that waits, and what it would do. Raises `PhotoNotFoundError` for one that somebody else sent or that is gone."""
    row = own_file(public_id, who)
    return row.filename, plan_import(
        read_labels(io.BytesIO(row.content), row.filename), cards, by_name=by_name
    )


def own_file(public_id: str, who: Who) -> LabelFile:
    """A file that waits. Raises `PhotoNotFoundError` for one that somebody else sent or that is gone."""
    row = storage.find_file(public_id)
    if row is None or row.user_id != who.user_id:
        raise PhotoNotFoundError(
            "This file of labels is not here any more: it was imported, or waited for more than a day."
        )
    return row


def forget_file(public_id: str) -> None:
    """The file was imported, or is not wanted."""
    with writing():
        storage.forget_file(public_id)


# ---- one line ----


def _take(
    plan: Plan,
    line: LabelLine,
    found: storage.Found,
    names: dict[str, str],
    cards: Sequence[ModelCard],
    contradicted: set[str],
    by_name: bool,
) -> None:
    if not line.label:
        plan.empty += 1
        return
    label = names.get(line.label.casefold())
    if label is None:
        plan.unknown_labels[line.label[:80]] += 1
        plan.trouble(STRANGE, line, line.label[:80])
        return
    row = _photo_of(plan, line, found, by_name)
    if row is None:
        return
    if row.public_id in plan.changes and plan.changes[row.public_id].label != label:
        contradicted.add(row.public_id)
        plan.trouble(
            CONTRADICTION,
            line,
            f"{row.filename} is both {plan.changes[row.public_id].label} and {label}",
        )
        return
    model = model_of(label, [card for card in cards if card.name == line.model] or cards)
    if row.ground_truth == label and (label != NONE_OF_THESE or model in (None, row.truth_model)):
        plan.same += 1
    else:
        plan.changes[row.public_id] = Change(
            row.public_id, label, model, row.ground_truth, replaces=row.ground_truth is not None
        )


def _photo_of(plan: Plan, line: LabelLine, found: storage.Found, by_name: bool) -> Any:
    """The photo that a line means, None when there is none or when several have its name."""
    known = _found(line, found)
    if known is not None:
        return known
    named = found.names.get(line.filename, [])
    if len(named) == 1 and (by_name or not line.sha256):
        return named[0]
    if len(named) > 1 and (by_name or not line.sha256):
        plan.trouble(SEVERAL, line, f"{len(named)} photos are called {line.filename}")
    else:
        plan.trouble(LIKE if named else UNKNOWN, line, line.filename or line.sha256 or line.id)
    return None


def _found(line: LabelLine, found: storage.Found) -> Any:
    return found.ids.get(line.id) or found.sha256s.get(line.sha256.lower())


def names_of_labels(cards: Sequence[ModelCard]) -> dict[str, str]:
    """What people may write for each label, as labels read today. A name comes before a display name, and that before an alias."""
    names: dict[str, str] = {}
    labels = [
        (label, label.merged or label.name)
        for card in map(current_card, cards)
        for label in all_labels(card)
    ]
    for kind in (
        lambda one: [one.name],
        lambda one: [one.display, folder_of(one.name)],
        lambda one: one.aliases,
    ):
        for one, reads in labels:
            for text in kind(one):
                names.setdefault(text.casefold(), reads)
    return names | {one: one for one in VERDICTS} | {"none of these": NONE_OF_THESE}
