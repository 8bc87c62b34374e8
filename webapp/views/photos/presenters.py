"""What a page shows of an answer: the sentence, the ranked bars, the chip under a tile."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from webapp.domain import (
    NO_CAR,
    PARENT,
    UNCLASSIFIED,
    Answer,
    ClassifiedCar,
    Parent,
    RankedLabel,
    level_of,
)
from webapp.extensions import get_card, get_registry
from webapp.inference.models.card import ModelCard
from webapp.inference.models.label_set import as_current, parts_by_label
from webapp.services.photos.gallery import (
    Car,
    Photo,
    Prediction,
    card_of,
    full_ranking,
    parent_of,
    stored_ranking,
)
from webapp.services.photos.wording import (
    Sentence,
    describe_answer,
    display,
    percent,
    short_answer,
)

FIRST = 5  # bars that are shown at once, with a key each; the rest is folded
_THINNEST = 0.6  # percent of the track that the shortest bar takes, so that it can be seen


@dataclass(frozen=True)
class _RankedBar:
    """One ranked line."""

    label: str
    display: str
    color: str  # "" for a bar that the answer does not name
    width: float  # 0 to 100
    percent: str
    key: str  # presses it
    offered: bool  # to be pressed: a retired label is only shown
    parts: tuple[tuple[str, str], ...]  # the labels it was split into, as (label, display)


@dataclass(frozen=True)
class PresentedAnswer:
    """An answer as a page shows it."""

    sentence: Sentence
    title: str  # for the browser's tab
    chip: str  # for a tile, as color and percent are
    color: str
    percent: str
    bars: list[_RankedBar]
    rest: str  # the percentage of the folded bars


def present_answers(car: ClassifiedCar) -> list[tuple[Answer, PresentedAnswer]]:
    """What models said about a car that was not stored, the answer that is shown first."""
    pairs: list[tuple[Answer, PresentedAnswer]] = []
    for answer in sorted(car.answers, key=lambda answer: answer is not car.answer):
        card, familiarity = get_card(answer.model), answer.output.familiarity
        shown = _present(answer.decision, answer.ranked, card, familiarity, answer.parent)
        if pairs and pairs[0][0].decision != UNCLASSIFIED:
            shown = _without_record(shown)
        pairs.append((answer, shown))
    return pairs


def present_prediction(
    prediction: Prediction, others: Sequence[Prediction] = ()
) -> PresentedAnswer:
    """A stored prediction with all its labels, in the words of the version that made it.

    How often such answers were right is left out where one of the `others` about this car is shown
    and names it: that model knows this kind of car better.
    """
    shown = _present_stored(prediction, full_ranking(prediction, get_registry()))
    for other in others:
        if other.shown and other is not prediction and other.decision != UNCLASSIFIED:
            return _without_record(shown)
    return shown


def present_photo(photo: Photo | Car) -> PresentedAnswer | None:
    """The shown prediction of a photo or car from its stored top five, None without one, and where
    a job has just put another one in its place."""
    prediction = photo.prediction
    ranked = stored_ranking(prediction) if prediction else ()
    return _present_stored(prediction, ranked) if prediction and ranked else None


def card_for(prediction: Prediction) -> ModelCard | None:
    """The card of the version that made a prediction, else of its live version, else None."""
    return card_of(prediction, get_registry()) or get_card(prediction.model)


def _without_record(shown: PresentedAnswer) -> PresentedAnswer:
    return replace(shown, sentence=replace(shown.sentence, reason_strong=""))


def _present_stored(prediction: Prediction, ranked: Sequence[RankedLabel]) -> PresentedAnswer:
    card, parent = card_for(prediction), None
    if level_of(prediction.decision, ranked[0].label) == PARENT:
        parent = parent_of(prediction, get_registry())
    return _present(prediction.decision, ranked, card, prediction.familiarity, parent)


def _present(
    decision: str,
    ranked: Sequence[RankedLabel],
    card: ModelCard | None,
    familiarity: float | None,
    parent: Parent | None,
) -> PresentedAnswer:
    sentence = describe_answer(decision, ranked, card, familiarity, parent)
    rest = sum(line.probability for line in ranked[FIRST:])
    leading: RankedLabel | Parent | None = ranked[0] if sentence.kind != "parent" else parent
    if sentence.kind in ("none", NO_CAR):
        leading = None
    return PresentedAnswer(
        sentence=sentence,
        title=sentence.text.rstrip("."),
        chip=short_answer(sentence),
        color=_color(ranked[0].label, card) if sentence.named else "",
        percent=percent(leading.probability) if leading else "",
        bars=[_bar(line, card, named=line.label in sentence.named) for line in ranked],
        rest=f"under {percent(0.01)}" if rest < 0.01 else percent(rest),
    )


def _bar(line: RankedLabel, card: ModelCard | None, *, named: bool) -> _RankedBar:
    label = card.label(line.label) if card else None
    parts = parts_by_label(card).get(line.label, ()) if card else ()
    return _RankedBar(
        label=line.label,
        display=display(card, line.label),
        color=(_color(line.label, card) or "currentColor") if named else "",
        width=round(max(_THINNEST, line.probability * 100), 1),
        percent=percent(line.probability),
        key=str(line.rank) if line.rank <= FIRST else "",
        offered=label is None or not as_current(label).retired,
        parts=tuple((part.name, part.display) for part in parts),
    )


def _color(name: str, card: ModelCard | None) -> str:
    label = card.label(name) if card else None
    return label.color if label else ""
