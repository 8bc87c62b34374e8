"""An MLflow server that follows a training, when `MLFLOW_TRACKING_URI` names one. A server that does not answer never stops a training."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from webapp.inference.models.card import CARD_FILE, KERAS_FILE, ModelCard
from webapp.training.checkpoint import Progress
from webapp.training.job import Job, say
from webapp.training.recipe import Recipe

RUN_FILE = "mlflow-run.txt"
"""In the work folder: the run of the training that is under way, so that one which goes on stays one run."""
ANSWER_WITHIN = 10  # seconds
UPLOAD_WITHIN = 120  # seconds
MOST_AT_ONCE = 100  # params in one call; metrics may be a thousand
LONGEST_VALUE = 6000  # characters of a param
FINAL = ("test", "unknown")  # parts of the card's metrics that a run ends with
CURVES = ("loss.svg", "right.svg")


class TrackingError(Exception):
    """The server did not answer, or said no. Never leaves this module."""


@dataclass(frozen=True)
class Server:
    """MLflow's REST interface at `address`, without the slash at its end."""

    address: str
    headers: Mapping[str, str]

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Server:
        """The server of `MLFLOW_TRACKING_URI`, with the name and password or token of MLflow's own variables.

        Raises `TrackingError` when it is none that is reached over HTTP.
        """
        parts = urllib.parse.urlsplit(env["MLFLOW_TRACKING_URI"].strip())
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise TrackingError(
                "MLFLOW_TRACKING_URI must be the http:// or https:// address of a tracking server"
            )
        name = env.get("MLFLOW_TRACKING_USERNAME") or urllib.parse.unquote(parts.username or "")
        password = env.get("MLFLOW_TRACKING_PASSWORD") or urllib.parse.unquote(parts.password or "")
        headers = {}
        if name:
            headers["Authorization"] = "Basic " + base64.b64encode(
                f"{name}:{password}".encode()
            ).decode("ascii")
        elif token := env.get("MLFLOW_TRACKING_TOKEN"):
            headers["Authorization"] = f"Bearer {token}"
        place = parts.netloc.rpartition("@")[
            2
        ]  # a password in the address shall stand in no message
        return cls(
            urllib.parse.urlunsplit((parts.scheme, place, parts.path.rstrip("/"), "", "")), headers
        )

    def get(self, path: str, **query: str) -> Any:
        """What the server answers, as JSON. Raises `TrackingError`, also below."""
        return self._ask("GET", f"/api/2.0/mlflow/{path}?{urllib.parse.urlencode(query)}")

    def post(self, path: str, **fields: Any) -> Any:
        """What the server answers, as JSON."""
        return self._ask(
            "POST", f"/api/2.0/mlflow/{path}", json.dumps(fields).encode(), "application/json"
        )

    def upload(self, folder: str, name: str, content: bytes) -> None:
        """Keep `content` as the artifact `name` in a folder of the server's artifacts."""
        path = urllib.parse.quote(f"{folder}/{name}")
        self._ask(
            "PUT",
            f"/api/2.0/mlflow-artifacts/artifacts/{path}",
            content,
            "application/octet-stream",
            UPLOAD_WITHIN,
        )

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        kind: str = "",
        within: float = ANSWER_WITHIN,
    ) -> Any:
        headers = dict(self.headers) | ({"Content-Type": kind} if kind else {})
        request = urllib.request.Request(self.address + path, body, headers, method=method)  # noqa: S310  the scheme was looked at
        try:
            with urllib.request.urlopen(request, timeout=within) as answer:  # noqa: S310
                return json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            raise TrackingError(_said(error)) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise TrackingError(
                f"{self.address} does not answer ({getattr(error, 'reason', error)})"
            ) from error


class Tracker:
    """One training as one run on the server: settings first, a line of metrics after every epoch, figures and files in the end.

    What a silent server misses is sent when it answers again. Only the first failure after a success is said.
    """

    def __init__(self, server: Server, job: Job, recipe: Recipe, experiment: str) -> None:
        self.server, self.job, self.recipe, self.experiment = server, job, recipe, experiment
        self.run = ""
        self.artifacts = ""
        self.sent = 0
        self.silent = False

    def epoch(self, progress: Progress) -> None:
        """Send the lines of the history that the server does not have."""
        self._attempt(lambda: self._send(progress.history))

    def finish(self, card: ModelCard) -> None:
        """Send what is left, the final figures and the files; register the version; end the run."""
        self._attempt(lambda: self._finish(card))

    def end(self, status: str) -> None:
        """Say how a run ended that was not finished: "FAILED" or "KILLED". One that goes on later is running again."""
        if self.run:
            self._attempt(
                lambda: self.server.post(
                    "runs/update", run_id=self.run, status=status, end_time=_now()
                )
            )

    def _attempt(self, send: Callable[[], Any]) -> None:
        try:
            send()
            self.silent = False
        except TrackingError as error:
            if not self.silent:
                say(f"MLflow: {error}. The training goes on without it.")
            self.silent = True

    def _send(self, history: list[dict[str, Any]]) -> None:
        if not self.run:
            self._begin(fresh=len(history) == 1)
        metrics = [
            {"key": key, "value": value, "timestamp": _now(), "step": step}
            for step, line in list(enumerate(history))[self.sent :]
            for key, value in line.items()
            if key != "stage" and value is not None
        ]
        for place in range(0, len(metrics), 1000):
            self.server.post(
                "runs/log-batch", run_id=self.run, metrics=metrics[place : place + 1000]
            )
        self.sent = len(history)

    def _begin(self, *, fresh: bool) -> None:
        """Take up the run that the work folder names, or make one, with the settings as its params."""
        kept = self.job.work / RUN_FILE
        found = (
            None
            if fresh or not kept.is_file()
            else self._running(kept.read_text(encoding="ascii").strip())
        )
        info = (
            found
            or self.server.post(
                "runs/create",
                experiment_id=self._experiment(),
                run_name=self.recipe.name,
                start_time=_now(),
                tags=[
                    {"key": "mlflow.source.name", "value": f"flask model train {self.recipe.name}"}
                ],
            )["run"]["info"]
        )
        self.artifacts = info["artifact_uri"]
        if not found:
            params = [
                {"key": key, "value": value[:LONGEST_VALUE]}
                for key, value in flat(self.recipe.settings()).items()
            ]
            for place in range(0, len(params), MOST_AT_ONCE):
                self.server.post(
                    "runs/log-batch",
                    run_id=info["run_id"],
                    params=params[place : place + MOST_AT_ONCE],
                )
            self.job.work.mkdir(parents=True, exist_ok=True)
            kept.write_text(info["run_id"], encoding="ascii")
        self.run = info["run_id"]

    def _running(self, run: str) -> dict[str, Any] | None:
        """The run, running again; None when the server has forgotten it."""
        try:
            found: dict[str, Any] = self.server.post("runs/update", run_id=run, status="RUNNING")[
                "run_info"
            ]
        except TrackingError as error:
            if "RESOURCE_DOES_NOT_EXIST" in str(error):
                return None
            raise
        return found

    def _experiment(self) -> str:
        try:
            made: str = self.server.post("experiments/create", name=self.experiment)[
                "experiment_id"
            ]
            return made
        except TrackingError as error:
            if "RESOURCE_ALREADY_EXISTS" not in str(error):
                raise
        found: str = self.server.get("experiments/get-by-name", experiment_name=self.experiment)[
            "experiment"
        ]["experiment_id"]
        return found

    def _finish(self, card: ModelCard) -> None:
        history = card.training["history"]
        self._send(history)
        figures = {
            f"{part}.{key}": value
            for part in FINAL
            for key, value in card.metrics.get(part, {}).items()
            if _is_number(value)
        }
        metrics = [
            {"key": key, "value": value, "timestamp": _now(), "step": len(history) - 1}
            for key, value in figures.items()
        ]
        self.server.post("runs/log-batch", run_id=self.run, metrics=metrics)
        self._keep_files(card)
        self.server.post("runs/update", run_id=self.run, status="FINISHED", end_time=_now())
        (self.job.work / RUN_FILE).unlink(missing_ok=True)
        say(f"MLflow: run {self.run} in the experiment {self.experiment} on {self.server.address}")

    def _keep_files(self, card: ModelCard) -> None:
        """Upload card, curves and network, and register them as a version of a model of the same name."""
        folder = re.sub(r"^mlflow-artifacts:(//[^/]*)?/?", "", self.artifacts)
        if folder == self.artifacts:
            raise TrackingError(
                f"the server takes no files (it keeps them at {self.artifacts}); start it with --serve-artifacts"
            )
        self.server.upload(folder, CARD_FILE, card.to_json().encode())
        for name in (*CURVES, KERAS_FILE):
            path = self.job.work / name
            if path.is_file():
                self.server.upload(folder, name, path.read_bytes())
        try:
            self.server.post("registered-models/create", name=card.name, description=card.summary)
        except TrackingError as error:
            if "RESOURCE_ALREADY_EXISTS" not in str(error):
                raise
        self.server.post(
            "model-versions/create",
            name=card.name,
            source=self.artifacts,
            run_id=self.run,
            description=f"{card.title}, version {card.version}",
            tags=[{"key": "marque.version", "value": str(card.version)}],
        )


@contextmanager
def tracking(
    job: Job, recipe: Recipe, env: Mapping[str, str] = os.environ
) -> Iterator[Tracker | None]:
    """A tracker while a training lasts, or None when no server is named (or one that cannot be used, which is said)."""
    tracker: Tracker | None = None
    if env.get("MLFLOW_TRACKING_URI"):
        try:
            tracker = Tracker(
                Server.from_env(env), job, recipe, env.get("MLFLOW_EXPERIMENT_NAME") or recipe.name
            )
        except TrackingError as error:
            say(f"MLflow: {error}. The training goes on without it.")
    try:
        yield tracker
    except BaseException as error:
        if tracker:
            tracker.end("FAILED" if isinstance(error, Exception) else "KILLED")
        raise


def flat(settings: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """Nested settings by dotted names: `{"stages": [{"rate": 0.1}]}` is `{"stages.0.rate": "0.1"}`. What is None is left out."""
    found: dict[str, str] = {}
    for key, value in settings.items():
        name = f"{above}{key}"
        if isinstance(value, Mapping):
            found |= flat(value, f"{name}.")
        elif isinstance(value, list | tuple):
            found |= flat({str(place): one for place, one in enumerate(value)}, f"{name}.")
        elif value is not None:
            found[name] = str(value)
    return found


def _said(error: urllib.error.HTTPError) -> str:
    """What the server says against a call: its code and the first line of its message."""
    try:
        answer = json.loads(error.read())
        return f"the server says {answer['error_code']}: {str(answer['message']).splitlines()[0][:200]}"
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return f"the server answers {error.code} {error.reason}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _now() -> int:
    return round(time.time() * 1000)
