"""The versions of one model: list, compare two, promote, roll back, export."""

import tempfile
from pathlib import Path

from flask import Blueprint, redirect, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue
from wtforms import BooleanField, HiddenField, StringField
from wtforms.validators import Length

from webapp.errors import (
    BadRequestError,
    MarqueError,
    ModelError,
    ModelNotFoundError,
    StorageFullError,
)
from webapp.extensions import get_config, get_registry, load_any_version
from webapp.inference.models import bundle
from webapp.services.jobs.types import compare as compare_job
from webapp.services.jobs.types import compare_detectors as compare_detectors_job
from webapp.services.models import cards, compare, compare_detectors
from webapp.services.models.detector_cards import detector_figures
from webapp.services.models.promotion import (
    Decision,
    Promotion,
    history,
    rollback,
    version_before,
)
from webapp.services.photos.wording import display
from webapp.views import guards
from webapp.views.flashes import note
from webapp.views.forms import Form
from webapp.views.jobs import REFRESH
from webapp.views.layout import render_page

bp = Blueprint("versions", __name__, url_prefix="/models")
_STRIP = 24  # photos of a strip; the others are counted


class _CompareForm(Form):
    """Let two versions answer the newest photos."""

    a = HiddenField()
    b = HiddenField()
    newest = StringField("Newest photos", default=str(compare_job.NEWEST))


class _ServeForm(Form):
    """Let a version serve, or without one that which was live before."""

    version = HiddenField()
    why = StringField("Why", [Length(max=500)])
    force = BooleanField()  # only "yes" counts


@bp.get("/<name>")
def model(name: str) -> ResponseReturnValue:
    """Every version of a model; for people who log in what served when, for admins roll back."""
    registry = get_registry()
    entries = cards.catalogue(registry, name)
    if not entries:
        raise ModelNotFoundError(f"There is no model called {name[:80]!r}.")
    return render_template(
        "models/model.html",
        name=name,
        live_version=registry.live_version(name),
        entries=entries,
        detector=registry.is_detector(name),
        title=next((entry.card.title for entry in entries if entry.card), name),
        before=version_before(registry, name) if guards.person() else None,
        changes=history(name) if guards.person() else [],
        form=_ServeForm(formdata=None),
    )


@bp.get("/<name>/compare")
@guards.people_only
def comparison(name: str) -> ResponseReturnValue:
    """Two versions on the photos of this history: `?a=` is the champion, `?b=` the challenger."""
    pair = _pair(name, request.args.get("a"), request.args.get("b"))
    return _comparison_page(name, *pair)


@bp.post("/<name>/compare")
@guards.admins_only
def ask(name: str) -> ResponseReturnValue:
    """Start the job in which both versions answer the newest photos, or look at those that people
    checked, or show the running one."""
    form = _CompareForm()
    champion, challenger = _pair(name, form.a.data, form.b.data)
    detector = get_registry().is_detector(name)
    running = (compare_detectors_job if detector else compare_job).last(name, champion, challenger)
    if running is not None and not running.over:
        return guards.to_job(running.job)
    if detector:
        pair = (champion, challenger)
        job = compare_detectors_job.enqueue(get_registry(), name, *pair, guards.sender())
        return guards.to_job(job)
    text = form.newest.data.strip() or str(compare_job.NEWEST)
    newest = int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else 0
    wanted = compare_job.ComparisonOrder(name, champion, challenger, newest)
    try:
        return guards.to_job(compare_job.enqueue(get_registry(), wanted, guards.sender()))
    except BadRequestError as error:
        return _comparison_page(name, champion, challenger, error)


@bp.post("/<name>/promote")
@guards.admins_only
def take_over(name: str) -> ResponseReturnValue:
    """Let a version serve, if the comparison or the admin says so."""
    form, registry = _ServeForm(), get_registry()
    version, live = _number(form.version.data), registry.live_version(name)
    force = request.form.get("force") == "yes"
    decision = Decision(guards.who(), form.why.data, force=force)
    try:
        row = compare_detectors_job.promote(registry, name, version, load_any_version, decision)
    except ModelNotFoundError:
        raise
    except (ModelError, StorageFullError) as error:
        if live is None or live == version:
            raise
        return _comparison_page(name, live, version, error)
    _note_live(row)
    return redirect(url_for(".model", name=name), 303)


def _note_live(row: Promotion) -> None:
    instead = f" instead of version {row.from_version}" if row.from_version is not None else ""
    note(
        f"{row.model} {row.to_version} is live{instead}. Every worker follows with its next photo."
    )


@bp.post("/<name>/rollback")
@guards.admins_only
def go_back(name: str) -> ResponseReturnValue:
    """Let the version serve again that was live before."""
    decision = Decision(guards.who(), _ServeForm().why.data)
    row = rollback(get_registry(), name, load_any_version, decision)
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


def _comparison_page(
    name: str, champion: int, challenger: int, error: MarqueError | None = None
) -> ResponseReturnValue:
    registry = get_registry()
    if registry.is_detector(name):
        return _detectors_page(name, champion, challenger, error)
    result = compare.compare_on_history(registry, name, champion, challenger)
    job = compare_job.last(name, champion, challenger)
    running = job is not None and not job.over
    live = registry.live_version(name)
    known = result.challenger.label
    first, second = (card.split.get("fingerprint") for card in (result.champion, result.challenger))
    changed, strips = [], []
    if compared := result.comparison:
        broken = f"Right with version {champion}, wrong with version {challenger}"
        fixed = f"Wrong with version {champion}, right with version {challenger}"
        strips = [("Broken", broken, compared.broken), ("Fixed", fixed, compared.fixed)]
        changed = [label for label in compared.labels if label.champion != label.challenger]
    page, status, headers = render_page(
        "models/compare.html",
        error,
        name=name,
        result=result,
        versions=registry.versions(name),
        live_version=live,
        job=job,
        job_text=compare_job.summary(job.job.result) if job and job.job.result else "",
        most=compare_job.MOST,
        compare_form=_CompareForm(a=champion, b=challenger),
        promote_form=_ServeForm(version=challenger),
        may_promote=live == champion and challenger != live,
        measured=[(card, cards.headline(card)) for card in (result.champion, result.challenger)],
        same_photos=bool(first) and first == second,
        changed=sorted(changed, key=lambda row: (not row.falls, row.challenger - row.champion)),
        strips=strips,
        strip_length=_STRIP,
        name_of=lambda label: display(
            result.challenger if known(label) else result.champion, label
        ),
        least=compare.LEAST,
    )
    if running and result.waiting and error is None:
        headers["Refresh"] = str(REFRESH)
    return page, status, headers


def _detectors_page(
    name: str, champion: int, challenger: int, error: MarqueError | None
) -> ResponseReturnValue:
    registry = get_registry()
    possible = compare_detectors.comparable(registry, name, champion, challenger)
    job = compare_detectors_job.last(name, champion, challenger)
    comparison = compare_detectors_job.last_comparison(name, champion, challenger)
    live = registry.live_version(name)
    figures = [detector_figures(part) for part in comparison.figures] if comparison else []
    page, status, headers = render_page(
        "models/compare_detectors.html",
        error,
        name=name,
        champion=champion,
        challenger=challenger,
        possible=possible,
        comparison=comparison,
        figures=figures,
        versions=registry.versions(name),
        live_version=live,
        job=job,
        compare_form=_CompareForm(a=champion, b=challenger),
        promote_form=_ServeForm(version=challenger),
        may_promote=live == champion and challenger != live,
        least=compare.LEAST,
    )
    if job is not None and not job.over and error is None:
        headers["Refresh"] = str(REFRESH)
    return page, status, headers


def _pair(name: str, a: str | None, b: str | None) -> tuple[int, int]:
    """The versions to compare: as asked; else the live one, and the newest other one."""
    registry = get_registry()
    versions = registry.versions(name)
    if not versions:
        raise ModelNotFoundError(f"There is no model called {name[:80]!r}.")
    live = registry.live_version(name)
    champion = _number(a) if a else live if live is not None else versions[0]
    newest = next((version for version in reversed(versions) if version != champion), None)
    challenger = _number(b) if b else newest
    if challenger is None or champion == challenger:
        count = "is only one" if len(versions) == 1 else "are more"
        raise BadRequestError(f"A comparison needs two versions of {name}. There {count}.")
    return champion, challenger


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise BadRequestError(f"A version is a number, not {text[:40]!r}.")
    return int(text)
