"""The files of a multipart form."""

from flask import request

from webapp.errors import NoFileError
from webapp.http.rate_limits import count_photos
from webapp.services.photos.classify import MAX_BYTES, Incoming


def read_files(field: str) -> list[Incoming]:
    """The files of the form's `field`, each up to one byte more than a photo may have.

    Raises:
        NoFileError: The request is not a form or has no file in the field.
        TooManyRequestsError: The sender may not send this number of photos now.
    """
    example = f"in a field called {field}, for instance: curl -F {field}=@photo.jpg"
    if request.mimetype != "multipart/form-data":
        raise NoFileError(f"Send the photo as multipart/form-data {example}")
    uploads = [upload for upload in request.files.getlist(field) if upload.filename]
    if not uploads:
        raise NoFileError(f"The form has no file {example}")
    count_photos(len(uploads))
    incoming = []
    for upload in uploads:
        with upload.stream:
            incoming.append(Incoming(upload.filename or "", upload.read(MAX_BYTES + 1)))
    return incoming
