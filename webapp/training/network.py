"""The network: a backbone whose layers are the model's own, pooled features, one dense layer; three outputs."""

from __future__ import annotations

from pathlib import Path

import keras

from webapp.training.backbones import BACKBONES, build_backbone

DENSE_FEATURES = 256


def build_network(
    backbone: str, height: int, width: int, labels: int, *, dropout: float, momentum: float, weights: str | Path = "none"
) -> keras.Model:
    """A network that takes float32 RGB in 0..255 of shape (batch, height, width, 3); `backbone` is a name in `BACKBONES`.

    It answers a dict: `probabilities` (batch, labels), `embedding` (batch, features) and `feature_map` (batch, rows, columns, features),
    whose mean over rows and columns is the embedding (not so for a flat backbone). `weights` is "none", "imagenet" (downloaded by Keras)
    or a weights file of the backbone without its top. Raises `TrainingError` when the file does not fit.
    """
    photo = keras.Input((height, width, 3), name="photo")
    body = build_backbone(backbone, photo, weights)
    for layer in body.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = momentum
    feature_map = body.output
    if BACKBONES[backbone].flat:
        embedding = keras.layers.Dense(DENSE_FEATURES, activation="relu", name="embedding")(keras.layers.Flatten()(feature_map))
    else:
        embedding = keras.layers.GlobalAveragePooling2D(name="embedding")(feature_map)
    dropped = keras.layers.Dropout(dropout, name="dropout")(embedding)
    probabilities = keras.layers.Dense(labels, activation="softmax", name="probabilities")(dropped)
    outputs = {"probabilities": probabilities, "embedding": embedding, "feature_map": feature_map}
    return keras.Model(photo, outputs, name="marque")


def unfreeze(network: keras.Model, share: float) -> None:
    """Let the upper `share` of the network's layers learn; the others keep weights and BatchNorm statistics."""
    first = round((1 - share) * len(network.layers))
    for place, layer in enumerate(network.layers):
        layer.trainable = place >= first
