"""Rows and answers to JSON: the only place that knows the shapes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from webapp.inference.card import ModelCard
from webapp.inference.intervals import Share
from webapp.inference.label_set import as_seen
from webapp.inference.registry import Registry
from webapp.services import stats
from webapp.services.classify import Classified
from webapp.services.compare import Standing
from webapp.services.history import Item, Prediction, full_ranking
from webapp.services.jobs import JobLine, JobView
from webapp.services.promote import Promotion
from webapp.services.relabel import Relabelled
from webapp.services.stats import Counts, Learnt, Summary, VersionLine
from webapp.values import Answer, RankedLabel

Json = dict[str, Any]


def photo(item: Item | Classified, registry: Registry) -> Json:
    """A photo with its shown prediction, or that of the model that was asked for."""
    row = item.photo
    return {
        "id": row.public_id,
        "filename": row.filename,
        "sha256": row.sha256,
        "width": row.width,
        "height": row.height,
        "bytes": row.bytes,
        "created_at": moment(row.created_at),
        "ground_truth": row.ground_truth,
        "outcome": item.outcome,
        "prediction": None if row.prediction is None else prediction(row.prediction, registry),
    }


def prediction(row: Prediction, registry: Registry) -> Json:
    """A stored prediction."""
    return {
        "decision": row.decision,
        "label": row.label,
        "confidence": row.confidence,
        "familiarity": row.familiarity,
        "ranked": ranking(full_ranking(row, registry)),
        "model": {"name": row.model, "version": row.version},
        "elapsed_ms": round(row.elapsed_ms, 2),
    }


def answer(said: Answer) -> Json:
    """A prediction that was not stored."""
    return {
        "decision": said.decision,
        "label": said.label,
        "confidence": said.confidence,
        "familiarity": said.reading.familiarity,
        "ranked": ranking(said.ranked),
        "model": {"name": said.model, "version": said.version},
        "elapsed_ms": round(said.elapsed_ms, 2),
    }


def taken_as(sent: str, done: Relabelled) -> Json:
    """The label that was given instead of the one that was sent, when that was merged into it; nothing otherwise."""
    return {"taken_as": done.label} if done.label != sent else {}


def ranking(lines: Iterable[RankedLabel]) -> list[Json]:
    """Ranked labels, best first."""
    return [{"rank": one.rank, "label": one.label, "class_id": one.class_id, "probability": one.probability} for one in lines]


def model(name: str, versions: list[int], live: int | None, card: ModelCard | None) -> Json:
    """A model in the list: its versions and what the live one is."""
    return {
        "name": name,
        "versions": versions,
        "live": live,
        "title": card.title if card else None,
        "labels": len(card.labels) if card else None,
    }


def statistics(card: ModelCard, counts: Counts, learnt: Learnt, versions: list[VersionLine]) -> Json:
    """What was counted of one version's answers; the lists are about everything that was checked."""
    every = stats.EVERYTHING
    return {
        "model": {"name": card.name, "version": card.version},
        "learnt": {"known": learnt.known, "photos": learnt.photos if learnt.known else None, "counted": learnt.counted},
        "checked": _summary(stats.summarize(counts, card, every)),
        "audited": _summary(stats.summarize(counts, card, stats.AUDITED)),
        "labels": [
            {"label": one.label, "found": _share(one.found), "trust": _share(one.trust), "f1": one.f1, "more_needed": one.more}
            for one in stats.lines(counts, card, every)
        ],
        "mix_ups": [{"ground_truth": one.truth, "decision": one.said, "n": one.n} for one in stats.mix_ups(counts, every)],
        "reliability": [
            {"from": one.low / 100, "to": one.high / 100, "confidence": one.said, "right": _share(one.right)}
            for one in stats.reliability(counts, every)
        ],
        "thresholds": [
            {"threshold": one.percent / 100, "right": _share(one.right), "unclassified": _share(one.unsure)}
            for one in (stats.threshold(counts, every, percent) for percent in stats.STEPS)
        ],
        "months": [{"month": f"{one.year}-{one.month:02d}", "right": _share(one.right)} for one in stats.over_time(counts, every)],
        "versions": [{"version": one.version, "checked": _share(one.everything), "audited": _share(one.audited)} for one in versions],
    }


def _summary(summary: Summary) -> Json:
    return {
        "n": summary.n,
        **{name: _share(getattr(summary, name)) for name in ("right", "unsure", "wrong", "named", "first", "five", "none")},
        "macro_f1": summary.macro_f1,
    }


def _share(share: Share) -> Json:
    """A counted share; `share` is null when nothing was counted."""
    return {"hits": share.hits, "n": share.n, "share": share.share if share.n else None, "low": share.low, "high": share.high}


def promotion(row: Promotion) -> Json:
    """A change of the live version."""
    return {
        "at": moment(row.created_at),
        "kind": row.kind,
        "from": row.from_version,
        "to": row.to_version,
        "who": row.who,
        "why": row.why,
        "forced": row.forced,
        "comparison": row.figures,
    }


def standing(found: Standing) -> Json:
    """How two versions stand on this history."""
    return {
        "a": found.champion.version,
        "b": found.challenger.version,
        "state": found.state,
        "photos": found.photos,
        "waiting": found.waiting,
        "left_out": found.seen,
        "unknown": list(found.unknown),
        "comparison": found.comparison.to_json() if found.comparison else None,
    }


def labels(card: ModelCard) -> list[Json]:
    """The labels as people see them; those that the version does not know, made by a split, at the end without a `class_id`."""
    places = {name: at for at, name in enumerate(card.label_names)}
    return [
        {
            "class_id": places.get(one.name),
            "label": one.name,
            "display": one.display,
            "color": one.color,
            "parent": one.parent,
            "aliases": list(one.aliases),
            "key": one.key,
            "photo": one.photo or None,
            "retired": one.retired,
            "merged_into": one.merged or None,
            "split_from": one.split or None,
        }
        for one in map(as_seen, (*card.labels, *getattr(card, "added", ())))
    ]


def card(card: ModelCard, live: bool) -> Json:
    """A version's card without the golden photos' figures."""
    return {
        "name": card.name,
        "version": card.version,
        "live": live,
        "title": card.title,
        "summary": card.summary,
        "limits": list(card.limits),
        "labels": [
            {
                "class_id": at,
                "label": one.name,
                "display": one.display,
                "color": one.color,
                "parent": one.parent,
                "aliases": list(one.aliases),
                "merged_into": one.merged or None,
            }
            for at, one in enumerate(map(as_seen, card.labels))
        ],
        "input": {"height": card.input.height, "width": card.input.width, "resize": card.input.resize},
        "temperature": card.temperature,
        "threshold": card.threshold,
        "metrics": card.metrics,
        "split": card.split,
        "data": list(card.data),
        "training": card.training,
        "libraries": card.libraries,
        "files": card.files,
        "created_at": card.created_at,
    }


def moment(when: datetime) -> str:
    """ISO 8601 in UTC with a Z."""
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def job(view: JobView) -> Json:
    """A job as it stands. `rate` is things a second, `seconds_left` at this rate; null when nobody knows."""
    row, progress = view.job, view.progress
    return {
        "id": row.public_id,
        "kind": row.kind,
        "title": row.title,
        "state": row.state,
        "stopping": view.stopping,
        "done": progress.done,
        "total": progress.total or None,
        "failed": progress.failed,
        "rate": round(view.rate, 2) if view.rate else None,
        "seconds_left": round(view.left, 1) if view.left is not None else None,
        "who": row.who,
        "created_at": moment(row.created_at),
        "started_at": moment(row.started_at) if row.started_at else None,
        "ended_at": moment(row.ended_at) if row.ended_at else None,
        "result": row.result,
        "error": row.error or None,
    }


def line(row: JobLine) -> Json:
    """A line of a job's log."""
    return {"at": moment(row.at), "text": row.text}
