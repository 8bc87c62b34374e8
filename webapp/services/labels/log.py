"""The label log: who said what about which photo, filtered, page by page."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from webapp.domain import LogFilter
from webapp.errors import BadRequestError
from webapp.storage.labels import events as storage
from webapp.storage.tables import LabelEvent

_PAGE = 50
_LONGEST = 120


def parse_filter(args: Mapping[str, str]) -> LogFilter:
    """A filter from the parameters of a URL; days are in UTC, both included. Raises
    `BadRequestError` that names the parameter."""
    names = ("who", "from_label", "to_label", "place", "batch", "disputed")
    texts = {name: args.get(name, "").strip() for name in names}
    for name, text in texts.items():
        if len(text) > _LONGEST or "\x00" in text:
            raise BadRequestError(f"{name} is too long or has characters that no name has.")
    disputed = texts.pop("disputed") == "yes"
    since, until = _day(args, "since"), _day(args, "until")
    if until is not None:
        until += timedelta(days=1)
    return LogFilter(**texts, since=since, until=until, disputed=disputed)


def parse_moment(text: str) -> datetime:
    """A moment as a form sends it ("2026-11-20T14:30"), in UTC. Raises `BadRequestError`."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise BadRequestError(
            "Since when? Give a day and a time, like 2026-11-20T14:30."
        ) from error
    return moment.replace(tzinfo=moment.tzinfo or UTC)


def page_of_log(
    wanted: LogFilter, *, before: int | None = None
) -> tuple[Sequence[LabelEvent], int | None]:
    """A page of label events, newest first, and the number to continue before (None on the last).
    It ends between two batches unless one batch fills it."""
    events = storage.page_of_events(_PAGE + 1, wanted, before)
    if len(events) <= _PAGE:
        return events, None
    ends = (end for end in range(_PAGE, 0, -1) if events[end - 1].batch != events[end].batch)
    end = next(ends, _PAGE)
    return events[:end], events[end - 1].id


def people_in_the_log() -> list[str]:
    """Everybody who ever labelled something."""
    return storage.names_in_the_log()


def _day(args: Mapping[str, str], name: str) -> datetime | None:
    text = args.get(name, "").strip()
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise BadRequestError(f"{name} must be a day like 2026-11-20.") from error
