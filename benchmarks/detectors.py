"""A detector of ours against the ready one that drew boxes for it: what each finds, how quickly.

Run `python -m benchmarks.detectors --teacher TEACHER.tflite --boxes FOLDER --others FOLDER`. The
photos of `--boxes` have lists of boxes, of which those that a machine drew are neither right nor
wrong to find where people drew others; `--others` show no car. Photos that ours was trained on are
left out. Both look at the same pixels, in turn, each on one core.
"""

import argparse
import hashlib
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from tools.teacher import Teacher
from webapp.errors import PhotoRefusedError
from webapp.inference.decoding.images import decode_photo, working_side
from webapp.inference.detector import clean_up
from webapp.inference.metrics.box_metrics import (
    LEAST_SCORE,
    PRECISION,
    PhotoBoxes,
    curve_of,
    false_alarms,
    match,
    recall_at,
    summary,
)
from webapp.inference.metrics.overlap import Boxes
from webapp.inference.models.detector_card import DetectorCard
from webapp.inference.models.held_out import is_unseen, read_split
from webapp.inference.models.loading import load_detector
from webapp.inference.models.registry import Registry
from webapp.training.data_files import files_in
from webapp.training.detector.box_data import read_boxes
from webapp.training.detector.data import true_boxes
from webapp.training.detector.recipe import find_detector_recipe

_NONE = np.zeros((0, 4), np.float32)
Pixels = NDArray[np.uint8]
Find = Callable[[Pixels], tuple[Boxes, NDArray[np.floating[Any]]]]
TruePhoto = tuple[Path, Boxes, Boxes]  # with its cars, and what is neither right nor wrong to find
Finds = dict[str, list[PhotoBoxes]]  # by detector


def main() -> None:
    """Print a table with a column for each detector and score from which a box counts."""
    arguments = _arguments()
    folder = arguments.model or _live(Path("models"), "car-detector")
    card = DetectorCard.read(folder)
    ours = load_detector(folder, "litert")
    teacher = Teacher(arguments.teacher.read_bytes(), LEAST_SCORE)
    finders: dict[str, Find] = {
        "ours": lambda pixels: ours.boxes(pixels, LEAST_SCORE),
        "teacher": lambda pixels: _of_teacher(teacher, pixels),
    }
    photos = _unseen([*_with_boxes(arguments.boxes, card.name)], folder, card)
    others = [(path, _NONE, _NONE) for path in files_in(arguments.others)]
    side = working_side(card.input)
    with_cars = _look(finders, photos[: arguments.most], side)
    without = _look(finders, others[: arguments.most], side)
    columns = {"ours, as served": _column(with_cars["ours"], without["ours"], card.threshold)}
    for name in finders:
        best = recall_at(curve_of([match(photo) for photo in with_cars[name]]), PRECISION)
        if best is None:
            print(f"At no score are {PRECISION:.0%} of the boxes of {name} cars.")
            continue
        title = f"{name}, at precision {PRECISION}"
        columns[title] = _column(with_cars[name], without[name], best[1])
    print("\n".join(_table(columns)))
    print(_times(finders, [path for path, *_ in photos[: arguments.timed]], side, arguments.rounds))


# ---- the photos ----


def _with_boxes(folders: list[Path], model: str) -> Iterator[TruePhoto]:
    recipe = find_detector_recipe(model)
    if recipe is None:
        raise SystemExit(f"No recipe is called {model}: it would say what counts as a car.")
    for folder in folders:
        for photo, true, ignored in true_boxes(read_boxes(folder), recipe):
            yield photo.path, true, ignored


def _unseen(photos: list[TruePhoto], folder: Path, card: DetectorCard) -> list[TruePhoto]:
    """The photos that the version was not trained on, in an order of chance."""
    split = read_split(folder, card)
    if split is None:
        print(f"{card} has no list of the photos that it was trained on: these may be among them.")
    order = np.random.default_rng(2026).permutation(len(photos))
    mixed = [photos[place] for place in order]
    unseen = [photo for photo in mixed if is_unseen(_sha256(photo[0]), [split or {}])]
    print(f"{len(unseen)} of {len(photos)} photos with boxes were held out for {card}.")
    return unseen


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _pixels(path: Path, side: int) -> Pixels:
    return decode_photo(path.read_bytes(), max_side=side).pixels


# ---- what the detectors find ----


def _of_teacher(teacher: Teacher, pixels: Pixels) -> tuple[Boxes, NDArray[np.floating[Any]]]:
    """One box for each car, cleaned up as those of ours."""
    boxes, scores = teacher.find(Image.fromarray(pixels))
    order = np.argsort(-scores, kind="stable")
    return clean_up(boxes[order].clip(0, 1).astype(np.float32), scores[order].astype(np.float32))


def _look(finders: dict[str, Find], photos: list[TruePhoto], side: int) -> Finds:
    looked: Finds = {name: [] for name in finders}
    for path, true, ignored in tqdm(photos, disable=None, leave=False):
        try:
            pixels = _pixels(path, side)
        except PhotoRefusedError as error:
            print(f"left out {path.name}: {error}")
            continue
        for name, find in finders.items():
            looked[name].append(PhotoBoxes(*find(pixels), true, ignored))
    return looked


def _column(photos: list[PhotoBoxes], others: list[PhotoBoxes], score: float) -> dict[str, str]:
    """The figures of a detector whose boxes count from a score on, by the name of the row."""
    figures = summary(photos, score)
    alarms, with_alarms = false_alarms([match(photo) for photo in others], score)
    shares = {f"{size} cars found": share for size, share in figures["recall"].items()}
    shares["main car, IoU .5"] = figures["main_car"]["iou50"]
    shares["main car, IoU .8"] = figures["main_car"]["iou80"]
    return {
        "score": f"{score:.3f}",
        "AP50": f"{figures['ap50'] or 0:.3f}",
        "AP": f"{figures['ap'] or 0:.3f}",
        **{name: f"{share['share']:.3f} of {share['n']}" for name, share in shares.items()},
        "false alarms beside cars": f"{figures['false_alarms']} in {figures['photos']}",
        "in other things": f"{alarms} in {with_alarms.n}",
    }


def _table(columns: dict[str, dict[str, str]]) -> Iterator[str]:
    yield f"{'':<26}" + "".join(f"{title:>28}" for title in columns)
    for row in next(iter(columns.values())):
        yield f"{row:<26}" + "".join(f"{column[row]:>28}" for column in columns.values())


def _times(finders: dict[str, Find], paths: list[Path], side: int, rounds: int) -> str:
    """Median milliseconds of a decoded photo, and the median of what ours takes of the teacher's
    time in each round."""
    photos = [_pixels(path, side) for path in paths]
    means: dict[str, list[float]] = {name: [] for name in finders}
    for _ in range(rounds):
        seconds = dict.fromkeys(finders, 0.0)
        for pixels in photos:
            for name, find in finders.items():
                started = time.thread_time()
                find(pixels)
                seconds[name] += time.thread_time() - started
        for name, total in seconds.items():
            means[name].append(1000 * total / max(1, len(photos)))
    medians = ", ".join(
        f"{name} {statistics.median(times):.1f} ms" for name, times in means.items()
    )
    ratio = statistics.median(np.divide(means["ours"], means["teacher"]).tolist())
    return f"{medians}; ours takes {ratio:.2f} of the teacher's time ({rounds} rounds)"


def _live(models: Path, name: str) -> Path:
    """The folder of the version of a model that serves."""
    registry = Registry(models)
    version = registry.live_version(name)
    if version is None:
        raise SystemExit(f"No version of {name} is live in {models}: name one with --model.")
    return registry.version_folder(name, version)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, help="its folder; the live one")
    parser.add_argument("--teacher", type=Path, required=True, help="its LiteRT file")
    parser.add_argument("--boxes", type=Path, action="append", required=True)
    parser.add_argument("--others", type=Path, required=True)
    parser.add_argument("--most", type=int, default=1000, help="photos with boxes, and others")
    parser.add_argument("--timed", type=int, default=20, help="photos of a round")
    parser.add_argument("--rounds", type=int, default=20)
    return parser.parse_args()


if __name__ == "__main__":
    main()
