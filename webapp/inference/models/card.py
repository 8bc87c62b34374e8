"""The model card: everything needed to use the weights correctly and to know how far to trust them. Read, checked, written here."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from webapp.domain import ALL_MODELS, UNCLASSIFIED, VERDICTS
from webapp.errors import BadCardError
from webapp.inference.familiarity import check_rule

CARD_FILE = "card.json"
KERAS_FILE = "model.keras"
COMPILED_FILE = "model.tflite"
FAMILIARITY_FILE = "familiarity.npz"
METRICS = ("test", "validation", "train", "unknown", "compiled")
_NUMBERS = re.compile(
    r"\[\n\s*((?:-?[0-9][0-9.e+-]*,?\s*)+)\]"
)  # cannot match inside a text: those hold no bare line feed
RESIZE_RULES = ("stretch", "pad", "crop")


@dataclass(frozen=True)
class Label:
    """One class: `name` is the stable key, `display` what people read, `color` "#RRGGBB" or "", `parent` a coarser name or ""."""

    name: str
    display: str
    color: str = ""
    parent: str = ""
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class InputSpec:
    """What the network takes: uint8 RGB of shape (height, width, 3), made from a photo by `resize`.

    `stretch` ignores the aspect ratio, `pad` keeps it and fills with mid-grey, `crop` keeps it and cuts the longer side in the middle.
    """

    height: int
    width: int
    resize: str = "stretch"


@dataclass(frozen=True)
class Golden:
    """A photo that travels with the version (path relative to its folder) and the probabilities it must get, in label order."""

    file: str
    probabilities: tuple[float, ...]


@dataclass(frozen=True)
class ModelCard:
    """`card.json` of one model version.

    `temperature` divides the logits before the softmax (Guo et al. 2017, "On Calibration of Modern Neural Networks", eq. 9).
    The decision is `unclassified` below the confidence `threshold`, and below the familiarity that `familiarity` names (its rule; empty
    when it was not fitted: see `webapp.inference.familiarity`). `metrics` are plain JSON: see docs/models.md for each key.
    """

    name: str
    version: int
    title: str
    noun: str
    noun_plural: str
    question: str
    summary: str
    labels: tuple[Label, ...]
    input: InputSpec
    temperature: float
    threshold: float
    familiarity: dict[str, Any] = field(default_factory=dict)
    limits: tuple[str, ...] = ()
    metrics: dict[str, Any] = field(default_factory=dict)
    split: dict[str, Any] = field(default_factory=dict)
    data: tuple[dict[str, Any], ...] = ()
    label_event: int | None = None
    training: dict[str, Any] = field(default_factory=dict)
    libraries: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    golden: tuple[Golden, ...] = ()
    created_at: str = ""

    @cached_property
    def label_names(self) -> tuple[str, ...]:
        """The labels' names, in the order of the network's outputs."""
        return tuple(label.name for label in self.labels)

    @property
    def companions(self) -> tuple[str, ...]:
        """The files beside the network that ranking needs."""
        return (FAMILIARITY_FILE,) if self.familiarity else ()

    def label(self, name: str) -> Label | None:
        """The label called `name`, or None."""
        return next((label for label in self.labels if label.name == name), None)

    def to_json(self) -> str:
        """The card as indented JSON, keys in the order of the fields, non-ASCII kept, a list of numbers on one line."""
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"
        return _NUMBERS.sub(
            lambda found: "[" + ", ".join(found[1].replace(",", " ").split()) + "]", text
        )

    @classmethod
    def from_json(cls, text: str) -> ModelCard:
        """Read and check a card. Raises `BadCardError` that names the field."""
        try:
            raw = json.loads(text)
        except ValueError as error:
            raise BadCardError(f"card.json is not JSON: {error}") from error
        if not isinstance(raw, dict):
            raise BadCardError("card.json must hold one object")
        try:
            card = cls(
                **{
                    **raw,
                    "labels": tuple(
                        Label(**{**label, "aliases": tuple(label.get("aliases", ()))})
                        for label in raw["labels"]
                    ),
                    "input": InputSpec(**raw["input"]),
                    "limits": tuple(raw.get("limits", ())),
                    "data": tuple(raw.get("data", ())),
                    "golden": tuple(
                        Golden(file=one["file"], probabilities=tuple(one["probabilities"]))
                        for one in raw.get("golden", ())
                    ),
                }
            )
            card._check_kinds()
            card.check()
        except KeyError as error:
            raise BadCardError(f"card.json lacks the field {error.args[0]!r}") from error
        except (TypeError, AttributeError, ValueError) as error:
            raise BadCardError(f"card.json has a field that makes no sense: {error}") from error
        return card

    @classmethod
    def read(cls, folder: Path) -> ModelCard:
        """Read and check the card of the version in `folder`. Raises `BadCardError`, also when there is none."""
        try:
            text = (folder / CARD_FILE).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadCardError(f"no readable {CARD_FILE} in {folder.name}") from error
        return cls.from_json(text)

    def _check_kinds(self) -> None:
        """Raise `BadCardError` when a field is of another kind than pages and services expect."""
        texts = ("title", "noun", "noun_plural", "question", "summary", "created_at")
        tables = ("familiarity", "metrics", "split", "training", "libraries", "files")
        wrong = [key for key in texts if not isinstance(getattr(self, key), str)]
        wrong += [key for key in tables if not isinstance(getattr(self, key), dict)]
        wrong += [
            f"metrics.{key}"
            for key in METRICS
            if isinstance(self.metrics, dict) and not isinstance(self.metrics.get(key, {}), dict)
        ]
        wrong += ["limits"] if not all(isinstance(one, str) for one in self.limits) else []
        wrong += ["data"] if not all(isinstance(one, dict) for one in self.data) else []
        for label in self.labels:
            if not all(
                isinstance(one, str)
                for one in (label.name, label.display, label.color, label.parent, *label.aliases)
            ):
                wrong.append(f"label {label.name!r}")
        if wrong:
            raise BadCardError(f"card.json has a field of the wrong kind: {', '.join(wrong)}")

    def check(self) -> None:
        """Raise `BadCardError` when the card contradicts itself."""
        names = self.label_names
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,62}", str(self.name)):
            raise BadCardError(
                f"name must be lower-case letters, digits, dots and dashes, got {self.name!r}"
            )
        if self.name == ALL_MODELS:
            raise BadCardError(
                f"no model may be called {ALL_MODELS!r}: the word has a meaning of its own"
            )
        if not isinstance(self.version, int) or self.version < 1:
            raise BadCardError(f"version must be a whole number from 1, got {self.version!r}")
        if len(names) < 2 or len(set(names)) != len(names):
            raise BadCardError("labels must be at least two, each with a name of its own")
        for reserved in (*VERDICTS, UNCLASSIFIED):
            if reserved in names:
                raise BadCardError(
                    f"no label may be called {reserved!r}: the word has a meaning of its own"
                )
        for label in self.labels:
            if label.color and not re.fullmatch(r"#[0-9A-Fa-f]{6}", label.color):
                raise BadCardError(
                    f"color of label {label.name!r} must be #RRGGBB, got {label.color!r}"
                )
        if self.input.resize not in RESIZE_RULES:
            raise BadCardError(
                f"input.resize must be one of {', '.join(RESIZE_RULES)}, got {self.input.resize!r}"
            )
        if not (8 <= self.input.height <= 2048 and 8 <= self.input.width <= 2048):
            raise BadCardError(
                f"input size must be between 8 and 2048, got {self.input.height} x {self.input.width}"
            )
        if not 0.01 <= self.temperature <= 100:
            raise BadCardError(f"temperature must be between 0.01 and 100, got {self.temperature}")
        if not 0 <= self.threshold <= 1:
            raise BadCardError(f"threshold must be in 0..1, got {self.threshold}")
        check_rule(self.familiarity)
        for golden in self.golden:
            if len(golden.probabilities) != len(names):
                raise BadCardError(
                    f"golden photo {golden.file} has {len(golden.probabilities)} probabilities for {len(names)} labels"
                )
            if Path(golden.file).is_absolute() or ".." in Path(golden.file).parts:
                raise BadCardError(f"golden photo {golden.file} lies outside the version's folder")
