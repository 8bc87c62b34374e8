"""Merging and splitting labels: one map for all, and everything as it was after an undo."""

from collections.abc import Iterator

import numpy as np
import pytest
from flask import Flask
from sqlalchemy import select

from tests.answers import Checked, certain, remember
from tests.conftest import install
from tests.fakes import make_card, make_cars_card
from webapp.config import Config
from webapp.domain import LONG, UNCLASSIFIED, NetworkOutput, Who
from webapp.errors import BadRequestError, NothingToUndoError, UnknownLabelError
from webapp.extensions import get_registry, get_tools
from webapp.gallery_filter import GalleryFilter
from webapp.inference.classifier import make_answer, rank_labels
from webapp.inference.models.card import Label, ModelCard
from webapp.inference.models.label_set import (
    apply_edits,
    as_current,
    every_label,
    offered,
    resolve_edits,
    right_answers,
)
from webapp.inference.models.registry import Registry
from webapp.services.accounts import users
from webapp.services.jobs import queue as jobs
from webapp.services.jobs.queue import Owner, Sender
from webapp.services.jobs.types import remap as remap_job
from webapp.services.jobs.types.registry import JOB_TYPES
from webapp.services.jobs.worker import Worker
from webapp.services.labels import label_sets, merges, remap
from webapp.services.labels.label_mapping import current_card
from webapp.services.labels.log import page_of_log, parse_filter
from webapp.services.labels.relabel import relabel_photo
from webapp.services.labels.remap import Editor
from webapp.services.labels.search import find_labels
from webapp.services.labels.undo import undo_batch, undo_event
from webapp.services.models import compare
from webapp.services.review import suspects
from webapp.services.review.queue import ReviewQueue, check_photo, get_session
from webapp.services.stats import figures, label_figures
from webapp.services.stats.matrix import confusion_matrix
from webapp.storage.database import db, writing
from webapp.storage.labels.edits import Touched
from webapp.storage.labels.events import Stamp
from webapp.storage.tables import CanonicalLabel, LabelEvent, Photo, Prediction, Suspicion, TopLabel

CARD = make_card()
ANNA = Who("Anna")
NOTHING = np.zeros(0, dtype=np.float32)


@pytest.fixture(autouse=True)
def context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield
        db.session.remove()


@pytest.fixture
def registry(config: Config) -> Registry:
    return Registry(config.models)


def answer_of(**probabilities: float) -> np.ndarray:
    rest = (1 - sum(probabilities.values())) / (len(CARD.labels) - len(probabilities))
    return np.array([probabilities.get(name, rest) for name in CARD.label_names], dtype=np.float32)


def editor(registry: Registry) -> Editor:
    return remap_job.editor(registry, Sender(Owner("user:1"), ANNA))


def merge(label: str, into: str, registry: Registry, card: ModelCard = CARD) -> None:
    merges.merge_label(card, label, into, editor(registry))


def split(label: str, *names: str, registry: Registry) -> None:
    merges.split_label(CARD, label, names, editor(registry))


def undo(label: str, registry: Registry) -> None:
    label_sets.undo_last_change(CARD, label, editor(registry))


def relabel(label: str, place: str, *public_ids: str) -> str:
    stamp = Stamp(ANNA, place)
    for public_id in public_ids:
        relabel_photo(public_id, label, [current_card(CARD)], stamp)
    return stamp.batch


def outcomes() -> list[str]:
    return list(db.session.execute(select(Prediction.outcome).order_by(Prediction.id)).scalars())


def truths() -> list[str | None]:
    return list(db.session.execute(select(Photo.ground_truth).order_by(Photo.id)).scalars())


def everything() -> list[list[tuple[object, ...]]]:
    """Every row that a merge could change."""
    tables = (Photo, Prediction, TopLabel, CanonicalLabel)
    return [
        [
            tuple(row)
            for row in db.session.execute(
                select(table.__table__).order_by(*table.__table__.primary_key)
            )
        ]
        for table in tables
    ]


# ---- one map ----


def test_a_merged_label_is_added_up_and_ranked_as_the_other() -> None:
    card = apply_edits(CARD, {"haas": {"merged": "bwt"}})
    first, *rest = rank_labels(answer_of(haas=0.3, bwt=0.3, ferrari=0.35), card)
    assert (first.label, first.class_id, round(first.probability, 4)) == ("bwt", 1, 0.6)
    assert "haas" not in [line.label for line in rest] and len(rest) == 8


def test_two_merged_labels_are_sure_together() -> None:
    answer = NetworkOutput(answer_of(haas=0.3, bwt=0.3), NOTHING, NOTHING)
    merged = apply_edits(CARD, {"haas": {"merged": "bwt"}})
    assert make_answer(CARD, answer, 1.0).decision == UNCLASSIFIED
    assert make_answer(merged, answer, 1.0).decision == "bwt"


def test_a_chain_reads_as_its_end() -> None:
    card = apply_edits(CARD, {"haas": {"merged": "bwt"}, "bwt": {"merged": "ferrari"}})
    assert as_current(card.label("haas")).merged == "ferrari" and len(every_label(card)) == 8


def test_the_parts_of_a_split_label_are_offered_and_a_version_is_right_with_the_whole() -> None:
    card = apply_edits(
        CARD,
        {
            "haas-19": {"split": "haas"},
            "haas-20": {"split": "haas"},
            "haas-20b": {"split": "haas-20"},
        },
    )
    assert [label.name for label in offered(card)][-2:] == [
        "haas-19",
        "haas-20b",
    ] and "haas" not in [label.name for label in offered(card)]
    assert right_answers(card)["haas-20b"] == "haas"


def test_a_version_that_knows_the_parts_is_held_to_them() -> None:
    wide = make_card(
        2, labels=(*CARD.labels, *(Label(name, name) for name in ("haas-19", "haas-20")))
    )
    right = right_answers(
        apply_edits(wide, {"haas-19": {"split": "haas"}, "haas-20": {"split": "haas"}})
    )
    assert right["haas-19"] == "haas-19" and right["haas"] == "haas"


# ---- merge ----


def test_after_a_merge_photos_and_answers_read_as_one(registry: Registry) -> None:
    remember(
        CARD,
        [
            Checked("haas", certain(CARD, "bwt")),
            Checked("bwt", certain(CARD, "haas")),
            Checked("haas", certain(CARD, "ferrari")),
        ],
    )
    assert outcomes() == ["wrong"] * 3
    merge("haas", "bwt", registry)
    assert outcomes() == ["correct", "correct", "wrong"] and truths() == ["bwt"] * 3
    assert db.session.execute(select(Photo.shown_label, Photo.shown_decision)).all()[1] == (
        "bwt",
        "bwt",
    )


def test_an_undone_merge_leaves_everything_as_it_was(registry: Registry) -> None:
    remember(
        CARD,
        [
            Checked("haas", answer_of(haas=0.3, bwt=0.3, ferrari=0.35)),
            Checked("bwt", certain(CARD, "haas")),
            Checked("", answer_of(haas=0.9)),
        ],
    )
    before = everything()
    merge("haas", "bwt", registry)
    assert everything() != before and outcomes()[0] == "correct"
    undo("haas", registry)
    assert everything() == before


def test_a_chain_is_undone_step_by_step(registry: Registry) -> None:
    remember(
        CARD,
        [Checked("haas", answer_of(haas=0.4, bwt=0.3)), Checked("bwt", certain(CARD, "ferrari"))],
    )
    before = everything()
    merge("haas", "bwt", registry)
    between = everything()
    merge("bwt", "ferrari", registry)
    assert truths() == ["ferrari", "ferrari"] and outcomes() == ["correct", "correct"]
    undo("bwt", registry)
    assert everything() == between
    undo("haas", registry)
    assert everything() == before


def test_a_merge_is_one_batch_of_label_events(registry: Registry) -> None:
    remember(CARD, [Checked("haas", certain(CARD, "haas")) for _ in range(3)])
    merges.merge_label(CARD, "haas", "bwt", editor(registry), "one team")
    events = db.session.execute(
        select(
            LabelEvent.from_label,
            LabelEvent.to_label,
            LabelEvent.place,
            LabelEvent.who,
            LabelEvent.why,
        )
        .order_by(LabelEvent.id)
        .offset(3)
    ).all()
    assert events == [("haas", "bwt", "merge", "Anna", "one team")] * 3
    batches = select(LabelEvent.batch).where(LabelEvent.place == "merge").distinct()
    assert len(db.session.execute(batches).all()) == 1


def test_an_undone_relabelling_comes_back_to_the_merged_label(registry: Registry) -> None:
    remember(CARD, [Checked("haas", certain(CARD, "haas"))])
    merge("haas", "bwt", registry)
    undo_batch(relabel("ferrari", "photo", "photo-1"), Stamp(ANNA, "undo"))
    words = select(LabelEvent.from_label, LabelEvent.to_label).order_by(LabelEvent.id).offset(1)
    assert db.session.execute(words).all() == [
        ("haas", "bwt"),
        ("bwt", "ferrari"),
        ("ferrari", "bwt"),
    ]
    undo("haas", registry)
    assert truths() == ["haas"]


def test_a_label_from_before_a_merge_is_taken_back_after_it(registry: Registry) -> None:
    remember(CARD, [Checked("bwt", certain(CARD, "haas"))])
    batch = relabel("haas", "photo", "photo-1")
    merge("bwt", "ferrari", registry)
    merge("haas", "mclaren", registry)
    undo_batch(batch, Stamp(ANNA, "undo"))
    assert truths() == ["ferrari"]


def test_a_photo_that_was_relabelled_since_keeps_its_label_when_a_merge_is_undone(
    registry: Registry,
) -> None:
    remember(CARD, [Checked("haas", certain(CARD, "haas"))] * 2)
    merge("haas", "bwt", registry)
    relabel("ferrari", "photo", "photo-1")
    undo("haas", registry)
    assert truths() == ["ferrari", "haas"]


def test_a_merge_is_not_undone_as_a_batch_or_an_event(registry: Registry) -> None:
    remember(CARD, [Checked("haas", certain(CARD, "haas"))])
    merge("haas", "bwt", registry)
    event = db.session.execute(select(LabelEvent).where(LabelEvent.place == "merge")).scalar_one()
    with pytest.raises(NothingToUndoError, match="comes from a merge"):
        undo_batch(event.batch, Stamp(ANNA, "undo"))
    with pytest.raises(NothingToUndoError, match="comes from a merge"):
        undo_event(event.id, Stamp(ANNA, "undo"))
    assert truths() == ["bwt"]


def test_an_admin_who_merges_has_not_said_what_a_photo_shows(registry: Registry) -> None:
    remember(CARD, [Checked("", certain(CARD, "haas"))])
    for name, label in (("anna", "haas"), ("ben", "bwt")):
        user = users.create_user(name)[0]
        stamp = Stamp(Who(user.name, user.id), "photo")
        relabel_photo("photo-1", label, [CARD], stamp)
    assert db.session.execute(select(Photo.disputed)).scalar_one()
    merge("haas", "bwt", registry)
    assert not db.session.execute(select(Photo.disputed)).scalar_one()


def test_who_says_the_old_name_gives_the_new_one(registry: Registry) -> None:
    remember(CARD, [Checked("", certain(CARD, "bwt"))])
    merge("haas", "bwt", registry)
    relabel("haas", "api", "photo-1")
    assert truths() == ["bwt"] and outcomes() == ["correct"]
    assert db.session.execute(select(LabelEvent.to_label)).scalars().all() == ["bwt"]


def test_the_old_name_finds_the_merged_label(registry: Registry) -> None:
    merge("haas", "bwt", registry)
    assert [label.name for label in find_labels("haas", [current_card(CARD)])] == ["bwt"]


def test_a_version_that_knows_only_the_old_label_is_held_to_the_new_one(
    registry: Registry, config: Config
) -> None:
    newer = make_card(
        2,
        labels=tuple(
            Label("хаас", "Хаас") if card_label.name == "haas" else card_label
            for card_label in CARD.labels
        ),
    )
    install(newer, config.models)
    remember(CARD, [Checked("haas", certain(CARD, "haas"))])
    remember(newer, [Checked("haas", certain(newer, "хаас"))], again=True)
    assert outcomes() == ["correct", "unlabelled"]
    merge("haas", "хаас", registry, newer)
    assert outcomes() == ["correct", "correct"] and truths() == ["хаас"]


def test_a_version_whose_card_is_gone_is_read_by_its_first_five(registry: Registry) -> None:
    old = make_card(7)
    remember(old, [Checked("bwt", answer_of(haas=0.6, bwt=0.3))])
    before = everything()
    merge("haas", "bwt", registry)
    answer = db.session.execute(select(Prediction.label, Prediction.confidence)).one()
    assert outcomes() == ["correct"] and (answer.label, round(answer.confidence, 3)) == ("bwt", 0.9)
    undo("haas", registry)
    assert everything() == before


def test_bringing_everything_up_to_date_twice_changes_nothing_more(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remap, "_CHUNK", 2)
    remember(CARD, [Checked("haas", certain(CARD, "haas")) for _ in range(7)])
    merge("haas", "bwt", registry)
    assert truths() == ["bwt"] * 7 and outcomes() == ["correct"] * 7
    before = everything()
    remap.remap_all(registry, CARD.name)
    assert everything() == before


def test_a_merge_that_was_stopped_goes_on(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remap, "_CHUNK", 2)
    monkeypatch.setattr(remap, "_INLINE", 1)
    remember(CARD, [Checked("haas", certain(CARD, "haas")) for _ in range(7)])
    merge("haas", "bwt", registry)
    transactions = iter([writing(), writing()])
    with pytest.raises(StopIteration):
        remap.update_cars(CARD.name, lambda: next(transactions))
    assert truths() == ["bwt"] * 4 + ["haas"] * 3
    remap.remap_all(registry, CARD.name)
    assert truths() == ["bwt"] * 7 and outcomes() == ["correct"] * 7


@pytest.mark.parametrize(
    ("label", "into", "word"),
    [
        ("haas", "haas", "into itself"),
        ("bwt", "ferrari", "reads as"),
        ("ferrari", "bwt", "reads as"),
        ("haas", "mclaren", "retired"),
    ],
)
def test_a_merge_that_makes_no_sense_is_refused(
    label: str, into: str, word: str, registry: Registry
) -> None:
    merge("bwt", "renault", registry)
    label_sets.change_label(CARD, "mclaren", {"retired": "yes"}, who=ANNA)
    with pytest.raises(BadRequestError, match=word):
        merges.merge_label(CARD, label, into, editor(registry))


def test_a_label_that_is_not_there_cannot_be_merged(registry: Registry) -> None:
    with pytest.raises(UnknownLabelError):
        merge("haas", "trabant", registry)


# ---- split ----


def test_after_a_split_the_whole_is_right_for_its_parts(registry: Registry) -> None:
    remember(
        CARD, [Checked("haas", certain(CARD, "haas")), Checked("haas", certain(CARD, "ferrari"))]
    )
    split("haas", "ВАЗ-2105", "ВАЗ-2107", registry=registry)
    relabel("ВАЗ-2107", "photo", "photo-1")
    assert truths() == ["ВАЗ-2107", "haas"] and outcomes() == ["correct", "wrong"]


def test_stats_count_the_parts_as_the_label_that_the_version_knows(registry: Registry) -> None:
    remember(
        CARD, [Checked("haas", certain(CARD, "haas")), Checked("haas", certain(CARD, "ferrari"))]
    )
    split("haas", "haas-19", "haas-20", registry=registry)
    relabel("haas-19", "photo", "photo-1", "photo-2")
    card = current_card(CARD)
    counts = figures.count(GalleryFilter(), card, get_registry())[0]
    line = next(
        accuracy
        for accuracy in label_figures.label_accuracies(counts, card)
        if accuracy.label == "haas"
    )
    assert (line.recall.n, line.recall.hits) == (2, 1) and label_figures.split_labels(card) == {
        "haas": ["haas-19", "haas-20"]
    }


def test_stats_have_one_row_for_merged_labels(registry: Registry) -> None:
    remember(CARD, [Checked("haas", certain(CARD, "bwt")), Checked("bwt", certain(CARD, "haas"))])
    figures.count(
        GalleryFilter(), CARD, get_registry()
    )  # what is kept of it must not be shown again
    merge("haas", "bwt", registry)
    card = current_card(CARD)
    matrix = confusion_matrix(figures.count(GalleryFilter(), card, get_registry())[0], card)
    assert "haas" not in matrix.rows and matrix.counts == {("bwt", "bwt"): 2}


def test_a_split_is_undone_until_somebody_uses_its_parts(registry: Registry) -> None:
    remember(CARD, [Checked("haas", certain(CARD, "haas"))])
    before = everything()
    split("haas", "haas-19", "haas-20", registry=registry)
    undo("haas-20", registry)
    assert everything() == before and current_card(CARD).label("haas-19") is None
    split("haas", "haas-19", "haas-20", registry=registry)
    relabel("haas-19", "photo", "photo-1")
    with pytest.raises(BadRequestError, match="1 photo is checked as haas-19"):
        undo("haas", registry)


def test_a_part_is_merged_back_and_a_part_is_split_again(registry: Registry) -> None:
    remember(CARD, [Checked("haas", certain(CARD, "haas"))])
    split("haas", "haas-19", "haas-20", registry=registry)
    relabel("haas-19", "photo", "photo-1")
    split("haas-19", "haas-19a", "haas-19b", registry=registry)
    relabel("haas-19b", "photo", "photo-1")
    assert outcomes() == ["correct"]
    merge("haas-19b", "haas-20", registry)
    assert truths() == ["haas-20"] and outcomes() == ["correct"]
    merge("haas-20", "haas", registry)
    assert truths() == ["haas"] and outcomes() == ["correct"]


def test_a_part_has_a_name_and_aliases_like_any_label(registry: Registry) -> None:
    split("haas", "haas-19", "haas-20", registry=registry)
    assert (
        label_sets.change_label(
            CARD, "haas-19", {"name": "Хаас 2019", "aliases": "VF-19"}, who=ANNA
        )
        == 2
    )
    assert label_sets.undo_last_change(CARD, "haas-19", editor(registry)) == 2


@pytest.mark.parametrize(
    ("names", "word"),
    [
        (["one"], "2 to 20"),
        (["ferrari", "new"], "already"),
        (["new", "NEW"], "already"),
        (["none", "new"], "meaning"),
        (["–", "x"], "letter"),
    ],
)
def test_a_split_that_makes_no_sense_is_refused(
    names: list[str], word: str, registry: Registry
) -> None:
    with pytest.raises(BadRequestError, match=word):
        split("haas", *names, registry=registry)


def test_a_split_label_is_not_merged_away_and_not_split_twice(registry: Registry) -> None:
    split("haas", "haas-19", "haas-20", registry=registry)
    for ask in (
        lambda: merge("haas", "bwt", registry),
        lambda: split("haas", "x", "y", registry=registry),
    ):
        with pytest.raises(BadRequestError, match="split"):
            ask()


def test_there_is_nothing_to_undo_twice(registry: Registry) -> None:
    merge("haas", "bwt", registry)
    undo("haas", registry)
    with pytest.raises(NothingToUndoError):
        undo("haas", registry)


def test_the_preview_counts_photos_and_answers() -> None:
    remember(
        CARD, [Checked("haas", certain(CARD, "haas")), Checked("haas", certain(CARD, "ferrari"))]
    )
    assert merges.preview_merge(CARD, "haas", "bwt") == Touched(photos=2, answers=1)


def test_a_merge_that_leaves_one_label_is_refused(registry: Registry) -> None:
    small = make_card(name="two", labels=CARD.labels[:2])
    with pytest.raises(BadRequestError, match="two labels"):
        merge("bwt", "alfa_romeo", registry, small)


def test_another_model_reads_a_label_of_the_same_name_as_it_was_given(
    registry: Registry, config: Config
) -> None:
    cars = make_cars_card()
    install(cars, config.models)
    remember(cars, [Checked("ferrari", certain(cars, "ferrari"))])
    remember(CARD, [Checked("ferrari", certain(CARD, "mclaren"))], again=True)
    merge("ferrari", "mclaren", registry)
    assert truths() == ["ferrari"] and outcomes() == ["correct", "correct"]
    relabel("ferrari", "photo", "photo-1")
    assert truths() == ["mclaren"] and outcomes() == ["unlabelled", "correct"]


def test_who_reads_the_log_by_a_label_finds_what_was_merged_into_it(registry: Registry) -> None:
    remember(CARD, [Checked("haas", certain(CARD, "haas"))])
    merge("haas", "bwt", registry)
    events, _more = page_of_log(parse_filter({"to_label": "bwt"}))
    assert [event.to_label for event in events] == ["bwt", "haas"]


def test_a_deleted_photo_comes_back_with_the_label_of_today(registry: Registry) -> None:
    remember(CARD, [Checked("haas", certain(CARD, "haas"))])
    photo = db.session.execute(select(Photo)).scalar_one()
    photo.deleted_at = photo.created_at
    db.session.commit()
    merge("haas", "bwt", registry)
    assert truths() == ["bwt"] and outcomes() == ["correct"]


def test_a_reviewer_who_gives_a_part_keeps_what_the_version_said(registry: Registry) -> None:
    remember(CARD, [Checked("", certain(CARD, "haas"))])
    split("haas", "haas-19", "haas-20", registry=registry)
    anna = users.create_user("anna")[0]
    who = Who(anna.name, anna.id)
    check_photo("photo-1", "haas-19", queue=ReviewQueue(), cards=[CARD], who=who)
    assert get_session(who).kept == 1


def test_versions_are_compared_as_labels_read_today(registry: Registry, config: Config) -> None:
    photos = [Checked("haas", certain(CARD, "bwt")) for _ in range(30)]
    newer = make_card(2)
    install(newer, config.models)
    remember(CARD, photos)
    remember(newer, [Checked("haas", certain(CARD, "ferrari"))] * 30, again=True)
    merge("haas", "bwt", registry)
    overlay = resolve_edits([("haas", "merged", "bwt")])
    compared = compare.compare_on_history(
        Registry(config.models, lambda card: apply_edits(card, overlay)), CARD.name, 1, 2
    )
    assert compared.comparison is not None and (
        compared.comparison.champion_right,
        compared.comparison.challenger_right,
    ) == (30, 0)


def test_doubts_about_merged_labels_are_forgotten(registry: Registry) -> None:
    remember(
        CARD,
        [Checked("haas", certain(CARD, "haas")) for _ in range(5)]
        + [Checked("haas", certain(CARD, "bwt"))],
    )
    suspects.find_suspects(registry, [CARD], at_once=True)
    merge("haas", "bwt", registry)
    suspects.find_suspects(registry, [current_card(CARD)], at_once=True)
    assert db.session.execute(select(Suspicion)).all() == []


def test_a_split_label_that_the_next_version_does_not_know_keeps_its_page(
    registry: Registry,
) -> None:
    labels = tuple(label for label in CARD.labels if label.name != "haas")
    newer = make_card(2, labels=(*labels, Label("haas-19", "haas-19"), Label("haas-20", "haas-20")))
    split("haas", "haas-19", "haas-20", registry=registry)
    card = current_card(newer)
    assert card.label("haas") is not None and "haas" not in [label.name for label in offered(card)]
    assert merges.former_labels(card) == [] and "haas" not in right_answers(card)


def test_what_takes_long_is_a_job_that_may_run_twice(
    app: Flask, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remap, "_INLINE", 1)
    remember(CARD, [Checked("haas", certain(CARD, "haas"))] * 3)
    before = everything()
    merge("haas", "bwt", registry)
    job = remap_job.latest_job(CARD.name)
    assert job is not None and not job.over and truths() == ["haas"] * 3
    _work(app)
    assert truths() == ["bwt"] * 3 and outcomes() == ["correct"] * 3
    remap_job.go_on(CARD.name, Sender(Owner("user:1"), ANNA))
    _work(app)
    assert truths() == ["bwt"] * 3 and len(jobs.list_jobs(Owner("", all=True)).items) == 2
    undo("haas", registry)
    _work(app)
    assert everything() == before


def _work(app: Flask) -> None:
    Worker(JOB_TYPES, get_tools, app.app_context).run_queue(LONG)
    db.session.remove()
