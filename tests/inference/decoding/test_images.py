"""From bytes to pixels: what is read, what is refused, and that a bad file costs nothing."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from tests import bad_files
from webapp.errors import BrokenPhotoError, NotAPhotoError, PhotoRefusedError, PhotoTooLargeError
from webapp.inference.decoding import images
from webapp.inference.decoding.av1 import largest_frame
from webapp.inference.decoding.detect_format import CONTENT_TYPES
from webapp.inference.decoding.images import (
    decode_large,
    decode_photo,
    fit_input,
    make_thumbnail,
    reduce_to,
    render_view,
    shrink,
)
from webapp.inference.models.card import InputSpec

READ = ("JPEG", "PNG", "WEBP", "AVIF", "HEIF", "GIF", "BMP", "TIFF")
WITH_EXIF = ("JPEG", "PNG", "WEBP", "AVIF", "HEIF", "TIFF")

# Pillow warns of odd metadata, which the web process ignores; here a warning would be an error.
pytestmark = pytest.mark.filterwarnings(r"ignore::UserWarning:PIL\.")


def color_at(content: bytes, x: int = 0, y: int = 0) -> tuple[int, ...]:
    return tuple(int(value) for value in decode_photo(content).pixels[y, x])


def outcome(content: bytes) -> str:
    try:
        decode_photo(content)
    except PhotoRefusedError as refusal:
        assert str(refusal).endswith(".")
        return "refused"
    return "accepted"


# ---- formats ----


@pytest.mark.parametrize("name", READ)
def test_it_reads_every_format(name):
    decoded = decode_photo(bad_files.photo(name))
    assert (decoded.format, decoded.width, decoded.height) == (name, 96, 64)
    assert decoded.pixels.shape == (64, 96, 3) and decoded.pixels.dtype == np.uint8
    assert np.abs(decoded.pixels.astype(int) - np.asarray(bad_files.scene())).mean() < 8


def test_it_goes_by_content_and_not_by_name():
    assert CONTENT_TYPES[decode_photo(bad_files.photo("WEBP")).format] == "image/webp"


def test_it_takes_a_picture_of_several_views_for_a_jpeg():
    assert decode_photo(bad_files.animation("MPO")).format == "JPEG"


@pytest.mark.parametrize("name", ["GIF", "PNG", "WEBP", "TIFF"])
def test_it_takes_the_first_frame(name):
    red, _, blue = color_at(bad_files.animation(name))
    assert red > 240 and blue < 15


def test_no_other_format_has_a_content_type():
    assert set(CONTENT_TYPES) == set(READ)


# ---- refusals ----


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (bad_files.empty, "This file is empty."),
        (bad_files.text, "This is a text file, not a photo."),
        (bad_files.svg, "This is an SVG drawing, not a photo."),
        (bad_files.eps, "This is a PostScript drawing, not a photo."),
        (bad_files.pdf, "This is a PDF, not a photo."),
        (bad_files.web_page, "This is a web page, not a photo."),
        (bad_files.archive, "This is a zip archive or an office document, not a photo."),
        (bad_files.video, "This is a video, not a photo."),
    ],
)
def test_it_says_what_a_file_is_instead_of_a_photo(make, words):
    with pytest.raises(NotAPhotoError) as refusal:
        decode_photo(make())
    assert str(refusal.value).startswith(words)


@pytest.mark.parametrize(
    "name", ["ICO", "PCX", "PPM", "TGA", "SGI", "JPEG2000", "ICNS", "MSP", "DDS", "PDF", "EPS"]
)
def test_it_never_hands_pillow_another_of_its_formats(name):
    mode = "1" if name == "MSP" else "RGB"
    with pytest.raises(NotAPhotoError, match="Send a JPEG"):
        decode_photo(bad_files.save(bad_files.scene(64, 64, mode), name))


@pytest.mark.parametrize("name", READ)
def test_it_refuses_a_truncated_photo(name):
    with pytest.raises(BrokenPhotoError, match="cut off or damaged"):
        decode_photo(bad_files.truncated(name))


def test_it_refuses_an_avif_animation():
    with pytest.raises(NotAPhotoError, match="an AVIF animation"):
        decode_photo(bad_files.animation("AVIF"))


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
def test_it_finds_the_true_size_of_an_avif(mode, subsampling):
    assert largest_frame(
        bad_files.save(bad_files.scene(300, 170, mode), "AVIF", subsampling=subsampling)
    ) == (300, 170)


def test_it_refuses_a_camera_raw_file():
    thumbnail = bad_files.save(bad_files.scene(), "TIFF", tiffinfo={254: 1})
    with pytest.raises(NotAPhotoError, match="camera raw"):
        decode_photo(thumbnail)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: bad_files.png_header(65535, 65535), "4,295 megapixels; 30 is the most for a PNG"),
        (lambda: bad_files.webp_header(16383, 16383), "269 megapixels; 30 is the most for a WebP"),
        (bad_files.gif_with_oversize_frame, "4,295 megapixels; 30 is the most for a GIF"),
        (bad_files.png_60_megapixels, "60 megapixels; 30 is the most for a PNG"),
        (
            lambda: bad_files.save(Image.new("L", (30_000, 10)), "PNG"),
            "30,000 pixels wide; 20,000 is the most",
        ),
        (
            lambda: bad_files.save(Image.new("1", (9000, 9000)), "TIFF", compression="group4"),
            "81 megapixels; 30 is the most for a TIFF",
        ),
        (bad_files.avif_that_lies, "36 megapixels; 30 is the most for an AVIF"),
        (bad_files.jpeg_of_many_scans, "passes; 100 is the most"),
        (bad_files.png_of_many_chunks, "more parts than any photo needs"),
        (
            lambda: bad_files.photo() + bytes(images.MAX_BYTES),
            "The file has 21 MB; 20 MB is the most",
        ),
    ],
)
def test_it_refuses_what_is_too_large_before_decoding(make, words):
    content = make()
    start = time.perf_counter()
    with pytest.raises(PhotoTooLargeError, match=words):
        decode_photo(content)
    assert time.perf_counter() - start < 0.2


def test_a_size_that_no_photo_has_is_damage():
    with pytest.raises(BrokenPhotoError, match="no photo has"):
        decode_photo(bad_files.png_header(2**31 - 1, 2**31 - 1))


def test_it_counts_scans_and_not_the_bytes_that_look_like_one():
    assert decode_photo(bad_files.jpeg_with_scan_marks_in_a_comment()).width == 96


def test_it_allows_more_pixels_where_the_decoder_shrinks():
    large = bad_files.save(Image.new("L", (8000, 5000), 128), "JPEG")
    decoded = decode_photo(large)
    assert (decoded.width, decoded.height) == (8000, 5000) and decoded.pixels.shape == (
        640,
        1024,
        3,
    )


# ---- upright ----


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", WITH_EXIF)
def test_it_sets_photos_upright(name, orientation):
    decoded = decode_photo(bad_files.held(orientation, name))
    assert (decoded.width, decoded.height) == (96, 64)
    assert np.abs(decoded.pixels.astype(int) - np.asarray(bad_files.scene())).mean() < 8


def test_an_orientation_that_cannot_be_read_is_no_reason_to_refuse():
    damaged = bad_files.held(6).replace(b"MM\0*", b"MM\0!")
    assert decode_photo(damaged).width == 64


# ---- modes and colours ----


def test_it_keeps_the_brightness_of_16_bits():
    grey = Image.fromarray(np.full((8, 8), 40_000, np.uint16))
    assert color_at(bad_files.save(grey, "PNG")) == (156, 156, 156)


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [(0.5, np.float32, 127), (40_000, np.int32, 155), (np.nan, np.float32, 0)],
)
def test_it_scales_32_bit_numbers_to_their_white(value, kind, expected):
    grey = Image.fromarray(np.full((8, 8), value, kind))
    assert color_at(bad_files.save(grey, "TIFF"))[0] == expected


@pytest.mark.parametrize("name", ["JPEG", "TIFF"])
def test_it_reads_printing_colours(name):
    red, green, blue = color_at(bad_files.save(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), name))
    assert red > 200 and green < 60 and blue < 60


@pytest.mark.parametrize("mode", ["1", "L"])
def test_it_reads_grey(mode):
    assert color_at(bad_files.save(Image.new(mode, (8, 8), 255), "PNG")) == (255, 255, 255)


def test_it_reads_lab():
    red, green, blue = color_at(bad_files.save(Image.new("LAB", (8, 8), (255, 128, 128)), "TIFF"))
    assert min(red, green, blue) > 250


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("name", ["PNG", "WEBP", "AVIF", "HEIF"])
def test_what_is_transparent_becomes_white(name, mode):
    clear = Image.new(mode, (64, 64), 0)
    assert min(color_at(bad_files.save(clear, name))) > 250


@pytest.mark.parametrize("name", ["PNG", "GIF"])
def test_a_transparent_palette_colour_becomes_white(name):
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 255, 0, 0])
    assert color_at(bad_files.save(image, name)) == (255, 0, 0)
    assert color_at(bad_files.save(image, name, transparency=1)) == (255, 255, 255)


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_it_follows_a_colour_profile(name):
    red, _, blue = color_at(
        bad_files.photo(name, icc_profile=bad_files.swapped_profile()), x=90, y=60
    )
    assert red < 60 and blue > 180


def test_a_profile_for_another_kind_of_image_is_left_aside():
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    assert np.array_equal(
        decode_photo(bad_files.photo(icc_profile=lab)).pixels,
        decode_photo(bad_files.photo()).pixels,
    )


@pytest.mark.parametrize("profile", [b"nonsense", bytes(200), bytes(36) + b"acsp" + bytes(200)])
def test_a_broken_colour_profile_is_left_aside(profile):
    assert np.array_equal(
        decode_photo(bad_files.photo(icc_profile=profile)).pixels,
        decode_photo(bad_files.photo()).pixels,
    )


# ---- shrinking ----


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P"])
def test_it_shrinks_in_bands_as_pillow_does_at_once(mode):
    image = bad_files.scene(4801, 3203, mode)
    decoded = decode_photo(bad_files.save(image, "PNG", compress_level=1), max_side=500)
    expected = image.convert("RGB").resize((500, 334), Image.Resampling.BICUBIC, reducing_gap=2.0)
    assert np.abs(decoded.pixels.astype(int) - np.asarray(expected)).max() <= 1


@pytest.mark.parametrize("size", [(20_000, 1), (1, 20_000), (3, 5000)])
def test_the_shorter_side_never_vanishes(size):
    decoded = decode_photo(bad_files.save(Image.new("L", size), "PNG"))
    assert min(decoded.pixels.shape) >= 1 and max(decoded.pixels.shape) == 1024


def test_it_never_enlarges():
    assert decode_photo(bad_files.photo(), max_side=4000).pixels.shape == (64, 96, 3)


def test_the_same_bytes_give_the_same_pixels():
    content = bad_files.save(bad_files.scene(3000, 2000), "JPEG")
    assert np.array_equal(decode_photo(content).pixels, decode_photo(content).pixels)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("side", [300, 700, 1599, 3000])
def test_a_large_decoded_photo_has_the_pixels_that_are_wanted_or_all(kind, side):
    content = bad_files.save(bad_files.scene(1600, 900), kind)
    decoded = decode_large(content, min_side=side)
    height, width = decoded.pixels.shape[:2]
    assert min(side, 1600) <= width < 2 * side
    assert abs(width / height - 16 / 9) < 0.02
    assert (decoded.width, decoded.height) == (1600, 900)


def test_a_shrunk_photo_looks_as_if_it_had_been_decoded_small():
    content = bad_files.save(bad_files.scene(1600, 900), "PNG")
    shrunk = shrink(decode_large(content, min_side=768), 480)
    assert shrunk.pixels.shape == (270, 480, 3)
    expected = decode_photo(content, max_side=480).pixels
    assert np.abs(shrunk.pixels.astype(int) - expected).mean() < 3


def test_a_small_part_of_a_photo_is_not_reduced():
    image = bad_files.scene(399, 100, "RGB")
    assert reduce_to(image, 200) is image
    assert reduce_to(bad_files.scene(400, 100, "RGB"), 200).size == (200, 50)


# ---- metadata ----


@pytest.mark.parametrize("name", WITH_EXIF)
def test_it_notices_where_a_photo_was_taken(name):
    assert decode_photo(bad_files.with_gps(name)).has_metadata


@pytest.mark.parametrize("name", READ)
def test_a_bare_photo_has_no_metadata(name):
    assert not decode_photo(bad_files.photo(name)).has_metadata


@pytest.mark.parametrize("name", WITH_EXIF)
def test_the_way_the_camera_was_held_is_not_metadata(name):
    assert not decode_photo(bad_files.held(6, name)).has_metadata


def test_a_colour_profile_is_not_metadata():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert not any(
        decode_photo(bad_files.photo(name, icc_profile=srgb)).has_metadata
        for name in ("JPEG", "PNG", "WEBP", "TIFF")
    )


@pytest.mark.parametrize("name", ["JPEG", "GIF"])
def test_a_comment_is_metadata(name):
    assert decode_photo(bad_files.photo(name, comment=b"Anna, 12 Elm Street")).has_metadata


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "GIF"])
def test_what_follows_the_picture_is_metadata(name):
    assert decode_photo(bad_files.photo(name) + bad_files.archive()).has_metadata


# ---- copies for people ----


@pytest.mark.parametrize("name", WITH_EXIF)
def test_a_view_carries_no_metadata(name):
    view = Image.open(io.BytesIO(render_view(bad_files.with_gps(name))))
    assert (
        view.format == "JPEG"
        and not view.getexif()
        and not {"exif", "xmp", "comment", "icc_profile"} & set(view.info)
    )


def test_a_view_loses_the_comment():
    assert b"Elm Street" not in render_view(bad_files.photo(comment=b"Anna, 12 Elm Street"))


def test_a_view_is_upright_and_fits():
    view = Image.open(io.BytesIO(render_view(bad_files.held(6), max_side=48)))
    assert view.size == (48, 32)


def test_a_view_of_a_bad_file_is_refused():
    with pytest.raises(NotAPhotoError):
        render_view(bad_files.text())


def test_a_thumbnail_is_small():
    decoded = decode_photo(bad_files.save(bad_files.scene(1600, 900), "JPEG"))
    thumbnail = make_thumbnail(decoded.image)
    assert Image.open(io.BytesIO(thumbnail)).size == (480, 270) and len(thumbnail) < 25_000


# ---- cost ----

SPITEFUL = (
    bad_files.jpeg_of_tiny_segments,
    bad_files.jpeg_with_fill,
    bad_files.jpeg_with_fill_in_its_scan,
    bad_files.gif_of_tiny_blocks,
    bad_files.avif_of_empty_boxes,
)


@pytest.mark.parametrize("make", SPITEFUL)
def test_a_file_of_a_million_parts_takes_no_time(make):
    content = make()
    start = time.perf_counter()
    outcome(content)
    assert time.perf_counter() - start < 2


MEASURE = """
import pathlib, resource, sys
from webapp.inference.decoding.images import decode_photo
content = pathlib.Path(sys.argv[1]).read_bytes()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
decode_photo(content)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize("name", ["WEBP", "PNG"])
def test_the_largest_photo_takes_less_than_500_mb(name, tmp_path):
    options = (
        {"lossless": True, "method": 0, "quality": 0} if name == "WEBP" else {"compress_level": 1}
    )
    (tmp_path / "large").write_bytes(
        bad_files.save(bad_files.scene(6000, 5000, "RGBA"), name, **options)
    )
    command = [sys.executable, "-c", MEASURE, str(tmp_path / "large")]
    run = subprocess.run(
        command,
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert int(run.stdout) < 500


# ---- the network's input ----


@pytest.mark.parametrize("rule", ["stretch", "pad", "crop"])
def test_it_fits_the_network(rule):
    fitted = fit_input(
        decode_photo(bad_files.photo()).pixels, InputSpec(height=32, width=40, resize=rule)
    )
    assert fitted.shape == (32, 40, 3) and fitted.dtype == np.uint8


def test_padding_is_grey():
    fitted = fit_input(
        decode_photo(bad_files.photo()).pixels, InputSpec(height=64, width=64, resize="pad")
    )
    assert tuple(fitted[0, 0]) == (127, 127, 127)


# ---- the shared bad files ----

HEIC_WITHOUT_A_REFERENCE = "metadata/exifreader_test-no-meta-data.heic"
"""A sound HEIC that the list calls bad only because its reference decoder reads no HEIC."""


def test_it_survives_the_shared_bad_files(shared: Path):
    folder = shared / "hostile"
    if not folder.is_dir():
        pytest.skip("the shared bad files are not on this machine")
    wrong = []
    with (folder / "images.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            start = time.perf_counter()
            got = outcome((folder / "images" / row["file"]).read_bytes())
            right = {"accept": {"accepted"}, "reject-clear-error": {"refused"}}.get(
                row["expected"], {"accepted", "refused"}
            )
            if row["file"] != HEIC_WITHOUT_A_REFERENCE and (
                got not in right or time.perf_counter() - start > 5
            ):
                wrong.append(f"{row['file']} was {got}")
    assert not wrong
