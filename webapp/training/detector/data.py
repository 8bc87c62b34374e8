"""The photos that a detector learns from: their boxes, what each box counts as, the split."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from webapp.errors import TrainingError
from webapp.inference.metrics.overlap import areas, intersections, iou
from webapp.inference.models.detector_gate import TruePhoto
from webapp.inference.models.held_out import LabelledPhoto, hashed, once_each
from webapp.training.data_files import files_in
from webapp.training.dataset import (
    Parts,
    TrainingExample,
    group,
    read_examples,
    split,
)
from webapp.training.detector.box_data import BoxedPhoto, read_boxes
from webapp.training.detector.recipe import DetectorRecipe
from webapp.training.detector.scenes import CAR, IGNORED, NOTHING, Scene, SceneMaker
from webapp.training.earlier import earlier_parts
from webapp.training.job import say

_BOXES, _NO_BOXES = "boxes", "no boxes"  # labels of photos with a list of boxes
_SAME_CAR = 0.5  # overlap of a machine's box with a person's that are one car
_MOSTLY = 0.75  # share of a machine's box inside another one that makes it a part of that car


class BoxData:
    """The photos of data folders, divided into train, validation and test."""

    def __init__(
        self, folders: Iterable[Path], recipe: DetectorRecipe, weights: str | Path = "none"
    ) -> None:
        """Read all photos; those of the version that the network starts from keep their part.
        Raises `TrainingError` if something cannot be used."""
        self.recipe = recipe
        self._boxed: dict[Path, BoxedPhoto] = {}
        listed: list[LabelledPhoto] = []
        for folder in folders:
            role, source = recipe.role(folder), recipe.source(folder)
            if role == "boxes":
                photos = {photo.path: photo for photo in read_boxes(folder)}
                self._boxed |= photos
                roles = {path: self._role_of(photo) for path, photo in photos.items()}
            else:
                roles = dict.fromkeys(files_in(folder), role)
            listed += [LabelledPhoto(path, role, source=source) for path, role in roles.items()]
        self._say_what_counts_as_nothing()
        side = round(1.5 * max(recipe.input.height, recipe.input.width))
        readable, self.refused = read_examples(listed, side)
        for name, why in self.refused:
            say(f"left out {name}: {why}")
        examples, self.repeated, self.two_roles = once_each(readable)
        for name in self.two_roles:
            say(f"left out {name}: the same file means something else in another place")
        self.examples = group(examples, recipe.split)
        self.parts: Parts = split(self.examples, recipe.split, earlier_parts(weights))

    def _role_of(self, photo: BoxedPhoto) -> str:
        """Photos with and without boxes are divided apart, so that each part has both."""
        return _BOXES if (box_kinds(photo, self.recipe) != NOTHING).any() else _NO_BOXES

    def _say_what_counts_as_nothing(self) -> None:
        """A line with the classes of people's boxes that are neither cars nor ignored."""
        counts = Counter(
            name
            for photo in self._boxed.values()
            for name, kind in zip(photo.classes, box_kinds(photo, self.recipe), strict=True)
            if kind == NOTHING and name.lower() not in self.recipe.cars
        )
        if counts:
            listed = ", ".join(f"{name} {number:,}" for name, number in counts.most_common(12))
            say(f"boxes of classes that are no cars: {listed}")

    def scenes(self, part: str) -> list[Scene]:
        """The photos of a part that have a list of boxes."""
        return [Scene(photo.pixels, *self.boxes_of(photo.path)) for photo in self.listed(part)]

    def listed(self, part: str) -> list[TrainingExample]:
        """The photos of a part that have a list of boxes, maybe an empty one."""
        return [photo for photo in self.parts[part] if photo.label in (_BOXES, _NO_BOXES)]

    def boxes_of(self, path: Path) -> tuple[np.ndarray, np.ndarray]:
        """Boxes and kinds of a listed photo as in `Scene`, without those that are nothing."""
        photo = self._boxed[path]
        kinds = box_kinds(photo, self.recipe)
        return photo.boxes[kinds != NOTHING], kinds[kinds != NOTHING]

    def maker(self, part: str = "train") -> SceneMaker:
        """What makes views of the photos of a part. Raises `TrainingError` if it cannot."""
        members, scenes = self.parts[part], self.scenes(part)
        crops = [photo.pixels for photo in members if photo.label == "crops"]
        others = [photo.pixels for photo in members if photo.label == "others"]
        others += [scene.pixels for scene in scenes if not len(scene.boxes)]
        if not any((scene.kinds == CAR).any() for scene in scenes) or not others:
            raise TrainingError(
                "A detector needs photos with boxes, and photos without a car: in a list with no "
                'boxes for them, or in a data folder whose role in the recipe is "others". Of one '
                f"of these kinds no photo is left for the part {part}: add more."
            )
        size = self.recipe.input.height, self.recipe.input.width
        weights = [self.recipe.weight(photo.source) for photo in self.listed(part)]
        return SceneMaker(scenes, crops, others, size, np.cumsum(weights))


def box_kinds(photo: BoxedPhoto, recipe: DetectorRecipe) -> np.ndarray:
    """The kind of each box: `CAR`, `IGNORED` or `NOTHING`, int8 (n,).

    A person's box counts by its class. A machine's (score under 1) counts by its score, unless it
    shows what a person's box or a surer one shows already: then it is nothing, or ignored when it
    is mostly inside that one.
    """
    kinds = np.full(len(photo.boxes), NOTHING, np.int8)
    counted: list[int] = []
    for place in np.argsort(-photo.scores, kind="stable"):
        name, score = photo.classes[place].lower(), float(photo.scores[place])
        is_car = not name or name in recipe.cars
        if photo.crowds[place] or name in recipe.ignored:
            kinds[place] = IGNORED
        elif is_car:
            sure = score >= recipe.sure
            kinds[place] = CAR if sure else IGNORED if score >= recipe.unsure else NOTHING
        if score < 1 and kinds[place] != NOTHING and counted:
            kinds[place] = _beside(photo.boxes[place], photo.boxes[counted], kinds[place])
        if kinds[place] != NOTHING:
            counted.append(int(place))
    return kinds


def true_boxes(
    photos: Sequence[BoxedPhoto], recipe: DetectorRecipe
) -> Iterator[tuple[BoxedPhoto, np.ndarray, np.ndarray]]:
    """Each photo of a list with the boxes of its cars and those that are neither right nor wrong to
    find, (n, 4) each. A machine's boxes are neither where the list has boxes that people drew."""
    drawn = any((photo.scores == 1).any() for photo in photos)
    for photo in photos:
        kinds = box_kinds(photo, recipe)
        kinds[(kinds == CAR) & drawn & (photo.scores < 1)] = IGNORED
        yield photo, photo.boxes[kinds == CAR], photo.boxes[kinds == IGNORED]


def photos_with_truth(
    folders: Iterable[Path], without: Path | None, recipe: DetectorRecipe
) -> list[TruePhoto]:
    """The photos of data folders, each content once, with what a detector should find in them; in
    those of the folder `without` there is nothing to find. Raises `TrainingError`."""
    none = np.zeros((0, 4), np.float32)
    photos = [
        (photo.path, cars, ignored)
        for folder in folders
        for photo, cars, ignored in true_boxes(read_boxes(folder), recipe)
    ]
    photos += [(path, none, none) for path in (files_in(without) if without else ())]
    unique: dict[str, TruePhoto] = {}
    for path, cars, ignored in photos:
        photo = hashed(LabelledPhoto(path, ""))
        true = TruePhoto(photo.name, photo.sha256, cars, ignored, path.read_bytes)
        unique.setdefault(photo.sha256, true)
    return list(unique.values())


def _beside(box: np.ndarray, counted: np.ndarray, kind: np.int8) -> np.int8:
    """The kind of a machine's box beside boxes that count already."""
    row = box[np.newaxis]
    if iou(row, counted).max() >= _SAME_CAR:
        return np.int8(NOTHING)
    inside = intersections(row, counted).max() / areas(row)[0]
    return np.int8(IGNORED) if inside >= _MOSTLY else kind
