"""Memory of the web workers while they take many uploads, and that TensorFlow is not in them.

Run `python -m benchmarks.memory --uploads 1000`. The limit is the promise of the README: under
300 MB a worker, and flat.
"""

import argparse
import tempfile
from pathlib import Path

import psutil

from benchmarks.servers import CAR_PHOTOS, Load, load, marque

_PORT = 8733
_LIMIT_MB = 300


def main() -> None:
    """Print the resident memory of each worker; exit 1 when the promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uploads", type=int, default=1000)
    wanted = parser.parse_args().uploads
    photos = [path.read_bytes() for path in CAR_PHOTOS]
    sent, half = 0, 0.0
    with tempfile.TemporaryDirectory() as folder, marque(Path(folder), _PORT) as master:
        workers = master.children()
        print(f"before: {_text(workers)}")
        while sent < wanted:
            level = Load(_PORT, "/api/v1/photos", 8, 1.0, first=1_000_000 + sent * 8)
            sent += load(level, photos).answers
            print(f"{sent:>6} uploads: {_text(workers)}", flush=True)
            if sent >= wanted / 2:
                half = half or max(map(_megabytes, workers))
        end = max(map(_megabytes, workers))
        maps = [Path(f"/proc/{worker.pid}/maps").read_text() for worker in workers]
    heavy = sum("tensorflow" in text for text in maps)
    print(f"largest {end:.0f} MB (limit {_LIMIT_MB}), {end - half:+.0f} MB since half of them")
    print(f"TensorFlow in {heavy} workers")
    raise SystemExit(1 if end >= _LIMIT_MB or heavy or end > half * 1.1 else 0)


def _megabytes(process: psutil.Process) -> float:
    return process.memory_info().rss / 1e6


def _text(workers: list[psutil.Process]) -> str:
    return ", ".join(f"{_megabytes(worker):.0f} MB" for worker in workers)


if __name__ == "__main__":
    main()
