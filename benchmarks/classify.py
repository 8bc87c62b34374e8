"""A folder from the terminal: photos a second of `flask photos classify` against the engine's bare speed, and the memory of all processes.

Run `python -m benchmarks.classify FOLDER`. Both decode every photo and rank it with the same version on all cores, in turns; the command's
time is that of the whole command, with the start of Python, Flask and the processes, the bare one's begins when every network is loaded.
"""

import argparse
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path

import psutil

from benchmarks.servers import ROOT
from webapp.cli.photos.paths import find_photos
from webapp.inference.decoding.images import decode_photo, working_side
from webapp.inference.models.loading import open_version
from webapp.inference.models.registry import Registry

AIM, LIMIT_MB = 0.9, 400
SAMPLE_EVERY = 0.25


def main() -> None:
    """Print each round and the medians; exit 1 when the aim is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="f1-teams")
    parser.add_argument("--photos", type=int, default=6000, help="so many of the folder")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    photos = list(find_photos([str(asked.folder)]))[: asked.photos]
    registry = Registry(ROOT / "models")
    version = registry.version_folder(asked.model, registry.live_version(asked.model) or 1)
    with tempfile.TemporaryDirectory() as scratch:
        folder = _gather(photos, Path(scratch))
        rounds = [
            _round(number, version, folder, asked.model, Path(scratch))
            for number in range(1, asked.rounds + 1)
        ]
    bare, command = (statistics.median(one[at] for one in rounds) for at in (0, 1))
    share = statistics.median(one[1] / one[0] for one in rounds)
    memory = max(one[2] for one in rounds)
    print(
        f"{len(photos):,} photos, {_cores()} cores, {asked.model}: bare {bare:.0f}/s, command {command:.0f}/s"
    )
    print(
        f"{share:.1%} of the bare speed (aim {AIM:.0%}); {memory:.0f} MB in all (limit {LIMIT_MB})"
    )
    raise SystemExit(1 if share < AIM or memory >= LIMIT_MB else 0)


def _gather(photos: list[Path], scratch: Path) -> Path:
    """A folder with links to exactly these photos, so that both look at the same ones; hard links, for the command follows no others."""
    folder = scratch / "photos"
    folder.mkdir()
    for number, path in enumerate(photos):
        target = folder / f"{number:06}{path.suffix}"
        try:
            os.link(path, target)
        except OSError:
            target.write_bytes(path.read_bytes())
    return folder


def _round(
    number: int, version: Path, folder: Path, model: str, scratch: Path
) -> tuple[float, float, float]:
    """Photos a second of the engine and of the command, and the command's megabytes at the most."""
    photos = sorted(folder.iterdir())
    for path in photos:  # both find them in memory
        path.read_bytes()
    before = _work()
    bare = len(photos) / _bare(version, photos)
    between = _work()
    seconds, megabytes = _command(folder, model, scratch)
    command = len(photos) / seconds
    work = f"{between - before:.1f} and {_work() - between:.1f} s of processor time"
    print(
        f"round {number}: bare {bare:.0f}/s, command {command:.0f}/s ({command / bare:.1%}), {megabytes:.0f} MB; {work}",
        flush=True,
    )
    return bare, command, megabytes


def _bare(version: Path, photos: list[Path]) -> float:
    """Seconds for all photos with one process for each core, from when all are ready to when the last is done."""
    context = multiprocessing.get_context("spawn")
    cores = _cores()
    ready = context.Barrier(cores + 1)
    workers = [
        context.Process(target=_rank, args=(version, photos[at::cores], ready))
        for at in range(cores)
    ]
    for one in workers:
        one.start()
    ready.wait()
    started = time.perf_counter()
    for one in workers:
        one.join()
    return time.perf_counter() - started


def _rank(version: Path, photos: list[Path], ready: Barrier) -> None:
    classifier = open_version(version, "litert")
    side = working_side(classifier.card.input)
    ready.wait()
    for path in photos:
        classifier.predict(decode_photo(path.read_bytes(), max_side=side).pixels)


def _command(folder: Path, model: str, scratch: Path) -> tuple[float, float]:
    """Seconds and the largest PSS of the command and its children, which counts what they share once."""
    out = scratch / "results.jsonl"
    command = [
        sys.executable,
        "-m",
        "flask",
        "--app",
        "wsgi",
        "photos",
        "classify",
        str(folder),
        "--model",
        model,
    ]
    command += ["--format", "jsonl", "--out", str(out), "--quiet"]
    env = {**os.environ, "MARQUE_DATA": str(scratch / "data")}
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.DEVNULL)
    largest = [0.0]
    watcher = threading.Thread(target=_watch, args=(psutil.Process(process.pid), largest))
    watcher.start()
    status = process.wait()
    seconds = time.perf_counter() - started
    watcher.join()
    lines = len(out.read_text().splitlines())
    if status or lines != len(list(folder.iterdir())):
        raise SystemExit(f"the command ended with {status} and {lines} lines")
    return seconds, largest[0]


def _watch(process: psutil.Process, largest: list[float]) -> None:
    """Keep the largest sum until the process ends."""
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        try:
            family = [process, *process.children(recursive=True)]
            largest[0] = max(largest[0], sum(one.memory_full_info().pss for one in family) / 1e6)
        except psutil.Error:
            continue
        time.sleep(SAMPLE_EVERY)


def _work() -> float:
    """Seconds that all processes which have ended until now worked: on a machine with other work, this says more than the time."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _cores() -> int:
    return len(os.sched_getaffinity(0))


if __name__ == "__main__":
    main()
