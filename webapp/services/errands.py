"""Errands: commands of ours that take minutes, run beside the web process; each has a folder that says how it goes and how it ended."""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import webapp
from webapp.errors import ErrandNotFoundError, ServerBusyError, StorageFullError
from webapp.values import Who

ROOT = Path(webapp.__file__).parents[1]
ABOUT, OUTPUT, ERRORS, ENDED, LOCK, SENT = "about.json", "output.txt", "errors.txt", "ended.txt", "lock", "sent"
RUNNING, SUCCEEDED, FAILED, STOPPED = "running", "succeeded", "failed", "stopped"
KEPT = 20
"""Errands whose folder is kept; older ones make room."""
LONGEST_OUTPUT = 1_000_000
SCRIPT = 'nice -n 10 "$@" >output.txt 2>errors.txt; status=$?; rm -rf sent; echo $status >ended.new && mv ended.new ended.txt'
"""What runs: the command, calmly; then what was sent for it is removed, and the end is written down in one step."""


@dataclass(frozen=True)
class Errand:
    """One errand. `about` is what it was started for, `output` what the command printed, `trouble` its last word when it failed."""

    id: str
    kind: str
    about: Mapping[str, Any]
    who: str
    started_at: datetime
    state: str
    output: str
    trouble: str


class Errands:
    """Starts errands and tells about them. A lock that the child holds says that one runs: it ends with the child, however that ends.

    `env` is what the child needs of the settings to see the same data.
    """

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self.folder = folder
        self._env = dict(env)

    @contextmanager
    def fresh(self) -> Iterator[Path]:
        """A folder for the files that an errand needs; it is removed again when the block raises. Raises `StorageFullError`."""
        self._make_room()
        place = self.folder / secrets.token_hex(8)
        try:
            (place / SENT).mkdir(parents=True, mode=0o700)
            yield place / SENT
        except OSError as error:
            shutil.rmtree(place, ignore_errors=True)
            raise StorageFullError("The disk is full or read-only. Nothing was stored; make room and try again.") from error
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise

    def start(self, sent: Path, kind: str, words: list[str], about: Mapping[str, Any], who: Who) -> str:
        """Run `flask` with `words` for the folder that `fresh` gave; returns the errand's id. One of a kind runs at a time.

        Raises `ServerBusyError` while another one of this kind runs.
        """
        place = sent.parent
        facts = {"kind": kind, "about": dict(about), "who": who.name, "started_at": datetime.now(UTC).isoformat(timespec="seconds")}
        with (self.folder / f"{kind}.lock").open("w") as turn, (place / LOCK).open("w") as mine:
            if not _take(turn):
                raise ServerBusyError("Another one is being worked on. Wait until it has ended, then start this one again.", retry_after=30)
            _take(mine)
            (place / ABOUT).write_text(json.dumps(facts), encoding="utf-8")
            command = ["/bin/sh", "-c", SCRIPT, "sh", sys.executable, "-m", "flask", "--app", str(ROOT / "wsgi.py"), *words]
            nowhere = subprocess.DEVNULL
            child = subprocess.Popen(
                command,
                cwd=place,
                env=os.environ | self._env | {"TMPDIR": str(sent)},  # what it leaves when it is killed is found here
                stdin=nowhere,
                stdout=nowhere,
                stderr=nowhere,
                pass_fds=(turn.fileno(), mine.fileno()),
                start_new_session=True,  # it goes on when the web server is restarted
            )
        threading.Thread(target=child.wait, daemon=True).start()  # else it would stay a zombie for as long as this worker lives
        return place.name

    def get(self, errand_id: str) -> Errand:
        """How an errand stands. Raises `ErrandNotFoundError`."""
        found = self._read(self.folder / errand_id) if re.fullmatch(r"[0-9a-f]{16}", errand_id) else None
        if found is None:
            raise ErrandNotFoundError("There is nothing of this name. The last twenty are kept.")
        if found.state == STOPPED:
            shutil.rmtree(self.folder / errand_id / SENT, ignore_errors=True)  # who was killed could not do it
        return found

    def latest(self, kind: str, about: Mapping[str, Any] | None = None) -> Errand | None:
        """The newest errand of a kind, and of what it was started for when that is given."""
        return next((one for one in self.all(kind) if about is None or one.about == about), None)

    def all(self, kind: str) -> list[Errand]:
        """The errands of a kind, the newest first."""
        found = [self._read(place) for place in self._places()]
        return sorted((one for one in found if one and one.kind == kind), key=lambda one: one.started_at, reverse=True)

    def _places(self) -> list[Path]:
        return [one for one in self.folder.iterdir() if one.is_dir()] if self.folder.is_dir() else []

    def _read(self, place: Path) -> Errand | None:
        try:
            facts = json.loads((place / ABOUT).read_text(encoding="utf-8"))
            started = datetime.fromisoformat(facts["started_at"])
            state = _state(place)
            trouble = _last_word(place / ERRORS) if state == FAILED else ""
            return Errand(place.name, facts["kind"], facts["about"], facts["who"], started, state, _text(place / OUTPUT), trouble)
        except (OSError, ValueError, KeyError):
            return None

    def _make_room(self) -> None:
        """Remove the oldest errands that are over, and what somebody began and never started."""
        places = sorted(self._places(), key=lambda one: one.stat().st_mtime)
        for place in places[: max(0, len(places) - KEPT + 1)]:
            if _state(place) != RUNNING:
                shutil.rmtree(place, ignore_errors=True)


def _take(file: IO[str]) -> bool:
    """Lock an open file; False when another process has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _state(place: Path) -> str:
    if (place / LOCK).exists():
        with (place / LOCK).open() as file:  # taking the lock for a moment cannot disturb: the child has it, or is gone
            if not _take(file):
                return RUNNING
    ended = _text(place / ENDED).strip()
    return SUCCEEDED if ended == "0" else FAILED if ended else STOPPED


def _text(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as stream:
        return stream.read(LONGEST_OUTPUT).decode("utf-8", "replace")


def _last_word(path: Path) -> str:
    """The sentence that a command ended with: its line "Error: …", else its last line."""
    lines = [line.strip() for line in _text(path).splitlines() if line.strip()]
    named = [line.removeprefix("Error: ") for line in lines if line.startswith("Error: ")]
    return (named or lines or ["It said nothing."])[-1][:2000]
