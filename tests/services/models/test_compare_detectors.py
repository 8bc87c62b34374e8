"""Two versions of a detector on the photos of the history, and which of them may serve."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from flask import Flask

from tests.cars import LEFT, RIGHT, put_cars
from tests.fakes import make_card
from webapp.config import Config
from webapp.domain import FAILED, NO_CAR, PERSON, SHORT, Box, Who
from webapp.errors import ModelRefusedError, ModelUnavailableError, PromotionRefusedError
from webapp.extensions import Extensions, get_tools, load_any_version
from webapp.inference.detector import Detector, Floats
from webapp.inference.models.card import InputSpec
from webapp.inference.models.detector_card import DetectorCard
from webapp.inference.models.detector_gate import DetectorComparison
from webapp.inference.models.held_out import fingerprint, write_split
from webapp.inference.models.registry import Registry
from webapp.services.jobs.queue import Owner, Sender
from webapp.services.jobs.types import compare_detectors as job
from webapp.services.jobs.types.registry import JOB_TYPES
from webapp.services.jobs.worker import Worker
from webapp.services.labels.relabel import relabel_car
from webapp.services.models import compare_detectors
from webapp.services.models.compare_detectors import (
    DetectorsCompared,
    comparable,
    compare_on_history,
)
from webapp.services.models.promotion import Decision, history
from webapp.services.photos.gallery import cars_of, get_photo
from webapp.storage.database import end_reading
from webapp.storage.file_stores.database import DatabaseFiles
from webapp.storage.labels.events import Stamp
from webapp.storage.tables import Promotion

NAME, ANNA = "car-detector", Who("Anna")
TRAINED_ON = {"0" * 64: "train"}
Upload = Callable[..., str]


class FoundBoxes(Detector):
    """A version that finds the same boxes in every photo."""

    def __init__(self, version: int, *boxes: Box) -> None:
        super().__init__(detector_card(version, TRAINED_ON))
        edges = [(x, y, x + width, y + height) for x, y, width, height in boxes]
        self._edges = np.array(edges, np.float32).reshape(-1, 4)

    def boxes(self, _pixels: np.ndarray, threshold: float) -> tuple[Floats, Floats]:
        return self._edges, np.full(len(self._edges), 0.9, np.float32)

    def _run(self, _batch: Floats) -> tuple[Floats, Floats]:
        raise NotImplementedError


def detector_card(version: int, split: dict[str, str] | None = None) -> DetectorCard:
    return DetectorCard(
        name=NAME,
        version=version,
        title="Car detector",
        summary="",
        input=InputSpec(64, 64),
        threshold=0.5,
        split={} if split is None else {"fingerprint": fingerprint(split)},
    )


def publish(config: Config, version: int, split: dict[str, str] | None) -> None:
    folder = config.models / NAME / str(version)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "card.json").write_text(detector_card(version, split).to_json(), encoding="utf-8")
    if split is not None:
        write_split(folder, split)


@pytest.fixture
def registry(app: Flask, config: Config, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """Version 1 is live, version 2 waits; two photos are enough to judge by."""
    monkeypatch.setattr(compare_detectors, "LEAST", 2)
    for version in (1, 2):
        publish(config, version, TRAINED_ON)
    registry = Registry(config.models)
    registry.make_live(NAME, 1)
    with app.app_context():
        yield registry


def label(car: str, label: str = "haas") -> None:
    relabel_car(car, label, [make_card()], Stamp(ANNA, "photo"))


@pytest.fixture
def checked(registry: Registry, upload: Upload) -> list[str]:
    """Two photos of two cars each, all of them checked."""
    photos = [upload(mark=mark) for mark in range(2)]
    for photo in photos:
        for car in put_cars(photo):
            label(car)
    return photos


def count(registry: Registry) -> int:
    return comparable(registry, NAME, 1, 2).photos


def compared(
    registry: Registry, challenger: Detector, *, any_photo: bool = False
) -> DetectorsCompared:
    detectors = FoundBoxes(1, LEFT), challenger
    return compare_on_history(detectors, registry, DatabaseFiles(), any_photo=any_photo)


def promote(
    registry: Registry,
    challenger: Detector,
    comparison: DetectorComparison | None,
    decision: Decision | None = None,
) -> Promotion:
    def load(_name: str, version: int) -> Detector:
        return FoundBoxes(version)

    chosen = decision or Decision(ANNA)
    return compare_detectors.promote_detector(registry, challenger, load, chosen, comparison)


def test_a_photo_counts_when_every_car_of_it_is_checked(registry: Registry, upload: Upload) -> None:
    first, second = put_cars(upload())
    assert count(registry) == 0
    label(first)
    assert count(registry) == 0
    label(second)
    assert count(registry) == 1


def test_the_photos_and_both_lists_are_read_once(
    registry: Registry, checked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []
    for name in ("checked_photos", "read_split"):
        original = getattr(compare_detectors, name)

        def counted(*args: Any, name: str = name, original: Any = original) -> Any:
            read.append(name)
            return original(*args)

        monkeypatch.setattr(compare_detectors, name, counted)
    compared(registry, FoundBoxes(2, LEFT))
    assert sorted(read) == ["checked_photos", "read_split", "read_split"]


def test_drawn_cars_need_no_label(registry: Registry, upload: Upload) -> None:
    put_cars(upload(), found_by=PERSON)
    assert count(registry) == 1


def test_a_whole_photo_counts_only_when_it_shows_no_car(registry: Registry, upload: Upload) -> None:
    for mark, truth in enumerate(("haas", NO_CAR)):
        (car,) = cars_of(get_photo(upload(mark=mark)))
        label(car.public_id, truth)
    assert count(registry) == 1


def test_photos_that_a_version_was_trained_on_are_left_out(
    registry: Registry, config: Config, checked: list[str]
) -> None:
    publish(config, 2, {get_photo(checked[0]).sha256: "train"})
    possible = comparable(registry, NAME, 1, 2)
    assert (possible.photos, possible.trained_on, possible.decides) == (1, 1, False)


def test_it_refuses_to_compare_on_too_few_photos(registry: Registry) -> None:
    with pytest.raises(ModelRefusedError, match="in 0 photos of the history"):
        compared(registry, FoundBoxes(2))


def test_it_refuses_when_nobody_knows_what_a_version_was_trained_on(
    registry: Registry, config: Config, checked: list[str]
) -> None:
    publish(config, 2, None)
    (config.models / NAME / "2" / "split.json").unlink()
    with pytest.raises(ModelRefusedError, match="version 2 was trained on"):
        compared(registry, FoundBoxes(2))
    assert compared(registry, FoundBoxes(2), any_photo=True).comparison.n == 2


def test_one_that_finds_more_of_the_checked_cars_takes_over_without_a_reason(
    registry: Registry, checked: list[str]
) -> None:
    comparison = compared(registry, FoundBoxes(2, LEFT, RIGHT)).comparison
    assert (comparison.verdict, comparison.fixed, comparison.cars) == ("better", 2, 4)
    row = promote(registry, FoundBoxes(2), comparison)
    assert registry.live_version(NAME) == 2 and not row.forced
    assert row.figures == comparison.to_json()
    assert [change.to_version for change in history(NAME)] == [2]


def test_what_people_said_is_no_car_is_a_false_alarm(
    registry: Registry, checked: list[str], upload: Upload
) -> None:
    first, second = put_cars(upload(mark=5))
    label(first)
    label(second, NO_CAR)
    comparison = compared(registry, FoundBoxes(2, LEFT, RIGHT)).comparison
    assert comparison.figures[1]["false_alarms"] == 1
    assert comparison.verdict == "worse"


def test_one_that_is_worse_takes_over_only_by_force_and_with_a_reason(
    registry: Registry, checked: list[str]
) -> None:
    comparison = compared(registry, FoundBoxes(2)).comparison
    with pytest.raises(PromotionRefusedError, match="is worse than version 1"):
        promote(registry, FoundBoxes(2), comparison, Decision(ANNA, "quicker"))
    assert registry.live_version(NAME) == 1
    row = promote(registry, FoundBoxes(2), comparison, Decision(ANNA, "quicker", force=True))
    assert row.forced and row.figures == comparison.to_json()


def test_without_a_comparison_it_is_refused(registry: Registry, checked: list[str]) -> None:
    with pytest.raises(PromotionRefusedError, match="has not been compared"):
        promote(registry, FoundBoxes(2), None)


def test_with_nothing_to_judge_by_a_reason_is_enough(registry: Registry) -> None:
    with pytest.raises(PromotionRefusedError, match="Say why"):
        promote(registry, FoundBoxes(2), None)
    promote(registry, FoundBoxes(2), None, Decision(ANNA, "finds small cars"))
    assert registry.live_version(NAME) == 2


def test_for_a_live_version_that_is_broken_any_other_may_come(
    registry: Registry, checked: list[str]
) -> None:
    def broken(_name: str, _version: int) -> Detector:
        raise ModelUnavailableError("broken")

    compare_detectors.promote_detector(registry, FoundBoxes(2), broken, Decision(ANNA), None)
    assert registry.live_version(NAME) == 2


def compare_by_job(app: Flask, registry: Registry) -> None:
    job.enqueue(registry, NAME, 1, 2, Sender(Owner(""), ANNA))
    Worker(JOB_TYPES, get_tools, app.app_context).run_queue(SHORT)
    end_reading()


@pytest.fixture
def better(monkeypatch: pytest.MonkeyPatch) -> None:
    """Version 2 finds both cars of each photo, version 1 only the left one."""
    boxes = {1: [LEFT], 2: [LEFT, RIGHT]}

    def load(_extensions: Extensions, _name: str, version: int) -> Detector:
        return FoundBoxes(version, *boxes[version])

    monkeypatch.setattr(Extensions, "detector_version", load)


@pytest.mark.usefixtures("better", "checked")
def test_the_job_looks_at_the_checked_photos_and_its_verdict_decides(
    app: Flask, registry: Registry
) -> None:
    compare_by_job(app, registry)
    comparison = job.last_comparison(NAME, 1, 2)
    assert comparison is not None and (comparison.n, comparison.fixed) == (2, 2)
    job.promote(registry, NAME, 2, load_any_version, Decision(ANNA))
    assert registry.live_version(NAME) == 2


@pytest.mark.usefixtures("better", "checked")
def test_while_another_comparison_waits_the_one_that_is_through_decides(
    app: Flask, registry: Registry
) -> None:
    compare_by_job(app, registry)
    job.enqueue(registry, NAME, 1, 2, Sender(Owner(""), ANNA))
    job.promote(registry, NAME, 2, load_any_version, Decision(ANNA))
    assert registry.live_version(NAME) == 2


def test_the_job_says_what_is_missing(app: Flask, registry: Registry) -> None:
    compare_by_job(app, registry)
    view = job.last(NAME, 1, 2)
    assert view is not None and view.state == FAILED
    assert job.last_comparison(NAME, 1, 2) is None
