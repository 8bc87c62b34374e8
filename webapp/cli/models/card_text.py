"""A model card as lines for the terminal."""

from typing import Any

from webapp.domain import count
from webapp.inference.models.card import ModelCard, VersionCard
from webapp.inference.models.detector_card import DetectorCard
from webapp.inference.models.detector_gate import DetectorComparison
from webapp.services.models.cards import measured_on
from webapp.services.models.detector_cards import detector_figures


def describe(card: ModelCard) -> list[str]:
    """A card in words, line by line."""
    test = card.metrics.get("test", {})
    unfamiliar = ", and when a photo looks unfamiliar" if card.familiarity else ""
    labels = ", ".join(label.display for label in card.labels)
    parents = ""
    if card.parent_threshold is not None:
        parents = f" Names the parent of its labels then, from {card.parent_threshold:.0%} on."
    lines = [
        f"{card.title} ({card.name} {card.version})",
        card.summary,
        "",
        f"{len(card.labels)} {card.noun_plural}: {labels}",
        f"Sees photos at {card.input.width} x {card.input.height} pixels.",
        f"Answers “unclassified” under {card.threshold:.0%}{unfamiliar}.{parents}",
        "",
        _accuracy("On held-out photos", test),
    ]
    for source, figures in sorted(test.get("sources", {}).items()):
        lines.append(_accuracy(f"  {source}", figures))
    if test.get("n") and (sentence := measured_on(card)):
        lines.append(sentence)
    if test.get("n"):
        before = f"{test['ece_before']:.1%} before temperature {card.temperature:.2f}"
        lines.append(f"Its confidence is off by {test['ece_after']:.1%} on average ({before}).")
    if unknown := card.metrics.get("unknown"):
        share = f"{unknown['unclassified']:.0%}"
        lines.append(f"Of {unknown['n']} photos of other things it leaves {share} unclassified.")
    if figures := test.get("per_label"):
        columns = f"{'photos':>7}{'recall':>8}{'prec.':>8}{'F1':>8}"
        lines += ["", f"{card.noun:<22}{columns}"]
        lines += [_label_line(label.display, figures.get(label.name, {})) for label in card.labels]
    return lines + _about(card)


def describe_detector(card: DetectorCard) -> list[str]:
    """A detector's card in words, line by line."""
    test = card.metrics.get("test", {})
    lines = [
        f"{card.title} ({card.name} {card.version})",
        card.summary,
        "",
        f"Sees photos at {card.input.width} x {card.input.height} pixels.",
        f"A box counts from a score of {card.threshold:.0%} on.",
        "",
        *_boxes("On held-out photos", test),
    ]
    for source, figures in sorted(test.get("sources", {}).items()):
        lines += _boxes(f"  {source}", figures)
    if unknown := card.metrics.get("unknown"):
        alarms = count(unknown["false_alarms"], "false alarm")
        lines.append(f"In {unknown['n']} photos of other things: {alarms}.")
    return lines + _about(card)


def comparison_table(comparison: DetectorComparison) -> list[str]:
    """The figures of two versions of a detector side by side, shares with their 95 % interval."""
    versions = (f"version {number}" for number in (comparison.champion, comparison.challenger))
    rows = [
        {
            name: f"{value} ({interval})" if interval else value
            for name, (value, interval) in detector_figures(figures).items()
        }
        for figures in comparison.figures
    ]
    lines = ["".join(f"{text:>26}" for text in ("", *versions))]
    lines += [f"{name:<26}{rows[0][name]:>26}{rows[1][name]:>26}" for name in rows[0]]
    return lines


def _boxes(name: str, figures: dict[str, Any]) -> list[str]:
    if not figures.get("boxes"):
        return [f"{name}: {count(figures.get('photos', 0), 'photo')} without a car"]
    at, main = figures["recall_at_precision"], figures["main_car"]
    return [
        f"{name}: {count(figures['boxes'], 'car')} in {count(figures['photos'], 'photo')}, "
        f"average precision {figures['ap50']:.1%}; {at['recall']:.1%} found where "
        f"{at['precision']:.0%} of the boxes are cars; the largest car found in "
        f"{main['iou50']['share']:.1%}, closely in {main['iou80']['share']:.1%}"
    ]


def _about(card: VersionCard) -> list[str]:
    """What it cannot do, what it was trained on, and the split."""
    lines: list[str] = []
    if card.limits:
        lines += ["", "What it cannot do:", *(f"  - {limit}" for limit in card.limits)]
    if card.data:
        lines += ["", "Trained on:"]
        lines += [
            f"  - {data['photos']} {data['source']}; licence: {data['licence']}"
            for data in card.data
        ]
    if card.split.get("fingerprint"):
        lines += ["", f"Split {card.split['fingerprint'][:16]}, made {card.created_at}"]
    return lines


def _accuracy(name: str, figures: dict[str, Any]) -> str:
    if not figures.get("n"):
        return f"{name}: not measured"
    low, high = figures["top1_interval"]
    return (
        f"{name}: {figures['top1']:.1%} of {figures['n']} right "
        f"(95 % interval {low:.1%} to {high:.1%}), top five {figures['top5']:.1%}"
    )


def _label_line(display: str, figures: dict[str, Any]) -> str:
    shares = (figures.get(key) for key in ("recall", "precision", "f1"))
    columns = "".join(f"{'-' if share is None else format(share, '.0%'):>8}" for share in shares)
    return f"{display:<22}{figures.get('n', 0):>7}{columns}"
