"""A folder from the terminal: `flask photos classify` against the engine's bare speed.

Run `python -m benchmarks.classify FOLDER`. Both decode and rank every photo with the same version
on all cores, in turns; the command's time has the start of Python, Flask and the processes in it,
the bare one's begins when every network is loaded. The memory is that of all processes.
"""

import argparse
import multiprocessing
import os
import resource
import statistics
import sys
import tempfile
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path
from subprocess import DEVNULL

import psutil

from benchmarks.servers import ROOT
from webapp.cli.photos.paths import find_photos
from webapp.inference.decoding.images import decode_photo, working_side
from webapp.inference.models.loading import open_version
from webapp.inference.models.registry import Registry

_AIM, _LIMIT_MB = 0.9, 400
_CORES = len(os.sched_getaffinity(0))


def main() -> None:
    """Print each round and the medians; exit 1 when the aim is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="f1-teams")
    parser.add_argument("--photos", type=int, default=6000, help="how many of the folder")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    photos = list(find_photos([str(options.folder)]))[: options.photos]
    registry = Registry(ROOT / "models")
    live = registry.live_version(options.model) or 1
    version = registry.version_folder(options.model, live)
    rounds = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = _link(photos, Path(scratch) / "photos")
        for number in range(1, options.rounds + 1):
            rounds.append(_round(version, folder, options.model, Path(scratch)))
            bare, command, megabytes, work = rounds[-1]
            speeds = f"bare {bare:.0f}/s, command {command:.0f}/s ({command / bare:.1%})"
            print(f"round {number}: {speeds}, {megabytes:.0f} MB; {work}", flush=True)
    bare, command = (statistics.median(figures[place] for figures in rounds) for place in (0, 1))
    share = statistics.median(figures[1] / figures[0] for figures in rounds)
    memory = max(figures[2] for figures in rounds)
    print(f"{len(photos):,} photos, {_CORES} cores, {options.model}: ", end="")
    print(f"bare {bare:.0f}/s, command {command:.0f}/s")
    print(f"{share:.1%} of the bare speed (aim {_AIM:.0%}); {memory:.0f} MB (limit {_LIMIT_MB})")
    raise SystemExit(1 if share < _AIM or memory >= _LIMIT_MB else 0)


def _link(photos: list[Path], folder: Path) -> Path:
    """A folder with hard links to exactly these photos; the command follows no others."""
    folder.mkdir()
    for number, path in enumerate(photos):
        target = folder / f"{number:06}{path.suffix}"
        try:
            os.link(path, target)
        except OSError:
            target.write_bytes(path.read_bytes())
    return folder


def _round(
    version: Path, folder: Path, model: str, scratch: Path
) -> tuple[float, float, float, str]:
    """Photos a second, bare and of the command; its megabytes at most; both processor times."""
    photos = sorted(folder.iterdir())
    for path in photos:  # both find them in memory
        path.read_bytes()
    before = _processor_seconds()
    bare = len(photos) / _bare(version, photos)
    between = _processor_seconds()
    seconds, megabytes = _command(folder, model, scratch)
    work = f"{between - before:.1f} and {_processor_seconds() - between:.1f} s of processor time"
    return bare, len(photos) / seconds, megabytes, work


def _bare(version: Path, photos: list[Path]) -> float:
    """Seconds for all photos with a process per core, from when all of them are ready."""
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(_CORES + 1)
    shares = [photos[core::_CORES] for core in range(_CORES)]
    workers = [context.Process(target=_rank, args=(version, share, ready)) for share in shares]
    for worker in workers:
        worker.start()
    ready.wait()
    started = time.perf_counter()
    for worker in workers:
        worker.join()
    return time.perf_counter() - started


def _rank(version: Path, photos: list[Path], ready: Barrier) -> None:
    classifier = open_version(version, "litert")
    side = working_side(classifier.card.input)
    ready.wait()
    for path in photos:
        classifier.predict(decode_photo(path.read_bytes(), max_side=side).pixels)


def _command(folder: Path, model: str, scratch: Path) -> tuple[float, float]:
    """Seconds, and the largest memory (PSS) of the command and its children in megabytes."""
    out = scratch / "results.jsonl"
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "photos", "classify", str(folder)]
    command += ["--model", model, "--format", "jsonl", "--out", str(out), "--quiet"]
    env = {**os.environ, "MARQUE_DATA": str(scratch / "data")}
    started = time.perf_counter()
    process, status, largest = psutil.Popen(command, cwd=ROOT, env=env, stderr=DEVNULL), None, 0.0
    while status is None:
        try:
            status = process.wait(0.25)
        except psutil.TimeoutExpired:
            largest = max(largest, _megabytes(process))
    seconds = time.perf_counter() - started
    lines = len(out.read_text().splitlines())
    if status or lines != len(list(folder.iterdir())):
        raise SystemExit(f"the command ended with {status} and {lines} lines")
    return seconds, largest


def _megabytes(process: psutil.Process) -> float:
    """What a process and its children take; 0 when one ends meanwhile."""
    try:
        family = [process, *process.children(recursive=True)]
        return sum(member.memory_full_info().pss for member in family) / 1e6
    except psutil.Error:
        return 0.0


def _processor_seconds() -> float:
    """Seconds that all processes which have ended worked: other work hardly changes them."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
