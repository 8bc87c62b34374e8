"""What a file is by its first bytes: a format that we read, or a sentence about what it is."""

import codecs
import re

from webapp.errors import NotAPhotoError

CONTENT_TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "AVIF": "image/avif",
    "HEIF": "image/heic",  # HEVC is the only codec of this container that we decode
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
}
"""The formats we read, by Pillow's names, and their MIME types. Nothing else reaches Pillow."""

_SEND = "Send a JPEG, PNG, WebP, AVIF, HEIC, GIF, BMP or TIFF."

_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_BMP_HEADER_SIZES = {12, 16, 40, 52, 56, 64, 108, 124}

_PREFIXES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
)

_CAMERA_RAW = "a camera raw file"
_OTHER_PICTURES = (
    ((b"IIU\0", b"IIRO", b"IIRS", b"MMOR", b"FUJIFILMCCD-RAW", b"FOVb"), _CAMERA_RAW),
    ((b"8BPS",), "a Photoshop file"),
    ((b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"), "a JPEG 2000 picture"),
    ((b"\0\0\0\x0cJXL ", b"\xff\x0a"), "a JPEG XL picture"),
    ((b"SIMPLE  =",), "a FITS picture"),
)
_STRANGERS = (
    ((b"%PDF",), "a PDF"),
    ((b"%!", b"\xc5\xd0\xd3\xc6"), "a PostScript drawing"),
    ((b"\xd7\xcd\xc6\x9a", b"\x01\0\0\0\x6c\0\0\0"), "a Windows drawing"),
    ((b"\0\0\x01\0", b"\0\0\x02\0", b"icns"), "an icon"),
    ((b"PK\x03\x04", b"PK\x05\x06"), "a zip archive or an office document"),
    (
        (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"Rar!", b"\x28\xb5\x2f\xfd"),
        "a compressed file",
    ),
    (
        (b"\x1aE\xdf\xa3", b"\0\0\x01\xba", b"\0\0\x01\xb3", b"FLV\x01", b"\x30\x26\xb2\x75"),
        "a video",
    ),
    ((b"ID3", b"fLaC", b"OggS"), "a sound file"),
    ((b"MZ", b"\x7fELF", b"\xcf\xfa\xed\xfe"), "a program"),
    ((b"\x89HDF", b"SQLite format 3"), "a data file"),
)


def detect_format(content: bytes) -> str:
    """The format of `content` by its first bytes, as Pillow names it: a key of `CONTENT_TYPES`.

    Raises `NotAPhotoError` with what the file seems to be and what to send instead.
    """
    if not content:
        raise NotAPhotoError("This file is empty.")
    if name := _known_format(content):
        return name
    for prefixes, what in _OTHER_PICTURES:
        if content.startswith(prefixes):
            raise NotAPhotoError(refusal_of_picture(what))
    what = _guess(content)
    seems = f"This is {what}, not a photo." if what else "This is not a photo in a format we read."
    raise NotAPhotoError(f"{seems} {_SEND}")


def _known_format(content: bytes) -> str:
    """The format, "" for another one. Raises `NotAPhotoError` for near relatives of ours."""
    name = next((name for prefix, name in _PREFIXES if content.startswith(prefix)), "")
    if (name == "TIFF" and content[8:10] == b"CR") or content[4:11] == b"ftypcrx":
        raise NotAPhotoError(refusal_of_picture(_CAMERA_RAW))
    if name:
        return name
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return "WEBP"
    if content.startswith(b"BM") and int.from_bytes(content[14:18], "little") in _BMP_HEADER_SIZES:
        return "BMP"
    return _boxed_format(content) if content[4:8] == b"ftyp" else ""


def refusal_of_picture(what: str) -> str:
    """The sentence for a picture in a format that we do not read; `what` comes with its article."""
    return f"This is {what}, which we cannot read. {_SEND}"


def _boxed_format(content: bytes) -> str:
    """AVIF or HEIF by the brands of the ftyp box, "" for another file in boxes, as a video."""
    if content[8:12] == b"avis":
        raise NotAPhotoError(refusal_of_picture("an AVIF animation"))
    length = min(int.from_bytes(content[:4], "big"), 256)
    brands = {content[8:12]} | {content[start : start + 4] for start in range(16, length, 4)}
    if content[8:12] == b"avif":
        return "AVIF"
    if content[8:12] in _HEIF_BRANDS:
        return "HEIF"
    if content[8:12] in (b"mif1", b"msf1"):  # the list after these says which codec
        return "AVIF" if b"avif" in brands else "HEIF"
    return ""


def _guess(content: bytes) -> str:
    """What a file of another format seems to be, with its article; "" when nothing fits."""
    for prefixes, what in _STRANGERS:
        if content.startswith(prefixes):
            return what
    if content[4:8] == b"ftyp":
        return "a sound file" if content[8:12].startswith(b"M4A") else "a video"
    if content[4:8] in (b"moov", b"mdat", b"wide", b"free"):
        return "a video"
    if content.startswith(b"RIFF"):
        return {b"AVI ": "a video", b"WAVE": "a sound file"}.get(content[8:12], "")
    return _guess_text(content[:4096])


def _guess_text(start: bytes) -> str:
    """SVG, a web page or other text; "" when it is no text."""
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "a text file"
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith(b"<"):
        if b"<svg" in text:
            return "an SVG drawing"
        if re.match(rb"<(!doctype html|html|head|body|script)", text):
            return "a web page"
        return "a text file"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)  # the last character may be cut off
    except UnicodeDecodeError:
        return ""
    return "" if re.search(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]", start) else "a text file"
