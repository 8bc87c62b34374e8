"""What is cut out of a photo: a car with its margin, decoded as in serving."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from webapp.errors import BrokenPhotoError
from webapp.inference.decoding.images import MAX_SIDE, WORKING_SIDE, decode_photo

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels of the photo."""
MARGIN = 0.03  # of a box's sides, added on each side of what is cut out


def decode_cut(
    content: bytes, box: Box | None, max_side: int = WORKING_SIDE, margin: float = MARGIN
) -> NDArray[np.uint8]:
    """A photo as in serving, or what its box and a margin cut out, at most `max_side` pixels on its
    longest side: uint8 RGB of shape (height, width, 3). Raises `PhotoRefusedError`."""
    if box is None:
        return decode_photo(content, max_side=max_side).pixels
    whole = decode_photo(content, max_side=MAX_SIDE).pixels
    left, top, right, bottom = box
    if not whole[top:bottom, left:right].size:
        raise BrokenPhotoError(
            f"The box {box} lies outside the photo of {whole.shape[1]} x {whole.shape[0]} pixels."
        )
    image = Image.fromarray(cut_out(whole, (left, top, right, bottom), margin))
    image.thumbnail((max_side, max_side), Image.Resampling.BICUBIC, reducing_gap=2.0)
    return np.asarray(image)


def cut_out(
    pixels: NDArray[np.uint8], edges: tuple[float, float, float, float], margin: float = MARGIN
) -> NDArray[np.uint8]:
    """What a box (left, top, right, bottom in pixels) and its margin cut out of a decoded photo, at
    least one pixel."""
    height, width = pixels.shape[:2]
    left, top, right, bottom = cut_edges(width, height, edges, margin)
    return pixels[top:bottom, left:right]


def cut_edges(
    width: int, height: int, edges: tuple[float, float, float, float], margin: float = MARGIN
) -> Box:
    """Where a box and its margin are cut out of a photo of this size in pixels: inside the photo,
    at least one pixel wide and high."""
    left, top, right, bottom = edges
    across, down = margin * (right - left), margin * (bottom - top)
    first_column = min(width - 1, max(0, int(left - across)))
    first_row = min(height - 1, max(0, int(top - down)))
    last_column = min(width, max(first_column + 1, int(np.ceil(right + across))))
    last_row = min(height, max(first_row + 1, int(np.ceil(bottom + down))))
    return first_column, first_row, last_column, last_row
