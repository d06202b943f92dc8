"""The base of the files that speak of underlyings: bars, closes, fundamentals, calendars."""

from django.db.backends.utils import CursorWrapper

from positions.models import Instrument
from positions.services.imports.listing import Underlyings
from positions.services.imports.staging import Merge, Merged, quoted_table


class OfUnderlying:
    """What the kinds of file share whose every row is of an underlying: the instrument of a row."""

    optional: tuple[str, ...] = ()
    aliases: dict[str, str] = {}

    def __init__(self) -> None:
        self._underlyings = Underlyings()

    def prepare(self, cursor: CursorWrapper) -> None:
        self._underlyings.read()

    def _merge(self, cursor: CursorWrapper, source: str, merge: Merge) -> Merged:
        self._underlyings.list_missing()
        return merge.run(cursor, {"source": source})


INSTRUMENT_JOIN = f"JOIN {quoted_table(Instrument)} i ON i.symbol = s.symbol"
