"""A version as one zip file: packed to be carried elsewhere, unpacked without trust."""

import os
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from webapp.errors import ModelRefusedError
from webapp.inference.models.card import CARD_FILE
from webapp.inference.models.held_out import SPLIT_FILE, read_split
from webapp.inference.models.registry import Registry, check_files

UNPACKED_BYTES = 2 * 1024**3
MEMBERS = 1000
CHUNK = 1024 * 1024


def pack(registry: Registry, name: str, version: int, target: Path) -> None:
    """Write a version with its card into a new zip file; the same version gives the same bytes.

    Raises `ModelNotFoundError`, `BadCardError`, `ModelUnavailableError` (a file is not the one that was published) or `ModelRefusedError`
    when `target` exists or cannot be written.
    """
    folder = registry.version_folder(name, version)
    card = registry.card(name, version)
    check_files(folder, card, tuple(card.files))
    names = {*card.files} | (
        {SPLIT_FILE} if read_split(folder, card) else set()
    )  # older versions got the list later
    waiting = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with zipfile.ZipFile(waiting, "w") as archive:
            for one in (CARD_FILE, *sorted(names)):
                how = zipfile.ZIP_DEFLATED if one in (CARD_FILE, SPLIT_FILE) else zipfile.ZIP_STORED
                archive.writestr(zipfile.ZipInfo(one), (folder / one).read_bytes(), how)
        os.link(waiting, target)  # unlike a rename this never replaces a file
    except FileExistsError as error:
        raise ModelRefusedError(f"{target} exists already. Nothing was written.") from error
    except OSError as error:
        raise ModelRefusedError(f"{target} cannot be written: {error.strerror}.") from error
    finally:
        waiting.unlink(missing_ok=True)


def unpack(source: Path, folder: Path) -> list[Path]:
    """Unpack a zip into the empty `folder` and return the files, by name.

    Raises `ModelRefusedError` that names the member: a path that leads out of the archive, a link or a device, more than
    `UNPACKED_BYTES` or `MEMBERS`, an encrypted or damaged file.
    """
    files: list[Path] = []
    left = UNPACKED_BYTES
    try:
        with zipfile.ZipFile(source) as archive:
            members = archive.infolist()
            if len(members) > MEMBERS:
                raise ModelRefusedError(
                    f"The zip has {len(members)} members; a model has fewer than {MEMBERS}."
                )
            for member in members:
                check_member(member)
            for member in members:
                if not member.is_dir():
                    path = folder / PurePosixPath(member.filename)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    left = _copy(archive, member, path, left)
                    files.append(path)
    except (
        OSError,
        zipfile.BadZipFile,
        zlib.error,
        RuntimeError,
        NotImplementedError,
        EOFError,
        ValueError,
    ) as error:
        raise ModelRefusedError(f"{source.name} is no sound zip file: {error}") from error
    return sorted(files)


def check_member(member: zipfile.ZipInfo) -> None:
    """Raise `ModelRefusedError` when a member's name leads out of the archive, or when it is a link or a device."""
    name, kind = member.filename, stat.S_IFMT(member.external_attr >> 16)
    parts = PurePosixPath(name).parts
    if (
        not parts
        or name.startswith("/")
        or "\\" in name
        or "\0" in name
        or ":" in parts[0]
        or ".." in parts
    ):
        raise ModelRefusedError(
            f"The archive has a member {name[:100]!r}, whose path leads out of it."
        )
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise ModelRefusedError(
            f"The archive has a member {name[:100]!r}, which is a link and not a file."
        )


def _copy(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, left: int) -> int:
    """Unpack one member by chunks; the sizes that the archive claims are not believed. Returns how many bytes may still come."""
    with archive.open(member) as stream, path.open("xb") as file:
        while chunk := stream.read(CHUNK):
            left -= len(chunk)
            if left < 0:
                raise ModelRefusedError(
                    f"The zip unpacks to more than {UNPACKED_BYTES // 1024**3} GB."
                )
            file.write(chunk)
    return left
