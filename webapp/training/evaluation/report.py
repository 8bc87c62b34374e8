"""The report of an evaluation: every figure as plain JSON, from what a version said about each photo."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from webapp.inference.classifier import scale
from webapp.inference.metrics.intervals import wilson
from webapp.inference.models.card import ModelCard
from webapp.inference.models.gate import mcnemar
from webapp.inference.models.held_out import CALIBRATED_ON_IT, HELD_OUT
from webapp.training.evaluation.evaluation import Answered, Said
from webapp.training.evaluation.metrics import area_under_curve, mix_ups, summary
from webapp.training.evaluation.photos import Questions, fingerprint, in_parts

NAMED_MOST = 10
"""Labels that the report lists as given to photos of other things."""


@dataclass(frozen=True)
class Exam:
    """What was asked of a version and what it said. `others` are photos of other things; `split_known` tells whether the version says
    which photos it has learnt from; `engine` is what ranked ("litert" or "keras")."""

    card: ModelCard
    engine: str
    layout: str
    questions: Questions
    answers: Sequence[Answered]
    refused: Sequence[str]
    split_known: bool
    include_training: bool = False
    other_questions: Questions | None = None
    others: Sequence[Answered] = ()
    others_refused: Sequence[str] = field(default=())

    @property
    def mirrored(self) -> bool:
        """True when every photo was looked at twice."""
        return bool(self.answers) and self.answers[0].mirrored is not None


def make_report(exam: Exam) -> dict[str, Any]:
    """Every figure as plain JSON; docs/models.md says how each is computed. There is at least one answer."""
    figures = _figures(exam.card, exam.answers)
    per_label = figures.pop("per_label")
    return {
        "model": _model(exam),
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "warnings": warnings(exam),
        "photos": _photos(exam),
        "figures": figures,
        "labels": _labels(per_label, figures["confusion"], exam.card),
        "mix_ups": mix_ups(np.array(figures["confusion"]), exam.card.label_names),
        "sources": _by(exam, lambda one: one.question.source),
        "parts": _by(exam, lambda one: one.question.part),
        "mirrored": _mirrored(exam) if exam.mirrored else None,
        "others": _others(exam) if exam.others else None,
        "speed": speed([*exam.answers, *exam.others]),
    }


def warnings(exam: Exam) -> list[str]:
    """What a reader must know before believing a figure, as sentences; empty when all is well."""
    version = f"{exam.card.name} {exam.card.version}"
    flattering, others = (
        exam.questions.flattering,
        exam.other_questions.flattering if exam.other_questions else {},
    )
    found = []
    if flattering:
        total = len(exam.questions.asked)
        found.append(
            f"{version} has seen {sum(flattering.values()):,} of these {total:,} photos before: {in_parts(flattering, exam.card)}. "
            "The figures say how well it remembers, not how well it sees."
        )
    if others:
        found.append(
            f"{version} has seen {sum(others.values()):,} of the photos of other things before: {in_parts(others, exam.card)}."
        )
    if CALIBRATED_ON_IT in str(exam.card.split.get("learnt_from", "")) and any(
        one.part == HELD_OUT for one in exam.questions.asked
    ):
        found.append(
            f"Some of these photos set the temperature and the limits of {version}, so how sure it is and what it leaves unclassified look "
            "a little better here than on new photos; the card measured that by halves. Which label comes first is not touched by it."
        )
    if not exam.split_known:
        found.append(
            f"Nobody knows which photos {version} has learnt from: it carries no list of them. "
            "If they are among these, the figures flatter it."
        )
    return found


def speed(answers: Sequence[Answered]) -> dict[str, Any]:
    """Milliseconds for one photo, one after the other: mean, median and 99th percentile of decoding, network and both."""
    decode = np.array([one.decode_ms for one in answers])
    network = np.array([one.network_ms for one in answers])
    found = {
        "n": len(answers),
        "decode": _spread(decode),
        "network": _spread(network),
        "both": _spread(decode + network),
    }
    mirror = np.array([one.mirror_ms for one in answers if one.mirrored is not None])
    return found | ({"mirror": _spread(mirror)} if len(mirror) else {})


def _spread(values: NDArray[np.float64]) -> dict[str, float]:
    return {
        "mean": round(float(values.mean()), 2),
        "p50": round(float(np.percentile(values, 50)), 2),
        "p99": round(float(np.percentile(values, 99)), 2),
    }


def _model(exam: Exam) -> dict[str, Any]:
    card = exam.card
    return {
        "name": card.name,
        "version": card.version,
        "title": card.title,
        "noun": card.noun,
        "noun_plural": card.noun_plural,
        "labels": len(card.labels),
        "display": {label.name: label.display for label in card.labels},
        "engine": exam.engine,
        "temperature": card.temperature,
        "threshold": card.threshold,
        "files": card.files,
        "split": card.split.get("fingerprint", ""),
        "created_at": card.created_at,
    }


def _photos(exam: Exam) -> dict[str, Any]:
    questions = exam.questions
    return {
        "measured": len(exam.answers),
        "fingerprint": fingerprint(one.question for one in exam.answers),
        "layout": exam.layout,
        "sources": dict(Counter(one.question.source for one in exam.answers)),
        "parts": dict(Counter(one.question.part for one in exam.answers)),
        "split_known": exam.split_known,
        "include_training": exam.include_training,
        "left_out": dict(questions.left_out),
        "left_out_because": in_parts(questions.left_out, exam.card),
        "seen_before": sum(questions.flattering.values()),
        "repeated": questions.repeated,
        "two_labels": list(questions.two_labels),
        "unknown_labels": dict(questions.unknown_labels or {}),
        "missing": list(questions.missing),
        "unreadable": list(exam.refused),
    }


def _figures(
    card: ModelCard, answers: Sequence[Answered], *, short: bool = False, mirrored: bool = False
) -> dict[str, Any]:
    """See `evaluate.summary`. Before temperature there is no answer to the mirrored photo: that figure is left out then."""
    names = card.label_names
    said = [_pick(one, mirrored) for one in answers]
    scaled = np.stack([one.probabilities for one in said])
    raw = np.stack(
        [scale(one, 1 / card.temperature) for one in scaled]
    )  # what divides by T is undone by dividing by 1 / T
    truths = np.array([names.index(one.question.truth) for one in answers], dtype=np.int64)
    found = summary(
        raw, scaled, truths, names, np.array([one.decided for one in said]), short=short
    )
    decided = [one for one, words in zip(answers, said, strict=True) if words.decided]
    hits = sum(_first(_pick(one, mirrored), card) == one.question.truth for one in decided)
    found["unclassified_interval"] = _interval(len(said) - len(decided), len(said))
    found["when_decided_interval"] = _interval(hits, len(decided))
    found["unfamiliar"] = _unfamiliar(said)
    if mirrored:
        del found["ece_before"]
    return found


def _unfamiliar(said: Sequence[Said]) -> float | None:
    """The share that looks like nothing it learned from; None when the version cannot tell."""
    if any(one.familiarity is None for one in said):
        return None
    return round(sum(not one.familiar for one in said) / len(said), 4)


def _pick(one: Answered, mirrored: bool) -> Said:
    return one.mirrored if mirrored and one.mirrored is not None else one.said


def _first(said: Said, card: ModelCard) -> str:
    return card.label_names[int(said.probabilities.argmax())]


def _interval(hits: int, n: int) -> list[float]:
    return [round(bound, 4) for bound in wilson(hits, n)]


def _by(exam: Exam, key: Callable[[Answered], str]) -> dict[str, Any]:
    """Short figures for each group of photos; empty when there is only one."""
    groups = sorted({key(one) for one in exam.answers})
    if len(groups) < 2:
        return {}
    return {
        group: _figures(exam.card, [one for one in exam.answers if key(one) == group], short=True)
        for group in groups
    }


def _labels(
    per_label: dict[str, Any], confusion: list[list[int]], card: ModelCard
) -> list[dict[str, Any]]:
    """A row for each label that has photos here, worst first: how often it is found, how far its name can be trusted."""
    table = np.array(confusion)
    rows = []
    for place, label in enumerate(card.labels):
        row = per_label[label.name]
        if not row["n"]:
            continue
        hits, wrong = int(table[place, place]), table[place].copy()
        wrong[place] = 0
        rows.append(
            {"label": label.name, "display": label.display, "right": hits}
            | row
            | {
                "recall_interval": _interval(hits, row["n"]),
                "precision_interval": _interval(hits, int(table[:, place].sum()))
                if row["precision"] is not None
                else None,
                "most_taken_for": card.label_names[int(wrong.argmax())] if wrong.any() else None,
            }
        )
    return sorted(rows, key=lambda row: (row["recall"], row["f1"], -row["n"], row["label"]))


def _mirrored(exam: Exam) -> dict[str, Any]:
    """The figures of the averaged answers, and the photos that the second look puts right or wrong."""
    fixed: list[str] = []
    broken: list[str] = []
    for one in exam.answers:
        before, after = (
            _first(_pick(one, look), exam.card) == one.question.truth for look in (False, True)
        )
        if before != after:
            (fixed if after else broken).append(one.question.name)
    p_value = mcnemar(len(fixed), len(broken))
    return _figures(exam.card, exam.answers, short=True, mirrored=True) | {
        "fixed": fixed,
        "broken": broken,
        "p_value": round(p_value, 4),
    }


def _others(exam: Exam) -> dict[str, Any]:
    """Photos of other things: how many were left unclassified, and how well the version tells known photos from them."""
    said = [one.said for one in exam.others]
    silent = sum(not one.decided for one in said)
    named = Counter(one.decision for one in said if one.decided)
    questions = exam.other_questions
    found: dict[str, Any] = {
        "source": exam.others[0].question.source,
        "n": len(said),
        "unclassified": round(silent / len(said), 4),
        "interval": _interval(silent, len(said)),
        "unfamiliar": _unfamiliar(said),
        **_areas([one.said for one in exam.answers], said),
        "against": len(exam.answers),
        "named": dict(named.most_common(NAMED_MOST)),
        "left_out": dict(questions.left_out) if questions else {},
        "unreadable": list(exam.others_refused),
        "fitted_on": _fitted_on(exam),
    }
    if exam.mirrored:
        known, others = (
            [_pick(one, True) for one in answers] for answers in (exam.answers, exam.others)
        )
        found["mirrored"] = {
            "unclassified": round(sum(not one.decided for one in others) / len(others), 4),
            **_areas(known, others),
        }
    return found


def _areas(known: Sequence[Said], others: Sequence[Said]) -> dict[str, float | None]:
    """How well two scores part known photos from others: the familiarity (None when the version has none), and the confidence alone."""
    familiar = [
        [one.familiarity for one in said if one.familiarity is not None] for said in (known, others)
    ]
    sure = [[one.confidence for one in said] for said in (known, others)]
    return {
        "auroc_of_familiarity": round(area_under_curve(*map(np.array, familiar)), 4)
        if all(familiar)
        else None,
        "auroc_of_confidence": round(area_under_curve(*map(np.array, sure)), 4),
    }


def _fitted_on(exam: Exam) -> int:
    """How many photos of a folder of this name chose the version's limits, as its card tells."""
    theirs = exam.card.metrics.get("unknown", {})
    return (
        int(theirs.get("fitted_on") or 0)
        if theirs.get("source") == exam.others[0].question.source
        else 0
    )
