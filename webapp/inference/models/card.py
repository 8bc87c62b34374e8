"""The model card: how to use a version's weights, and how far to trust them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from webapp.domain import ALL_MODELS, UNCLASSIFIED, VERDICTS
from webapp.errors import BadCardError
from webapp.inference.familiarity import FamiliarityRule

CARD_FILE = "card.json"
KERAS_FILE = "model.keras"
COMPILED_FILE = "model.tflite"
FAMILIARITY_FILE = "familiarity.npz"
NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,62}$"
ResizeRule = Literal["stretch", "pad", "crop"]
RESIZE_RULES: tuple[str, ...] = get_args(ResizeRule)
# a list of numbers in indented JSON; texts hold no bare line feed, so it matches inside none
_NUMBERS = re.compile(r"\[\n\s*((?:-?[0-9][0-9.e+-]*,?\s*)+)\]")
Groups = Mapping[str, list[int]]  # places of labels by their parent, see `group_by_parent`
CARD_CONFIG = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
_ADAPTERS: dict[type, TypeAdapter[Any]] = {}  # by the kind of card, made on first need


@dataclass(frozen=True)
class Label:
    """One class: `name` is the key, `display` what people read, `parent` a coarser name or ""."""

    __pydantic_config__ = CARD_CONFIG

    name: str
    display: str
    color: Annotated[str, Field(pattern=r"^(#[0-9A-Fa-f]{6})?$")] = ""
    parent: str = ""
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class InputSpec:
    """What the network takes: uint8 RGB of shape (height, width, 3), made from a photo by `resize`.

    `stretch` ignores the aspect ratio, `pad` keeps it and fills with mid-grey, `crop` keeps it and
    cuts the longer side in the middle.
    """

    __pydantic_config__ = CARD_CONFIG

    height: Annotated[int, Field(ge=8, le=2048)]
    width: Annotated[int, Field(ge=8, le=2048)]
    resize: ResizeRule = "stretch"


@dataclass(frozen=True)
class Golden:
    """A photo that travels with the version, by its path in the folder, and its probabilities."""

    __pydantic_config__ = CARD_CONFIG

    file: str
    probabilities: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class VersionCard:
    """What the cards of classifiers and detectors have in common. Only `from_json` and `check`
    check a card. `metrics` are plain JSON: see docs/models.md for each key."""

    __pydantic_config__ = CARD_CONFIG

    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    version: Annotated[int, Field(ge=1)]
    title: str
    summary: str
    input: InputSpec
    threshold: Annotated[float, Field(ge=0, le=1)]
    limits: tuple[str, ...] = ()
    metrics: dict[str, Any] = field(default_factory=dict)
    split: dict[str, Any] = field(default_factory=dict)
    data: tuple[dict[str, Any], ...] = ()
    label_event: int | None = None
    training: dict[str, Any] = field(default_factory=dict)
    libraries: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    created_at: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def companions(self) -> tuple[str, ...]:
        """The files beside the network that using it needs."""
        return ()

    @property
    def golden_files(self) -> tuple[str, ...]:
        """The golden photos, by their paths in the version's folder."""
        return ()

    def to_json(self) -> str:
        """The card as indented JSON in the order of the fields."""
        return indented_json(asdict(self)) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read and check a card. Raises `BadCardError` that names the fields."""
        try:
            if cls not in _ADAPTERS:
                _ADAPTERS[cls] = TypeAdapter(cls)
            card: Self = _ADAPTERS[cls].validate_json(text)
        except ValidationError as error:
            raise BadCardError(_sentence(error, CARD_FILE)) from None
        card._check_contradictions()
        return card

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read and check the card of the version in `folder`. Raises `BadCardError`."""
        return cls.from_json(read_card_text(folder))

    def check(self) -> None:
        """Raises `BadCardError` when the card could not be read again."""
        self.from_json(json.dumps(asdict(self)))

    def _check_contradictions(self) -> None:
        if self.name == ALL_MODELS:
            raise BadCardError(f"no model may be called {ALL_MODELS!r}: the word is reserved")
        for key in ("test", "validation", "train", "unknown", "compiled"):
            if not isinstance(self.metrics.get(key, {}), dict):
                raise BadCardError(f"metrics.{key} must be an object")


@dataclass(frozen=True, kw_only=True)
class ModelCard(VersionCard):
    """`card.json` of a version of a classifier.

    `temperature` divides the logits before the softmax (Guo et al. 2017, "On Calibration of Modern
    Neural Networks", eq. 9). The first label is the decision from the confidence `threshold` on,
    else the most probable parent from `parent_threshold` on (None: never), else `unclassified`,
    which it always is below the familiarity of its rule (see `webapp.inference.familiarity`). The
    golden photos have the probabilities of `model.tflite`; those of `model.keras` are at most
    `keras_tolerance` away.
    """

    __pydantic_config__ = CARD_CONFIG

    noun: str
    noun_plural: str
    question: str
    labels: Annotated[tuple[Label, ...], Field(min_length=2)]
    temperature: Annotated[float, Field(ge=0.01, le=100)]
    parent_threshold: Annotated[float, Field(ge=0, le=1)] | None = None
    familiarity: dict[str, Any] = field(default_factory=dict)
    golden: tuple[Golden, ...] = ()
    keras_tolerance: Annotated[float, Field(gt=0, le=0.05)] = 1e-3

    @cached_property
    def label_names(self) -> tuple[str, ...]:
        """The labels' names, in the order of the network's outputs."""
        return tuple(label.name for label in self.labels)

    @cached_property
    def by_name(self) -> Mapping[str, Label]:
        """The labels by their names."""
        return {label.name: label for label in self.labels}

    @cached_property
    def outputs(self) -> dict[str, list[int]]:
        """For each label the places of the network's outputs that add up to it, its own first."""
        return {name: [place] for place, name in enumerate(self.label_names)}

    @cached_property
    def parents(self) -> dict[str, list[int]]:
        """For each parent of at least two labels their places in `outputs`; the parents that the
        version was published with, as `parent_threshold` was fitted for them."""
        labels = self.published_labels
        return group_by_parent(
            {name: labels[places[0]].parent for name, places in self.outputs.items()}
        )

    @property
    def published_labels(self) -> tuple[Label, ...]:
        """The labels as the version was published with them."""
        return self.labels

    @property
    def companions(self) -> tuple[str, ...]:
        """The files beside the network that classifying needs."""
        return (FAMILIARITY_FILE,) if self.familiarity else ()

    @cached_property
    def parent_of(self) -> dict[str, str]:
        """For each label in `outputs` that has one of `parents`, that parent."""
        names = list(self.outputs)
        return {names[place]: name for name, own in self.parents.items() for place in own}

    @property
    def golden_files(self) -> tuple[str, ...]:
        """The golden photos, by their paths in the version's folder."""
        return tuple(golden.file for golden in self.golden)

    def label(self, name: str) -> Label | None:
        """The label called `name`, or None."""
        return self.by_name.get(name)

    def _check_contradictions(self) -> None:
        super()._check_contradictions()
        names = self.label_names
        if len(set(names)) != len(names):
            raise BadCardError("labels: each must have a name of its own")
        if reserved := {*VERDICTS, UNCLASSIFIED}.intersection(names):
            raise BadCardError(f"no label may be called {min(reserved)!r}: the word is reserved")
        if self.familiarity:
            _check_familiarity(self.familiarity)
        for golden in self.golden:
            check_golden_path(golden.file)
            if len(golden.probabilities) != len(names):
                raise BadCardError(
                    f"golden photo {golden.file} has {len(golden.probabilities)} probabilities "
                    f"for {len(names)} labels"
                )


def read_card_text(folder: Path) -> str:
    """The JSON of the card of the version in `folder`. Raises `BadCardError`."""
    try:
        return (folder / CARD_FILE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadCardError(f"no readable {CARD_FILE} in {folder.name}") from error


def check_golden_path(file: str) -> None:
    """Raise `BadCardError` when a golden photo lies outside of the version's folder."""
    if Path(file).is_absolute() or ".." in Path(file).parts:
        raise BadCardError(f"golden photo {file} lies outside the version's folder")


def group_by_parent(parents: Mapping[str, str]) -> dict[str, list[int]]:
    """From the parent of each label, in their order, for each parent of at least two labels their
    places. Not for a parent that has the name of a label or a reserved word: a decision would not
    tell which is meant."""
    groups: dict[str, list[int]] = {}
    for place, parent in enumerate(parents.values()):
        groups.setdefault(parent, []).append(place)
    taken = {"", *VERDICTS, UNCLASSIFIED, *parents}
    return {parent: own for parent, own in groups.items() if len(own) > 1 and parent not in taken}


def indented_json(value: Any) -> str:
    """Indented JSON with each list of numbers on one line."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return _NUMBERS.sub(
        lambda match: "[" + ", ".join(match[1].replace(",", " ").split()) + "]", text
    )


def _check_familiarity(rule: dict[str, Any]) -> None:
    try:
        TypeAdapter(FamiliarityRule).validate_python(rule)
    except ValidationError as error:
        raise BadCardError(_sentence(error, "familiarity")) from None
    if not len(rule["scores"]) == len(rule["means"]) == len(rule["spreads"]):
        raise BadCardError("familiarity: means and spreads need a number for each score")


def _sentence(error: ValidationError, what: str) -> str:
    faults = error.errors()[:5]
    if faults[0]["type"] == "json_invalid":
        return f"{what} is not JSON: {faults[0]['ctx']['error']}"
    sentences = (f"{'.'.join(map(str, fault['loc'])) or what}: {fault['msg']}" for fault in faults)
    return f"{what} makes no sense: {'; '.join(sentences)}"
