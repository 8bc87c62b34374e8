"""The sums that the stats read are those of a full count, whatever was done before."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
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
from webapp.services.photos.bulk import Selection
from webapp.services.photos.classify import Incoming, Origin, Pipeline, ask_aside, classify_photo
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
    """A history to which things happen, by a dice."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
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
        return self.dice.sample(rows, min(some, len(rows)))

    def ids(self, some: int) -> list[str]:
        return [photo.public_id for photo in self.photos(some) if photo.deleted_at is None]

    def label(self) -> str:
        return self.dice.choice(LABELS)

    def who(self) -> Who:
        return self.dice.choice((ANNA, BEN))

    # ---- what happens ----

    def upload(self) -> None:
        both = [self.dice.choice(self.versions), self.cars]
        classifier, *others = self.dice.sample(both, self.dice.choice((1, 2)))
        if self.dice.random() < 0.4:
            classifier.says(
                **{self.dice.choice(list(TEAMS)): 0.2}
                if classifier is not self.cars
                else {"lada": 0.9}
            )
        truth = self.dice.choice(("", *classifier.card.label_names[:4], NONE_OF_THESE))
        content = draw(self.dice.choice(COLORS), mark=self.dice.randrange(12))
        pipeline = Pipeline([classifier, *others], FILES, LIMITER)
        classify_photo(Incoming("a.jpg", content), pipeline, Origin(self.who(), ground_truth=truth))
        classifier.says()

    def ask_another(self) -> None:
        for photo in self.photos(1):
            ask_aside(photo, Pipeline([self.dice.choice(self.versions)], FILES, LIMITER))

    def relabel(self) -> None:
        place = self.dice.choice((AUDIT, "queue", "gallery"))
        card, other = self.dice.sample(self.cards, 2)
        done = relabel.relabel_photos(
            self.ids(2), self.label(), [card, other], Stamp(self.who(), place)
        )
        self.batches.append(done.batch)

    def relabel_many(self) -> None:
        selection = Selection(
            wanted=GalleryFilter().replace(outcome=self.dice.choice(("", "wrong", "unlabelled")))
        )
        done = bulk.relabel_all(selection, self.label(), self.cards, Stamp(self.who(), "gallery"))
        self.batches.append(done.batch)

    def confirm_many(self) -> None:
        self.batches.append(
            bulk.confirm_all(Selection(ids=tuple(self.ids(4))), Stamp(self.who(), "gallery")).batch
        )

    def undo_batch(self) -> None:
        undo.undo_batch(self.dice.choice(self.batches), Stamp(self.who(), "undo"))

    def undo_person(self) -> None:
        undo.undo_person(self.dice.choice(("Anna", "Ben")), self.start, Stamp(ANNA, "undo"))

    def delete(self) -> None:
        self.batches.append(
            bulk.delete_all(Selection(ids=tuple(self.ids(3))), who=ANNA, files=FILES).batch
        )

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
        trained_on(self.dice.choice(self.versions).card, [photo.sha256 for photo in self.photos(2)])


def pairs_from_scratch() -> Counter[tuple[object, ...]]:
    """What `pair_counters` should hold, counted from the rows one by one."""
    audited = set(
        db.session.execute(select(LabelEvent.photo_id).where(LabelEvent.place == AUDIT)).scalars()
    )
    learnt = {
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
    found: Counter[tuple[object, ...]] = Counter()
    for photo, said in rows:
        truth = photo.ground_truth
        mine = truth == NONE_OF_THESE and photo.truth_model in (None, said.model)
        if photo.deleted_at is None and ((said.model, said.version, truth) in known or mine):
            flags = (photo.id in audited, (said.model, said.version, photo.sha256) in learnt)
            five = (said.id, truth) in tops
            found["n", said.model, said.version, *flags, truth, said.label, said.decision] += 1
            found["five", said.model, said.version, *flags, truth, said.label, said.decision] += (
                five
            )
    return found


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
    happenings: list[Callable[[], None]] = [
        *[life.upload] * 4, *[life.relabel] * 4, life.ask_another, life.relabel_many, life.confirm_many, life.undo_batch, life.undo_person,
        life.delete, life.delete_one, life.restore, life.restore, life.purge, life.keep, life.trained_on,
    ]  # fmt: skip
    seen = 0
    for _ in range(45):
        happening = life.dice.choice(happenings)
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
    found = check_counters()
    assert (found.answers, found.sums, found.right) == (0, 1, False)


def test_recounting_mends_what_is_wrong(some: None, runner: FlaskCliRunner) -> None:
    with writing():
        db.session.execute(update(PairCounter).values(n=PairCounter.n + 1))
        db.session.execute(delete(CheckedAnswer).where(CheckedAnswer.photo_id == 2))
        db.session.execute(
            update(CheckedAnswer).where(CheckedAnswer.photo_id == 3).values(truth="bwt")
        )
    assert "2 answers" in check_counters().text
    done = runner.invoke(args=["stats", "recount"])
    assert done.exit_code == 0 and done.stdout.endswith("the sums are those of a full count\n")
    assert check_counters().right and pairs_kept() == pairs_from_scratch()


def test_recounting_what_is_right_changes_nothing(some: None, runner: FlaskCliRunner) -> None:
    assert runner.invoke(args=["stats", "recount"]).stdout == "the sums are those of a full count\n"


def test_a_new_label_costs_a_few_short_questions(some: None) -> None:
    with statements() as asked, writing():
        counters.recount([1])
    assert sum("checked_answers" in text or "tally" in text for text, _values in asked) == 9
