"""What the history holds to learn from."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from tests.answers import trained_on
from tests.fakes import FakeClassifier, make_card
from webapp.domain import UNUSABLE, Who
from webapp.errors import TrainingError
from webapp.extensions import get_label_cards, get_registry
from webapp.services.labels import merges
from webapp.services.labels.relabel import label_cars, relabel_photo
from webapp.services.photos.gallery import get_photo
from webapp.services.training.history import TrainingPhotos, photos_to_learn, require_photos
from webapp.storage import training as storage
from webapp.storage.database import db, writing
from webapp.storage.labels.events import Stamp

ANNA = Who("Anna")
Upload = Callable[..., str]


@pytest.fixture(autouse=True)
def inside(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield
        db.session.remove()


def label(public_ids: list[str], name: str) -> None:
    for public_id in public_ids:
        relabel_photo(public_id, name, get_label_cards("f1-teams"), Stamp(ANNA, "photo"))


def photos() -> TrainingPhotos:
    return photos_to_learn(get_registry(), "f1-teams")


def test_it_counts_the_labelled_cars_of_each_label(upload: Upload) -> None:
    label([upload(mark=1), upload(mark=2)], "mclaren")
    label([upload(mark=3)], "haas")
    label([upload(mark=4)], UNUSABLE)
    upload(mark=5)
    assert photos().counts == {"mclaren": 2, "haas": 1}
    assert (photos().cars, photos().imbalance) == (3, 2.0)


def test_new_are_those_that_the_version_was_not_trained_on(upload: Upload) -> None:
    first, second = upload(mark=1), upload(mark=2)
    label([first, second], "mclaren")
    trained_on(make_card(), [get_photo(first).sha256])
    assert photos().new == 1


def test_a_label_that_no_version_knows_is_to_be_learned_once_a_car_has_it(upload: Upload) -> None:
    merges.add_label(make_card(), "Audi", ANNA)
    assert photos().unlearned == ()
    label([upload()], "Audi")
    assert [known.name for known in photos().unlearned] == ["Audi"]


def test_a_photo_that_the_live_version_has_not_seen_is_counted(
    upload: Upload, classifier: FakeClassifier
) -> None:
    label([upload()], "mclaren")
    assert photos().unanswered == 0
    assert storage.photos_without_answer("f1-teams", 2) == [1]


def test_too_few_cars_are_refused_with_what_to_do(upload: Upload) -> None:
    label([upload()], "mclaren")
    with pytest.raises(TrainingError, match=r"1 car with a label of f1-teams .* 5 are needed"):
        require_photos(get_registry(), "f1-teams")


def test_each_car_comes_with_its_embedding(upload: Upload) -> None:
    public_id = upload()
    label([public_id], "mclaren")
    (row,) = storage.labelled_cars("f1-teams", 1)
    assert (row.label, row.sha256) == ("mclaren", get_photo(public_id).sha256)
    assert len(row.embedding) > 0


def test_a_label_that_only_an_earlier_version_knew_is_left_out(upload: Upload) -> None:
    number = get_photo(upload()).id
    with writing():
        label_cars([number], "lotus", "f1-teams", Stamp(ANNA, "photo"))
    assert photos().counts == {}
