"""Serving speed: Marque, which stores every photo, against a plain FastAPI service with the same network, which stores nothing.

Run `make bench`, or `python -m benchmarks.serve --seconds 10`. Both servers are up during the whole run and take turns under load.
"""

import argparse
import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path

from benchmarks.servers import CAR_PHOTOS, Measured, load, marque, rival

PORTS = (8731, 8732)


def main() -> None:
    """Measure at each number of connections and print a table; `--json FILE` keeps the figures."""
    options = _options()
    photos = [path.read_bytes() for path in CAR_PHOTOS]
    size = sum(map(len, photos)) / len(photos) / 1024
    print(
        f"{os.cpu_count()} cores, {len(photos)} photos of 960 x 600 and {size:.0f} KiB, {options.seconds:.0f} s a level\n"
    )
    print(f"{'':>13}{'connections':>12}{'images/s':>10}{'p50 ms':>9}{'p99 ms':>9}{'failed':>8}")
    rows: list[dict[str, object]] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        marque(Path(folder), PORTS[0]),
        rival(PORTS[1], options.rival_workers),
    ):
        sent = 0
        for connections in options.connections:
            level: dict[str, Measured] = {}
            for server, port, path in (
                ("Marque", PORTS[0], "/api/v1/photos"),
                ("FastAPI+Keras", PORTS[1], "/infer"),
            ):
                load(port, path, photos, connections, min(3.0, options.seconds), sent)
                sent += 1_000_000
                level[server] = load(port, path, photos, connections, options.seconds, sent)
                sent += 1_000_000
                _print(server, level[server])
                rows.append({"server": server, **asdict(level[server]), "rate": level[server].rate})
            print(
                f"{'ratio':>13}{connections:>12}{level['Marque'].rate / level['FastAPI+Keras'].rate:>9.1f}x\n"
            )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


def _print(server: str, one: Measured) -> None:
    print(
        f"{server:>13}{one.connections:>12}{one.rate:>10.1f}{one.p50:>9.1f}{one.p99:>9.1f}{one.failures:>8}",
        flush=True,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--seconds", type=float, default=10.0, help="seconds under load at each level (default 10)"
    )
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument(
        "--rival-workers",
        type=int,
        default=1,
        help="processes of the rival (default 1, as the earlier services ran)",
    )
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
