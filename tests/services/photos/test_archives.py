"""Zips that strangers sent: read with care, whatever is in them."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import pytest

from webapp.errors import BadArchiveError, BadRequestError, BrokenPhotoError, PhotoTooLargeError
from webapp.services.photos import archives as archive
from webapp.services.photos.archives import Folder, Zips, folder_below, open_zip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.zip"


def make(path: Path, members: dict[str, bytes], how: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", how) as written:
        for name, content in members.items():
            written.writestr(name, content)
    return path


def test_it_lists_what_lies_in_folders_and_leaves_out_what_systems_add(path: Path) -> None:
    make(
        path,
        {"f1/мак ларен/🏎.jpg": b"x", "__MACOSX/f1/._a.jpg": b"y", "f1/.DS_Store": b"z", "f1/": b""},
    )
    with Zips([path]) as zips:
        entries = zips.entries()
        assert (entries[0].folder, entries[0].filename) == ("мак ларен", "🏎.jpg")
        assert [bool(item.why_not) for item in entries] == [False, True, True]
        assert zips.read(entries[0].key) == b"x"


def test_two_zips_are_read_one_after_the_other(path: Path, tmp_path: Path) -> None:
    other = make(tmp_path / "b.zip", {"a.jpg": b"2"})
    with Zips([make(path, {"a.jpg": b"1"}), other]) as zips:
        assert [zips.read(item.key) for item in zips.entries()] == [b"1", b"2"]


def test_names_that_lead_out_stay_names(path: Path) -> None:
    with Zips([make(path, {"../../etc/passwd": b"x", "/abs.jpg": b"y"})]) as zips:
        assert [item.filename for item in zips.entries()] == ["passwd", "abs.jpg"]


@pytest.mark.parametrize(
    ("name", "encoding"), [("Лада/седан.jpg", "cp866"), ("Škoda/žlutá.jpg", "utf-8")]
)
def test_names_of_old_packers_are_read_as_they_were_meant(
    path: Path, name: str, encoding: str
) -> None:
    member = zipfile.ZipInfo("x")
    member.filename = name.encode(encoding).decode("cp437")
    member.flag_bits = 0
    assert archive.decoded_name(member) == name


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"PK\x03\x04" + b"\0" * 50, b"PK\x05\x06" + b"\xff" * 18]
)
def test_what_is_no_zip_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(BadArchiveError, match="Nothing was stored"):
        open_zip(path)


def test_a_zip_without_its_end_is_refused(path: Path) -> None:
    content = make(path, {"a.jpg": b"x" * 1000}).read_bytes()
    path.write_bytes(content[:-30])
    with pytest.raises(BadArchiveError, match="end is missing"):
        open_zip(path)


def test_a_bomb_is_not_opened(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "RATIO_FROM", 2**20)
    make(path, {"a.bmp": b"\0" * 2**21}, zipfile.ZIP_DEFLATED)
    with pytest.raises(BadArchiveError, match="It was not opened"):
        open_zip(path)


def test_members_that_share_their_bytes_are_not_opened(path: Path) -> None:
    """A table of contents that names the same bytes again and again."""
    content = bytearray(make(path, {"a.jpg": b"x" * 5000}).read_bytes())
    end = content.rfind(b"PK\x05\x06")
    (start,) = struct.unpack_from("<L", content, end + 16)
    entry, last = bytes(content[start:end]), bytes(content[end:])
    record = bytearray(last)
    struct.pack_into("<HHL", record, 8, 50, 50, len(entry) * 50)
    path.write_bytes(bytes(content[:start]) + entry * 50 + bytes(record))
    with pytest.raises(BadArchiveError):
        open_zip(path)


def test_a_table_of_contents_too_long_to_read_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "DIRECTORY_BYTES", 500)
    with pytest.raises(BadArchiveError, match="more than"):
        open_zip(make(path, {f"{item}.jpg": b"" for item in range(50)}))


def test_too_many_files_are_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_FILES", 3)
    with (
        Zips([make(path, {f"{item}.jpg": b"" for item in range(4)})]) as zips,
        pytest.raises(BadArchiveError, match="4 files"),
    ):
        zips.entries()


def test_a_large_photo_is_not_unpacked(path: Path) -> None:
    with (
        Zips([make(path, {"a.bmp": b"\0" * (21 * 2**20)}, zipfile.ZIP_DEFLATED)]) as zips,
        pytest.raises(PhotoTooLargeError),
    ):
        zips.read("0:0")


def test_a_damaged_member_costs_only_itself(path: Path) -> None:
    content = make(path, {"a.jpg": b"a" * 100, "b.jpg": b"b" * 100}).read_bytes()
    path.write_bytes(content.replace(b"a" * 100, b"c" * 100))
    with Zips([path]) as zips:
        with pytest.raises(BrokenPhotoError, match="Damaged in the zip"):
            zips.read("0:0")
        assert zips.read("0:1") == b"b" * 100


def test_an_encrypted_member_says_so(path: Path) -> None:
    content = bytearray(make(path, {"a.jpg": b"x"}).read_bytes())
    content[content.rfind(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(bytes(content))
    with Zips([path]) as zips, pytest.raises(BrokenPhotoError, match="password"):
        zips.read("0:0")


def test_a_link_is_no_file(path: Path) -> None:
    link = zipfile.ZipInfo("a.jpg")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as written:
        written.writestr(link, "/etc/passwd")
    with Zips([path]) as zips:
        assert zips.entries()[0].why_not == "a link, not a file"


def test_a_folder_is_read_by_name_without_its_links(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "2.jpg").write_bytes(b"2")
    (tmp_path / "1.jpg").write_bytes(b"1")
    (tmp_path / "3.jpg").symlink_to("/etc/passwd")
    with Folder(tmp_path) as folder:
        assert [(item.name, folder.read(item.key)) for item in folder.entries()] == [
            ("1.jpg", b"1"),
            ("b/2.jpg", b"2"),
        ]


def test_a_folder_is_open_only_below_the_allowed_one(tmp_path: Path) -> None:
    (tmp_path / "in" / "a").mkdir(parents=True)
    (tmp_path / "in" / "out").symlink_to(tmp_path)
    assert folder_below(tmp_path / "in", "a/") == tmp_path / "in" / "a"
    for name in ("..", "a/../..", "out", "nowhere", str(tmp_path)):
        with pytest.raises(BadRequestError):
            folder_below(tmp_path / "in", name)
    with pytest.raises(BadRequestError, match="MARQUE_IMPORT_FOLDER"):
        folder_below(None, "a")


def test_an_empty_zip_has_nothing(path: Path) -> None:
    path.write_bytes(io.BytesIO(make(path, {}).read_bytes()).getvalue())
    with Zips([path]) as zips:
        assert zips.entries() == []
