"""A last layer that learns corrections and new labels without forgetting what it knew.

The photos that a version was trained on are not here. In their place stand synthetic embeddings,
two for each label, for which the new layer is to say what the old one said (Li and Hoiem 2016,
"Learning without Forgetting"); and weights pay for each step away from the old ones (Li, Grandvalet
and Davoine 2018, "Explicit Inductive Bias").
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from webapp.inference.familiarity import Space

Floats = NDArray[np.float32]
_REPLAYS = 2  # synthetic embeddings of each label
# of the length of a synthetic embedding's way from the mean, the share in its label's direction
_TOWARDS_LABEL = 0.5
_SURE = 0.65  # mean probability of the first label, before temperature
_WEIGHT_COST = 0.1
ITERATIONS = 60  # at most
_MOST_DIRECTIONS = 16  # that new photos add to the subspace of familiar ones


@dataclass(frozen=True)
class LastLayer:
    """Weights (features, labels) and bias (labels,) of the layer that gives the logits."""

    weights: Floats
    bias: Floats

    def logits(self, embeddings: Floats) -> Floats:
        """Of embeddings (cars, features): (cars, labels)."""
        return np.asarray(embeddings @ self.weights + self.bias, dtype=np.float32)

    def widened(self, new: int) -> "LastLayer":
        """With `new` more labels, each as likely as the mean of the others."""
        weights = np.repeat(self.weights.mean(axis=1, keepdims=True), new, axis=1)
        bias = np.full(new, self.bias.mean(), dtype=np.float32)
        return LastLayer(np.hstack([self.weights, weights]), np.concatenate([self.bias, bias]))


def replay(old: LastLayer, space: Space, seed: int = 1) -> Floats:
    """Synthetic embeddings of the old layer's labels: (embeddings, features).

    Each lies as far from the mean of the training photos as real ones do on average, half of the
    way in the direction of its label's weights, the other half in a random direction of the
    subspace of training photos. All have the length from which on the old layer is as sure of them
    as of real ones.
    """
    rng = np.random.default_rng(seed)
    own = (old.weights - old.weights.mean(axis=1, keepdims=True)).T @ space.basis.T
    own /= np.maximum(np.linalg.norm(own, axis=1, keepdims=True), 1e-12)
    radius = np.sqrt(max(0.0, 1.0 - float(space.mean @ space.mean)))
    units = []
    for _ in range(_REPLAYS):
        other = rng.normal(size=own.shape)
        other /= np.linalg.norm(other, axis=1, keepdims=True)
        way = _TOWARDS_LABEL * own + np.sqrt(1 - _TOWARDS_LABEL**2) * other
        unit = space.mean + radius * (way @ space.basis)
        units.append(unit / np.linalg.norm(unit, axis=1, keepdims=True))
    directions = np.concatenate(units).astype(np.float32)
    lengths = np.geomspace(0.25, 64.0, 33).astype(np.float32)
    sure = [
        softmax(old.logits(length * directions), axis=1).max(axis=1).mean() for length in lengths
    ]
    return np.asarray(lengths[min(32, int(np.searchsorted(sure, _SURE)))] * directions)


def fit(
    old: LastLayer,
    new: int,
    embeddings: Floats,
    truths: NDArray[np.int64],
    replayed: Floats,
    watch: Callable[[float], object] = lambda _loss: None,
) -> LastLayer:
    """The layer with `new` more labels that learned cars (cars, features) with the labels `truths`,
    and still says of `replayed` embeddings what `old` says.

    Only the labels of these cars and the new ones change. `watch` is given the mean loss of a car
    after each iteration.
    """
    start = old.widened(new)
    known = len(old.bias)
    columns = np.unique(np.concatenate([truths, np.arange(known, known + new)]))
    inputs = np.concatenate([embeddings, replayed]).astype(np.float64)
    targets = np.zeros((len(inputs), known + new))
    targets[np.arange(len(truths)), truths] = 1.0
    targets[len(truths) :, :known] = softmax(old.logits(replayed), axis=1)
    scale = float(np.linalg.norm(inputs, axis=1).mean()) or 1.0
    inputs /= scale
    before = start.logits((inputs * scale).astype(np.float32)).astype(np.float64)
    loss_of_cars = 0.0

    def cost(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        nonlocal loss_of_cars
        change = flat.reshape(inputs.shape[1], len(columns))
        logits = before.copy()
        logits[:, columns] += inputs @ change
        logs = log_softmax(logits, axis=1)
        losses = -(targets * logs).sum(axis=1)
        loss_of_cars = float(losses[: len(truths)].mean())
        slope = inputs.T @ (np.exp(logs) - targets)[:, columns] + _WEIGHT_COST * change
        return float(losses.sum()) + 0.5 * _WEIGHT_COST * float((change**2).sum()), slope.ravel()

    fitted = minimize(
        cost,
        np.zeros(inputs.shape[1] * len(columns)),
        jac=True,
        method="L-BFGS-B",
        callback=lambda _flat: watch(loss_of_cars),
        options={"maxiter": ITERATIONS},
    )
    weights = start.weights.copy()
    weights[:, columns] += (fitted.x.reshape(-1, len(columns)) / scale).astype(np.float32)
    return LastLayer(weights, start.bias)


def widen(space: Space, layer: LastLayer, embeddings: Floats) -> Space:
    """The space of a version with this last layer, in which new embeddings (cars, features) lie
    too: the main directions that it lacked are added."""
    unit = embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)
    left = unit - space.mean
    left = left - (left @ space.basis.T) @ space.basis
    count = min(_MOST_DIRECTIONS, -(-len(left) // 4))
    directions = np.linalg.svd(left.astype(np.float64), full_matrices=False)[2][:count]
    basis = np.concatenate([space.basis, directions.astype(np.float32)])
    return Space(layer.weights, layer.bias, space.mean, basis)
