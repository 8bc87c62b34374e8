"""COCO's JSON: images, categories, and annotations that join them."""

from collections.abc import Iterator
from typing import Any

from webapp.errors import BadLabelFileError
from webapp.services.labels.import_formats.label_line import LabelLine, text_of


def read_coco(content: dict[str, Any]) -> Iterator[LabelLine]:
    """A line for each image."""
    try:
        names = {category["id"]: str(category["name"]) for category in content["categories"]}
        labels = {
            annotation["image_id"]: names[annotation["category_id"]]
            for annotation in content["annotations"]
        }
        for image in content["images"]:
            label = labels.get(image["id"]) or text_of(image, "verdict")
            name = text_of(image, "file_name").replace("\\", "/").rpartition("/")[2]
            photo = (text_of(image, "marque_id"), text_of(image, "sha256"), name)
            yield LabelLine(f"image {image['id']}", label, *photo)
    except (KeyError, TypeError, AttributeError) as error:
        raise BadLabelFileError(f"The COCO file lacks {error}.") from error
