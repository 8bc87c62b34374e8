"""Recipes as data: every setting of a training job, read from a TOML file and checked."""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from webapp.errors import TrainingError
from webapp.inference.models.card import InputSpec, Label
from webapp.training.schedule import SCHEDULES

RECIPES = Path(__file__).parent / "recipes"
BACKBONE_NAMES = (
    "mobilenet_v2",
    "mobilenet_v3_small",
    "mobilenet_v3_large",
    "resnet50",
    "resnet50_v2",
    *(f"efficientnet_b{size}" for size in range(8)),
    *(f"efficientnet_v2_b{size}" for size in range(4)),
    "efficientnet_v2_s",
    "convnext_tiny",
    "plain_cnn",
    "small_cnn",
)
PRECISIONS = ("auto", "float32", "mixed_bfloat16")
LAYOUTS = ("folders", "table", "cars-devkit", "dogs")


@dataclass(frozen=True)
class Source:
    """Where some of the photos come from. `folder` is the name of a data folder, `name` how the card speaks of it."""

    folder: str
    name: str
    licence: str = "not stated"
    note: str = ""


@dataclass(frozen=True)
class Layout:
    """How a data folder says which label a photo has; docs/models.md shows each kind. What is empty is looked for."""

    kind: str = "folders"  # folders: one per label; table: a CSV or TSV file; cars-devkit: Stanford Cars; dogs: Stanford Dogs
    file: str = ""  # table and cars-devkit: the file with a line per photo; dogs: a .mat list, to read those photos only
    images: str = ""  # the folder of the photos inside the data folder
    image_column: str = ""  # table: the column that names the photo
    label_column: str = ""  # table: the column that names the label
    crop: bool = True  # cars-devkit: cut each photo to its bounding box


@dataclass(frozen=True)
class Naming:
    """How labels that come from the data are shown. Both rules are regular expressions, applied to the data's own name of a label."""

    drop: str = ""  # what matches is left out of the display name
    parent: str = ""  # the first group of what matches is the parent


@dataclass(frozen=True)
class SplitRule:
    """How photos are divided. Whole groups of near-duplicates go to one part, for each label and source apart."""

    validation: float = (
        0.15  # share of each label and source: chooses the epoch, fits temperature and threshold
    )
    test: float = 0.15  # share of each label and source: measured once, at the end
    seed: int = 2026  # the same photos and seed give the same split
    near_distance: int = (
        4  # bits of 64 in which the difference hashes of near-duplicates may differ
    )
    burst_seconds: int = (
        3  # frames of one source and label whose names carry times this close are one burst
    )


@dataclass(frozen=True)
class Stage:
    """A stretch of epochs with one picture size and one depth of unfreezing."""

    name: str  # what the progress line says
    epochs: int  # times each photo is seen
    rate: float  # learning rate at its highest; falls by the recipe's schedule
    unfreeze: float  # share of the backbone's layers, counted from the top, that learn
    height: int  # pixels, a multiple of 32
    width: int  # pixels, a multiple of 32


@dataclass(frozen=True)
class Augmentation:
    """What is changed at random in a training photo. Team colours are the label, so hue hardly moves."""

    flip: float = 0.5  # chance to mirror left and right
    zoom: float = 0.5  # smallest share of the picture's area that a random crop keeps
    aspect: float = 1.25  # a crop may be stretched or squeezed by up to this factor
    brightness: float = 0.3  # the picture is multiplied by 1 plus or minus this
    contrast: float = 0.3  # the same for the distance from the mean
    saturation: float = 0.3  # the same for the distance from grey
    hue: float = 0.0  # largest turn of the colour circle, as a share of the whole turn
    grain: float = 0.0  # standard deviation of added noise, in steps of 255
    erase: float = 0.25  # chance to cover one random rectangle with noise
    rand_changes: int = (
        0  # RandAugment: so many changes of a photo, of fourteen (Cubuk et al. 2019)
    )
    rand_strength: float = 0.5  # of each of them, in [0, 1]
    mixup: float = 0.0  # chance that a batch is blended with itself (Zhang et al. 2017, "mixup")
    cutmix: float = 0.0  # chance that a batch gets patches of itself (Yun et al. 2019, "CutMix")


@dataclass(frozen=True)
class Recipe:
    """A training job: what the model is for, what it learns from, and how."""

    name: str  # the model's folder in models/
    title: str  # what people call the model
    noun: str = "class"  # what one label is
    noun_plural: str = "classes"
    question: str = "What is this?"  # the headline above the upload form
    summary: str = ""  # one or two sentences for the card
    limits: tuple[str, ...] = ()  # what it cannot do, in plain words
    labels: tuple[
        Label, ...
    ] = ()  # in the order of the outputs; empty, or the word "folders": those of the data, sorted
    naming: Naming = field(default_factory=Naming)  # for labels that come from the data
    layout: Layout = field(default_factory=Layout)
    data: tuple[Source, ...] = ()  # what is known about the data folders
    split: SplitRule = field(default_factory=SplitRule)
    backbone: str = "mobilenet_v2"  # a name in BACKBONE_NAMES; docs/models.md says what each costs
    input: InputSpec = field(default_factory=lambda: InputSpec(height=224, width=224))
    momentum: float = (
        0.9  # of BatchNorm: with few hundred steps Keras' 0.999 leaves its statistics behind
    )
    dropout: float = 0.2  # between pooled features and the last layer
    head_views: int = 3  # random views of each photo whose features are kept for the first stage
    head_epochs: int = 40  # the last layer alone, on kept features: seconds, not minutes
    head_rate: float = 2e-3
    stages: tuple[
        Stage, ...
    ] = ()  # empty: a short one that suits the number of photos, see `fitted`
    batch: int = 32  # photos per step
    weight_decay: float = 1e-4
    schedule: str = "cosine"  # of the rate within a stage; plateau: 0.3 times it after two epochs without a better loss
    smoothing: float = 0.05  # label smoothing (Szegedy et al. 2015, part 7)
    averaging: float = (
        0.98  # decay per step of the averaged weights, which are what is validated and kept
    )
    refit: bool = False  # in the end train once more, on train and validation photos together, for the same epochs
    patience: int = 0  # epochs without a better validation loss before a stage ends; 0: never early
    balance: float = (
        0.5  # rare labels are repeated (largest / own count) ** balance times; 0: as they come
    )
    class_weights: bool = (
        False  # weigh the loss so that every label counts alike, on top of what balance leaves
    )
    augmentation: Augmentation = field(default_factory=Augmentation)
    precision: str = "auto"  # what the network that learns computes in; auto: mixed_bfloat16 on a GPU, float32 on processors
    seed: int = 1

    def settings(self) -> dict[str, Any]:
        """What decides the outcome of training, as plain JSON: everything but the words."""
        words = {
            "title",
            "noun",
            "noun_plural",
            "question",
            "summary",
            "limits",
            "labels",
            "naming",
            "data",
            "layout",
        }
        crop = {"crop": self.layout.crop} if self.layout.kind == "cars-devkit" else {}
        return {key: value for key, value in asdict(self).items() if key not in words} | crop


def read_recipe(path: Path) -> Recipe:
    """Read a recipe. Raises `TrainingError` that names an unknown or impossible setting."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TrainingError(f"The recipe {path.name} cannot be read: {error}") from error
    if "drawings" in raw:
        raise TrainingError(
            f"{path.name}: drawings is no setting any more, Marque draws no cars to train on. Delete the line."
        )
    recipe: Recipe = _build(Recipe, raw, path.name)
    check(recipe)
    return recipe


def find_recipe(name: str) -> Recipe:
    """The recipe that comes with Marque for this model, or a general one."""
    path = RECIPES / f"{name}.toml"
    return read_recipe(path) if path.is_file() else general_recipe(name)


def general_recipe(name: str) -> Recipe:
    """What is done when nobody wrote a recipe: labels from the data, the usual backbone, stages that suit the number of photos."""
    return Recipe(
        name=name,
        title=name.replace("-", " ").capitalize(),
        summary="Trained without a recipe of its own.",
        limits=(
            "Anything that is none of its classes.",
            "Photos unlike those it learned from: another camera, place or season.",
        ),
    )


def named(recipe: Recipe, name: str) -> Recipe:
    """The recipe for a model called `name`. Raises `TrainingError` when the name cannot be a folder and an address."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,62}", name):
        raise TrainingError(
            f"A model's name is made of lower-case letters, digits, dots and dashes, got {name!r}."
        )
    return replace(recipe, name=name)


def with_labels(
    recipe: Recipe, names: Iterable[str], shown: dict[str, str] | None = None
) -> Recipe:
    """The recipe with its labels: its own, or those of the data, named for people by its rules.

    `shown` is what the data calls a label where that is more than its name. Raises `TrainingError` for a name that is no label.
    """
    if not recipe.labels:
        return replace(
            recipe,
            labels=tuple(
                _label(name, (shown or {}).get(name, name), recipe.naming) for name in sorted(names)
            ),
        )
    unknown = sorted(set(names) - {label.name for label in recipe.labels})
    if unknown:
        raise TrainingError(
            f"The recipe has no label for {'the folder' if len(unknown) == 1 else 'the folders'} {', '.join(unknown)}."
        )
    return recipe


def source_of(recipe: Recipe, folder: Path) -> Source:
    """What the recipe knows about a data folder, or a source named after it."""
    return next(
        (one for one in recipe.data if one.folder == folder.resolve().name),
        Source(folder.name, folder.resolve().name),
    )


def laid_out(
    recipe: Recipe, kind: str | None = None, image_column: str = "", label_column: str = ""
) -> Recipe:
    """The recipe for data in another layout than its own; what is empty stays, and naming a column asks for a table."""
    own = recipe.layout
    kind = kind or ("table" if image_column or label_column else own.kind)
    layout = replace(
        own,
        kind=kind,
        image_column=image_column or own.image_column,
        label_column=label_column or own.label_column,
    )
    return replace(recipe, layout=layout)


def fitted(recipe: Recipe, photos: int) -> Recipe:
    """The recipe with stages that suit the number of photos to train on, if it names none: a few minutes on two cores.

    Few photos are seen often, in small batches, and move only the upper half of the network; many are seen four times and move all of it.
    """
    if recipe.stages:
        return recipe
    few = photos < 500
    stage = Stage(
        name="upper half" if few else "all layers",
        epochs=min(20, max(4, round(3000 / max(1, photos)))),
        rate=3e-4,
        unfreeze=0.5 if few else 1.0,
        height=max(32, recipe.input.height // 32 * 32),
        width=max(32, recipe.input.width // 32 * 32),
    )
    batch = min(recipe.batch, 8 if photos < 100 else 16 if photos < 1000 else recipe.batch)
    return replace(
        recipe, stages=(stage,), batch=batch, head_views=recipe.head_views if photos < 1000 else 1
    )


def check(recipe: Recipe) -> None:
    """Raise `TrainingError` when the recipe contradicts itself."""
    if recipe.backbone not in BACKBONE_NAMES:
        raise TrainingError(
            f"backbone must be one of {', '.join(BACKBONE_NAMES)}, got {recipe.backbone!r}"
        )
    if recipe.precision not in PRECISIONS:
        raise TrainingError(
            f"precision must be one of {', '.join(PRECISIONS)}, got {recipe.precision!r}"
        )
    if recipe.schedule not in SCHEDULES:
        raise TrainingError(
            f"schedule must be one of {', '.join(SCHEDULES)}, got {recipe.schedule!r}"
        )
    if recipe.layout.kind not in LAYOUTS:
        raise TrainingError(
            f"layout.kind must be one of {', '.join(LAYOUTS)}, got {recipe.layout.kind!r}"
        )
    for key, pattern in (("drop", recipe.naming.drop), ("parent", recipe.naming.parent)):
        try:
            groups = re.compile(pattern).groups
        except re.error as error:
            raise TrainingError(f"naming.{key} is no regular expression: {error}") from error
        if key == "parent" and pattern and not groups:
            raise TrainingError(
                "naming.parent needs a group in parentheses: what it matches is the parent"
            )
    sizes = {(stage.height, stage.width) for stage in recipe.stages}
    if recipe.backbone == "plain_cnn" and sizes - {(recipe.input.height, recipe.input.width)}:
        raise TrainingError(
            "the backbone plain_cnn has one size: each stage needs the height and width of input"
        )
    for stage in recipe.stages:
        if stage.height % 32 or stage.width % 32 or stage.height < 32 or stage.width < 32:
            raise TrainingError(
                f"stage {stage.name!r}: height and width must be multiples of 32, got {stage.height} x {stage.width}"
            )
        if not 0 < stage.unfreeze <= 1 or stage.epochs < 1 or stage.rate <= 0:
            raise TrainingError(
                f"stage {stage.name!r}: needs epochs of at least 1, a rate over 0 and 0 < unfreeze <= 1"
            )
    if (
        recipe.split.validation <= 0
        or recipe.split.test <= 0
        or recipe.split.validation + recipe.split.test >= 0.8
    ):
        raise TrainingError("split.validation and split.test must be over 0 and together under 0.8")
    if not 0 < recipe.augmentation.zoom <= 1 or recipe.augmentation.aspect < 1:
        raise TrainingError(
            "augmentation.zoom must be over 0 and at most 1, augmentation.aspect at least 1"
        )
    if recipe.augmentation.rand_changes < 0 or not 0 <= recipe.augmentation.rand_strength <= 1:
        raise TrainingError(
            "augmentation.rand_changes must be 0 or more, augmentation.rand_strength from 0 to 1"
        )


NESTED: dict[str, Any] = {
    "split": SplitRule,
    "input": InputSpec,
    "augmentation": Augmentation,
    "layout": Layout,
    "naming": Naming,
}
LISTED: dict[str, Any] = {"labels": Label, "data": Source, "stages": Stage}


def _label(name: str, shown: str, rule: Naming) -> Label:
    parent = re.search(rule.parent, shown) if rule.parent else None
    plain = re.sub(rule.drop, "", shown).strip() if rule.drop else shown
    display = (
        plain.replace("_", " ").replace("-", " ") if " " not in plain else plain
    )  # a name with spaces is meant as it is
    return Label(
        name=name,
        display=display[:1].upper() + display[1:],
        parent=(parent[1] or "") if parent else "",
    )


def _build(kind: Any, raw: dict[str, Any], where: str) -> Any:
    known = {one.name: one for one in fields(kind)}
    unknown = sorted(set(raw) - set(known))
    if unknown:
        raise TrainingError(
            f"{where}: unknown setting {', '.join(unknown)}. Known are {', '.join(known)}."
        )
    values = {key: _value(key, value, f"{where}: {key}") for key, value in raw.items()}
    try:
        built = kind(**values)
    except TypeError as error:
        raise TrainingError(f"{where}: {error}") from error
    return _check_types(built, where)


def _value(key: str, value: Any, where: str) -> Any:
    if key in NESTED and isinstance(value, dict):
        return _build(NESTED[key], value, where)
    if key in LISTED and isinstance(value, list):
        return tuple(_build(LISTED[key], one, where) for one in value)
    if key == "labels" and value == "folders":
        return ()
    return tuple(value) if isinstance(value, list) else value


def _check_types(built: Any, where: str) -> Any:
    for one in fields(built):
        value, wanted = getattr(built, one.name), str(one.type)
        fits = {
            "str": isinstance(value, str),
            "bool": isinstance(value, bool),
            "int": isinstance(value, int) and not isinstance(value, bool),
            "float": isinstance(value, int | float) and not isinstance(value, bool),
        }.get(wanted, is_dataclass(value) or isinstance(value, tuple))
        if not fits:
            raise TrainingError(f"{where}: {one.name} must be {wanted}, got {value!r}")
    return built
