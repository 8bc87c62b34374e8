"""What a file of labels and boxes would change here."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any

from webapp.domain import ANY_CAR, DETECTOR, NONE_OF_THESE, VERDICTS, Box
from webapp.errors import BadBoxError, BadLabelFileError
from webapp.inference.models.card import ModelCard
from webapp.inference.models.label_set import all_labels
from webapp.label_files.listed_photo import Edges, ListedBox, ListedPhoto, placed_boxes
from webapp.label_files.photo_names import with_endings, without_ending
from webapp.services.cars.boxes import check_box
from webapp.services.exports.export_format import folder_of
from webapp.services.labels.box_matching import match_boxes
from webapp.services.labels.label_mapping import current_cards
from webapp.services.labels.relabel import model_of
from webapp.storage.database import end_reading
from webapp.storage.labels import label_files as storage
from webapp.storage.tables import Car, Photo

BATCH = 500  # lines or photos at a time
_SHOWN = 20  # examples of lines that cannot be taken
UNKNOWN, LIKE = "unknown photo", "another file of this name"  # why a line cannot be taken


@dataclass(frozen=True)
class PlannedLabel:
    """A car that would get a label; `before` is what it has now.

    `public_id` is that of its photo, `car` its own, "" for the main car. With a `box` the car is
    not here yet: it is drawn, and has a `label` or "".
    """

    public_id: str
    label: str
    model: str | None
    before: str | None
    replaces: bool
    car: str = ""
    box: Box | None = None


@dataclass
class Plan:
    """What a file of labels would do. Counts are of labels and boxes, but `changes` has each car
    once, by its id, or that of its photo for the main car.

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
        """Cars without a label that would get one."""
        changes = self.changes.values()
        return sum(bool(change.label and not change.replaces) for change in changes)

    @property
    def conflicts(self) -> int:
        """Cars that have another label."""
        return sum(change.replaces for change in self.changes.values())

    @property
    def drawn(self) -> int:
        """Boxes that no car here has, which would be drawn."""
        return sum(change.box is not None for change in self.changes.values())

    def wanted(self, *, replace: bool) -> list[PlannedLabel]:
        """The changes to be made: to cars that have another label only with `replace`."""
        return [change for change in self.changes.values() if replace or not change.replaces]

    def add_trouble(self, kind: str, where: str, what: str) -> None:
        """A line that cannot be taken."""
        self.troubles[kind] += 1
        if len(self.examples.setdefault(kind, [])) < _SHOWN:
            self.examples[kind].append(f"{where}: {what}")


def plan_import(
    lines: Iterable[ListedPhoto], cards: Sequence[ModelCard], *, by_name: bool = False
) -> Plan:
    """What these lines would do to the photos here; nothing is changed.

    A photo is found by its id, else by the SHA-256 of its file; by its file name, when only one
    photo has it, if the line says no SHA-256 or with `by_name`. A label is one of the cards' (by
    name, display name or alias, upper and lower case alike) or a verdict; it is that of the main
    car, of the car that is named, or of the car that has the box. Raises `BadLabelFileError`.
    """
    planner = _Planner(current_cards(cards), by_name)
    iterator = iter(lines)
    while some := list(islice(iterator, BATCH)):
        planner.add(some)
    for key in planner.contradicted:
        planner.plan.changes.pop(key, None)
    return planner.plan


class _Planner:
    """A plan while the lines of a file are read."""

    def __init__(self, cards: Sequence[ModelCard], by_name: bool) -> None:
        self.plan, self.contradicted = Plan(), set[str]()
        self._cards, self._by_name, self._names = cards, by_name, names_of_labels(cards)

    def add(self, lines: Sequence[ListedPhoto]) -> None:
        """Some more lines."""
        known = _find_photos(lines)
        boxed = [
            row.number
            for line, photo, named in known
            for row in ([photo] if photo else named[:1])
            if line.boxes
        ]
        cars = storage.cars_of(boxed)
        end_reading()
        for line, photo, named in known:
            if line.unreadable:
                self.plan.add_trouble("unreadable boxes", line.where, line.unreadable)
            if line.boxes and line.label:
                what = f"{line.label[:80]}: it has boxes too, and no box has this label."
                self.plan.add_trouble("label of a photo with boxes", line.where, what)
            if not line.boxes:
                self._add_label(line, photo, named)
            elif photo := photo or self._photo_by_name(line, named):
                self._add_boxes(line, photo, cars.get(photo.number, []))
            else:
                self.plan.lines += 1

    def _add_label(self, line: ListedPhoto, photo: Any, named: Sequence[Any]) -> None:
        self.plan.lines += 1
        label = self._names.get(line.label.casefold())
        if not line.label:
            self.plan.empty += 1
        elif label is None:
            self.plan.add_trouble("unknown label", line.where, line.label[:80])
        elif photo := photo or self._photo_by_name(line, named):
            self._add_change(line.where, photo, label, line.model)

    def _add_boxes(self, line: ListedPhoto, photo: Any, cars: Sequence[Any]) -> None:
        boxes = line.boxes or ()
        self.plan.lines += len(boxes)
        if line.unreadable:
            return
        try:
            edges = placed_boxes(line, photo.width, photo.height)
        except BadLabelFileError as error:
            where, _, what = str(error).partition(": ")
            self.plan.add_trouble("impossible box", where, what)
            return
        for box, place, car in zip(boxes, edges, match_boxes(edges, cars), strict=True):
            label = self._label_of(box)
            if box.crowd:
                self.plan.add_trouble("group of cars", box.where, "A box is for one car.")
            elif label is None:
                self.plan.add_trouble("unknown label", box.where, box.label[:80])
            elif car is None and not label and box.found_by == DETECTOR:
                what = "Nobody has drawn or named it; let the detector look again."
                self.plan.add_trouble("box of a detector", box.where, what)
            elif car is None:
                self._draw(box.where, photo, place, label)
            elif not label:
                self.plan.empty += 1
            else:
                self._add_change(box.where, photo, label, line.model, car)

    def _label_of(self, box: ListedBox) -> str | None:
        """The label of a box, "" for a car of which the file says no more; None for an unknown
        one."""
        if box.label.casefold() in ("", ANY_CAR):
            return self._names.get(box.label.casefold(), "")
        return self._names.get(box.label.casefold())

    def _draw(self, where: str, photo: Any, place: Edges, label: str) -> None:
        left, top, right, bottom = place
        model = model_of(label, self._cards) if label else None
        try:
            box = check_box((left, top, right - left, bottom - top), photo)
        except BadBoxError as error:
            self.plan.add_trouble("impossible box", where, str(error))
            return
        key = f"{photo.public_id} {box}"
        if not self._is_contradiction(where, photo, key, label):
            change = PlannedLabel(photo.public_id, label, model, None, False, box=box)
            self.plan.changes[key] = change

    def _is_contradiction(self, where: str, photo: Any, key: str, label: str) -> bool:
        """Whether an earlier line gives the same car, or the same new box, another label; the plan
        says so then."""
        earlier = self.plan.changes.get(key)
        if earlier is None or earlier.label == label:
            return False
        self.contradicted.add(key)
        both = (name or "a car without a label" for name in (earlier.label, label))
        what = f"{photo.filename} is both {' and '.join(both)}"
        self.plan.add_trouble("contradiction", where, what)
        return True

    def _add_change(
        self, where: str, photo: Any, label: str, model_of_line: str, car: Any = None
    ) -> None:
        """A label for a car, or for the main car, of which the photo tells the same."""
        plan, state = self.plan, car or photo
        key = car.public_id if car else photo.car or photo.public_id
        if self._is_contradiction(where, photo, key, label):
            return
        before = state.ground_truth
        cards = [card for card in self._cards if card.name == model_of_line] or self._cards
        model = model_of(label, cards)
        if before == label and (label != NONE_OF_THESE or model in (None, state.truth_model)):
            plan.same += 1
        else:
            named = car.public_id if car else photo.car
            change = PlannedLabel(photo.public_id, label, model, before, before is not None, named)
            plan.changes[key] = change

    def _photo_by_name(self, line: ListedPhoto, named: Sequence[Any]) -> Any:
        """The only photo with the file name of a line; else None, and the plan says why."""
        enough = self._by_name or not line.sha256
        if len(named) == 1 and enough:
            return named[0]
        if named and enough:
            what = f"{len(named)} photos are called {named[0].filename}"
            self.plan.add_trouble("several photos of this name", line.where, what)
        else:
            what = line.filename or line.sha256 or line.id
            self.plan.add_trouble(LIKE if named else UNKNOWN, line.where, what)
        return None


def _find_photos(lines: Sequence[ListedPhoto]) -> list[tuple[ListedPhoto, Any, list[Any]]]:
    """Each line with the photo that has its id or SHA-256, or a car with its id; or None and the
    photos of its file name."""
    wanted = {name for line in lines for name in line.ids}
    ids = {row.public_id: row for row in storage.find_photos(Photo.public_id, wanted)}
    ids |= {row.car: row for row in storage.find_photos(Car.public_id, wanted)}
    wanted = {line.sha256.lower() for line in lines if line.sha256}
    sha256s = {row.sha256: row for row in storage.find_photos(Photo.sha256, wanted)}
    photos = [
        next((ids[name] for name in line.ids if name in ids), sha256s.get(line.sha256.lower()))
        for line in lines
    ]
    pairs = list(zip(lines, photos, strict=True))
    names = {name for line, photo in pairs if photo is None for name in line.names}
    named: dict[str, list[Any]] = {}
    for row in storage.find_photos(Photo.filename, set(chain(*map(with_endings, names)))):
        for name in {row.filename, without_ending(row.filename)}:
            named.setdefault(name, []).append(row)
    by_name = [next((named[name] for name in line.names if name in named), []) for line in lines]
    return [(*pair, rows) for pair, rows in zip(pairs, by_name, strict=True)]


def names_of_labels(cards: Sequence[ModelCard]) -> dict[str, str]:
    """What people may write for each canonical label: its name before another name or alias."""
    labels = [label for card in current_cards(cards) for label in all_labels(card)]
    texts = [(label.name, label) for label in labels]
    for label in labels:
        texts += [(label.display, label), (folder_of(label.name), label)]
    texts += [(alias, label) for label in labels for alias in label.aliases]
    names = {text.casefold(): label.merged or label.name for text, label in reversed(texts)}
    return names | {verdict: verdict for verdict in VERDICTS} | {"none of these": NONE_OF_THESE}
