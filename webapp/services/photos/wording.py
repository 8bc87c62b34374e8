"""The answer in words: only what confidence, margin and held-out photos show."""

from collections.abc import Sequence
from dataclasses import dataclass

from webapp.domain import (
    NO_CAR,
    NONE_OF_THESE,
    NOTHING_FOUND,
    PARENT,
    UNCLASSIFIED,
    UNUSABLE,
    Parent,
    RankedLabel,
    level_of,
)
from webapp.inference.classifier import is_familiar
from webapp.inference.models.card import ModelCard

NARROW = "\u202f"
_TOGETHER = 0.75  # of the probability: two labels that share this much are "one of the two"
_ENOUGH = 20  # held-out answers that a reliability bin needs before it is quoted
_VERDICTS = {
    NONE_OF_THESE: "None of these",
    UNUSABLE: "Unusable",
    NO_CAR: "No car",
    UNCLASSIFIED: "Not sure",
}
_NUMBERS = "zero one two three four five six seven eight nine ten eleven twelve"


@dataclass(frozen=True)
class Sentence:
    """The answer as it is set."""

    kind: str  # "sure", "parent", "close", "none" or "no-car"
    before: str
    strong: str  # in bold, between the other two
    after: str
    reason: str  # under it
    reason_strong: str  # the point of the reason
    named: tuple[str, ...]  # the labels that it names: the ones in colour

    @property
    def text(self) -> str:
        """The sentence as plain text."""
        strong = f"{self.strong}," if self.kind in ("sure", "parent") else self.strong
        return " ".join(filter(None, (self.before, strong, self.after)))


def percent(probability: float) -> str:
    """Whole percent with a narrow no-break space, "< 1 %" and "> 99 %" at the ends."""
    if probability < 0.005:
        return f"<{NARROW}1{NARROW}%"
    if probability > 0.99:
        return f">{NARROW}99{NARROW}%"
    return f"{max(1, round(probability * 100))}{NARROW}%"


def count_word(number: int) -> str:
    """ "ten" for 10, "196" for 196."""
    return _NUMBERS.split()[number] if number <= 12 else f"{number:,}"


def display(card: ModelCard | None, label: str) -> str:
    """How people read a label or verdict; the label itself when the card does not know it."""
    known = card.label(label) if card else None
    return known.display if known else _VERDICTS.get(label, label)


def describe_answer(
    decision: str,
    ranked: Sequence[RankedLabel],
    card: ModelCard | None,
    familiarity: float | None = None,
    parent: Parent | None = None,
) -> Sentence:
    """The decision in words, for at least two ranked labels; `parent` is the most probable one.
    A familiarity of `NOTHING_FOUND` means what it says."""
    if familiarity == NOTHING_FOUND:
        reason = "The detector found none in this photo, so it is unclassified."
        return Sentence(NO_CAR, "", "No car", "found.", reason, "", ())
    if level_of(decision, ranked[0].label) == PARENT:
        return _describe_parent(decision, parent, ranked, card)
    first, second = ranked[0], ranked[1]
    name, next_name = display(card, first.label), display(card, second.label)
    noun = card.noun if card else "label"
    if decision != UNCLASSIFIED:
        margin = first.probability - second.probability
        lead = f"{'Far ahead' if margin >= 0.5 else 'Ahead'} of the next {noun}."
        reason = lead if margin >= 0.2 else f"Only just ahead of {next_name}."
        familiar = card is not None and is_familiar(familiarity, card)
        record = _track_record(first.probability, card) if familiar else ""
        after = f"{percent(first.probability)}."
        return Sentence("sure", "", name, after, reason, record, (first.label,))
    guess = f"If it had to guess: {name}, with {percent(first.probability)}."
    if card is not None and not is_familiar(familiarity, card):
        known = f"None of the {count_word(len(card.labels))} {card.noun_plural},"
        reason = f"Unlike the photos it learned from. {guess}"
        return Sentence("none", "", known, "most likely.", reason, "", ())
    if first.probability + second.probability >= _TOGETHER:
        shares = f"{round(first.probability * 100)} against {round(second.probability * 100)}"
        reason = f"{shares} in 100. Too near to name one of them."
        named = (first.label, second.label)
        return Sentence("close", "Close call:", f"{name} or {next_name}.", "", reason, "", named)
    return Sentence("none", "", "Not sure.", "", f"No {noun} stands out. {guess}", "", ())


def _describe_parent(
    decision: str, parent: Parent | None, ranked: Sequence[RankedLabel], card: ModelCard | None
) -> Sentence:
    """ "An Audi, 94 %." with the labels that it may be."""
    parents = card.parent_of if card else {}
    labels = tuple(line.label for line in ranked if parents.get(line.label) == decision)[:2]
    names = [display(card, label).removeprefix(f"{decision} ") for label in labels]
    name = f"{'an' if decision[0].lower() in 'aeio' else 'a'} {decision}"
    reason = f"{' or '.join(names)}, {name} either way." if names else ""
    known = parent is not None and parent.label == decision
    after = f"{percent(parent.probability)}." if parent and known else "most likely."
    return Sentence("parent", "", f"{name[0].upper()}{name[1:]}", after, reason, "", labels)


def short_answer(sentence: Sentence) -> str:
    """The sentence for a chip or a log line: "McLaren", "An Audi", "Close call", "Not sure" or "No
    car found"."""
    if sentence.kind in ("sure", "parent"):
        return sentence.strong
    if sentence.kind == NO_CAR:
        return sentence.text.rstrip(".")
    return "Close call" if sentence.kind == "close" else "Not sure"


def _track_record(confidence: float, card: ModelCard | None) -> str:
    """How often answers of about this confidence were right on held-out photos, if known."""
    bins = (card.metrics.get("test") or {}).get("reliability") or [] if card else []
    for measured in bins:
        n = measured["n"]
        if measured["from"] <= confidence <= measured["to"] and n >= _ENOUGH:
            right = round(measured["accuracy"] * n)
            share = f"all {right} times" if right == n else f"{right} times in {n}"
            return f"When it was this sure about a new photo, it was right {share}."
    return ""
