"""Large positions as columns: what was paid for them, and what a share of their underlying costs (P-23)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from riskengine.calculators.columns import FloatColumn, IntColumn
from riskengine.calculators.large import LARGE_BETS
from riskengine.loading.copying import BIGINT, MICROS, Fields, copy_columns
from riskengine.loading.watched import Watched


@dataclass(frozen=True, slots=True, eq=False)
class Large:
    """By ascending id of the position. USD; `spot` a share, NaN without a price."""

    position: IntColumn
    cost: FloatColumn
    minimum: FloatColumn
    spot: FloatColumn


_LARGE = Fields({"position": BIGINT, "cost": MICROS, "minimum": MICROS, "spot": MICROS})

# From a cent under the threshold on, which the calculator draws: as the index of large positions says it, so that the
# server finds them without looking at all that is open. A price is looked up once, however many hold it.
_READ_LARGE = """
    WITH large AS MATERIALIZED (
        SELECT p.id, p.entry_cost, p.min_size_at_entry, c.underlying_id, w.market
        FROM unnest(%(ids)s::bigint[], %(markets)s::int[]) AS w(id, market)
        JOIN (
            SELECT * FROM positions_position
            WHERE quantity_open > 0 AND entry_cost >= min_size_at_entry * %(bets)s - 0.01 ORDER BY id
        ) p ON p.portfolio_id = w.id
        JOIN positions_optioncontract c ON c.id = p.contract_id
    ), spot AS MATERIALIZED (
        SELECT u.underlying_id, u.market, b.close
        FROM (SELECT DISTINCT underlying_id, market FROM large) u
        JOIN unnest(%(sources)s::text[], %(at)s::timestamptz[]) WITH ORDINALITY AS m(source, at, market)
          ON m.market = u.market
        CROSS JOIN LATERAL (
            SELECT close FROM positions_underlyingbar b
            WHERE b.instrument_id = u.underlying_id AND b.source = m.source AND b.bar_at <= m.at
            ORDER BY b.bar_at DESC LIMIT 1
        ) b
    )
    SELECT l.id, l.entry_cost, l.min_size_at_entry, s.close
    FROM large l LEFT JOIN spot s USING (underlying_id, market)
    ORDER BY l.id
"""


def load_large(watched: Sequence[Watched]) -> Large:
    """The large open positions of these portfolios. One statement."""
    markets: dict[tuple[str, datetime], int] = {}
    market = [markets.setdefault((each.quote_source, each.at), len(markets) + 1) for each in watched]
    columns = copy_columns(
        _READ_LARGE,
        _LARGE,
        {
            "ids": [each.portfolio_id for each in watched],
            "markets": market,
            "sources": [source for source, _ in markets],
            "at": [at for _, at in markets],
            "bets": LARGE_BETS,
        },
    )
    return Large(**columns)
