"""Small bad and odd files: what people send instead of photos, and photos that are hard to read."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from typing import Any

from PIL import Image, ImageCms, ImageDraw

UNDO = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""For each EXIF orientation, how a camera that is held so lays down an upright scene."""


def save(image: Image.Image, name: str, **options: Any) -> bytes:
    """`image` as a file of the format `name`."""
    file = io.BytesIO()
    image.save(file, name, **options)
    return file.getvalue()


def scene(width: int = 96, height: int = 64, mode: str = "RGB") -> Image.Image:
    """Red, with a blue patch in the upper left corner, which shows how it was turned."""
    image = Image.new("RGB", (width, height), (200, 30, 30))
    ImageDraw.Draw(image).rectangle((0, 0, width // 3, height // 3), fill=(30, 30, 200))
    return image.convert(mode)


def photo(name: str = "JPEG", **options: Any) -> bytes:
    """A sound file of the format `name`."""
    return save(scene(), name, **options)


def held(orientation: int, name: str = "JPEG") -> bytes:
    """The scene as a camera held this way stores it: turned, with a mark that says so."""
    undo = UNDO[orientation]
    image = scene() if undo is None else scene().transpose(undo)
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.info["exif"] = exif.tobytes()  # from here the HEIC encoder makes its own box
    return save(image, name) if name == "HEIF" else save(image, name, exif=exif)


def with_gps(name: str = "JPEG") -> bytes:
    """A photo that says where it was taken."""
    exif = Image.Exif()
    exif[0x0110] = "Camera"
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (48.0, 51.0, 29.0)
    return save(scene(), name, exif=exif)


def swapped_profile() -> bytes:
    """A colour profile by which red is blue and blue is red."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = srgb.replace(b"rXYZ", b"????").replace(b"bXYZ", b"rXYZ").replace(b"????", b"bXYZ")
    return swapped.replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))


def empty() -> bytes:
    return b""


def text() -> bytes:
    return b"Dear team,\nthe photo of the car is in the other e-mail.\n"


def svg() -> bytes:
    head = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg">'
    return head + b"<script>alert(1)</script></svg>"


def eps() -> bytes:
    """PostScript that never ends, if anything were to run it."""
    return b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 24 24\n%%EndComments\n{ } loop\n%%EOF\n"


def pdf() -> bytes:
    return b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n"


def web_page() -> bytes:
    return b"<!DOCTYPE html><title>404</title><p>Not found"


def archive() -> bytes:
    return b"PK\x03\x04" + bytes(60)


def video() -> bytes:
    return b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(60)


def truncated(name: str = "JPEG") -> bytes:
    """The first two thirds of a photo, as a broken upload leaves it."""
    content = save(scene(400, 300), name)
    return content[: len(content) * 2 // 3]


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds hardly anything: what is decoded for nothing is a bomb."""
    return _png(struct.pack(">IIBBBBB", width, height, 16, 6, 0, 0, 0), zlib.compress(bytes(64)))


def png_60_megapixels() -> bytes:
    """A sound 1-bit PNG of 60 megapixels in some ten kilobytes."""
    return save(Image.new("1", (10_000, 6_000), 1), "PNG")


def png_of_many_chunks(number: int = 30_000) -> bytes:
    """A PNG with thousands of comments, which take long to read."""
    content = photo("PNG")
    return content[:33] + _chunk(b"tEXt", b"a\0b") * number + content[33:]


def jpeg_of_many_scans(number: int = 101) -> bytes:
    """A progressive JPEG that repeats its last pass: the decoder walks over the image for each."""
    content = photo(progressive=True)
    last = content.rindex(b"\xff\xda")
    return content[:last] + content[last:-2] * number + b"\xff\xd9"


def jpeg_with_scan_marks_in_a_comment(number: int = 500) -> bytes:
    """A harmless JPEG whose comment holds the bytes that begin a scan."""
    content = photo()
    comment = b"\xff\xda" * number
    return content[:2] + b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment + content[2:]


def jpeg_of_tiny_segments(number: int = 3_000_000) -> bytes:
    """A JPEG with millions of empty segments before its picture: Pillow reads each in Python."""
    content = photo()
    return content[:2] + b"\xff\xe5\0\2" * number + content[2:]


def jpeg_with_fill(number: int = 15_000_000) -> bytes:
    """A JPEG with megabytes of fill bytes before its picture: Pillow reads each in Python."""
    content = photo()
    return content[:2] + b"\xff" * number + content[2:]


def jpeg_with_fill_in_its_scan(number: int = 15_000_000) -> bytes:
    """A JPEG with megabytes of fill bytes at its end, on which a decoder starts again and again."""
    return photo()[:-2] + b"\xff" * number + b"\xd9"


def gif_of_tiny_blocks(number: int = 8_000_000) -> bytes:
    """A GIF with a comment in millions of pieces."""
    return photo("GIF")[:-1] + b"!\xfe" + b"\1a" * number + b"\0;"


def avif_of_empty_boxes(number: int = 2_000_000) -> bytes:
    """An AVIF with millions of empty boxes and no picture."""
    return b"\0\0\0\x10ftypavif\0\0\0\0" + b"\0\0\0\x08free" * number


def gif_with_oversize_frame() -> bytes:
    """A GIF of 10 x 10 with a first frame of 65,535 x 65,535: Pillow allocates it while opening."""
    return (
        b"GIF89a"
        + struct.pack("<HHBBB", 10, 10, 0, 0, 0)
        + b","
        + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0)
        + b"\x02\x02\x4c\x01\0;"
    )


def webp_header(width: int, height: int) -> bytes:
    """An animated WebP that claims a canvas: the decoder makes room for it while opening."""
    canvas = (
        bytes([0x02, 0, 0, 0])
        + (width - 1).to_bytes(3, "little")
        + (height - 1).to_bytes(3, "little")
    )
    body = (
        b"WEBPVP8X"
        + struct.pack("<I", len(canvas))
        + canvas
        + b"ANIM"
        + struct.pack("<I", 6)
        + bytes(6)
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def avif_that_lies() -> bytes:
    """An AVIF of 36 megapixels whose boxes claim 64 x 64: its decoder would believe the data."""
    content = bytearray(save(Image.new("L", (6000, 6000), 128), "AVIF", quality=10, speed=10))
    size = content.index(b"ispe") + 8
    content[size : size + 8] = struct.pack(">II", 64, 64)
    return bytes(content)


def animation(name: str, colors: Sequence[str] = ("red", "blue")) -> bytes:
    """Several frames, the first in the first colour."""
    first, *others = (Image.new("RGB", (20, 20), color) for color in colors)
    return save(first, name, save_all=True, append_images=others)


def _png(header: bytes, data: bytes) -> bytes:
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", data)
        + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
