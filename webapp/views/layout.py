"""What surrounds every page: header, footer, theme, help, and the helpers that templates use."""

import hashlib
from pathlib import Path
from typing import Any

from flask import (
    Blueprint,
    Flask,
    Response,
    current_app,
    g,
    redirect,
    render_template,
    request,
    send_from_directory,
    url_for,
)
from flask.typing import ResponseReturnValue

from webapp.domain import NONE_OF_THESE, UNUSABLE
from webapp.extensions import get_card, get_cards, get_config, get_trouble
from webapp.http.responses import wants_json
from webapp.inference.models.card import ModelCard
from webapp.inference.models.label_set import every_label, is_merged, offered, reads_as
from webapp.services.photos.classify import MAX_BYTES, MAX_FILES
from webapp.services.photos.wording import display
from webapp.views import guards
from webapp.views import template_filters as filters
from webapp.views.photos import session_uploads

bp = Blueprint("frame", __name__)
THEMES = ("light", "dark")
THEME_COOKIE = "theme"
YEAR = 60 * 60 * 24 * 365
Group = tuple[str, str, list[tuple[str, str]]]
"""Choices that belong together: a model, its title, and (label, display name) of each. The verdicts have no model."""


@bp.post("/theme")
def theme() -> ResponseReturnValue:
    """Remember light or dark in a cookie and go back to the page; 204 for the script, which has changed the page already."""
    chosen = request.form.get("theme", "")
    answer = (
        Response(status=204)
        if wants_json()
        else redirect(guards.way_back(url_for("upload.index")), 303)
    )
    if chosen in THEMES:
        answer.set_cookie(
            THEME_COOKIE,
            chosen,
            max_age=YEAR,
            samesite="Lax",
            secure=get_config().tls,
            path=request.script_root + "/",
        )
    return answer


@bp.get("/help")
def help() -> ResponseReturnValue:
    """Marks, keys, formats, and the other doors."""
    return render_template("operations/help.html")


@bp.get("/robots.txt")
def robots() -> ResponseReturnValue:
    """Search engines stay out: the photos belong to their owners."""
    return Response("User-agent: *\nDisallow: /\n", content_type="text/plain; charset=utf-8")


@bp.get("/favicon.ico")
def favicon() -> ResponseReturnValue:
    """For browsers that ask without reading the page."""
    return send_from_directory(
        str(current_app.static_folder), "favicon.svg", mimetype="image/svg+xml", max_age=86400
    )


def init_app(app: Flask) -> None:
    """Give every template its helpers."""
    filters.init_app(app)
    app.context_processor(_surroundings)
    app.after_request(_keep_assets)
    app.jinja_env.globals |= {"asset": asset, "color": color, "display": shown_name}


def asset(name: str) -> str:
    """The address of a static file, with a mark of its content, so that browsers take the new one after an upgrade."""
    return url_for("static", filename=name, v=_mark(name))


def _mark(name: str) -> str:
    """The mark of a static file's content, "0" when there is no such file."""
    kept: dict[tuple[str, int], str] = current_app.extensions.setdefault("marque-assets", {})
    path = Path(str(current_app.static_folder)) / name
    key = (name, path.stat().st_mtime_ns) if path.is_file() else (name, 0)
    if key not in kept:
        kept[key] = hashlib.sha256(path.read_bytes()).hexdigest()[:10] if path.is_file() else "0"
    return kept[key]


def _keep_assets(response: Response) -> Response:
    """An address that names the content never shows anything else: browsers keep it for good."""
    if request.endpoint == "static" and response.status_code in (200, 304):
        name = (request.view_args or {})["filename"]
        if request.args.get("v") == _mark(name):
            response.headers["Cache-Control"] = f"public, max-age={YEAR}, immutable"
    return response


def live_cards() -> list[ModelCard]:
    """The cards of all live models, the site's own first; read once for a page."""
    if "live_cards" not in g:
        g.live_cards = get_cards()
    return list(g.live_cards)


def color(label: str) -> str:
    """The colour of a label, "" when it has none."""
    card = _card_with(label)
    found = card.label(label) if card else None
    return found.color if found else ""


def shown_name(label: str) -> str:
    """How people read a label of the live models, or a verdict; a merged one with the name that it has now."""
    card = _card_with(label)
    found = card.label(label) if card else None
    if card is None or found is None or not is_merged(found):
        return display(card, label)
    return f"{found.display} (now {display(card, reads_as(card, label))})"


def model_title(name: str) -> str:
    """How people read a model: the title of its card, or its name when it is not live or shares the title with another."""
    titles = [card.title for card in live_cards()]
    return next(
        (
            card.title
            for card in live_cards()
            if card.name == name and titles.count(card.title) == 1
        ),
        name,
    )


def model_choices(also: str = "") -> list[tuple[str, str]]:
    """The live models as (name, title), the site's own first; `also` one that is not live any more."""
    names = [card.name for card in live_cards()]
    return [
        (name, model_title(name))
        for name in [*names, *([also] if also and also not in names else [])]
    ]


def label_groups(
    model: str = "", *, verdicts: tuple[str, ...] = (NONE_OF_THESE, UNUSABLE), retired: bool = True
) -> list[Group]:
    """What a ground truth may be: the labels of one live model, or of all of them, by name; then the verdicts.

    `retired` labels too, for filters; without them, for people who label.
    """
    cards = [card for card in live_cards() if card.name == model] or live_cards()
    groups = [(card.name, model_title(card.name), _by_name(card, retired)) for card in cards]
    return [*groups, ("", "", [(verdict, display(None, verdict)) for verdict in verdicts])]


def _by_name(card: ModelCard, retired: bool) -> list[tuple[str, str]]:
    return sorted(
        ((one.name, one.display) for one in (every_label(card) if retired else offered(card))),
        key=lambda pair: pair[1].casefold(),
    )


def _card_with(label: str) -> ModelCard | None:
    """The card that knows a label, the site's own if it does."""
    return next((card for card in live_cards() if card.label(label) is not None), None)


def _surroundings() -> dict[str, Any]:
    somebody = guards.person()
    places = [
        ("upload.index", "Upload"),
        ("gallery.index", "Gallery"),
        ("stats.index", "Stats"),
        ("models.index", "Models"),
    ]
    if somebody or session_uploads.browser():
        places.append(("jobs.index", "Jobs"))
    if somebody:
        places.insert(2, ("review.index", "Review"))
        places.append(("log.index", "Log"))
    if somebody and somebody.is_admin:
        places.append(("users.index", "People"))
    chosen = request.cookies.get(THEME_COOKIE, "")
    trouble = get_trouble()  # before the card: it finds out which version answers
    return {
        "trouble": trouble,
        "person": somebody,
        "live": get_card(),
        "live_cards": live_cards(),
        "places": places,
        "theme": chosen if chosen in THEMES else "",
        "here": guards.here(),
        "max_bytes": MAX_BYTES,
        "max_files": MAX_FILES,
    }
