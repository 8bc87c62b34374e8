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
    make_response,
    redirect,
    render_template,
    request,
    send_from_directory,
    url_for,
)
from flask.typing import ResponseReturnValue

from webapp.domain import VERDICTS
from webapp.errors import MarqueError
from webapp.extensions import get_card, get_cards, get_config, get_extensions, get_registry
from webapp.http.messages import wants_json
from webapp.http.responses import headers_of
from webapp.inference.models.card import ModelCard
from webapp.inference.models.label_set import as_current, canonical_label, every_label, offered
from webapp.services.photos.classify import MAX_BYTES, MAX_FILES
from webapp.services.photos.wording import display
from webapp.views import guards, template_filters

bp = Blueprint("layout", __name__)
_THEMES = ("light", "dark")
_YEAR = 60 * 60 * 24 * 365


@bp.post("/theme")
def theme() -> ResponseReturnValue:
    """Remember light or dark in a cookie and go back; 204 for the script, which changed the
    page."""
    chosen = request.form.get("theme", "")
    back = guards.way_back(url_for("upload.index"))
    response = Response(status=204) if wants_json() else redirect(back, 303)
    if chosen in _THEMES:
        path = request.script_root + "/"
        secure = get_config().tls
        response.set_cookie(
            "theme", chosen, max_age=_YEAR, samesite="Lax", secure=secure, path=path
        )
    return response


@bp.get("/help")
def help() -> ResponseReturnValue:
    """Marks, keys, formats, the API and the terminal."""
    return render_template("operations/help.html")


@bp.get("/robots.txt")
def robots() -> ResponseReturnValue:
    """Search engines stay out: the photos belong to their owners."""
    return Response("User-agent: *\nDisallow: /\n", content_type="text/plain; charset=utf-8")


@bp.get("/favicon.ico")
def favicon() -> ResponseReturnValue:
    """For browsers that ask without reading the page."""
    folder = str(current_app.static_folder)
    return send_from_directory(folder, "favicon.svg", mimetype="image/svg+xml", max_age=86400)


def init_app(app: Flask) -> None:
    """Give every template its helpers."""
    template_filters.init_app(app)
    app.context_processor(_page_values)
    _cache_assets(app)
    helpers = {"asset": _asset, "color": _color, "display": shown_name, "model_title": model_title}
    app.jinja_env.globals |= helpers


def _asset(name: str) -> str:
    """The address of a static file with a hash of its content: an upgrade is a new address."""
    return url_for("static", filename=name, v=_content_hash(name))


def _content_hash(name: str) -> str:
    hashes: dict[tuple[str, int], str] = current_app.extensions.setdefault("marque-assets", {})
    path = Path(str(current_app.static_folder)) / name
    if not path.is_file():
        return "0"
    key = (name, path.stat().st_mtime_ns)
    if key not in hashes:
        hashes[key] = hashlib.sha256(path.read_bytes()).hexdigest()[:10]
    return hashes[key]


def _cache_assets(app: Flask) -> None:
    """Let browsers keep a static file whose address has the hash of its content."""
    serve = app.view_functions["static"]

    def static(filename: str) -> Response:
        response = make_response(serve(filename=filename))
        if request.args.get("v") == _content_hash(filename):
            response.headers["Cache-Control"] = f"public, max-age={_YEAR}, immutable"
        return response

    app.view_functions["static"] = static


def render_page(
    template: str, error: MarqueError | None = None, **values: Any
) -> tuple[str, int, dict[str, str]]:
    """A page; `error` stands above it and lends it its status and headers."""
    page = render_template(template, error=error, **values)
    return (page, error.status, headers_of(error)) if error else (page, 200, {})


def live_cards() -> list[ModelCard]:
    """The cards of all live models, the site's own first; read once for a page."""
    if "live_cards" not in g:
        g.live_cards = get_cards()
    return list(g.live_cards)


def _live_detector() -> dict[str, Any] | None:
    """Name and version of the live detector, None when none looks for cars."""
    name = get_extensions().live_detector()
    version = get_registry().live_version(name) if name else None
    return {"name": name, "version": version} if version is not None else None


def _color(label: str) -> str:
    """The colour of a label, "" when it has none."""
    card = _card_with(label)
    known = card.label(label) if card else None
    return known.color if known else ""


def shown_name(label: str) -> str:
    """The display name of a label of the live models or of a verdict.

    A merged label has the name that it has now behind its own.
    """
    card = _card_with(label)
    known = card.label(label) if card else None
    if card is None or known is None:
        return display(card, label)
    if not as_current(known).merged:
        return known.display
    return f"{known.display} (now {display(card, canonical_label(card, label))})"


def model_title(name: str) -> str:
    """The title of a live model, its name when it is not live or shares the title with another."""
    titles = [card.title for card in live_cards()]
    card = next((card for card in live_cards() if card.name == name), None)
    return card.title if card and titles.count(card.title) == 1 else name


def model_choices() -> list[tuple[str, str]]:
    """The live models as (name, title), the site's own first."""
    return [(card.name, model_title(card.name)) for card in live_cards()]


def label_groups(
    model: str = "", *, verdicts: tuple[str, ...] = VERDICTS, retired: bool = True
) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """What a ground truth may be: labels of one live model or of all, by name; then the verdicts.

    `retired` labels too, for filters; without them, for people who label. A group is a model, its
    title, and (label, display name) of each label; the verdicts have no model.
    """
    groups = []
    for card in [card for card in live_cards() if card.name == model] or live_cards():
        labels = every_label(card) if retired else offered(card)
        names = sorted(
            ((label.name, label.display) for label in labels), key=lambda pair: pair[1].casefold()
        )
        groups.append((card.name, model_title(card.name), names))
    return [*groups, ("", "", [(verdict, display(None, verdict)) for verdict in verdicts])]


def parent_groups(model: str = "") -> list[tuple[str, str, list[tuple[str, str]]]]:
    """The parents that one live model or all may answer with, in the shape of `label_groups`."""
    cards = [card for card in live_cards() if card.name == model] or live_cards()
    return [
        (card.name, f"{model_title(card.name)}: groups", [(name, name) for name in card.parents])
        for card in cards
        if card.parent_threshold is not None and card.parents
    ]


def _card_with(label: str) -> ModelCard | None:
    return next((card for card in live_cards() if card.label(label) is not None), None)


def _page_values() -> dict[str, Any]:
    theme = request.cookies.get("theme", "")
    trouble = get_extensions().trouble()  # before the card: it finds out which version answers
    return {
        "trouble": trouble,
        "person": guards.person(),
        "has_jobs": guards.has_jobs(),
        "live": get_card(),
        "live_cards": live_cards(),
        "live_detector": _live_detector(),
        "theme": theme if theme in _THEMES else "",
        "here": guards.here(),
        "max_bytes": MAX_BYTES,
        "max_files": MAX_FILES,
    }
