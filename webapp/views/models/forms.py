"""Forms of models: compare, promote, roll back, import."""

from flask_wtf.file import FileField
from wtforms import BooleanField, HiddenField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import Length

from webapp.services.jobs.types.compare import NEWEST
from webapp.views.forms import Form

_PREPROCESSING = [
    SelectChoice("auto", "Not known: 0 to 1, unless the network scales by itself"),
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
        "How photos were prepared in training", choices=_PREPROCESSING, validate_choice=False
    )
    resize = SelectField("How photos are resized", choices=_RESIZING, validate_choice=False)
    size = StringField("Size")
    threshold = StringField("Not sure below, %", default="50")
