"""From bytes to pixels, for the web, the terminal and training alike; copies to look at."""

import io
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, ImageFile, ImageOps
from PIL import __version__ as pillow_version
from pillow_heif import register_heif_opener

from webapp.errors import BrokenPhotoError, NotAPhotoError, PhotoRefusedError, PhotoTooLargeError
from webapp.inference.decoding.detect_format import detect_format, refusal_of_picture
from webapp.inference.decoding.file_structure import (
    BROKEN,
    FileStructure,
    inspect,
    is_more_than_orientation,
)
from webapp.inference.models.card import InputSpec

MAX_BYTES = 20 * 1024 * 1024
MAX_PIXELS = 30_000_000
# JPEG shrinks while decoding; phones make HEIC of this size.
MAX_PIXELS_OF = {"JPEG": 50_000_000, "HEIF": 50_000_000}
MAX_SIDE = 20_000

WORKING_SIDE = 1024
VIEW_SIDE = 1600
VIEW_TYPE = "image/jpeg"
VIEW_QUALITY = 85
# What makes copies: another Pillow may make other bytes of the same photo; so may a change here,
# which then gets another number.
RENDERER = f"1 on Pillow {pillow_version}"

Picture = NDArray[np.uint8] | Image.Image
"""A decoded photo or part of one: RGB, as an image, or as uint8 of shape (height, width, 3)."""

THUMBNAIL_SIDE = 480
THUMBNAIL_TYPE = "image/jpeg"

_HASH_SIDE, _ONE_GREY = 32, 3  # of a picture that is hashed; steps of 255 that are no structure
_COSINES = np.cos(np.pi / (2 * _HASH_SIDE) * np.outer(np.arange(8), 2 * np.arange(_HASH_SIDE) + 1))
_BAND_PIXELS = 1_000_000

# Pillow's own guard stays on behind ours, with its warning an error. Its other warnings tell of odd
# metadata.
Image.MAX_IMAGE_PIXELS = max(MAX_PIXELS, *MAX_PIXELS_OF.values())
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)
# Embedded thumbnails and depth maps are never wanted; one thread, because every core has a worker.
register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)


@dataclass(frozen=True)
class DecodedPhoto:
    """A photo after `decode_photo`.

    `image` is RGB, upright, at most `max_side` pixels on its longest side. `width` and `height` are
    those of the whole upright photo in pixels, `format` is Pillow's name of the container ("JPEG",
    "PNG", …). `has_metadata`: the file carries EXIF, XMP, IPTC or comments, which must not be
    served to strangers.
    """

    image: Image.Image
    width: int
    height: int
    format: str
    has_metadata: bool

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """The image as uint8 RGB of shape (height, width, 3). A copy, which takes as long as a
        resize: what is only cut and resized stays an image."""
        return np.asarray(self.image)


def decode_photo(content: bytes, *, max_side: int = WORKING_SIDE) -> DecodedPhoto:
    """Decode an upload: RGB in sRGB, upright, at most `max_side` pixels on its longest side.

    The same bytes give the same pixels. Of several frames the first is taken; what is transparent
    is shown on white. Raises `NotAPhotoError` for a format we do not read, `PhotoTooLargeError`
    before anything is decoded, `BrokenPhotoError` when decoding fails.
    """
    return _decoded(_read(content, max_side))


def decode_large(content: bytes, *, min_side: int) -> DecodedPhoto:
    """As `decode_photo`, but shrunk by whole numbers only, which costs little: `min_side` pixels on
    its longest side or more, less than twice as many, or all where the photo has fewer."""
    return _decoded(_read(content, min_side, exactly=False))


def shrink(photo: DecodedPhoto, max_side: int) -> DecodedPhoto:
    """A decoded photo with at most `max_side` pixels on its longest side: whole-number reduction as
    far as it goes, bicubic for the rest."""
    if max(photo.image.size) <= max_side:
        return photo
    image = photo.image.copy()
    image.thumbnail((max_side, max_side), Image.Resampling.BICUBIC, reducing_gap=1.0)
    return replace(photo, image=image)


def reduce_to(image: Image.Image, min_side: int) -> Image.Image:
    """Part of a decoded photo, shrunk by a whole number to `min_side` pixels or more, less than
    twice as many, on its longest side."""
    factor = max(image.size) // min_side
    return image if factor <= 1 else image.reduce(factor)


def working_side(spec: InputSpec) -> int:
    """The `max_side` with which whole photos for this input are decoded, in serving and measuring
    alike: never less than a thumbnail, so that one decoded photo is enough for both."""
    return max(THUMBNAIL_SIDE, sampled_side(spec))


def sampled_side(spec: InputSpec) -> int:
    """The pixels that this input wants on the longest side of what it sees: a quarter more than it
    has, so that the last resize has something to average."""
    return round(1.25 * max(spec.height, spec.width))


def fit_input(picture: Picture, spec: InputSpec) -> NDArray[np.uint8]:
    """Resize a decoded photo by the card's rule: uint8 RGB of shape (height, width, 3)."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    size = (spec.width, spec.height)
    if spec.resize == "pad":
        image = ImageOps.pad(image, size, Image.Resampling.BICUBIC, color=(127, 127, 127))
    elif spec.resize == "crop":
        image = ImageOps.fit(image, size, Image.Resampling.BICUBIC)
    else:
        image = image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
    return np.asarray(image)


def make_thumbnail(picture: Image.Image) -> bytes:
    """A JPEG of a decoded photo for tiles, at most 480 pixels on its longest side, no metadata.

    A WebP would be a third smaller and take three times as long, and every upload waits for it.
    """
    image = picture.copy()
    image.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BICUBIC, reducing_gap=2.0)
    return encode_jpeg(image, quality=75)


def difference_hash(image: Image.Image) -> int:
    """64 bits: is each of 8 x 8 grey cells darker than its right neighbour? (Neal Krawetz, "Kind of
    Like That", hackerfactor.com, 2013.) Similar pictures differ in few; 0 without structure.
    """
    small = image.convert("L").resize((9, 8), Image.Resampling.BILINEAR, reducing_gap=3.0)
    grey = np.asarray(small)
    return int.from_bytes(np.packbits(grey[:, :-1] < grey[:, 1:]).tobytes(), "big")


def perceptual_hash(image: Image.Image) -> int:
    """64 bits: which of the 8 x 8 lowest frequencies of a grey picture of 32 x 32 pixels are above
    their median? Frequencies are those of the discrete cosine transform (DCT-II), row by row, the
    mean first. (C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions",
    2010.) The bits are those of `phash` in the library ImageHash. Copies that were resized,
    recompressed or brightened differ in few; 0 for a picture of one grey.
    """
    small = image.convert("L").resize((_HASH_SIDE, _HASH_SIDE), Image.Resampling.LANCZOS)
    grey = np.asarray(small, dtype=np.float64)
    if np.ptp(grey) <= _ONE_GREY:
        return 0
    lowest = _COSINES @ grey @ _COSINES.T
    return int.from_bytes(np.packbits(lowest > np.median(lowest)).tobytes(), "big")


def thumbnail_hash(thumbnail: bytes) -> int | None:
    """The perceptual hash of a thumbnail as a signed 64-bit number, None for one of one grey."""
    with Image.open(io.BytesIO(thumbnail)) as image:
        image.draft("L", (4 * _HASH_SIDE, 4 * _HASH_SIDE))
        bits = perceptual_hash(image)
    return (bits - 2**64 if bits >= 2**63 else bits) or None


def render_view(content: bytes, max_side: int = VIEW_SIDE) -> bytes:
    """A JPEG of an upload: upright, sRGB, no metadata. Raises what `decode_photo` raises."""
    return encode_jpeg(_read(content, max_side)[0], quality=VIEW_QUALITY)


def upright_size(path: Path) -> tuple[int, int]:
    """Width and height of an upright photo in pixels; only the head of its file is read.

    Raises `OSError`, `BrokenPhotoError`.
    """
    with path.open("rb") as stream:
        try:
            image = Image.open(stream)
            turn = _upright(image, image.format or "")
        except Exception as error:  # as in `_read`
            raise BrokenPhotoError(BROKEN) from error
    width, height = image.size
    return (height, width) if turn in _QUARTER_TURNS else (width, height)


def encode_jpeg(image: Image.Image, quality: int) -> bytes:
    """A picture as a JPEG without metadata."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()


# ---- from bytes to a picture ----

_Picture = tuple[Image.Image, int, int, str, bool]
"""RGB, upright, shrunk, without metadata; then width, height and so on as in `DecodedPhoto`."""


def _decoded(picture: _Picture) -> DecodedPhoto:
    image, width, height, name, has_metadata = picture
    return DecodedPhoto(image, width, height, name, has_metadata)


def _read(content: bytes, side: int, *, exactly: bool = True) -> _Picture:
    """Inspect, check the caps, decode to at most `side` pixels, or, not `exactly`, to no less where
    there are as many. Raises the three refusals and nothing else."""
    if len(content) > MAX_BYTES:
        size, most = ceil(len(content) / 1024**2), MAX_BYTES // 1024**2
        raise PhotoTooLargeError(
            f"The file has {size:,} MB; {most} MB is the most. Send a smaller copy."
        )
    name = detect_format(content)
    structure = inspect(content, name)
    if structure.width and structure.height:
        _check_size(structure.width, structure.height, name, scalable=structure.scalable)
    try:
        with Image.open(io.BytesIO(content), formats=[name]) as image:
            if name == "JPEG":  # all at once: else libjpeg can be made to start again every 64 KB
                image.decodermaxblock = len(content)
            return _decode(image, name, structure, side, exactly=exactly)
    except PhotoRefusedError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        pixels = re.search(r"\d+", str(error))
        most = MAX_PIXELS_OF.get(name, MAX_PIXELS)
        raise _too_many_pixels(int(pixels[0]) if pixels else 0, name, most) from error
    except MemoryError as error:
        raise PhotoTooLargeError(
            "The photo needs more memory than there is. Send a smaller copy."
        ) from error
    except Exception as error:  # Pillow and its codecs raise nearly everything for bad bytes
        raise BrokenPhotoError(BROKEN) from error


def _decode(
    image: ImageFile.ImageFile, name: str, structure: FileStructure, side: int, *, exactly: bool
) -> _Picture:
    """Shrink, then turn, then convert colours, so that each step has few pixels."""
    width, height = image.size
    _check_size(width, height, name, scalable=structure.scalable or name == "HEIF")
    if name == "TIFF":  # camera raw files are TIFFs whose first picture is a tiny preview
        tags = image.tag_v2  # type: ignore[attr-defined]
        if tags.get(254) == 1 or 50706 in tags:  # NewSubfileType "reduced resolution"; DNGVersion
            raise NotAPhotoError(refusal_of_picture("a camera raw file"))
    has_metadata = (
        _has_metadata(image, name) if structure.has_metadata is None else structure.has_metadata
    )
    longest = max(width, height, side)
    size = max(1, round(width * side / longest)), max(1, round(height * side / longest))
    image.draft(None, size)
    image.load()
    turn = _upright(image, name)
    if exactly:
        small = _shrink(image, size)
    else:
        factor = max(1, max(image.size) // side)
        small = _reduce_in_bands(image, factor, factor)
    if turn is not None:
        small = small.transpose(turn)
    small = _to_srgb(small, image.info.get("icc_profile"))
    small.info.clear()
    upright = (height, width) if turn in _QUARTER_TURNS else (width, height)
    return small, *upright, name, has_metadata


# ---- the caps ----


def _check_size(width: int, height: int, name: str, *, scalable: bool) -> None:
    most = MAX_PIXELS_OF.get(name, MAX_PIXELS) if scalable else MAX_PIXELS
    if width * height > most:
        raise _too_many_pixels(width * height, name, most)
    if max(width, height) > MAX_SIDE:
        side = "wide" if width > height else "high"
        raise PhotoTooLargeError(
            f"The photo is {max(width, height):,} pixels {side}; {MAX_SIDE:,} is the most. "
            "Send a smaller copy."
        )
    if min(width, height) < 1:
        raise BrokenPhotoError("The photo has no pixels.")


def _too_many_pixels(pixels: int, name: str, most: int) -> PhotoRefusedError:
    if pixels > 10_000_000_000:
        return BrokenPhotoError(
            "The file claims a size that no photo has: it is damaged or made up."
        )
    article = "an" if name == "AVIF" else "a"
    shown = {"WEBP": "WebP", "HEIF": "HEIC"}.get(name, name)
    return PhotoTooLargeError(
        f"The photo has {ceil(pixels / 1e6):,} megapixels; {most // 1_000_000} is the most for "
        f"{article} {shown}. Send a smaller copy."
    )


# ---- the steps ----

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_QUARTER_TURNS = {_TURNS[number] for number in (5, 6, 7, 8)}


def _upright(image: Image.Image, name: str) -> Image.Transpose | None:
    """What sets the loaded image upright, or None. TIFF and HEIC are decoded upright."""
    if name in ("TIFF", "HEIF"):
        return None
    try:
        return _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # damaged EXIF is no reason to refuse a sound picture
        return None


def _shrink(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The loaded image at `size`, in a mode without transparency: RGB, L, CMYK or LAB.

    Whole-number reduction first, then bicubic (what `Image.resize` does with reducing_gap=2.0).
    """
    across, down = (
        max(1, int(whole / part / 2)) for whole, part in zip(image.size, size, strict=True)
    )
    reduced = _reduce_in_bands(image, across, down)
    if reduced.size == size:
        return reduced
    return reduced.resize(
        size, Image.Resampling.BICUBIC, box=(0, 0, image.width / across, image.height / down)
    )


def _reduce_in_bands(image: Image.Image, across: int, down: int) -> Image.Image:
    """The loaded image reduced by whole numbers, in modes as `_shrink`, in bands of rows, so that a
    large image in a wide mode never stands in memory twice."""
    rows = max(1, _BAND_PIXELS // image.width // down) * down
    white = max(_white(band) for band in _bands(image, rows)) if image.mode in ("I", "F") else 255
    if image.height <= rows or (across == down == 1 and _is_plain(image)):
        return _reduce(_plain(image, white), across, down)
    mode = _plain(image.crop((0, 0, 1, 1)), white).mode
    reduced = Image.new(mode, (ceil(image.width / across), ceil(image.height / down)))
    for number, band in enumerate(_bands(image, rows)):
        reduced.paste(_reduce(_plain(band, white), across, down), (0, number * rows // down))
    return reduced


def _bands(image: Image.Image, rows: int) -> Iterator[Image.Image]:
    """Cut the image into bands of `rows` rows; the last may be lower."""
    for top in range(0, image.height, rows):
        yield image.crop((0, top, image.width, min(top + rows, image.height)))


def _reduce(image: Image.Image, across: int, down: int) -> Image.Image:
    return image.reduce((across, down)) if across > 1 or down > 1 else image


def _is_plain(image: Image.Image) -> bool:
    return image.mode in ("RGB", "L", "CMYK", "LAB") and "transparency" not in image.info


def _plain(image: Image.Image, white: float) -> Image.Image:
    """The image in 8 bits on white: pictures with transparent parts are made for white pages."""
    if _is_plain(image):
        return image
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        values = np.nan_to_num(np.asarray(image, dtype=np.float32), posinf=white) * (255 / white)
        return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
    if image.has_transparency_data:
        opaque = Image.new("RGB", image.size, "white")
        clear = image.convert("RGBA")
        opaque.paste(clear, mask=clear)
        return opaque
    return image.convert("L" if image.mode == "1" else "RGB")


def _white(image: Image.Image) -> float:
    """White in an image of 32-bit numbers: the first of 1, 255 and 65535 that no pixel exceeds."""
    values = np.asarray(image)
    brightest = float(values.max(where=np.isfinite(values), initial=0))
    usual = (1, 255, 65535) if image.mode == "F" else (255, 65535)
    return next((value for value in usual if brightest <= value), brightest)


# ---- colours ----

_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
_LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
_MAX_PROFILE_BYTES = 4 * 1024 * 1024
_SPACES = {"RGB": b"RGB ", "L": b"GRAY", "CMYK": b"CMYK", "LAB": b"Lab "}


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """The image in RGB; by its colour profile where it has a sound one that is not sRGB already."""
    if image.mode == "LAB":
        return _convert(image, _LAB)
    if profile and _is_useful(profile, image.mode):
        try:
            return _convert(image, ImageCms.ImageCmsProfile(io.BytesIO(profile)))
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            pass  # a broken profile: the plain conversion is what every viewer falls back to
    return image if image.mode == "RGB" else image.convert("RGB")


def _convert(image: Image.Image, source: ImageCms.ImageCmsProfile) -> Image.Image:
    converted = ImageCms.profileToProfile(image, source, _SRGB, outputMode="RGB")
    assert converted is not None  # noqa: S101  # only inPlace gives None
    return converted


def _is_useful(profile: bytes, mode: str) -> bool:
    """Whether a profile is whole, meant for images of this mode, and differs from sRGB."""
    whole = (
        128 < len(profile) <= _MAX_PROFILE_BYTES
        and profile[36:40] == b"acsp"
        and int.from_bytes(profile[:4], "big") <= len(profile)
    )
    is_srgb = b"sRGB" in profile or "sRGB".encode("utf-16-be") in profile
    return whole and profile[16:20] == _SPACES[mode] and not is_srgb


# ---- what else a file carries ----

# Tags that describe how the pixels of a TIFF are stored: baseline, tiles, inks, sample formats,
# JPEG tables, YCbCr, colour profile.
_TIFF_PICTURE = {
    *(*range(254, 267), 273, 274, *range(277, 285), *range(290, 294), 296, 297, 301),
    *(*range(317, 326), 332, 334, 336, 338, 339, 340, 341, 347),
    *(*range(512, 522), *range(529, 533), 34675),
}


def _has_metadata(image: Image.Image, name: str) -> bool:
    """Whether an opened TIFF, AVIF, HEIC or BMP carries more than a picture."""
    if name == "TIFF":
        return not set(image.tag_v2) <= _TIFF_PICTURE  # type: ignore[attr-defined]
    if image.info.get("xmp") or image.info.get("metadata"):
        return True
    exif: bytes = image.info.get("exif") or b""
    return bool(exif) and is_more_than_orientation(exif)
