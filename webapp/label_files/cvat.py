"""CVAT's XML ("CVAT for images 1.1"): tags are labels of a photo, boxes are in pixels.

Format: https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/
"""

from collections.abc import Iterator
from xml.etree import ElementTree

from webapp.errors import BadLabelFileError, NoLabelFileError
from webapp.label_files.listed_photo import ListedBox, ListedPhoto

_EDGES = ("xtl", "ytl", "xbr", "ybr")


def read_cvat(text: str) -> Iterator[ListedPhoto]:
    """A photo for each image. One without a box says nothing of where objects are; an outline in
    the group of a box is of the same object."""
    if "<!DOCTYPE" in text:
        raise BadLabelFileError("The XML has a document type of its own, which CVAT's never has.")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 - without a document type, no entities
    except ElementTree.ParseError as error:
        raise BadLabelFileError(f"The XML cannot be read: {error}.") from error
    if root.tag != "annotations":
        raise NoLabelFileError("The XML is none of CVAT for images, whose root is <annotations>.")
    if root.find("track") is not None:
        raise BadLabelFileError("These are the tracks of a video. Export as CVAT for images.")
    for image in root.iter("image"):
        where = f"image {image.get('id', '')}"
        marks = [mark for mark in image if mark.tag != "tag"]
        tags = [tag.get("label", "") for tag in image.iter("tag")]
        boxed = {mark.get("group_id", "0") for mark in marks if mark.tag == "box"} - {"0"}
        others = [mark for mark in marks if mark.tag != "box"]
        shapes = [mark.tag for mark in others if mark.get("group_id") not in boxed]
        shapes += ["turned box" for mark in marks if _number(mark, "rotation", where, "0")]
        size = [_number(image, name, where) for name in ("width", "height")]
        yield ListedPhoto(
            where,
            " and ".join(dict.fromkeys(tags)),
            filename=image.get("name", ""),
            boxes=tuple(_box(mark, where) for mark in marks if mark.tag == "box") or None,
            in_pixels=True,
            size=(size[0], size[1]),
            unreadable=f"A mark is a {shapes[0]}. Only upright boxes are read." if shapes else "",
        )


def _box(mark: ElementTree.Element, where: str) -> ListedBox:
    left, top, right, bottom = (_number(mark, name, where) for name in _EDGES)
    return ListedBox(where, (left, top, right, bottom), mark.get("label", ""))


def _number(element: ElementTree.Element, name: str, where: str, usual: str = "") -> float:
    try:
        return float(element.get(name, usual))
    except ValueError as error:
        raise BadLabelFileError(f"{where}: {element.tag} has no number {name}.") from error
