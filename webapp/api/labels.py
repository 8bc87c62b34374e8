"""Ground truths for many photos in JSON, and taking them back."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from webapp import errors
from webapp.api.authentication import guard, who
from webapp.api.openapi.calls import Need, call
from webapp.api.schemas import presenters as payloads
from webapp.api.schemas import responses as shapes
from webapp.api.schemas.requests import Batch, LabelsBody, SuspectedQuery
from webapp.domain import GalleryFilter
from webapp.extensions import get_cards, get_classifier, get_registry
from webapp.services.jobs.types import bulk as bulk_job
from webapp.services.labels import relabel
from webapp.services.photos import bulk as many
from webapp.services.photos.bulk import Selection
from webapp.services.review import suspects as suspicion

bp = Blueprint("api_labels", __name__)
guard(bp)


@call(
    bp,
    "POST",
    "/labels",
    needs=Need.REVIEW,
    answers={200: shapes.Relabelled},
    errors=(errors.PhotoNotFoundError, errors.UnknownLabelError, errors.ModelNotFoundError),
)
def add(body: LabelsBody) -> ResponseReturnValue:
    """Give many photos a ground truth, all in one batch: those named by id, or all that match a filter."""
    named = "ids" in body.model_fields_set
    selection = (
        Selection(ids=tuple(dict.fromkeys(body.ids)))
        if named
        else Selection(wanted=body.filter.wanted())
    )
    first, *others = (
        [get_classifier(body.model).card] if body.model else get_cards() or [get_classifier().card]
    )
    done = many.relabel_all(
        selection, body.label, card=first, others=others, who=who(), place="api", why=body.why
    )
    return jsonify(payloads.relabelled(done, body.label))


@call(
    bp,
    "DELETE",
    "/labels/batches/<batch>",
    needs=Need.REVIEW,
    answers={200: shapes.Relabelled},
    errors=(errors.NothingToUndoError,),
)
def undo(batch: Batch) -> ResponseReturnValue:
    """Take back what was done together; `batch` of the answer undoes the undo."""
    if bulk_job.is_large_batch(batch):
        raise errors.BadRequestError(
            'This is too much to take back in one call. Put in a job: {"kind": "many", "action": "undo", "batch": "…"}.'
        )
    return jsonify(payloads.relabelled(relabel.undo_batch(batch, who=who(), place="api")))


@call(
    bp,
    "GET",
    "/suspected",
    needs=Need.REVIEW,
    answers={200: shapes.Suspects},
    errors=(errors.ModelNotFoundError,),
)
def suspected(query: SuspectedQuery) -> ResponseReturnValue:
    """Ground truths that a model doubts, the most suspected first.

    A relabelling settles one; that a label is right after all, people say in the review.
    """
    card = get_classifier(query.model).card
    suspicion.look(get_registry(), [card])
    wanted = GalleryFilter(model=card.name, ground_truth=query.ground_truth or "")
    found = suspicion.suspects(
        wanted, who=who(), other=query.other, cursor=query.cursor, limit=query.limit
    )
    return jsonify(payloads.suspects(found, card))
