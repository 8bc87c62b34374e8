"""Ground truths for many photos in JSON, and taking them back."""

from __future__ import annotations

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from webapp import errors
from webapp.api import payloads, shapes
from webapp.api.calls import Need, call
from webapp.api.keys import guard, who
from webapp.api.questions import Batch, LabelsBody
from webapp.ext import get_cards, get_classifier
from webapp.services import many, relabel
from webapp.services.many import Selection

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
    selection = Selection(ids=tuple(dict.fromkeys(body.ids))) if named else Selection(wanted=body.filter.wanted())
    first, *others = [get_classifier(body.model).card] if body.model else get_cards() or [get_classifier().card]
    done = many.relabel_all(selection, body.label, card=first, others=others, who=who(), place="api", why=body.why)
    return jsonify(payloads.relabelled(done, body.label))


@call(bp, "DELETE", "/labels/batches/<batch>", needs=Need.REVIEW, answers={200: shapes.Relabelled}, errors=(errors.NothingToUndoError,))
def undo(batch: Batch) -> ResponseReturnValue:
    """Take back what was done together; `batch` of the answer undoes the undo."""
    return jsonify(payloads.relabelled(relabel.undo_batch(batch, who=who(), place="api")))
