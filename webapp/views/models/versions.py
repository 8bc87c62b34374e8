"""The versions of one model: which there are, two of them compared, which one serves, what served before, and one to take along."""

import tempfile
from pathlib import Path
from typing import Any

from flask import Blueprint, redirect, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue

from webapp.errors import (
    BadRequestError,
    MarqueError,
    ModelError,
    ModelNotFoundError,
    StorageFullError,
)
from webapp.extensions import get_config, get_registry, load_version
from webapp.inference.models import bundle
from webapp.inference.models.gate import Said
from webapp.services.jobs.types import compare as compare_job
from webapp.services.jobs.types.compare import ComparisonOrder
from webapp.services.models import cards, compare
from webapp.services.models import promotion as promote
from webapp.services.models.compare import Standing
from webapp.services.photos.wording import display
from webapp.views import guards
from webapp.views.flashes import note
from webapp.views.guards import sender
from webapp.views.jobs import REFRESH

bp = Blueprint("versions", __name__, url_prefix="/models")
STRIP = 24
"""Photos of a strip; the others are counted."""


@bp.get("/<name>")
def model(name: str) -> ResponseReturnValue:
    """Every version of a model with how well it was measured; for people who log in what served when, for admins the way back."""
    registry = get_registry()
    shelves = [one for one in cards.catalogue(registry) if one.name == name]
    if not shelves:
        raise ModelNotFoundError(f"There is no model called {name[:80]!r}.")
    live = registry.live_version(name)
    return render_template(
        "models/model.html",
        name=name,
        live_version=live,
        shelves=[(one, cards.headline(one.card) if one.card else None) for one in shelves],
        title=next((one.card.title for one in shelves if one.card), name),
        before=promote.way_back(registry, name) if guards.person() else None,
        changes=promote.history(name) if guards.person() else [],
    )


@bp.get("/<name>/compare")
@guards.people_only
def comparison(name: str) -> ResponseReturnValue:
    """Two versions on the same photos of this history: `?a=` is the champion, `?b=` the challenger."""
    return _comparison(name, *_pair(name, request.args))


@bp.post("/<name>/compare")
@guards.admins_only
def ask(name: str) -> ResponseReturnValue:
    """Put in the job in which both versions look at the newest photos, or find the one that is not over."""
    one, other = _pair(name, request.form)
    known = compare_job.last(name, one, other)
    if known is not None and not known.over:
        return redirect(url_for("jobs.one", job_id=known.job.public_id), 303)
    text = request.form.get("newest", "").strip() or str(compare_job.NEWEST)
    newest = int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else 0
    try:
        wanted = ComparisonOrder(name, one, other, newest)
        job = compare_job.enqueue(get_registry(), wanted, sender())
    except BadRequestError as error:
        return _comparison(name, one, other, error)
    return redirect(url_for("jobs.one", job_id=job.public_id), 303)


@bp.post("/<name>/promote")
@guards.admins_only
def take_over(name: str) -> ResponseReturnValue:
    """Let a version serve, if the comparison or the admin says so."""
    version = _number(request.form.get("version", ""))
    force, why = request.form.get("force") == "yes", request.form.get("why", "")
    live = get_registry().live_version(name)
    try:
        row = compare.promote_here(
            get_registry(), name, version, load_version, guards.who(), force=force, why=why
        )
    except ModelNotFoundError:
        raise
    except (ModelError, StorageFullError) as error:
        if live is None or live == version:
            raise
        return _comparison(name, live, version, error)
    instead = f" instead of version {row.from_version}" if row.from_version is not None else ""
    note(f"{name} {version} is live{instead}. Every worker follows with its next photo.")
    return redirect(url_for(".model", name=name), 303)


@bp.post("/<name>/rollback")
@guards.admins_only
def go_back(name: str) -> ResponseReturnValue:
    """Let the version serve again that was live before."""
    row = promote.rollback(
        get_registry(), name, load_version, guards.who(), why=request.form.get("why", "")
    )
    note(f"{name} {row.to_version} is live again, instead of version {row.from_version}.")
    return redirect(url_for(".model", name=name), 303)


@bp.get("/<name>/<int:version>/export")
@guards.admins_only
def export(name: str, version: int) -> ResponseReturnValue:
    """The version with its card as a zip, which another Marque imports bit by bit."""
    with tempfile.TemporaryDirectory(dir=get_config().data, prefix=".export-") as folder:
        target = Path(folder) / f"{name}-{version}.zip"
        bundle.pack(get_registry(), name, version, target)
        content = target.open("rb")  # it stays readable when the folder is gone
    return send_file(
        content, mimetype="application/zip", as_attachment=True, download_name=target.name
    )


def _comparison(
    name: str, one: int, other: int, error: MarqueError | None = None
) -> ResponseReturnValue:
    registry = get_registry()
    found = compare.standing(registry, name, one, other)
    replayed = compare_job.last(name, one, other)
    live = registry.live_version(name)
    page = render_template(
        "models/compare.html",
        name=name,
        found=found,
        versions=registry.versions(name),
        live_version=live,
        replayed=replayed,
        replay_said=compare_job.summary(replayed.job.result)
        if replayed and replayed.job.result
        else "",
        newest=compare_job.NEWEST,
        most=compare_job.MOST,
        error=error,
        kept=request.form,
        may_promote=live == one and other != live,
        measured=[(card, cards.headline(card)) for card in (found.champion, found.challenger)],
        same_photos=_same_photos(found),
        changed=_changed(found),
        strips=_strips(found),
        shown=lambda label: display(
            found.challenger if found.challenger.label(label) else found.champion, label
        ),
        least=compare.LEAST,
    )
    looking = replayed is not None and not replayed.over and found.waiting and error is None
    return page, error.status if error else 200, {"Refresh": str(REFRESH)} if looking else {}


def _same_photos(found: Standing) -> bool:
    """True when both cards quote figures of the same split: the same photos, never learnt from."""
    fingerprints = [one.split.get("fingerprint") for one in (found.champion, found.challenger)]
    return bool(fingerprints[0]) and fingerprints[0] == fingerprints[1]


def _changed(found: Standing) -> list[Any]:
    """The labels on which the two differ, what falls most first."""
    labels = found.comparison.labels if found.comparison else ()
    return sorted(
        (one for one in labels if one.champion != one.challenger),
        key=lambda one: (not one.falls, one.challenger - one.champion),
    )


def _strips(found: Standing) -> list[tuple[str, str, list[tuple[Said, Any]], int]]:
    """Fixed and broken photos: title, explanation, what was said with the photo, how many are not shown."""
    if found.comparison is None:
        return []
    one, other = found.champion.version, found.challenger.version
    lists = (
        (
            "Broken",
            f"Right with version {one}, wrong with version {other}",
            found.comparison.broken,
        ),
        ("Fixed", f"Wrong with version {one}, right with version {other}", found.comparison.fixed),
    )
    return [
        (
            title,
            words,
            [(said, found.pictures.get(said.sha256)) for said in photos[:STRIP]],
            max(0, len(photos) - STRIP),
        )
        for title, words, photos in lists
        if photos
    ]


def _pair(name: str, asked: Any) -> tuple[int, int]:
    """The versions to compare: those that are asked for; without them the live one, and the newest other one."""
    registry = get_registry()
    versions = registry.versions(name)
    if not versions:
        raise ModelNotFoundError(f"There is no model called {name[:80]!r}.")
    live = registry.live_version(name)
    one = _number(asked["a"]) if asked.get("a") else live if live is not None else versions[0]
    newest = next((version for version in reversed(versions) if version != one), None)
    other = _number(asked["b"]) if asked.get("b") else newest
    if other is None or one == other:
        raise BadRequestError(
            f"A comparison needs two versions of {name}. There {'is only one' if len(versions) == 1 else 'are more'}."
        )
    return one, other


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise BadRequestError(f"A version is a number, not {text[:40]!r}.")
    return int(text)
