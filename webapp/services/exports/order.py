"""What an export is asked for, and how much that is."""

from dataclasses import dataclass, field
from datetime import datetime

from webapp.domain import VERDICTS
from webapp.errors import BadRequestError
from webapp.gallery_filter import GalleryFilter, filter_params
from webapp.reports.csv_safety import plain_cell
from webapp.services.exports.export_format import ExportFormat
from webapp.storage import exports as storage

# Photos in one zip. More come in parts: a part can be had again, and its list of contents fits into
# memory.
ZIP_PHOTOS = 5000


@dataclass(frozen=True)
class ExportOrder:
    """What to export.

    Attributes:
        after: The id of the last photo that is there already.
        limit: The most photos; None for all of them.
        keep_metadata: Photos keep what they tell about place, time and camera.
        base_url: Where this Marque is, for formats that name a photo by its address.
    """

    format: ExportFormat
    wanted: GalleryFilter = field(default_factory=GalleryFilter)
    after: str = ""
    limit: int | None = None
    keep_metadata: bool = False
    base_url: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "after", plain_cell(self.after.strip()))
        object.__setattr__(self, "base_url", self.base_url.rstrip("/"))

    @property
    def most(self) -> int | None:
        """How many photos one file has at most; None for any number."""
        if not self.format.holds_photos:
            return self.limit
        return min(self.limit or ZIP_PHOTOS, ZIP_PHOTOS)

    @property
    def classes_only(self) -> bool:
        """True when only photos with a class have a place in it."""
        return self.format.holds_photos and self.wanted.ground_truth not in VERDICTS

    @property
    def filter(self) -> dict[str, str]:
        """The filter as the parameters of a page; an export has its own order."""
        return filter_params(self.wanted.replace(sort="newest"))

    def file_name(self, made: datetime, part: str = "") -> str:
        """What its file is called: when it was made, and which part it is."""
        return f"marque-{made:%Y-%m-%d}-{self.format.name}{part}{self.format.ending}"


@dataclass(frozen=True)
class _ExportSize:
    """How many photos an export would have: all, of each class, and without a class by verdict (""
    for those without a ground truth). `bytes` are of the files of photos with a class."""

    photos: int
    classes: dict[str, int]
    verdicts: dict[str, int]
    bytes: int

    @property
    def labelled(self) -> int:
        """Photos with a class."""
        return sum(self.classes.values())

    @property
    def zips(self) -> int:
        """Into how many zips the labelled photos go."""
        return -(-self.labelled // ZIP_PHOTOS)


def size_of(wanted: GalleryFilter) -> _ExportSize:
    """How much would be exported."""
    counts = storage.count_photos(wanted)
    classes = {name: count for name, (count, _) in counts.items() if name and name not in VERDICTS}
    verdicts = {name or "": count for name, (count, _) in counts.items() if name not in classes}
    return _ExportSize(
        sum(count for count, _ in counts.values()),
        dict(sorted(classes.items())),
        verdicts,
        sum(size for name, (_, size) in counts.items() if name in classes),
    )


def without_class(wanted: GalleryFilter) -> dict[str, int]:
    """How many photos have no class, so that no folder is theirs: by verdict."""
    return {name or "unlabelled": count for name, count in size_of(wanted).verdicts.items()}


def number_after(public_id: str) -> int:
    """The number of the photo after which an export goes on, 0 for none.

    Raises `BadRequestError` when there is no such photo.
    """
    if not public_id:
        return 0
    number = storage.number_of(public_id)
    if number is None:
        raise BadRequestError(
            f"There is no photo {public_id[:40]!r} to go on after. Start again without it."
        )
    return number
