"""Webhooks: what is told, to whom, how often; with a real receiver and real jobs."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from tests.cars import RIGHT, put_cars
from tests.conftest import ROOT
from tests.fakes import FakeClassifier, make_card
from tests.receiver import Receiver, receiving
from webapp.config import Config
from webapp.domain import BOXED, NO_CAR, PROMOTED, RELABELLED, SHORT, UNSURE, Who
from webapp.errors import WebhookError, WebhookNotFoundError
from webapp.extensions import get_pipeline, get_registry, get_tools
from webapp.services.cars import boxes
from webapp.services.cars.boxes import DrawnCar
from webapp.services.jobs import queue as jobs
from webapp.services.jobs.queue import Owner
from webapp.services.jobs.types import webhook_delivery as delivery
from webapp.services.jobs.types.registry import JOB_TYPES
from webapp.services.jobs.worker import Worker
from webapp.services.labels import relabel, undo
from webapp.services.models import promotion as promote
from webapp.services.photos import bulk, deletion
from webapp.services.photos.bulk import Selection
from webapp.services.webhooks import events, transport, webhooks
from webapp.services.webhooks.events import labels_changed
from webapp.services.webhooks.webhooks import HookView
from webapp.storage.cars.cars import main_cars_of
from webapp.storage.database import db, end_reading, writing
from webapp.storage.labels.events import Stamp
from webapp.storage.tables import Webhook, now

WHO = Who("Anna")
Upload = Callable[..., str]


@pytest.fixture
def config(config: Config) -> Config:
    return config.model_copy(update={"webhooks": "any"})


@pytest.fixture(autouse=True)
def context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def hook(receiver: Receiver) -> Webhook:
    return add(receiver)


def add(receiver: Receiver, *events: str, below: str = "") -> Webhook:
    return webhooks.add(
        receiver.url, events or list(webhooks.EVENTS), below=below, private=True, who=WHO
    )


def run_jobs(app: Flask) -> None:
    """Do all that is due, as if all waiting were over."""
    with writing():
        past = now() - timedelta(seconds=1)
        for statement in (
            "UPDATE webhook_deliveries SET next_at = :at WHERE state = 'waiting'",
            "UPDATE webhooks SET rest_until = NULL",
            "UPDATE job_parts SET run_after = :at WHERE state = 'queued'",
        ):
            db.session.execute(
                text(statement), {"at": past.replace(tzinfo=None)} if ":at" in statement else {}
            )
    Worker(JOB_TYPES, get_tools, app.app_context).run_queue(SHORT)
    end_reading()


def see(hook: Webhook) -> HookView:
    end_reading()
    return webhooks.get_webhook(hook.id)


def all_jobs() -> list[jobs.JobView]:
    end_reading()
    return jobs.list_jobs(Owner("", all=True)).items


def mark(public_id: str, label: str = "haas", card: object = None) -> None:
    stamp = Stamp(WHO, "photo")
    relabel.relabel_photo(public_id, label, [card], stamp)  # type: ignore[arg-type]


# ---- low confidence ----


def test_an_unsure_answer_is_told_as_in_the_json_api(
    app: Flask,
    client: FlaskClient,
    classifier: FakeClassifier,
    upload: Upload,
    hook: Webhook,
    receiver: Receiver,
) -> None:
    classifier.says(haas=0.2, mclaren=0.19)
    photo = upload()
    run_jobs(app)
    body = receiver.bodies[0]
    assert (body["type"], body["data"]["photo"]) == (
        UNSURE,
        client.get(f"/api/v1/photos/{photo}").json,
    )
    assert body["data"]["photo"]["prediction"]["decision"] == "unclassified"
    assert see(hook).delivered == 1


def test_a_sure_answer_is_told_to_nobody(
    app: Flask, upload: Upload, hook: Webhook, receiver: Receiver
) -> None:
    upload()
    run_jobs(app)
    assert not receiver.messages and not all_jobs()


def test_each_webhook_has_its_own_limit(app: Flask, upload: Upload, receiver: Receiver) -> None:
    strict, easy = add(receiver, UNSURE, below="100"), add(receiver, UNSURE, below="1")
    upload()
    run_jobs(app)
    assert (see(strict).delivered, see(easy).delivered) == (1, 0)


def test_without_a_webhook_nothing_is_written(classifier: FakeClassifier, upload: Upload) -> None:
    classifier.says(haas=0.2, mclaren=0.19)
    upload()
    assert not all_jobs()
    assert db.session.execute(text("SELECT count(*) FROM webhook_events")).scalar() == 0


def test_what_was_rolled_back_is_told_to_nobody(upload: Upload, hook: Webhook) -> None:
    upload()
    with pytest.raises(ZeroDivisionError), writing():
        events.labels_changed("none")
        raise ZeroDivisionError
    assert not all_jobs() and see(hook).waiting == 0


# ---- relabelling ----


def test_a_relabelling_tells_from_what_to_what(
    app: Flask, classifier: FakeClassifier, upload: Upload, hook: Webhook, receiver: Receiver
) -> None:
    photo = upload()
    mark(photo, card=classifier.card)
    run_jobs(app)
    data = receiver.bodies[0]["data"]
    assert receiver.bodies[0]["type"] == RELABELLED
    (car,) = data["photo"]["cars"]
    where = {"car": car["id"], "box": [0, 0, 1, 1], "ground_truth": "haas"}
    assert (data["who"], data["count"], data["changes"]) == (
        "Anna",
        1,
        [{"id": photo, "from": None, "to": "haas"} | where],
    )
    assert data["photo"]["ground_truth"] == "haas"


def test_many_photos_are_one_event_and_their_undo_another(
    app: Flask,
    classifier: FakeClassifier,
    upload: Upload,
    hook: Webhook,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bulk, "CHUNK", 2)
    photos = [upload(mark=number) for number in range(5)]
    done = bulk.relabel_all(Selection(), "haas", [classifier.card], Stamp(WHO, "gallery"))
    run_jobs(app)
    assert [(body["data"]["count"], body["data"]["batch"]) for body in receiver.bodies] == [
        (5, done.batch)
    ]
    assert [change["id"] for change in receiver.bodies[0]["data"]["changes"]] == photos
    undo.undo_batch(done.batch, Stamp(WHO, "undo"))
    run_jobs(app)
    assert [body["data"]["count"] for body in receiver.bodies] == [5, 5]


def test_what_comes_after_a_batch_was_told_is_told_alone(
    app: Flask, classifier: FakeClassifier, upload: Upload, hook: Webhook, receiver: Receiver
) -> None:
    for number in range(2):
        photo = upload(mark=number)
        with writing():
            row = main_cars_of([photo])[photo]
            relabel.record_label(row, "haas", "f1-teams", Stamp(WHO, "import", batch="slow"))
            labels_changed("slow")
        run_jobs(app)
    assert [len(body["data"]["changes"]) for body in receiver.bodies] == [1, 1]
    assert receiver.bodies[0]["data"]["changes"] != receiver.bodies[1]["data"]["changes"]


def test_a_label_that_comes_with_the_photo_is_no_relabelling(
    app: Flask, upload: Upload, hook: Webhook, receiver: Receiver
) -> None:
    upload(ground_truth="haas")
    run_jobs(app)
    assert not receiver.messages


def test_a_photo_that_is_gone_is_told_by_its_id(
    app: Flask,
    client: FlaskClient,
    key: dict[str, str],
    classifier: FakeClassifier,
    upload: Upload,
    hook: Webhook,
    receiver: Receiver,
) -> None:
    photo = upload()
    mark(photo, card=classifier.card)
    client.delete(f"/api/v1/photos/{photo}", headers=key)
    run_jobs(app)
    assert receiver.bodies[0]["data"]["photo"] == {"id": photo}


# ---- promotion and tests ----


def test_a_promotion_is_told(app: Flask, config: Config, hook: Webhook, receiver: Receiver) -> None:
    promote.note_first(get_registry(), "f1-teams", 1, WHO)
    run_jobs(app)
    assert receiver.bodies[0]["type"] == PROMOTED
    assert {name: receiver.bodies[0]["data"][name] for name in ("model", "from", "to", "kind")} == {
        "model": "f1-teams",
        "from": None,
        "to": 1,
        "kind": "first",
    }


def test_a_webhook_hears_only_of_its_events(
    app: Flask, classifier: FakeClassifier, upload: Upload, receiver: Receiver
) -> None:
    add(receiver, PROMOTED)
    mark(upload(), card=classifier.card)
    run_jobs(app)
    assert not receiver.messages


def test_the_lines_of_the_docs_believe_a_message_and_no_other(
    app: Flask, hook: Webhook, receiver: Receiver
) -> None:
    docs = (ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")
    lines: dict[str, object] = {}
    exec(docs.split("```python\n")[1].split("```")[0], lines)  # noqa: S102
    verify = lines["verify"]
    webhooks.send_test(hook.id)
    run_jobs(app)
    headers, body = receiver.messages[0]
    assert verify(hook.secret, headers, body)["type"] == "test"  # type: ignore[operator]
    other = f"whsec_{base64.b64encode(bytes(32)).decode()}"
    late = headers | {"webhook-timestamp": "1"}
    for secret, told, sent in (
        (other, headers, body),
        (hook.secret, headers, body + b" "),
        (hook.secret, late, body),
    ):
        with pytest.raises(ValueError, match=r"signature|five minutes"):
            verify(secret, told, sent)  # type: ignore[operator]


def test_the_signature_is_that_of_the_specification() -> None:
    signed = delivery.sign(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


# ---- when it does not arrive ----


def test_what_did_not_arrive_is_sent_again_with_the_same_id_and_body(
    app: Flask, hook: Webhook, receiver: Receiver
) -> None:
    receiver.answers = [500, 503]
    webhooks.send_test(hook.id)
    for expected in (500, 503):
        run_jobs(app)
        assert (see(hook).waiting, see(hook).trouble) == (1, f"It answered {expected}.")
        assert [job.state for job in all_jobs()] == ["running"]
    run_jobs(app)
    assert [job.state for job in all_jobs()] == ["succeeded"]
    assert len({(headers["webhook-id"], body) for headers, body in receiver.messages}) == 1
    assert len(receiver.messages) == 3 and not see(hook).failing


def test_pauses_grow(app: Flask, hook: Webhook, receiver: Receiver) -> None:
    receiver.answers = [500] * 3
    webhooks.send_test(hook.id)
    waits = []
    for _ in range(3):
        run_jobs(app)
        waits.append(
            round((webhooks.last_deliveries(hook.id)[0].next_at - now()).total_seconds(), -1)
        )
    assert waits == [0, 30, 300]


def test_after_the_last_attempt_it_is_given_up_and_said(
    app: Flask, hook: Webhook, receiver: Receiver
) -> None:
    attempts = len(delivery.PAUSES) + 1
    receiver.answers = [500] * attempts
    webhooks.send_test(hook.id)
    for _ in range(attempts):
        run_jobs(app)
    assert (see(hook).given_up, len(receiver.messages)) == (1, attempts)
    assert (
        all_jobs()[0].state == "failed" and "given up: It answered 500." in all_jobs()[0].job.error
    )
    assert "1 given up (It answered 500.)" in webhooks.trouble()


def test_what_was_given_up_can_be_sent_again(app: Flask, hook: Webhook, receiver: Receiver) -> None:
    receiver.answers = [500] * (len(delivery.PAUSES) + 1)
    webhooks.send_test(hook.id)
    for _ in range(len(delivery.PAUSES) + 1):
        run_jobs(app)
    assert webhooks.send_again(hook.id) == 1
    run_jobs(app)
    assert (see(hook).delivered, webhooks.trouble()) == (1, "")


def test_what_waits_for_days_is_given_up(app: Flask, hook: Webhook, receiver: Receiver) -> None:
    webhooks.send_test(hook.id)
    with writing():
        db.session.execute(text("UPDATE webhook_deliveries SET created_at = '2020-01-01'"))
    run_jobs(app)
    assert not receiver.messages and see(hook).trouble == "It never got its turn."


def test_a_webhook_that_fails_rests_and_new_events_do_not_wake_it(
    app: Flask, classifier: FakeClassifier, upload: Upload, hook: Webhook, receiver: Receiver
) -> None:
    receiver.answers = [500]
    webhooks.send_test(hook.id)
    run_jobs(app)
    mark(upload(), card=classifier.card)
    Worker(JOB_TYPES, get_tools, app.app_context).run_queue(SHORT)
    assert len(receiver.messages) == 1 and see(hook).waiting == 2
    assert len(all_jobs()) == 1


def test_who_wants_nothing_more_is_switched_off(
    app: Flask, hook: Webhook, receiver: Receiver
) -> None:
    receiver.answers = [410]
    webhooks.send_test(hook.id)
    run_jobs(app)
    assert (see(hook).hook.active, see(hook).given_up) == (False, 1)


def test_one_that_was_switched_off_while_it_was_told_stays_off(
    app: Flask, hook: Webhook, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def post(*message: Any, **options: Any) -> int:
        with db.engine.execution_options(writes=True).begin() as connection:  # another process
            connection.execute(text("UPDATE webhooks SET active = 0"))
        return transport.post(*message, **options)

    receiver.answers = [500]
    webhooks.send_test(hook.id)
    monkeypatch.setattr(delivery, "transport", SimpleNamespace(post=post))
    run_jobs(app)
    assert len(receiver.messages) == 1 and not see(hook).hook.active


def test_one_that_is_off_hears_nothing_and_what_waits_stays(
    app: Flask, classifier: FakeClassifier, upload: Upload, hook: Webhook, receiver: Receiver
) -> None:
    photo = upload()
    mark(photo, card=classifier.card)
    webhooks.switch(hook.id, on=False)
    mark(photo, "mclaren", card=classifier.card)
    run_jobs(app)
    assert not receiver.messages and see(hook).waiting == 1
    webhooks.switch(hook.id, on=True)
    run_jobs(app)
    assert [body["data"]["changes"][0]["to"] for body in receiver.bodies] == ["haas"]


def test_nothing_goes_to_a_private_address_unless_a_setting_allows(
    app: Flask, hook: Webhook, receiver: Receiver
) -> None:
    webhooks.send_test(hook.id)
    extensions = app.extensions["marque"]
    extensions.config = extensions.config.model_copy(update={"webhooks": "public"})
    run_jobs(app)
    assert not receiver.messages and "not a public address" in see(hook).trouble


# ---- keeping them ----


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"url": "nonsense"}, "address"),
        ({"wanted": ["photo.eaten"]}, "no event"),
        ({"wanted": []}, "at least one"),
        ({"below": "101"}, "percent"),
        ({"private": False}, "public"),
    ],
)
def test_it_refuses_what_makes_no_sense(change: dict[str, object], reason: str) -> None:
    asked = {
        "url": "http://127.0.0.1/",
        "wanted": [PROMOTED],
        "below": "",
        "private": True,
        "who": WHO,
    }
    with pytest.raises(WebhookError, match=reason):
        webhooks.add(**(asked | change))  # type: ignore[arg-type]
    assert webhooks.every_webhook() == []


def test_removing_one_drops_what_waits(app: Flask, hook: Webhook, receiver: Receiver) -> None:
    webhooks.send_test(hook.id)
    webhooks.remove(hook.id)
    run_jobs(app)
    assert not receiver.messages
    assert [job.state for job in all_jobs()] == ["succeeded"]
    with pytest.raises(WebhookNotFoundError):
        webhooks.get_webhook(hook.id)


def test_what_was_told_long_ago_is_forgotten(
    app: Flask, hook: Webhook, receiver: Receiver, tmp_path: Path
) -> None:
    webhooks.send_test(hook.id)
    run_jobs(app)
    with writing():
        db.session.execute(
            text("UPDATE webhook_deliveries SET ended_at = '2020-01-01', created_at = '2020-01-01'")
        )
        db.session.execute(text("UPDATE webhook_events SET created_at = '2020-01-01'"))
    webhooks.send_test(hook.id)
    run_jobs(app)
    assert len(webhooks.last_deliveries(hook.id)) == 1
    assert json.loads(receiver.messages[-1][1])["type"] == "test"


def test_what_happens_while_a_job_works_is_left_to_another_one(
    app: Flask, classifier: FakeClassifier, upload: Upload, hook: Webhook, receiver: Receiver
) -> None:
    photos = [upload(mark=number) for number in range(3)]
    webhooks.send_test(hook.id)
    with writing():
        db.session.execute(
            text(
                "UPDATE job_parts SET state = 'running', owner = 'busy', lease_until = '2999-01-01'"
            )
        )
    for photo in photos:
        mark(photo, card=classifier.card)
    assert len(all_jobs()) == 2
    run_jobs(app)
    assert len(receiver.messages) == 4


# ---- cars ----

BOX, MOVED = (0.1, 0.1, 0.4, 0.5), (0.15, 0.1, 0.4, 0.5)


def box_stamp() -> Stamp:
    return Stamp(WHO, "photo", "missed")


def told(receiver: Receiver, event_type: str) -> list[dict[str, Any]]:
    return [body["data"] for body in receiver.bodies if body["type"] == event_type]


def test_a_relabelling_names_the_car_with_its_box(
    app: Flask, upload: Upload, hook: Webhook, receiver: Receiver
) -> None:
    second = put_cars(upload())[1]
    relabel.relabel_car(second, "haas", [make_card()], box_stamp())
    run_jobs(app)
    (data,) = told(receiver, RELABELLED)
    (change,) = data["changes"]
    assert (change["car"], change["box"], change["to"]) == (second, list(RIGHT), "haas")
    assert [car["id"] for car in data["photo"]["cars"]][1] == second


def test_drawn_moved_and_taken_back_boxes_are_told(
    app: Flask, upload: Upload, hook: Webhook, receiver: Receiver
) -> None:
    photo = upload()
    put_cars(photo)
    pipeline, stamp = get_pipeline(), box_stamp()
    car = boxes.add_car(photo, DrawnCar(BOX, "haas", [make_card()]), pipeline, stamp)
    run_jobs(app)
    boxes.move_car(car.public_id, MOVED, pipeline, box_stamp())
    run_jobs(app)
    boxes.move_car(car.public_id, BOX, pipeline, box_stamp())
    boxes.undo_boxes(stamp.batch, lambda: pipeline, box_stamp())
    run_jobs(app)
    changes = [data["changes"][0] for data in told(receiver, BOXED)]
    assert [(change["from"], change["to"]) for change in changes] == [
        (None, list(BOX)),
        (list(BOX), list(MOVED)),
        (list(MOVED), list(BOX)),
        (list(BOX), None),
    ]
    assert {(change["id"], change["car"]) for change in changes} == {(photo, car.public_id)}
    assert changes[0]["ground_truth"] == "haas"
    labels = [change["to"] for data in told(receiver, RELABELLED) for change in data["changes"]]
    assert labels[0] == "haas" and labels[-1] == NO_CAR


def test_a_car_of_a_deleted_photo_is_told_by_the_photo_alone(
    app: Flask, upload: Upload, hook: Webhook, receiver: Receiver
) -> None:
    photo = upload()
    boxes.add_car(photo, DrawnCar(BOX), get_pipeline(), box_stamp())
    deletion.delete_photo(photo, who=WHO, admin=True)
    run_jobs(app)
    (data,) = told(receiver, BOXED)
    assert data["photo"] == {"id": photo} and data["changes"][0]["car"] is None
