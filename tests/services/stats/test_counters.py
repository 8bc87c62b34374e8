"""The sums that the stats read are those of a full count, whatever was done before."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import delete, select, update

from tests.answers import trained_on
from tests.conftest import draw, statements
from tests.fakes import TEAMS, FakeClassifier, make_card, make_cars_card
from webapp.domain import AUDIT, NONE_OF_THESE, UNUSABLE, Who
from webapp.errors import MarqueError
from webapp.gallery_filter import GalleryFilter
from webapp.inference.admission import AdmissionLimiter
from webapp.inference.models.card import ModelCard
from webapp.services.labels import relabel, undo
from webapp.services.photos import bulk, deletion
from webapp.services.photos.bulk import Change, Selection
from webapp.services.photos.classify import Incoming, Origin, Pipeline, ask_models, classify_photo
from webapp.services.stats.counters import check_counters
from webapp.storage.database import db, writing
from webapp.storage.file_stores.database import DatabaseFiles
from webapp.storage.labels.events import Stamp
from webapp.storage.stats import counters
from webapp.storage.tables import (
    CheckedAnswer,
    KnownLabel,
    LabelEvent,
    MonthCounter,
    PairCounter,
    Photo,
    Prediction,
    TopLabel,
    TrainingFile,
    now,
)

ANNA, BEN = Who("Anna"), Who("Ben")
COLORS = ("#FF8700", "#C00000", "#787878", "#00D2BE", "#808890")
LABELS = ("haas", "ferrari", "mclaren", "mercedes", "lada", NONE_OF_THESE, UNUSABLE)
FILES, LIMITER = DatabaseFiles(), AdmissionLimiter(1, waiting=4)


class Life:
    """A history to which things happen at random."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.versions = [FakeClassifier(make_card(version, threshold=0.3)) for version in (1, 2)]
        self.cars = FakeClassifier(make_cars_card())
        self.batches: list[str] = []
        self.start = now()

    @property
    def cards(self) -> list[ModelCard]:
        return [self.versions[0].card, self.cars.card]

    def photos(self, some: int) -> list[Photo]:
        rows = list(
            db.session.execute(select(Photo).execution_options(populate_existing=True)).scalars()
        )
        return self.rng.sample(rows, min(some, len(rows)))

    def ids(self, some: int) -> list[str]:
        return [photo.public_id for photo in self.photos(some) if photo.deleted_at is None]

    def label(self) -> str:
        return self.rng.choice(LABELS)

    def who(self) -> Who:
        return self.rng.choice((ANNA, BEN))

    # ---- what happens ----

    def upload(self) -> None:
        both = [self.rng.choice(self.versions), self.cars]
        classifier, *others = self.rng.sample(both, self.rng.choice((1, 2)))
        if self.rng.random() < 0.4:
            classifier.says(
                **{self.rng.choice(list(TEAMS)): 0.2}
                if classifier is not self.cars
                else {"lada": 0.9}
            )
        truth = self.rng.choice(("", *classifier.card.label_names[:4], NONE_OF_THESE))
        content = draw(self.rng.choice(COLORS), mark=self.rng.randrange(12))
        pipeline = Pipeline([classifier, *others], FILES, LIMITER)
        classify_photo(Incoming("a.jpg", content), pipeline, Origin(self.who(), ground_truth=truth))
        classifier.says()

    def ask_another(self) -> None:
        for photo in self.photos(1):
            pipeline = Pipeline([self.rng.choice(self.versions)], FILES, LIMITER)
            ask_models(photo, pipeline, standing=False)

    def relabel(self) -> None:
        place = self.rng.choice((AUDIT, "queue", "gallery"))
        card, other = self.rng.sample(self.cards, 2)
        label, stamp = self.label(), Stamp(self.who(), place)
        for public_id in self.ids(2):
            relabel.relabel_photo(public_id, label, [card, other], stamp)
        self.batches.append(stamp.batch)

    def relabel_many(self) -> None:
        selection = Selection(
            wanted=GalleryFilter().replace(outcome=self.rng.choice(("", "wrong", "unlabelled")))
        )
        done = bulk.relabel_all(selection, self.label(), self.cards, Stamp(self.who(), "gallery"))
        self.batches.append(done.batch)

    def confirm_many(self) -> None:
        selection, change = Selection(ids=tuple(self.ids(4))), Change("confirm", GalleryFilter())
        done = bulk.change_all(selection, change, Stamp(self.who(), "gallery"))
        self.batches.append(done.batch)

    def undo_batch(self) -> None:
        undo.undo_batch(self.rng.choice(self.batches), Stamp(self.who(), "undo"))

    def undo_person(self) -> None:
        undo.undo_person(self.rng.choice(("Anna", "Ben")), self.start, Stamp(ANNA, "undo"))

    def delete(self) -> None:
        selection = Selection(ids=tuple(self.ids(3)))
        self.batches.append(bulk.delete_all(selection, Stamp(ANNA, "gallery"), FILES).batch)

    def delete_one(self) -> None:
        for public_id in self.ids(1):
            deletion.delete_photo(public_id, who=ANNA, admin=True)

    def restore(self) -> None:
        for photo in self.photos(4):
            deletion.restore_photo(photo.public_id, admin=True)

    def purge(self) -> None:
        deletion.purge(files=FILES, before=now() + timedelta(minutes=1), most=1)

    def keep(self) -> None:
        deletion.apply_rule(1, timedelta(0), who=ANNA)

    def trained_on(self) -> None:
        trained_on(self.rng.choice(self.versions).card, [photo.sha256 for photo in self.photos(2)])


def pairs_from_scratch() -> Counter[tuple[object, ...]]:
    """What `pair_counters` should hold, counted from the rows one by one."""
    audited = set(
        db.session.execute(select(LabelEvent.car_id).where(LabelEvent.place == AUDIT)).scalars()
    )
    trained = {
        tuple(row)
        for row in db.session.execute(
            select(TrainingFile.model, TrainingFile.version, TrainingFile.sha256)
        )
    }
    known = {
        tuple(row)
        for row in db.session.execute(
            select(KnownLabel.model, KnownLabel.version, KnownLabel.label)
        )
    }
    tops = {
        tuple(row) for row in db.session.execute(select(TopLabel.prediction_id, TopLabel.label))
    }
    rows = db.session.execute(
        select(Photo, Prediction).join(Prediction).execution_options(populate_existing=True)
    ).all()
    pairs: Counter[tuple[object, ...]] = Counter()
    for photo, prediction in rows:
        truth = photo.ground_truth
        mine = truth == NONE_OF_THESE and photo.truth_model in (None, prediction.model)
        if photo.deleted_at is None and (
            (prediction.model, prediction.version, truth) in known or mine
        ):
            flags = (
                photo.id in audited,
                (prediction.model, prediction.version, photo.sha256) in trained,
            )
            five = (prediction.id, truth) in tops
            pairs[
                "n",
                prediction.model,
                prediction.version,
                *flags,
                truth,
                prediction.label,
                prediction.decision,
            ] += 1
            pairs[
                "five",
                prediction.model,
                prediction.version,
                *flags,
                truth,
                prediction.label,
                prediction.decision,
            ] += five
    return pairs


def pairs_kept() -> Counter[tuple[object, ...]]:
    rows = db.session.execute(select(PairCounter.__table__)).all()
    return Counter({("n", *row[:-2]): row[-2] for row in rows}) + Counter(
        {("five", *row[:-2]): row[-1] for row in rows}
    )


@pytest.fixture
def context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


@pytest.mark.parametrize("seed", range(3))
def test_the_sums_are_those_of_a_full_count_whatever_happens(context: None, seed: int) -> None:
    life = Life(seed)
    changes = [life.ask_another, life.relabel_many, life.confirm_many, life.undo_batch]
    removals = [life.delete, life.delete_one, life.restore, life.restore, life.purge, life.keep]
    often = [*[life.upload] * 4, *[life.relabel] * 4]
    happenings = [*often, *changes, life.undo_person, *removals, life.trained_on]
    seen = 0
    for _ in range(45):
        happening = life.rng.choice(happenings)
        with suppress(MarqueError, IndexError):  # nothing to undo, nothing to delete
            happening()
        db.session.rollback()
        assert pairs_kept() == +pairs_from_scratch(), happening.__name__
        assert counters.differences() == (0, 0), happening.__name__
        seen = max(seen, pairs_kept().total())
    assert seen > 3


# ---- mending ----


@pytest.fixture
def some(context: None) -> None:
    pipeline = Pipeline([FakeClassifier()], FILES, LIMITER)
    for mark, label in enumerate(("haas", "mclaren", "mclaren")):
        incoming = Incoming("a.jpg", draw(mark=mark))
        classify_photo(incoming, pipeline, Origin(ANNA, ground_truth=label))


def test_a_wrong_sum_is_found(some: None) -> None:
    with writing():
        db.session.execute(update(MonthCounter).values(n=7))
    assert check_counters() == (False, "0 answers and 1 sums differ from a full count")


def test_recounting_mends_what_is_wrong(some: None, runner: FlaskCliRunner) -> None:
    with writing():
        db.session.execute(update(PairCounter).values(n=PairCounter.n + 1))
        db.session.execute(delete(CheckedAnswer).where(CheckedAnswer.photo_id == 2))
        db.session.execute(
            update(CheckedAnswer).where(CheckedAnswer.photo_id == 3).values(truth="bwt")
        )
    assert "2 answers" in check_counters()[1]
    done = runner.invoke(args=["stats", "recount"])
    assert done.exit_code == 0 and done.stdout.endswith("the sums are those of a full count\n")
    assert check_counters()[0] and pairs_kept() == pairs_from_scratch()


def test_recounting_what_is_right_changes_nothing(some: None, runner: FlaskCliRunner) -> None:
    assert runner.invoke(args=["stats", "recount"]).stdout == "the sums are those of a full count\n"


def test_a_new_label_takes_a_few_short_statements(some: None) -> None:
    with statements() as executed, writing():
        counters.recount([1])
    tables = ("checked_answers", "pair_counters", "band_counters", "month_counters")
    assert sum(any(table in text for table in tables) for text, _values in executed) == 9
