"""What an export is asked for, and how much that is."""

from dataclasses import dataclass, field
from datetime import datetime

from webapp.domain import VERDICTS
from webapp.errors import BadRequestError
from webapp.gallery_filter import GalleryFilter, filter_params
from webapp.reports.csv_safety import plain_cell
from webapp.services.exports.export_format import (
    CarRecord,
    ExportFormat,
    Record,
)
from webapp.storage import exports as storage
from webapp.storage.exports import ANY_CLASS, BOX, CHECKED, CLASS

# Photos in one zip. More come in parts: a part can be had again, and its list of contents fits into
# memory.
ZIP_PHOTOS = 5000
# what an export has files of; BOXES: whole photos in which people checked every car
UNITS = PHOTOS, CROPS, BOXES = "photos", "crops", "boxes"


@dataclass(frozen=True)
class ExportOrder:
    """What to export.

    Attributes:
        after: The id of the last photo that is there already.
        limit: The most photos; None for all of them.
        keep_metadata: Photos keep what they tell about place, time and camera.
        unit: PHOTOS; for folders also CROPS, each car with a class, cut out, or BOXES.
        base_url: Where this Marque is, for formats that name a photo by its address.
    """

    format: ExportFormat
    wanted: GalleryFilter = field(default_factory=GalleryFilter)
    after: str = ""
    limit: int | None = None
    keep_metadata: bool = False
    base_url: str = ""
    unit: str = PHOTOS

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise BadRequestError(f"unit must be one of {', '.join(UNITS)}.")
        if self.unit != PHOTOS and not self.format.crops:
            raise BadRequestError(
                f"{self.format.title} has whole photos, with a box for each car. Cars that are cut "
                "out come in folders, and so do photos to train a detector on."
            )
        object.__setattr__(self, "after", plain_cell(self.after.strip()))
        object.__setattr__(self, "base_url", self.base_url.rstrip("/"))

    @property
    def crops(self) -> bool:
        """Whether it has cars, cut out."""
        return self.unit == CROPS

    @property
    def boxes(self) -> bool:
        """Whether it has photos to train a detector on."""
        return self.unit == BOXES

    @property
    def most(self) -> int | None:
        """How many photos one file has at most; None for any number."""
        if not self.format.holds_photos:
            return self.limit
        return min(self.limit or ZIP_PHOTOS, ZIP_PHOTOS)

    @property
    def needs(self) -> str:
        """What its photos must have: CLASS (their main car), ANY_CLASS (one of their cars), BOX or
        CHECKED; "" for nothing."""
        if self.boxes:
            return CHECKED
        if self.format.needs != CLASS:
            return self.format.needs
        if self.wanted.ground_truth in VERDICTS:
            return ""
        return ANY_CLASS if self.crops else CLASS

    def cut_cars(self, record: Record) -> list[CarRecord]:
        """The cars of a photo that are cut out: those with a class, or with the verdict that was
        asked for."""
        verdict = self.wanted.ground_truth
        return [car for car in record.cars if car.label or (verdict and car.verdict == verdict)]

    def truths(self, record: Record) -> list[str]:
        """The ground truths that a photo counts for."""
        if not self.crops:
            return [record.truth]
        return [car.row.ground_truth for car in self.cut_cars(record)]

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
    for those without a ground truth). `bytes` are of the files of photos with a class; `boxed` is
    how many have a box, or no car."""

    photos: int
    classes: dict[str, int]
    verdicts: dict[str, int]
    bytes: int
    boxed: int

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
        sum(count for count, _ in counts.values())
        - sum(storage.count_left_out(wanted, BOX).values()),
    )


def left_out(order: ExportOrder) -> dict[str, int]:
    """How many photos lack what its format needs, so that they are not in it: by the verdict about
    their main car where classes are needed."""
    counts = storage.count_left_out(order.wanted, order.needs) if order.needs else {}
    lacks = {BOX: "without a box", CHECKED: "not checked car by car"}
    if order.needs in lacks:
        return {lacks[order.needs]: sum(counts.values())} if counts else {}
    return {name or "unlabelled": count for name, count in counts.items()}


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
