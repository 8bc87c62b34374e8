"""What a file's structure says before anything is decoded: size, scans, parts, metadata.

Pillow decides whether a file is sound; these walks only bound what it may cost, so they stop at the
first thing that makes no sense and leave the rest to the decoder.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from webapp.errors import BrokenPhotoError, PhotoTooLargeError
from webapp.inference.decoding.av1 import largest_frame

BROKEN = "The photo is cut off or damaged: it cannot be decoded."
_MAX_SCANS = 100
_MAX_PARTS = 20_000  # chunks or blocks; a 20 MB PNG of ordinary making has about 2,500
_TOO_MANY_PARTS = (
    "The file is built of more parts than any photo needs. Save it again and send that copy."
)


@dataclass(frozen=True)
class FileStructure:
    """What is known before decoding.

    `width` and `height` are those of the stored picture in pixels, 0 if unknown. `scalable`: the
    decoder can shrink while decoding. `has_metadata` is None when only the decoder can tell.
    """

    width: int = 0
    height: int = 0
    scalable: bool = False
    has_metadata: bool | None = None


def inspect(content: bytes, name: str) -> FileStructure:
    """The structure of a file of the format `name` (see `detect_format`).

    Raises `BrokenPhotoError`, or `PhotoTooLargeError` for more passes or parts than photos need.
    """
    walk = _WALKS.get(name)
    return walk(content) if walk else FileStructure()


def is_more_than_orientation(exif: bytes) -> bool:
    """Whether an EXIF block says more than how the camera was held.

    A lone orientation tag, which is all that some tools write, tells nobody anything; every other
    block counts as metadata, also one that cannot be read.
    """
    block = exif.removeprefix(b"Exif\0\0")
    order: Literal["little", "big"] = "little" if block.startswith(b"II") else "big"
    start, entries, tag = (
        int.from_bytes(block[place : place + size], order)
        for place, size in ((4, 4), (8, 2), (10, 2))
    )
    # What follows: the next directory, as a rule with a thumbnail, and values that need room.
    rest = block[10 + 12 * entries :].strip(b"\0")
    return start != 8 or bool(rest) or not (entries == 0 or (entries == 1 and tag == 0x0112))


# ---- JPEG (ITU T.81) ----

_SCAN = 0xDA
# What begins a segment: not a stuffed zero, not a restart, not fill.
_MARKER = re.compile(rb"\xff[^\x00\x01\xff\xd0-\xd8]")
_MAX_FILL = 100_000
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_LOSSLESS = {0xC3, 0xC7, 0xCB, 0xCF}


def _inspect_jpeg(content: bytes) -> FileStructure:
    """Size, scans, and metadata: a segment that decoder and colours can do without, or a tail."""
    width = height = frame = 0
    more = False
    for marker, start, end in islice(_segments(content), _MAX_PARTS):
        if marker in _FRAMES:
            height = int.from_bytes(content[start + 1 : start + 3], "big")
            width = int.from_bytes(content[start + 3 : start + 5], "big")
            frame = marker
        elif marker == _SCAN:
            tail = content.find(b"\xff\xd9", end)  # a second picture or a film may have EXIF
            more = more or (tail >= 0 and bool(content[tail + 2 :].strip(b"\0")))
            scans = content.count(b"\xff\xda")  # never too low: in scan data always a marker
            if scans > _MAX_SCANS:
                scans = sum(marker == _SCAN for marker, _, _ in _segments(content))
            if scans > _MAX_SCANS:
                raise PhotoTooLargeError(
                    f"The photo is built of {scans:,} passes; {_MAX_SCANS} is the most. "
                    "Save it again as an ordinary JPEG."
                )
            return FileStructure(width, height, frame not in _LOSSLESS, more)
        elif not more:
            more = _is_metadata_segment(marker, content[start:end])
    raise BrokenPhotoError(BROKEN)  # no scan in reach, so no picture


def _segments(content: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, start, end) of each segment of the first image, without its length, as libjpeg does.

    Ends at the image's end, at a segment that is cut off, and where there is more between the
    segments before the first scan than careless writers leave: Pillow reads that byte by byte.
    """
    place, spare = 2, _MAX_FILL
    while match := _MARKER.search(content, place, min(len(content), place + spare)):
        spare -= match.start() - place
        marker, place = content[match.end() - 1], match.end()
        length = int.from_bytes(content[place : place + 2], "big")
        if marker == 0xD9 or length < 2 or place + length > len(content):
            return
        yield marker, place + 2, place + length
        place += length
        if marker == _SCAN:  # from here only libjpeg reads, and fast
            spare = len(content)


def _is_metadata_segment(marker: int, body: bytes) -> bool:
    if marker == 0xE1 and body.startswith(b"Exif\0\0"):
        return is_more_than_orientation(body)
    harmless = {0xE0: b"JFIF\0", 0xE2: b"ICC_PROFILE\0", 0xEE: b"Adobe"}
    if marker in harmless:
        return not body.startswith(harmless[marker])
    return 0xE0 <= marker <= 0xEF or marker == 0xFE


# ---- PNG (ISO 15948) ----

_PNG_PICTURE = set(
    b"IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB iCCP sBIT bKGD pHYs hIST cICP mDCV cLLI "
    b"acTL fcTL fdAT".split()
)


def _inspect_png(content: bytes) -> FileStructure:
    """Size from IHDR, and metadata: a chunk that does not describe the picture, or a tail."""
    width, height = int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")
    place, more = 8, False
    for _ in range(_MAX_PARTS):
        length = int.from_bytes(content[place : place + 4], "big")
        kind = content[place + 4 : place + 8]
        if kind == b"eXIf":
            more = more or is_more_than_orientation(content[place + 8 : place + 8 + length])
        elif kind and kind not in _PNG_PICTURE:
            more = True
        place += 12 + length
        if kind == b"IEND" or place >= len(content):
            return FileStructure(width, height, has_metadata=more or place < len(content))
    raise PhotoTooLargeError(_TOO_MANY_PARTS)


# ---- WebP (RFC 9649) ----

_WEBP_PICTURE = {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP"}


def _inspect_webp(content: bytes) -> FileStructure:
    """Size of the canvas, and metadata: a chunk that does not describe the picture, or a tail."""
    width, height = _webp_size(content)
    place, more = 12, False
    for _ in range(_MAX_PARTS):
        if place + 8 > len(content):
            return FileStructure(width, height, has_metadata=more)
        kind = content[place : place + 4]
        length = int.from_bytes(content[place + 4 : place + 8], "little")
        if kind == b"EXIF":
            more = more or is_more_than_orientation(content[place + 8 : place + 8 + length])
        elif kind not in _WEBP_PICTURE:
            more = True
        place += 8 + length + length % 2
    raise PhotoTooLargeError(_TOO_MANY_PARTS)


def _webp_size(content: bytes) -> tuple[int, int]:
    def number(start: int, end: int) -> int:
        return int.from_bytes(content[start:end], "little")

    kind = content[12:16]
    if kind == b"VP8X":
        return number(24, 27) + 1, number(27, 30) + 1
    if kind == b"VP8L":
        bits = number(21, 25)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return number(26, 28) & 0x3FFF, number(28, 30) & 0x3FFF


# ---- GIF (GIF89a specification) ----


def _inspect_gif(content: bytes) -> FileStructure:
    """Size of the screen, or of the first frame where that is larger (as Pillow does); metadata."""
    width, height = int.from_bytes(content[6:8], "little"), int.from_bytes(content[8:10], "little")
    more, frames = False, 0
    for kind, place in _blocks(content):
        if kind == b"!":
            more = more or _is_metadata_extension(content[place + 1 : place + 14])
        elif kind == b",":
            if not frames:
                left, top, wide, tall = (
                    int.from_bytes(content[start : start + 2], "little")
                    for start in range(place + 1, place + 9, 2)
                )
                width, height = max(width, left + wide), max(height, top + tall)
            frames += 1
        elif frames or kind in (b";", b""):
            return FileStructure(width, height, has_metadata=more or place + 1 < len(content))
    if not frames:  # later ones are never decoded, so their number does not matter
        raise PhotoTooLargeError(_TOO_MANY_PARTS)
    return FileStructure(width, height, has_metadata=True)


def _blocks(content: bytes) -> Iterator[tuple[bytes, int]]:
    """(kind, place) of each block, and of each byte that is none; at most 10 `_MAX_PARTS` steps."""
    place = 13 + _palette_bytes(content[10:11])
    in_data = False
    for _ in range(10 * _MAX_PARTS):
        kind = content[place : place + 1]
        if in_data:
            in_data = kind not in (b"\0", b"")
            place += 1 + kind[0] if kind else 0
            continue
        yield kind, place
        in_data = kind in (b"!", b",")
        frame = 11 + _palette_bytes(content[place + 9 : place + 10])
        place += {b"!": 2, b",": frame}.get(kind, 1)


def _palette_bytes(flags: bytes) -> int:
    return 3 << (flags[0] & 7) + 1 if flags and flags[0] & 0x80 else 0


def _is_metadata_extension(start: bytes) -> bool:
    """Whether an extension, from its label byte on, is more than timing, looping or drawn text."""
    looping = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
    return start[:1] == b"\xfe" or (start[:1] == b"\xff" and not start[2:].startswith(looping))


# ---- AVIF ----


def _inspect_avif(content: bytes) -> FileStructure:
    """Size of the largest picture in the AV1 data, whatever the boxes around it claim."""
    try:
        return FileStructure(*largest_frame(content))
    except (ValueError, LookupError) as error:
        raise BrokenPhotoError(BROKEN) from error


_WALKS = {
    "JPEG": _inspect_jpeg,
    "PNG": _inspect_png,
    "WEBP": _inspect_webp,
    "GIF": _inspect_gif,
    "AVIF": _inspect_avif,
}
