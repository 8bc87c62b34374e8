"""How large the pictures inside an AVIF really are, whatever its boxes claim.

The decoder below Pillow believes the AV1 data and scales afterwards, so the size in the boxes
bounds nothing: the data may unfold to gigabytes. Read here: the item boxes (ISO 14496-12, 8.11) as
far as needed to find the data, and the sequence header in it (AV1 specification, 5.5).
"""

from collections.abc import Iterator
from math import prod

_SEQUENCE_HEADER = 1
_MAX_BOXES = 10_000
_MAX_PIECES = 1000  # of an item, and units of AV1 data in it; a photo has a handful of each
# How many times larger the frames of an animation may be than their sequence header says: the spare
# bits of its size fields.
_LOOSE = 4


def largest_frame(content: bytes) -> tuple[int, int]:
    """Width and height in pixels of the largest AV1 frame. Raises `ValueError` or `LookupError`
    when the file is not sound."""
    outer = {
        kind: content[start:end]
        for kind, start, end in _boxes(content, 0, len(content))
        if kind in (b"meta", b"moov")
    }
    if set(outer) != {b"meta"}:  # an animation (moov) keeps its frames elsewhere
        raise ValueError("not a picture alone")
    meta = outer[b"meta"]
    boxes = {kind: meta[start:end] for kind, start, end in _boxes(meta, 4, len(meta))}
    wanted = _av1_items(boxes[b"iinf"])
    items = _items(boxes[b"iloc"], content, boxes.get(b"idat", b""))
    sizes = {
        number: max(_frame_sizes(data), key=prod) for number, data in items if number in wanted
    }
    if len(sizes) != len(wanted):
        raise ValueError("an item without a place")
    return max(sizes.values(), key=prod)


def _boxes(content: bytes, place: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(kind, start, end) of each box between `place` and `end`, without its header."""
    for _ in range(_MAX_BOXES):
        if place + 8 > end:
            return
        size, head = int.from_bytes(content[place : place + 4], "big"), 8
        kind = content[place + 4 : place + 8]
        if size == 1:
            size, head = int.from_bytes(content[place + 8 : place + 16], "big"), 16
        elif size == 0:
            size = end - place
        if size < head or place + size > end:
            return
        yield kind, place + head, place + size
        place += size


class _Fields:
    """Reads big-endian numbers of some bits each. Raises `IndexError` at the end."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._place = 0

    def take(self, bits: int) -> int:
        first, last = self._place // 8, (self._place + bits + 7) // 8
        if last > len(self._content):
            raise IndexError("the box ends here")
        self._place += bits
        whole = int.from_bytes(self._content[first:last], "big")
        return whole >> (last * 8 - self._place) & (1 << bits) - 1


def _av1_items(info: bytes) -> set[int]:
    """The numbers of the items that are AV1 pictures: picture, tiles, transparency."""
    start = 6 if info[:1] == b"\0" else 8
    numbers = set()
    for kind, place, end in _boxes(info, start, len(info)):
        entry, wide = info[place:end], info[place : place + 1] == b"\3"
        number, rest = (entry[4:8], entry[10:14]) if wide else (entry[4:6], entry[8:12])
        if kind == b"infe" and rest == b"av01":
            numbers.add(int.from_bytes(number, "big"))
    return numbers


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
    place = 0
    for _ in range(_MAX_PIECES):
        if place >= len(data):
            return
        kind, has_extension, has_size = data[place] >> 3 & 15, data[place] & 4, data[place] & 2
        place += 2 if has_extension else 1
        size = len(data) - place
        if has_size:
            size, place = _leb128(data, place)
        if kind == _SEQUENCE_HEADER:
            yield _frame_size(_Fields(data[place : place + min(size, 1024)]))
        place += size
    raise ValueError("a picture of too many units")


def _leb128(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    for step in range(8):
        value |= (data[place + step] & 127) << 7 * step
        if data[place + step] < 128:
            return value, place + step + 1
    raise ValueError("a length without an end")


def _frame_size(fields: _Fields) -> tuple[int, int]:
    """Width and height that a sequence header allows: an animation's frames may exceed the stated
    size up to the bits of its size fields."""
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
