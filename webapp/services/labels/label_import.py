"""Labels from a file: first what they would change, then one batch with one undo."""

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
from webapp.inference.models.label_set import CurrentLabel, all_labels
from webapp.reports.csv_safety import to_csv
from webapp.services.exports.formats.base import folder_of
from webapp.services.labels.import_formats.folders import folder_line
from webapp.services.labels.import_formats.label_line import LabelLine
from webapp.services.labels.import_formats.reading import read_labels
from webapp.services.labels.label_mapping import current_card
from webapp.services.labels.relabel import Relabelled, model_of, record_label
from webapp.services.webhooks import events as webhook_events
from webapp.storage import jobs
from webapp.storage.database import end_reading, writing
from webapp.storage.labels import label_files as storage
from webapp.storage.labels.events import Stamp, photos_by_id
from webapp.storage.labels.label_files import KnownPhotos
from webapp.storage.photos.bulk import not_in_batch
from webapp.storage.tables import LabelFile, now

BATCH = 500  # lines or photos at a time
_SHOWN = 20  # examples of lines that cannot be taken
MAX_BYTES = 20 * 1024 * 1024  # of a file in the browser; the terminal reads any
KEPT = timedelta(days=1)  # how long a file waits between the preview and its import
LARGE = 5_000  # lines of a file that are imported while one waits; more are a job
JOB = "labels"  # the type of that job, whose files wait as long as it needs them
UNKNOWN, LIKE, _SEVERAL = (
    "unknown photo",
    "another file of this name",
    "several photos of this name",
)
_STRANGE, _CONTRADICTION = "unknown label", "contradiction"


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
    """What a file of labels would do. Counts are of lines, but `changes` has each photo once.

    `troubles` counts the lines that cannot be taken by kind, `examples` has the first of each kind.
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
        return sum(not change.replaces for change in self.changes.values())

    @property
    def conflicts(self) -> int:
        """Photos that have another label."""
        return sum(change.replaces for change in self.changes.values())

    @property
    def unknown(self) -> int:
        """Lines whose photo is not here."""
        return self.troubles[UNKNOWN]

    def wanted(self, *, replace: bool) -> list[Change]:
        """The changes to be made: to photos that have another label only with `replace`."""
        return [change for change in self.changes.values() if replace or not change.replaces]

    def add_trouble(self, kind: str, line: LabelLine, what: str) -> None:
        """A line that cannot be taken."""
        self.troubles[kind] += 1
        if len(self.examples.setdefault(kind, [])) < _SHOWN:
            self.examples[kind].append(f"{line.where}: {what}")


def plan_import(
    lines: Iterable[LabelLine], cards: Sequence[ModelCard], *, by_name: bool = False
) -> Plan:
    """What these lines would do to the photos here; nothing is changed.

    A photo is found by its id, else by the SHA-256 of its file; by its file name, when only one
    photo has it, if the line says no SHA-256 or with `by_name`. A label is one of the cards' (by
    name, display name or alias, upper and lower case alike) or a verdict. Raises
    `BadLabelFileError`.
    """
    planner = _Planner([current_card(card) for card in cards], by_name)
    iterator = iter(lines)
    while some := list(islice(iterator, BATCH)):
        planner.take(some)
    for public_id in planner.contradicted:
        planner.plan.changes.pop(public_id, None)
    return planner.plan


class _Planner:
    """Makes a plan of lines."""

    def __init__(self, cards: Sequence[ModelCard], by_name: bool) -> None:
        self.plan = Plan()
        self.contradicted: set[str] = set()
        self._cards, self._by_name = cards, by_name
        self._names = names_of_labels(cards)

    def take(self, lines: Sequence[LabelLine]) -> None:
        """Add some lines to the plan."""
        known = storage.find_photos(
            [line.id for line in lines if line.id], [line.sha256 for line in lines if line.sha256]
        )
        unnamed = [line for line in lines if line.filename and _photo_of(line, known) is None]
        known.add_names([line.filename for line in unnamed])
        end_reading()
        for line in lines:
            self.plan.lines += 1
            if line.label:
                self._take_line(line, known)
            else:
                self.plan.empty += 1

    def _take_line(self, line: LabelLine, known: KnownPhotos) -> None:
        plan = self.plan
        label = self._names.get(line.label.casefold())
        if label is None:
            plan.unknown_labels[line.label[:80]] += 1
            plan.add_trouble(_STRANGE, line, line.label[:80])
            return
        photo = _photo_of(line, known) or self._photo_by_name(line, known)
        if photo is None:
            return
        earlier = plan.changes.get(photo.public_id)
        if earlier is not None and earlier.label != label:
            self.contradicted.add(photo.public_id)
            what = f"{photo.filename} is both {earlier.label} and {label}"
            plan.add_trouble(_CONTRADICTION, line, what)
            return
        before = photo.ground_truth
        cards = [card for card in self._cards if card.name == line.model] or self._cards
        model = model_of(label, cards)
        if before == label and (label != NONE_OF_THESE or model in (None, photo.truth_model)):
            plan.same += 1
        else:
            change = Change(photo.public_id, label, model, before, replaces=before is not None)
            plan.changes[photo.public_id] = change

    def _photo_by_name(self, line: LabelLine, known: KnownPhotos) -> Any:
        """The only photo with the file name of a line; else None, and the plan says why."""
        named = known.names.get(line.filename, [])
        enough = self._by_name or not line.sha256
        if len(named) == 1 and enough:
            return named[0]
        if len(named) > 1 and enough:
            what = f"{len(named)} photos are called {line.filename}"
            self.plan.add_trouble(_SEVERAL, line, what)
        else:
            what = line.filename or line.sha256 or line.id
            self.plan.add_trouble(LIKE if named else UNKNOWN, line, what)
        return None


def _photo_of(line: LabelLine, known: KnownPhotos) -> Any:
    return known.ids.get(line.id) or known.sha256s.get(line.sha256.lower())


def names_of_labels(cards: Sequence[ModelCard]) -> dict[str, str]:
    """What people may write for each canonical label. A name comes before a display name, and that
    before an alias."""
    labels = [label for card in map(current_card, cards) for label in all_labels(card)]

    def texts(label: CurrentLabel) -> tuple[tuple[str, ...], ...]:
        return (label.name,), (label.display, folder_of(label.name)), label.aliases

    names: dict[str, str] = {}
    for kind in range(3):
        for label in labels:
            for text in texts(label)[kind]:
                names.setdefault(text.casefold(), label.merged or label.name)
    return names | {verdict: verdict for verdict in VERDICTS} | {"none of these": NONE_OF_THESE}


def apply_import(plan: Plan, *, replace: bool, who: Who, why: str) -> Relabelled:
    """Give the photos of a plan their labels, all in one batch. Photos that have another label keep
    it unless `replace`.

    A photo that was relabelled since the plan is skipped. Some thousand photos are several
    transactions: when the machine stops between two, the same import goes on.
    """
    stamp, changed = Stamp(who, "import", why), 0
    wanted = plan.wanted(replace=replace)
    for start in range(0, len(wanted), BATCH):
        changed += give_labels(wanted[start : start + BATCH], stamp)
    return Relabelled(changed, len(plan.changes) - changed, stamp.batch if changed else "")


def give_labels(changes: Sequence[Change], stamp: Stamp) -> int:
    """Give some photos their labels in one transaction; how many got one.

    Photos that were relabelled since the preview, or have an event of this batch, are left alone.
    """
    changed = 0
    with writing():
        known = photos_by_id([change.public_id for change in changes])
        fresh = {*not_in_batch([photo.id for photo in known.values()], stamp.batch)}
        for change in changes:
            photo = known.get(change.public_id)
            if photo is not None and photo.id in fresh and photo.ground_truth == change.before:
                record_label(photo, change.label, change.model or photo.shown_model, stamp)
                changed += 1
        if changed:
            webhook_events.labels_changed(stamp.batch)
    return changed


# ---- files that wait ----


def keep_file(filename: str, content: bytes, *, who: Who) -> str:
    """Keep a file of labels until it is imported, a day at most; its id.

    Raises `BadLabelFileError` for one that cannot be read.
    """
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
        storage.forget_older(
            now() - KEPT, spare=[params["file"] for params in jobs.uncleared_params(JOB)]
        )
        storage.add_file(row)
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
            rows.append((line.id, line.sha256, line.filename, line.label))
    if not rows:
        raise BadLabelFileError(
            "The folder has no folders with photos in it. "
            "Choose the one that has a folder for each class."
        )
    table = to_csv(("id", "sha256", "filename", "label"), rows)
    return keep_file(f"{name[:200]}.csv", table.encode(), who=who)


def own_file(public_id: str, who: Who) -> LabelFile:
    """A file that waits. Raises `PhotoNotFoundError` for one that somebody else sent or that is
    gone."""
    row = storage.find_file(public_id)
    if row is None or row.user_id != who.user_id:
        raise PhotoNotFoundError(
            "This file of labels is not here any more: "
            "it was imported, or waited for more than a day."
        )
    return row


def is_large(row: LabelFile) -> bool:
    """True for a file with more lines than one waits for."""
    lines = read_labels(io.BytesIO(row.content), row.filename)
    return sum(1 for _line in islice(lines, LARGE + 1)) > LARGE


def plan_file(row: LabelFile, cards: Sequence[ModelCard], *, by_name: bool = False) -> Plan:
    """What a file that waits would do."""
    lines = read_labels(io.BytesIO(row.content), row.filename)
    return plan_import(lines, cards, by_name=by_name)


def forget_file(public_id: str) -> None:
    """The file was imported, or is not wanted."""
    with writing():
        storage.forget_file(public_id)
