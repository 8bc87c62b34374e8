"""Writes the networks of this folder with tf_keras."""

from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras as keras

layers = keras.layers
FOLDER = Path(__file__).parent
SHAPE = (16, 24, 3)


def settle(model, pictures: np.ndarray) -> None:
    """Random weights that make answers differ from picture to picture."""
    for number, weight in enumerate(model.weights):
        rng = np.random.default_rng(number)
        values = rng.normal(0, 0.5, weight.shape)
        weight.assign(np.abs(values) + 0.5 if "variance" in weight.name else values)
    *_, kernel, bias = model.weights
    logits = model(pictures, training=False).numpy()
    kernel.assign(kernel / max(float(logits.std()), 1e-3) if logits.min() < 0 else kernel)
    bias.assign(bias * 0)


def without_slice() -> keras.Model:
    """tf_keras cannot save a slice in a .keras file."""
    return operators(keras.applications.densenet.preprocess_input)


def teachable() -> keras.Model:
    photo = keras.Input(SHAPE)
    flow = layers.ReLU(6.0)(layers.BatchNormalization()(layers.Conv2D(6, 3)(photo)))
    flow = layers.DepthwiseConv2D(3)(flow)
    features = keras.Sequential(
        [keras.Model(photo, flow, name="model1"), layers.GlobalAveragePooling2D()]
    )
    head = keras.Sequential([layers.Dense(5), layers.Dense(3, activation="softmax")])
    model = keras.Sequential([features, head])
    model.build((None, *SHAPE))
    return model


def operators(prepare=keras.applications.resnet50.preprocess_input) -> keras.Model:
    inside = keras.Input(SHAPE)
    flow = layers.Conv2D(6, 3, name="first/conv")(inside)
    backbone = keras.Model(inside, tf.nn.relu6(flow + 3.0), name="backbone")
    photo = keras.Input(SHAPE)
    flow = keras.Sequential([layers.RandomFlip(), layers.RandomRotation(0.1)])(photo)
    flow = backbone(prepare(flow), training=False)
    flow = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(flow))
    return keras.Model(photo, layers.Dense(3)(flow))


photos = np.random.default_rng(3).integers(0, 256, (2, *SHAPE), dtype=np.uint8)
answers = {}
scaled = photos / np.float32(127.5) - 1
for name, make, given in (
    ("keras_model.h5", teachable, scaled),
    ("operators.h5", operators, photos.astype(np.float32)),
    ("operators.keras", without_slice, photos.astype(np.float32)),
):
    keras.backend.clear_session()
    model = make()
    settle(model, given)
    model.save(FOLDER / name)
    numbers = model(given, training=False).numpy()
    answers[name] = numbers if "model" in name else tf.nn.softmax(numbers).numpy()
np.savez_compressed(FOLDER / "answers.npz", photos=photos, **answers)
