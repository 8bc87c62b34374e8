"""The gallery with its filters, one photo with its history, its pictures, and its deletion."""

from datetime import date
from pathlib import PurePath
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.domain import ALL_MODELS
from webapp.errors import (
    BadRequestError,
    NotAllowedError,
    PhotoDeletedError,
)
from webapp.extensions import get_extensions, get_files, get_limiter, get_pipeline, get_registry
from webapp.gallery_filter import (
    PARAMETERS,
    GalleryFilter,
    choices_of,
    filter_params,
    without,
)
from webapp.http.rate_limits import count_photos
from webapp.http.responses import picture
from webapp.services.accounts import users
from webapp.services.photos import classify, deletion, gallery, own_uploads
from webapp.services.photos.gallery import Photo
from webapp.services.stats.training_membership import read_lists
from webapp.storage.photos.bulk import anything_deleted
from webapp.storage.photos.pages import count_by_outcome
from webapp.views import guards
from webapp.views.flashes import note
from webapp.views.layout import label_groups, model_choices, render_page
from webapp.views.photos import photo_page
from webapp.views.photos.bulk import BulkForm
from webapp.views.photos.presenters import card_for, present_photo, present_prediction
from webapp.views.photos.query_filters import (
    TABS,
    FilterForm,
    filter_tags,
    read_filter,
    version_choices,
)

bp = Blueprint("gallery", __name__)
_SIZES = {"large": 24, "small": 56}  # photos on a page, by the size of their tiles


@bp.get("/gallery")
@guards.gallery_open
def index() -> ResponseReturnValue:
    """A page of photos. A filter that cannot be is named above the form; what was typed stays."""
    asked: dict[str, Any] = {
        name: text for name in (*PARAMETERS, "size") if (text := request.args.get(name, "").strip())
    }
    size = asked["size"] if asked.get("size") in _SIZES else "large"
    error, wanted, page = None, GalleryFilter(), gallery.Page([], "", "")
    try:
        wanted = read_filter(asked)
        asked = filter_params(wanted) | ({"size": size} if "size" in asked else {})
        if day := request.args.get("jump", "").strip():
            cursor = gallery.cursor_at(wanted, _parse_day(day))
            return redirect(url_for(".index", **asked, cursor=cursor or None), 303)
        if wanted.trained_on:
            read_lists(get_registry())
        page = gallery.gallery_page(
            wanted, limit=_SIZES[size], cursor=request.args.get("cursor", "")
        )
    except BadRequestError as refused:
        error, wanted = refused, GalleryFilter()
    counts = count_by_outcome(wanted)
    person = guards.person()
    return render_page(
        "photos/gallery.html",
        error,
        page=page,
        tiles=[(photo, present_photo(photo)) for photo in page.items],
        asked=asked,
        rest=without(asked, "outcome"),
        size=size,
        counts=counts,
        total=counts[wanted.outcome or "all"],
        tabs={name: choices_of("outcome")[name] for name in TABS},
        tags=[] if error else filter_tags(asked),
        form=FilterForm(asked, [user.name for user in users.all_users()] if person else [], error),
        bulk_form=_bulk_form(wanted) if person else None,
        detector=get_extensions().live_detector(),
        labels=label_groups(wanted.model, retired=False) if person else [],
        deleted=guards.is_admin() and anything_deleted(),
    )


@bp.get("/photos/<public_id>")
@guards.photo_open
def photo(public_id: str) -> ResponseReturnValue:
    """One photo: a model's answer in words (`?model=` says whose) about one of its cars (`?car=`,
    else the main one), what became of it, facts."""
    try:
        return photo_page.render(
            public_id, request.args.get("car", ""), request.args.get("model", "")
        )
    except PhotoDeletedError:
        return _gone(public_id)


@bp.get("/photos/<public_id>/models")
@guards.photo_open
def opinions(public_id: str) -> ResponseReturnValue:
    """What each model says about a car of a photo (`?car=`, else the main one), side by side."""
    details = gallery.get_details(public_id, request.args.get("car", ""))
    return render_template(
        "photos/predictions.html",
        photo=details.photo,
        car=details.car,
        cars=gallery.cars_of(details.photo),
        answers=[
            (each, present_prediction(each, details.answers), card_for(each))
            for each in details.answers
        ],
        silent=photo_page.silent(details),
        again=request.args.get("sent") == "again",
    )


@bp.post("/photos/<public_id>/models")
@guards.uploads_open
@guards.photo_open
def ask(public_id: str) -> ResponseReturnValue:
    """Let another model look at a photo, or all; what it says is kept."""
    choice, car = request.form.get("model", ""), request.form.get("car") or None
    count_photos()
    classify.ask_models(gallery.get_photo(public_id), get_pipeline(choice))
    if choice == ALL_MODELS:
        return redirect(url_for(".opinions", public_id=public_id, car=car), 303)
    return redirect(url_for(".photo", public_id=public_id, car=car, model=choice or None), 303)


@bp.get("/photos/<public_id>/view")
@guards.photo_open
def view(public_id: str) -> ResponseReturnValue:
    """The large picture."""
    return picture(gallery.view(public_id, files=get_files(), limiter=get_limiter()))


@bp.get("/photos/<public_id>/thumbnail")
@guards.photo_open
def thumbnail(public_id: str) -> ResponseReturnValue:
    """The small picture."""
    return picture(gallery.thumbnail(public_id))


@bp.get("/photos/<public_id>/file")
@guards.photo_open
def file(public_id: str) -> ResponseReturnValue:
    """The file to keep. With its metadata only for an admin and for who uploaded it."""
    photo = gallery.get_photo(public_id)
    rendition = gallery.original(
        photo, files=get_files(), limiter=get_limiter(), with_metadata=_may_delete(photo)
    )
    name = _file_name(photo.filename, rendition.content_type)
    return picture(rendition, download_name=name, varies=True)


@bp.get("/photos/<public_id>/delete")
def delete(public_id: str) -> ResponseReturnValue:
    """Ask once more. Open to an admin, and to who has the uploader's link."""
    try:
        photo = gallery.get_photo(public_id)
    except PhotoDeletedError:
        return _gone(public_id)
    if not _may_delete(photo):
        raise NotAllowedError(deletion.NOT_YOURS)
    return render_template(
        "photos/delete.html",
        photo=photo,
        token=_token(public_id),
        visible=guards.may_browse() or guards.sent_here(public_id),
        days=deletion.GRACE.days,
    )


@bp.post("/photos/<public_id>/delete")
def delete_now(public_id: str) -> ResponseReturnValue:
    """Delete a photo: nobody sees it any more, and for some days it can be brought back."""
    token = _token(public_id)
    name = deletion.delete_photo(
        public_id, who=guards.who(), admin=_needs_no_token(public_id), token=token
    )
    link_token = token if token != guards.delete_token(public_id) else ""
    note(
        f"Deleted: {name}. It goes for good in {deletion.GRACE.days} days.",
        link=url_for(".photo", public_id=public_id, token=link_token or None),
        link_text="Bring it back",
    )
    return redirect(url_for(".index" if guards.may_browse() else "upload.index"), 303)


@bp.post("/photos/<public_id>/restore")
def restore(public_id: str) -> ResponseReturnValue:
    """Bring a deleted photo back. Open to an admin, and to who has its uploader's link."""
    name = deletion.restore_photo(
        public_id, admin=_needs_no_token(public_id), token=_token(public_id)
    )
    note("Back again:", strong=f"{name}.")
    visible = guards.may_browse() or guards.sent_here(public_id)
    to = url_for(".photo", public_id=public_id) if visible else url_for("upload.index")
    return redirect(to, 303)


def _parse_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadRequestError("jump must be a day like 2026-02-27.") from None


def _bulk_form(wanted: GalleryFilter) -> BulkForm:
    """The form below the tiles that does something with the picked ones."""
    form = BulkForm(formdata=None, label=wanted.ground_truth)
    form.asked.choices = {}
    for name, title in model_choices():
        form.asked.choices |= version_choices(name, title)
    return form


def _gone(public_id: str) -> ResponseReturnValue:
    """The page of a deleted photo: who deleted it, or could, may bring it back."""
    token = _token(public_id)
    photo = deletion.restorable(public_id, admin=_needs_no_token(public_id), token=token)
    body = render_template(
        "photos/gone.html",
        photo=photo,
        public_id=public_id,
        token=token,
        ends=photo.deleted_at + deletion.GRACE if photo and photo.deleted_at else None,
    )
    return body, 410


def _needs_no_token(public_id: str) -> bool:
    """True for who deletes a photo without its link: an admin, and who sent it among many."""
    return guards.is_admin() or own_uploads.came_with(public_id, guards.owner().id)


def _may_delete(photo: Photo) -> bool:
    return _needs_no_token(photo.public_id) or deletion.may_delete(photo, _token(photo.public_id))


def _token(public_id: str) -> str:
    """The delete token from the link or form, else the one that this browser keeps."""
    return request.values.get("token", "") or guards.delete_token(public_id)


def _file_name(filename: str, content_type: str) -> str:
    """The user's name, with another ending when a copy without metadata has become a JPEG."""
    endings = (".jpg", ".jpeg", ".jfif")
    if content_type != "image/jpeg" or PurePath(filename).suffix.lower() in endings:
        return filename
    return f"{PurePath(filename).stem or 'photo'}.jpg"
