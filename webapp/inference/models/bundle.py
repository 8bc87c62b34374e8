"""A version as one zip file: written for export, unpacked without trusting its contents."""

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
_MEMBERS = 1000


def pack(registry: Registry, name: str, version: int, target: Path) -> None:
    """Write a version with its card into a new zip file; the same version gives the same bytes.

    Raises `ModelNotFoundError`, `BadCardError`, `ModelUnavailableError` (a file is not the one that
    was published) or `ModelRefusedError` when `target` exists or cannot be written.
    """
    folder = registry.version_folder(name, version)
    card = registry.any_card(name, version)
    check_files(folder, card, tuple(card.files))
    names = set(card.files)
    if read_split(folder, card):  # older versions got the list later
        names.add(SPLIT_FILE)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with zipfile.ZipFile(temporary, "w") as archive:
            for file in (CARD_FILE, *sorted(names)):
                text = file in (CARD_FILE, SPLIT_FILE)
                method = zipfile.ZIP_DEFLATED if text else zipfile.ZIP_STORED
                archive.writestr(zipfile.ZipInfo(file), (folder / file).read_bytes(), method)
        os.link(temporary, target)  # unlike a rename this never replaces a file
    except FileExistsError as error:
        raise ModelRefusedError(f"{target} exists already. Nothing was written.") from error
    except OSError as error:
        raise ModelRefusedError(f"{target} cannot be written: {error.strerror}.") from error
    finally:
        temporary.unlink(missing_ok=True)


def unpack(source: Path, folder: Path) -> None:
    """Unpack a zip into the empty `folder`.

    Raises `ModelRefusedError` that names the member: a path that leads out of the archive, a link
    or a device, more than `UNPACKED_BYTES` or 1,000 members, an encrypted or damaged file.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            members = archive.infolist()
            if len(members) > _MEMBERS:
                raise ModelRefusedError(
                    f"The zip has {len(members)} members; at most {_MEMBERS} are allowed."
                )
            for member in members:
                check_member(member)
            if sum(member.file_size for member in members) > UNPACKED_BYTES:
                raise ModelRefusedError(
                    f"The zip unpacks to more than {UNPACKED_BYTES // 1024**3} GB."
                )
            if len({PurePosixPath(member.filename) for member in members}) < len(members):
                raise zipfile.BadZipFile("two members have the same name")
            archive.extractall(folder)  # of no member more than it claims
    except (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, ValueError) as error:
        raise ModelRefusedError(f"{source.name} is not a sound zip file: {error}") from error


def check_member(member: zipfile.ZipInfo) -> None:
    """Raise `ModelRefusedError` for a path that leads out of the archive, a link or a device."""
    name, mode = member.filename, stat.S_IFMT(member.external_attr >> 16)
    parts = PurePosixPath(name).parts
    absolute = not parts or name.startswith("/") or ":" in parts[0]
    if absolute or ".." in parts or "\\" in name or "\0" in name:
        raise ModelRefusedError(
            f"The archive has a member {name[:100]!r}, whose path leads out of it."
        )
    if mode not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise ModelRefusedError(
            f"The archive has a member {name[:100]!r}, which is a link and not a file."
        )
