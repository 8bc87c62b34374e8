"""The report of an evaluation: every figure as plain JSON; docs/models.md explains them."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from webapp.domain import UNCLASSIFIED, Answer
from webapp.inference.classifier import is_familiar, scale
from webapp.inference.metrics.intervals import wilson
from webapp.inference.models.card import ModelCard, group_by_parent
from webapp.inference.models.gate import mcnemar
from webapp.inference.models.held_out import CALIBRATED_ON_IT, HELD_OUT
from webapp.training.evaluation.evaluation import (
    Evaluation,
    PredictedPhoto,
    PredictedSelection,
)
from webapp.training.evaluation.metrics import JudgedPhotos, area_under_curve, mix_ups, summary
from webapp.training.evaluation.photos import describe_seen, fingerprint

_NAMED_MOST = 10  # labels that are listed as given to photos of other things


def make_report(evaluation: Evaluation) -> dict[str, Any]:
    """Every figure as plain JSON."""
    card, photos = evaluation.card, evaluation.known.photos
    same = ("name", "version", "title", "noun", "noun_plural", "temperature", "threshold", "files")
    figures = _figures(card, photos)
    per_label = figures.pop("per_label")
    others = evaluation.others.photos if evaluation.others else []
    return {
        "model": {key: getattr(card, key) for key in same}
        | {
            "labels": len(card.labels),
            "display": {label.name: label.display for label in card.labels},
            "engine": evaluation.engine,
            "split": card.split.get("fingerprint", ""),
            "created_at": card.created_at,
        },
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "warnings": warnings(evaluation),
        "photos": _photos(evaluation),
        "figures": figures,
        "labels": _labels(per_label, figures["confusion"], card),
        "mix_ups": mix_ups(np.array(figures["confusion"]), card.label_names),
        "sources": _by(evaluation, lambda result: result.photo.source),
        "parts": _by(evaluation, lambda result: result.photo.part),
        "mirrored": _mirrored(evaluation) if evaluation.mirrored else None,
        "others": _others(evaluation, evaluation.others) if evaluation.others else None,
        "speed": _speed([*photos, *others]),
    }


def warnings(evaluation: Evaluation) -> list[str]:
    """What a reader must know before believing a figure, as sentences."""
    card, selection = evaluation.card, evaluation.known.selection
    version = f"{card.name} {card.version}"
    sentences = []
    if seen := selection.flattering:
        sentences.append(
            f"{version} has seen {sum(seen.values()):,} of these {len(selection.photos):,} photos "
            f"before: {describe_seen(seen, card)}. "
            "The figures say how well it remembers, not how well it sees."
        )
    if seen := evaluation.others.selection.flattering if evaluation.others else {}:
        sentences.append(
            f"{version} has seen {sum(seen.values()):,} of the photos of other things before: "
            f"{describe_seen(seen, card)}."
        )
    held_out = any(photo.part == HELD_OUT for photo in selection.photos)
    if held_out and CALIBRATED_ON_IT in str(card.split.get("learnt_from", "")):
        sentences.append(
            f"Some of these photos set the temperature and the limits of {version}, so how sure it "
            "is and what it leaves unclassified look a little better here than on new photos; the "
            "card measured that by halves. Which label comes first is not touched by it."
        )
    if not evaluation.split_known:
        sentences.append(
            f"Nobody knows which photos {version} was trained on: it carries no list of them. "
            "If they are among these, the figures flatter it."
        )
    return sentences


def _photos(evaluation: Evaluation) -> dict[str, Any]:
    selection = evaluation.known.selection
    photos = [result.photo for result in evaluation.known.photos]
    return {
        "measured": len(photos),
        "fingerprint": fingerprint(photos),
        "layout": evaluation.layout,
        "sources": dict(Counter(photo.source for photo in photos)),
        "parts": dict(Counter(photo.part for photo in photos)),
        "split_known": evaluation.split_known,
        "include_training": evaluation.include_training,
        "left_out": dict(selection.left_out),
        "left_out_because": describe_seen(selection.left_out, evaluation.card),
        "seen_before": sum(selection.flattering.values()),
        "repeated": selection.repeated,
        "two_labels": list(selection.two_labels),
        "unknown_labels": dict(selection.unknown_labels),
        "missing": list(selection.missing),
        "unreadable": list(evaluation.known.refused),
    }


def _figures(
    card: ModelCard, photos: Sequence[PredictedPhoto], *, short: bool = False
) -> dict[str, Any]:
    """See `metrics.summary`."""
    names = card.label_names
    groups = group_by_parent({label.name: label.parent for label in card.published_labels})
    scaled = np.stack([result.answer.output.probabilities for result in photos])
    # dividing by the temperature is undone by dividing by its inverse
    raw = scale(scaled, 1 / card.temperature)
    decided = np.array([result.answer.decision == result.answer.label for result in photos])
    places = {parent: place for place, parent in enumerate(groups)}
    parents = np.array([places.get(result.answer.decision, -1) for result in photos])
    truths = np.array([names.index(result.photo.label) for result in photos], dtype=np.int64)
    judged = JudgedPhotos(raw, scaled, decided, scaled.max(axis=1), parents)
    right = scaled.argmax(axis=1) == truths
    return summary(judged, truths, names, groups, short=short) | {
        "unclassified_interval": _interval(int((~judged.named).sum()), len(decided)),
        "when_decided_interval": _interval(int(right[decided].sum()), int(decided.sum())),
        "unfamiliar": _unfamiliar(photos, card),
    }


def _both_ways(photos: Sequence[PredictedPhoto]) -> list[PredictedPhoto]:
    """The photos with the answers to the mean of photo and mirrored photo."""
    return [replace(result, answer=result.mirrored) for result in photos if result.mirrored]


def _unfamiliar(photos: Sequence[PredictedPhoto], card: ModelCard) -> float | None:
    """The share that looks unlike the training photos; None when the version cannot tell."""
    familiarities = [result.answer.output.familiarity for result in photos]
    if None in familiarities:
        return None
    strange = sum(not is_familiar(familiarity, card) for familiarity in familiarities)
    return round(strange / len(photos), 4)


def _interval(hits: int, n: int) -> list[float]:
    return [round(bound, 4) for bound in wilson(hits, n)]


def _by(evaluation: Evaluation, key: Callable[[PredictedPhoto], str]) -> dict[str, Any]:
    """Short figures for each group of photos; empty when there is only one."""
    photos = evaluation.known.photos
    groups: dict[str, list[PredictedPhoto]] = {}
    for result in sorted(photos, key=key):
        groups.setdefault(key(result), []).append(result)
    if len(groups) < 2:
        return {}
    return {name: _figures(evaluation.card, group, short=True) for name, group in groups.items()}


def _labels(
    per_label: dict[str, Any], confusion: list[list[int]], card: ModelCard
) -> list[dict[str, Any]]:
    """A row for each label that has photos, worst first."""
    table, rows = np.array(confusion), []
    for place, label in enumerate(card.labels):
        row = per_label[label.name]
        if not row["n"]:
            continue
        hits, wrong = int(table[place, place]), table[place].copy()
        wrong[place] = 0
        named = int(table[:, place].sum())
        rows.append(
            {
                "label": label.name,
                "display": label.display,
                "right": hits,
                **row,
                "recall_interval": _interval(hits, row["n"]),
                "precision_interval": _interval(hits, named) if named else None,
                "most_taken_for": card.label_names[int(wrong.argmax())] if wrong.any() else None,
            }
        )
    return sorted(rows, key=lambda row: (row["recall"], row["f1"], -row["n"], row["label"]))


def _mirrored(evaluation: Evaluation) -> dict[str, Any]:
    """The figures of the averaged answers, and the photos that they put right or wrong."""
    before, after = evaluation.known.photos, _both_ways(evaluation.known.photos)
    fixed, broken = (
        [
            wrong.photo.name
            for wrong, right in zip(*pair, strict=True)
            if wrong.answer.label != right.photo.label == right.answer.label
        ]
        for pair in ((before, after), (after, before))
    )
    p_value = round(mcnemar(len(fixed), len(broken)), 4)
    figures = _figures(evaluation.card, after, short=True)
    del figures["ece_before"]  # there is no mean of answers before temperature
    return figures | {"fixed": fixed, "broken": broken, "p_value": p_value}


def _others(evaluation: Evaluation, others: PredictedSelection) -> dict[str, Any]:
    """How many photos of other things were left unclassified, and how well they are told apart."""
    known, photos = evaluation.known.photos, others.photos
    named = Counter(result.answer.decision for result in photos)
    silent, source = named.pop(UNCLASSIFIED, 0), photos[0].photo.source
    fitted = evaluation.card.metrics.get("unknown", {})  # a folder of this name chose its limits
    figures: dict[str, Any] = {
        "source": source,
        "n": len(photos),
        "unclassified": round(silent / len(photos), 4),
        "interval": _interval(silent, len(photos)),
        "unfamiliar": _unfamiliar(photos, evaluation.card),
        **_areas(known, photos),
        "against": len(known),
        "named": dict(named.most_common(_NAMED_MOST)),
        "left_out": dict(others.selection.left_out),
        "unreadable": list(others.refused),
        "fitted_on": int(fitted.get("fitted_on") or 0) if fitted.get("source") == source else 0,
    }
    if both := _both_ways(photos):
        silent = sum(result.answer.decision == UNCLASSIFIED for result in both)
        share = {"unclassified": round(silent / len(both), 4)}
        figures["mirrored"] = share | _areas(_both_ways(known), both)
    return figures


def _areas(
    known: Sequence[PredictedPhoto], others: Sequence[PredictedPhoto]
) -> dict[str, float | None]:
    """How well familiarity (None without one) and confidence separate known photos from others."""

    def area(score: Callable[[Answer], float | None]) -> float | None:
        scores = [[score(result.answer) for result in photos] for photos in (known, others)]
        if any(None in values for values in scores):
            return None
        return round(area_under_curve(*map(np.array, scores)), 4)

    return {
        "auroc_of_familiarity": area(lambda answer: answer.output.familiarity),
        "auroc_of_confidence": area(lambda answer: answer.confidence),
    }


def _speed(photos: Sequence[PredictedPhoto]) -> dict[str, Any]:
    """Milliseconds for one photo: mean, median and 99th percentile of decoding, network, both."""

    def spread(values: Sequence[float]) -> dict[str, float]:
        p50, p99 = np.percentile(values, [50, 99])
        figures = {"mean": np.mean(values), "p50": p50, "p99": p99}
        return {name: round(float(value), 2) for name, value in figures.items()}

    mirrored = [result.mirror_ms for result in photos if result.mirrored is not None]
    return {
        "n": len(photos),
        "decode": spread([result.decode_ms for result in photos]),
        "network": spread([result.network_ms for result in photos]),
        "both": spread([result.decode_ms + result.network_ms for result in photos]),
        **({"mirror": spread(mirrored)} if mirrored else {}),
    }
