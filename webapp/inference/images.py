"""One way from bytes to pixels, for the web, the terminal and training alike."""

from __future__ import annotations

import io
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from webapp.errors import BrokenPhotoError, NotAPhotoError, PhotoTooLargeError
from webapp.inference.card import InputSpec
from webapp.values import DecodedPhoto

MAX_BYTES = 20 * 1024 * 1024
WORKING_SIDE = 1024


def decode_photo(content: bytes, *, max_side: int = WORKING_SIDE) -> DecodedPhoto:
    """Decode an upload: see the helper's version."""
    if len(content) > MAX_BYTES:
        raise PhotoTooLargeError("The photo is larger than 20 MB.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(content), formats=["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
            width, height = image.size
            image.draft("RGB", (max_side, max_side))
            upright = ImageOps.exif_transpose(image).convert("RGB")
    except Image.UnidentifiedImageError as error:
        raise NotAPhotoError("This is not a photo we can read.") from error
    except Exception as error:
        raise BrokenPhotoError("The photo is broken.") from error
    upright.thumbnail((max_side, max_side), Image.Resampling.BICUBIC, reducing_gap=2.0)
    return DecodedPhoto(np.asarray(upright), width, height, image.format or "", False)


def fit_input(pixels: NDArray[np.uint8], spec: InputSpec) -> NDArray[np.uint8]:
    """Resize a decoded photo to the network's input by the card's rule: uint8 RGB of shape (spec.height, spec.width, 3)."""
    image = Image.fromarray(pixels)
    size = (spec.width, spec.height)
    if spec.resize == "pad":
        return np.asarray(ImageOps.pad(image, size, Image.Resampling.BICUBIC, color=(127, 127, 127)))
    if spec.resize == "crop":
        return np.asarray(ImageOps.fit(image, size, Image.Resampling.BICUBIC))
    return np.asarray(image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0))
