"""Two versions on the photos of this history: those with a ground truth that both know and that neither has learnt from."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from webapp.domain import Who
from webapp.errors import ModelError, ModelRefusedError, PhotoNotFoundError, PhotoRefusedError
from webapp.inference.admission import AdmissionLimiter
from webapp.inference.classifier import Classifier
from webapp.inference.models.card import ModelCard
from webapp.inference.models.gate import Comparison, Said, compare
from webapp.inference.models.held_out import HELD_OUT, read_split
from webapp.inference.models.label_set import in_terms_of, right_answers
from webapp.inference.models.registry import Registry
from webapp.services.models import promotion as promote
from webapp.services.photos.classify import Pipeline, ask_aside
from webapp.storage.file_stores.contract import FileStore
from webapp.storage.models import comparisons as storage
from webapp.storage.tables import Photo, Promotion

MOST = 2000
"""Photos that are compared on: the newest ones. Two thousand take a minute or two."""
LEAST = 30
"""Photos that a comparison needs: with fewer there is nothing to compare with."""
COVERED = 0.9
"""Share of the photos that both must have looked at: labels may come in while a comparison is read."""
FEW, WAITING, UNKNOWN, READY = "few", "waiting", "unknown", "ready"

Load = Callable[[str, int], Classifier]


@dataclass(frozen=True)
class Standing:
    """How two versions stand here. `photos` could be compared on, of which `waiting` have not been looked at by both.

    `seen` were left out because a version has learnt from them. `unknown` are the versions of which nobody knows what they learnt from.
    `comparison` is on the photos that both have looked at; None when there are too few.
    """

    champion: ModelCard
    challenger: ModelCard
    photos: int
    waiting: int
    seen: int
    unknown: tuple[int, ...]
    comparison: Comparison | None
    pictures: Mapping[str, Photo] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """FEW photos, WAITING to be looked at, UNKNOWN what was learnt (so the figures may flatter), or READY: the verdict counts."""
        if self.photos < LEAST:
            return FEW
        if self.comparison is None or self.waiting > (1 - COVERED) * self.photos:
            return WAITING
        return UNKNOWN if self.unknown else READY


def standing(registry: Registry, name: str, champion: int, challenger: int) -> Standing:
    """Compare two versions on what they have said so far; nobody is asked. Raises `ModelNotFoundError` or `BadCardError`."""
    cards = registry.card(name, champion), registry.card(name, challenger)
    rows, seen, unknown = _rows(registry, cards)
    said = [
        Said(photo.filename, photo.sha256, str(photo.ground_truth), one, other)
        for photo, one, other in rows
        if one and other
    ]
    found = compare(champion, challenger, said) if len(said) >= LEAST else None
    differ = {one.sha256 for one in (*found.fixed, *found.broken)} if found else set()
    pictures = {photo.sha256: photo for photo, _one, _other in rows if photo.sha256 in differ}
    return Standing(*cards, len(rows), len(rows) - len(said), seen, unknown, found, pictures)


def ask_both(
    registry: Registry,
    versions: tuple[Classifier, Classifier],
    *,
    files: FileStore,
    limiter: AdmissionLimiter,
    watch: Callable[[Sequence[Photo]], Iterable[Photo]] = iter,
) -> None:
    """Let both versions look at the photos that they could be compared on and have not seen; what they say is kept, photo by photo.

    It stands for neither model: galleries and pages go on showing what they showed. Stopped half-way it goes on where it was.
    """
    rows, _seen, _unknown = _rows(registry, (versions[0].card, versions[1].card))
    waiting = {
        photo.id: [one for one, said in zip(versions, labels, strict=True) if said is None]
        for photo, *labels in rows
    }
    for photo in watch([photo for photo, *_labels in rows if waiting[photo.id]]):
        try:
            ask_aside(photo, Pipeline(waiting[photo.id], files, limiter))
        except (
            PhotoRefusedError,
            PhotoNotFoundError,
        ):  # deleted meanwhile, or its bytes are damaged
            continue


def photos_to_compare(registry: Registry, cards: tuple[ModelCard, ModelCard]) -> set[int]:
    """The numbers of the photos that a comparison of these two goes by, whether they have looked at them or not."""
    return {photo.id for photo, _one, _other in _rows(registry, cards)[0]}


def promote_here(
    registry: Registry,
    name: str,
    version: int,
    load: Load,
    who: Who,
    *,
    force: bool = False,
    why: str = "",
) -> Promotion:
    """Let a version serve, judged on the photos of this history. With nothing to judge by, a reason is enough.

    Raises `PromotionRefusedError` and what `load` raises for the version itself.
    """
    challenger = load(name, version)
    live = registry.live_version(name)
    found = None
    if live is not None and live != version and _works(load, name, live):
        found = standing(registry, name, live, version)
    return promote.promote(
        registry,
        challenger,
        who,
        comparison=found.comparison if found and found.state == READY else None,
        champion_works=found is not None,
        force=force or (found is not None and found.state in (FEW, UNKNOWN)),
        why=why,
    )


def demand_comparison(found: Standing) -> Comparison:
    """The comparison. Raises `ModelRefusedError` when there are too few photos."""
    if found.comparison is None:
        left_out = (
            f" {found.seen} more are left out: a version has learnt from them."
            if found.seen
            else ""
        )
        photos = "photo of the history has" if found.photos == 1 else "photos of the history have"
        raise ModelRefusedError(
            f"There is nothing to compare on: {found.photos} {photos} a ground truth that both versions know, without having learnt "
            f"from it; {LEAST} are needed.{left_out}"
        )
    return found.comparison


def _works(load: Load, name: str, version: int) -> bool:
    try:
        load(name, version)
    except ModelError:
        return False
    return True


def _rows(
    registry: Registry, cards: tuple[ModelCard, ModelCard]
) -> tuple[list[tuple[Photo, str | None, str | None]], int, tuple[int, ...]]:
    """The photos that these versions can be compared on, with what each said; how many were left out; whose list is missing."""
    right = right_answers(cards[0]), right_answers(cards[1])
    rows = storage.first_labels(
        cards[0].name, (cards[0].version, cards[1].version), set(right[0]) & set(right[1]), MOST
    )
    found = [
        (photo, _in_words(photo, one, right[0]), _in_words(photo, other, right[1]))
        for photo, one, other in rows
    ]
    splits = {
        one.version: read_split(registry.version_folder(one.name, one.version), one)
        for one in cards
    }
    known = [split for split in splits.values() if split is not None]
    fresh = [
        row
        for row in found
        if all(split.get(row[0].sha256, HELD_OUT) == HELD_OUT for split in known)
    ]
    return (
        fresh,
        len(found) - len(fresh),
        tuple(version for version, split in splits.items() if split is None),
    )


def _in_words(photo: Photo, said: str | None, right: Mapping[str, str]) -> str | None:
    return None if said is None else in_terms_of(str(photo.ground_truth), said, right)
