"""What a photo of a list may be called here: tools change the names of the files they are given."""

import re
from pathlib import PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

from webapp.domain import PHOTO_ENDINGS

_UPLOAD = re.compile(r"^[0-9a-f]{8}-(?=.)")  # Label Studio's; it makes spaces to underscores too
_COPY = re.compile(r" (\d+)(?=\.\w+$)")  # of "monza (2).jpg", whose parentheses it removes
_EXPORTED = re.compile(r"-([A-Za-z0-9_-]{12})(?=(\.[A-Za-z]{2,5})?$)")  # what our exports add
_COMMON = (".JPG", ".JPEG", ".PNG")  # as cameras write them


def names_of(text: str) -> list[str]:
    """The names of the file that a list calls `text`, a path of either kind or an address; the
    likeliest first. Label Studio's local files stand in the `d` of an address."""
    names = [_last_part(text)]
    address = urlsplit(text) if _is_address(text) else None
    if address:
        path = next(iter(parse_qs(address.query).get("d", [])), unquote(address.path))
        names = [_last_part(path), *names]
    for added in (_UPLOAD, _EXPORTED):
        names += [added.sub("", name) for name in names]
    if any(map(_UPLOAD.match, names)):
        names += [name.replace("_", " ") for name in names]
        names += [_COPY.sub(r" (\1)", name) for name in names]
    return [name for name in dict.fromkeys(names) if name]


def ids_of(text: str) -> list[str]:
    """The ids that may stand at the end of the name of an exported file."""
    matches = (_EXPORTED.search(name) for name in names_of(text))
    return [match[1] for match in matches if match]


def is_photo(name: str) -> bool:
    """Whether a name has the ending of a photo."""
    return PurePosixPath(name).suffix.lower() in PHOTO_ENDINGS


def without_ending(name: str) -> str:
    """The name of a photo without its ending."""
    return name.rpartition(".")[0] if is_photo(name) else name


def with_endings(name: str) -> list[str]:
    """A name; when it lacks the ending of a photo, as in YOLO's lists, also with each of them."""
    if is_photo(name):
        return [name]
    return [name, *(name + ending for ending in (*sorted(PHOTO_ENDINGS), *_COMMON))]


def _is_address(text: str) -> bool:
    return "://" in text or "?" in text or "%" in text


def _last_part(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2]
