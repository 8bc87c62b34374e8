"""The publishing gate, and the version that ships."""

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from webapp.errors import ModelRefusedError
from webapp.inference.classifier import GOLDEN_TOLERANCE, self_test
from webapp.inference.decoding.images import decode_photo
from webapp.inference.litert_classifier import LiteRTClassifier
from webapp.inference.models.card import COMPILED_FILE, KERAS_FILE, InputSpec, Label, ModelCard
from webapp.inference.models.golden import write_golden
from webapp.inference.models.publish import GOLDEN_FOLDER, ChildLimits, publish
from webapp.inference.models.registry import Registry, check_files

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = Registry(ROOT / "models")
LABELS = tuple(Label(name, name.title()) for name in ("blue", "green", "red"))
Publish = Callable[..., int]


def make_card(**changes: object) -> ModelCard:
    fields = {
        "name": "toy",
        "version": 1,
        "title": "Toy",
        "noun": "colour",
        "noun_plural": "colours",
        "question": "Which colour?",
        "summary": "",
        "labels": LABELS,
        "input": InputSpec(32, 48),
        "temperature": 1.2,
        "threshold": 0.5,
    }
    return ModelCard(**(fields | changes))  # type: ignore[arg-type]


def lay_out(folder: Path, keras_file: Path) -> Path:
    """A draft with two golden photos."""
    write_golden(folder / GOLDEN_FOLDER, count=2)
    if keras_file.exists():
        shutil.copyfile(keras_file, folder / KERAS_FILE)
    return folder


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Keras model with the three outputs."""
    pytest.importorskip("tensorflow", reason="publishing needs TensorFlow")
    from webapp.training.network import build_network
    from webapp.training.recipe import Recipe

    path = tmp_path_factory.mktemp("toy") / KERAS_FILE
    build_network(Recipe("toy", "Toy", backbone="small_cnn", dropout=0.1), 3, (32, 48)).save(path)
    return path


@pytest.fixture
def refused(tmp_path: Path) -> Callable[..., str]:
    """Publish what must be refused; returns the reason, once nothing is left behind."""

    def attempt(keras_file: Path, card: ModelCard | None = None, **limits: int) -> str:
        models = tmp_path / "models"
        with pytest.raises(ModelRefusedError) as caught:
            draft = lay_out(tmp_path / "draft", keras_file)
            publish(draft, card or make_card(), models, limits=ChildLimits(**limits))
        assert not models.exists() or list(models.iterdir()) == []
        return str(caught.value)

    return attempt


@pytest.fixture(scope="module")
def published(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder into which the toy was published twice."""
    models, draft = tmp_path_factory.mktemp("models"), tmp_path_factory.mktemp("draft")
    lay_out(draft, toy)
    assert [publish(draft, make_card(), models) for _ in range(2)] == [1, 2]
    return models


@pytest.mark.tensorflow
def test_a_published_version_is_whole_and_its_answers_agree(published: Path) -> None:
    folder = published / "toy" / "1"
    card = ModelCard.read(folder)
    golden = ["golden/1-shapes.png", "golden/2-shapes.png"]
    assert sorted(card.files) == sorted([KERAS_FILE, COMPILED_FILE, *golden])
    check_files(folder, card, tuple(card.files))
    assert self_test(LiteRTClassifier(folder, card), folder) <= GOLDEN_TOLERANCE
    assert card.metrics["compiled"]["largest_difference"] <= card.keras_tolerance == 0.05


@pytest.mark.tensorflow
def test_the_compiled_network_stores_its_weights_as_float16(published: Path) -> None:
    folder = published / "toy" / "1"
    constants = LiteRTClassifier(folder, ModelCard.read(folder))._constants()
    assert {array.dtype.name for array in constants if array.shape == (3, 32)} == {"float16"}


@pytest.mark.tensorflow
def test_the_keras_engine_is_within_the_tolerance_of_the_card(published: Path) -> None:
    from webapp.inference.keras_classifier import KerasClassifier

    folder = published / "toy" / "1"
    classifier = KerasClassifier(folder, ModelCard.read(folder))
    assert self_test(classifier, folder) <= classifier.golden_tolerance == 0.05


@pytest.mark.tensorflow
def test_the_last_layer_is_recognised_with_float16_weights(published: Path) -> None:
    folder = published / "toy" / "1"
    head = LiteRTClassifier(folder, ModelCard.read(folder)).head
    assert head is not None and head.shape == (3, 32)


@pytest.mark.tensorflow
def test_a_network_that_float16_cannot_hold_is_compiled_with_float32(
    toy: Path, tmp_path: Path
) -> None:
    keras = pytest.importorskip("keras")
    network = keras.saving.load_model(toy)
    kind = keras.layers.BatchNormalization
    *_, norm = (layer for layer in network.layers if isinstance(layer, kind))
    gamma, beta, mean, variance = norm.get_weights()
    norm.set_weights([gamma * 1e-6, beta * 1e-6, mean, variance])
    kernel, bias = network.get_layer("probabilities").get_weights()
    network.get_layer("probabilities").set_weights([kernel * 1e6, bias])
    draft = lay_out(tmp_path / "draft", toy)
    network.save(draft / KERAS_FILE)
    publish(draft, make_card(), tmp_path / "models")
    assert Registry(tmp_path / "models").card("toy").keras_tolerance == GOLDEN_TOLERANCE


@pytest.mark.tensorflow
def test_the_first_version_is_live_and_the_second_waits(published: Path) -> None:
    registry = Registry(published)
    assert registry.versions("toy") == [1, 2]
    assert registry.live_version("toy") == 1
    assert not [path for path in (published / "toy").iterdir() if path.name.startswith(".")]


@pytest.mark.tensorflow
def test_it_refuses_a_model_of_another_size(toy: Path, refused: Callable[..., str]) -> None:
    assert "takes (None, 32, 48, 3), the card says (None, 64, 48, 3)" in refused(
        toy, make_card(input=InputSpec(64, 48))
    )


def test_it_refuses_a_truncated_file(tmp_path: Path, refused: Callable[..., str]) -> None:
    (tmp_path / "half.keras").write_bytes(b"PK\x03\x04 and then nothing")
    assert "not a whole .keras file" in refused(tmp_path / "half.keras")


def test_it_refuses_a_layer_that_carries_code(tmp_path: Path, refused: Callable[..., str]) -> None:
    config = {
        "class_name": "Functional",
        "module": "keras",
        "config": {"layers": [{"class_name": "Lambda", "module": "keras.layers", "config": {}}]},
    }
    with zipfile.ZipFile(tmp_path / "lambda.keras", "w") as archive:
        archive.writestr("config.json", json.dumps(config))
    assert "'Lambda', which carries code of its own" in refused(tmp_path / "lambda.keras")


def test_it_refuses_a_missing_file(tmp_path: Path, refused: Callable[..., str]) -> None:
    assert "not a whole .keras file" in refused(tmp_path / "nowhere.keras")


@pytest.mark.tensorflow
def test_it_stops_a_child_that_takes_too_long(toy: Path, refused: Callable[..., str]) -> None:
    assert "longer than 1 s" in refused(toy, seconds=1)


@pytest.mark.tensorflow
def test_it_refuses_a_compiled_network_that_answers_otherwise(toy: Path, tmp_path: Path) -> None:
    from webapp.inference.keras_classifier import KerasClassifier
    from webapp.inference.models.publish_child import compare, compile_network
    from webapp.training.network import build_network
    from webapp.training.recipe import Recipe

    card, (honest, other) = make_card(), (tmp_path / "honest", tmp_path / "other")
    for folder in (honest, other):
        folder.mkdir()
    (honest / KERAS_FILE).write_bytes(toy.read_bytes())
    network = build_network(Recipe("toy", "Toy", backbone="small_cnn", dropout=0.1), 3, (32, 48))
    compile_network(network, other)
    with pytest.raises(
        ModelRefusedError, match=r"differs from Keras on golden/1-shapes.png by .* 0.001 is allowed"
    ):
        compare(
            KerasClassifier(honest, card),
            LiteRTClassifier(other, card),
            write_golden(tmp_path / GOLDEN_FOLDER, count=2),
        )


SHIPPED_VERSIONS = [
    (name, version) for name in SHIPPED.names() for version in SHIPPED.versions(name)
]


@pytest.mark.parametrize(("name", "version"), SHIPPED_VERSIONS)
def test_a_shipped_version_answers_as_its_card_says(name: str, version: int) -> None:
    folder = SHIPPED.version_folder(name, version)
    card = ModelCard.read(folder)
    assert (card.name, card.version) == (name, version)
    assert len(card.golden) >= 2
    check_files(folder, card, tuple(card.files))
    assert self_test(LiteRTClassifier(folder, card), folder) <= GOLDEN_TOLERANCE


@pytest.mark.parametrize(("name", "version"), SHIPPED_VERSIONS)
def test_a_shipped_card_says_what_was_measured_and_on_how_many(name: str, version: int) -> None:
    card = ModelCard.read(SHIPPED.version_folder(name, version))
    test = card.metrics["test"]
    assert test["n"] == card.split["test"]["n"] == sum(map(sum, test["confusion"]))
    assert test["top1_interval"][0] <= test["top1"] <= test["top1_interval"][1]
    assert all(figures["n"] > 0 for figures in test["sources"].values())
    assert all(source["licence"] for source in card.data)
    assert card.limits


def test_the_shipped_teams_are_good_enough() -> None:
    test = SHIPPED.card("f1-teams").metrics["test"]
    photos = [test["sources"][name] for name in ("photos", "more photos")]
    assert all(source["top1"] >= 0.9 for source in photos)
    assert sum(source["n"] for source in photos) >= 150
    assert test["sources"]["game frames"]["top1"] >= 0.97
    assert test["ece_after"] <= 0.05


def test_the_shipped_road_cars_are_good_enough() -> None:
    test = SHIPPED.card("stanford-cars").metrics["test"]
    assert test["top1"] >= 0.89 and test["top5"] >= 0.97 and test["n"] >= 400
    assert test["ece_after"] <= 0.05


@pytest.mark.parametrize(("name", "lost"), [("f1-teams", 0.06), ("stanford-cars", 0.05)])
def test_shipped_models_are_silent_about_other_things_and_seldom_about_their_own(
    name: str, lost: float
) -> None:
    unknown = SHIPPED.card(name).metrics["unknown"]
    assert unknown["auroc"] >= 0.95 and unknown["unclassified"] >= 0.85
    assert unknown["known_unclassified"] <= lost


@pytest.mark.tensorflow
def test_both_engines_agree_on_pictures_of_cars() -> None:
    pytest.importorskip("tensorflow", reason="the Keras engine needs TensorFlow")
    from webapp.inference.keras_classifier import KerasClassifier

    card = SHIPPED.card("f1-teams")
    folder = SHIPPED.version_folder(card.name, card.version)
    keras, compiled = KerasClassifier(folder, card), LiteRTClassifier(folder, card)
    for label in ("mclaren", "haas"):
        pixels = decode_photo(
            (ROOT / "tests" / "pictures" / "cars" / f"{label}.jpg").read_bytes()
        ).pixels
        first, second = keras.predict(pixels), compiled.predict(pixels)
        assert first.probabilities == pytest.approx(second.probabilities, abs=card.keras_tolerance)
        assert first.feature_map.mean(axis=(0, 1)) == pytest.approx(first.embedding, abs=1e-3)


def test_a_real_photo_is_ranked(shared: Path) -> None:
    card = SHIPPED.card("f1-teams")
    classifier = LiteRTClassifier(SHIPPED.version_folder(card.name, card.version), card)
    path = next((shared / "data" / "f1-photos" / "ferrari").glob("*.jpg"))
    output = classifier.predict(decode_photo(path.read_bytes()).pixels)
    assert output.probabilities.sum() == pytest.approx(1.0, abs=1e-5)
