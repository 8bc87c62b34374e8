"""What a page draws of an answer: the sentence, the ranked bars, the chip under a tile."""

from collections.abc import Sequence
from dataclasses import dataclass

from webapp.domain import Answer, RankedLabel
from webapp.extensions import get_card, get_registry
from webapp.inference.models.card import ModelCard
from webapp.inference.models.label_set import as_current, parts_by_label
from webapp.services.photos.gallery import Item, Prediction, card_of, full_ranking
from webapp.services.photos.wording import Sentence, describe_answer, display, percent, short_answer

FIRST = 5
"""Bars that are drawn at once, and have a key each; the rest is folded."""
THINNEST = 0.6
"""Percent of the track that the shortest bar takes, so that it can be seen."""


@dataclass(frozen=True)
class Bar:
    """One ranked line. `color` is "" for a bar that the answer does not name; `width` is 0 to 100; `key` the key that presses it.

    A retired label is shown, but not `offered` to be pressed. `parts` are the labels it was split into, as (label, display).
    """

    label: str
    display: str
    color: str
    width: float
    percent: str
    key: str
    offered: bool
    parts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class PresentedAnswer:
    """An answer as it is drawn. `title` is for the browser's tab, `chip` and `color` for a tile, `rest` the folded bars' percentage."""

    sentence: Sentence
    title: str
    chip: str
    color: str
    percent: str
    bars: list[Bar]
    rest: str


def show(
    decision: str, ranking: Sequence[RankedLabel], card: ModelCard | None, familiarity: float | None
) -> PresentedAnswer:
    """Everything a page needs of a decision and a ranking of at least two labels."""
    sentence = describe_answer(decision, ranking, card, familiarity)
    bars = [_bar(line, card, named=line.label in sentence.named) for line in ranking]
    return PresentedAnswer(
        sentence=sentence,
        title=sentence.text.rstrip("."),
        chip=short_answer(decision, ranking, card, familiarity),
        color=_color(ranking[0].label, card) if sentence.named else "",
        percent=percent(ranking[0].probability) if sentence.named else "",
        bars=bars,
        rest=_together(ranking[FIRST:]),
    )


def present_answer(answer: Answer) -> PresentedAnswer:
    """An answer that was not stored."""
    return show(answer.decision, answer.ranked, get_card(answer.model), answer.output.familiarity)


def present_prediction(prediction: Prediction) -> PresentedAnswer:
    """A stored prediction with all its labels, in the words of the version that made it."""
    return show(
        prediction.decision,
        full_ranking(prediction, get_registry()),
        card_for(prediction),
        prediction.familiarity,
    )


def present_item(item: Item) -> PresentedAnswer | None:
    """The shown prediction of a tile from its stored top five, None for a photo without one."""
    prediction = item.photo.prediction
    if prediction is None:
        return None
    ranking = [RankedLabel(line.rank, line.label, -1, line.probability) for line in prediction.top]
    return show(prediction.decision, ranking, card_for(prediction), prediction.familiarity)


def card_for(prediction: Prediction) -> ModelCard | None:
    """The card of the version that made a prediction, else of its model's live version, else None."""
    return card_of(prediction, get_registry()) or get_card(prediction.model)


def _bar(line: RankedLabel, card: ModelCard | None, *, named: bool) -> Bar:
    found = card.label(line.label) if card else None
    return Bar(
        label=line.label,
        display=display(card, line.label),
        color=(_color(line.label, card) or "currentColor") if named else "",
        width=round(max(THINNEST, line.probability * 100), 1),
        percent=percent(line.probability),
        key=str(line.rank) if line.rank <= FIRST else "",
        offered=found is None or not as_current(found).retired,
        parts=tuple((one.name, one.display) for one in parts_by_label(card).get(line.label, ()))
        if card
        else (),
    )


def _color(label: str, card: ModelCard | None) -> str:
    found = card.label(label) if card else None
    return found.color if found else ""


def _together(rest: Sequence[RankedLabel]) -> str:
    share = sum(line.probability for line in rest)
    return "under " + percent(0.01) if share < 0.01 else percent(share)
