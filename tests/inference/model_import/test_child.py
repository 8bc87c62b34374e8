"""The child process of importing: networks are rebuilt with three outputs, or refused."""

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="importing needs TensorFlow")

import h5py
import keras
from keras import layers
from PIL import Image

from webapp.errors import ModelRefusedError
from webapp.inference.model_import.child import load, rebuild
from webapp.inference.model_import.hdf5 import check_hdf5
from webapp.inference.model_import.keras2 import mend
from webapp.inference.models.card import KERAS_FILE

pytestmark = pytest.mark.tensorflow
Network = Callable[..., keras.Model]
REQUEST: dict[str, Any] = {"labels": 3, "size": None, "preprocess": "none", "resize": "stretch"}
REQUEST |= {"maker": "", "photos": []}


def small(
    activation: str | None = "softmax", channels: int = 3, labels: int = 3, **inside: Any
) -> keras.Model:
    """Convolution, pooling, dense."""
    photo = keras.Input(
        (inside.pop("height", 16), inside.pop("width", 24), channels), name="picture"
    )
    flow = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3, name="eyes")(photo))
    return keras.Model(photo, layers.Dense(labels, activation=activation, name="answer")(flow))


def run(
    model: keras.Model, folder: Path, name: str = "given.keras", **request: Any
) -> dict[str, Any]:
    model.save(folder / name)
    return rebuild(folder, {**REQUEST, "file": name, **request})


def answers(folder: Path, photos: np.ndarray) -> dict[str, np.ndarray]:
    model = keras.saving.load_model(folder / KERAS_FILE, compile=False)
    return {key: np.asarray(value) for key, value in model(photos, training=False).items()}


def photos(height: int = 16, width: int = 24) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (2, height, width, 3)).astype(np.float32)


def test_a_rebuilt_network_answers_as_before(tmp_path: Path) -> None:
    model = small()
    report = run(model, tmp_path, preprocess="unit")
    outputs = answers(tmp_path, photos())
    assert (report["height"], report["width"]) == (16, 24)
    np.testing.assert_allclose(
        outputs["probabilities"], np.asarray(model(photos() / 255)), atol=1e-6
    )
    assert outputs["feature_map"].shape == (2, 14, 22, 8)
    np.testing.assert_allclose(
        outputs["feature_map"].mean(axis=(1, 2)), outputs["embedding"], atol=1e-5
    )


@pytest.mark.parametrize("how", ["caffe", "torch"])
def test_photos_are_prepared_as_keras_prepares_them(tmp_path: Path, how: str) -> None:
    model = small()
    run(model, tmp_path, preprocess=how)
    prepared = keras.applications.imagenet_utils.preprocess_input(photos().copy(), mode=how)
    np.testing.assert_allclose(
        answers(tmp_path, photos())["probabilities"], np.asarray(model(prepared)), atol=1e-4
    )


def test_networks_inside_networks_are_unfolded(tmp_path: Path) -> None:
    backbone = keras.Sequential(
        [keras.Input((16, 24, 3)), layers.Conv2D(6, 3), layers.GlobalAveragePooling2D()]
    )
    model = keras.Sequential(
        [
            keras.Input((16, 24, 3)),
            backbone,
            keras.Sequential([layers.Dense(5), layers.Dense(3, activation="softmax")]),
        ]
    )
    run(model, tmp_path)
    outputs = answers(tmp_path, photos())
    np.testing.assert_allclose(outputs["probabilities"], np.asarray(model(photos())), atol=1e-6)
    assert outputs["feature_map"].shape == (2, 14, 22, 6)


def test_without_a_pooling_the_last_dense_input_is_the_embedding(tmp_path: Path) -> None:
    photo = keras.Input((16, 24, 3))
    flow = layers.Dense(7, activation="relu")(layers.Flatten()(layers.Conv2D(4, 3)(photo)))
    run(keras.Model(photo, layers.Dense(3, activation="softmax")(flow)), tmp_path)
    outputs = answers(tmp_path, photos())
    assert outputs["embedding"].shape == (2, 7)
    assert outputs["feature_map"].shape == (2, 1, 1, 7)


def test_logits_get_the_softmax_they_lack(tmp_path: Path) -> None:
    report = run(small(activation=None), tmp_path)
    assert report["notes"] == ["Its last layer gave logits; a softmax was added."]
    np.testing.assert_allclose(
        answers(tmp_path, photos())["probabilities"].sum(axis=1), 1, atol=1e-5
    )


def test_a_network_that_scales_by_itself_is_left_alone(tmp_path: Path) -> None:
    photo = keras.Input((16, 24, 3))
    flow = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3)(layers.Rescaling(1 / 255)(photo)))
    assert (
        run(
            keras.Model(photo, layers.Dense(3, activation="softmax")(flow)),
            tmp_path,
            preprocess="auto",
        )["preprocess"]
        == "none"
    )


def test_a_network_for_any_size_takes_the_size_it_is_told(tmp_path: Path) -> None:
    model = small(height=None, width=None)
    with pytest.raises(ModelRefusedError, match="The input 'picture' takes photos of any size"):
        run(model, tmp_path)
    assert run(model, tmp_path, size=[32, 48])["width"] == 48


def two_inputs() -> keras.Model:
    first, second = keras.Input((16, 24, 3), name="left"), keras.Input((16, 24, 3), name="right")
    flow = layers.GlobalAveragePooling2D()(layers.Add()([first, second]))
    return keras.Model([first, second], layers.Dense(3, activation="softmax")(flow))


def picture_out() -> keras.Model:
    photo = keras.Input((16, 24, 3))
    return keras.Model(photo, layers.Conv2D(3, 3)(photo))


def not_a_number() -> keras.Model:
    model = small()
    kernel, bias = model.get_layer("eyes").get_weights()
    model.get_layer("eyes").set_weights([kernel * np.nan, bias])
    return model


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (two_inputs, "2 inputs ('left', 'right')"),
        (picture_out, "answers (None, 14, 22, 3)"),
        (not_a_number, "The layer 'eyes' has weights that are not numbers"),
        (lambda: small(channels=1), "The input 'picture' takes grey pictures"),
        (
            lambda: small(labels=7),
            "The last layer 'answer' answers 7 numbers for a photo, but there are 3 labels.",
        ),
        (
            lambda: small(activation="sigmoid"),
            "The last layer 'answer' scores each label by itself",
        ),
        (lambda: small(activation="relu"), "The last layer 'answer' ends in 'relu'"),
        (lambda: small(height=4096), "takes photos of 4096 x 24"),
    ],
)
def test_a_network_that_does_not_fit_is_refused_by_the_name_of_what_is_wrong(
    tmp_path: Path, make: Network, words: str
) -> None:
    with pytest.raises(ModelRefusedError) as refusal:
        run(make(), tmp_path)
    assert words in str(refusal.value)


def test_a_size_that_contradicts_the_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelRefusedError, match="takes photos of 16 x 24, not 32 x 32"):
        run(small(), tmp_path, size=[32, 32])


@pytest.mark.parametrize("name", ["given.keras", "given.h5"])
@pytest.mark.filterwarnings("ignore")  # Keras warns about its older format
def test_a_lambda_is_refused_and_never_runs(tmp_path: Path, name: str) -> None:
    canary = str(tmp_path / "canary")
    photo = keras.Input((16, 24, 3))
    flow = layers.Lambda(lambda values: open(canary, "w") and values)(  # noqa: PTH123, SIM115
        layers.GlobalAveragePooling2D()(photo)
    )
    model = keras.Model(photo, layers.Dense(3, activation="softmax")(flow))
    Path(canary).unlink()
    with pytest.raises(
        ModelRefusedError, match="of the kind 'Lambda', which carries code of its own"
    ):
        run(model, tmp_path, name)
    assert not Path(canary).exists()


@keras.saving.register_keras_serializable(package="Somebody")
class Own(layers.Layer):
    """A layer that even this process knows: it is refused all the same."""

    def call(self, values: Any) -> Any:
        return values


@pytest.mark.parametrize("name", ["given.keras", "given.h5"])
@pytest.mark.filterwarnings("ignore")  # Keras warns about its older format
def test_a_custom_class_is_refused(tmp_path: Path, name: str) -> None:
    photo = keras.Input((16, 24, 3))
    model = keras.Model(
        photo,
        layers.Dense(3, activation="softmax")(
            layers.GlobalAveragePooling2D()(Own(name="mine")(photo))
        ),
    )
    with pytest.raises(ModelRefusedError, match="The layer 'mine' is of the kind"):
        run(model, tmp_path, name)


@pytest.fixture
def legacy(tmp_path: Path) -> Path:
    small().save(tmp_path / "given.h5")
    return tmp_path / "given.h5"


def test_a_link_to_another_file_is_refused(legacy: Path) -> None:
    with h5py.File(legacy, "r+") as file:
        file["model_weights/eyes/stolen"] = h5py.ExternalLink("/etc/passwd", "/")
    with pytest.raises(
        ModelRefusedError, match=r"'/model_weights/eyes/stolen' lead to another file, '/etc/passwd'"
    ):
        load(legacy)


def test_a_link_inside_the_file_is_refused(legacy: Path) -> None:
    with h5py.File(legacy, "r+") as file:
        file["again"] = h5py.SoftLink("/model_weights")
    with pytest.raises(ModelRefusedError, match="'/again' are a link and not weights"):
        load(legacy)


def test_weights_kept_in_another_file_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("kernel", (100,), dtype="u1", external=[("/etc/passwd", 0, 100)])
    with pytest.raises(ModelRefusedError, match="'/kernel' are kept in another file"):
        check_hdf5(tmp_path / "a.h5")


def test_weights_that_claim_more_than_memory_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("kernel", (2**40,), dtype="f4", chunks=(1024,))
    with pytest.raises(ModelRefusedError, match="claim 4,096 GB in a file of"):
        check_hdf5(tmp_path / "a.h5")


def test_a_group_that_holds_itself_ends(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_group("one")["two"] = file["/"]
    check_hdf5(tmp_path / "a.h5")


def test_a_link_inside_a_keras_archive_is_refused(tmp_path: Path) -> None:
    small().save(tmp_path / "good.keras")
    with zipfile.ZipFile(tmp_path / "good.keras") as archive:
        kept = {name: archive.read(name) for name in archive.namelist()}
    (tmp_path / "w.h5").write_bytes(kept["model.weights.h5"])
    with h5py.File(tmp_path / "w.h5", "r+") as file:
        file["stolen"] = h5py.ExternalLink("/etc/passwd", "/")
    with zipfile.ZipFile(tmp_path / "bad.keras", "w") as archive:
        for name, content in {**kept, "model.weights.h5": (tmp_path / "w.h5").read_bytes()}.items():
            archive.writestr(name, content)
    with pytest.raises(ModelRefusedError, match="lead to another file"):
        load(tmp_path / "bad.keras")


@pytest.mark.parametrize("name", ["given.keras", "given.h5"])
@pytest.mark.filterwarnings("ignore")  # Keras warns about its older format
def test_half_a_file_is_refused(tmp_path: Path, name: str) -> None:
    small().save(tmp_path / name)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelRefusedError, match="whole"):
        load(tmp_path / name)


def test_weights_alone_are_refused(tmp_path: Path) -> None:
    small().save_weights(tmp_path / "a.weights.h5")
    with pytest.raises(ModelRefusedError, match="holds weights and no network"):
        load(tmp_path / "a.weights.h5")


def test_what_keras_2_wrote_is_mended() -> None:
    inside = {"groups": 1, "name": "one"}
    axis = {"axis": [3]}
    config = {
        "layers": [
            {"class_name": "DepthwiseConv2D", "config": inside},
            {"class_name": "BatchNormalization", "config": axis},
        ]
    }
    assert mend(config)
    assert (inside, axis) == ({"name": "one"}, {"axis": 3})
    assert not mend(config)


NETWORKS = Path(__file__).parent / "networks"


@pytest.mark.parametrize("name", ["keras_model.h5", "operators.h5", "operators.keras"])
@pytest.mark.filterwarnings("ignore")  # Keras warns about its older format
def test_a_network_of_keras_2_answers_as_keras_2_did(tmp_path: Path, name: str) -> None:
    shutil.copy(NETWORKS / name, tmp_path)
    maker = "teachable-machine" if name == "keras_model.h5" else ""
    report = rebuild(tmp_path, {**REQUEST, "file": name, "preprocess": "auto", "maker": maker})
    recorded = np.load(NETWORKS / "answers.npz")
    given = recorded["photos"].astype(np.float32)
    np.testing.assert_allclose(answers(tmp_path, given)["probabilities"], recorded[name], atol=1e-5)
    assert report["preprocess"] == ("minus-one-to-one" if maker else "none")


def test_an_operator_that_is_not_known_is_refused_by_name() -> None:
    settings = {"name": "odd", "function": "io.read_file"}
    layer = {"class_name": "TFOpLambda", "config": settings, "inbound_nodes": [["a", 0, 0, {}]]}
    with pytest.raises(ModelRefusedError, match=r"'odd' is TensorFlow's operator 'io\.read_file'"):
        mend({"layers": [layer]})


@pytest.mark.parametrize("nodes", [[[]], [[3]], [["a"]], [[["a", 0, 0, 7]]]])
def test_an_operator_without_sense_is_refused(nodes: list[Any]) -> None:
    settings = {"name": "odd", "function": "math.add"}
    layer = {"class_name": "TFOpLambda", "config": settings, "inbound_nodes": nodes}
    with pytest.raises(ModelRefusedError, match="makes no sense"):
        mend({"layers": [layer]})


def first(*scaling: Any) -> keras.Model:
    stack = [*scaling, layers.Conv2D(8, 3), layers.GlobalAveragePooling2D()]
    return keras.Sequential(
        [keras.Input((16, 24, 3)), *stack, layers.Dense(3, activation="softmax")]
    )


def trained_batch_norm(mean: float, deviation: float) -> keras.Model:
    model = first(layers.BatchNormalization())
    model.layers[0].set_weights([np.full(3, value) for value in (1, 0, mean, deviation**2)])
    return model


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: first(layers.Rescaling(1 / 127.5, -1)), "none"),
        (lambda: first(layers.Rescaling(2.0, -1)), "unit"),
        (lambda: first(layers.Normalization(mean=[0.5] * 3, variance=[0.25] * 3)), "unit"),
        (lambda: first(layers.Normalization(mean=[120] * 3, variance=[3600] * 3)), "none"),
        (lambda: trained_batch_norm(127, 60), "none"),
        (lambda: trained_batch_norm(0.45, 0.27), "unit"),
    ],
)
def test_the_first_layers_tell_how_photos_were_scaled(
    tmp_path: Path, make: Network, expected: str
) -> None:
    report = run(make(), tmp_path, preprocess="auto")
    assert report["preprocess"] == expected
    assert report["notes"][0].startswith("Its first layers scale photos of 0 to")


@pytest.mark.parametrize("make", [small, lambda: first(layers.BatchNormalization())])
def test_a_network_that_tells_nothing_of_its_scaling_is_refused(
    tmp_path: Path, make: Network
) -> None:
    with pytest.raises(ModelRefusedError, match="Say it with --preprocess"):
        run(make(), tmp_path, preprocess="auto")


def bright_or_dark() -> keras.Model:
    """Says "bright" of photos of -1 to 1 whose mean is over 0."""
    photo = keras.Input((16, 24, 3))
    model = keras.Model(
        photo, layers.Dense(2, activation="softmax")(layers.GlobalAveragePooling2D()(photo))
    )
    model.set_weights([np.array([[40, -40]] * 3), np.zeros(2)])
    return model


def test_photos_with_known_labels_show_how_they_were_scaled(tmp_path: Path) -> None:
    known = []
    for number in range(16):
        place, level = number % 2, (118 if number % 2 else 130) + number // 3
        Image.new("RGB", (24, 16), (level,) * 3).save(tmp_path / f"{number}.png")
        known.append([str(tmp_path / f"{number}.png"), place])
    report = run(bright_or_dark(), tmp_path, preprocess="auto", photos=known, labels=2)
    assert report["preprocess"] == "minus-one-to-one"
    assert "it knows 16 of 16 photos" in report["notes"][0]


def test_photos_that_do_not_decide_are_not_enough(tmp_path: Path) -> None:
    known = []
    for number in range(8):
        Image.new("RGB", (24, 16), (number * 30,) * 3).save(tmp_path / f"{number}.png")
        known.append([str(tmp_path / f"{number}.png"), number * 5 % 3])
    with pytest.raises(ModelRefusedError, match="no scaling is clearly the right one"):
        run(small(), tmp_path, preprocess="auto", photos=known)


def test_a_sigmoid_given_as_an_operation_is_no_logit(tmp_path: Path) -> None:
    model = small(activation=None)
    scores = keras.Model(model.inputs, keras.ops.sigmoid(model.outputs[0]))
    with pytest.raises(ModelRefusedError, match="scores each label by itself"):
        run(scores, tmp_path)


def test_operations_of_keras_3_come_in(tmp_path: Path) -> None:
    photo = keras.Input((16, 24, 3))
    flow = (keras.ops.cast(photo[..., ::-1], "float32") - 127.0) / 128.0
    flow = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3)(flow))
    model = keras.Model(photo, keras.ops.softmax(layers.Dense(3)(flow)))
    assert run(model, tmp_path, preprocess="auto")["preprocess"] == "none"
    np.testing.assert_allclose(
        answers(tmp_path, photos())["probabilities"], np.asarray(model(photos())), atol=1e-5
    )


@pytest.mark.parametrize("kind", [keras.applications.mobilenet_v2, keras.applications.resnet])
def test_a_transferred_network_with_its_scaling_as_arithmetic_is_left_alone(
    tmp_path: Path, kind: Any
) -> None:
    photo = keras.Input((32, 32, 3))
    backbone = keras.Sequential(
        [keras.Input((32, 32, 3)), layers.Conv2D(6, 3), layers.BatchNormalization()]
    )
    flow = keras.Sequential([layers.RandomFlip()])(photo)
    flow = layers.GlobalAveragePooling2D()(backbone(kind.preprocess_input(flow), training=False))
    model = keras.Model(photo, layers.Dense(3, activation="softmax")(layers.Dropout(0.2)(flow)))
    assert run(model, tmp_path, preprocess="auto")["preprocess"] == "none"
    np.testing.assert_allclose(
        answers(tmp_path, photos(32, 32))["probabilities"],
        np.asarray(model(photos(32, 32), training=False)),
        atol=1e-5,
    )
    assert not [
        layer
        for layer in keras.saving.load_model(tmp_path / KERAS_FILE, compile=False).layers
        if "flip" in layer.name
    ]
