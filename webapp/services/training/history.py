"""What the history holds to learn from, and the version that a training starts from."""

from dataclasses import dataclass

from webapp.domain import count
from webapp.errors import TrainingError
from webapp.inference.models.card import Label, ModelCard
from webapp.inference.models.label_set import CurrentCard
from webapp.inference.models.registry import Registry
from webapp.services.stats.training_membership import knows_training_photos
from webapp.storage import training as storage

LEAST = 5  # labelled cars that a training needs
_SECONDS_PER_ANSWER = 0.1  # for a photo whose embedding is not known
# of a quick training on one core: loading, six fits, and publishing
_SECONDS, _SECONDS_PER_CAR = 45, 0.02


@dataclass(frozen=True)
class TrainingPhotos:
    """What a training would learn from.

    Attributes:
        card: The live version, which it starts from, with its labels as people see them.
        counts: Labelled cars by label; the most first.
        new: How many were labelled since the version was trained, in photos that it does not know.
        disputed: Cars about whose label people disagree, which are left out.
        unlearned: Labels that the version does not know, of which there are cars.
        unanswered: Photos that the version has not looked at yet.
    """

    card: ModelCard
    counts: dict[str, int]
    new: int
    disputed: int
    unlearned: tuple[Label, ...]
    unanswered: int

    @property
    def cars(self) -> int:
        """How many labelled cars there are."""
        return sum(self.counts.values())

    @property
    def imbalance(self) -> float:
        """How many times as many cars the largest label has as the smallest; 0 without any."""
        return max(self.counts.values()) / min(self.counts.values()) if self.counts else 0.0

    @property
    def seconds(self) -> float:
        """About how long a quick training takes."""
        return _SECONDS + self.cars * _SECONDS_PER_CAR + self.unanswered * _SECONDS_PER_ANSWER

    @property
    def trouble(self) -> str:
        """Why a training cannot start, "" when it can."""
        if self.cars < LEAST:
            return (
                f"{count(self.cars, 'car')} with a label of {self.card.name} can be learned from, "
                f"and {LEAST} are needed. Twenty of a new label make a first version."
            )
        return ""


def photos_to_learn(registry: Registry, name: str) -> TrainingPhotos:
    """What a training of a model would learn from, and start from.

    Raises `ModelNotFoundError`, also when no version is live, or `BadCardError`.
    """
    card = registry.card(name)
    knows_training_photos(registry, card)
    counts = {
        label: number
        for label, number in storage.count_labelled(name).items()
        if card.label(label) is not None  # not those that only earlier versions know
    }
    added = card.added if isinstance(card, CurrentCard) else ()
    unlearned = [label for label in added if label.name in counts]
    return TrainingPhotos(
        card,
        dict(sorted(counts.items(), key=lambda pair: -pair[1])),
        storage.count_new(name, card.version, card.label_event or 0),
        sum(storage.count_labelled(name, disputed=True).values()),
        tuple(
            Label(label.name, label.display, label.color, label.parent, label.aliases)
            for label in unlearned
        ),
        len(storage.photos_without_answer(name, card.version)),
    )


def require_photos(registry: Registry, name: str) -> TrainingPhotos:
    """The same. Raises `TrainingError` when a training cannot start."""
    photos = photos_to_learn(registry, name)
    if photos.trouble:
        raise TrainingError(photos.trouble)
    return photos
