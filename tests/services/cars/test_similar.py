"""The nearest cars of the whole history, by embeddings in a file that follows the database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from flask import Flask
from sqlalchemy import delete, select, update

from webapp.config import Config
from webapp.domain import NO_CAR, Who
from webapp.errors import NotAskedError, StorageFullError
from webapp.services.cars.similar import SimilarCars, similar_cars
from webapp.services.labels.relabel import relabel_car
from webapp.services.photos import deletion
from webapp.services.photos.gallery import get_car_of
from webapp.storage.database import db, writing
from webapp.storage.labels.events import Stamp
from webapp.storage.tables import Photo, Prediction

Add = Callable[..., str]


@pytest.fixture(autouse=True)
def context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


@pytest.fixture
def add(upload: Callable[..., str]) -> Add:
    """Store a photo whose car has an embedding at so many degrees; returns the photo's id."""
    marks = iter(range(1, 1000))

    def store(degrees: float) -> str:
        photo = upload(mark=next(marks))
        set_embedding(photo, degrees)
        return photo

    return store


def vector(degrees: float) -> bytes:
    angle = np.radians(degrees)
    return np.array([np.cos(angle), np.sin(angle), 0, 0], "<f2").tobytes()


def set_embedding(photo: str, degrees: float) -> None:
    put_embedding(photo, vector(degrees))


def put_embedding(photo: str, embedding: bytes) -> None:
    car = get_car_of(photo)
    with writing():
        of_car = update(Prediction).where(Prediction.car_id == car.id)
        db.session.execute(of_car.values(embedding=embedding))
    db.session.expire_all()


def similar(photo: str, data: Path, limit: int = 10) -> SimilarCars:
    return similar_cars(get_car_of(photo), limit, data)


def near(photo: str, data: Path, limit: int = 10) -> list[str]:
    return [car.photo.public_id for car, _cosine in similar(photo, data, limit).cars]


def the_file(data: Path) -> Path:
    return data / "embeddings" / "f1-teams-1"


def forget(photo: str) -> None:
    """Delete a photo's rows for good, as the purge does."""
    with writing():
        db.session.execute(delete(Photo).where(Photo.public_id == photo))
    db.session.expire_all()


def test_the_nearest_comes_first_and_itself_not_at_all(add: Add, config: Config) -> None:
    first, far, near_by = add(0), add(80), add(10)
    nearest = similar(first, config.data)
    assert [car.photo.public_id for car, _cosine in nearest.cars] == [near_by, far]
    cosines = [cosine for _car, cosine in nearest.cars]
    assert cosines == pytest.approx([np.cos(np.radians(10)), np.cos(np.radians(80))], abs=1e-3)


def test_it_is_exact_among_many(add: Add, config: Config) -> None:
    angles = np.random.default_rng(3).permutation(40) * 2.0
    photos = {angle: add(angle) for angle in angles.tolist()}
    wanted = [photos[angle] for angle in sorted(photos) if angle != 0]
    assert near(photos[0], config.data, 39) == wanted


def test_only_so_many_are_answered(add: Add, config: Config) -> None:
    first = [add(0), add(20), add(10), add(30)][0]
    assert len(near(first, config.data, 2)) == 2


def test_what_comes_later_is_found_too(add: Add, config: Config) -> None:
    first, second = add(0), add(20)
    assert near(first, config.data) == [second]
    later = add(10)
    assert near(first, config.data) == [later, second]


def test_what_comes_later_is_added_to_the_same_file(add: Add, config: Config) -> None:
    first = [add(0), add(20)][0]
    near(first, config.data)
    before = the_file(config.data).stat()
    add(10)
    near(first, config.data)
    after = the_file(config.data).stat()
    assert after.st_ino == before.st_ino
    assert after.st_size > before.st_size


def test_a_deleted_photo_is_left_out_and_comes_back(add: Add, config: Config) -> None:
    first, second, third = add(0), add(10), add(20)
    deletion.delete_photo(second, who=Who("Anna"), admin=True)
    assert near(first, config.data) == [third]
    deletion.restore_photo(second, admin=True)
    assert near(first, config.data) == [second, third]


def test_what_is_no_car_is_left_out(add: Add, config: Config) -> None:
    first, second, third = add(0), add(10), add(20)
    relabel_car(get_car_of(second).public_id, NO_CAR, [], Stamp(Who("Anna"), "photo"))
    nearest = similar(first, config.data)
    assert [car.photo.public_id for car, _cosine in nearest.cars] == [third]
    assert (nearest.compared, nearest.others) == (2, 0)


def test_cars_are_found_although_nearer_ones_are_gone(add: Add, config: Config) -> None:
    first, gone, last = add(0), [add(1) for _ in range(12)], add(20)
    near(first, config.data)
    for photo in gone:
        deletion.delete_photo(photo, who=Who("Anna"), admin=True)
    assert near(first, config.data, 1) == [last]


def test_the_number_of_a_deleted_answer_that_is_given_again_is_noticed(
    add: Add, config: Config
) -> None:
    first, second, newest = add(0), add(40), add(10)
    assert near(first, config.data) == [newest, second]
    (number,) = db.session.scalars(select(Prediction.id).order_by(Prediction.id.desc()).limit(1))
    forget(newest)
    again = add(80)
    assert get_car_of(again).prediction.id == number
    assert near(first, config.data) == [second, again]


def test_most_rows_gone_make_the_file_anew(add: Add, config: Config) -> None:
    first, others = add(0), [add(10 * number) for number in range(1, 8)]
    near(first, config.data)
    before = the_file(config.data).stat()
    for photo in others[:-1]:
        forget(photo)
    assert near(first, config.data) == [others[-1]]
    last = add(80)
    assert near(first, config.data) == [others[-1], last]
    assert the_file(config.data).stat().st_size < before.st_size


def test_an_answer_with_a_lower_number_that_came_late_is_found_with_the_next(
    add: Add, config: Config
) -> None:
    first, late, third = add(0), add(10), add(20)
    of_late = Prediction.car_id == get_car_of(late).id
    for version, wanted in ((2, [third]), (1, [third])):
        with writing():
            db.session.execute(update(Prediction).where(of_late).values(version=version))
        assert near(first, config.data) == wanted
    newest = add(30)
    assert near(first, config.data) == [late, third, newest]


@pytest.mark.parametrize("content", [b"", b"torn", b"\0" * 4000])
def test_a_file_that_is_none_is_made_anew(add: Add, config: Config, content: bytes) -> None:
    first, second = add(0), add(10)
    near(first, config.data)
    the_file(config.data).write_bytes(content)
    assert near(first, config.data) == [second]


def test_a_torn_file_is_made_anew(add: Add, config: Config) -> None:
    first, second = add(0), add(10)
    near(first, config.data)
    whole = the_file(config.data).read_bytes()
    the_file(config.data).write_bytes(whole[:-3])
    assert near(first, config.data) == [second]
    assert the_file(config.data).read_bytes() == whole


def test_rows_that_were_not_counted_yet_are_written_again(add: Add, config: Config) -> None:
    first, second = add(0), add(10)
    near(first, config.data)
    with the_file(config.data).open("ab") as file:
        file.write(b"half a row")
    third = add(5)
    assert near(first, config.data) == [third, second]


def test_a_file_of_another_history_is_made_anew(add: Add, config: Config) -> None:
    first, second = add(0), add(10)
    near(first, config.data)
    with writing():
        day = timedelta(days=1)
        for answer in db.session.scalars(select(Prediction)).all():
            moved = update(Prediction).where(Prediction.id == answer.id)
            db.session.execute(moved.values(created_at=answer.created_at - day))
    set_embedding(second, 60)
    third = add(30)
    assert near(first, config.data) == [third, second]


def test_embeddings_of_another_size_take_no_part(add: Add, config: Config) -> None:
    first, second, other = add(0), add(10), add(20)
    put_embedding(other, np.ones(8, "<f2").tobytes())
    assert near(first, config.data) == [second]
    assert near(other, config.data) == []


@pytest.mark.parametrize("value", [0, np.inf, np.nan])
def test_embeddings_without_a_direction_take_no_part(
    add: Add, config: Config, value: float
) -> None:
    first, second, other = add(0), add(10), add(20)
    put_embedding(other, np.full(4, value, "<f2").tobytes())
    assert near(first, config.data) == [second]
    with pytest.raises(NotAskedError, match="nothing to compare"):
        similar(other, config.data)


def test_a_car_that_nobody_was_asked_about_says_so(add: Add, config: Config) -> None:
    photo = add(0)
    with writing():
        db.session.execute(delete(Prediction))
    db.session.expire_all()
    with pytest.raises(NotAskedError, match="Ask a model"):
        similar(photo, config.data)


def test_cars_without_an_answer_of_the_version_are_counted(add: Add, config: Config) -> None:
    first, second, other = add(0), add(10), add(20)
    with writing():
        of_other = Prediction.car_id == get_car_of(other).id
        db.session.execute(update(Prediction).where(of_other).values(version=2))
    db.session.expire_all()
    nearest = similar(first, config.data)
    assert [car.photo.public_id for car, _cosine in nearest.cars] == [second]
    assert (nearest.model, nearest.version, nearest.compared, nearest.others) == (
        "f1-teams",
        1,
        2,
        1,
    )


def test_a_data_folder_that_cannot_be_written_is_said(add: Add, config: Config) -> None:
    first = add(0)
    (config.data / "embeddings").write_text("a file where a folder belongs")
    with pytest.raises(StorageFullError, match="cannot be written"):
        similar(first, config.data)


def test_several_may_ask_at_once(app: Flask, add: Add, config: Config) -> None:
    first, second, third = add(0), add(10), add(20)
    answers: list[list[str]] = []

    def ask() -> None:
        with app.app_context():
            answers.append(near(first, config.data))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [[second, third]] * 6
