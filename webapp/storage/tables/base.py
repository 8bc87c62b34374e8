"""What all tables share."""

from datetime import UTC, datetime
from typing import Annotated, Any

from sqlalchemy import DateTime, ForeignKey, Index, TypeDecorator, text
from sqlalchemy.orm import mapped_column

# the photo that a row is about, as its key or a part of it: the row goes with the photo
PhotoKey = Annotated[
    int, mapped_column(ForeignKey("photos.id", ondelete="CASCADE"), primary_key=True)
]
# the same with a car
CarKey = Annotated[int, mapped_column(ForeignKey("cars.id", ondelete="CASCADE"), primary_key=True)]


class UTCDateTime(TypeDecorator[datetime]):
    """A moment with its zone, kept as UTC. SQLite forgets zones; this remembers."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Any) -> datetime | None:
        """To UTC, then naive."""
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, _dialect: Any) -> datetime | None:
        """Naive from the database, so UTC."""
        return None if value is None else value.replace(tzinfo=UTC)


def partial_index(name: str, *columns: str, where: str, postgresql: str = "") -> Index:
    """An index over the rows for which the SQL `where` holds; `postgresql`: in its own words."""
    on_postgresql = text(postgresql or where)
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=on_postgresql)


def now() -> datetime:
    """This moment in UTC."""
    return datetime.now(UTC)
