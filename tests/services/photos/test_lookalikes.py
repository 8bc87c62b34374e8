"""Nearly the same photo, and labelled photos that a network sees as near."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image, ImageEnhance
from sqlalchemy import text, update

from tests.cars import live_detector
from tests.fakes import FakeClassifier
from webapp.domain import BANDS, Who
from webapp.gallery_filter import GalleryFilter
from webapp.services.labels.relabel import relabel_car
from webapp.services.photos import gallery as history
from webapp.services.photos import lookalikes
from webapp.storage.database import db, writing
from webapp.storage.labels.events import Stamp
from webapp.storage.photos import lookalikes as near
from webapp.storage.photos import photos
from webapp.storage.tables import Photo, PhotoHash, Prediction, now

CARS = Path(__file__).parents[2] / "pictures" / "cars"


@pytest.fixture(autouse=True)
def context(app: Flask):
    with app.app_context():
        yield


def add(name: str, phash: int | None) -> Photo:
    facts = {
        "width": 1,
        "height": 1,
        "bytes": 1,
        "format": "JPEG",
        "has_metadata": False,
        "created_at": now(),
    }
    photo = Photo(public_id=name, filename=name, sha256=name, phash=phash, **facts)
    with writing():
        near.db.session.add(photo)
        near.db.session.flush()
        photos.add_hash(photo)
    return photo


def same_as(photo: Photo) -> list[str]:
    return [near_photo.public_id for near_photo in near.near_photos(photo, 6)]


def flipped(phash: int, *bits: int) -> int:
    """The signed hash with these bits changed."""
    for bit in bits:
        phash = (phash & (2**64 - 1)) ^ (1 << bit)
        phash = phash - 2**64 if phash >= 2**63 else phash
    return phash


def test_every_photo_within_six_bits_is_found_whichever_bits_they_are() -> None:
    rng = random.Random(7)
    first = add("first", -0x123456789ABCDEF)
    wanted = []
    for number in range(30):
        bits = rng.sample(range(64), number % 7)
        wanted.append(add(f"near {number}", flipped(first.phash or 0, *bits)).id)
        add(f"far {number}", flipped(first.phash or 0, *rng.sample(range(64), 7)))
    assert {photo.id for photo in near.near_photos(first, 100)} == set(wanted)


def test_six_bits_in_five_bands_leave_one_with_one_of_them() -> None:
    first, other = add("first", 5), add("other", flipped(5, 0, 1, 13, 26, 39, 63))
    assert same_as(first) == [other.public_id]


def test_the_nearest_comes_first_and_itself_not_at_all() -> None:
    first = add("first", 2**63 - 1)
    (
        add("two", flipped(2**63 - 1, 3, 60)),
        add("same", 2**63 - 1),
        add("one", flipped(2**63 - 1, 63)),
    )
    assert same_as(first) == ["same", "one", "two"]


@pytest.fixture
def copies(client: FlaskClient) -> list[str]:
    """A photo, a smaller and brighter copy of it, and another photo."""

    def send(image: Image.Image) -> str:
        stream = io.BytesIO()
        image.save(stream, "JPEG")
        data = {"file": (io.BytesIO(stream.getvalue()), "car.jpg")}
        return str(client.post("/api/v1/photos", data=data).json["id"])

    with Image.open(CARS / "haas.jpg") as picture, Image.open(CARS / "bwt.jpg") as other:
        half = picture.resize((picture.width // 2, picture.height // 2))
        return [send(picture), send(ImageEnhance.Brightness(half).enhance(1.2)), send(other)]


def test_the_gallery_can_show_a_photo_with_those_that_are_nearly_the_same(
    copies: list[str],
) -> None:
    first, second, _other = copies
    page = history.gallery_page(GalleryFilter(like=first))
    assert [photo.public_id for photo in page.items] == [second, first]
    assert history.gallery_page(GalleryFilter(like="nobody")).items == []
    assert [
        photo.public_id
        for photo in history.gallery_page(GalleryFilter(like=first, model="f1-teams")).items
    ] == [second, first]


def test_deleted_photos_are_left_out() -> None:
    first, gone = add("first", 77), add("gone", 77)
    with writing():
        db.session.execute(update(Photo).where(Photo.id == gone.id).values(deleted_at=now()))
    assert same_as(first) == []


def test_a_picture_without_structure_is_like_no_other() -> None:
    assert same_as(add("flat", None)) == same_as(add("flat too", None)) == []


def test_hashes_go_with_their_photo() -> None:
    photo = add("first", 77)
    with writing():
        db.session.execute(text("DELETE FROM photos"))
    assert db.session.get(PhotoHash, photo.id) is None


def test_a_smaller_and_brighter_copy_is_found_by_its_picture(copies: list[str]) -> None:
    first, second, _other = copies
    photo = history.get_photo(first)
    assert photo.phash is not None and same_as(photo) == [second]


@pytest.mark.parametrize("band", range(BANDS))
def test_a_band_is_looked_up_in_an_index(band: int) -> None:
    query = (
        f"SELECT photo_id, phash FROM photo_hashes WHERE band{band} = 5 "  # noqa: S608
        "ORDER BY photo_id DESC LIMIT 9"
    )
    plan = [row[3] for row in db.session.execute(text(f"EXPLAIN QUERY PLAN {query}"))]
    assert plan == [
        f"SEARCH photo_hashes USING COVERING INDEX ix_photo_hashes_band{band} (band{band}=?)"
    ]


# ---- labelled photos ----


@pytest.fixture
def sent(upload: Callable[..., str], classifier: FakeClassifier) -> Callable[..., str]:
    """Upload a photo whose embedding is what is given."""
    number = iter(range(1000))

    def make(embedding: list[float], ground_truth: str = "", version: int = 1) -> str:
        classifier.says(mclaren=0.7, haas=0.2)
        photo = upload(
            mark=next(number), **({"ground_truth": ground_truth} if ground_truth else {})
        )
        kept = np.array(embedding, dtype="<f2").tobytes()
        with writing():
            which = Prediction.photo_id == history.get_photo(photo).id
            db.session.execute(
                update(Prediction).where(which).values(embedding=kept, version=version)
            )
        return photo

    return make


def likes(public_id: str) -> list[tuple[str, list[str]]]:
    groups = lookalikes.looks_like(history.get_details(public_id).predictions[0])
    return [(label, [car.photo.public_id for car, _cosine in alike]) for label, alike in groups]


def test_the_nearest_photos_of_the_first_two_labels_are_found(sent: Callable[..., str]) -> None:
    far, close = sent([0, 1], "mclaren"), sent([1, 0.1], "mclaren")
    haas = sent([1, 1], "haas")
    sent([1, 0]), sent([1, 0], "ferrari")
    assert likes(sent([2, 0])) == [("mclaren", [close, far]), ("haas", [haas])]


def test_a_photo_is_not_its_own_likeness(sent: Callable[..., str]) -> None:
    assert likes(sent([1, 0], "mclaren")) == [("mclaren", []), ("haas", [])]


def test_embeddings_of_another_version_are_not_compared(sent: Callable[..., str]) -> None:
    sent([1, 0], "mclaren", version=2), sent([1, 0, 0], "mclaren")
    assert likes(sent([1, 0]))[0] == ("mclaren", [])


@pytest.mark.parametrize("odd", [[0, 0], [1e9, 0], [float("nan"), 1]])
@pytest.mark.filterwarnings("ignore:overflow")
def test_features_without_a_direction_are_like_nothing(
    sent: Callable[..., str], odd: list[float]
) -> None:
    good = sent([1, 0], "mclaren")
    strange = sent(odd, "mclaren")
    assert likes(strange)[0] == ("mclaren", [])
    assert likes(sent([1, 0]))[0] == ("mclaren", [good])


def test_cars_are_compared_whichever_place_they_have_in_their_photos(
    upload: Callable[..., str], classifier: FakeClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    live_detector(monkeypatch)
    classifier.says(mclaren=0.7, haas=0.2)
    second = history.cars_of(history.get_photo(upload(mark=0)))[1].public_id
    relabel_car(second, "mclaren", [classifier.card], Stamp(Who("Anna"), "photo"))
    groups = lookalikes.looks_like(history.get_details(upload(mark=1)).predictions[0])
    assert [(label, [car.public_id for car, _cosine in cars]) for label, cars in groups] == [
        ("mclaren", [second]),
        ("haas", []),
    ]
