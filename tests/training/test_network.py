"""The network that learns is the network that is published, only faster."""

import keras
import numpy as np
import tensorflow as tf

from webapp.training.network import (
    FusedBatchNormalization,
    build_network,
    for_learning,
    precision_here,
)
from webapp.training.recipe import Recipe
from webapp.training.run import make_step


def small_network() -> keras.Model:
    keras.utils.set_random_seed(3)
    return build_network(Recipe("toy", "Toy", backbone="small_cnn", dropout=0.0), 3, (64, 64))


def photos() -> tf.Tensor:
    return tf.constant(np.random.default_rng(5).uniform(0, 255, (8, 64, 64, 3)).astype(np.float32))


def test_the_network_that_learns_says_what_the_published_one_says() -> None:
    network = small_network()
    np.testing.assert_allclose(
        for_learning(network)(photos())["probabilities"],
        network(photos())["probabilities"],
        atol=1e-6,
    )


def test_it_normalises_a_batch_as_the_plain_layer_does() -> None:
    network = small_network()
    fused = for_learning(network)
    assert any(isinstance(layer, FusedBatchNormalization) for layer in fused.layers)
    np.testing.assert_allclose(
        fused(photos(), training=True)["probabilities"],
        network(photos(), training=True)["probabilities"],
        rtol=1e-3,
        atol=1e-5,
    )


def test_its_moving_statistics_follow_the_batches_as_the_plain_layers_do() -> None:
    network = small_network()
    fused = for_learning(network)
    for model in (network, fused):
        model(photos(), training=True)
    for plain, quick in zip(
        network.non_trainable_variables, fused.non_trainable_variables, strict=True
    ):
        if plain.dtype == "float32":
            # the unbiased variance of few values is a little larger
            np.testing.assert_allclose(quick, plain, rtol=2e-2, atol=1e-4)


def test_frozen_layers_keep_their_statistics() -> None:
    fused = for_learning(small_network())
    fused.trainable = False
    before = [np.array(variable) for variable in fused.non_trainable_variables]
    fused(photos(), training=True)
    for old, new in zip(before, fused.non_trainable_variables, strict=True):
        np.testing.assert_array_equal(old, new)


def test_mixed_precision_keeps_weights_and_probabilities_in_float32() -> None:
    network = small_network()
    mixed = for_learning(network, "mixed_bfloat16")
    assert {weight.dtype for weight in mixed.weights if "seed" not in weight.path} == {"float32"}
    answers = mixed(photos(), training=True)
    assert answers["feature_map"].dtype == tf.bfloat16
    assert answers["probabilities"].dtype == tf.float32
    np.testing.assert_allclose(
        mixed(photos())["probabilities"], network(photos())["probabilities"], atol=0.02
    )


def test_it_learns_in_mixed_precision() -> None:
    network = small_network()
    mixed, optimizer = for_learning(network, "mixed_bfloat16"), keras.optimizers.AdamW(1e-2)
    optimizer.build(mixed.trainable_variables)
    step = make_step(mixed, network, optimizer)
    targets = tf.constant(np.eye(3, dtype=np.float32)[np.arange(8) % 3])
    losses = [float(step(photos(), targets, tf.constant(0.5))) for _ in range(12)]
    assert losses[-1] < 0.7 * losses[0]
    assert np.isfinite(network(photos())["probabilities"]).all()


def test_processors_learn_in_float32_unless_told_otherwise() -> None:
    assert precision_here("mixed_bfloat16") == "mixed_bfloat16"
    assert precision_here("auto") == (
        "mixed_bfloat16" if tf.config.list_physical_devices("GPU") else "float32"
    )


def test_a_label_that_weighs_nothing_teaches_nothing() -> None:
    network = small_network()
    learning, optimizer = for_learning(network), keras.optimizers.SGD(0.1)
    before = [np.array(variable) for variable in learning.trainable_variables]
    targets = tf.constant(np.eye(3, dtype=np.float32)[np.zeros(8, dtype=int)])
    make_step(learning, network, optimizer, np.array([0, 1, 1], dtype=np.float32))(
        photos(), targets, tf.constant(0.5)
    )
    for old, new in zip(before, learning.trainable_variables, strict=True):
        np.testing.assert_array_equal(old, new)
