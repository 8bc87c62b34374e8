"""Rows and answers to JSON: the only place that knows the shapes."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from flask import url_for

from webapp.api.schemas import model_responses as model_shapes
from webapp.api.schemas import responses as shapes
from webapp.domain import ALL_MODELS, Answer, RankedLabel
from webapp.errors import BadCardError, MarqueError, ModelNotFoundError
from webapp.inference.decoding.detect_format import CONTENT_TYPES
from webapp.inference.decoding.images import MAX_BYTES, MAX_PIXELS, MAX_PIXELS_OF, MAX_SIDE
from webapp.inference.metrics.intervals import Share
from webapp.inference.models.card import ModelCard
from webapp.inference.models.label_set import SeenLabel, as_seen
from webapp.inference.models.registry import Registry
from webapp.services.exports.export import FORMATS
from webapp.services.jobs.queue import JobLine, JobPage, JobView
from webapp.services.jobs.types import export as export_job
from webapp.services.labels.relabel import Relabelled
from webapp.services.models.compare import Standing
from webapp.services.models.promotion import Promotion
from webapp.services.photos.classify import MAX_FILES, Incoming, StoredPhoto, clean_name
from webapp.services.photos.gallery import Event, Item, Page, Prediction, full_ranking, opinions
from webapp.services.review.suspects import Suspects
from webapp.services.stats import stats
from webapp.services.stats.stats import Counts, Learnt, Summary, VersionLine

Json = dict[str, Any]


def photo(item: Item | StoredPhoto, registry: Registry, choice: str = "") -> shapes.Photo:
    """A photo with its shown prediction, or that of the model that was asked for; with what every model says when the choice was all."""
    row = item.photo
    shown: shapes.Photo = {
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
    if choice == ALL_MODELS:
        shown["predictions"] = [prediction(one.prediction, registry) for one in opinions(row)]
    return shown


def relabelled_photo(
    item: Item, registry: Registry, sent: str, done: Relabelled
) -> shapes.RelabelledPhoto:
    """A photo that was given a ground truth; `sent` is the label that was asked for."""
    shown: shapes.RelabelledPhoto = {**photo(item, registry)}
    if done.label != sent:
        shown["taken_as"] = done.label
    return shown


def label_history(events: Sequence[Event]) -> shapes.LabelHistory:
    """What people said about a photo."""
    return {"items": [_event(one) for one in events]}


def _event(one: Event) -> shapes.LabelEvent:
    row = one.event
    return {
        "event": row.id,
        "from": row.from_label,
        "to": row.to_label,
        "who": row.who,
        "when": moment(row.created_at),
        "why": row.why,
        "place": row.place,
        "batch": row.batch,
        "undoes": row.undoes,
        "undone": one.undone,
    }


def photo_page(page: Page, registry: Registry) -> shapes.PhotoPage:
    """A page of the list."""
    return {
        "items": [photo(item, registry) for item in page.items],
        "next": page.next or None,
        "previous": page.previous or None,
    }


def suspects(found: Suspects, card: ModelCard) -> shapes.Suspects:
    """A page of doubted ground truths."""
    return {
        "model": {"name": card.name, "version": card.version},
        "items": [
            {
                "id": one.photo.public_id,
                "filename": one.photo.filename,
                "ground_truth": one.doubt.given,
                "probability": one.doubt.probability,
                "other": one.doubt.other,
                "other_probability": one.doubt.other_probability,
                "margin": one.doubt.margin,
            }
            for one in found.items
        ],
        "left": found.left,
        "next": found.next or None,
    }


def sent_photo(done: StoredPhoto, registry: Registry, choice: str) -> shapes.SentPhoto:
    """A photo that came in."""
    return {**photo(done, registry, choice), "duplicate": done.duplicate}


def sent_results(
    incoming: Sequence[Incoming],
    results: Sequence[StoredPhoto | MarqueError],
    registry: Registry,
    choice: str,
) -> shapes.SentResults:
    """What became of several files."""
    return {
        "results": [
            _sent_result(clean_name(one.filename), done, registry, choice)
            for one, done in zip(incoming, results, strict=True)
        ]
    }


def _sent_result(
    filename: str, done: StoredPhoto | MarqueError, registry: Registry, choice: str
) -> shapes.SentResult:
    if isinstance(done, MarqueError):
        return {"filename": filename, "status": done.status, "error": str(done)}
    return {
        "filename": filename,
        "status": 200 if done.duplicate else 201,
        "photo": sent_photo(done, registry, choice),
    }


def prediction(row: Prediction, registry: Registry) -> shapes.Prediction:
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


def said(incoming: Incoming, answers: Sequence[Answer], choice: str) -> shapes.Said:
    """The answer about a photo that was not stored; every model's when the choice was all."""
    first, *_others = found = [answer(one) for one in answers]
    shown: shapes.Said = {"filename": clean_name(incoming.filename), "prediction": first}
    if choice == ALL_MODELS:
        shown["predictions"] = found
    return shown


def said_results(
    incoming: Sequence[Incoming], results: Sequence[list[Answer] | MarqueError], choice: str
) -> shapes.SaidResults:
    """The answers about several files."""
    return {
        "results": [
            _said_result(one, found, choice) for one, found in zip(incoming, results, strict=True)
        ]
    }


def _said_result(
    incoming: Incoming, found: list[Answer] | MarqueError, choice: str
) -> shapes.SaidResult:
    if isinstance(found, MarqueError):
        return {
            "filename": clean_name(incoming.filename),
            "status": found.status,
            "error": str(found),
        }
    return {"status": 200, **said(incoming, found, choice)}


def answer(said: Answer) -> shapes.Prediction:
    """A prediction that was not stored."""
    return {
        "decision": said.decision,
        "label": said.label,
        "confidence": said.confidence,
        "familiarity": said.output.familiarity,
        "ranked": ranking(said.ranked),
        "model": {"name": said.model, "version": said.version},
        "elapsed_ms": round(said.elapsed_ms, 2),
    }


def ranking(lines: Iterable[RankedLabel]) -> list[shapes.RankedLine]:
    """Ranked labels, best first."""
    return [
        {
            "rank": one.rank,
            "label": one.label,
            "class_id": one.class_id,
            "probability": one.probability,
        }
        for one in lines
    ]


def models(registry: Registry) -> model_shapes.Models:
    """Every model."""
    return {"items": [model(name, registry) for name in registry.names()]}


def model(
    name: str, registry: Registry, history: Sequence[Promotion] | None = None
) -> model_shapes.Model:
    """A model: its versions and what the live one is; what was live when, for those who may know."""
    try:
        card = registry.card(name)
    except (ModelNotFoundError, BadCardError):
        card = None
    shown: model_shapes.Model = {
        "name": name,
        "versions": registry.versions(name),
        "live": registry.live_version(name),
        "title": card.title if card else None,
        "labels": len(card.labels) if card else None,
    }
    if history is not None:
        shown["history"] = [promotion(row) for row in history]
    return shown


def statistics(
    card: ModelCard, counts: Counts, learnt: Learnt, versions: list[VersionLine]
) -> model_shapes.Statistics:
    """What was counted of one version's answers; the lists are about everything that was checked."""
    every = stats.EVERYTHING
    return {
        "model": {"name": card.name, "version": card.version},
        "learnt": {
            "known": learnt.known,
            "photos": learnt.photos if learnt.known else None,
            "counted": learnt.counted,
        },
        "checked": _summary(stats.summarize(counts, card, every)),
        "audited": _summary(stats.summarize(counts, card, stats.AUDITED)),
        "labels": [
            {
                "label": one.label,
                "found": _share(one.found),
                "trust": _share(one.trust),
                "f1": one.f1,
                "more_needed": one.more,
            }
            for one in stats.lines(counts, card, every)
        ],
        "mix_ups": [
            {"ground_truth": one.truth, "decision": one.said, "n": one.n}
            for one in stats.mix_ups(counts, every)
        ],
        "reliability": [
            {
                "from": one.low / 100,
                "to": one.high / 100,
                "confidence": one.said,
                "right": _share(one.right),
            }
            for one in stats.reliability(counts, every)
        ],
        "thresholds": [
            {
                "threshold": one.percent / 100,
                "right": _share(one.right),
                "unclassified": _share(one.unsure),
            }
            for one in (stats.threshold(counts, every, percent) for percent in stats.STEPS)
        ],
        "months": [
            {"month": f"{one.year}-{one.month:02d}", "right": _share(one.right)}
            for one in stats.over_time(counts, every)
        ],
        "versions": [
            {
                "version": one.version,
                "checked": _share(one.everything),
                "audited": _share(one.audited),
            }
            for one in versions
        ],
    }


def _summary(summary: Summary) -> model_shapes.Summary:
    return {
        "n": summary.n,
        "right": _share(summary.right),
        "unsure": _share(summary.unsure),
        "wrong": _share(summary.wrong),
        "named": _share(summary.named),
        "first": _share(summary.first),
        "five": _share(summary.five),
        "none": _share(summary.none),
        "macro_f1": summary.macro_f1,
    }


def _share(share: Share) -> model_shapes.CountedShare:
    """A counted share; `share` is null when nothing was counted."""
    return {
        "hits": share.hits,
        "n": share.n,
        "share": share.share if share.n else None,
        "low": share.low,
        "high": share.high,
    }


def promotion(row: Promotion) -> model_shapes.Promotion:
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


def standing(found: Standing) -> model_shapes.Standing:
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


def labels(card: ModelCard) -> model_shapes.Labels:
    """The labels as people see them; those that the version does not know, made by a split, at the end without a `class_id`."""
    places = {name: at for at, name in enumerate(card.label_names)}
    items = [
        _seen_label(places.get(one.name), one)
        for one in map(as_seen, (*card.labels, *getattr(card, "added", ())))
    ]
    return {"model": card.name, "version": card.version, "items": items}


def _seen_label(at: int | None, one: SeenLabel) -> model_shapes.SeenLabel:
    return {
        "class_id": at,
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


def _card_label(at: int, one: SeenLabel) -> model_shapes.CardLabel:
    return {
        "class_id": at,
        "label": one.name,
        "display": one.display,
        "color": one.color,
        "parent": one.parent,
        "aliases": list(one.aliases),
        "merged_into": one.merged or None,
    }


def card(card: ModelCard, live: bool) -> model_shapes.Card:
    """A version's card without the golden photos' figures."""
    return {
        "name": card.name,
        "version": card.version,
        "live": live,
        "title": card.title,
        "summary": card.summary,
        "limits": list(card.limits),
        "labels": [_card_label(at, one) for at, one in enumerate(map(as_seen, card.labels))],
        "input": {
            "height": card.input.height,
            "width": card.input.width,
            "resize": card.input.resize,
        },
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


def relabelled(done: Relabelled, sent: str = "") -> shapes.Relabelled:
    """What a change of many ground truths did; `sent` is the label that was asked for."""
    told: shapes.Relabelled = {
        "processed": done.changed,
        "skipped": done.skipped,
        "batch": done.batch or None,
    }
    if sent and done.label != sent:
        told["taken_as"] = done.label
    return told


def formats(request_bytes: int) -> shapes.Formats:
    """What can be sent, and how large it may be."""
    return {
        "formats": [
            {"name": name, "content_type": kind, "pixels": MAX_PIXELS_OF.get(name, MAX_PIXELS)}
            for name, kind in CONTENT_TYPES.items()
        ],
        "bytes": MAX_BYTES,
        "side": MAX_SIDE,
        "files": MAX_FILES,
        "request_bytes": request_bytes,
        "exports": list(FORMATS),
    }


def moment(when: datetime) -> str:
    """ISO 8601 in UTC with a Z."""
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def job(view: JobView) -> shapes.Job:
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
        "result": _with_addresses(view),
        "error": row.error or None,
    }


def _with_addresses(view: JobView) -> dict[str, Any] | None:
    """The result of a job; files that it has made and that are still there have their address."""
    files = export_job.files_of(view)
    if not files:
        return view.job.result
    told = [
        one | {"url": url_for("api_jobs.file", job_id=view.job.public_id, name=one["name"])}
        for one in files
    ]
    return {**(view.job.result or {}), "files": told}


def job_with_log(view: JobView, log: Iterable[JobLine]) -> shapes.JobWithLog:
    """A job as it stands, with the end of its log."""
    return {**job(view), "log": [{"at": moment(row.at), "text": row.text} for row in log]}


def job_page(page: JobPage) -> shapes.JobPage:
    """A page of jobs."""
    return {"items": [job(one) for one in page.items], "next": page.next or None}
