"""Several processes classify a folder: the same answers in order, even when one is killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.conftest import ROOT, draw
from webapp.errors import BrokenPhotoError, MarqueError, ModelUnavailableError
from webapp.inference.classifier import ClassifiedPhoto
from webapp.inference.models.loading import open_version
from webapp.inference.models.registry import Registry
from webapp.inference.process_pool import Alone, Pool, Result, Task

REGISTRY = Registry(ROOT / "models")
TASK = Task(top=5)
FOLDER = REGISTRY.version_folder("f1-teams", REGISTRY.live_version("f1-teams") or 1)


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Sixty photos, the seventh of which is cut off."""
    colors = ("#FF8700", "#C00000", "#0600EF")
    photos = [tmp_path / f"{number:02}.jpg" for number in range(60)]
    for number, path in enumerate(photos):
        path.write_bytes(draw(colors[number % 3], mark=number))
    photos[6].write_bytes(draw()[:300])
    return photos


@pytest.fixture
def pool() -> Iterator[Pool]:
    made = Pool(2, [FOLDER], "litert")
    yield made
    made.close()


def children() -> list[psutil.Process]:
    return [
        process
        for process in psutil.Process().children()
        if "webapp.inference.process_pool_child" in " ".join(process.cmdline())
    ]


def answer_of(path: Path, result: Result) -> tuple[str, object]:
    if isinstance(result, ClassifiedPhoto):
        ranked = result.cars[0].answers[0].ranked
        return path.name, [(line.label, line.probability) for line in ranked]
    return path.name, str(result)


def test_processes_say_what_one_says_in_the_same_order(pool: Pool, paths: list[Path]) -> None:
    alone = Alone([open_version(FOLDER, "litert")])
    answers = [answer_of(*pair) for pair in pool.classify(paths, TASK)]
    assert answers == [answer_of(*pair) for pair in alone.classify(paths, TASK)]
    assert [name for name, answer in answers if isinstance(answer, str)] == ["06.jpg"]


def test_a_process_that_is_killed_is_replaced_and_nothing_is_lost(
    pool: Pool, paths: list[Path]
) -> None:
    children()[0].kill()
    results = list(pool.classify(paths, TASK))
    assert [path for path, _result in results] == paths
    assert [path.name for path, result in results if isinstance(result, MarqueError)] == ["06.jpg"]


def test_one_that_is_killed_in_the_middle_is_replaced_too(pool: Pool, paths: list[Path]) -> None:
    results = pool.classify(paths * 4, TASK)
    first = next(results)
    for process in children():
        process.kill()
    assert [path for path, _result in [first, *results]] == paths * 4
    assert len(children()) == 2


def test_what_is_passed_over_has_its_place_and_no_answer(pool: Pool, paths: list[Path]) -> None:
    results = list(pool.classify(paths, TASK, skip=lambda path: path in paths[10:50]))
    assert [path for path, _result in results] == paths
    assert [path for path, result in results if result is None] == paths[10:50]


def test_only_a_little_is_read_ahead(pool: Pool, paths: list[Path]) -> None:
    asked: list[Path] = []
    results = pool.classify(iter(paths * 100), TASK, skip=lambda path: bool(asked.append(path)))
    next(results)
    assert len(asked) <= 300


def test_to_store_a_photo_all_that_is_needed_comes_along(paths: list[Path]) -> None:
    pool = Pool(1, [FOLDER], "litert")
    (_path, result), *_others = pool.classify(paths[:2], Task(store=True))
    pool.close()
    assert isinstance(result, ClassifiedPhoto)
    (answer,) = result.cars[0].answers
    assert (len(result.sha256), result.thumbnail[:2], len(answer.ranked)) == (64, b"\xff\xd8", 10)
    assert answer.output.probabilities.shape == (10,)


def test_a_file_that_is_gone_is_an_error_of_its_own(pool: Pool, tmp_path: Path) -> None:
    ((_path, error),) = pool.classify([tmp_path / "gone.jpg"], TASK)
    assert isinstance(error, BrokenPhotoError)


def test_a_version_that_cannot_be_loaded_is_told_before_the_first_photo(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError):
        Pool(1, [tmp_path], "litert")
    assert children() == []


def test_the_processes_end_when_they_are_no_longer_needed(pool: Pool, paths: list[Path]) -> None:
    next(pool.classify(paths, TASK))
    pool.close()
    assert children() == []


def test_they_end_with_the_process_that_started_them() -> None:
    code = (
        "import sys, os\nfrom pathlib import Path\nfrom webapp.inference.process_pool import Pool\n"
        f"pool = Pool(2, [Path({str(FOLDER)!r})], 'litert')\n"
        "print(*(child.process.pid for child in pool._children), flush=True)\n"
        "os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    pids = [int(pid) for pid in done.stdout.split()]
    _gone, alive = psutil.wait_procs(
        [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)], timeout=10
    )
    assert len(pids) == 2 and alive == []
