"""How photos were prepared in training: told by the network, or tried on photos with known labels.

A network that says nothing is refused: with a guess it would answer, and often wrongly.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from webapp.errors import ModelRefusedError

Floats = NDArray[np.float32]


class Scaling(NamedTuple):
    """What a network is given for RGB in 0..255: `pixel @ kernel + bias`, float32 of the shapes
    (3, 3) and (3,)."""

    kernel: Floats
    bias: Floats

    def prepare(self, photos: Floats) -> Floats:
        """Photos as the network takes them, from RGB in 0..255 of shape (..., 3)."""
        return np.asarray(photos @ self.kernel + self.bias, dtype=np.float32)


class Choice(NamedTuple):
    """A key of `SCALINGS`, and the reason for it in a sentence."""

    name: str
    why: str


def spread(mean: Iterable[float], deviation: Iterable[float]) -> Scaling:
    """(RGB in 0..255 - mean) / deviation, each a number or three."""
    divisor = np.broadcast_to(np.asarray(list(deviation), np.float64), (3,))
    middle = np.broadcast_to(np.asarray(list(mean), np.float64), (3,))
    return Scaling(np.diag(1 / divisor).astype(np.float32), (-middle / divisor).astype(np.float32))


_MEAN, _DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
# "caffe" and "torch" as in Keras' preprocess_input: BGR minus the means of ImageNet; standardised
SCALINGS: dict[str, Scaling] = {
    "none": spread([0], [1]),
    "unit": spread([0], [255]),
    "minus-one-to-one": spread([127.5], [127.5]),
    "caffe": Scaling(
        np.eye(3, dtype=np.float32)[::-1], -np.array([103.939, 116.779, 123.68], np.float32)
    ),
    "torch": spread(255 * _MEAN, 255 * _DEVIATION),
}
_RANGES = {"none": (0.0, 255.0), "unit": (0.0, 1.0), "minus-one-to-one": (-1.0, 1.0)}
_WORDS = {"none": "0 to 255", "unit": "0 to 1", "minus-one-to-one": "-1 to 1"}
# least and largest values of black and white photos as networks are given them
_USUAL = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0), (-116.0, 139.0), (-2.1, 2.5))
_CLOSE, _CLEAR = 0.36, 0.2  # shares of such a range: how near it must be, and nearer than others
_PHOTOS = 6  # the least number of photos to try scalings on
_SURE = 3.0  # standard errors by which the best scaling must be ahead: about one in a thousand
_UNKNOWN = (
    "Nothing in the file tells how photos were scaled in training, and a guess would give wrong "
    "answers. Say it with --preprocess (on the page: How photos were prepared), or give photos "
    "with known labels, a folder for each: --photos FOLDER."
)


def from_first_layers(scaled: Callable[[float], Floats]) -> Choice | None:
    """What range a network takes whose first layers scale; None when they leave it open.

    `scaled` answers the three channels that the first layers make of a grey photo of that value.
    The range is right whose black and white come out as networks are usually given them.
    """
    distances = {}
    for name, (black, white) in _RANGES.items():
        ends = np.sort(np.stack([scaled(black), scaled(white)]), axis=0)
        distances[name] = min(
            float(np.abs(ends - np.array([[low], [high]])).max() / (high - low))
            for low, high in _USUAL
        )
    best, second = sorted(distances, key=distances.__getitem__)[:2]
    if distances[best] > _CLOSE or distances[second] < distances[best] + _CLEAR:
        return None
    return Choice(best, f"Its first layers scale photos of {_WORDS[best]}.")


def try_scalings(
    predict: Callable[[Floats], Floats], photos: Floats, truths: NDArray[np.intp]
) -> Choice:
    """The scaling with which a network knows photos of known labels best.

    `predict` answers probabilities (photos, labels) for prepared photos. Raises
    `ModelRefusedError` when no scaling is clearly ahead, by the mean log-likelihood of the truth.
    """
    if len(photos) < _PHOTOS:
        raise ModelRefusedError(
            f"To try how photos were scaled, at least {_PHOTOS} photos with known labels are "
            f"needed; there are {len(photos)}."
        )
    likelihoods, right = {}, {}
    for name, scaling in SCALINGS.items():
        probabilities = predict(scaling.prepare(photos))
        truth = probabilities[np.arange(len(truths)), truths]
        likelihoods[name] = np.log(np.clip(np.nan_to_num(truth), 1e-6, 1))
        right[name] = int((probabilities.argmax(axis=1) == truths).sum())
    best, *others = sorted(likelihoods, key=lambda name: -float(likelihoods[name].mean()))
    known = f"{right[best]} of {len(truths)} photos"
    clear = all(_is_ahead(likelihoods[best] - likelihoods[other]) for other in others)
    if not clear or right[best] * probabilities.shape[1] < 2 * len(truths):
        raise ModelRefusedError(
            f"On the photos with known labels no scaling is clearly the right one ({_listed(right)}"
            f" of {len(truths)} right). Give more photos, or say it with --preprocess."
        )
    return Choice(best, f"Tried on photos with known labels: with {best} it knows {known}.")


def _is_ahead(gains: NDArray[np.floating]) -> bool:
    error = float(gains.std(ddof=1)) / len(gains) ** 0.5
    return bool(gains.mean() > max(_SURE * error, 1e-3))


def _listed(right: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in right.items())


def refuse() -> ModelRefusedError:
    """The error for a network of which nobody knows how photos were scaled."""
    return ModelRefusedError(_UNKNOWN)
