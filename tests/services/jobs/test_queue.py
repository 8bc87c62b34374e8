"""Jobs: enqueued once, claimed once, tried again after pauses. Moments are given, not awaited."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from flask import Flask

from webapp.domain import LONG, SHORT, Who
from webapp.errors import (
    BadRequestError,
    JobNotFoundError,
    JobRefusedError,
    JobStoppedError,
    NoFileError,
    ServerBusyError,
)
from webapp.extensions import get_tools
from webapp.services.jobs import parts, worker
from webapp.services.jobs import queue as jobs
from webapp.services.jobs.job_type import JobType, Json, RunningJob
from webapp.services.jobs.parts import Claim
from webapp.services.jobs.queue import JobView, Owner, Sender
from webapp.services.jobs.worker import Worker
from webapp.storage.database import db, end_reading
from webapp.storage.tables import JobPart, now

ANNA, BEN, EVERYBODY = Owner("user:1"), Owner("user:2"), Owner("user:3", all=True)
WHO = Who("Anna")
ADD = JobType(
    "add",
    "Add",
    do=lambda job: {"sum": sum(job.part["numbers"])},
    plan=lambda job: [{"numbers": [number], "total": 1} for number in job.params["numbers"]],
    finish=lambda _job, results: {"sum": sum(part["sum"] for part in results)},
)
ONE = JobType("one", "One", do=lambda job: {"said": job.params["say"]}, queue=LONG)


@pytest.fixture(autouse=True)
def context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def enqueue(
    kind: JobType = ADD,
    *,
    key: str = "",
    title: str = "a job",
    owner: Owner = ANNA,
    **asked: object,
) -> str:
    params = asked or {"numbers": [1, 2, 3]}
    return jobs.enqueue(kind, params, title, Sender(owner, WHO, key)).public_id


def see(job_id: str) -> JobView:
    end_reading()  # of what was so far: others may have written meanwhile
    return jobs.get_job(job_id, EVERYBODY)


def make_worker(app: Flask, *kinds: JobType) -> Worker:
    return Worker({kind.name: kind for kind in kinds}, get_tools, app.app_context)


def failing(error: Exception) -> JobType:
    def do(job: RunningJob) -> Json:
        raise error

    return JobType("fail", "Fail", do=do)


def claim(kind: JobType, moment: datetime | None = None) -> Claim | None:
    return parts.claim_part({kind.name: kind}, "w1", moment)


def work_of(claim: Claim) -> RunningJob:
    return RunningJob(
        claim.job.public_id,
        claim.job.params,
        claim.part.params,
        WHO,
        get_tools(),
        lambda _job: None,
        lambda: False,
    )


# ---- putting in ----


def test_a_job_waits_until_somebody_works(app: Flask) -> None:
    job_id = enqueue()
    assert see(job_id).state == "queued"
    make_worker(app, ADD).run_queue(SHORT)
    assert (see(job_id).state, see(job_id).job.result, see(job_id).progress.done) == (
        "succeeded",
        {"sum": 6},
        3,
    )


def test_a_job_that_is_not_cut_is_one_part(app: Flask) -> None:
    job_id = enqueue(ONE, say="hello")
    make_worker(app, ONE).run_queue(LONG)
    assert (see(job_id).state, see(job_id).job.result) == ("succeeded", {"said": "hello"})


def test_a_job_without_anything_to_do_succeeds(app: Flask) -> None:
    job_id = enqueue(numbers=[])
    make_worker(app, ADD).run_queue(SHORT)
    assert (see(job_id).state, see(job_id).job.result) == ("succeeded", {"sum": 0})


def test_the_same_key_gives_the_same_job() -> None:
    assert enqueue(key="abc") == enqueue(key="abc") != enqueue(key="abc", owner=BEN)


def test_a_key_is_not_taken_for_another_job() -> None:
    enqueue(key="abc")
    with pytest.raises(JobRefusedError, match="used for another job"):
        enqueue(key="abc", title="another")


def test_a_strange_key_is_refused() -> None:
    with pytest.raises(BadRequestError, match="printable"):
        enqueue(key="a\nb")


def test_ten_threads_with_one_key_put_in_one_job(app: Flask) -> None:
    job_ids: list[str] = []

    def run() -> None:
        with app.app_context():
            job_ids.append(enqueue(key="abc"))

    threads = [threading.Thread(target=run) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(job_ids) == 10
    assert len(set(job_ids)) == 1


# ---- claiming ----


def test_a_part_is_claimed_once() -> None:
    enqueue(ONE, say="x")
    assert claim(ONE) is not None
    assert claim(ONE) is None


def test_a_part_whose_worker_is_gone_is_taken_up_again() -> None:
    enqueue(ONE, say="x")
    first = claim(ONE)
    later = now() + parts.LEASE + timedelta(seconds=1)
    again = claim(ONE, later)
    assert first and again
    assert (first.part.id, first.owner != again.owner) == (again.part.id, True)


def test_a_worker_that_lost_its_part_writes_nothing() -> None:
    job_id = enqueue(ONE, say="x")
    first, again = claim(ONE), claim(ONE, now() + parts.LEASE + timedelta(seconds=1))
    assert first and again
    parts.end_part(first, ONE, work_of(first), {"said": "late"})
    assert see(job_id).state == "running"
    parts.end_part(again, ONE, work_of(again), {"said": "right"})
    assert see(job_id).job.result == {"said": "right"}


def test_a_worker_that_lost_its_part_is_told_to_stop() -> None:
    enqueue(ONE, say="x")
    first = claim(ONE)
    claim(ONE, now() + parts.LEASE + timedelta(seconds=1))
    assert first
    with pytest.raises(JobStoppedError, match="Another worker"):
        parts.save_progress(first, work_of(first))


def test_jobs_take_turns() -> None:
    first, second = enqueue(numbers=[1, 2, 3]), enqueue(numbers=[4, 5, 6])
    taken = [part.job.public_id for part in (claim(ADD), claim(ADD)) if part]
    assert taken == [first, second]


def test_short_work_does_not_wait_for_long_work(app: Flask) -> None:
    long = JobType("one", "One", do=lambda _job: both.run_queue(SHORT) or {}, queue=LONG)
    both = make_worker(app, ADD, long)
    inside = enqueue()
    enqueue(long, say="x")
    both.run_queue(LONG)
    assert see(inside).state == "succeeded"


# ---- trouble ----


def test_what_is_busy_is_tried_again_with_patience(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = failing(ServerBusyError("Busy."))
    job_id = enqueue(kind)
    pauses, moment = [], now()
    monkeypatch.setattr(parts, "now", lambda: moment)
    for _ in range(parts.ATTEMPTS - 1):
        taken = claim(kind, moment)
        assert taken
        parts.try_again(taken, work_of(taken), "Busy.")
        waits = db.session.query(JobPart.run_after).scalar() - moment
        pauses.append(waits.total_seconds())
        assert claim(kind, moment + waits - timedelta(seconds=0.1)) is None
        moment += waits
    assert pauses == [2, 8, 32, 128]
    assert see(job_id).state == "running"
    last = claim(kind, moment)
    assert last
    parts.try_again(last, work_of(last), "Busy.")
    assert (see(job_id).state, see(job_id).job.error) == ("failed", "Busy.")


def test_an_error_of_ours_is_the_jobs_sentence(app: Flask) -> None:
    kind = failing(NoFileError("There is nothing."))
    job_id = enqueue(kind)
    make_worker(app, kind).run_queue(SHORT)
    assert (see(job_id).state, see(job_id).job.error) == ("failed", "There is nothing.")


def test_a_fault_of_the_program_is_tried_again(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    kind = failing(ZeroDivisionError("oops"))
    job_id = enqueue(kind)
    make_worker(app, kind).run_queue(SHORT)
    assert see(job_id).state == "running"
    assert "ZeroDivisionError" in jobs.log_lines(see(job_id))[-1].text
    assert "oops" not in jobs.log_lines(see(job_id))[-1].text


def test_a_part_that_takes_its_worker_with_it_fails_in_the_end() -> None:
    job_id, moment = enqueue(ONE, say="x"), now()
    for _ in range(parts.ATTEMPTS):
        assert claim(ONE, moment)
        moment += parts.LEASE + timedelta(seconds=1)
    assert claim(ONE, moment) is None
    worker.fail_lost(moment)
    assert (see(job_id).state, "interrupted" in see(job_id).job.error) == ("failed", True)


def test_a_failed_job_goes_on_where_it_stopped(app: Flask) -> None:
    bad = {"yes": True}

    def do(job: RunningJob) -> Json:
        if job.part["numbers"] == [2] and bad["yes"]:
            raise NoFileError("Not now.")
        done.append(job.part["numbers"][0])
        return {"sum": 1}

    done: list[int] = []
    kind = JobType("add", "Add", do=do, plan=ADD.plan, finish=ADD.finish)
    job_id = enqueue(kind)
    make_worker(app, kind).run_queue(SHORT)
    assert (see(job_id).state, done) == ("failed", [1])
    bad["yes"] = False
    jobs.retry_job(job_id, ANNA, WHO)
    make_worker(app, kind).run_queue(SHORT)
    assert (see(job_id).state, done) == ("succeeded", [1, 2, 3])


def test_a_job_that_succeeded_cannot_be_tried_again(app: Flask) -> None:
    job_id = enqueue()
    make_worker(app, ADD).run_queue(SHORT)
    with pytest.raises(JobRefusedError, match="succeeded"):
        jobs.retry_job(job_id, ANNA, WHO)


# ---- cancelling ----


def test_a_job_that_waits_is_cancelled_at_once() -> None:
    job_id = enqueue()
    assert jobs.cancel_job(job_id, ANNA, WHO).state == "cancelled"
    assert claim(ADD) is None


def test_a_part_that_runs_hears_of_it_and_then_the_job_is_cancelled(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webapp.services.jobs.job_type.SAVE_EVERY", 0)
    seen: list[str] = []

    def do(job: RunningJob) -> Json:
        view = jobs.cancel_job(job.id, ANNA, WHO)
        seen.append(f"{view.state}, stopping: {view.stopping}")
        job.progress(1)
        raise AssertionError("it went on")

    job_id = enqueue(kind := JobType("one", "One", do=do))
    make_worker(app, kind).run_queue(SHORT)
    assert (seen, see(job_id).state) == (["running, stopping: True"], "cancelled")


def test_a_cancelled_job_whose_worker_is_gone_is_cancelled_when_its_lease_ends() -> None:
    job_id = enqueue(ONE, say="x")
    claim(ONE)
    jobs.cancel_job(job_id, ANNA, WHO)
    jobs.stop_cancelled()
    assert see(job_id).state == "running"
    jobs.stop_cancelled(now() + parts.LEASE + timedelta(seconds=1))
    assert see(job_id).state == "cancelled"


def test_what_has_ended_cannot_be_cancelled(app: Flask) -> None:
    job_id = enqueue()
    make_worker(app, ADD).run_queue(SHORT)
    with pytest.raises(JobRefusedError, match="succeeded"):
        jobs.cancel_job(job_id, ANNA, WHO)
    assert see(job_id).state == "succeeded"


def test_a_worker_that_ends_gives_its_part_back(app: Flask) -> None:
    def do(job: RunningJob) -> Json:
        someone.stopping.set()
        job.progress(1)
        return {}

    job_id = enqueue(kind := JobType("one", "One", do=do))
    someone = make_worker(app, kind)
    someone.run_queue(SHORT)
    taken = claim(kind)
    assert taken
    assert (see(job_id).state, taken.part.attempts) == ("running", 0)


# ---- who may see ----


def test_others_do_not_see_a_job() -> None:
    job_id = enqueue()
    with pytest.raises(JobNotFoundError):
        jobs.get_job(job_id, BEN)
    assert jobs.list_jobs(BEN).items == []
    assert [view.job.public_id for view in jobs.list_jobs(EVERYBODY).items] == [job_id]


def test_the_list_has_pages_and_filters() -> None:
    made = [enqueue() for _ in range(5)]
    page = jobs.list_jobs(ANNA, limit=2)
    assert [view.job.public_id for view in page.items] == [made[4], made[3]]
    assert [
        view.job.public_id for view in jobs.list_jobs(ANNA, limit=2, cursor=page.next).items
    ] == [
        made[2],
        made[1],
    ]
    assert jobs.list_jobs(ANNA, state="failed").items == []


def test_a_state_that_does_not_exist_is_refused() -> None:
    with pytest.raises(BadRequestError, match="none of them"):
        jobs.list_jobs(ANNA, state="sleeping")


# ---- tidying ----


def test_files_go_when_a_job_ended_and_stay_while_it_can_go_on(app: Flask) -> None:
    cleared: list[str] = []
    keeps = JobType(
        "fail",
        "Fail",
        do=failing(NoFileError("No.")).do,
        clear=lambda job_id, _asked, _tools: cleared.append(job_id),
    )
    job_id = enqueue(keeps)
    make_worker(app, keeps).run_queue(SHORT)
    worker.clear_ended({"fail": keeps}, get_tools)
    assert cleared == []
    worker.clear_ended({"fail": keeps}, get_tools, now() + worker.FILES_KEPT + timedelta(days=1))
    assert cleared == [job_id]
    with pytest.raises(JobRefusedError, match="removed"):
        jobs.retry_job(job_id, ANNA, WHO)


def test_jobs_of_long_ago_are_forgotten(app: Flask) -> None:
    job_id = enqueue()
    make_worker(app, ADD).run_queue(SHORT)
    worker.clear_ended({"add": ADD}, get_tools, now() + worker.JOBS_KEPT + timedelta(days=1))
    with pytest.raises(JobNotFoundError):
        see(job_id)
    assert db.session.query(JobPart).count() == 0


def test_it_says_when_jobs_wait_and_nobody_works(app: Flask) -> None:
    assert jobs.missing_worker({"add": ADD}) == ""
    enqueue()
    assert "no worker was seen yet" in jobs.missing_worker({"add": ADD})
    polling = make_worker(app, ADD)
    polling.poll()
    assert jobs.missing_worker({"add": ADD}) == ""
    polling.join()


def test_a_poll_starts_what_waits(app: Flask) -> None:
    job_id = enqueue()
    polling = make_worker(app, ADD)
    polling.poll()
    polling.join()
    assert see(job_id).state == "succeeded"


def test_a_long_part_keeps_its_lease_by_polling(app: Flask) -> None:
    def do(_job: RunningJob) -> Json:
        db.session.query(JobPart).update({"lease_until": now() - timedelta(seconds=1)})
        db.session.commit()
        someone.poll()
        left.append(db.session.query(JobPart.lease_until).scalar() > now())
        return {}

    left: list[bool] = []
    enqueue(kind := JobType("one", "One", do=do))
    someone = make_worker(app, kind)
    someone.run_queue(SHORT)
    assert left == [True]
