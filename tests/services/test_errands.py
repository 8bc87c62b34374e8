"""Commands beside the web process: how they are started, told about, and how they end."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path

import pytest

from webapp.config import Config
from webapp.errors import ErrandNotFoundError, ServerBusyError, StorageFullError
from webapp.services.errands import KEPT, Errands
from webapp.values import Who

ANNA = Who("Anna")


@pytest.fixture
def errands(config: Config) -> Errands:
    return Errands(config.data / "errands", config.for_child())


def start(errands: Errands, *words: str, kind: str = "list", **about: object) -> str:
    with errands.fresh() as sent:
        return errands.start(sent, kind, list(words), about, ANNA)


def wait(errands: Errands, errand_id: str) -> None:
    """Until the child has let go of its lock."""
    with (errands.folder / errand_id / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)


def laid(errands: Errands, number: int, **files: str) -> str:
    """An errand's folder as an ended one leaves it."""
    name = f"{number:016x}"
    (errands.folder / name).mkdir(parents=True)
    facts = {"kind": "list", "about": {}, "who": "Anna", "started_at": f"2026-11-20T10:{number:02}:00+00:00"}
    for file, text in {"about.json": json.dumps(facts), "ended.txt": "0", **files}.items():
        (errands.folder / name / file).write_text(text)
    return name


def test_a_command_runs_on_the_same_data_and_says_what_came_of_it(errands: Errands) -> None:
    errand_id = start(errands, "model", "list", "--json", photo=1)
    wait(errands, errand_id)
    errand = errands.get(errand_id)
    assert (errand.state, errand.who, errand.about, json.loads(errand.output)) == ("succeeded", "Anna", {"photo": 1}, [])


def test_one_that_fails_says_why_in_one_sentence(errands: Errands) -> None:
    errand_id = start(errands, "model", "show", "nobody")
    wait(errands, errand_id)
    errand = errands.get(errand_id)
    assert (errand.state, errand.trouble) == ("failed", "There is no model called 'nobody'.")


def test_what_was_sent_is_removed_at_the_end(errands: Errands) -> None:
    with errands.fresh() as sent:
        (sent / "large.h5").write_bytes(b"x" * 1000)
        wait(errands, errands.start(sent, "list", ["--version"], {}, ANNA))
    assert not sent.exists()


def test_two_of_a_kind_do_not_run_at_once(errands: Errands) -> None:
    laid(errands, 1)
    with (errands.folder / "list.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ServerBusyError, match="Another one is being worked on"):
            start(errands, "--version")
    assert [one.id for one in errands.all("list")] == [f"{1:016x}"]


def test_one_that_runs_is_running_and_one_that_was_killed_is_stopped(errands: Errands) -> None:
    errand_id = laid(errands, 1, **{"ended.txt": "", "lock": ""})
    with (errands.folder / errand_id / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert errands.get(errand_id).state == "running"
    (errands.folder / errand_id / "sent").mkdir()
    assert errands.get(errand_id).state == "stopped"
    assert not (errands.folder / errand_id / "sent").exists()


def test_the_newest_is_found_by_what_it_was_for(errands: Errands) -> None:
    laid(errands, 1)
    newest = laid(errands, 2)
    assert errands.latest("list", {}).id == newest  # type: ignore[union-attr]
    assert errands.latest("list", {"a": 1}) is None
    assert errands.latest("other") is None


def test_only_the_last_are_kept(errands: Errands) -> None:
    for number in range(KEPT + 5):
        laid(errands, number)
    with errands.fresh():
        assert len([one for one in errands.folder.iterdir() if one.is_dir()]) == KEPT


@pytest.mark.parametrize("name", ["nothing", "../../etc", f"{9:016x}"])
def test_an_unknown_one_is_not_there(errands: Errands, name: str) -> None:
    with pytest.raises(ErrandNotFoundError):
        errands.get(name)


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFullError), Errands(tmp_path / "file" / "errands", {}).fresh():
        pass
