"""What a file's structure says before anything is decoded: size, scans, parts, and whether it carries more than a picture.

Pillow decides whether a file is sound; these walks only bound what it may cost, so they stop without a word at the first thing
that makes no sense and leave the rest to the decoder.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from webapp.inference.decoding.av1 import largest_frame

MAX_PARTS = 20_000
"""Chunks or blocks that are looked at. A 20 MB PNG of ordinary making has about 2,500."""


@dataclass(frozen=True)
class FileStructure:
    """The first look at a file. `width` and `height` are those of the stored picture in pixels, 0 when this look does not tell.

    `scans` counts the passes of a JPEG. `scalable` says that the decoder can
    shrink while decoding. `parts_exceeded` says that there are more than `MAX_PARTS` chunks. `has_metadata` is None when only the
    decoder can tell.
    """

    width: int = 0
    height: int = 0
    scans: int = 0
    scalable: bool = False
    parts_exceeded: bool = False
    is_broken: bool = False
    has_metadata: bool | None = None


def inspect(content: bytes, name: str) -> FileStructure:
    """The structure of `content`, a file of the format `name` (see `detect_format`). Never raises for bad bytes."""
    looks = {
        "JPEG": _inspect_jpeg,
        "PNG": _inspect_png,
        "WEBP": _inspect_webp,
        "GIF": _inspect_gif,
        "AVIF": _inspect_avif,
    }
    return looks[name](content) if name in looks else FileStructure()


def is_more_than_orientation(exif: bytes) -> bool:
    """Whether an EXIF block says more than how the camera was held.

    A lone orientation tag (some tools write nothing else) tells nobody anything; every other block counts as metadata, also one that
    cannot be read.
    """
    block = exif.removeprefix(b"Exif\0\0")
    order: Literal["little", "big"] = "little" if block.startswith(b"II") else "big"
    start, entries, tag = (
        int.from_bytes(block[at : at + size], order) for at, size in ((4, 4), (8, 2), (10, 2))
    )
    rest = block[10 + 12 * entries :].strip(
        b"\0"
    )  # the next directory (a thumbnail, as a rule) and whatever values need room
    return start != 8 or bool(rest) or not (entries == 0 or (entries == 1 and tag == 0x0112))


# ---- JPEG (ITU T.81) ----

_SCAN = 0xDA
_MARKER = re.compile(
    rb"\xff[^\x00\x01\xff\xd0-\xd8]"
)  # begins a segment: not a stuffed zero, not a restart, not fill
_MAX_FILL = 100_000
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_LOSSLESS = {0xC3, 0xC7, 0xCB, 0xCF}


def _inspect_jpeg(content: bytes) -> FileStructure:
    """Size from the frame header, scans, and metadata: any segment that decoder and colours can do without, or bytes after the end."""
    width = height = frame = 0
    more = False
    for marker, start, end in islice(_segments(content), MAX_PARTS):
        if marker in _FRAMES:
            height, width = (
                int.from_bytes(content[start + 1 : start + 3], "big"),
                int.from_bytes(content[start + 3 : start + 5], "big"),
            )
            frame = marker
        elif marker == _SCAN:
            more = more or _goes_on_after_end(content, end)
            return FileStructure(
                width,
                height,
                scans=_count_scans(content),
                scalable=frame not in _LOSSLESS,
                has_metadata=more,
            )
        elif not more:
            more = _is_metadata_segment(marker, content[start:end])
    return FileStructure(is_broken=True)  # no scan in reach, so no picture


def _count_scans(content: bytes) -> int:
    """The scans of the first image, exact where there are more than a hundred and never too low."""
    most = content.count(b"\xff\xda")  # inside scan data these bytes are always a marker
    return most if most <= 100 else sum(marker == _SCAN for marker, _, _ in _segments(content))


def _segments(content: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, start, end) of each segment of the first image, without its length field, as libjpeg finds them.

    Ends at the image's end, at a segment that is cut off, and where there is more between
    the segments before the first scan than careless writers leave: Pillow reads that byte by byte.
    """
    at, spare = 2, _MAX_FILL
    while found := _MARKER.search(content, at, min(len(content), at + spare)):
        spare -= found.start() - at
        marker, at = content[found.end() - 1], found.end()
        length = int.from_bytes(content[at : at + 2], "big")
        if marker == 0xD9 or length < 2 or at + length > len(content):
            return
        yield marker, at + 2, at + length
        at += length
        if marker == _SCAN:  # from here only libjpeg reads, and fast
            spare = len(content)


def _is_metadata_segment(marker: int, body: bytes) -> bool:
    if marker == 0xE0:
        return not body.startswith(b"JFIF\0")
    if marker == 0xE1 and body.startswith(b"Exif\0\0"):
        return is_more_than_orientation(body)
    if marker == 0xE2:
        return not body.startswith(b"ICC_PROFILE\0")
    if marker == 0xEE:
        return not body.startswith(b"Adobe")
    return 0xE0 <= marker <= 0xEF or marker == 0xFE


def _goes_on_after_end(content: bytes, scan: int) -> bool:
    """Whether something follows the picture: a second one, a film, an archive. It may say where and when as loudly as EXIF."""
    end = content.find(b"\xff\xd9", scan)
    return end >= 0 and bool(content[end + 2 :].strip(b"\0"))


# ---- PNG (ISO 15948) ----

_PNG_PICTURE = set(
    b"IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB iCCP sBIT bKGD pHYs hIST cICP mDCV cLLI acTL fcTL fdAT".split()
)


def _inspect_png(content: bytes) -> FileStructure:
    """Size from IHDR, and metadata: any chunk that does not describe the picture, or bytes after the end."""
    width, height = int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")
    at, more = 8, False
    for _ in range(MAX_PARTS):
        length, kind = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        if kind == b"eXIf":
            more = more or is_more_than_orientation(content[at + 8 : at + 8 + length])
        elif kind and kind not in _PNG_PICTURE:
            more = True
        at += 12 + length
        if kind == b"IEND" or at >= len(content):
            return FileStructure(width, height, has_metadata=more or at < len(content))
    return FileStructure(width, height, parts_exceeded=True, has_metadata=True)


# ---- WebP (RFC 9649) ----

_WEBP_PICTURE = {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP"}


def _inspect_webp(content: bytes) -> FileStructure:
    """Size of the canvas, and metadata: any chunk that does not describe the picture, or bytes after the end."""
    width, height = _webp_size(content)
    at, more = 12, False
    for _ in range(MAX_PARTS):
        if at + 8 > len(content):
            return FileStructure(width, height, has_metadata=more)
        kind, length = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "little")
        if kind == b"EXIF":
            more = more or is_more_than_orientation(content[at + 8 : at + 8 + length])
        elif kind not in _WEBP_PICTURE:
            more = True
        at += 8 + length + length % 2
    return FileStructure(width, height, parts_exceeded=True, has_metadata=True)


def _webp_size(content: bytes) -> tuple[int, int]:
    kind = content[12:16]
    if kind == b"VP8X":
        return int.from_bytes(content[24:27], "little") + 1, int.from_bytes(
            content[27:30], "little"
        ) + 1
    if kind == b"VP8L":
        bits = int.from_bytes(content[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return int.from_bytes(content[26:28], "little") & 0x3FFF, int.from_bytes(
        content[28:30], "little"
    ) & 0x3FFF


# ---- GIF (GIF89a specification) ----


def _inspect_gif(content: bytes) -> FileStructure:
    """Size of the screen, grown to the first frame where that is larger (as Pillow does), and metadata: comments and the like."""
    width, height = int.from_bytes(content[6:8], "little"), int.from_bytes(content[8:10], "little")
    more, frames = False, 0
    for kind, at in _blocks(content):
        if kind == b"!":
            more = more or _is_metadata_extension(content[at + 1 : at + 14])
        elif kind == b",":
            if not frames:
                left, top, wide, tall = (
                    int.from_bytes(content[at + n : at + n + 2], "little") for n in (1, 3, 5, 7)
                )
                width, height = max(width, left + wide), max(height, top + tall)
            frames += 1
        elif frames or kind in (b";", b""):
            return FileStructure(width, height, has_metadata=more or bool(content[at + 1 :]))
    # Later frames are never decoded, so their number does not matter.
    return FileStructure(width, height, parts_exceeded=not frames, has_metadata=True)


def _blocks(content: bytes) -> Iterator[tuple[bytes, int]]:
    """(kind, position) of each block, and of each byte that is none; ends after ten times `MAX_PARTS` steps."""
    at = 13 + _palette_bytes(content[10:11])
    in_data = False
    for _ in range(10 * MAX_PARTS):
        kind = content[at : at + 1]
        if in_data:
            in_data = kind not in (b"\0", b"")
            at += 1 + kind[0] if kind else 0
            continue
        yield kind, at
        in_data = kind in (b"!", b",")
        at += {b"!": 2, b",": 11 + _palette_bytes(content[at + 9 : at + 10])}.get(kind, 1)


def _palette_bytes(flags: bytes) -> int:
    return 3 << (flags[0] & 7) + 1 if flags and flags[0] & 0x80 else 0


def _is_metadata_extension(start: bytes) -> bool:
    """Whether an extension (from its label byte on) is more than timing, looping or drawn text."""
    return start[:1] == b"\xfe" or (
        start[:1] == b"\xff" and not start[2:].startswith((b"NETSCAPE2.0", b"ANIMEXTS1.0"))
    )


# ---- AVIF ----


def _inspect_avif(content: bytes) -> FileStructure:
    """Size of the largest picture in the AV1 data, whatever the boxes around it claim."""
    size = largest_frame(content)
    return FileStructure(*size) if size else FileStructure(is_broken=True)
