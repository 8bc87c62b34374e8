"""Ten clients upload, relabel and undo at once, on a real server: no event is lost.

Run `python -m benchmarks.together`. It ends with an error when an answer was not as it should be,
or when the log lacks something that was acknowledged. The history lies in a temporary folder.
"""

import argparse
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import urllib3

from benchmarks.servers import CAR_PHOTOS, ROOT, marque

_PORT = 8733
_UPLOADERS, _RELABELLERS = 4, 6
_PICTURES = [path.read_bytes() for path in CAR_PHOTOS]
_LABELS = [path.stem for path in CAR_PHOTOS]


@dataclass
class _SharedState:
    """What the clients share: photos, acknowledged calls, waits in milliseconds, problems."""

    key: str
    end: float
    photos: list[str] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    waits: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    problems: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, what: str, wait: float, events: int, *photos: str) -> None:
        """Note an acknowledged call and the label events that it made."""
        with self.lock:
            self.done[what] += 1
            self.done["events"] += events
            self.waits[what].append(wait)
            self.photos += photos


class _BenchmarkClient:
    """One kept-alive connection with a key that may review."""

    def __init__(self, state: _SharedState, number: int) -> None:
        self.state = state
        self.rng = random.Random(number)
        self.number = number * 1_000_000
        headers = {"Authorization": f"Bearer {state.key}"}
        self._pool = urllib3.HTTPConnectionPool(
            "127.0.0.1", _PORT, timeout=60, retries=False, headers=headers
        )

    def call(self, method: str, path: str, **body: Any) -> tuple[Any, float]:
        """The JSON of an answer and the wait for it; `body` is urllib3's `json` or `fields`. Raises
        `RuntimeError` for a refusal."""
        started = time.perf_counter()
        answer = self._pool.request(method, path, **body)
        if answer.status not in (200, 201):
            raise RuntimeError(f"{method} {path}: {answer.status} {answer.data[:200]!r}")
        return answer.json(), (time.perf_counter() - started) * 1000

    def upload(self) -> None:
        """Send a new photo with a ground truth, which is one event."""
        self.number += 1
        # what is behind a picture's end makes it one that nobody has sent yet
        picture = self.rng.choice(_PICTURES) + self.number.to_bytes(8, "big")
        fields = {"ground_truth": self.rng.choice(_LABELS), "file": ("car.jpg", picture)}
        photo, wait = self.call("POST", "/api/v1/photos", fields=fields)
        self.state.note("uploads", wait, 1, photo["id"])

    def relabel(self) -> None:
        """Give three photos another ground truth, and undo that one time in three."""
        with self.state.lock:
            picked = self.rng.sample(self.state.photos, min(3, len(self.state.photos)))
        if not picked:
            time.sleep(0.01)
            return
        relabel = {"ids": picked, "label": self.rng.choice(_LABELS)}
        change, wait = self.call("POST", "/api/v1/labels", json=relabel)
        self.state.note("relabels", wait, change["processed"])
        if change["batch"] and self.rng.random() < 1 / 3:
            undo, wait = self.call("DELETE", f"/api/v1/labels/batches/{change['batch']}")
            self.state.note("undos", wait, undo["processed"])

    def run(self, uploads: bool) -> None:
        """Upload or relabel until the time is over or something went wrong anywhere."""
        while time.monotonic() < self.state.end and not self.state.problems:
            try:
                (self.upload if uploads else self.relabel)()
            except (RuntimeError, urllib3.exceptions.HTTPError) as error:
                # 409: another client has changed those photos, so there is nothing to undo
                if "409" not in str(error):
                    self.state.problems.append(str(error))


def main() -> None:
    """Run the clients, and compare what was acknowledged with what is in the log."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder, marque(Path(folder), _PORT):
        command = [sys.executable, "-m", "flask", "--app", "wsgi", "keys", "create", "benchmark"]
        command += ["--scope", "review"]
        env = {**os.environ, "MARQUE_DATA": folder}
        key = subprocess.check_output(command, cwd=ROOT, env=env, text=True).split()[-1]
        state = _SharedState(key, time.monotonic() + seconds)
        clients = [_BenchmarkClient(state, number) for number in range(_UPLOADERS + _RELABELLERS)]
        threads = [
            threading.Thread(target=client.run, args=(number < _UPLOADERS,))
            for number, client in enumerate(clients)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(f"{_UPLOADERS} clients uploaded and {_RELABELLERS} relabelled for {seconds:.0f} s")
        for what, waits in state.waits.items():
            waits.sort()
            p50, p99 = waits[len(waits) // 2], waits[int(len(waits) * 0.99)]
            print(f"{what:>10}{len(waits):>8}  p50 {p50:6.1f} ms  p99 {p99:6.1f} ms")
        print(f"{'events':>10}{state.done['events']:>8}")
        problems = [*state.problems, *_missing(Path(folder) / "marque.sqlite", state)]
    sys.exit("\n".join(problems) if problems else 0)


def _missing(database: Path, state: _SharedState) -> list[str]:
    """What the history lacks of what was acknowledged; each photo's events must form a chain."""
    events = "SELECT photo_id, from_label, to_label FROM label_events ORDER BY id"
    with sqlite3.connect(database) as connection:
        rows = connection.execute(events).fetchall()
        truths = dict(connection.execute("SELECT id, ground_truth FROM photos").fetchall())
    problems = [] if rows else ["nothing was done at all"]
    acknowledged, stored = (state.done["uploads"], state.done["events"]), (len(truths), len(rows))
    if acknowledged != stored:
        problems.append(f"photos and events: acknowledged {acknowledged}, stored {stored}")
    last: dict[int, str] = {}
    for photo, before, after in rows:
        if last.get(photo) != before:
            problems.append(f"photo {photo}: an event from {before} follows {last.get(photo)}")
        last[photo] = after
    wrong = [photo for photo, truth in truths.items() if last.get(photo) != truth]
    return problems + [f"photo {photo}: its ground truth is not its last event" for photo in wrong]


if __name__ == "__main__":
    main()
