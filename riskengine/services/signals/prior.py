"""Trades that an account closed before it was run here, as a kind of import file.

    id, confidence, gain, closed_at    gain is P&L after fees per dollar paid: 0.12, -0.25; closed_at New York

They count in the record of confidence and nowhere else (docs/decisions/0028). A trade that is on record stands: another
figure under its id changes nothing.
"""

from collections.abc import Hashable, Sequence

from django.db.backends.utils import CursorWrapper

from positions.models import Portfolio
from positions.services.imports import cell
from positions.services.imports.staging import Merge, Merged, quoted_table
from riskengine.models import PriorTrade

MOST_GAIN = 100_000
MOST_LOSS = -2  # the premium, and fees that cannot be as much again


class PriorTrades:
    """The closed trades of one account."""

    name = "closed trades"
    required = ("id", "confidence", "gain", "closed_at")
    optional: tuple[str, ...] = ()
    aliases = {"gain_fraction": "gain", "external_id": "id"}
    staged = "external_id text, confidence numeric(7, 6), gain_fraction numeric(12, 6), closed_at timestamptz"

    def __init__(self, portfolio: Portfolio) -> None:
        self._portfolio = portfolio

    def prepare(self, cursor: CursorWrapper) -> None:
        """Nothing is to be known beforehand."""

    def judge(self, cells: Sequence[str]) -> tuple[Hashable, Sequence[str | None]]:
        number, confidence, gain, closed_at = cells
        key = cell.sentence(number, "id", 100)
        return key, (
            key,
            cell.number(confidence, "confidence", 0, 1),
            cell.number(gain, "gain", MOST_LOSS, MOST_GAIN),
            cell.new_york_minute(closed_at, "closed_at"),
        )

    def merge(self, cursor: CursorWrapper, source: str) -> Merged:
        values = ("confidence", "gain_fraction", "closed_at")
        merge = Merge(
            table=quoted_table(PriorTrade),
            select={"portfolio_id": "%(portfolio)s", "external_id": "s.external_id"}
            | {column: f"s.{column}" for column in values}
            | {"source": "%(source)s"},
            key=("portfolio_id", "external_id"),
            compared=values,
            update_where="false",
        )
        return merge.run(cursor, {"source": source, "portfolio": self._portfolio.pk})
