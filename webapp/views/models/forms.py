"""Forms of models: compare, promote, roll back, import."""

from typing import Any

from flask_wtf.file import FileField
from wtforms import BooleanField, HiddenField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import Length

from webapp.services.jobs.types.compare import NEWEST
from webapp.views.forms import Form

_PREPROCESSING = {
    "auto": "Not known: 0 to 1, unless the network scales by itself",
    "none": "0 to 255, it scales by itself (EfficientNet, ConvNeXt)",
    "unit": "0 to 1",
    "minus-one-to-one": "−1 to 1 (MobileNetV2, Teachable Machine)",
    "caffe": "As for ResNet50 and VGG16 of Keras",
    "torch": "As for DenseNet and most of PyTorch",
}
_RESIZING = {"stretch": "Stretched", "pad": "Whole, with grey borders", "crop": "Centre cut out"}


def _choices(texts: dict[str, str]) -> list[Any]:
    return [SelectChoice(value, text) for value, text in texts.items()]


class CompareForm(Form):
    """Let two versions answer the newest photos."""

    a = HiddenField()
    b = HiddenField()
    newest = StringField("Newest photos", default=str(NEWEST))


class PromoteForm(Form):
    """Let a version serve."""

    version = HiddenField()
    why = StringField("Why", [Length(max=500)])
    force = BooleanField()  # only "yes" counts


class RollbackForm(Form):
    """Let the version serve again that was live before."""

    why = StringField("Why", [Length(max=500)])


class ImportForm(Form):
    """Import a model file; the job checks its options."""

    file = FileField("File")
    labels = TextAreaField("Labels, in the order of the outputs")
    labels_file = FileField("Or a file of labels")
    name = StringField("Name", [Length(max=63)])
    title = StringField("Title", [Length(max=80)])
    preprocess = SelectField(
        "How photos were prepared in training",
        choices=_choices(_PREPROCESSING),
        validate_choice=False,
    )
    resize = SelectField(
        "How photos are resized", choices=_choices(_RESIZING), validate_choice=False
    )
    size = StringField("Size")
    threshold = StringField("Not sure below, %", default="50")
