"""A training that an MLflow server follows: a real one, where it is installed, and none at all."""

import json
import os
import shutil
import signal
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tensorflow", reason="training needs TensorFlow")

from tests.children import children_in_this_process
from tests.receiver import receiving
from tests.training.toys import toy_recipe, write_pictures
from webapp.inference.models.registry import Registry
from webapp.training.job import TrainingJob, TrainingProgress
from webapp.training.tracking import RUN_FILE, MlflowServer, Tracker, TrackingError, flat, tracking
from webapp.training.train import train

pytestmark = pytest.mark.tensorflow
MLFLOW = shutil.which("mlflow")
LINE = {"stage": "one", "seconds": 2.0, "loss": 1.0, "validation_loss": 1.2}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an MLflow server of our own."""
    if not MLFLOW:
        pytest.skip("mlflow is not on the PATH")
    folder, port = tmp_path_factory.mktemp("mlflow"), free_port()
    command = [MLFLOW, "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder / 'mlflow.sqlite'}",
        "--artifacts-destination",
        str(folder / "files"),
    ]
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=folder, start_new_session=True
        )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            assert running.poll() is None, (folder / "log").read_text()[-2000:]
            try:
                urllib.request.urlopen(f"{address}/health", timeout=5).close()  # noqa: S310
                break
            except OSError:
                with pytest.raises(subprocess.TimeoutExpired):
                    running.wait(0.2)
        yield address
    finally:
        os.killpg(running.pid, signal.SIGKILL)  # it keeps nothing that is needed again
        running.wait()


@pytest.fixture
def job(tmp_path: Path) -> TrainingJob:
    return TrainingJob(
        replace(toy_recipe(epochs=1), refit=False),
        (write_pictures(tmp_path / "toys", 8),),
        tmp_path / "models",
        tmp_path / "work",
    )


def fetch(server: str, path: str, **query: str) -> Any:
    with urllib.request.urlopen(  # noqa: S310
        f"{server}/api/2.0/mlflow/{path}?{urllib.parse.urlencode(query)}"
    ) as answer:
        return json.load(answer)


def history_of(server: str, run: str, key: str) -> list[tuple[int, float]]:
    return [
        (row["step"], row["value"])
        for row in fetch(server, "metrics/get-history", run_id=run, metric_key=key)["metrics"]
    ]


def test_a_training_becomes_a_run_and_a_registered_version(
    job: TrainingJob, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server + "/")
    with children_in_this_process():
        card = train(job)
    version = fetch(server, "model-versions/get", name="toy", version="1")["model_version"]
    assert {"key": "marque.version", "value": "1"} in version["tags"]
    run = fetch(server, "runs/get", run_id=version["run_id"])["run"]
    params = {row["key"]: row["value"] for row in run["data"]["params"]}
    metrics = {row["key"]: row["value"] for row in run["data"]["metrics"]}
    files = {
        row["path"] for row in fetch(server, "artifacts/list", run_id=version["run_id"])["files"]
    }
    assert run["info"]["status"] == "FINISHED"
    assert (params["batch"], params["stages.1.width"], params["backbone"]) == (
        "8",
        "64",
        "small_cnn",
    )
    assert metrics["test.top1"] == pytest.approx(card.metrics["test"]["top1"])
    losses = [row["validation_loss"] for row in card.training["history"]]
    assert history_of(server, version["run_id"], "validation_loss") == list(enumerate(losses))
    assert files == {"card.json", "loss.svg", "right.svg", "model.keras"}
    assert not (job.work / RUN_FILE).exists()


def test_a_training_that_goes_on_stays_one_run(job: TrainingJob, server: str) -> None:
    def tracker() -> Tracker:
        return Tracker(MlflowServer(server, {}), job, job.recipe, "again")

    first, second = tracker(), tracker()
    first.on_epoch(TrainingProgress("photos", "recipe", history=[LINE]))
    first.end("KILLED")
    second.on_epoch(TrainingProgress("photos", "recipe", history=[LINE, LINE]))
    assert second.run == first.run
    assert fetch(server, "runs/get", run_id=first.run)["run"]["info"]["status"] == "RUNNING"
    assert {step for step, _ in history_of(server, first.run, "loss")} == {0, 1}


def test_a_run_that_the_server_forgot_is_made_anew(job: TrainingJob, server: str) -> None:
    job.work.mkdir()
    (job.work / RUN_FILE).write_text("f" * 32)
    tracker = Tracker(MlflowServer(server, {}), job, job.recipe, "forgotten")
    tracker.on_epoch(TrainingProgress("photos", "recipe", history=[LINE, LINE]))
    assert tracker.run == (job.work / RUN_FILE).read_text() != "f" * 32
    assert {step for step, _ in history_of(server, tracker.run, "loss")} == {0, 1}


def test_what_a_silent_server_missed_is_sent_when_it_answers(
    job: TrainingJob, server: str, capfd: pytest.CaptureFixture[str]
) -> None:
    tracker = Tracker(MlflowServer(f"http://127.0.0.1:{free_port()}", {}), job, job.recipe, "late")
    tracker.on_epoch(TrainingProgress("photos", "recipe", history=[LINE]))
    tracker.on_epoch(TrainingProgress("photos", "recipe", history=[LINE, LINE]))
    assert capfd.readouterr().err.count("The training goes on without it.") == 1
    tracker.server = MlflowServer(server, {})
    tracker.on_epoch(TrainingProgress("photos", "recipe", history=[LINE, LINE, LINE]))
    assert {step for step, _ in history_of(server, tracker.run, "loss")} == {0, 1, 2}


def test_a_server_that_is_not_there_stops_no_training(
    job: TrainingJob, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    recipe = replace(job.recipe, stages=job.recipe.stages[:1])
    with children_in_this_process():
        train(replace(job, recipe=recipe))
    assert Registry(job.models).live_version("toy") == 1
    assert capfd.readouterr().err.count("MLflow:") == 1


@pytest.mark.parametrize("address", ["sqlite:///mlflow.db", "databricks", "http://", "nonsense"])
def test_an_address_that_is_none_is_said_once(
    job: TrainingJob, address: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with tracking(job, job.recipe, {"MLFLOW_TRACKING_URI": address}) as tracker:
        assert tracker is None
    assert "must be the http:// or https:// address" in capfd.readouterr().err


def test_a_password_in_the_address_stands_in_no_message() -> None:
    server = MlflowServer.from_env(
        {"MLFLOW_TRACKING_URI": f"http://me:secret@127.0.0.1:{free_port()}"}
    )
    assert server.headers == {"authorization": "Basic bWU6c2VjcmV0"}
    with pytest.raises(TrackingError) as refused:
        server.get("experiments/get-by-name", experiment_name="none")
    assert "secret" not in str(refused.value)


def test_no_failure_is_taken_for_an_answer_by_its_text() -> None:
    with pytest.raises(TrackingError, match="ml-flow does not answer"):
        MlflowServer(f"http://127.0.0.1:{free_port()}/ml-flow", {}).post("runs/create", {})


def test_a_server_behind_the_proxy_of_the_environment_is_reached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with receiving() as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        MlflowServer("http://mlflow.invalid", {}).post("runs/update", {"run_id": "7"})
        headers, body = proxy.messages[0]
        assert headers[":path"] == "http://mlflow.invalid/api/2.0/mlflow/runs/update"
        assert json.loads(body) == {"run_id": "7"}


def test_without_the_variable_nobody_is_told(job: TrainingJob) -> None:
    with tracking(job, job.recipe, {}) as tracker:
        assert tracker is None


def test_nested_settings_become_dotted_names() -> None:
    assert flat({"a": 1, "b": {"c": None, "d": "x"}, "e": [{"f": True}, {"f": 2.5}]}) == {
        "a": "1",
        "b.d": "x",
        "e.0.f": "True",
        "e.1.f": "2.5",
    }
