"""The recipe of a detector: what it learns from, and how."""

from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass

from webapp.inference.models.card import InputSpec
from webapp.training.recipe import (
    RECIPES,
    STRICT,
    SplitRule,
    checked_recipe,
    named,
    read_toml,
)

_Share = Annotated[float, Field(gt=0, le=1)]
# boxes: a list says where the cars are; crops: one car fills each photo; others: no car in any
Role = Literal["boxes", "crops", "others"]


@dataclass(frozen=True, config=STRICT)
class BoxSource:
    """Where some of the photos come from."""

    folder: str  # the name of a data folder
    name: str  # how the card speaks of it
    role: Role = "boxes"
    weight: Annotated[float, Field(gt=0)] = 1.0  # how often a photo with boxes is shown
    licence: str = "not stated"
    note: str = ""


@dataclass(frozen=True, config=STRICT)
class DetectorRecipe:
    """What the detector finds, what it learns from, and how."""

    name: str  # the model's folder in models/
    title: str
    summary: str = ""
    limits: tuple[str, ...] = ()
    data: tuple[BoxSource, ...] = ()
    cars: tuple[str, ...] = ("car",)  # classes of the lists that are cars; "" is always one
    ignored: tuple[str, ...] = ()  # neither cars nor anything else
    sure: _Share = 0.5  # a machine's box with this score is a car
    unsure: _Share = 0.25  # one with this score is ignored, a lower one does not count
    split: SplitRule = field(default_factory=SplitRule)
    input: InputSpec = field(default_factory=lambda: InputSpec(height=192, width=256))
    width: _Share = 0.7  # of MobileNetV2's expanded features
    unfreeze: _Share = 1.0  # of the layers, counted from the top, that learn
    views: Annotated[int, Field(ge=1)] = 8000  # of an epoch
    epochs: Annotated[int, Field(ge=1)] = 12
    rate: Annotated[float, Field(gt=0)] = 6e-4
    batch: Annotated[int, Field(ge=1)] = 32
    weight_decay: float = 0.01
    averaging: float = 0.998  # decay per step of the averaged weights, which are kept
    seed: int = 1

    def role(self, folder: Path) -> Role:
        """What the photos of a data folder are; those the recipe does not name have boxes."""
        source = self._source(folder)
        return source.role if source else "boxes"

    def source(self, folder: Path) -> str:
        """What the recipe calls the source of a data folder, or the folder's name."""
        source = self._source(folder)
        return source.name if source else folder.resolve().name

    def weight(self, name: str) -> float:
        """How often the photos of a source are shown, beside those of weight 1."""
        return next((one.weight for one in self.data if one.name == name), 1.0)

    def settings(self) -> dict[str, Any]:
        """What decides the outcome of training, as plain JSON: everything but the texts."""
        return _RECIPE.dump_python(self, exclude={"title", "summary", "limits", "data"})

    def _source(self, folder: Path) -> BoxSource | None:
        name = folder.resolve().name
        return next((source for source in self.data if source.folder == name), None)


_RECIPE = TypeAdapter(DetectorRecipe)


def find_detector_recipe(name: str, file: Path | None = None) -> DetectorRecipe | None:
    """The recipe in `file`, else the one that comes with Marque for this model; None when that is
    no detector's. Raises `TrainingError` that names an unknown or impossible setting."""
    path = file or RECIPES / f"{name}.toml"
    if not path.is_file():
        return None
    raw = read_toml(path)
    if raw.pop("task", "") != "detect":
        return None
    recipe = checked_recipe(_RECIPE, raw, path, "webapp/training/detector/recipe.py")
    return named(recipe, name)
