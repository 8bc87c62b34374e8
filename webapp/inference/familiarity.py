"""How similar a photo is to those a version learned from: a number in [0, 1] from the embedding.

Four scores are known to separate what a network learned from other things, each with blind spots:
the highest probability (Hendrycks and Gimpel 2017), the energy of the logits (Liu et al. 2020), the
highest logit (Hendrycks et al. 2022), and the distance from the subspace that the training photos
span (the residual of Wang et al. 2022, "ViM"). Training chooses one, or one of the first three with
the distance, on validation photos and photos of other things; the card says which.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field
from typing_extensions import TypedDict

from webapp.errors import ModelUnavailableError

if TYPE_CHECKING:
    from webapp.inference.models.card import ModelCard

_LARGEST_FILE = 64 * 1024**2  # bytes, unpacked


class FamiliarityRule(TypedDict):
    """How a card combines scores: a number for each score, and a logistic curve over their sum."""

    __pydantic_config__ = ConfigDict(strict=True, allow_inf_nan=False)  # type: ignore[misc]

    scores: Annotated[
        list[Literal["probability", "energy", "logit", "distance"]], Field(min_length=1)
    ]
    means: list[float]
    spreads: list[Annotated[float, Field(gt=0)]]
    slope: Annotated[float, Field(gt=0)]
    offset: float
    threshold: Annotated[float, Field(ge=0, le=1)]


_Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Space:
    """What the scores need: the last layer, and where the training photos lie. All float32.

    `weights` (features, labels) and `bias` (labels,) give the logits of an embedding. `mean`
    (features,) and `basis` (dimensions, features), whose rows are orthonormal, span the subspace in
    which the training photos' embeddings of length 1 lie.
    """

    weights: _Floats
    bias: _Floats
    mean: _Floats
    basis: _Floats

    def scores(self, embeddings: _Floats, temperature: float) -> dict[str, NDArray[np.float64]]:
        """Every score of embeddings of shape (photos, features): shape (photos,).

        Higher is more familiar. `probability` is the log-odds of the highest temperature-scaled
        probability, `energy` log(sum(exp(logits))), `logit` the highest logit, `distance` minus the
        length of what the subspace leaves of the embedding.
        """
        narrow = embeddings.astype(np.float32)  # as the arrays are: else they would be widened
        logits = (narrow @ self.weights + self.bias).astype(np.float64)
        highest = logits.max(axis=1)
        scaled = (logits - highest[:, np.newaxis]) / temperature
        others = np.exp(scaled).sum(axis=1) - 1.0  # the highest one is exp(0)
        unit = narrow / np.maximum(np.linalg.norm(narrow, axis=1, keepdims=True), 1e-12) - self.mean
        inside = unit @ self.basis.T
        left = np.maximum(
            np.square(unit, dtype=np.float64).sum(axis=1)
            - np.square(inside, dtype=np.float64).sum(axis=1),
            0.0,
        )
        return {
            "probability": -np.log(np.maximum(others, 1e-12)),
            "energy": highest + np.log(np.exp(logits - highest[:, np.newaxis]).sum(axis=1)),
            "logit": highest,
            "distance": -np.sqrt(left),
        }

    def write(self, path: Path) -> None:
        """Write the arrays to `path` as float16: directions need no more."""
        np.savez(path, **{name: array.astype(np.float16) for name, array in vars(self).items()})

    @classmethod
    def read(cls, path: Path) -> Space:
        """Read what `write` wrote; nothing in the file can run. Raises `ValueError`."""
        try:
            with zipfile.ZipFile(path) as archive:
                if sum(member.file_size for member in archive.infolist()) > _LARGEST_FILE:
                    raise ValueError(
                        f"{path.name} unpacks to more than {_LARGEST_FILE // 1024**2} MB"
                    )
            with np.load(path, allow_pickle=False) as arrays:
                space = cls(
                    *(np.asarray(arrays[field.name], dtype=np.float32) for field in fields(cls))
                )
        except (OSError, KeyError, zipfile.BadZipFile, EOFError, MemoryError) as error:
            raise ValueError(f"{path.name} cannot be read ({error})") from error
        features, labels = space.weights.shape if space.weights.ndim == 2 else (0, 0)
        shapes = (labels,), (features,), (features,)
        if (space.bias.shape, space.mean.shape, space.basis.shape[1:]) != shapes:
            raise ValueError(f"{path.name} holds arrays that do not fit each other")
        if not all(np.isfinite(array).all() for array in vars(space).values()):
            raise ValueError(f"{path.name} holds something that is not a number")
        return space


def combine(scores: dict[str, NDArray[np.float64]], rule: dict[str, Any]) -> NDArray[np.float64]:
    """The familiarity in [0, 1] of each photo by a card's rule.

    A logistic curve (Platt 1999) makes the sum of its scores the share of known photos among as
    many known as other ones.
    """
    logits = np.clip(rule["slope"] * add_up(scores, rule) + rule["offset"], -60, 60)
    return np.asarray(1.0 / (1.0 + np.exp(-logits)))


def add_up(scores: dict[str, NDArray[np.float64]], rule: dict[str, Any]) -> NDArray[np.float64]:
    """The sum of a rule's scores, each with mean 0 and deviation 1 over its validation photos."""
    parts = zip(rule["scores"], rule["means"], rule["spreads"], strict=True)
    return np.sum(
        [(scores[name] - mean) / spread for name, mean, spread in parts], axis=0, dtype=np.float64
    )


@dataclass(frozen=True)
class Familiarity:
    """Measures familiarity: where the training photos lie, the temperature, the card's rule."""

    space: Space
    temperature: float
    rule: dict[str, Any]

    def of(self, embeddings: _Floats) -> NDArray[np.float64]:
        """The familiarity in [0, 1] for embeddings of shape (photos, features): shape (photos,)."""
        return combine(self.space.scores(embeddings, self.temperature), self.rule)


def read_familiarity(folder: Path, card: ModelCard) -> Familiarity | None:
    """What measures familiarity for the version in `folder`; None when its card has no rule.

    Raises `ModelUnavailableError` when the file is missing, damaged, or of another network.
    """
    if not card.familiarity:
        return None
    try:
        space = Space.read(folder / card.companions[0])
    except ValueError as error:
        raise ModelUnavailableError(f"{card}: {error}") from error
    if space.bias.shape != (len(card.labels),):
        raise ModelUnavailableError(
            f"{card}: its familiarity is of a network with {len(space.bias)} labels"
        )
    return Familiarity(space, card.temperature, card.familiarity)
