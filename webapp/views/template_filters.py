"""How numbers, sizes and moments are written on a page."""

from datetime import UTC, datetime

from flask import Flask
from markupsafe import Markup

from webapp.domain import count
from webapp.services.photos.wording import NARROW, count_word, percent
from webapp.storage.photos.pages import Count


def thousands(number: int) -> str:
    """1312 as "1,312"."""
    return f"{number:,}"


def amount(count: Count) -> str:
    """A count beside a word: "1,312", "10,000+", or nothing when counting took too long."""
    if count.number is None:
        return ""
    return f"{count.number:,}" if count.exact else f"{count.number:,}+"


def photos_counted(counted: Count) -> str:
    """A count in a heading: "1 photo", "1,312 photos", "More than 10,000 photos", or "Photos"."""
    if counted.number is None:
        return "Photos"
    photos = count(counted.number, "photo")
    return photos if counted.exact else f"More than {photos}"


def size(number: int) -> str:
    """Bytes for people: "940 bytes", "61 KB", "2.4 MB"; a kilobyte is 1024 bytes."""
    if number < 1024:
        return f"{number}{NARROW}bytes"
    if number < 1024 * 1024:
        return f"{round(number / 1024)}{NARROW}KB"
    return f"{number / 1024**2:.1f}{NARROW}MB"


def milliseconds(number: float) -> str:
    """ "4 ms", "< 1 ms"."""
    return f"<{NARROW}1{NARROW}ms" if number < 1 else f"{round(number)}{NARROW}ms"


def duration(seconds: float) -> str:
    """ "40 s", "18 min", "2 h 5 min"."""
    if seconds < 90:
        return f"{round(seconds)}{NARROW}s"
    hours, minutes = divmod(round(seconds / 60), 60)
    of_hours = f"{hours}{NARROW}h " if hours else ""
    return f"{of_hours}{minutes}{NARROW}min"


def ago(moment: datetime) -> Markup:
    """How long ago, in a `<time>`: "just now", "a minute ago", "3 hours ago", then the day."""
    seconds = (datetime.now(UTC) - moment).total_seconds()
    if seconds < 60:
        return _time(moment, "just now", "")
    for limit, unit, article, noun in (
        (3600, 60, "a", "minute"),
        (86400, 3600, "an", "hour"),
        (86400 * 7, 86400, "a", "day"),
    ):
        if seconds < limit:
            number = int(seconds // unit)
            text = f"{article} {noun}" if number == 1 else f"{number} {noun}s"
            return _time(moment, f"{text} ago", "")
    return day(moment)


def day(moment: datetime) -> Markup:
    """The day in a `<time>`: "27 February", with the year when it is another one."""
    return _time(moment, _day(moment), "day")


def when(moment: datetime) -> Markup:
    """Day and time in a `<time>`: "Today, 15:02 UTC". The script writes it in the reader's zone."""
    today = moment.date() == datetime.now(UTC).date()
    text = "Today" if today else _day(moment, short=True)
    return _time(moment, f"{text}, {moment:%H:%M} UTC", "when")


def _day(moment: datetime, *, short: bool = False) -> str:
    month = f"{moment:%b}" if short else f"{moment:%B}"
    year = "" if moment.year == datetime.now(UTC).year else f" {moment.year}"
    return f"{moment.day} {month}{year}"


def _time(moment: datetime, text: str, style: str) -> Markup:
    return Markup('<time datetime="{}"{} title="{}">{}</time>').format(
        moment.isoformat(timespec="seconds"),
        Markup(' data-time="{}"').format(style) if style else "",
        f"{moment:%Y-%m-%d %H:%M} UTC",
        text,
    )


def init_app(app: Flask) -> None:
    """Make the filters known to the templates."""
    numbers = (thousands, amount, photos_counted, percent, count_word, count)
    units = (size, milliseconds, duration, ago, day, when)
    app.jinja_env.filters |= {filter.__name__: filter for filter in numbers + units}
