"""The network: a backbone whose layers are its own, pooled features, one dense layer."""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from webapp.training.backbones import BACKBONES, build_backbone
from webapp.training.recipe import Recipe

_DENSE_FEATURES = 256
_EXACT = layers.Rescaling | layers.Normalization  # bfloat16 cannot tell apart steps of 1 in 255


def build_network(
    recipe: Recipe, labels: int, size: tuple[int, int], weights: str | Path = "none"
) -> keras.Model:
    """A network of the recipe's backbone, for pictures of `size` (height, width).

    It takes float32 RGB in 0..255 of shape (batch, height, width, 3) and answers a dict:
    `probabilities` (batch, labels), `embedding` (batch, features) and `feature_map` (batch, rows,
    columns, features), whose mean over rows and columns is the embedding (not so for a flat
    backbone). `weights` are those of `build_backbone`, and so is the `TrainingError`.
    """
    photo = keras.Input((*size, 3), name="photo")
    body = build_backbone(recipe.backbone, photo, weights)
    for layer in body.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = recipe.momentum
    feature_map = body.output
    if BACKBONES[recipe.backbone].flat:
        dense = layers.Dense(_DENSE_FEATURES, activation="relu", name="embedding")
        embedding = dense(layers.Flatten()(feature_map))
    else:
        embedding = layers.GlobalAveragePooling2D(name="embedding")(feature_map)
    dropped = layers.Dropout(recipe.dropout, name="dropout")(embedding)
    probabilities = layers.Dense(labels, activation="softmax", name="probabilities")(dropped)
    outputs = {"probabilities": probabilities, "embedding": embedding, "feature_map": feature_map}
    return keras.Model(photo, outputs, name="marque")


class FusedBatchNormalization(layers.BatchNormalization):
    """Batch normalisation of the last axis by TensorFlow's one fused operation while it learns.

    Keras takes several, which cost a MobileNetV2 two fifths of its training time on processors.
    The moving variance takes the unbiased estimate, as in cuDNN; all else is the same.
    """

    def call(
        self, inputs: tf.Tensor, training: bool | None = None, mask: tf.Tensor | None = None
    ) -> tf.Tensor:
        """`inputs` (batch, rows, columns, features), normalised."""
        if not (training and self.trainable):
            return super().call(inputs, training=training, mask=mask)
        none = tf.zeros([0], self.gamma.dtype)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma,
            offset=self.beta,
            mean=none,
            variance=none,
            epsilon=self.epsilon,
            is_training=True,
        )
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + batch * (1 - self.momentum))
        return outputs


def for_learning(network: keras.Model, precision: str = "float32") -> keras.Model:
    """The same network with the same weights, in a form that learns faster and is never saved.

    With "mixed_bfloat16" only the first scaling, the last softmax and the weights stay in float32
    (Micikevicius et al. 2017); bfloat16 needs no scaling of the loss.
    """

    def twin(layer: layers.Layer) -> layers.Layer:
        fusable = (
            type(layer) is layers.BatchNormalization
            and len(layer.input.shape) == 4
            and layer.axis in (3, -1)
            and layer.scale
            and layer.center
        )
        kind = FusedBatchNormalization if fusable else type(layer)
        config = layer.get_config()
        exact = isinstance(layer, layers.InputLayer | _EXACT) or layer.name == "probabilities"
        if precision != "float32" and not exact:
            config["dtype"] = precision
        return kind.from_config(config)

    learning = keras.models.clone_model(network, clone_function=twin)
    learning.set_weights(network.get_weights())
    return learning


def precision_here(wanted: str) -> str:
    """The precision to learn in: "auto" is "mixed_bfloat16" where TensorFlow finds a GPU."""
    if wanted != "auto":
        return wanted
    return "mixed_bfloat16" if tf.config.list_physical_devices("GPU") else "float32"


def reseed(network: keras.Model, *seeds: int) -> None:
    """Seed every random layer (dropout) by `seeds` and the layer's place alone."""
    for place, layer in enumerate(network.layers):
        generator = getattr(layer, "seed_generator", None)
        if generator is not None:
            state = np.random.SeedSequence([*seeds, place]).generate_state(2)
            generator.state.assign([int(number) for number in state >> 1])  # 31 bits fit any type


def unfreeze(network: keras.Model, share: float) -> None:
    """Let the upper `share` of the layers learn; others keep weights and BatchNorm statistics."""
    first = round((1 - share) * len(network.layers))
    for place, layer in enumerate(network.layers):
        layer.trainable = place >= first
