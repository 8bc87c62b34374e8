"""Class activation maps: the last layer is found, the map is Zhou's, the overlay fits the photo."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT
from tests.fakes import make_card
from webapp.domain import NetworkOutput
from webapp.inference.classifier import find_head, scale
from webapp.inference.decoding.images import decode_photo, working_side
from webapp.inference.heat_map import class_activation, draw_overlay
from webapp.inference.litert_classifier import LiteRTClassifier
from webapp.inference.models.card import InputSpec, ModelCard

CARD = make_card(temperature=1.5)
FOLDER = ROOT / "models" / "f1-teams" / "3"


@pytest.fixture(scope="module")
def shipped() -> LiteRTClassifier:
    return LiteRTClassifier(FOLDER, ModelCard.read(FOLDER))


def made_up(seed: int = 1) -> tuple[NetworkOutput, np.ndarray, np.ndarray]:
    """An output whose probabilities come from a dense layer on the mean of its feature map."""
    rng = np.random.default_rng(seed)
    feature_map = rng.random((3, 4, 8), dtype=np.float32)
    kernel, bias = (
        rng.normal(size=(10, 8)).astype(np.float32),
        rng.normal(size=10).astype(np.float32),
    )
    raw = np.exp(kernel @ feature_map.mean(axis=(0, 1)) + bias)
    return (
        NetworkOutput(
            scale(raw / raw.sum(), CARD.temperature), feature_map.mean(axis=(0, 1)), feature_map
        ),
        kernel,
        bias,
    )


def test_it_finds_the_last_layer_among_other_constants() -> None:
    output, kernel, bias = made_up()
    head = find_head(
        [np.ones((10, 8), np.float32), np.ones(10, np.float32), bias, kernel.T], output, CARD
    )
    assert head is not None
    assert np.array_equal(head, kernel)


def test_a_layer_that_gives_other_answers_is_not_taken() -> None:
    output, _kernel, bias = made_up()
    assert find_head([made_up(2)[1], bias], output, CARD) is None


def test_an_embedding_that_is_no_mean_has_no_heat_map() -> None:
    output, kernel, bias = made_up()
    flat = NetworkOutput(
        output.probabilities, output.embedding, output.feature_map[:, :, ::-1] ** 2
    )
    assert find_head([kernel, bias], flat, CARD) is None


def test_the_map_is_the_weighted_sum_of_the_features() -> None:
    output, kernel, _bias = made_up()
    weights = kernel[3] - kernel.mean(axis=0)
    by_hand = np.maximum(
        0, sum(weights[feature] * output.feature_map[:, :, feature] for feature in range(8))
    )
    assert np.allclose(class_activation(output, kernel, 3), by_hand / by_hand.max(), atol=1e-5)


def test_weights_that_all_labels_share_change_nothing() -> None:
    output, kernel, _bias = made_up()
    assert np.allclose(
        class_activation(output, kernel, 3), class_activation(output, kernel + 5, 3), atol=1e-4
    )


def test_where_nothing_speaks_for_a_label_nothing_is_lit() -> None:
    output, kernel, _bias = made_up()
    against = kernel.copy()
    against[3] = kernel.mean(axis=0) - 10
    assert not class_activation(output, against, 3).any()


def test_the_shipped_network_gives_its_last_layer(shipped: LiteRTClassifier) -> None:
    assert shipped.head is not None
    assert shipped.head.shape == (10, 1280)


def test_the_sum_of_the_shipped_networks_map_is_its_score(shipped: LiteRTClassifier) -> None:
    """Zhou et al. 2016, part 2: the score of a label is the sum over its map."""
    assert shipped.head is not None
    golden = decode_photo(
        (FOLDER / shipped.card.golden[0].file).read_bytes(),
        max_side=working_side(shipped.card.input),
    )
    bias = (
        np.log(shipped.predict(np.zeros((64, 64, 3), np.uint8)).probabilities)
        * shipped.card.temperature
    )
    bias -= shipped.head @ shipped.predict(np.zeros((64, 64, 3), np.uint8)).embedding
    output = shipped.predict(golden.pixels)
    scores = (output.feature_map @ shipped.head.T).mean(axis=(0, 1)) + bias
    logits = np.log(np.maximum(output.probabilities, 1e-12)) * shipped.card.temperature
    assert np.allclose(scores - scores.mean(), logits - logits.mean(), atol=0.02)


@pytest.mark.parametrize(("resize", "dark"), [("stretch", False), ("pad", False), ("crop", True)])
def test_the_overlay_has_the_shape_of_the_photo(resize: str, dark: bool) -> None:
    overlay = Image.open(
        io.BytesIO(draw_overlay(np.ones((4, 4), np.float32), InputSpec(64, 64, resize), 600, 300))
    )
    assert (overlay.size, overlay.mode) == ((384, 192), "LA")
    assert (overlay.getpixel((2, 96))[1] > 200) is dark
    assert overlay.getpixel((192, 96)) == (0, 0)


def test_what_did_not_matter_is_dark() -> None:
    activation = np.array([[1, 0], [1, 0]], np.float32)
    overlay = Image.open(io.BytesIO(draw_overlay(activation, InputSpec(64, 64), 300, 300)))
    assert overlay.getpixel((20, 190))[1] < 20
    assert overlay.getpixel((360, 190))[1] > 190


def test_around_what_the_network_saw_it_is_dark() -> None:
    lit = np.ones((2, 2), np.float32)
    drawn = draw_overlay(lit, InputSpec(64, 64), 400, 400, (0.5, 0.25, 0.5, 0.5))
    overlay = Image.open(io.BytesIO(drawn))
    assert overlay.size == (384, 384)
    places = [(290, 190), (100, 190), (290, 60), (290, 330)]
    assert [overlay.getpixel(place)[1] == 0 for place in places] == [True, False, False, False]
