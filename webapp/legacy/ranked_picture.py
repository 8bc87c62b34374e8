"""A picture of a photo and a bar chart of its ranked labels."""

import io
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from webapp.domain import RankedLabel

_WHITE, _INK, _BAR, _RIGHT, _WRONG = "#ffffff", "#1a1a1a", "#4a6fa5", "#1a7f37", "#c1121f"
# Pixels: around everything, for the title, for a label, for its name, for a bar of 100 %.
_MARGIN, _HEAD, _LINE, _NAMES, _BARS = 16, 56, 34, 260, 240
_MIN_WIDTH = 480  # pixels of the photo's column, so that a title fits above a small photo
_MAX_LETTERS = 34


def draw_ranked(photo: bytes, lines: Sequence[RankedLabel], ground_truth: str) -> bytes:
    """A JPEG: the photo on the left, a bar for each line on the right, above both the first label.

    Args:
        photo: The bytes of an image, upright.
        lines: The ranked labels, best first.
        ground_truth: "" for none. The title is green when it is the first label, else red.
    """
    with Image.open(io.BytesIO(photo)) as opened:
        picture = opened.convert("RGB")
    left = max(picture.width, _MIN_WIDTH) + 2 * _MARGIN
    height = _HEAD + max(picture.height, _LINE * len(lines)) + _MARGIN
    canvas = Image.new("RGB", (left + _NAMES + _BARS + 70 + _MARGIN, height), _WHITE)
    canvas.paste(picture, (_MARGIN, _HEAD))
    draw = ImageDraw.Draw(canvas)
    first = lines[0]
    title, color = f"{_short(first.label)} {first.probability:.2%}", _INK
    if ground_truth:
        title += f" (ground truth: {_short(ground_truth)})"
        color = _RIGHT if first.label == ground_truth else _WRONG
    draw.text((_MARGIN, 16), title, fill=color, font=ImageFont.load_default(22))
    font, bars = ImageFont.load_default(15), left + _NAMES
    for row, line in enumerate(lines):
        top, middle = _HEAD + row * _LINE, _HEAD + row * _LINE + _LINE // 2
        end = bars + max(1, round(line.probability * _BARS))
        draw.text((bars - 10, middle), _short(line.label), fill=_INK, font=font, anchor="rm")
        draw.rectangle((bars, top + 6, end, top + _LINE - 6), fill=_BAR)
        draw.text((end + 8, middle), f"{line.probability:.2%}", fill=_INK, font=font, anchor="lm")
    stream = io.BytesIO()
    canvas.save(stream, "JPEG", quality=88)
    return stream.getvalue()


def _short(label: str) -> str:
    return label if len(label) <= _MAX_LETTERS else label[: _MAX_LETTERS - 1] + "…"
