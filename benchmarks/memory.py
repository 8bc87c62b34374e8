"""Memory: what the web workers weigh while they take so many uploads, and that TensorFlow is not in them.

Run `python -m benchmarks.memory --uploads 1000`. The limit is the promise of the README: under 300 MB a worker, and flat.
"""

import argparse
import tempfile
from pathlib import Path

import psutil

from benchmarks.servers import CAR_PHOTOS, load, marque

PORT = 8733
LIMIT_MB = 300


def main() -> None:
    """Print the resident memory of each worker after every tenth of the uploads; exit 1 when the promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uploads", type=int, default=1000)
    wanted = parser.parse_args().uploads
    photos = [path.read_bytes() for path in CAR_PHOTOS]
    with tempfile.TemporaryDirectory() as folder, marque(Path(folder), PORT) as master:
        workers = master.children()
        print(f"before: {_weights(workers)}")
        sent = 0
        half = 0.0
        while sent < wanted:
            sent += load(PORT, "/api/v1/photos", photos, 8, 1.0, 1_000_000 + sent * 8).answers
            print(f"{sent:>6} uploads: {_weights(workers)}", flush=True)
            half = half or (max(map(_megabytes, workers)) if sent >= wanted / 2 else 0.0)
        end = max(map(_megabytes, workers))
        heavy = [
            one.pid for one in workers if "tensorflow" in Path(f"/proc/{one.pid}/maps").read_text()
        ]
    print(
        f"largest {end:.0f} MB (limit {LIMIT_MB}), {end - half:+.0f} MB since half of the uploads; TensorFlow in {len(heavy)} workers"
    )
    raise SystemExit(1 if end >= LIMIT_MB or heavy or end > half * 1.1 else 0)


def _megabytes(process: psutil.Process) -> float:
    return process.memory_info().rss / 1e6


def _weights(workers: list[psutil.Process]) -> str:
    return ", ".join(f"{_megabytes(one):.0f} MB" for one in workers)


if __name__ == "__main__":
    main()
