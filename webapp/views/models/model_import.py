"""For admins: import a model file from elsewhere; a job lets the gate look at it."""

import os
from contextlib import closing
from importlib.util import find_spec

from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from flask_wtf.file import FileField
from wtforms import SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import Length

from webapp.errors import BadRequestError, MarqueError, ModelRefusedError
from webapp.extensions import get_config
from webapp.http.messages import MAX_MODEL
from webapp.services.jobs import queue
from webapp.services.jobs.queue import Job
from webapp.services.jobs.types import model_import
from webapp.services.jobs.types.model_import import FILE_ENDINGS, ModelUpload
from webapp.views import guards
from webapp.views.forms import Form
from webapp.views.layout import render_page

bp = guards.guard(Blueprint("imports", __name__, url_prefix="/imports"), guards.admins_only)
_LAST = 20  # imports that are listed
_PREPROCESSING = [
    SelectChoice("auto", "As the file tells; refused where it does not"),
    SelectChoice("none", "0 to 255, it scales by itself (EfficientNet, ConvNeXt)"),
    SelectChoice("unit", "0 to 1"),
    SelectChoice("minus-one-to-one", "−1 to 1 (MobileNetV2, Teachable Machine)"),
    SelectChoice("caffe", "As for ResNet50 and VGG16 of Keras"),
    SelectChoice("torch", "As for DenseNet and most of PyTorch"),
]
_RESIZING = [
    SelectChoice("stretch", "Stretched"),
    SelectChoice("pad", "Whole, with grey borders"),
    SelectChoice("crop", "Centre cut out"),
]


class _ImportForm(Form):
    """Import a model file; the job checks its options."""

    file = FileField("File")
    labels = TextAreaField("Labels, in the order of the outputs")
    labels_file = FileField("Or a file of labels")
    name = StringField("Name", [Length(max=63)])
    title = StringField("Title", [Length(max=80)])
    preprocess = SelectField(
        "How photos were prepared in training", choices=_PREPROCESSING, validate_choice=False
    )
    resize = SelectField("How photos are resized", choices=_RESIZING, validate_choice=False)
    size = StringField("Size")
    threshold = StringField("Not sure below, %", default="50")


@bp.route("", methods=["GET", "POST"])
def index() -> ResponseReturnValue:
    """The last imports, and a form that stores a file and starts its job. What is refused at once
    is said above it."""
    form, trouble, error = _ImportForm(), _trouble(), None
    if form.is_submitted():
        try:
            if trouble:
                raise ModelRefusedError(f"{trouble} Nothing was stored.")
            return guards.to_job(_start(form))
        except MarqueError as refused:
            error = refused
    job_type = model_import.JOB_TYPE.name
    return render_page(
        "models/import.html",
        error,
        form=form,
        trouble=trouble,
        imports=queue.list_jobs(guards.owner(), job_type=job_type, limit=_LAST).items,
        endings=FILE_ENDINGS,
        max_bytes=MAX_MODEL,
    )


def _trouble() -> str:
    """Why this server cannot import at all; "" when it can."""
    if find_spec("tensorflow") is None or find_spec("h5py") is None:
        return "This server was installed to serve only: it has no TensorFlow to open a model with."
    if not os.access(get_config().models, os.W_OK):
        return "The models folder of this server is missing or read-only."
    return ""


def _start(form: _ImportForm) -> Job:
    options = model_import.check_options(request.form)
    file, labels_file = form.file.data, form.labels_file.data
    if not file or not file.filename:
        raise BadRequestError("Choose a file: a network (.keras, .h5, .hdf5), or a zip with one.")
    labels = None
    if labels_file and labels_file.filename:
        labels = (labels_file.filename, labels_file.stream)
    with closing(file.stream):
        upload = ModelUpload(file.filename, file.stream, form.labels.data, labels)
        return model_import.enqueue(get_config().data, upload, options, guards.sender())
