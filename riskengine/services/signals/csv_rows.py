"""Signals in a CSV file, as a kind of import: each row through the same door as a signal that is sent.

    id, symbol, direction, confidence, as_of    optional: expires_at, contract, note

Times are New York, unless they carry an offset. A row that is refused goes to the rejects with the door's own sentence;
what was sent before is known and changes nothing.
"""

from collections.abc import Hashable, Sequence
from datetime import datetime
from decimal import Decimal

from django.db.backends.utils import CursorWrapper

from positions.services.imports import cell
from positions.services.imports.cell import BadRow
from positions.services.imports.source_file import UnusableFile
from positions.services.imports.staging import Merged
from riskengine.models import SignalSource
from riskengine.services.decide.entries import PortfolioBusy
from riskengine.services.signals.receiving import Draft, SignalsRefused, receive

MOST_ROWS = 5_000  # each passes the whole door by itself: about a minute


class SignalRows:
    """The signals of one CSV source, received at wall time `now`."""

    name = "signals"
    required = ("id", "symbol", "direction", "confidence", "as_of")
    optional = ("expires_at", "contract", "note")
    aliases = {"external_id": "id", "ticker": "symbol", "time": "as_of"}
    staged = "external_id text"

    def __init__(self, source: SignalSource, now: datetime) -> None:
        self._source, self._now = source, now
        self._seen: set[str] = set()
        self._new = self._known = 0

    def prepare(self, cursor: CursorWrapper) -> None:
        """Nothing is to be known beforehand."""

    def judge(self, cells: Sequence[str]) -> tuple[Hashable, Sequence[str | None]]:
        """Takes the row, within the transaction of the file: what is taken is gone again where the file fails."""
        if self._new + self._known >= MOST_ROWS:
            raise UnusableFile(f"The file has more than {MOST_ROWS:,} signals. Split it and import the parts.")
        number, symbol, direction, confidence, as_of, expires_at, contract, note = cells
        key = cell.sentence(number, "id", 100)
        if key in self._seen:  # the import's own look comes after this one, when the door had called it a repeat
            raise BadRow("the same key stands in an earlier row")
        draft = Draft(
            external_id=key,
            symbol=cell.sentence(symbol, "symbol", 12).upper(),
            direction=cell.sentence(direction, "direction", 20).upper(),
            confidence=Decimal(cell.number(confidence, "confidence", 0, 1)),
            as_of=_time(as_of, "as_of"),
            expires_at=_time(expires_at, "expires_at") if expires_at.strip() else None,
            contract=cell.sentence(contract, "contract", 40) if contract.strip() else "",
            note=cell.sentence(note, "note", 500) if note.strip() else "",
        )
        try:
            received = receive(self._source, [draft], now=self._now)
        except SignalsRefused as refused:
            raise BadRow(f"{refused.problems[0].field}: {refused}") from refused
        except PortfolioBusy as problem:
            raise UnusableFile(str(problem)) from problem
        self._seen.add(key)
        self._new += received.created[0]
        self._known += not received.created[0]
        return key, (key,)

    def merge(self, cursor: CursorWrapper, source: str) -> Merged:
        return Merged(self._new, 0, self._known)


def _time(text: str, name: str) -> datetime:
    """A New York time, or one with its own offset."""
    told = text.strip()
    try:
        has_offset = datetime.fromisoformat(told).tzinfo is not None
    except ValueError:
        has_offset = False  # said by the reader below
    return datetime.fromisoformat(cell.instant(told, name) if has_offset else cell.new_york_minute(told, name))
