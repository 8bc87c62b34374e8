"""Ground truths for many photos in JSON, and taking them back."""

from functools import partial

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from webapp import errors
from webapp.api.authentication import Need, guard, who
from webapp.api.openapi.calls import Call
from webapp.api.schemas import labels
from webapp.api.schemas.base import Batch
from webapp.domain import ALL_MODELS
from webapp.extensions import get_classifier, get_label_cards, get_pipeline, get_registry
from webapp.gallery_filter import GalleryFilter
from webapp.services.cars import boxes
from webapp.services.jobs.types import bulk as bulk_job
from webapp.services.photos import bulk
from webapp.services.photos.bulk import Selection
from webapp.services.review import suspects
from webapp.storage.labels.events import Stamp

bp = guard(Blueprint("api_labels", __name__))
_ABSENT = (errors.PhotoNotFoundError, errors.UnknownLabelError, errors.ModelNotFoundError)


@Call(bp, "POST /labels", Need.REVIEW, {200: labels.RelabelledJson}, _ABSENT)
def add(body: labels.LabelsBody) -> ResponseReturnValue:
    """Give many photos a ground truth, all in one batch: those of `ids`, or those of a `filter`."""
    ids = tuple(dict.fromkeys(body.ids or ()))
    selection = Selection(ids=ids) if ids else Selection(wanted=body.filter)
    done = bulk.relabel_all(
        selection, body.label, get_label_cards(body.model), Stamp(who(), "api", body.why)
    )
    return jsonify(labels.relabelled_json(done, body.label))


@Call(
    bp,
    "DELETE /labels/batches/<batch>",
    Need.REVIEW,
    {200: labels.RelabelledJson},
    (errors.NothingToUndoError,),
)
def undo(batch: Batch) -> ResponseReturnValue:
    """Take a batch back; `batch` of the answer undoes the undo.

    The box of a car that was drawn or moved in it is taken back as well.
    """
    if bulk_job.is_large_batch(batch):
        raise errors.BadRequestError(
            "This is too much to take back in one call. "
            'Put in a job: {"kind": "many", "action": "undo", "batch": "…"}.'
        )
    stamp = Stamp(who(), "api")
    done = boxes.undo_boxes(batch, partial(get_pipeline, ALL_MODELS), stamp)
    return jsonify(labels.relabelled_json(done))


@Call(bp, "GET /suspected", Need.REVIEW, {200: labels.SuspectsJson}, (errors.ModelNotFoundError,))
def suspected(query: labels.SuspectedQuery) -> ResponseReturnValue:
    """Ground truths that a model doubts, the most suspected first.

    A relabelling settles one; that a label is right after all, people say in the review.
    """
    card = get_classifier(query.model).card
    suspects.find_suspects(get_registry(), [card])
    wanted = GalleryFilter(model=card.name, ground_truth=query.ground_truth or "")
    page = suspects.list_suspects(
        wanted, who=who(), other=query.other, cursor=query.cursor, limit=query.limit
    )
    return jsonify(labels.suspects_json(page, card))
