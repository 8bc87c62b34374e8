"""Questions about how people see the labels of a model, and how that is written. Nothing here commits."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import and_, delete, func, insert, or_, select, update

from webapp.storage.database import db
from webapp.storage.labels.events import read_label, refresh_disputed
from webapp.storage.labels.truths import given
from webapp.storage.photos.photos import UNSEEN, refresh_outcomes, refresh_shown
from webapp.storage.tables import (
    ExpectedAnswer,
    LabelChange,
    OriginalAnswer,
    Photo,
    Prediction,
    ReadLabel,
    Rereading,
    Suspicion,
    SuspicionRun,
    TopLabel,
)

MERGED, SPLIT = "merged", "split"
SAID = ("decision", "label", "confidence", "margin")


def last_change() -> int:
    """The number of the newest change of any label, 0 when there is none: while it stays the same, so do all label sets."""
    return db.session.execute(select(func.max(LabelChange.id))).scalar() or 0


def changes_of(model: str, label: str | None = None) -> Sequence[LabelChange]:
    """Every change of the labels of a model, or of one of them (that it was split too), oldest first."""
    question = select(LabelChange).where(LabelChange.model == model)
    if label is not None:
        question = question.where(
            or_(
                LabelChange.label == label,
                and_(LabelChange.kind == SPLIT, LabelChange.value == label),
            )
        )
    return db.session.execute(question.order_by(LabelChange.id)).scalars().all()


def add_changes(rows: Sequence[LabelChange]) -> None:
    """Append changes, in this order."""
    db.session.add_all(rows)
    db.session.flush()


def changes_of_batch(model: str, batch: str) -> Sequence[LabelChange]:
    """What was saved together, in the order it was saved."""
    question = (
        select(LabelChange)
        .where(LabelChange.model == model, LabelChange.batch == batch)
        .order_by(LabelChange.id)
    )
    return db.session.execute(question).scalars().all()


# ---- merged and split labels ----


def structure_of(model: str) -> list[tuple[str, str, str | None]]:
    """Every merge and split of labels of a model as (label, kind, value), oldest first; with those that were undone."""
    question = select(LabelChange.label, LabelChange.kind, LabelChange.value).where(
        LabelChange.model == model
    )
    rows = db.session.execute(
        question.where(LabelChange.kind.in_((MERGED, SPLIT))).order_by(LabelChange.id)
    )
    return [(row.label, row.kind, row.value) for row in rows]


def write_reading(
    model: str, reads: Mapping[str, str], expected: Mapping[int, Mapping[str, str]]
) -> None:
    """Keep what merged labels of a model read as, and for each version the answers that are right where that is not the label itself."""
    for table in (ReadLabel, ExpectedAnswer):
        db.session.execute(delete(table).where(table.model == model))
    if reads:
        db.session.execute(
            insert(ReadLabel),
            [{"model": model, "label": label, "reads_as": today} for label, today in reads.items()],
        )
    rows = [
        {"model": model, "version": version, "label": label, "answer": answer}
        for version, answers in expected.items()
        for label, answer in answers.items()
    ]
    if rows:
        db.session.execute(insert(ExpectedAnswer), rows)


def forget_suspicions(model: str, labels: Collection[str]) -> None:
    """Drop the doubts of a model that are about these labels, and let it look again when somebody next asks."""
    about = or_(Suspicion.given.in_(labels), Suspicion.other.in_(labels))
    db.session.execute(delete(Suspicion).where(Suspicion.model == model, about))
    db.session.execute(delete(SuspicionRun).where(SuspicionRun.model == model))


def count_touched(model: str, label: str) -> tuple[int, int]:
    """How many photos have this ground truth today, and to how many a standing answer of the model names this label first."""
    photos = (
        select(func.count())
        .select_from(Photo)
        .where(Photo.deleted_at.is_(None), Photo.ground_truth == label)
    )
    answers = select(func.count()).select_from(Prediction)
    answers = answers.where(
        Prediction.model == model, Prediction.current, Prediction.label == label
    )
    return int(db.session.execute(photos).scalar_one()), int(
        db.session.execute(answers).scalar_one()
    )


def count_given(model: str, labels: Collection[str]) -> int:
    """How many photos, deleted ones too, have a ground truth of a model that reads as one of these labels or was given as one."""
    about = or_(Photo.ground_truth.in_(labels), Photo.given_label.in_(labels))
    return int(
        db.session.execute(
            select(func.count()).select_from(Photo).where(Photo.truth_model == model, about)
        ).scalar_one()
    )


# ---- reading again ----


def rereading_of(model: str) -> Rereading | None:
    """How far the photos and answers of a model are read again, None when its labels were never merged or split."""
    return db.session.get(Rereading, model, populate_existing=True)


def begin_rereading(model: str, change_id: int, stage: str) -> None:
    """Let everything of a model be read again from a stage on."""
    db.session.merge(
        Rereading(model=model, change_id=change_id, stage=stage, after=0, last=_last_of(stage))
    )
    db.session.flush()


def move_rereading(row: Rereading, after: int, stage: str) -> None:
    """Remember how far it is; another stage begins at its beginning."""
    if stage != row.stage:
        row.stage, row.last = stage, _last_of(stage)
    row.after = after
    db.session.flush()


def _last_of(stage: str) -> int:
    column = {"answers": Prediction.id, "photos": Photo.id}.get(stage)
    return (
        int(db.session.execute(select(func.max(column))).scalar() or 0) if column is not None else 0
    )


def photos_with(labels: Collection[str], after: int, limit: int) -> list[int]:
    """The next photos, deleted ones too, whose ground truth is one of these labels or was given as one, by number."""
    about = or_(Photo.ground_truth.in_(labels), Photo.given_label.in_(labels))
    return list(
        db.session.execute(
            select(Photo.id).where(Photo.id > after, about).order_by(Photo.id).limit(limit)
        ).scalars()
    )


def read_truths(photo_ids: Sequence[int]) -> None:
    """Bring the ground truths of photos up to date with what labels read as today, and the outcomes with them."""
    today = read_label(Photo.truth_model, given)
    differs = func.nullif(given, today)
    change = (
        update(Photo).where(Photo.id.in_(photo_ids)).values(ground_truth=today, given_label=differs)
    )
    db.session.execute(change, execution_options=UNSEEN)
    refresh_outcomes(photo_ids)
    refresh_disputed(photo_ids)


def answers_after(model: str, after: int, limit: int) -> Sequence[Any]:
    """The next predictions of a model by number, with what they say today and with their distributions."""
    columns = (
        Prediction.id,
        Prediction.photo_id,
        Prediction.version,
        Prediction.familiarity,
        Prediction.distribution,
    )
    said = (Prediction.decision, Prediction.label, Prediction.confidence, Prediction.margin)
    question = select(*columns, *said).where(Prediction.model == model, Prediction.id > after)
    return db.session.execute(question.order_by(Prediction.id).limit(limit)).all()


def originals_of(prediction_ids: Sequence[int]) -> dict[int, OriginalAnswer]:
    """What these predictions said at first, for those that read differently today."""
    found = db.session.execute(
        select(OriginalAnswer).where(OriginalAnswer.prediction_id.in_(prediction_ids))
    ).scalars()
    return {one.prediction_id: one for one in found}


def keep_originals(rows: Sequence[dict[str, Any]]) -> None:
    """Keep what predictions said at first: their columns and `top`."""
    if rows:
        db.session.execute(insert(OriginalAnswer), rows)


def forget_originals(prediction_ids: Sequence[int]) -> None:
    """Drop them: these predictions say again what they said at first."""
    db.session.execute(
        delete(OriginalAnswer).where(OriginalAnswer.prediction_id.in_(prediction_ids))
    )


def rewrite_answers(
    rows: Iterable[tuple[int, Mapping[str, Any], Sequence[tuple[int, str, float]]]],
) -> None:
    """Let predictions say something else: (number, the columns of `SAID`, the top lines as (rank, label, probability))."""
    found = list(rows)
    if not found:
        return
    db.session.execute(update(Prediction), [{"id": number, **said} for number, said, _top in found])
    db.session.execute(
        delete(TopLabel).where(
            TopLabel.prediction_id.in_([number for number, _said, _top in found])
        )
    )
    lines = [
        {"prediction_id": number, "rank": rank, "label": label, "probability": probability}
        for number, _said, top in found
        for rank, label, probability in top
    ]
    db.session.execute(insert(TopLabel), lines)


def refresh_photos(photo_ids: Sequence[int]) -> None:
    """Bring the mirrors of photos whose answers read differently, and the outcomes, up to date."""
    refresh_shown(*photo_ids)
    refresh_outcomes(photo_ids)
