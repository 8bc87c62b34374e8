"""Labels from a file: first what they would change, then one batch with one undo."""

import io
import secrets
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

from webapp.domain import NONE_OF_THESE, VERDICTS, Who
from webapp.errors import BadLabelFileError, PhotoNotFoundError
from webapp.inference.models.card import ModelCard
from webapp.inference.models.label_set import all_labels
from webapp.label_files.folders import folder_line
from webapp.label_files.listed_photo import ListedPhoto
from webapp.label_files.registry import read_labels
from webapp.reports.csv_safety import to_csv
from webapp.services.exports.export_format import folder_of
from webapp.services.labels.label_mapping import current_card
from webapp.services.labels.relabel import Relabelled, model_of, record_label
from webapp.services.webhooks import events as webhook_events
from webapp.storage import jobs
from webapp.storage.cars.cars import main_cars_of
from webapp.storage.database import end_reading, writing
from webapp.storage.labels import label_files as storage
from webapp.storage.labels.events import Stamp
from webapp.storage.photos.bulk import not_in_batch
from webapp.storage.tables import LabelFile, Photo, now

BATCH = 500  # lines or photos at a time
_SHOWN = 20  # examples of lines that cannot be taken
MAX_BYTES = 20 * 1024 * 1024  # of a file in the browser; the terminal reads any
_KEPT = timedelta(days=1)  # how long a file waits between the preview and its import
LARGE = 5_000  # lines of a file that are imported while one waits; more are a job
JOB = "labels"  # the type of that job, whose files wait as long as it needs them
UNKNOWN, LIKE = "unknown photo", "another file of this name"  # why a line cannot be taken


@dataclass(frozen=True)
class PlannedLabel:
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
    changes: dict[str, PlannedLabel] = field(default_factory=dict)
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

    def wanted(self, *, replace: bool) -> list[PlannedLabel]:
        """The changes to be made: to photos that have another label only with `replace`."""
        return [change for change in self.changes.values() if replace or not change.replaces]

    def add_trouble(self, kind: str, line: ListedPhoto, what: str) -> None:
        """A line that cannot be taken."""
        self.troubles[kind] += 1
        if len(self.examples.setdefault(kind, [])) < _SHOWN:
            self.examples[kind].append(f"{line.where}: {what}")


def plan_import(
    lines: Iterable[ListedPhoto], cards: Sequence[ModelCard], *, by_name: bool = False
) -> Plan:
    """What these lines would do to the photos here; nothing is changed.

    A photo is found by its id, else by the SHA-256 of its file; by its file name, when only one
    photo has it, if the line says no SHA-256 or with `by_name`. A label is one of the cards' (by
    name, display name or alias, upper and lower case alike) or a verdict. Raises
    `BadLabelFileError`.
    """
    cards = [current_card(card) for card in cards]
    plan, names, contradicted = Plan(), names_of_labels(cards), set[str]()
    iterator = iter(lines)
    while some := list(islice(iterator, BATCH)):
        for line, photo, named in _find_photos(some):
            plan.lines += 1
            given = line.label or (line.boxes[-1].label if line.boxes else "")
            label = names.get(given.casefold())
            if not given:
                plan.empty += 1
            elif label is None:
                plan.add_trouble("unknown label", line, given[:80])
            elif photo := photo or _photo_by_name(plan, line, named, by_name):
                earlier = plan.changes.get(photo.public_id)
                if earlier is not None and earlier.label != label:
                    contradicted.add(photo.public_id)
                    what = f"{photo.filename} is both {earlier.label} and {label}"
                    plan.add_trouble("contradiction", line, what)
                else:
                    _add_change(plan, photo, label, line.model, cards)
    for public_id in contradicted:
        plan.changes.pop(public_id, None)
    return plan


def _find_photos(lines: Sequence[ListedPhoto]) -> list[tuple[ListedPhoto, Any, list[Any]]]:
    """Each line with the photo that has its id or SHA-256, or None and those of its file name."""
    wanted = {line.id for line in lines if line.id}
    ids = {row.public_id: row for row in storage.find_photos(Photo.public_id, wanted)}
    wanted = {line.sha256.lower() for line in lines if line.sha256}
    sha256s = {row.sha256: row for row in storage.find_photos(Photo.sha256, wanted)}
    photos = [ids.get(line.id) or sha256s.get(line.sha256.lower()) for line in lines]
    pairs = list(zip(lines, photos, strict=True))
    wanted = {name for line, photo in pairs if photo is None for name in _file_names(line)}
    named: dict[str, list[Any]] = {}
    for row in storage.find_photos(Photo.filename, wanted):
        named.setdefault(row.filename, []).append(row)
    end_reading()
    same_name = [
        next((named[name] for name in _file_names(line) if name in named), []) for line in lines
    ]
    return [(*pair, rows) for pair, rows in zip(pairs, same_name, strict=True)]


def _file_names(line: ListedPhoto) -> list[str]:
    """What the file of a line may be called, without its folders."""
    names = (line.filename.replace("\\", "/").rpartition("/")[2], line.other_name)
    return [name for name in names if name]


def _photo_by_name(plan: Plan, line: ListedPhoto, named: Sequence[Any], by_name: bool) -> Any:
    """The only photo with the file name of a line; else None, and the plan says why."""
    enough = by_name or not line.sha256
    if len(named) == 1 and enough:
        return named[0]
    if named and enough:
        what = f"{len(named)} photos are called {named[0].filename}"
        plan.add_trouble("several photos of this name", line, what)
    else:
        what = line.filename or line.sha256 or line.id
        plan.add_trouble(LIKE if named else UNKNOWN, line, what)
    return None


def _add_change(
    plan: Plan, photo: Any, label: str, model_of_line: str, cards: Sequence[ModelCard]
) -> None:
    before = photo.ground_truth
    model = model_of(label, [card for card in cards if card.name == model_of_line] or cards)
    if before == label and (label != NONE_OF_THESE or model in (None, photo.truth_model)):
        plan.same += 1
    else:
        change = PlannedLabel(photo.public_id, label, model, before, before is not None)
        plan.changes[photo.public_id] = change


def names_of_labels(cards: Sequence[ModelCard]) -> dict[str, str]:
    """What people may write for each canonical label: its name before another name or alias."""
    labels = [label for card in map(current_card, cards) for label in all_labels(card)]
    texts = [(label.name, label) for label in labels]
    for label in labels:
        texts += [(label.display, label), (folder_of(label.name), label)]
    texts += [(alias, label) for label in labels for alias in label.aliases]
    names = {text.casefold(): label.merged or label.name for text, label in reversed(texts)}
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


def give_labels(changes: Sequence[PlannedLabel], stamp: Stamp) -> int:
    """Give the main cars of some photos their labels in one transaction; how many got one. Photos
    that were relabelled since the plan, or have an event of this batch, are left alone."""
    changed = 0
    with writing():
        known = main_cars_of([change.public_id for change in changes])
        fresh = {*not_in_batch([car.photo_id for car in known.values()], stamp.batch)}
        for change in changes:
            car = known.get(change.public_id)
            if car is not None and car.photo_id in fresh and car.ground_truth == change.before:
                record_label(car, change.label, change.model or car.shown_model, stamp)
                changed += 1
        if changed:
            webhook_events.labels_changed(stamp.batch)
    return changed


# ---- files that wait ----


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
            rows.append((line.id, line.sha256, line.filename, line.label))
    if not rows:
        raise BadLabelFileError(
            "The folder has no folders with photos in it. "
            "Choose the one that has a folder for each class."
        )
    table = to_csv(("id", "sha256", "filename", "label"), rows)
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
