"""The exchange's sessions, with overrides laid over them.

Library calendars have gaps, so a second file corrects single days: New York `opens` and `closes`, or both empty for a
day without a session. What an override says stands, whatever the library's file says.
"""

from collections.abc import Hashable, Sequence
from datetime import date, datetime, time
from pathlib import Path

from django.db.backends.utils import CursorWrapper

from positions.market.calendar import Override, new_york_date
from positions.models import ExchangeSession
from positions.services.imports import cell
from positions.services.imports.cell import BadRow
from positions.services.imports.source_file import SourceFile, UnusableFile
from positions.services.imports.staging import Merge, Merged, copy_into_staged, quoted_table

OVERRIDE = "override"


def read_overrides(path: Path) -> dict[date, Override]:
    """The override table: columns session, opens, closes, reason. A row that cannot be read makes it unusable."""
    overrides: dict[date, Override] = {}
    with SourceFile(path) as file:
        found = file.positions_of(("session", "opens", "closes", "reason"), (), {})
        for line, cells in file.rows():
            try:
                session, opens, closes, reason = (cells[position] for position in found.values())
                if bool(opens) != bool(closes) or not reason:
                    raise BadRow("opens and closes go together, and a reason is needed")
                on = cell.weekday(session, "session")
                hours = [time.fromisoformat(text) if text else None for text in (opens, closes)]
                overrides[on] = Override(on, hours[0], hours[1], reason)
                overrides[on].session()
            except (IndexError, ValueError) as error:
                raise UnusableFile(f"{path.name}, line {line}: {error}.") from error
    return overrides


class Sessions:
    """Columns session (date), open_utc, close_utc, early (True or False)."""

    name = "sessions"
    required = ("session", "open_utc", "close_utc", "early")
    optional: tuple[str, ...] = ()
    aliases: dict[str, str] = {}
    staged = "session_on date, open_at timestamptz, close_at timestamptz, is_early boolean, source text"

    def __init__(self, overrides: dict[date, Override], exchange: str = "XNYS") -> None:
        self._overrides, self._exchange = overrides, exchange
        self._overridden: set[date] = set()

    def prepare(self, cursor: CursorWrapper) -> None:
        """Nothing to know beforehand."""

    def judge(self, cells: Sequence[str]) -> tuple[Hashable, Sequence[str | None]]:
        session, opens, closes, early = cells
        on = cell.weekday(session, "session")
        if on in self._overrides:
            self._overridden.add(on)
            row = self._override_row(self._overrides[on])
            if row is None:
                raise BadRow(f"overridden: the exchange is closed on {on} ({self._overrides[on].reason})")
            return on, row
        open_at, close_at = (datetime.fromisoformat(cell.instant(text, "hours")) for text in (opens, closes))
        if not open_at < close_at:
            raise BadRow(f"it closes at {closes}, not after it opens at {opens}")
        if not new_york_date(open_at) == new_york_date(close_at) == on:
            raise BadRow(f"opens {opens} and closes {closes}, not on the New York date {on}")
        if early not in ("True", "False"):
            raise BadRow(f"early is neither True nor False: {early[:20]!r}")
        return on, (on.isoformat(), open_at.isoformat(), close_at.isoformat(), early, None)

    def merge(self, cursor: CursorWrapper, source: str) -> Merged:
        rows = [self._override_row(row) for on, row in sorted(self._overrides.items()) if on not in self._overridden]
        copy_into_staged(cursor, [row for row in rows if row is not None])
        cursor.execute(
            f"DELETE FROM {quoted_table(ExchangeSession)} WHERE exchange = %s AND session_on = ANY(%s)",  # noqa: S608 (a table name)
            [self._exchange, [on for on, row in self._overrides.items() if row.opens is None]],
        )
        values = {"open_at": "s.open_at", "close_at": "s.close_at", "is_early": "s.is_early"}
        merge = Merge(
            table=quoted_table(ExchangeSession),
            select={"exchange": "%(exchange)s", "session_on": "s.session_on"}
            | values
            | {"source": "coalesce(s.source, %(source)s)"},
            key=("exchange", "session_on"),
            compared=list(values),
        )
        return merge.run(cursor, {"source": source, "exchange": self._exchange})

    @staticmethod
    def _override_row(override: Override) -> Sequence[str | None] | None:
        session = override.session()
        if session is None:
            return None
        opens, closes = session.opens_at.isoformat(), session.closes_at.isoformat()
        return override.day.isoformat(), opens, closes, str(session.closes_early), OVERRIDE
