"""Forms of labels: relabel and undo, label sets, merge and split, import."""

from flask_wtf.file import FileField, MultipleFileField
from wtforms import BooleanField, HiddenField, StringField, TextAreaField

from webapp.views.forms import Form


class RelabelForm(Form):
    """Give one photo a ground truth. `model` is the one whose labels the page showed."""

    label = HiddenField()
    model = HiddenField()
    why = StringField("Why")


class UndoForm(Form):
    """Take back a batch, or one event."""

    batch = HiddenField()
    event = HiddenField()

    @property
    def event_id(self) -> int:
        """The event's number, 0 for one that makes no sense."""
        text = self.event.data or ""
        return int(text) if text.isdecimal() and len(text) < 18 else 0


class LabelForm(Form):
    """How people see one label: a field for each kind of edit. An undo sends the label only."""

    label = HiddenField()
    name = StringField("Name")
    parent = StringField("Parent")
    aliases = TextAreaField("Aliases, one on each line")
    color = StringField("Colour")
    key = StringField("Key in the review")
    photo = StringField("Reference photo")
    retired = StringField("Retired")
    why = StringField("Why (not needed, but kept)")

    def values(self, *kinds: str) -> dict[str, str]:
        """The values of these kinds of edits; what was not sent is empty."""
        return {kind: self[kind].data or "" for kind in kinds}


class LabelSetFileForm(Form):
    """A label set as a file, then its text with the button that saves it."""

    file = FileField("Take in such a file")
    text = TextAreaField()
    apply = HiddenField()

    def content(self, most: int) -> bytes:
        """What was sent, in UTF-8, at most `most` bytes of a file."""
        if self.file.data:
            return self.file.data.read(most).decode("utf-8", "replace").encode()
        return (self.text.data or "").encode()


class MergeForm(Form):
    """Merge a label into another one."""

    label = HiddenField()
    into = StringField("Merge into")
    why = StringField("Why (not needed, but kept)")


class SplitForm(Form):
    """Split a label into new ones."""

    label = HiddenField()
    names = TextAreaField("New labels, one on each line")
    why = StringField("Why (not needed, but kept)")


class LabelFileForm(Form):
    """A file of labels to import."""

    file = FileField("A file of labels")


class LabelFolderForm(Form):
    """A folder of photos, or from the script the SHA-256 of each."""

    folder = MultipleFileField("Or a folder of photos, with a folder for each label in it")
    sums = FileField()


class LabelImportForm(Form):
    """Give the photos their labels."""

    by_name = BooleanField("Take the file name as enough")
    replace = BooleanField("Also replace labels that people gave")


class UndoPersonForm(Form):
    """Take back what a person said since a time."""

    who = StringField("Person")
    since = StringField("Since (UTC)")
