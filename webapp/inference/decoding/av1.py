"""How large the pictures inside an AVIF really are: its boxes may claim little while the AV1 data in them unfolds to gigabytes.

The decoder below Pillow believes the AV1 data and scales afterwards, so the size in the boxes bounds nothing. Read here: the item
boxes (ISO 14496-12, 8.11) as far as needed to find the data, and the sequence header in it (AV1 specification, 5.5).
"""

from collections.abc import Iterator
from math import prod

_SEQUENCE_HEADER = 1
_MAX_BOXES = 10_000
_MAX_PIECES = 1000
"""Pieces of an item, and units of AV1 data in it, that are looked at. A photo has a handful of each."""
_LOOSE = 4
"""How many times larger the frames of an animation may be than their sequence header says; the spare bits of its size fields."""


def largest_frame(content: bytes) -> tuple[int, int] | None:
    """Width and height in pixels of the largest AV1 frame in an AVIF, or None when it cannot be found out: the file is not sound."""
    outer = {
        kind: content[start:end]
        for kind, start, end in _boxes(content, 0, len(content))
        if kind in (b"meta", b"moov")
    }
    if set(outer) != {b"meta"}:  # an animation (moov) keeps its frames elsewhere
        return None
    meta = outer[b"meta"]
    boxes = {kind: meta[start:end] for kind, start, end in _boxes(meta, 4, len(meta))}
    if b"iloc" not in boxes or b"iinf" not in boxes:
        return None
    wanted = _av1_items(boxes[b"iinf"])
    try:
        items = _items(boxes[b"iloc"], content, boxes.get(b"idat", b""))
        sizes = {
            number: max(_frame_sizes(data), key=prod) for number, data in items if number in wanted
        }
    except (IndexError, ValueError):
        return None
    return max(sizes.values(), key=prod) if wanted and len(sizes) == len(wanted) else None


def _boxes(content: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(kind, start, end) of each box between `at` and `end`, without its header."""
    for _ in range(_MAX_BOXES):
        if at + 8 > end:
            return
        size, kind, head = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8], 8
        if size == 1:
            size, head = int.from_bytes(content[at + 8 : at + 16], "big"), 16
        elif size == 0:
            size = end - at
        if size < head or at + size > end:
            return
        yield kind, at + head, at + size
        at += size


class _Fields:
    """Reads big-endian numbers one after the other, of so many bits each. Raises IndexError at the end."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def take(self, bits: int) -> int:
        first, last = self._at // 8, (self._at + bits + 7) // 8
        if last > len(self._content):
            raise IndexError("the box ends here")
        self._at += bits
        whole = int.from_bytes(self._content[first:last], "big")
        return whole >> (last * 8 - self._at) & (1 << bits) - 1


def _av1_items(info: bytes) -> set[int]:
    """The numbers of the items that are AV1 pictures: the picture itself, its tiles, its transparency."""
    start = 6 if info[:1] == b"\0" else 8
    found = set()
    for kind, at, end in _boxes(info, start, len(info)):
        entry, wide = info[at:end], info[at : at + 1] == b"\3"
        number, rest = (entry[4:8], entry[10:14]) if wide else (entry[4:6], entry[8:12])
        if kind == b"infe" and rest == b"av01":
            found.add(int.from_bytes(number, "big"))
    return found


def _items(places: bytes, content: bytes, inner: bytes) -> Iterator[tuple[int, bytes]]:
    """(number, data) of each item, its pieces joined."""
    fields = _Fields(places)
    version = fields.take(8)
    fields.take(24)
    offset_bits, length_bits, base_bits, index_bits = (8 * fields.take(4) for _ in range(4))
    total = 0
    for _ in range(fields.take(32 if version == 2 else 16)):
        number = fields.take(32 if version == 2 else 16)
        source = inner if version in (1, 2) and fields.take(16) & 15 == 1 else content
        fields.take(16)
        base, pieces, extents = fields.take(base_bits), [], fields.take(16)
        if extents > _MAX_PIECES:
            raise ValueError("an item in too many pieces")
        for _ in range(extents):
            if version in (1, 2):
                fields.take(index_bits)
            start = base + fields.take(offset_bits)
            length = fields.take(length_bits)
            pieces.append(source[start : start + length] if length else source[start:])
        total += sum(map(len, pieces))
        if total > len(content):
            raise ValueError("items that lie over each other")
        yield number, b"".join(pieces)


def _frame_sizes(data: bytes) -> Iterator[tuple[int, int]]:
    """The size in each sequence header of a run of AV1 units."""
    at = 0
    for _ in range(_MAX_PIECES):
        if at >= len(data):
            return
        kind, has_extension, has_size = data[at] >> 3 & 15, data[at] & 4, data[at] & 2
        at += 2 if has_extension else 1
        size = len(data) - at
        if has_size:
            size, at = _leb128(data, at)
        if kind == _SEQUENCE_HEADER:
            yield _frame_size(_Fields(data[at : at + min(size, 1024)]))
        at += size
    raise ValueError("a picture of too many units")


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for step in range(8):
        value |= (data[at + step] & 127) << 7 * step
        if data[at + step] < 128:
            return value, at + step + 1
    raise ValueError("a length without an end")


def _frame_size(fields: _Fields) -> tuple[int, int]:
    """Width and height that one sequence header allows. An animation's frames may exceed the stated size up to its size fields' bits."""
    fields.take(4)  # profile, still_picture
    is_still = bool(fields.take(1))
    if is_still:
        fields.take(5)  # level
    else:
        _skip_timing_and_points(fields)
    bits = fields.take(4) + 1, fields.take(4) + 1
    width, height = fields.take(bits[0]) + 1, fields.take(bits[1]) + 1
    if not is_still and (1 << sum(bits)) > _LOOSE * width * height:
        return 1 << bits[0], 1 << bits[1]
    return width, height


def _skip_timing_and_points(fields: _Fields) -> None:
    delay_bits = 0
    if fields.take(1):  # timing_info
        fields.take(64)
        if fields.take(1):
            zeros = 0
            while not fields.take(1):
                zeros += 1
            fields.take(zeros)
        if fields.take(1):  # decoder_model_info
            delay_bits = fields.take(5) + 1
            fields.take(42)
    has_display_delay = fields.take(1)
    for _ in range(fields.take(5) + 1):
        fields.take(12)
        if fields.take(5) > 7:
            fields.take(1)
        if delay_bits and fields.take(1):
            fields.take(2 * delay_bits + 1)
        if has_display_delay and fields.take(1):
            fields.take(4)
