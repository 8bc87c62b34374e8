"""Labels and boxes from a file, which are one batch with one undo."""

from collections.abc import Sequence
from contextlib import suppress

from webapp.domain import Who
from webapp.errors import BadBoxError, PhotoNotFoundError
from webapp.label_files.listed_photo import edges_of
from webapp.services.cars.boxes import DrawnCar, add_car
from webapp.services.labels.box_matching import match_boxes
from webapp.services.labels.import_plan import BATCH, Plan, PlannedLabel
from webapp.services.labels.relabel import Relabelled, record_label
from webapp.services.photos.classify import Pipeline
from webapp.services.photos.gallery import cars_of, get_photo
from webapp.services.webhooks import events as webhook_events
from webapp.storage.cars import cars as cars_storage
from webapp.storage.database import writing
from webapp.storage.labels import label_files as storage
from webapp.storage.labels.events import Stamp


def apply_import(
    plan: Plan, pipeline: Pipeline, *, replace: bool, who: Who, why: str
) -> Relabelled:
    """Give the cars of a plan their labels and draw its boxes, all in one batch. Cars that have
    another label keep it unless `replace`.

    A car that was relabelled since the plan is skipped. Some thousand cars are several
    transactions: when the machine stops between two, the same import goes on.
    """
    stamp, changed = Stamp(who, "import", why), 0
    wanted = plan.wanted(replace=replace)
    for start in range(0, len(wanted), BATCH):
        changed += give_labels(wanted[start : start + BATCH], pipeline, stamp)
    return Relabelled(changed, len(plan.changes) - changed, stamp.batch if changed else "")


def give_labels(changes: Sequence[PlannedLabel], pipeline: Pipeline, stamp: Stamp) -> int:
    """Give some cars their labels in one transaction, then draw boxes; how many cars changed. Those
    that were relabelled since the plan, or have an event of this batch, are left alone."""
    named = [change for change in changes if change.box is None]
    changed = 0
    with writing():
        mains = cars_storage.main_cars_of([change.public_id for change in named if not change.car])
        cars = cars_storage.cars_with([change.car for change in named if change.car])
        known = [cars.get(change.car) or mains.get(change.public_id) for change in named]
        done = storage.labelled_by(stamp.batch, [car.id for car in known if car])
        for change, car in zip(named, known, strict=True):
            if car is not None and car.id not in done and car.ground_truth == change.before:
                record_label(car, change.label, change.model or car.shown_model, stamp)
                changed += 1
        if changed:
            webhook_events.labels_changed(stamp.batch)
    boxes: dict[str, list[PlannedLabel]] = {}
    for change in changes:
        if change.box is not None:
            boxes.setdefault(change.public_id, []).append(change)
    return changed + sum(_draw(group, pipeline, stamp) for group in boxes.values())


def _draw(changes: Sequence[PlannedLabel], pipeline: Pipeline, stamp: Stamp) -> int:
    """Draw boxes of one photo; how many. Those that a car has by now are drawn already; those for
    which there is no room, or no photo, are left out."""
    drawn, cards = 0, [classifier.card for classifier in pipeline.classifiers]
    with suppress(BadBoxError, PhotoNotFoundError):
        cars = cars_of(get_photo(changes[0].public_id))
        wanted = [(change, change.box) for change in changes if change.box]
        there = match_boxes([edges_of(*box) for _change, box in wanted], cars)
        for (change, box), car in zip(wanted, there, strict=True):
            if car is None:
                add_car(change.public_id, DrawnCar(box, change.label, cards), pipeline, stamp)
                drawn += 1
    return drawn
