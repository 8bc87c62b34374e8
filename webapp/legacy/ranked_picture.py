"""A picture of a photo and a bar chart of its ranked labels, for who can show nothing but pictures."""

import io
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from webapp.domain import RankedLabel

WHITE, INK, BAR = "#ffffff", "#1a1a1a", "#4a6fa5"
RIGHT, WRONG = "#1a7f37", "#c1121f"
MARGIN, HEAD, LINE, NAMES, BARS = 16, 56, 34, 260, 240
"""Pixels: around everything, for the title, for one label, for its name, and for a bar of 100 %."""
NARROWEST = 480
"""Pixels kept for the photo, so that a title finds room above a small one too."""
MOST_LETTERS = 34


def draw_ranked(photo: bytes, lines: Sequence[RankedLabel], ground_truth: str) -> bytes:
    """A JPEG: the photo (bytes of an image, upright) on the left, a bar for each line on the right, above both the first label.

    The title is green when that is `ground_truth`, red when it is not, black without one ("").
    """
    with Image.open(io.BytesIO(photo)) as opened:
        picture = opened.convert("RGB")
    left = max(picture.width, NARROWEST) + 2 * MARGIN
    height = HEAD + max(picture.height, LINE * len(lines)) + MARGIN
    canvas = Image.new("RGB", (left + NAMES + BARS + 70 + MARGIN, height), WHITE)
    canvas.paste(picture, (MARGIN, HEAD))
    draw = ImageDraw.Draw(canvas)
    draw.text(
        (MARGIN, 16),
        _title(lines[0], ground_truth),
        fill=_color(lines[0], ground_truth),
        font=ImageFont.load_default(22),
    )
    font = ImageFont.load_default(15)
    for at, line in enumerate(lines):
        top = HEAD + at * LINE
        length = max(1, round(line.probability * BARS))
        draw.text(
            (left + NAMES - 10, top + LINE // 2),
            _short(line.label),
            fill=INK,
            font=font,
            anchor="rm",
        )
        draw.rectangle((left + NAMES, top + 6, left + NAMES + length, top + LINE - 6), fill=BAR)
        draw.text(
            (left + NAMES + length + 8, top + LINE // 2),
            f"{line.probability:.2%}",
            fill=INK,
            font=font,
            anchor="lm",
        )
    stream = io.BytesIO()
    canvas.save(stream, "JPEG", quality=88)
    return stream.getvalue()


def _title(first: RankedLabel, ground_truth: str) -> str:
    said = f"{_short(first.label)} {first.probability:.2%}"
    return f"{said} (ground truth: {_short(ground_truth)})" if ground_truth else said


def _color(first: RankedLabel, ground_truth: str) -> str:
    if not ground_truth:
        return INK
    return RIGHT if first.label == ground_truth else WRONG


def _short(label: str) -> str:
    return label if len(label) <= MOST_LETTERS else label[: MOST_LETTERS - 1] + "…"
