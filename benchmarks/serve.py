"""Serving speed: Marque, which stores every photo, against a plain FastAPI service.

The plain one has one of the networks and stores nothing. Run `make bench`, or `python -m
benchmarks.serve --seconds 10`; with `--build FOLDER` against another checkout of Marque. Both
servers are up during the whole run and take turns under load. What an answer takes of the
processors tells more than the rate where others use the machine, too.
"""

import argparse
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.servers import CAR_PHOTOS, Load, load, marque, processor_seconds, rival

_PATH = "/api/v1/photos"
_PORTS = 8731, 8732


def main() -> None:
    """Measure at each number of connections and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="seconds at each level")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--rival-workers", type=int, default=1, help="processes of the rival")
    parser.add_argument("--build", type=Path, help="a checkout of Marque, instead of FastAPI")
    options = parser.parse_args()
    photos = [path.read_bytes() for path in CAR_PHOTOS]
    size = sum(map(len, photos)) / len(photos) / 1024
    print(f"{os.cpu_count()} cores, {len(photos)} photos of 960 x 600 and {size:.0f} KiB, ", end="")
    print(f"{options.seconds:.0f} s a level\n")
    columns = f"{'images/s':>10}{'p50 ms':>9}{'p99 ms':>9}{'failed':>8}{'cpu ms':>9}"
    print(f"{'':>13}{'connections':>12}{columns}")
    with tempfile.TemporaryDirectory() as own, tempfile.TemporaryDirectory() as other:
        other_server = (
            marque(Path(other), _PORTS[1], options.build)
            if options.build
            else rival(_PORTS[1], options.rival_workers)
        )
        with marque(Path(own), _PORTS[0]) as first, other_server as second:
            name, path = ("earlier", _PATH) if options.build else ("FastAPI+Keras", "/infer")
            servers = [_Server("Marque", _PORTS[0], _PATH, first)]
            servers.append(_Server(name, _PORTS[1], path, second))
            number = 0
            for connections in options.connections:
                number = _level(servers, connections, options.seconds, photos, number)


@dataclass(frozen=True)
class _Server:
    name: str
    port: int
    path: str
    process: psutil.Process


def _level(
    servers: list[_Server], connections: int, seconds: float, photos: list[bytes], number: int
) -> int:
    """Measure each server in turn and print a line for it; the next photo's number."""
    rates = []
    for server in servers:
        for length in (min(3.0, seconds), seconds):  # warm up first
            before = processor_seconds(server.process)
            wanted = Load(server.port, server.path, connections, length, number)
            measured = load(wanted, photos)
            number += 1_000_000
        spent = processor_seconds(server.process) - before
        rates.append(measured.rate)
        each = spent / max(1, measured.answers) * 1000
        print(f"{server.name:>13}{connections:>12}{measured}{each:>9.1f}", flush=True)
    print(f"{'ratio':>13}{connections:>12}{rates[0] / rates[1]:>10.2f}x\n")
    return number


if __name__ == "__main__":
    main()
