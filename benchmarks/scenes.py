"""How well the detector and the live models together answer: tight crops, small cars in scenes, two
cars side by side, Formula One cars, and other things.

Run `python -m benchmarks.scenes --crops stanford-cars --f1 f1-photos --ground stanford-dogs
--others not-cars` with folders of photos, one folder per label below `--crops` and `--f1`. Only
photos that no live version was trained or calibrated on are taken; scenes are made of them with a
fixed seed.
"""

import argparse
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from webapp.domain import DETECTOR, PHOTO_ENDINGS, UNCLASSIFIED, ClassifiedCar
from webapp.inference.classifier import Classifier, classify
from webapp.inference.detector import Detector
from webapp.inference.metrics.intervals import share_of
from webapp.inference.metrics.overlap import iou
from webapp.inference.models.held_out import is_unseen, read_split
from webapp.inference.models.loading import load_classifier, load_live_detector
from webapp.inference.models.registry import Registry

SCENE = (960, 640)  # pixels, width and height
Labelled = tuple[Path, str]
Edges = tuple[float, float, float, float]  # left, top, right, bottom as shares


@dataclass
class Counts:
    """Counted answers of one kind of photo; each is a list of true or false."""

    answers: dict[str, list[bool]] = field(default_factory=dict)

    def add(self, name: str, is_so: bool) -> None:
        """Count one answer."""
        self.answers.setdefault(name, []).append(is_so)

    def lines(self) -> Iterator[str]:
        """A line for each name: the share with its 95 % interval."""
        for name, values in self.answers.items():
            share = share_of(sum(values), len(values))
            interval = f"{share.low:.1%} to {share.high:.1%}"
            yield f"  {name:<28}{share.share:>7.1%}  ({interval}, n={len(values)})"


@dataclass(frozen=True)
class Eyes:
    """The live detector and the live models."""

    detector: Detector | None
    classifiers: list[Classifier]

    def cars(self, content: bytes) -> list[ClassifiedCar]:
        """The cars of a photo, the main one first."""
        return classify(content, self.classifiers, self.detector).cars

    def knows(self, model: str, label: str) -> bool:
        """Whether the model called `model` has this label."""
        cards = (classifier.card for classifier in self.classifiers)
        return any(card.name == model and card.label(label) for card in cards)


def main() -> None:
    """Print a table of shares."""
    arguments = _arguments()
    registry = Registry(arguments.models)
    names = [name for name in registry.names() if registry.live_version(name)]
    versions = [(name, registry.live_version(name)) for name in names]
    eyes = Eyes(
        load_live_detector(arguments.models),
        [load_classifier(registry, name, version, "litert") for name, version in versions],
    )
    folders = [registry.version_folder(name, version) for name, version in versions]
    splits = [
        read_split(folder, eyes_card.card)
        for folder, eyes_card in zip(folders, eyes.classifiers, strict=True)
    ]
    splits = [split for split in splits if split]
    rng = np.random.default_rng(2026)

    def unseen(folder: Path) -> list[Labelled]:
        kept = [photo for photo in _all(folder) if is_unseen(_sha256(photo[0]), splits)]
        rng.shuffle(kept)
        return kept[: arguments.most]

    if arguments.crops:
        crops, grounds = unseen(arguments.crops), [path for path, _ in _all(arguments.ground)]
        _print("tight crops", _tight(eyes, crops))
        for share in (0.24, 0.11):
            _print(f"a car on {share:.0%} of a scene", _small(eyes, crops, grounds, share, rng))
        _print("two cars side by side", _two(eyes, crops, rng))
    for folder in arguments.f1:
        _print(f"Formula One: {folder.name}", _formula_one(eyes, unseen(folder)))
    if arguments.others:
        _print("other things", _others(eyes, [path for path, _ in _all(arguments.others)]))


# ---- the kinds of photos ----


def _tight(eyes: Eyes, crops: list[Labelled]) -> Counts:
    counts = Counts()
    for path, label in tqdm(crops, disable=None, leave=False):
        car = eyes.cars(path.read_bytes())[0]
        _count_box(counts, car, (0, 0, 1, 1))
        _count_answer(counts, car, "stanford-cars", label)
    return counts


def _small(
    eyes: Eyes, crops: list[Labelled], grounds: list[Path], share: float, rng: np.random.Generator
) -> Counts:
    counts = Counts()
    for path, label in tqdm(crops, disable=None, leave=False):
        scene = Image.open(grounds[int(rng.integers(len(grounds)))]).convert("RGB").resize(SCENE)
        crop = Image.open(path).convert("RGB")
        height = (share * SCENE[0] * SCENE[1] * crop.height / crop.width) ** 0.5
        size = round(height * crop.width / crop.height), round(height)
        left, top = (int(rng.integers(0, max(1, SCENE[axis] - size[axis]))) for axis in (0, 1))
        scene.paste(crop.resize(size, Image.Resampling.BICUBIC), (left, top))
        box = left, top, left + size[0], top + size[1]
        edges = tuple(edge / SCENE[axis % 2] for axis, edge in enumerate(box))
        cars = eyes.cars(_jpeg(scene))
        _count_box(counts, cars[0], edges)
        _count_answer(counts, cars[0], "stanford-cars", label)
    return counts


def _two(eyes: Eyes, crops: list[Labelled], rng: np.random.Generator) -> Counts:
    counts = Counts()
    order = rng.permutation(len(crops))
    for first, second in zip(order[::2], order[1::2], strict=False):
        pair = [crops[first], crops[second]]
        if pair[0][1] == pair[1][1]:
            continue
        scene = Image.new("RGB", (800, 300))
        for place, (path, _label) in enumerate(pair):
            crop = Image.open(path).convert("RGB").resize((400, 300), Image.Resampling.BICUBIC)
            scene.paste(crop, (400 * place, 0))
        cars = eyes.cars(_jpeg(scene))
        boxes = np.array([_edges(car) for car in cars])
        halves = np.array([(0, 0, 0.5, 1), (0.5, 0, 1, 1)])
        found = np.array([[car.car.found_by == DETECTOR] for car in cars])
        overlaps = iou(boxes, halves) * found
        counts.add("both found", bool((overlaps.max(axis=0) >= 0.5).all()))
        for half, (_path, label) in enumerate(pair):
            car = cars[int(overlaps[:, half].argmax())]
            answer = car.answer
            is_found = overlaps[:, half].max() >= 0.5
            counts.add("each right", bool(is_found and answer and answer.label == label))
    return counts


def _formula_one(eyes: Eyes, photos: list[Labelled]) -> Counts:
    counts = Counts()
    for path, label in tqdm(photos, disable=None, leave=False):
        car = eyes.cars(path.read_bytes())[0]
        counts.add("a car is found", car.car.found_by == DETECTOR)
        if eyes.knows("f1-teams", label):
            _count_answer(counts, car, "f1-teams", label)
    return counts


def _others(eyes: Eyes, photos: list[Path]) -> Counts:
    counts = Counts()
    for path in tqdm(photos, disable=None, leave=False):
        cars = eyes.cars(path.read_bytes())
        counts.add("a car is found", cars[0].car.found_by == DETECTOR)
        counts.add("named", any(car.answer.decision != UNCLASSIFIED for car in cars if car.answer))
    return counts


def _count_box(counts: Counts, car: ClassifiedCar, edges: Edges) -> None:
    overlap = float(iou(np.array([_edges(car)]), np.array([edges]))[0, 0])
    is_found = car.car.found_by == DETECTOR
    counts.add("main car found, IoU .5", is_found and overlap >= 0.5)
    counts.add("main car found, IoU .8", is_found and overlap >= 0.8)


def _count_answer(counts: Counts, car: ClassifiedCar, model: str, label: str) -> None:
    """Of the answer that is shown: the right model's, first label, among five, decided."""
    answer = car.answer
    if answer is None:
        return
    own = next(each for each in car.answers if each.model == model)
    right = answer.model == model and answer.label == label
    counts.add("first label right", right)
    counts.add("own model: first right", own.label == label)
    counts.add("own model: among five", label in [line.label for line in own.ranked[:5]])
    counts.add("right and decided", right and answer.decision == label)
    counts.add("unclassified", answer.decision == UNCLASSIFIED)
    other = answer.model != model and answer.decision != UNCLASSIFIED
    counts.add("another model names it", other)


def _edges(car: ClassifiedCar) -> Edges:
    x, y, width, height = car.car.box
    return x, y, x + width, y + height


def _jpeg(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=92)
    return file.getvalue()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _all(folder: Path) -> list[Labelled]:
    paths = (path for path in sorted(folder.rglob("*.*")) if path.suffix.lower() in PHOTO_ENDINGS)
    return [(path, path.parent.name) for path in paths]


def _print(title: str, counts: Counts) -> None:
    print(title)
    print("\n".join(counts.lines()), flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, default=Path("models"))
    parser.add_argument("--crops", type=Path, help="tight photos of road cars")
    parser.add_argument("--f1", type=Path, nargs="*", default=[], help="photos of teams")
    parser.add_argument("--ground", type=Path, help="photos that cars are pasted on")
    parser.add_argument("--others", type=Path, help="photos of other things")
    parser.add_argument("--most", type=int, default=500, help="photos of a folder")
    arguments = parser.parse_args()
    if arguments.crops and not arguments.ground:
        parser.error("--crops needs --ground")
    return arguments


if __name__ == "__main__":
    main()
