"""The tools that people use open our exports: all photos, the same classes.

They have an environment of their own, `.tools` in the checkout, because they want other libraries
than we do; a test whose tool is not in it is skipped. `.ci/run` makes it.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image

from tests.cars import put_cars
from tests.conftest import ROOT, draw
from tests.fakes import make_card
from webapp.domain import Who
from webapp.extensions import get_tools
from webapp.label_files.registry import read_labels
from webapp.services.exports.downloads import start_export
from webapp.services.exports.formats import FORMATS
from webapp.services.exports.order import CROPS, PHOTOS, ExportOrder
from webapp.services.labels.import_plan import plan_import
from webapp.services.labels.relabel import relabel_car
from webapp.storage.labels.events import Stamp

ANNA = Who("Anna")
TOOLS = ROOT / ".tools"
CLASSES = {"haas", "bwt"}

# each prints {name of a file: its class} of what it was given; a box has the name of its photo
PROGRAMS = {
    "datasets": """
from datasets import load_dataset
photos = load_dataset("imagefolder", data_dir=path, split="train")
names = photos.features["label"].names
photos = photos.cast_column("image", type(photos.features["image"])(decode=False))
told = {os.path.basename(row["image"]["path"]): names[row["label"]] for row in photos}
""",
    "torchvision": """
from torchvision.datasets import ImageFolder
photos = ImageFolder(path)
[image.load() for image, _ in photos]
told = {os.path.basename(file): photos.classes[number] for file, number in photos.samples}
""",
    "datumaro": """
import datumaro
photos = datumaro.Dataset.import_from(path, format)
assert all(photo.media.data is not None for photo in photos)
names = [label.name for label in photos.categories()[datumaro.AnnotationType.label]]
marks = [(photo.id, names[mark.label]) for photo in photos for mark in photo.annotations]
told = {os.path.basename(name): label for name, label in marks if label != "car"}
""",
    "pycocotools": """
from pycocotools.coco import COCO
coco = COCO(path)
assert all(coco.annToMask(mark).any() for mark in coco.anns.values())
marks = [(coco.imgs[mark["image_id"]]["file_name"], coco.cats[mark["category_id"]]["name"])
         for mark in coco.anns.values()]
told = {os.path.basename(name): label for name, label in marks if label != "car"}
""",
    "label_studio_sdk": """
from label_studio_sdk.converter import Converter
from label_studio_sdk.label_interface import LabelInterface
config = '<View><Image name="image" value="$image"/><Rectangle name="box" toName="image"/>'
config += '<Choices name="label" toName="image" perRegion="true">'
config += '<Choice value="haas"/><Choice value="bwt"/></Choices></View>'
with open(path) as file:
    tasks = json.load(file)
for number, task in enumerate(tasks):  # as in the server, which gives numbers to what comes in
    assert LabelInterface(config).validate_annotation(task["annotations"][0])
    task["id"] = task["annotations"][0]["id"] = number
with open(path, "w") as file:
    json.dump(tasks, file)
Converter(config, None, download_resources=False).convert_to_json_min(
    path, path + ".min", is_dir=False
)
with open(os.path.join(path + ".min", "result.json")) as file:
    told = {task["marque_id"] + ".jpg": task["label"] for task in json.load(file)}
""",
}


def told_by(tool: str, path: Path, format: str = "") -> dict[str, str]:
    """The class of each photo by the name of its file, as a tool reads it."""
    python = TOOLS / "bin/python"
    if not list(TOOLS.glob(f"lib/python*/site-packages/{tool}")):
        pytest.skip(f"{tool} is not in {TOOLS.name}")
    head = "import json, os, sys\nout, path, format = sys.argv[1:]\n"
    program = f"{head}{PROGRAMS[tool]}\nwith open(out, 'w') as file: json.dump(told, file)\n"
    out = path.parent / f"{tool}.json"
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(path.parent), "HOME": str(path.parent)}
    done = subprocess.run(
        [python, "-c", program, out, path, format],
        env=os.environ | offline,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(out.read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def with_place(name: str) -> bytes:
    """A picture with metadata, which an export leaves out: that of a PNG becomes a JPEG."""
    stream, exif = io.BytesIO(), Image.Exif()
    exif[271] = "A camera"
    Image.new("RGB", (120, 80), "#000088").save(stream, name, exif=exif)
    return stream.getvalue()


@pytest.fixture
def photos(client: FlaskClient) -> dict[str, str]:
    """Five photos with two cars each, one a Haas or a BWT: the class by the photo's id."""
    files = {
        "monza 1.jpg": draw(mark=1),
        "street.JPG": draw(mark=2),
        "spa (2).png": draw(mark=3, format="PNG"),
        "place.png": with_place("PNG"),
        "Größe.jpeg": with_place("JPEG"),
    }
    classes = {}
    for number, (name, content) in enumerate(files.items()):
        answer = client.post("/api/v1/photos", data={"file": (io.BytesIO(content), name)})
        photo, label = str(answer.json["id"]), "haas" if number % 2 else "bwt"
        relabel_car(put_cars(photo)[0], label, [make_card()], Stamp(ANNA, "photo"))
        classes[photo] = label
    return classes


def exported(format: str, folder: Path, unit: str = PHOTOS) -> Path:
    """An export as it comes from the browser; a zip is unpacked."""
    order = ExportOrder(FORMATS[format], base_url="http://marque.test", unit=unit)
    content = b"".join(start_export(order, who=ANNA, tools=get_tools())[1])
    path = folder / f"export{FORMATS[format].ending}"
    path.write_bytes(content)
    if path.suffix == ".zip":
        zipfile.ZipFile(path).extractall(folder / "export")
        return folder / "export"
    return path


def by_id(told: dict[str, str]) -> dict[str, str]:
    return {Path(name).stem[-12:]: label for name, label in told.items()}


@pytest.mark.parametrize("tool", ["datasets", "torchvision"])
def test_a_folder_of_photos_is_read_as_it_is(
    photos: dict[str, str], tmp_path: Path, tool: str
) -> None:
    assert by_id(told_by(tool, exported("folders", tmp_path))) == photos


@pytest.mark.parametrize("tool", ["datasets", "torchvision"])
def test_a_folder_of_crops_is_read_as_it_is(
    photos: dict[str, str], tmp_path: Path, tool: str
) -> None:
    told = told_by(tool, exported("folders", tmp_path, CROPS))
    assert sorted(told.values()) == sorted(photos.values())


def test_the_photos_are_in_the_parquet_file_that_the_guide_makes(
    photos: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guide = (ROOT / "docs/exports.md").read_text(encoding="utf-8")
    recipe = guide.partition("```python\n")[2].partition("```")[0]
    program = f"""
os.chdir(path)
{recipe}
os.rename("cars", "moved")
photos = load_dataset("parquet", data_files="cars.parquet", split="train")
names = photos.features["label"].names
[row["image"].load() for row in photos]
photos = photos.cast_column("image", type(photos.features["image"])(decode=False))
told = {{row["image"]["path"]: names[row["label"]] for row in photos}}
"""
    exported("folders", tmp_path).rename(tmp_path / "cars")
    monkeypatch.setitem(PROGRAMS, "datasets", program)
    assert by_id(told_by("datasets", tmp_path)) == photos


def test_datumaro_reads_the_folders_of_classes_alone(
    photos: dict[str, str], tmp_path: Path
) -> None:
    folder = exported("folders", tmp_path)
    for file in folder.iterdir():
        if file.is_file():
            file.unlink()  # it takes no folder with other files than photos in it
    assert by_id(told_by("datumaro", folder, "imagenet")) == photos


@pytest.mark.tensorflow
def test_keras_reads_a_folder_as_it_is(photos: dict[str, str], tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    data = keras.utils.image_dataset_from_directory(
        exported("folders", tmp_path), image_size=(8, 8), shuffle=False, verbose=False
    )
    told = {Path(path).name: Path(path).parent.name for path in data.file_paths}
    assert by_id(told) == photos and set(data.class_names) == CLASSES
    assert sum(len(images) for images, _labels in data) == len(photos)


def test_pycocotools_reads_coco_as_it_is(photos: dict[str, str], tmp_path: Path) -> None:
    assert by_id(told_by("pycocotools", exported("coco", tmp_path))) == photos


def test_datumaro_reads_coco_beside_the_folder_of_photos(
    photos: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "annotations/instances_all.json"
    path.parent.mkdir()
    exported("coco", tmp_path).rename(path)
    exported("folders", tmp_path).rename(tmp_path / "images")
    assert by_id(told_by("datumaro", path, "coco_instances")) == photos


@pytest.mark.parametrize("format", ["coco", "cvat", "datumaro", "yolo"])
def test_what_datumaro_makes_of_coco_comes_home(
    photos: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    program = """
import datumaro, shutil
photos = datumaro.Dataset.import_from(path, "coco_instances")
photos.export("made", format, save_media=True)
shutil.make_archive(os.path.join(os.path.dirname(out), "made"), "zip", "made")
told = {}
"""
    path = tmp_path / "annotations/instances_all.json"
    path.parent.mkdir()
    exported("coco", tmp_path).rename(path)
    exported("folders", tmp_path).rename(tmp_path / "images")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(PROGRAMS, "datumaro", program)
    told_by("datumaro", path, format)
    with (path.parent / "made.zip").open("rb") as stream:
        plan = plan_import(read_labels(stream, "made.zip"), [make_card()])
    assert plan.same >= len(photos) and not plan.changes and not plan.troubles


def test_label_studio_takes_its_tasks_and_gives_them_back(
    photos: dict[str, str], tmp_path: Path
) -> None:
    tasks = exported("label-studio", tmp_path)
    assert by_id(told_by("label_studio_sdk", tasks)) == photos


def test_the_names_in_coco_are_those_in_the_folder_of_photos(
    photos: dict[str, str], tmp_path: Path
) -> None:
    folder = exported("folders", tmp_path)
    images = json.loads(exported("coco", tmp_path).read_text(encoding="utf-8"))["images"]
    assert len(images) == len(photos)
    assert [image for image in images if not (folder / image["file_name"]).is_file()] == []
