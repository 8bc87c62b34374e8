"""Which ground truths are suspected, of which photos, and when the model looks again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import text

from tests.conftest import install, plan_of
from tests.fakes import FakeClassifier, make_card
from webapp.domain import Who
from webapp.errors import BadRequestError
from webapp.extensions import get_registry
from webapp.gallery_filter import GalleryFilter
from webapp.inference.models.held_out import fingerprint, write_split
from webapp.services.accounts import users
from webapp.services.labels.relabel import relabel_photo
from webapp.services.photos.gallery import get_photo
from webapp.services.review import suspects
from webapp.services.review.queue import ReviewQueue, check_photo
from webapp.storage.database import db, writing
from webapp.storage.labels.events import Stamp
from webapp.storage.review.suspects import labelled_answers, run_of
from webapp.storage.tables import now


@pytest.fixture(autouse=True)
def context(app: Flask):
    with app.app_context():
        yield


@pytest.fixture
def anna() -> Who:
    return Who("Anna", users.create_user("Anna", role="reviewer")[0].id)


@pytest.fixture
def answered(upload: Callable[..., str], classifier: FakeClassifier) -> Callable[..., str]:
    """Upload a photo with a label, about which the model says what is given."""
    number = iter(range(1000))

    def make(ground_truth: str, **says: float) -> str:
        classifier.says(**says)
        return upload(mark=next(number), ground_truth=ground_truth)

    return make


def suspected(who: Who, **wanted: str) -> list[str]:
    suspects.find_suspects(get_registry(), [make_card()], at_once=True)
    other = wanted.pop("other", "")
    page = suspects.list_suspects(GalleryFilter(model="f1-teams", **wanted), who=who, other=other)
    return [suspect.photo.public_id for suspect in page.items]


def test_a_label_is_suspected_with_both_probabilities(
    answered: Callable[..., str], anna: Who
) -> None:
    answered("mclaren", mclaren=0.8)
    photo = answered("haas", mclaren=0.9, haas=0.05)
    assert suspected(anna) == [photo]
    page = suspects.list_suspects(GalleryFilter(model="f1-teams"), who=anna)
    doubt = page.items[0]
    assert (doubt.given, doubt.other) == ("haas", "mclaren")
    assert (doubt.probability, doubt.other_probability, doubt.margin) == pytest.approx(
        (0.05, 0.9, -0.85)
    )
    assert (page.left, page.more) == (1, False)


def test_photos_that_the_version_was_trained_on_are_left_out(
    app: Flask, answered: Callable[..., str], anna: Who
) -> None:
    answered("mclaren", mclaren=0.8)
    known, fresh = answered("haas", mclaren=0.9), answered("haas", mclaren=0.9)
    split = {get_photo(known).sha256: "train", get_photo(fresh).sha256: "test"}
    folder = get_registry().version_folder("f1-teams", 1)
    card = replace(make_card(), split={"fingerprint": fingerprint(split)})
    (folder / "card.json").write_text(card.to_json(), encoding="utf-8")
    write_split(folder, split)
    suspects.find_suspects(get_registry(), [card])
    assert [
        suspect.photo.public_id
        for suspect in suspects.list_suspects(GalleryFilter(model="f1-teams"), who=anna).items
    ] == [fresh]
    run = run_of("f1-teams")
    assert run is not None and (run.judged, run.trained, run.training_known) == (2, 1, True)


def test_it_says_when_nobody_knows_what_the_version_learnt_from(
    answered: Callable[..., str],
) -> None:
    answered("mclaren", mclaren=0.8)
    suspects.find_suspects(get_registry(), [make_card()])
    run = run_of("f1-teams")
    assert run is not None and not run.training_known


@pytest.mark.parametrize("label", ["haas", "mclaren", "bwt"])
def test_a_label_that_was_kept_or_changed_in_the_review_is_settled(
    answered: Callable[..., str], anna: Who, label: str
) -> None:
    answered("mclaren", mclaren=0.8)
    photo = answered("haas", mclaren=0.9)
    assert suspected(anna) == [photo]
    check_photo(photo, label, queue=ReviewQueue("suspected"), cards=[make_card()], who=anna)
    assert suspects.list_suspects(GalleryFilter(model="f1-teams"), who=anna).items == []
    assert suspected(anna) == []


def test_a_first_label_given_in_the_review_can_be_suspected(
    answered: Callable[..., str], upload: Callable[..., str], classifier: FakeClassifier, anna: Who
) -> None:
    answered("mclaren", mclaren=0.8)
    classifier.says(mclaren=0.9)
    photo = upload(mark=900)
    check_photo(photo, "haas", queue=ReviewQueue(), cards=[make_card()], who=anna)
    assert suspected(anna) == [photo]


def test_a_label_that_changed_since_is_not_suspected_any_more(
    answered: Callable[..., str], anna: Who
) -> None:
    answered("mclaren", mclaren=0.8)
    photo = answered("haas", mclaren=0.9)
    assert suspected(anna) == [photo]
    relabel_photo(photo, "mclaren", [make_card()], Stamp(anna, "gallery"))
    assert suspects.list_suspects(GalleryFilter(model="f1-teams"), who=anna).items == []


def test_filters_by_both_labels(answered: Callable[..., str], anna: Who) -> None:
    answered("mclaren", mclaren=0.8)
    haas, bwt = answered("haas", mclaren=0.9), answered("bwt", mclaren=0.95)
    assert suspected(anna) == [bwt, haas]
    assert suspected(anna, ground_truth="haas") == [haas]
    assert suspected(anna, other="mclaren") == [bwt, haas]
    assert suspected(anna, other="ferrari") == []


def test_pages_follow_each_other(answered: Callable[..., str], anna: Who) -> None:
    answered("mclaren", mclaren=0.5)
    photos = [answered("haas", mclaren=0.9) for _one in range(3)]
    suspects.find_suspects(get_registry(), [make_card()])
    wanted = GalleryFilter(model="f1-teams")
    first = suspects.list_suspects(wanted, who=anna, limit=2)
    second = suspects.list_suspects(wanted, who=anna, limit=2, cursor=first.next)
    assert [suspect.photo.public_id for suspect in [*first.items, *second.items]] == photos
    assert second.next == ""
    with pytest.raises(BadRequestError):
        suspects.list_suspects(wanted, who=anna, cursor="nonsense")


def test_it_looks_again_only_after_a_while_and_when_something_changed(
    answered: Callable[..., str],
) -> None:
    start = now()

    def judged(minutes: int) -> int:
        suspects.find_suspects(
            get_registry(), [make_card()], moment=start + timedelta(minutes=minutes)
        )
        run = run_of("f1-teams")
        assert run is not None
        return run.judged

    answered("mclaren", mclaren=0.8)
    assert judged(0) == 1
    answered("mclaren", mclaren=0.8)
    assert (judged(1), judged(6), judged(20)) == (1, 2, 2)
    run = run_of("f1-teams")
    assert run is not None and run.created_at == start + timedelta(minutes=6)


def test_another_version_looks_at_once(config, answered: Callable[..., str]) -> None:
    answered("mclaren", mclaren=0.8)
    suspects.find_suspects(get_registry(), [make_card()])
    install(make_card(2), config.models)
    suspects.find_suspects(get_registry(), [make_card(2)])
    run = run_of("f1-teams")
    assert run is not None and (run.version, run.judged) == (2, 0)


def test_an_answer_that_does_not_fit_the_card_is_not_judged(answered: Callable[..., str]) -> None:
    answered("mclaren", mclaren=0.8)
    with writing():
        db.session.execute(text("UPDATE predictions SET distribution = x'00'"))
    suspects.find_suspects(get_registry(), [make_card()])
    run = run_of("f1-teams")
    assert run is not None and run.judged == 0


def test_verdicts_are_not_judged(answered: Callable[..., str]) -> None:
    answered("none", mclaren=0.8)
    answered("unusable", mclaren=0.8)
    suspects.find_suspects(get_registry(), [make_card()])
    run = run_of("f1-teams")
    assert run is not None and run.judged == 0


def test_labelled_answers_are_found_by_an_index() -> None:
    plan = plan_of(lambda: labelled_answers("f1-teams", 1, 10))
    assert plan[1] == "SCAN checked_answers", (
        plan
    )  # from its end, without sorting, until there are enough
    assert [step for step in plan if "SCAN" in step or "TEMP" in step] == [
        "SCAN checked_answers",
        "SCAN anon_1",
    ], plan
