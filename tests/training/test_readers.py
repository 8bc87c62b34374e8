"""What a data folder says about its photos, in every layout."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("scipy", reason="the .mat lists of public data sets need SciPy")

from PIL import Image
from scipy.io import savemat

from tests.training.toys import picture
from webapp.errors import TrainingError
from webapp.inference.models.card import InputSpec
from webapp.training import readers
from webapp.training.dataset import fit_all, read_examples
from webapp.training.readers import Listing, list_photos
from webapp.training.recipe import Layout

TABLE = Layout(kind="table")
CARS = Layout(kind="cars-devkit")
DOGS = Layout(kind="dogs")


def photo(path: Path, color: tuple[int, int, int] = (200, 40, 40)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(len(str(path)), color).save(path)


def pairs(listing: Listing) -> list[tuple[str, str]]:
    return [(listed.path.name, listed.label) for listed in listing.photos]


# ---- a folder per label ----


def test_a_folder_per_label_is_read_to_its_depth(tmp_path: Path) -> None:
    photo(tmp_path / "red" / "2024" / "a.png")
    photo(tmp_path / "blue" / "b.png")
    photo(tmp_path / "red" / ".thumbs.png")
    assert pairs(list_photos(tmp_path, Layout())) == [("b.png", "blue"), ("a.png", "red")]


def test_an_export_tells_which_labels_it_saw(tmp_path: Path) -> None:
    photo(tmp_path / "red" / "a.png")
    (tmp_path / "manifest.json").write_text(
        '{"marque_export": 1, "complete": true, "label_event": 88}'
    )
    assert list_photos(tmp_path, Layout()).label_event == 88


@pytest.mark.parametrize(
    "manifest",
    [
        '{"marque_export": 1, "complete": false, "label_event": 8}',
        '{"label_event": 8}',
        "[]",
        "{",
        "",
    ],
)
def test_what_is_no_whole_export_tells_nothing_of_labels(tmp_path: Path, manifest: str) -> None:
    photo(tmp_path / "red" / "a.png")
    (tmp_path / "manifest.json").write_text(manifest)
    assert list_photos(tmp_path, Layout()).label_event is None


def test_it_refuses_a_data_folder_without_labels(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no folder per label"):
        list_photos(tmp_path, Layout())


def test_it_points_to_a_table_that_lies_there(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("Id,Category\n1,red\n")
    with pytest.raises(
        TrainingError, match=r"If train\.csv names the labels, read it with --layout table"
    ):
        list_photos(tmp_path, Layout())


def test_it_refuses_folders_without_a_photo(tmp_path: Path) -> None:
    (tmp_path / "red").mkdir()
    with pytest.raises(TrainingError, match="There is no photo"):
        list_photos(tmp_path, Layout())


# ---- a table ----


@pytest.mark.parametrize(
    "text",
    [
        "Id,Category\na,red\nb,blue\n",
        "filename\tlabel\na.png\tred\nb.png\tblue\n",
        "﻿path;class;note\nimages/a.png;red;x\nimages/b.png;blue;\n",
    ],
)
def test_a_table_names_photos_by_stem_name_or_path(tmp_path: Path, text: str) -> None:
    photo(tmp_path / "images" / "a.png")
    photo(tmp_path / "images" / "b.png")
    (tmp_path / "list.csv").write_text(text, encoding="utf-8")
    assert pairs(list_photos(tmp_path, TABLE)) == [("b.png", "blue"), ("a.png", "red")]


def test_columns_may_be_named(tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    (tmp_path / "list.csv").write_text("Id,Category,Bild,Team\n7,x,a.png,red\n")
    layout = Layout(kind="table", image_column="Bild", label_column="Team")
    assert pairs(list_photos(tmp_path, layout)) == [("a.png", "red")]


def test_an_unknown_column_is_answered_with_those_there_are(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("Bild,Team\na.png,red\n")
    with pytest.raises(
        TrainingError,
        match=r"no column with a usual name for the image; it has Bild, Team\. "
        "Name one with --image-column",
    ):
        list_photos(tmp_path, TABLE)


def test_lines_without_photo_or_label_are_named(tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    photo(tmp_path / "b.png")
    (tmp_path / "list.csv").write_text("file,label\na.png,red\nb.png,\ngone.png,red\n")
    assert list_photos(tmp_path, TABLE).missing == ("b.png has no label", "gone.png is not there")


def test_a_name_that_may_be_two_photos_is_refused(tmp_path: Path) -> None:
    photo(tmp_path / "train" / "1.png")
    photo(tmp_path / "test" / "1.png")
    (tmp_path / "list.csv").write_text("file,label\n1.png,red\n")
    with pytest.raises(TrainingError, match=r"may be test/1\.png, train/1\.png"):
        list_photos(tmp_path, TABLE)
    assert len(list_photos(tmp_path, Layout(kind="table", images="train")).photos) == 1


def test_a_ragged_table_is_refused_by_line(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("file,label\na.png,red\nb.png\n")
    with pytest.raises(TrainingError, match="2 columns, but not in line 3"):
        list_photos(tmp_path, TABLE)


def test_a_table_outside_the_data_folder_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "list.csv").write_text("file,label\na.png,red\n")
    with pytest.raises(TrainingError, match=r"There is no \.\./list\.csv"):
        list_photos(tmp_path / "data", Layout(kind="table", file="../list.csv"))


# ---- Stanford Cars ----


def annotations(**image: Any) -> dict[str, Any]:
    """Two cars as in .mat files: a struct array, class numbers and boxes counted from 1."""
    key, names = next(iter(image.items()))
    kinds = [
        (key, "O"),
        *((listed, "O") for listed in ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class")),
    ]
    rows = [(names[0], 11, 5, 40, 24, 2), (names[1], 1, 1, 60, 40, 1)]
    return {"annotations": np.array(rows, dtype=kinds)}


NAMES = np.array(["AM General Hummer SUV 2000", "Ram C/V Cargo Van Minivan 2012"], dtype=object)
TWO_CARS = [
    ("000002.png", "AM General Hummer SUV 2000"),
    ("000001.png", "Ram C-V Cargo Van Minivan 2012"),
]


def test_cars_annos_mat_is_read_with_its_class_names(tmp_path: Path) -> None:
    for name in ("000001.png", "000002.png"):
        photo(tmp_path / "car_ims" / name)
    savemat(
        tmp_path / "cars_annos.mat",
        annotations(relative_im_path=["car_ims/000001.png", "car_ims/000002.png"])
        | {"class_names": NAMES},
    )
    listing = list_photos(tmp_path, CARS)
    assert pairs(listing) == TWO_CARS
    assert listing.photos[1].box == (10, 4, 40, 24)
    assert list_photos(tmp_path, Layout(kind="cars-devkit", crop=False)).photos[1].box is None


def test_the_devkit_names_its_classes_in_a_file_of_their_own(tmp_path: Path) -> None:
    for folder in ("cars_train", "cars_test"):  # both sets count their photos from 1
        for name in ("000001.png", "000002.png"):
            photo(tmp_path / folder / name)
    (tmp_path / "devkit").mkdir()
    savemat(
        tmp_path / "devkit" / "cars_train_annos.mat",
        annotations(fname=["000001.png", "000002.png"]),
    )
    savemat(tmp_path / "devkit" / "cars_meta.mat", {"class_names": NAMES})
    listing = list_photos(tmp_path, CARS)
    assert pairs(listing) == TWO_CARS
    assert {listed.path.parent.name for listed in listing.photos} == {"cars_train"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("anno_train.csv", "000001.png,11,5,40,24,2\n000002.png,1,1,60,40,1\n"),
        (
            "cars_annos.csv",
            "relative_im_path,bbox_x1,bbox_y1,bbox_x2,bbox_y2,class,test\n"
            "000001.png,11,5,40,24,2,0\n000002.png,1,1,60,40,1,0\n",
        ),
    ],
)
def test_the_devkit_may_be_csv_with_and_without_heading(
    tmp_path: Path, name: str, text: str
) -> None:
    for photo_name in ("000001.png", "000002.png"):
        photo(tmp_path / photo_name)
    (tmp_path / name).write_text(text)
    (tmp_path / "names.csv").write_text("\n".join(NAMES) + "\n")
    assert pairs(list_photos(tmp_path, CARS)) == TWO_CARS


def test_a_car_is_cut_out_with_its_margin_and_for_training_with_more(tmp_path: Path) -> None:
    canvas = Image.new("RGB", (60, 40), (0, 0, 200))
    canvas.paste((200, 0, 0), (10, 4, 40, 24))
    canvas.save(tmp_path / "000001.png")
    (tmp_path / "anno_train.csv").write_text("000001.png,11,5,40,24,red\n")
    listing = list_photos(tmp_path, CARS)
    examples, _ = read_examples(listing.photos, 200)
    assert examples[0].pixels.shape == (24, 36, 3)  # a tenth on each side
    measured = fit_all(examples, InputSpec(22, 32))[0]  # three hundredths
    assert (measured[2:-2, 2:-2] == (200, 0, 0)).all()
    assert (measured[0, 0] != (200, 0, 0)).any()


def test_a_box_outside_the_photo_is_refused_by_name(tmp_path: Path) -> None:
    photo(tmp_path / "000001.png")
    (tmp_path / "anno_train.csv").write_text("000001.png,100,100,120,120,red\n")
    listing = list_photos(tmp_path, CARS)
    examples, refused = read_examples(listing.photos, 200)
    assert (len(examples), len(refused)) == (0, 1)


def test_a_class_number_without_a_name_is_refused(tmp_path: Path) -> None:
    photo(tmp_path / "000001.png")
    (tmp_path / "anno_train.csv").write_text("000001.png,11,5,40,24,2\n")
    with pytest.raises(TrainingError, match="no name for class 2"):
        list_photos(tmp_path, CARS)


def test_a_broken_mat_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "cars_annos.mat").write_bytes(b"MATLAB 5.0 but not really")
    with pytest.raises(TrainingError, match=r"cars_annos\.mat cannot be read"):
        list_photos(tmp_path, CARS)


# ---- Stanford Dogs ----


def test_dogs_are_known_by_their_number(tmp_path: Path) -> None:
    photo(tmp_path / "Images" / "n02085620-Chihuahua" / "n02085620_1.png")
    photo(tmp_path / "Images" / "n02085936-Maltese_dog" / "n02085936_1.png")
    listing = list_photos(tmp_path, DOGS)
    assert [listed.label for listed in listing.photos] == ["n02085620", "n02085936"]
    assert listing.labels == {"n02085620": "Chihuahua", "n02085936": "Maltese_dog"}


def test_a_mat_list_chooses_the_dogs(tmp_path: Path) -> None:
    for number in (1, 2):
        photo(tmp_path / "Images" / "n02085620-Chihuahua" / f"n02085620_{number}.png")
    wanted = np.array(
        ["n02085620-Chihuahua/n02085620_2.png", "n02085620-Chihuahua/n02085620_9.png"], dtype=object
    )
    savemat(tmp_path / "train_list.mat", {"file_list": wanted})
    listing = list_photos(tmp_path, Layout(kind="dogs", file="train_list.mat"))
    assert pairs(listing) == [("n02085620_2.png", "n02085620")]
    assert listing.missing == ("n02085620/n02085620_9.png is not there",)


def test_a_folder_that_is_no_breed_is_refused(tmp_path: Path) -> None:
    photo(tmp_path / "n02085620-Chihuahua" / "a.png")
    photo(tmp_path / "cats" / "b.png")
    with pytest.raises(TrainingError, match="must be called like n02085620-Chihuahua, not cats"):
        list_photos(tmp_path, DOGS)


def test_without_scipy_a_matlab_list_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo(tmp_path / "n02085620-Chihuahua" / "a.png")
    (tmp_path / "train_list.mat").touch()
    monkeypatch.setattr(readers, "loadmat", None)
    with pytest.raises(
        TrainingError, match=r"Reading train_list\.mat needs what requirements\.txt lists"
    ):
        list_photos(tmp_path, Layout(kind="dogs", file="train_list.mat"))
