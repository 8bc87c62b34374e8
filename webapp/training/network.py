"""The network: a backbone whose layers are the model's own, pooled features, one dense layer; three outputs."""

from __future__ import annotations

from pathlib import Path

import keras

from webapp.errors import TrainingError


def build_network(
    backbone: str, height: int, width: int, labels: int, *, dropout: float, momentum: float, weights: str | Path = "none"
) -> keras.Model:
    """A network that takes float32 RGB in 0..255 of shape (batch, height, width, 3); `backbone` is a name in `BACKBONES`.

    It answers a dict: `probabilities` (batch, labels), `embedding` (batch, features) and `feature_map` (batch, rows, columns, features),
    whose mean over rows and columns is the embedding. `weights` is "none", "imagenet" (downloaded by Keras) or a weights file of the
    backbone without its top. Raises `TrainingError` when the file does not fit.
    """
    photo = keras.Input((height, width, 3), name="photo")
    scaled = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="scaling")(photo)
    body = BACKBONES[backbone](photo, scaled, "imagenet" if weights == "imagenet" else None)
    if weights not in ("none", "imagenet"):
        _load(body, Path(weights))
    for layer in body.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = momentum
    feature_map = body.output
    embedding = keras.layers.GlobalAveragePooling2D(name="embedding")(feature_map)
    dropped = keras.layers.Dropout(dropout, name="dropout")(embedding)
    probabilities = keras.layers.Dense(labels, activation="softmax", name="probabilities")(dropped)
    outputs = {"probabilities": probabilities, "embedding": embedding, "feature_map": feature_map}
    return keras.Model(photo, outputs, name="marque")


def mobilenet_v2(_photo: keras.KerasTensor, scaled: keras.KerasTensor, weights: str | None) -> keras.Model:
    """MobileNetV2 1.0 (Sandler et al. 2018): 2.3 million weights, 1,280 features."""
    return keras.applications.MobileNetV2(input_tensor=scaled, include_top=False, weights=weights)


def small_cnn(photo: keras.KerasTensor, scaled: keras.KerasTensor, weights: str | None) -> keras.Model:
    """Three convolutions, 32 features: to try a recipe in seconds. Raises `TrainingError` for ImageNet weights: there are none."""
    if weights is not None:
        raise TrainingError("The backbone small_cnn has no ImageNet weights; use --weights none.")
    flow = scaled
    for filters in (8, 16, 32):
        flow = keras.layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)(flow)
        flow = keras.layers.ReLU()(keras.layers.BatchNormalization()(flow))
    return keras.Model(photo, flow)


BACKBONES = {"mobilenet_v2": mobilenet_v2, "small_cnn": small_cnn}


def unfreeze(network: keras.Model, share: float) -> None:
    """Let the upper `share` of the network's layers learn; the others keep weights and BatchNorm statistics."""
    first = round((1 - share) * len(network.layers))
    for place, layer in enumerate(network.layers):
        layer.trainable = place >= first


def _load(backbone: keras.Model, path: Path) -> None:
    try:
        backbone.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        raise TrainingError(f"The weights file {path.name} does not fit the backbone: {error}") from error
