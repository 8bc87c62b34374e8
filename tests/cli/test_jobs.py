"""`flask jobs`: background work seen from the terminal."""

from __future__ import annotations

import json

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner

from webapp.domain import Who
from webapp.extensions import get_tools
from webapp.services.jobs import parts
from webapp.services.jobs import queue as jobs
from webapp.services.jobs.job_type import JobType
from webapp.services.jobs.queue import Owner, Sender
from webapp.services.jobs.types import upload as upload_job

JOB_TYPE = JobType("one", "One", do=lambda _job: {})


def enqueue(app: Flask, kind: JobType = JOB_TYPE) -> str:
    with app.app_context():
        sender = Sender(Owner("user:1"), Who("Anna"))
        return jobs.enqueue(kind, {}, "Кириллица.zip", sender).public_id


def test_an_empty_list_says_so(runner: FlaskCliRunner) -> None:
    assert runner.invoke(args=["jobs", "list"]).stdout == "No jobs.\n"


def test_the_list_names_every_job(app: Flask, runner: FlaskCliRunner) -> None:
    job_id = enqueue(app)
    line = runner.invoke(args=["jobs", "list", "--state", "queued"]).stdout
    assert job_id in line
    assert "Кириллица.zip" in line
    assert runner.invoke(args=["jobs", "list", "--kind", "upload"]).stdout == "No jobs.\n"


def test_the_list_as_json(app: Flask, runner: FlaskCliRunner) -> None:
    job_id = enqueue(app)
    (job,) = json.loads(runner.invoke(args=["jobs", "list", "--json"]).stdout)
    assert (job["id"], job["state"], job["title"]) == (job_id, "queued", "Кириллица.zip")


def test_a_job_can_be_cancelled_and_started_again(app: Flask, runner: FlaskCliRunner) -> None:
    job_id = enqueue(app)
    assert runner.invoke(args=["jobs", "cancel", job_id]).stdout == "Cancelled.\n"
    assert "cancelled" in runner.invoke(args=["jobs", "show", job_id]).stdout
    assert runner.invoke(args=["jobs", "retry", job_id]).exit_code == 0
    assert "Started again by the terminal." in runner.invoke(args=["jobs", "show", job_id]).stdout


def test_a_failed_job_is_shown_with_exit_code_1(app: Flask, runner: FlaskCliRunner) -> None:
    job_id = enqueue(app)
    with app.app_context():
        claim = parts.claim_part({"one": JOB_TYPE}, "w1")
        assert claim
        job = parts.running_job(claim, get_tools(), lambda: False)
        parts.fail_job(claim, job, "The disk is full.")
    done = runner.invoke(args=["jobs", "show", job_id])
    assert (done.exit_code, "The disk is full." in done.stdout) == (1, True)


def test_an_id_that_begins_with_a_dash_is_no_option(runner: FlaskCliRunner) -> None:
    for word in ("show", "cancel", "retry"):
        done = runner.invoke(args=["jobs", word, "-AbC-dEf_123456x"])
        assert (done.exit_code, "option" in done.stderr) == (1, False)


def test_a_strange_id_is_told(runner: FlaskCliRunner) -> None:
    for word in ("show", "cancel", "retry"):
        done = runner.invoke(args=["jobs", word, "nobody"])
        assert (done.exit_code, "no such job" in done.stderr) == (1, True)


def test_doctor_says_when_jobs_wait_and_nobody_works(app: Flask, runner: FlaskCliRunner) -> None:
    assert "0 waiting" in runner.invoke(args=["doctor"]).stdout
    enqueue(app, upload_job.JOB_TYPE)
    done = runner.invoke(args=["doctor"])
    assert (done.exit_code, "no worker was seen yet" in done.stdout) == (1, True)


@pytest.mark.parametrize("option", ["--threads", "--hands"])
def test_a_worker_is_told_its_number_of_threads(
    runner: FlaskCliRunner, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr("os.chdir", lambda _folder: None)
    monkeypatch.setattr("os.execv", lambda _path, command: commands.append(command))
    runner.invoke(args=["worker", option, "3"])
    assert commands[0][1:] == ["-m", "webapp.worker", "--threads=3"]
