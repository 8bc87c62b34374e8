"""Importing networks: labels in many forms, and what is refused before Keras opens a file."""

import csv
import io
import json
import pickle
import struct
import zipfile
from pathlib import Path

import pytest

from webapp.errors import ModelRefusedError
from webapp.inference.model_import.keras_archive import check_config
from webapp.inference.model_import.labels import read_labels
from webapp.inference.model_import.model_import import Request, import_model
from webapp.inference.models.bundle import unpack


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("labels.txt", "Audi S4\nBMW M3\n\n", ("Audi S4", "BMW M3")),
        ("labels.txt", "\ufeff0 Class 1\n1 Class 2\n", ("Class 1", "Class 2")),
        ("labels.txt", "911 Porsche\n500 Fiat\n", ("911 Porsche", "500 Fiat")),
        ("class_indices.json", '{"lada": 1, "audi": 0}', ("audi", "lada")),
        ("labels.json", '{"0": "audi", "1": "lada"}', ("audi", "lada")),
        ("labels.json", '["audi", "lada"]', ("audi", "lada")),
    ],
)
def test_labels_come_in_many_forms(
    tmp_path: Path, name: str, text: str, expected: tuple[str, ...]
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert read_labels(str(tmp_path / name)) == read_labels("", tmp_path / name)
    assert read_labels(str(tmp_path / name))[0] == expected


def test_labels_can_be_a_list_with_commas() -> None:
    assert read_labels("audi, lada ,bmw")[0] == ("audi", "lada", "bmw")
    many = ",".join(f"a rather long label {number}" for number in range(200))
    assert len(read_labels(many)[0]) == 200


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Say what the network's outputs mean"),
        ("audi", "at least two labels"),
        ("audi,audi", "'audi' is there twice"),
        ("missing.txt", "missing.txt cannot be read: No such file"),
        ("audi,\x1b[2J", "not made of letters"),
    ],
)
def test_labels_that_make_no_sense_are_refused(text: str, words: str) -> None:
    with pytest.raises(ModelRefusedError, match=words):
        read_labels(text)


@pytest.mark.parametrize(
    "text",
    ['{"audi": 0, "lada": 2}', '{"audi": 0, "lada": 0}', "[1, 2]", "{", '"audi"', "[" * 5000],
)
def test_json_labels_without_order_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "labels.json").write_text(text)
    with pytest.raises(ModelRefusedError):
        read_labels(str(tmp_path / "labels.json"))


class Canary:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_pickle_called_h5_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    (tmp_path / "model.h5").write_bytes(pickle.dumps(Canary(tmp_path / "canary")))
    with pytest.raises(ModelRefusedError, match="is a Python pickle"):
        import_model(Request(tmp_path / "model.h5", "a,b"), tmp_path / "models")
    assert not (tmp_path / "canary").exists()
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"hello, model", "is neither"),
        (b"\x1c\0\0\0TFL3" + b"\0" * 20, "is a compiled network"),
    ],
)
def test_what_is_no_keras_file_is_refused_by_its_content(
    tmp_path: Path, content: bytes, words: str
) -> None:
    (tmp_path / "model.keras").write_bytes(content)
    with pytest.raises(ModelRefusedError, match=words):
        import_model(Request(tmp_path / "model.keras", "a,b"), tmp_path / "models")


def bundle(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    "name", ["../canary", "/canary", "a/../../canary", "C:canary", "a\\..\\canary"]
)
def test_a_member_that_leads_out_of_the_zip_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(ModelRefusedError, match="leads out of it"):
        unpack(bundle(tmp_path / "a.zip", ("model.keras", b"x"), (name, b"x")), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("labels.txt")
    link.external_attr = 0o120777 << 16
    (tmp_path / "out").mkdir()
    with pytest.raises(ModelRefusedError, match=r"'labels\.txt', which is a link"):
        unpack(bundle(tmp_path / "a.zip", (link, b"/etc/passwd")), tmp_path / "out")


def test_a_link_in_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "labels.txt").symlink_to("/etc/passwd")
    with pytest.raises(ModelRefusedError, match=r"labels\.txt is a link"):
        import_model(Request(tmp_path / "given"), tmp_path / "models")


def test_a_zip_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webapp.inference.models.bundle.UNPACKED_BYTES", 1000)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.keras", bytes(100_000))
    (tmp_path / "a.zip").write_bytes(stream.getvalue())
    (tmp_path / "out").mkdir()
    with pytest.raises(ModelRefusedError, match="unpacks to more than"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


def test_a_member_larger_than_it_claims_is_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.keras", bytes(100_000))
    content = stream.getvalue().replace(struct.pack("<L", 100_000), struct.pack("<L", 10))
    (tmp_path / "a.zip").write_bytes(content)
    (tmp_path / "out").mkdir()
    with pytest.raises(ModelRefusedError, match="is not a sound zip file"):
        unpack(tmp_path / "a.zip", tmp_path / "out")
    assert all(path.stat().st_size <= 10 for path in (tmp_path / "out").iterdir())


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelRefusedError, match="two members have the same name"):
        unpack(bundle(tmp_path / "a.zip", ("card.json", b"x"), ("card.json", b"y")), tmp_path)


def test_a_folder_with_two_networks_is_refused_by_name(tmp_path: Path) -> None:
    for name in ("a.keras", "b.h5"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ModelRefusedError, match=r"there are: a\.keras, b\.h5"):
        import_model(Request(tmp_path, "a,b"), tmp_path / "models")


def layer(kind: str, **inside: object) -> dict[str, object]:
    return {
        "module": "keras.layers",
        "class_name": kind,
        "config": {"name": "one", **inside},
        "registered_name": None,
    }


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (layer("Lambda"), "The layer 'one' is of the kind 'Lambda', which carries code"),
        (layer("TFSMLayer"), "carries code"),
        (
            layer("StringLookup", vocabulary="/etc/passwd"),
            "'StringLookup', which is not on the list",
        ),
        (layer("Swish2"), "not on the list"),
        (layer("Int8QuantizationConfig"), "was quantized"),
        (
            layer("Dense") | {"module": "mypackage.layers"},
            "from 'mypackage.layers', which carries code",
        ),
        (layer("Dense") | {"module": "kerasx"}, "carries code"),
        (layer("Dense") | {"registered_name": "Custom>Dense"}, "not on the list"),
        (
            layer(
                "Dense", activation={"module": "os", "class_name": "function", "config": "getcwd"}
            ),
            "'getcwd' is of the kind 'function' from 'os'",
        ),
        (
            layer(
                "Dense",
                activation={
                    "module": "keras.utils",
                    "class_name": "function",
                    "config": "get_file",
                },
            ),
            "carries code",
        ),
        (layer("Dense", units=2_000_000_000), "asks for 2,000,000,000 units"),
        ({"class_name": "Sequential", "config": {"layers": [layer("Lambda")]}}, "'Lambda'"),
        ({"class_name": ["Dense"], "config": {}}, "whose kind is not a name"),
    ],
)
def test_a_network_may_only_name_layers_on_the_list(config: dict[str, object], words: str) -> None:
    with pytest.raises(ModelRefusedError, match=words):
        check_config(json.loads(json.dumps({"layers": [config]})))


def test_an_ordinary_network_is_accepted() -> None:
    check_config(
        {
            "class_name": "Sequential",
            "config": {"layers": [layer("Dense", units=10, kernel_initializer=layer("Zeros"))]},
        }
    )


@pytest.mark.tensorflow
def test_every_bad_network_of_the_collection_is_refused(shared: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorflow", reason="importing needs TensorFlow")

    with (shared / "hostile" / "models.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    for row in rows:
        request = Request(
            shared / "hostile" / "models" / row["file"], "a,b,c,d", "it", preprocess="unit"
        )
        if row["expected"] == "reject":
            with pytest.raises(ModelRefusedError) as refusal:
                import_model(request, tmp_path / "models")
            assert str(refusal.value).count("\n") == 0
            assert "root:" not in str(refusal.value)
        elif row["expected"] == "accept":
            assert import_model(request, tmp_path / "models").version == 1


def test_a_refusal_names_the_file_as_it_came(tmp_path: Path) -> None:
    source = tmp_path / "my cars.h5"
    source.write_bytes(b"\x89HDF\r\n\x1a\n" + b"x" * 8)
    with pytest.raises(ModelRefusedError, match=r"^my cars\.h5 is not a whole HDF5 file"):
        import_model(Request(source, "a,b"), tmp_path / "models")
