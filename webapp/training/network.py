"""The network: a backbone whose layers are the model's own, pooled features, one dense layer; three outputs."""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from webapp.training.backbones import BACKBONES, build_backbone

DENSE_FEATURES = 256
EXACT = (
    keras.layers.Rescaling | keras.layers.Normalization
)  # steps of 1 in 255 are more than bfloat16 tells apart


def build_network(
    backbone: str,
    height: int,
    width: int,
    labels: int,
    *,
    dropout: float,
    momentum: float,
    weights: str | Path = "none",
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
        embedding = keras.layers.Dense(DENSE_FEATURES, activation="relu", name="embedding")(
            keras.layers.Flatten()(feature_map)
        )
    else:
        embedding = keras.layers.GlobalAveragePooling2D(name="embedding")(feature_map)
    dropped = keras.layers.Dropout(dropout, name="dropout")(embedding)
    probabilities = keras.layers.Dense(labels, activation="softmax", name="probabilities")(dropped)
    outputs = {"probabilities": probabilities, "embedding": embedding, "feature_map": feature_map}
    return keras.Model(photo, outputs, name="marque")


class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalisation that learns through TensorFlow's one fused operation instead of a dozen small ones.

    Keras computes mean and variance in steps of their own, which costs a MobileNetV2 two fifths of its training time on processors. The
    moving variance takes the unbiased estimate (n / (n - 1)), as in cuDNN; normalisation itself is the same. Last axis only.
    """

    def call(
        self, inputs: tf.Tensor, training: bool | None = None, mask: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Normalised `inputs` of shape (batch, rows, columns, features); batch statistics while it learns, moving ones otherwise."""
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
    """The same network with the same weights, in a form that learns faster. It is never saved: what is published is the plain form.

    With `precision` "mixed_bfloat16" layers compute in bfloat16 and keep their weights in float32 (Micikevicius et al. 2017, "Mixed
    Precision Training"; bfloat16 needs no scaling of the loss). The first scaling and the last softmax stay in float32.
    """

    def twin(layer: keras.layers.Layer) -> keras.layers.Layer:
        fusable = (
            type(layer) is keras.layers.BatchNormalization
            and len(layer.input.shape) == 4
            and layer.axis in (3, -1)
            and layer.scale
            and layer.center
        )
        kind = FusedBatchNormalization if fusable else type(layer)
        config = layer.get_config()
        if (
            precision != "float32"
            and not isinstance(layer, keras.layers.InputLayer | EXACT)
            and layer.name != "probabilities"
        ):
            config["dtype"] = precision
        return kind.from_config(config)

    learning = keras.models.clone_model(network, clone_function=twin)
    learning.set_weights(network.get_weights())
    return learning


def precision_here(wanted: str) -> str:
    """The precision to learn in: "auto" is "mixed_bfloat16" where TensorFlow finds a GPU, else "float32"."""
    if wanted != "auto":
        return wanted
    return "mixed_bfloat16" if tf.config.list_physical_devices("GPU") else "float32"


def reseed(network: keras.Model, *dice: int) -> None:
    """Give every layer that throws dice (dropout) fresh ones, which follow from `dice` and the layer's place alone."""
    for place, layer in enumerate(network.layers):
        generator = getattr(layer, "seed_generator", None)
        if generator is not None:
            first, second = (
                np.random.SeedSequence([*dice, place]).generate_state(2) >> 1
            )  # 31 bits, which every type of state holds
            generator.state.assign([int(first), int(second)])


def unfreeze(network: keras.Model, share: float) -> None:
    """Let the upper `share` of the network's layers learn; the others keep weights and BatchNorm statistics."""
    first = round((1 - share) * len(network.layers))
    for place, layer in enumerate(network.layers):
        layer.trainable = place >= first
