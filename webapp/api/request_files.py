"""The files of a request, in whichever field its door calls for them."""

from contextlib import closing

from flask import request

from webapp.errors import NoFileError
from webapp.http.rate_limits import count_photos
from webapp.services.photos.classify import MAX_BYTES, Incoming


def read_files(field: str) -> list[Incoming]:
    """The files of the form's `field`. Raises `NoFileError` when the request is no form or has none there,
    and `TooManyRequestsError` when they are more than the sender may send in a minute.

    One byte more than allowed is read of each: enough to know that it is too large.
    """
    if request.mimetype != "multipart/form-data":
        raise NoFileError(
            f"Send the photo as multipart/form-data in a field called {field}, for instance: curl -F {field}=@photo.jpg"
        )
    uploads = [one for one in request.files.getlist(field) if one.filename]
    if not uploads:
        raise NoFileError(
            f"The form has no file in a field called {field}, for instance: curl -F {field}=@photo.jpg"
        )
    count_photos(len(uploads))
    incoming = []
    for one in uploads:
        with closing(one):
            incoming.append(Incoming(one.filename or "", one.read(MAX_BYTES + 1)))
    return incoming
