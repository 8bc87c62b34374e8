"""A training as a run on an MLflow server, which never stops it by not answering."""

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Self
from urllib.parse import quote, unquote, urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3

from webapp.inference.models.card import CARD_FILE, KERAS_FILE, VersionCard
from webapp.training.job import AnyRecipe, TrainingJob, TrainingProgress, say

RUN_FILE = "mlflow-run.txt"  # in the work folder: the run of the training that is under way
_EXISTS = "RESOURCE_ALREADY_EXISTS"


class TrackingError(Exception):
    """The server did not answer, or refused. Never leaves this module."""


@dataclass(frozen=True)
class MlflowServer:
    """MLflow's REST interface at `address`, without the slash at its end."""

    address: str
    headers: Mapping[str, str]

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """The server of MLflow's own variables. Raises `TrackingError` if it is none of HTTP."""
        parts = urlsplit(env["MLFLOW_TRACKING_URI"].strip())
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise TrackingError(
                "MLFLOW_TRACKING_URI must be the http:// or https:// address of a tracking server"
            )
        name = env.get("MLFLOW_TRACKING_USERNAME") or unquote(parts.username or "")
        password = env.get("MLFLOW_TRACKING_PASSWORD") or unquote(parts.password or "")
        headers = {}
        if name:
            headers = urllib3.make_headers(basic_auth=f"{name}:{password}")
        elif token := env.get("MLFLOW_TRACKING_TOKEN"):
            headers = {"authorization": f"Bearer {token}"}
        host = parts.netloc.rpartition("@")[2]  # no message may show a password in the address
        return cls(f"{parts.scheme}://{host}{parts.path.rstrip('/')}", headers)

    def get(self, path: str, **query: str) -> Any:
        """The server's JSON. Raises `TrackingError`, also below."""
        return self._request("GET", f"/api/2.0/mlflow/{path}?{urlencode(query)}")

    def post(self, path: str, fields: Mapping[str, Any], *, unless: str = "") -> Any:
        """The server's JSON; None when it refuses with the code `unless`."""
        try:
            return self._request("POST", f"/api/2.0/mlflow/{path}", json=fields)
        except TrackingError as error:
            if unless and unless in str(error):
                return None
            raise

    def upload(self, folder: str, name: str, content: bytes) -> None:
        """Keep `content` as the artifact `name` in a folder of the server's artifacts."""
        path = f"/api/2.0/mlflow-artifacts/artifacts/{quote(f'{folder}/{name}')}"
        self._request("PUT", path, body=content, timeout=120)

    def _request(self, method: str, path: str, **options: Any) -> Any:
        options = {"timeout": 10, "retries": False, **options}
        parts = urlsplit(self.address)
        proxy = None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)
        make_pool = partial(urllib3.ProxyManager, proxy) if proxy else urllib3.PoolManager
        try:
            with make_pool(headers=self.headers) as pool:
                answer = pool.request(method, self.address + path, **options)
            if answer.status < 400:
                return json.loads(answer.data or b"{}")
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise TrackingError(f"{self.address} does not answer ({error})") from error
        try:
            problem = answer.json()
            message = str(problem["message"]).splitlines()[0][:200]
            refusal = f"the server says {problem['error_code']}: {message}"
        except (ValueError, KeyError, TypeError, IndexError):
            refusal = f"the server answers {answer.status} {answer.reason}"
        raise TrackingError(refusal)


class Tracker:
    """One training as one run: settings first, metrics after every epoch, files in the end.

    What a silent server misses is sent when it answers again; only the first failure is told.
    """

    def __init__(
        self, server: MlflowServer, job: TrainingJob[Any], recipe: AnyRecipe, experiment: str
    ) -> None:
        self.server, self.job, self.recipe, self.experiment = server, job, recipe, experiment
        self.run = ""
        self.artifacts = ""
        self.sent = 0
        self.silent = False

    def on_epoch(self, progress: TrainingProgress) -> None:
        """Send the lines of the history that the server does not have."""
        self._attempt(lambda: self._send(progress.history))

    def finish(self, card: VersionCard) -> None:
        """Send what is left, the final figures and the files; register the version; end the run."""
        self._attempt(lambda: self._finish(card))

    def end(self, status: str) -> None:
        """Mark an unfinished run as "FAILED" or "KILLED"; one that goes on is running again."""
        if self.run:
            self._attempt(lambda: self.server.post("runs/update", self._ended(status)))

    def _ended(self, status: str) -> dict[str, Any]:
        return {"run_id": self.run, "status": status, "end_time": _now()}

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
            _metric(key, value, step)
            for step, line in list(enumerate(history))[self.sent :]
            for key, value in line.items()
            if key != "stage" and value is not None
        ]
        self._log(self.run, "metrics", metrics, 1000)
        self.sent = len(history)

    def _log(self, run: str, kind: str, rows: list[dict[str, Any]], most: int) -> None:
        for start in range(0, len(rows), most):
            chunk = {"run_id": run, kind: rows[start : start + most]}
            self.server.post("runs/log-batch", chunk)

    def _begin(self, *, fresh: bool) -> None:
        """Resume the run that the work folder names, or make one, with the settings as params."""
        kept, resumed = self.job.work / RUN_FILE, None
        if not fresh and kept.is_file():
            fields = {"run_id": kept.read_text(encoding="ascii").strip(), "status": "RUNNING"}
            resumed = self.server.post("runs/update", fields, unless="RESOURCE_DOES_NOT_EXIST")
        if resumed is None:
            info = self._create_run()
            self.job.work.mkdir(parents=True, exist_ok=True)
            kept.write_text(info["run_id"], encoding="ascii")
        else:
            info = resumed["run_info"]
        self.run, self.artifacts = info["run_id"], info["artifact_uri"]

    def _create_run(self) -> Any:
        name = self.recipe.name
        source = {"key": "mlflow.source.name", "value": f"flask model train {name}"}
        fields = {"run_name": name, "start_time": _now(), "tags": [source]}
        named = {"name": self.experiment}
        experiment = self.server.post("experiments/create", named, unless=_EXISTS)
        if experiment is None:
            known = self.server.get("experiments/get-by-name", experiment_name=self.experiment)
            experiment = known["experiment"]
        fields["experiment_id"] = experiment["experiment_id"]
        info = self.server.post("runs/create", fields)["run"]["info"]
        settings = flat(self.recipe.settings()).items()
        params = [{"key": key, "value": value[:6000]} for key, value in settings]
        self._log(info["run_id"], "params", params, 100)
        return info

    def _finish(self, card: VersionCard) -> None:
        history = card.training["history"]
        self._send(history)
        metrics = [
            _metric(f"{part}.{key}", value, len(history) - 1)
            for part in ("test", "unknown")
            for key, value in card.metrics.get(part, {}).items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        ]
        self._log(self.run, "metrics", metrics, 1000)
        self._keep_files(card)
        self.server.post("runs/update", self._ended("FINISHED"))
        (self.job.work / RUN_FILE).unlink(missing_ok=True)
        say(f"MLflow: run {self.run} in the experiment {self.experiment} on {self.server.address}")

    def _keep_files(self, card: VersionCard) -> None:
        """Upload card, curves and network, and register them as a version of a model."""
        folder = re.sub(r"^mlflow-artifacts:(//[^/]*)?/?", "", self.artifacts)
        if folder == self.artifacts:
            raise TrackingError(
                f"the server takes no files (it keeps them at {self.artifacts}); "
                "start it with --serve-artifacts"
            )
        self.server.upload(folder, CARD_FILE, card.to_json().encode())
        for name in ("loss.svg", "right.svg", KERAS_FILE):
            path = self.job.work / name
            if path.is_file():
                self.server.upload(folder, name, path.read_bytes())
        model = {"name": card.name, "description": card.summary}
        self.server.post("registered-models/create", model, unless=_EXISTS)
        version = {
            "name": card.name,
            "description": f"{card.title}, version {card.version}",
            "tags": [{"key": "marque.version", "value": str(card.version)}],
            "source": self.artifacts,
            "run_id": self.run,
        }
        self.server.post("model-versions/create", version)


@contextmanager
def tracking(
    job: TrainingJob[Any], recipe: AnyRecipe, env: Mapping[str, str] = os.environ
) -> Iterator[Tracker | None]:
    """A tracker while a training lasts; None without a server that can be used."""
    tracker: Tracker | None = None
    if env.get("MLFLOW_TRACKING_URI"):
        experiment = env.get("MLFLOW_EXPERIMENT_NAME") or recipe.name
        try:
            tracker = Tracker(MlflowServer.from_env(env), job, recipe, experiment)
        except TrackingError as error:
            say(f"MLflow: {error}. The training goes on without it.")
    try:
        yield tracker
    except BaseException as error:
        if tracker:
            tracker.end("FAILED" if isinstance(error, Exception) else "KILLED")
        raise


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings by dotted names such as `stages.0.rate`, without those that are None."""
    values: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, list | tuple):
            value = {str(place): member for place, member in enumerate(value)}
        if isinstance(value, Mapping):
            values |= flat(value, f"{prefix}{key}.")
        elif value is not None:
            values[f"{prefix}{key}"] = str(value)
    return values


def _metric(key: str, value: float, step: int) -> dict[str, Any]:
    return {"key": key, "value": value, "timestamp": _now(), "step": step}


def _now() -> int:
    return round(time.time() * 1000)
