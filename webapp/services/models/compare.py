"""Two versions compared: on the labelled photos of this history, or on photos in folders.

Only photos that neither version was trained on count; what is left out is said.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from webapp.errors import ModelError, ModelRefusedError, PhotoNotFoundError, PhotoRefusedError
from webapp.inference.classifier import Classifier
from webapp.inference.models.card import ModelCard
from webapp.inference.models.gate import ComparedPhoto, Comparison, classify_with_both, compare
from webapp.inference.models.held_out import LabelledPhoto, Split, is_unseen, read_split
from webapp.inference.models.label_set import in_terms_of, right_answers
from webapp.inference.models.registry import Registry
from webapp.services.models.promotion import Decision, Load, promote
from webapp.services.photos.classify import Pipeline, ask_models
from webapp.storage import models as storage
from webapp.storage.tables import Photo, Promotion

_MOST = 2000  # photos that are compared on: the newest ones; they take a minute or two
LEAST = 30  # photos that a comparison needs
_COVERED = 0.9  # share that both must have answered: labels may come in meanwhile
FEW, WAITING, UNKNOWN, READY = "few", "waiting", "unknown", "ready"
_Answers = tuple[Photo, str | None, str | None]  # the first label of each version; None: no answer


# ---- on photos in folders ----


@dataclass(frozen=True)
class FolderComparison:
    """A comparison and what was left out of it.

    Photos that a version was trained on, photos whose label not both know, and sentences about
    files that are no photos.
    """

    comparison: Comparison
    trained_on: int
    other_labels: int
    left_out: tuple[str, ...]


def compare_on_photos(
    versions: tuple[Classifier, Classifier],
    photos: tuple[list[LabelledPhoto], list[str]],
    splits: Sequence[Split | None],
    cards: tuple[ModelCard, ModelCard],
    *,
    any_photo: bool = False,
    watch: Callable[[Sequence[LabelledPhoto]], Iterable[LabelledPhoto]] = iter,
) -> FolderComparison:
    """Compare champion and challenger on photos that neither was trained on.

    With `photos` come sentences about what was left out while they were listed; `splits` are what
    the versions were trained on, None when unknown; `cards` how labels are seen now; `any_photo`
    takes all photos, trained on or not; `watch` gets the photos and gives them back one by one.

    Raises `ModelRefusedError` when it is unknown what a version was trained on, or no photo is
    left.
    """
    numbers = (versions[0].card.version, versions[1].card.version)
    known = [split for split in splits if split is not None]
    unknown = [number for number, split in zip(numbers, splits, strict=True) if split is None]
    if unknown and not any_photo:
        raise ModelRefusedError(unknown_training(unknown))
    listed, left_out = photos
    labels = right_answers(cards[0]).keys() & right_answers(cards[1]).keys()
    labelled = [photo for photo in listed if photo.label in labels]
    kept = [photo for photo in labelled if any_photo or is_unseen(photo.sha256, known)]
    if not kept:
        raise ModelRefusedError(_nothing_left(len(listed), len(labelled)))
    compared, refused = classify_with_both(versions, watch(kept), cards)
    return FolderComparison(
        compare(numbers[0], numbers[1], compared),
        len(labelled) - len(kept),
        len(listed) - len(labelled),
        (*left_out, *refused),
    )


def unknown_training(versions: Sequence[int]) -> str:
    """Why versions without a list of what they were trained on are not compared."""
    return (
        f"It is not known which photos version {' and '.join(map(str, versions))} was trained on, "
        "so a comparison may flatter it. "
        "Name photos that are surely new and say so with --any-photo."
    )


def _nothing_left(photos: int, labelled: int) -> str:
    if not photos:
        return "There is no photo to compare on. A data folder has one folder of photos per label."
    if not labelled:
        return (
            "None of the photos has a label that both versions know. "
            "The names of the folders must be labels."
        )
    return (
        f"One of the versions was trained on each of the {labelled} photos. "
        "Name new ones, or say --any-photo and mistrust the result."
    )


# ---- on the history ----


@dataclass(frozen=True)
class HistoryComparison:
    """Two versions on the labelled photos of the history.

    `photos` could be compared on; `waiting` of them were not answered by both. `trained_on` were
    left out because a version was trained on them; of the versions `unknown` nobody knows.
    `comparison` is on the photos that both have answered, None when there are too few; `pictures`
    are those that they answer differently, by SHA-256.
    """

    champion: ModelCard
    challenger: ModelCard
    photos: int
    waiting: int
    trained_on: int
    unknown: tuple[int, ...]
    comparison: Comparison | None
    pictures: Mapping[str, Photo] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """FEW photos, WAITING for answers, UNKNOWN training (may flatter), or READY: it counts."""
        if self.photos < LEAST:
            return FEW
        if self.comparison is None or self.waiting > (1 - _COVERED) * self.photos:
            return WAITING
        return UNKNOWN if self.unknown else READY

    def require_comparison(self) -> Comparison:
        """The comparison. Raises `ModelRefusedError` when there are too few photos."""
        if self.comparison is not None:
            return self.comparison
        photos = "photo of the history has" if self.photos == 1 else "photos of the history have"
        more = ""
        if self.trained_on:
            more = f" {self.trained_on} more are left out: a version was trained on them."
        raise ModelRefusedError(
            f"There is nothing to compare on: {self.photos} {photos} a ground truth that both "
            f"versions know, without having been trained on it; {LEAST} are needed.{more}"
        )


def compare_on_history(
    registry: Registry, name: str, champion: int, challenger: int
) -> HistoryComparison:
    """Compare two versions by their answers so far; neither is asked.

    Raises `ModelNotFoundError` or `BadCardError`.
    """
    cards = registry.card(name, champion), registry.card(name, challenger)
    photos, trained_on, unknown = _comparable(registry, cards)
    compared = [
        ComparedPhoto(photo.filename, photo.sha256, str(photo.ground_truth), old, new)
        for photo, old, new in photos
        if old and new
    ]
    result = compare(champion, challenger, compared) if len(compared) >= LEAST else None
    differing = {photo.sha256 for photo in (*result.fixed, *result.broken)} if result else set()
    pictures = {photo.sha256: photo for photo, *_ in photos if photo.sha256 in differing}
    waiting = len(photos) - len(compared)
    return HistoryComparison(*cards, len(photos), waiting, trained_on, unknown, result, pictures)


def answer_history(
    registry: Registry,
    pipeline: Pipeline,
    watch: Callable[[Sequence[Photo]], Iterable[Photo]] = iter,
) -> None:
    """Let the two versions of `pipeline` answer the photos that they could be compared on.

    Their answers are stored photo by photo and become neither model's answer: galleries and pages
    go on showing what they showed. Stopped half-way it goes on where it was.
    """
    champion, challenger = pipeline.classifiers
    comparable = _comparable(registry, (champion.card, challenger.card))[0]
    for photo in watch([photo for photo, *labels in comparable if None in labels]):
        try:
            ask_models(photo, pipeline, standing=False)
        except (PhotoRefusedError, PhotoNotFoundError):  # deleted meanwhile, or damaged bytes
            continue


def photos_to_compare(registry: Registry, cards: tuple[ModelCard, ModelCard]) -> set[int]:
    """The numbers of the photos that a comparison of these versions goes by, answered or not."""
    return {photo.id for photo, *_ in _comparable(registry, cards)[0]}


def promote_on_history(
    registry: Registry, name: str, version: int, load: Load, decision: Decision
) -> Promotion:
    """Let a version serve, judged on the photos of this history.

    With nothing to judge by, a reason is enough. Raises `PromotionRefusedError` and what `load`
    raises for the version itself.
    """
    challenger = load(name, version)
    live = registry.live_version(name)
    result = None
    if live is not None and live != version:
        try:
            load(name, live)
        except ModelError:
            result = None  # a champion that cannot answer needs no comparison
        else:
            result = compare_on_history(registry, name, live, version)
    if result is not None and result.state in (FEW, UNKNOWN):
        decision = replace(decision, force=True)
    return promote(
        registry,
        challenger,
        decision,
        comparison=result.comparison if result and result.state == READY else None,
        champion_works=result is not None,
    )


def _comparable(
    registry: Registry, cards: tuple[ModelCard, ModelCard]
) -> tuple[list[_Answers], int, tuple[int, ...]]:
    """Photos with their answers, and `trained_on` and `unknown` of `HistoryComparison`."""
    answers = right_answers(cards[0]), right_answers(cards[1])
    versions = (cards[0].version, cards[1].version)
    labels = set(answers[0]) & set(answers[1])
    rows = storage.first_labels(cards[0].name, versions, labels, _MOST)
    splits = {
        card.version: read_split(registry.version_folder(card.name, card.version), card)
        for card in cards
    }
    known = [split for split in splits.values() if split is not None]
    photos = [
        (photo, _in_terms_of(photo, old, answers[0]), _in_terms_of(photo, new, answers[1]))
        for photo, old, new in rows
        if is_unseen(photo.sha256, known)
    ]
    unknown = tuple(version for version, split in splits.items() if split is None)
    return photos, len(rows) - len(photos), unknown


def _in_terms_of(photo: Photo, label: str | None, answers: Mapping[str, str]) -> str | None:
    return None if label is None else in_terms_of(str(photo.ground_truth), label, answers)
