"""Photos of data sets that come with a box: what it cuts out, decoded as in serving otherwise."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from webapp.errors import BrokenPhotoError
from webapp.inference.decoding.images import MAX_SIDE, WORKING_SIDE, decode_photo

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels of the photo."""


def decode_cut(content: bytes, box: Box | None, max_side: int = WORKING_SIDE) -> NDArray[np.uint8]:
    """A photo as in serving, or what its box cuts out, at most `max_side` pixels on its longest
    side: uint8 RGB of shape (height, width, 3). Raises `PhotoRefusedError`."""
    if box is None:
        return decode_photo(content, max_side=max_side).pixels
    whole = decode_photo(content, max_side=MAX_SIDE).pixels
    left, top, right, bottom = box
    cut = whole[top:bottom, left:right]
    if not cut.size:
        raise BrokenPhotoError(
            f"The box {box} lies outside the photo of {whole.shape[1]} x {whole.shape[0]} pixels."
        )
    image = Image.fromarray(cut)
    image.thumbnail((max_side, max_side), Image.Resampling.BICUBIC, reducing_gap=2.0)
    return np.asarray(image)
