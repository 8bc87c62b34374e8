"""Jobs: put in once, claimed once, tried again with patience, ended honestly. Time is given, not waited for."""

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
from webapp.services.jobs import queue as jobs
from webapp.services.jobs import worker as crew
from webapp.services.jobs.job_type import Json, Kind, Work
from webapp.services.jobs.queue import JobView, Owner
from webapp.services.jobs.worker import Claim, Crew
from webapp.storage.database import db, end_reading
from webapp.storage.tables import JobPart, now
from webapp.tasks.ring import tools

ANNA, BEN, EVERYBODY = Owner("user:1"), Owner("user:2"), Owner("user:3", all=True)
WHO = Who("Anna")
ADD = Kind(
    "add",
    "Add",
    do=lambda work: {"sum": sum(work.part["numbers"])},
    plan=lambda work: [{"numbers": [one], "total": 1} for one in work.asked["numbers"]],
    finish=lambda _work, results: {"sum": sum(one["sum"] for one in results)},
)
ONE = Kind("one", "One", do=lambda work: {"said": work.asked["say"]}, lane=LONG)


@pytest.fixture(autouse=True)
def context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def put_in(
    kind: Kind = ADD, *, key: str = "", title: str = "a job", owner: Owner = ANNA, **asked: object
) -> str:
    job, _fresh = jobs.put_in(
        kind,
        asked or {"numbers": [1, 2, 3]},
        title=title,
        owner=owner,
        who=WHO,
        ring=lambda _lane: None,
        key=key,
    )
    return job.public_id


def see(job_id: str) -> JobView:
    end_reading()  # of what was so far: others may have written meanwhile
    return jobs.get_job(job_id, EVERYBODY)


def make_crew(app: Flask, *kinds: Kind) -> Crew:
    return Crew(
        {one.name: one for one in kinds},
        tools,
        {SHORT: 1, LONG: 1},
        app.app_context,
        lambda _lane: None,
    )


def failing(error: Exception) -> Kind:
    def do(work: Work) -> Json:
        raise error

    return Kind("fail", "Fail", do=do)


def claim(kind: Kind, at: datetime | None = None) -> Claim | None:
    return crew.claim_part({kind.name: kind}, "w1", at)


def work_of(claim: Claim) -> Work:
    return Work(
        claim.job.public_id,
        claim.job.question,
        claim.part.question,
        WHO,
        tools(),
        lambda _work: None,
        lambda: False,
    )


# ---- putting in ----


def test_a_job_waits_until_somebody_works(app: Flask) -> None:
    job_id = put_in()
    assert see(job_id).state == "queued"
    make_crew(app, ADD).work(SHORT)
    assert (see(job_id).state, see(job_id).job.result, see(job_id).progress.done) == (
        "succeeded",
        {"sum": 6},
        3,
    )


def test_a_job_that_is_not_cut_is_one_part(app: Flask) -> None:
    job_id = put_in(ONE, say="hello")
    make_crew(app, ONE).work(LONG)
    assert (see(job_id).state, see(job_id).job.result) == ("succeeded", {"said": "hello"})


def test_a_job_without_anything_to_do_succeeds(app: Flask) -> None:
    job_id = put_in(numbers=[])
    make_crew(app, ADD).work(SHORT)
    assert (see(job_id).state, see(job_id).job.result) == ("succeeded", {"sum": 0})


def test_it_rings_for_the_lane_of_the_kind() -> None:
    rung: list[str] = []
    jobs.put_in(ONE, {"say": "x"}, title="x", owner=ANNA, who=WHO, ring=rung.append)
    assert rung == ["long"]


def test_the_same_key_gives_the_same_job() -> None:
    assert put_in(key="abc") == put_in(key="abc") != put_in(key="abc", owner=BEN)


def test_a_key_is_not_taken_for_another_job() -> None:
    put_in(key="abc")
    with pytest.raises(JobRefusedError, match="used for another job"):
        put_in(key="abc", title="another")


def test_a_strange_key_is_refused() -> None:
    with pytest.raises(BadRequestError, match="printable"):
        put_in(key="a\nb")


def test_ten_threads_with_one_key_put_in_one_job(app: Flask) -> None:
    found: list[str] = []

    def run() -> None:
        with app.app_context():
            found.append(put_in(key="abc"))

    threads = [threading.Thread(target=run) for _ in range(10)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(found) == 10
    assert len(set(found)) == 1


# ---- claiming ----


def test_a_part_is_claimed_once() -> None:
    put_in(ONE, say="x")
    assert claim(ONE) is not None
    assert claim(ONE) is None


def test_a_part_whose_worker_is_gone_is_taken_up_again() -> None:
    put_in(ONE, say="x")
    first = claim(ONE)
    later = now() + crew.LEASE + timedelta(seconds=1)
    again = claim(ONE, later)
    assert first and again
    assert (first.part.id, first.owner != again.owner) == (again.part.id, True)


def test_a_worker_that_lost_its_part_writes_nothing() -> None:
    job_id = put_in(ONE, say="x")
    first, again = claim(ONE), claim(ONE, now() + crew.LEASE + timedelta(seconds=1))
    assert first and again
    crew.end_part(first, ONE, work_of(first), {"said": "late"})
    assert see(job_id).state == "running"
    crew.end_part(again, ONE, work_of(again), {"said": "right"})
    assert see(job_id).job.result == {"said": "right"}


def test_a_worker_that_lost_its_part_is_told_to_stop() -> None:
    put_in(ONE, say="x")
    first = claim(ONE)
    claim(ONE, now() + crew.LEASE + timedelta(seconds=1))
    assert first
    with pytest.raises(JobStoppedError, match="Another worker"):
        crew.tell(first, work_of(first))


def test_jobs_take_turns() -> None:
    one, other = put_in(numbers=[1, 2, 3]), put_in(numbers=[4, 5, 6])
    taken = [found.job.public_id for found in (claim(ADD), claim(ADD)) if found]
    assert taken == [one, other]


def test_short_work_does_not_wait_for_long_work(app: Flask) -> None:
    crew_of_both = make_crew(app, ADD, ONE)
    inside = put_in()
    long = Kind("one", "One", do=lambda _work: crew_of_both.work(SHORT) or {}, lane=LONG)
    put_in(ONE, say="x")
    crew_of_both._kinds[LONG]["one"] = crew_of_both._all["one"] = long  # type: ignore[index]
    crew_of_both.work(LONG)
    assert see(inside).state == "succeeded"


# ---- trouble ----


def test_what_is_busy_is_tried_again_with_patience(app: Flask) -> None:
    kind = failing(ServerBusyError("Busy."))
    job_id = put_in(kind)
    moments, at = [], now()
    for _ in range(crew.ATTEMPTS - 1):
        taken = claim(kind, at)
        assert taken
        crew.try_again(taken, work_of(taken), "Busy.", at)
        waits = db.session.query(JobPart.run_after).scalar() - at
        moments.append(waits.total_seconds())
        assert claim(kind, at + waits - timedelta(seconds=0.1)) is None
        at += waits
    assert moments == [2, 8, 32, 128]
    assert see(job_id).state == "running"
    last = claim(kind, at)
    assert last
    crew.try_again(last, work_of(last), "Busy.", at)
    assert (see(job_id).state, see(job_id).job.error) == ("failed", "Busy.")


def test_an_error_of_ours_is_the_jobs_sentence(app: Flask) -> None:
    kind = failing(NoFileError("There is nothing."))
    job_id = put_in(kind)
    make_crew(app, kind).work(SHORT)
    assert (see(job_id).state, see(job_id).job.error) == ("failed", "There is nothing.")


def test_a_fault_of_the_program_is_tried_again(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    kind = failing(ZeroDivisionError("oops"))
    job_id = put_in(kind)
    make_crew(app, kind).work(SHORT)
    assert see(job_id).state == "running"
    assert "ZeroDivisionError" in jobs.tail(see(job_id))[-1].text
    assert "oops" not in jobs.tail(see(job_id))[-1].text


def test_a_part_that_takes_its_worker_with_it_fails_in_the_end() -> None:
    job_id, at = put_in(ONE, say="x"), now()
    for _ in range(crew.ATTEMPTS):
        assert claim(ONE, at)
        at += crew.LEASE + timedelta(seconds=1)
    assert claim(ONE, at) is None
    crew.fail_lost(at)
    assert (see(job_id).state, "interrupted" in see(job_id).job.error) == ("failed", True)


def test_a_failed_job_goes_on_where_it_stopped(app: Flask) -> None:
    bad = {"yes": True}

    def do(work: Work) -> Json:
        if work.part["numbers"] == [2] and bad["yes"]:
            raise NoFileError("Not now.")
        done.append(work.part["numbers"][0])
        return {"sum": 1}

    done: list[int] = []
    kind = Kind("add", "Add", do=do, plan=ADD.plan, finish=ADD.finish)
    job_id = put_in(kind)
    make_crew(app, kind).work(SHORT)
    assert (see(job_id).state, done) == ("failed", [1])
    bad["yes"] = False
    jobs.retry_job(job_id, ANNA, WHO, lambda _lane: None)
    make_crew(app, kind).work(SHORT)
    assert (see(job_id).state, done) == ("succeeded", [1, 2, 3])


def test_a_job_that_succeeded_cannot_be_tried_again(app: Flask) -> None:
    job_id = put_in()
    make_crew(app, ADD).work(SHORT)
    with pytest.raises(JobRefusedError, match="succeeded"):
        jobs.retry_job(job_id, ANNA, WHO, lambda _lane: None)


# ---- cancelling ----


def test_a_job_that_waits_is_cancelled_at_once() -> None:
    job_id = put_in()
    assert jobs.cancel_job(job_id, ANNA, WHO).state == "cancelled"
    assert claim(ADD) is None


def test_a_part_that_runs_hears_of_it_and_then_the_job_is_cancelled(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webapp.services.jobs.job_type.TELL", 0)
    seen: list[str] = []

    def do(work: Work) -> Json:
        view = jobs.cancel_job(work.job_id, ANNA, WHO)
        seen.append(f"{view.state}, stopping: {view.stopping}")
        work.progress(1)
        raise AssertionError("it went on")

    job_id = put_in(kind := Kind("one", "One", do=do))
    make_crew(app, kind).work(SHORT)
    assert (seen, see(job_id).state) == (["running, stopping: True"], "cancelled")


def test_a_cancelled_job_whose_worker_is_gone_is_cancelled_when_its_lease_ends() -> None:
    job_id = put_in(ONE, say="x")
    claim(ONE)
    jobs.cancel_job(job_id, ANNA, WHO)
    crew.stop_cancelled()
    assert see(job_id).state == "running"
    crew.stop_cancelled(now() + crew.LEASE + timedelta(seconds=1))
    assert see(job_id).state == "cancelled"


def test_what_has_ended_cannot_be_cancelled(app: Flask) -> None:
    job_id = put_in()
    make_crew(app, ADD).work(SHORT)
    with pytest.raises(JobRefusedError, match="succeeded"):
        jobs.cancel_job(job_id, ANNA, WHO)
    assert see(job_id).state == "succeeded"


def test_a_worker_that_ends_gives_its_part_back(app: Flask) -> None:
    def do(work: Work) -> Json:
        someone.ending.set()
        work.progress(1)
        return {}

    job_id = put_in(kind := Kind("one", "One", do=do))
    someone = make_crew(app, kind)
    someone.work(SHORT)
    taken = claim(kind)
    assert taken
    assert (see(job_id).state, taken.part.attempts) == ("running", 0)


# ---- who may see ----


def test_others_do_not_see_a_job() -> None:
    job_id = put_in()
    with pytest.raises(JobNotFoundError):
        jobs.get_job(job_id, BEN)
    assert jobs.list_jobs(BEN).items == []
    assert [one.job.public_id for one in jobs.list_jobs(EVERYBODY).items] == [job_id]


def test_the_list_has_pages_and_filters() -> None:
    made = [put_in() for _ in range(5)]
    page = jobs.list_jobs(ANNA, limit=2)
    assert [one.job.public_id for one in page.items] == [made[4], made[3]]
    assert [one.job.public_id for one in jobs.list_jobs(ANNA, limit=2, cursor=page.next).items] == [
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
    keeps = Kind(
        "fail",
        "Fail",
        do=failing(NoFileError("No.")).do,
        clear=lambda job_id, _asked, _tools: cleared.append(job_id),
    )
    job_id = put_in(keeps)
    make_crew(app, keeps).work(SHORT)
    crew.clear_ended({"fail": keeps}, tools)
    assert cleared == []
    crew.clear_ended({"fail": keeps}, tools, now() + crew.FILES_KEPT + timedelta(days=1))
    assert cleared == [job_id]
    with pytest.raises(JobRefusedError, match="removed"):
        jobs.retry_job(job_id, ANNA, WHO, lambda _lane: None)


def test_jobs_of_long_ago_are_forgotten(app: Flask) -> None:
    job_id = put_in()
    make_crew(app, ADD).work(SHORT)
    crew.clear_ended({"add": ADD}, tools, now() + crew.JOBS_KEPT + timedelta(days=1))
    with pytest.raises(JobNotFoundError):
        see(job_id)
    assert db.session.query(JobPart).count() == 0


def test_it_says_when_jobs_wait_and_nobody_works(app: Flask) -> None:
    assert jobs.nobody_works({"add": ADD}) == ""
    put_in()
    assert "no worker was seen yet" in jobs.nobody_works({"add": ADD})
    crew = make_crew(app, ADD)
    crew.look()
    assert jobs.nobody_works({"add": ADD}) == ""
    crew.wait_for_hands()


def test_a_look_begins_what_waits_without_a_ring(app: Flask) -> None:
    job_id = put_in()
    crew = make_crew(app, ADD)
    crew.look()
    crew.wait_for_hands()
    assert see(job_id).state == "succeeded"


def test_a_long_part_keeps_its_lease_by_the_look(app: Flask) -> None:
    def do(_work: Work) -> Json:
        db.session.query(JobPart).update({"lease_until": now() - timedelta(seconds=1)})
        db.session.commit()
        someone.look()
        left.append(db.session.query(JobPart.lease_until).scalar() > now())
        return {}

    left: list[bool] = []
    put_in(kind := Kind("one", "One", do=do))
    someone = make_crew(app, kind)
    someone.work(SHORT)
    assert left == [True]
