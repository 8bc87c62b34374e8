"""Ten clients upload, relabel and undo at once, for a minute, on a real server: nobody is turned away and no event is lost.

Run `python -m benchmarks.together`. It ends with an error when an answer was not as it should be, or when the log lacks something that was
acknowledged. The photos are pictures of cars, the history lies in a temporary folder.
"""

import argparse
import http.client
import json
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

from benchmarks.servers import BOUNDARY, CAR_PHOTOS, ROOT, form, marque

PORT = 8733
UPLOADERS, RELABELLERS = 4, 6


@dataclass
class Crowd:
    """What the clients share: the photos that are there, what was acknowledged, the waits in milliseconds, what went wrong."""

    key: str
    end: float
    pictures: list[bytes]
    photos: list[str] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    waits: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    trouble: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, what: str, wait: float, events: int, photo: str = "") -> None:
        """One acknowledged call and the label events that it made."""
        with self.lock:
            self.done[what] += 1
            self.done["events"] += events
            self.waits[what].append(wait)
            if photo:
                self.photos.append(photo)


class Client:
    """One kept-alive connection with a key that may review."""

    def __init__(self, crowd: Crowd, number: int) -> None:
        self.crowd = crowd
        self.dice = random.Random(number)
        self.number = number * 1_000_000
        self._connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)

    def call(
        self, method: str, path: str, body: bytes | None, kind: str = "application/json"
    ) -> tuple[Any, float]:
        """The JSON of an answer and the wait for it. Raises `RuntimeError` for an answer that is no success."""
        started = time.perf_counter()
        self._connection.request(
            method, path, body, {"Authorization": f"Bearer {self.crowd.key}", "Content-Type": kind}
        )
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status not in (200, 201):
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:200]!r}")
        return json.loads(text), (time.perf_counter() - started) * 1000

    def upload(self) -> None:
        """A new photo with a ground truth, which is one event."""
        self.number += 1
        label = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="ground_truth"\r\n\r\n{self.dice.choice(CAR_PHOTOS).stem}\r\n'
        body = label.encode() + form(self.dice.choice(self.crowd.pictures), self.number)
        said, wait = self.call(
            "POST", "/api/v1/photos", body, f"multipart/form-data; boundary={BOUNDARY}"
        )
        self.crowd.note("uploads", wait, 1, said["id"])

    def relabel(self) -> None:
        """Three photos get another ground truth, and one time in three that is taken back."""
        with self.crowd.lock:
            picked = self.dice.sample(self.crowd.photos, min(3, len(self.crowd.photos)))
        if not picked:
            time.sleep(0.01)
            return
        body = json.dumps({"ids": picked, "label": self.dice.choice(CAR_PHOTOS).stem}).encode()
        said, wait = self.call("POST", "/api/v1/labels", body)
        self.crowd.note("relabels", wait, said["processed"])
        if said["batch"] and self.dice.random() < 1 / 3:
            back, wait = self.call("DELETE", f"/api/v1/labels/batches/{said['batch']}", None)
            self.crowd.note("undos", wait, back["processed"])

    def work(self, uploads: bool) -> None:
        """One thing after the other until the time is over or something went wrong anywhere."""
        while time.monotonic() < self.crowd.end and not self.crowd.trouble:
            try:
                (self.upload if uploads else self.relabel)()
            except (RuntimeError, OSError, http.client.HTTPException) as error:
                if "409" not in str(
                    error
                ):  # somebody else changed those photos meanwhile: there is nothing to undo
                    self.crowd.trouble.append(str(error))


def main() -> None:
    """Run the crowd, compare what was acknowledged with what is in the log, and print both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    seconds = parser.parse_args().seconds
    pictures = [path.read_bytes() for path in CAR_PHOTOS]
    with (
        tempfile.TemporaryDirectory() as folder,
        marque(Path(folder), PORT, MARQUE_RATE_LIMITS="off"),
    ):
        crowd = Crowd(_key(Path(folder)), time.monotonic() + seconds, pictures)
        clients = [Client(crowd, number) for number in range(UPLOADERS + RELABELLERS)]
        threads = [
            threading.Thread(target=one.work, args=(at < UPLOADERS,))
            for at, one in enumerate(clients)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        _tell(crowd, seconds)
        lost = [*crowd.trouble, *_missing(Path(folder) / "marque.sqlite", crowd)]
    sys.exit("\n".join(lost) if lost else 0)


def _key(data: Path) -> str:
    command = [
        sys.executable,
        "-m",
        "flask",
        "--app",
        "wsgi",
        "keys",
        "create",
        "crowd",
        "--scope",
        "review",
    ]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "MARQUE_DATA": str(data)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()[-1]


def _tell(crowd: Crowd, seconds: float) -> None:
    print(f"{UPLOADERS} clients uploaded and {RELABELLERS} relabelled for {seconds:.0f} s")
    for what, waits in crowd.waits.items():
        waits.sort()
        print(
            f"{what:>10}{len(waits):>8}  p50 {waits[len(waits) // 2]:6.1f} ms  p99 {waits[int(len(waits) * 0.99)]:6.1f} ms"
        )
    print(f"{'events':>10}{crowd.done['events']:>8}")


def _missing(database: Path, crowd: Crowd) -> list[str]:
    """What the history lacks of what was acknowledged: the numbers must agree, and each photo's events must follow from each other."""
    with sqlite3.connect(database) as connection:
        (photos,) = connection.execute("SELECT count(*) FROM photos").fetchone()
        rows = connection.execute(
            "SELECT photo_id, from_label, to_label FROM label_events ORDER BY id"
        ).fetchall()
        truths = dict(connection.execute("SELECT id, ground_truth FROM photos").fetchall())
    found, last = [] if rows else ["nothing was done at all"], {}
    if (photos, len(rows)) != (crowd.done["uploads"], crowd.done["events"]):
        found.append(
            f"acknowledged {crowd.done['uploads']} photos and {crowd.done['events']} events, found {photos} and {len(rows)}"
        )
    for photo, before, after in rows:
        if last.get(photo) != before:
            found.append(f"photo {photo}: an event from {before} follows one to {last.get(photo)}")
        last[photo] = after
    wrong = [photo for photo, truth in truths.items() if last.get(photo) != truth]
    return found + [
        f"photo {photo}: its ground truth is not what its last event says" for photo in wrong
    ]


if __name__ == "__main__":
    main()
