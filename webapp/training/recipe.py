"""Recipes: every setting of a training job, read from a TOML file, checked, and written as one."""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic.dataclasses import dataclass

from webapp.errors import TrainingError
from webapp.inference.models.card import InputSpec, Label

RECIPES = Path(__file__).parent / "recipes"
BACKBONE_NAMES = (
    *("mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large", "resnet50", "resnet50_v2"),
    *(f"efficientnet_b{size}" for size in range(8)),
    *(f"efficientnet_v2_b{size}" for size in range(4)),
    *(f"efficientnet_lite{size}" for size in range(3)),
    *("efficientnet_v2_s", "convnext_tiny", "plain_cnn", "small_cnn"),
)
STRICT = ConfigDict(extra="forbid", strict=True)


def _regular_expression(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"is no regular expression ({error})") from error
    return pattern


_Pattern = Annotated[str, AfterValidator(_regular_expression)]
_Side = Annotated[int, Field(ge=32, multiple_of=32)]
_Share = Annotated[float, Field(gt=0, le=1)]


@dataclass(frozen=True, config=STRICT)
class DataSource:
    """Where some of the photos come from."""

    folder: str  # the name of a data folder
    name: str  # how the card speaks of it
    licence: str = "not stated"
    note: str = ""


@dataclass(frozen=True, config=STRICT)
class Layout:
    """How a data folder says which label a photo has, see docs/models.md; "" is looked for."""

    # folders: one per label; table: CSV or TSV; cars-devkit: Stanford Cars; dogs: Stanford Dogs
    kind: Literal["folders", "table", "cars-devkit", "dogs"] = "folders"
    file: str = ""  # table, cars-devkit: has a line per photo; dogs: a .mat list of photos
    images: str = ""  # the folder of the photos inside the data folder
    image_column: str = ""  # table: the column that names the photo
    label_column: str = ""  # table: the column that names the label
    crop: bool = True  # cars-devkit: cut each photo to its bounding box


@dataclass(frozen=True, config=STRICT)
class _Naming:
    """How labels from the data are shown: regular expressions for the data's name of a label."""

    drop: _Pattern = ""  # what matches is left out of the display name
    parent: _Pattern = ""  # the first group of what matches is the parent

    @model_validator(mode="after")
    def _parent_has_a_group(self) -> Self:
        if self.parent and not re.compile(self.parent).groups:
            raise ValueError("parent needs a group in parentheses: what it matches is the parent")
        return self


@dataclass(frozen=True, config=STRICT)
class SplitRule:
    """How photos are divided: whole groups of near-duplicates, for each label and source apart."""

    validation: _Share = 0.15  # of each label and source: chooses the epoch, fits the thresholds
    test: _Share = 0.15  # of each label and source: measured once, at the end
    seed: int = 2026  # the same photos and seed give the same split
    near_distance: int = 4  # bits of 64 in which difference hashes of near-duplicates may differ
    burst_seconds: int = 3  # frames whose names carry times this close are one burst

    @model_validator(mode="after")
    def _photos_are_left_to_train_on(self) -> Self:
        if self.validation + self.test >= 0.8:
            raise ValueError("validation and test must be under 0.8 together")
        return self


@dataclass(frozen=True, config=STRICT)
class TrainingStage:
    """Some epochs with one picture size and one depth of unfreezing."""

    name: str  # what the progress line says
    epochs: Annotated[int, Field(ge=1)]  # times each photo is seen
    rate: Annotated[float, Field(gt=0)]  # highest learning rate; it falls by the recipe's schedule
    unfreeze: _Share  # of the backbone's layers, counted from the top, that learn
    height: _Side  # pixels
    width: _Side  # pixels
    blended: bool = True  # MixUp and CutMix of the augmentation; photos as they are end a training

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width


@dataclass(frozen=True, config=STRICT)
class Augmentation:
    """What changes at random in a training photo. Team colours are the label: hue hardly moves."""

    flip: float = 0.5  # chance to mirror left and right
    zoom: _Share = 0.5  # smallest share of the picture's area that a random crop keeps
    aspect: Annotated[float, Field(ge=1)] = 1.25  # largest factor by which a crop is stretched
    # largest share of a side by which a crop may reach beyond the picture, whose edge is continued
    surround: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    brightness: float = 0.3  # the picture is multiplied by 1 plus or minus this
    contrast: float = 0.3  # the same for the distance from the mean
    saturation: float = 0.3  # the same for the distance from grey
    hue: float = 0.0  # largest turn of the colour circle, as a share of the whole turn
    grain: float = 0.0  # standard deviation of added noise, in steps of 255
    erase: float = 0.25  # chance to cover one random rectangle with noise
    rand_changes: Annotated[int, Field(ge=0)] = 0  # RandAugment: changes of a photo, of fourteen
    rand_strength: Annotated[float, Field(ge=0, le=1)] = 0.5  # of each of them
    mixup: float = 0.0  # chance that a batch is blended with itself
    cutmix: float = 0.0  # chance that a batch gets patches of itself


@dataclass(frozen=True, config=STRICT)
class Recipe:
    """What the model is for, what it learns from, and how."""

    name: str  # the model's folder in models/
    title: str  # what people call the model
    noun: str = "class"  # what one label is
    noun_plural: str = "classes"
    question: str = "What is this?"  # the headline above the upload form
    summary: str = ""  # one or two sentences for the card
    limits: tuple[str, ...] = ()  # what it cannot do, in plain words
    # in the order of the outputs; empty, or the word "folders": those of the data, sorted
    labels: tuple[Label, ...] = ()
    naming: _Naming = field(default_factory=_Naming)  # for labels that come from the data
    layout: Layout = field(default_factory=Layout)
    # what it learns from: whole photos (or what their boxes cut out), or the car that the live
    # detector finds in each, as in serving
    cars: Literal["whole", "detect"] = "whole"
    data: tuple[DataSource, ...] = ()  # what is known about the data folders
    split: SplitRule = field(default_factory=SplitRule)
    backbone: str = "mobilenet_v2"  # docs/models.md says what each costs
    input: InputSpec = field(default_factory=lambda: InputSpec(height=224, width=224))
    momentum: float = 0.9  # of BatchNorm: Keras' 0.999 needs more than a few hundred steps
    dropout: float = 0.2  # between pooled features and the last layer
    head_views: int = 3  # random views of each photo whose features train the last layer
    head_epochs: int = 40  # the last layer alone, on kept features: seconds, not minutes
    head_rate: float = 2e-3
    stages: tuple[TrainingStage, ...] = ()  # empty: one that suits the photos, see `fitted`
    batch: int = 32  # photos per step
    # photos of other things (--unknown) added to each batch, as a share of it; no label is right
    # for them: all are to get the same probability (Hendrycks, Mazeika and Dietterich 2019)
    exposure: Annotated[float, Field(ge=0, le=1)] = 0.0
    weight_decay: float = 1e-4
    # of the rate within a stage; plateau: 0.3 times it after two epochs without a better loss
    schedule: Literal["cosine", "plateau"] = "cosine"
    smoothing: float = 0.05  # label smoothing (Szegedy et al. 2015, part 7)
    averaging: float = 0.98  # decay per step of the averaged weights, which are kept
    refit: bool = False  # train once more in the end, on train and validation photos together
    patience: int = 0  # epochs without a better loss before a stage ends; 0: never early
    balance: float = 0.5  # labels are repeated (largest / own count) ** balance times
    class_weights: bool = False  # weigh the loss so that every label counts alike
    augmentation: Augmentation = field(default_factory=Augmentation)
    # what the network computes in while it learns; auto: mixed_bfloat16 on a GPU, else float32
    precision: Literal["auto", "float32", "mixed_bfloat16"] = "auto"
    seed: int = 1

    @model_validator(mode="after")
    def _backbone_is_known_and_suits_the_sizes(self) -> Self:
        if self.backbone not in BACKBONE_NAMES:
            names = ", ".join(BACKBONE_NAMES)
            raise ValueError(f"backbone must be one of {names}, got {self.backbone!r}")
        sizes = {stage.size for stage in self.stages} - {(self.input.height, self.input.width)}
        if self.backbone == "plain_cnn" and sizes:
            raise ValueError("plain_cnn has one size: each stage needs that of input")
        return self

    @property
    def label_names(self) -> tuple[str, ...]:
        """The labels' names, in the order of the outputs."""
        return tuple(label.name for label in self.labels)

    def source(self, folder: Path) -> str:
        """What the recipe calls the source of a data folder, or the folder's name."""
        name = folder.resolve().name
        return next((source.name for source in self.data if source.folder == name), name)

    def settings(self) -> dict[str, Any]:
        """What decides the outcome of training, as plain JSON: everything but the texts."""
        texts = {"title", "noun", "noun_plural", "question", "summary", "limits"}
        texts |= {"labels", "naming", "data", "layout"}
        crop = {"crop": self.layout.crop} if self.layout.kind == "cars-devkit" else {}
        return _RECIPE.dump_python(self, exclude=texts) | crop


_RECIPE = TypeAdapter(Recipe)
_AnyRecipe = TypeVar("_AnyRecipe")


def read_recipe(path: Path) -> Recipe:
    """Read a recipe. Raises `TrainingError` that names an unknown or impossible setting."""
    raw = read_toml(path)
    if raw.get("task") == "detect":
        raise TrainingError(
            f"{path.name} is the recipe of a detector: flask model train takes it, and no other "
            "command."
        )
    if "drawings" in raw:
        raise TrainingError(
            f"{path.name}: drawings is no setting any more, Marque draws no cars to train on. "
            "Delete the line."
        )
    if raw.get("labels") == "folders":
        del raw["labels"]
    return checked_recipe(_RECIPE, raw, path, "webapp/training/recipe.py")


def read_toml(path: Path) -> dict[str, Any]:
    """A recipe's settings as they are written. Raises `TrainingError`."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TrainingError(f"The recipe {path.name} cannot be read: {error}") from error


def checked_recipe(
    adapter: TypeAdapter[_AnyRecipe], raw: Any, path: Path, module: str
) -> _AnyRecipe:
    """The recipe of these settings. Raises `TrainingError` that names the first wrong one, and for
    an unknown one the module that lists them."""
    try:
        return adapter.validate_json(json.dumps(raw))
    except TypeError as error:  # the only values of TOML that JSON has not
        raise TrainingError(f"{path.name}: no setting is a date or a time") from error
    except ValidationError as error:
        first = error.errors()[0]
        name, value = ".".join(map(str, first["loc"])), first["input"]
        if first["type"] == "unexpected_keyword_argument":
            problem = f"unknown setting {name}; {module} lists them all"
        elif first["type"] == "missing":
            problem = f"{name} is missing"
        else:
            reason = first["msg"].removeprefix("Value error, ")
            problem = f"{name} {reason.replace('Input should be', 'must be')}".lstrip()
            problem += "" if isinstance(value, dict) else f", got {value!r}"
        raise TrainingError(f"{path.name}: {problem}") from error


def recipe_text(recipe: Recipe, *comments: str) -> str:
    """The recipe as TOML below `comments`, a line each; `read_recipe` reads the same one back."""
    lines = [*(f"# {comment}" for comment in comments), ""]
    tables: list[str] = []
    for name, value in _RECIPE.dump_python(recipe).items():
        if isinstance(value, dict):
            tables += ["", f"[{name}]", *_toml_lines(value)]
        elif isinstance(value, tuple) and value and isinstance(value[0], dict):
            for member in value:
                tables += ["", f"[[{name}]]", *_toml_lines(member)]
        else:
            lines += _toml_lines({name: value})
    return "\n".join([*lines, *tables]).lstrip("\n") + "\n"


def _toml_lines(table: dict[str, Any]) -> list[str]:
    """A line per setting: TOML writes values as JSON does, but for the character 127."""
    texts = {name: json.dumps(value, ensure_ascii=False) for name, value in table.items()}
    return [f"{name} = {text}".replace("\x7f", "\\u007f") for name, text in texts.items()]


def find_recipe(name: str) -> Recipe:
    """The recipe that comes with Marque for this model, or a general one."""
    path = RECIPES / f"{name}.toml"
    if path.is_file():
        return read_recipe(path)
    return Recipe(
        name=name,
        title=name.replace("-", " ").capitalize(),
        summary="Trained without a recipe of its own.",
        limits=(
            "Anything that is none of its classes.",
            "Photos unlike those it learned from: another camera, place or season.",
        ),
    )


def named(recipe: _AnyRecipe, name: str) -> _AnyRecipe:
    """The recipe for a model of this name. Raises `TrainingError` if it cannot be an address."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,62}", name):
        raise TrainingError(
            f"A model's name is made of lower-case letters, digits, dots and dashes, got {name!r}."
        )
    return replace(recipe, name=name)  # type: ignore[type-var]


def with_labels(recipe: Recipe, data: Mapping[str, str]) -> Recipe:
    """The recipe with its labels: its own, or those of the data, displayed by its rules.

    `data` is what the data calls each label, by name. Raises `TrainingError` if a name is no label
    of the recipe.
    """
    if recipe.labels:
        if unknown := sorted(data.keys() - set(recipe.label_names)):
            folders = "the folder" if len(unknown) == 1 else "the folders"
            raise TrainingError(f"The recipe has no label for {folders} {', '.join(unknown)}.")
        return recipe
    rule, labels = recipe.naming, []
    for name, display in sorted(data.items()):
        parent = re.search(rule.parent, display) if rule.parent else None
        plain = re.sub(rule.drop, "", display).strip() if rule.drop else display
        if " " not in plain:  # a name with spaces is meant as it is
            plain = plain.replace("_", " ").replace("-", " ")
        plain = plain[:1].upper() + plain[1:]
        labels.append(Label(name=name, display=plain, parent=(parent[1] or "") if parent else ""))
    return replace(recipe, labels=tuple(labels))


def laid_out(
    recipe: Recipe, kind: str | None = None, image_column: str = "", label_column: str = ""
) -> Recipe:
    """The recipe for another layout of data; what is empty stays, a column asks for a table."""
    kind = kind or ("table" if image_column or label_column else None)
    wanted = {"kind": kind, "image_column": image_column, "label_column": label_column}
    changes = {name: value for name, value in wanted.items() if value}
    return replace(recipe, layout=replace(recipe.layout, **changes))  # type: ignore[arg-type]


def fitted(recipe: Recipe, photos: int) -> Recipe:
    """The recipe, with a stage of a few minutes on two cores if it names none.

    Few photos are seen often, in small batches, and change only the upper half of the network.
    """
    if recipe.stages:
        return recipe
    few = photos < 500
    stage = TrainingStage(
        name="upper half" if few else "all layers",
        epochs=min(20, max(4, round(3000 / max(1, photos)))),
        rate=3e-4,
        unfreeze=0.5 if few else 1.0,
        height=max(32, recipe.input.height // 32 * 32),
        width=max(32, recipe.input.width // 32 * 32),
    )
    batch = min(recipe.batch, 8 if photos < 100 else 16 if photos < 1000 else recipe.batch)
    head_views = recipe.head_views if photos < 1000 else 1
    return replace(recipe, stages=(stage,), batch=batch, head_views=head_views)
