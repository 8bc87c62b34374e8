"""Checkpoints of PyTorch's older format are read without PyTorch, and nothing in them runs."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.training.torch_files import plain, state, tensor, write_torch_file
from webapp.errors import TrainingError
from webapp.training.torch_file import read_torch_file

ARRAYS = {
    "conv.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2),
    "conv.turned": np.arange(6, dtype=np.float32).reshape(2, 3).T,
    "batches": np.array(7, dtype=np.int64),
}


def test_it_reads_the_arrays_by_name(tmp_path: Path) -> None:
    arrays = read_torch_file(write_torch_file(tmp_path / "a.pth", ARRAYS))
    assert list(arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array)
        assert arrays[name].dtype == array.dtype


def test_it_reads_the_checkpoint_in_a_wheel(tmp_path: Path) -> None:
    checkpoint = write_torch_file(tmp_path / "a.pth", ARRAYS)
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as wheel:
        wheel.write(checkpoint, "package/models/a.pth")
        wheel.writestr("package/__init__.py", "")
    arrays = read_torch_file(tmp_path / "a.whl")
    np.testing.assert_array_equal(arrays["conv.turned"], ARRAYS["conv.turned"])


def test_it_refuses_a_pickle_that_names_a_function(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    call = b"\x80\x02cos\nsystem\n" + plain((f"touch {marker}",)) + b"R."
    with pytest.raises(
        TrainingError,
        match=r"bad\.pth is no PyTorch checkpoint that can be read: it asks for os\.system",
    ):
        read_torch_file(write_torch_file(tmp_path / "bad.pth", {}, call))
    assert not marker.exists()


def test_it_refuses_a_whole_pickled_network(tmp_path: Path) -> None:
    network = b"\x80\x02ctorch.nn.modules.container\nSequential\n)\x81."
    with pytest.raises(TrainingError, match=r"asks for torch\.nn\.modules\.container\.Sequential"):
        read_torch_file(write_torch_file(tmp_path / "bad.pth", {}, network))


def test_it_refuses_numbers_among_the_arrays(tmp_path: Path) -> None:
    numbers = b"\x80\x02" + plain({"epoch": 3}) + b"."
    with pytest.raises(TrainingError, match="holds more than arrays by name"):
        read_torch_file(write_torch_file(tmp_path / "bad.pth", {}, numbers))


def test_it_refuses_an_array_that_reaches_beyond_its_storage(tmp_path: Path) -> None:
    larger = tensor("a", np.zeros((4, 4), dtype=np.float32))
    pickled = b"\x80\x02}(" + plain("a") + larger + b"u."
    arrays = {"a": np.zeros(8, dtype=np.float32)}
    with pytest.raises(TrainingError, match=r"bad\.pth is no PyTorch checkpoint"):
        read_torch_file(write_torch_file(tmp_path / "bad.pth", arrays, pickled))


def test_it_refuses_a_file_that_was_cut_off(tmp_path: Path) -> None:
    content = write_torch_file(tmp_path / "a.pth", ARRAYS).read_bytes()
    for size in (0, 10, len(state(ARRAYS)) // 2, len(content) - 1):
        (tmp_path / "cut.pth").write_bytes(content[:size])
        with pytest.raises(TrainingError, match=r"cut\.pth is no PyTorch checkpoint"):
            read_torch_file(tmp_path / "cut.pth")


def test_it_says_how_to_save_a_checkpoint_in_the_newer_format_again(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "new.pth", "w") as archive:
        archive.writestr("archive/data.pkl", b"")
    with pytest.raises(TrainingError, match="_use_new_zipfile_serialization=False"):
        read_torch_file(tmp_path / "new.pth")


def test_it_says_that_a_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"none\.pth is no PyTorch checkpoint"):
        read_torch_file(tmp_path / "none.pth")
