"""The answer in words. Only what the numbers show: confidence, margin, and how often such answers were right on held-out photos."""

from collections.abc import Sequence
from dataclasses import dataclass

from webapp.domain import NONE_OF_THESE, UNCLASSIFIED, UNUSABLE, RankedLabel
from webapp.inference.classifier import is_familiar
from webapp.inference.models.card import ModelCard

NARROW = "\u202f"
CLOSE_TOGETHER = 0.75
"""Two labels that share at least this much of the probability are "one of the two"."""
ENOUGH = 20
"""So many held-out answers a reliability bin needs before we quote it."""
NUMBERS = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
)


@dataclass(frozen=True)
class Sentence:
    """The answer as it is set: `strong` in bold, `light` before or after it; `reason` under it, its point in `reason_strong`.

    `kind` is "sure", "close" or "none"; `named` the labels that the sentence names, which are the ones drawn in colour.
    """

    kind: str
    before: str
    strong: str
    after: str
    reason: str
    reason_strong: str
    named: tuple[str, ...]

    @property
    def text(self) -> str:
        """The sentence as plain text."""
        return " ".join(
            part
            for part in (
                self.before,
                self.strong + ("," if self.kind == "sure" else ""),
                self.after,
            )
            if part
        )


def percent(probability: float) -> str:
    """A probability for people: whole percent, "< 1 %" and "> 99 %" at the ends (never 0 or 100), with a narrow no-break space."""
    if probability < 0.005:
        return f"<{NARROW}1{NARROW}%"
    if probability > 0.99:
        return f">{NARROW}99{NARROW}%"
    return f"{max(1, round(probability * 100))}{NARROW}%"


def count_word(number: int) -> str:
    """ "ten" for 10, "196" for 196."""
    return NUMBERS[number] if number < len(NUMBERS) else f"{number:,}"


def display(card: ModelCard | None, label: str) -> str:
    """How people read a label or verdict; the label itself when the card does not know it."""
    verdicts = {NONE_OF_THESE: "None of these", UNUSABLE: "Unusable", UNCLASSIFIED: "Not sure"}
    found = card.label(label) if card else None
    return found.display if found else verdicts.get(label, label)


def describe_answer(
    decision: str,
    ranking: Sequence[RankedLabel],
    card: ModelCard | None,
    familiarity: float | None = None,
) -> Sentence:
    """The decision in words for a ranking of at least two labels.

    A decided label is named. Else it is "none of these, most likely" when the photo looks unlike those that the version learned from, a
    close call when two labels share most of the probability, and "not sure" otherwise.
    """
    first, second = ranking[0], ranking[1]
    one, two = display(card, first.label), display(card, second.label)
    noun = card.noun if card else "label"
    if decision != UNCLASSIFIED:
        lead = "Far ahead of" if first.probability - second.probability >= 0.5 else "Ahead of"
        reason = (
            f"{lead} the next {noun}."
            if first.probability - second.probability >= 0.2
            else f"Only just ahead of {two}."
        )
        return Sentence(
            "sure",
            "",
            one,
            f"{percent(first.probability)}.",
            reason,
            _track_record(first.probability, card),
            (first.label,),
        )
    guess = f"If it had to guess: {one}, with {percent(first.probability)}."
    if card is not None and not is_familiar(familiarity, card):
        known = f"None of the {count_word(len(card.labels))} {card.noun_plural},"
        return Sentence(
            "none", "", known, "most likely.", f"Unlike the photos it learned from. {guess}", "", ()
        )
    if first.probability + second.probability >= CLOSE_TOGETHER:
        reason = f"{_share(first.probability)} against {_share(second.probability)} in 100. Too near to name one of them."
        return Sentence(
            "close", "Close call:", f"{one} or {two}.", "", reason, "", (first.label, second.label)
        )
    return Sentence("none", "", "Not sure.", "", f"No {noun} stands out. {guess}", "", ())


def short_answer(
    decision: str,
    ranking: Sequence[RankedLabel],
    card: ModelCard | None,
    familiarity: float | None = None,
) -> str:
    """The decision for a chip or a log line: "McLaren", "Close call" or "Not sure"."""
    sentence = describe_answer(decision, ranking, card, familiarity)
    return {"sure": sentence.strong, "close": "Close call"}.get(sentence.kind, "Not sure")


def _share(probability: float) -> str:
    return str(round(probability * 100))


def _track_record(confidence: float, card: ModelCard | None) -> str:
    """What held-out photos say about answers of about this confidence, "" when too few were measured."""
    measured = (card.metrics.get("test") or {}).get("reliability") or [] if card else []
    for one in measured:
        if one["from"] <= confidence <= one["to"] and one["n"] >= ENOUGH:
            right = round(one["accuracy"] * one["n"])
            share = f"all {right} times" if right == one["n"] else f"{right} times in {one['n']}"
            return f"When it was this sure about a new photo, it was right {share}."
    return ""
