"""Serving speed: Marque, which stores every photo, against a plain FastAPI service.

The plain one has the same network and stores nothing. Run `make bench`, or `python -m
benchmarks.serve --seconds 10`. Both servers are up during the whole run and take turns under load.
"""

import argparse
import os
import tempfile
from pathlib import Path

from benchmarks.servers import CAR_PHOTOS, Load, load, marque, rival

_SERVERS = (("Marque", 8731, "/api/v1/photos"), ("FastAPI+Keras", 8732, "/infer"))


def main() -> None:
    """Measure at each number of connections and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="seconds at each level")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--rival-workers", type=int, default=1, help="processes of the rival")
    options = parser.parse_args()
    photos = [path.read_bytes() for path in CAR_PHOTOS]
    size = sum(map(len, photos)) / len(photos) / 1024
    print(f"{os.cpu_count()} cores, {len(photos)} photos of 960 x 600 and {size:.0f} KiB, ", end="")
    print(f"{options.seconds:.0f} s a level\n")
    print(f"{'':>13}{'connections':>12}{'images/s':>10}{'p50 ms':>9}{'p99 ms':>9}{'failed':>8}")
    first = 0
    with (
        tempfile.TemporaryDirectory() as folder,
        marque(Path(folder), _SERVERS[0][1]),
        rival(_SERVERS[1][1], options.rival_workers),
    ):
        for connections in options.connections:
            rates = []
            for name, port, path in _SERVERS:
                for seconds in (min(3.0, options.seconds), options.seconds):  # warm up first
                    wanted = Load(port, path, connections, seconds, first)
                    measured = load(wanted, photos)
                    first += 1_000_000
                rates.append(measured.rate)
                print(f"{name:>13}{connections:>12}{measured}", flush=True)
            print(f"{'ratio':>13}{connections:>12}{rates[0] / rates[1]:>9.1f}x\n")


if __name__ == "__main__":
    main()
