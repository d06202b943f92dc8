"""The last bids that count (A-05, A-18), for valuing a book at the end of a session."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from django.db import connection

from accounts.models import RiskProfileRevision
from positions.market.contracts import TICK_TABLES
from positions.market.ticks import TICK_CHANGES_AT
from positions.models import OptionContract

# `riskengine.calculators.stops.usable_for_exit` but for freshness, which every quote had at its own time.
_LAST_USABLE = """
    SELECT c.id, q.bid, q.id
    FROM unnest(%(ids)s::bigint[], %(under)s::numeric[], %(from_three)s::numeric[]) AS c(id, under, from_three)
    CROSS JOIN LATERAL (
        SELECT o.bid, o.id FROM positions_optionquote o
        JOIN positions_exchangesession s ON s.exchange = 'XNYS'
            AND s.session_on = (o.quoted_at AT TIME ZONE 'America/New_York')::date
            AND o.quoted_at >= s.open_at AND o.quoted_at <= s.close_at
        WHERE o.contract_id = c.id AND o.source = %(source)s AND o.quoted_at <= %(until)s
          AND o.bid > 0 AND o.ask > o.bid
          AND (o.ask - o.bid <= %(spread)s * (o.bid + o.ask) / 2
               OR o.ask - o.bid <= %(ticks)s * CASE WHEN o.bid < %(three)s THEN c.under ELSE c.from_three END)
        ORDER BY o.quoted_at DESC LIMIT 1
    ) q
"""


def last_usable_bids(
    contracts: Sequence[OptionContract], *, source: str, until: datetime, revision: RiskProfileRevision
) -> dict[int, Decimal]:
    """The last usable bid of each contract in a regular session up to `until`, USD a share; none: left out."""
    found = _last_usable(contracts, source, until, revision)
    return {contract_id: bid for contract_id, bid, _ in found}


def last_usable_quote(
    contract: OptionContract, *, source: str, until: datetime, revision: RiskProfileRevision
) -> int | None:
    """The id of the quote that a contract's last usable bid is of."""
    return next((quote_id for _, _, quote_id in _last_usable([contract], source, until, revision)), None)


def _last_usable(
    contracts: Sequence[OptionContract], source: str, until: datetime, revision: RiskProfileRevision
) -> list[tuple[int, Decimal, int]]:
    by_id = {contract.pk: TICK_TABLES[contract.tick_class] for contract in contracts}
    with connection.cursor() as cursor:
        cursor.execute(
            _LAST_USABLE,
            {
                "ids": list(by_id),
                "under": [ticks.under for ticks in by_id.values()],
                "from_three": [ticks.from_three for ticks in by_id.values()],
                "source": source,
                "until": until,
                "spread": revision.max_spread,
                "ticks": revision.exit_spread_ticks,
                "three": TICK_CHANGES_AT,
            },
        )
        return cursor.fetchall()
