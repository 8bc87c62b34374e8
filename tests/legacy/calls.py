"""Calls of the earlier services that several tests make."""

import io

from flask.testing import FlaskClient

from tests.conftest import draw

JSON = {"Accept": "application/json"}


def as_file(content: bytes, name: str = "car.jpg") -> tuple[io.BytesIO, str]:
    return io.BytesIO(content), name


def stored(client: FlaskClient, mark: int = 0, **fields: str) -> int:
    """The number of a photo that was stored and not classified."""
    answer = client.post("/api/upload", data={"file": as_file(draw(mark=mark)), **fields})
    assert answer.status_code == 201, answer.text
    return int(answer.json["id"])


def predicted(client: FlaskClient, number: int) -> str:
    """The id of the task that classifies a photo."""
    return str(client.post(f"/api/predict?img_id={number}&device=cpu").json["data"]["task_id"])
