"""Volatility index files: one session a row, in points. The open is known from 09:30, the close after the session.

An open or close outside the day's range is kept: the exchange's own history has 47 such days, 1992 to 2006.
"""

from collections.abc import Hashable, Sequence

from django.db.backends.utils import CursorWrapper

from positions.models import VixReading
from positions.services.imports import cell
from positions.services.imports.staging import Merge, Merged, quoted_table

_MAX_POINTS = 1000


class VixDays:
    """VIX (30 days) or VIX1D (one day) by the session."""

    name = "VIX sessions"
    required = ("date", "open", "high", "low", "close")
    optional: tuple[str, ...] = ()
    aliases: dict[str, str] = {}
    staged = "session_on date, open numeric(9, 4), high numeric(9, 4), low numeric(9, 4), close numeric(9, 4)"

    def __init__(self, index: str = "VIX") -> None:
        self._index = index

    def prepare(self, cursor: CursorWrapper) -> None:
        """Nothing to know beforehand."""

    def judge(self, cells: Sequence[str]) -> tuple[Hashable, Sequence[str | None]]:
        day, *levels = cells
        on = cell.weekday(day, "date")
        for text, name in zip(levels, self.required[1:], strict=True):
            cell.number(text, name, 0, _MAX_POINTS)
            cell.positive_price(text, name, 4)
        _, high, low, _ = levels
        cell.low_not_above_high(low, high)
        return on, (on.isoformat(), *levels)

    def merge(self, cursor: CursorWrapper, source: str) -> Merged:
        values = ("open", "high", "low", "close")
        merge = Merge(
            table=quoted_table(VixReading),
            select={"index": "%(index)s", "kind": "'daily'", "session_on": "s.session_on"}
            | {column: f"s.{column}" for column in values}
            | {"source": "%(source)s"},
            key=("index", "session_on"),
            compared=values,
            key_where="WHERE kind = 'daily'",
        )
        return merge.run(cursor, {"source": source, "index": self._index})
