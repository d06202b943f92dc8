"""Every sale with the purchase it ended, first in first out: the list that a tax office or an accountant asks for.

    a lot = contracts of one purchase that one sale, or the settlement at expiration, ended

The lots of a closed position add up to its cost, proceeds, fees and realised P&L to the cent.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from positions.market.calendar import new_york_date
from positions.market.clock import market_now
from positions.models import Portfolio
from riskengine.calculators.lots import Lot, match
from riskengine.loading.executions import Held, executions_of
from riskengine.services.decide.inputs import ny
from riskengine.services.study.exports import Table
from riskengine.services.study.performance import CLOSE_WORDS

COLUMNS = (
    "position", "contract", "contracts", "opened_at", "closed_at", "held_days", "cost", "proceeds", "fees", "gain",
    "closed_by",
)  # fmt: skip
SUMS = ("cost", "proceeds", "fees", "gain")


def tax_lots(
    portfolio: Portfolio, *, now: datetime, since: date | None = None, until: date | None = None
) -> dict[str, Any]:
    """Lots that were closed from `since` to `until` (New York dates, both included), the latest first, and their sums.
    Money is exact, USD."""
    at = market_now(portfolio.clock, now)
    found: list[tuple[Held, Lot]] = []
    broken: list[int] = []
    for held in executions_of(portfolio.pk, until=at):
        try:
            found += [(held, lot) for lot in match(held.purchases, held.sales)]
        except ValueError:
            broken.append(held.position_id)
    first, last = since or date.min, until or date.max
    found = [(held, lot) for held, lot in found if first <= new_york_date(lot.closed_at) <= last]
    found.sort(key=lambda each: (each[1].closed_at, each[0].position_id))
    chosen = [_row(held, lot) for held, lot in reversed(found)]
    return {
        "portfolio": portfolio.slug,
        "as_of": ny(at),
        "since": since.isoformat() if since else None,
        "until": until.isoformat() if until else None,
        "lots": chosen,
        "sums": {name: _sum(chosen, name) for name in SUMS},
        "by_year": _by_year(chosen),
        "not_matched": broken,
    }


def lots_table(lots: Iterable[dict[str, Any]]) -> Table:
    return Table(COLUMNS, lots)


def _row(held: Held, lot: Lot) -> dict[str, Any]:
    cause = held.causes[lot.sale]
    return {
        "position": held.position_id,
        "contract": held.contract,
        "contracts": lot.contracts,
        "opened_at": ny(lot.opened_at),
        "closed_at": ny(lot.closed_at),
        "held_days": (new_york_date(lot.closed_at) - new_york_date(lot.opened_at)).days,
        "cost": _usd(lot.cost),
        "proceeds": _usd(lot.proceeds),
        "fees": _usd(lot.fees),
        "gain": _usd(lot.gain),
        "closed_by": CLOSE_WORDS.get(cause, cause.replace("_", " ")),
    }


def _usd(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)


def _sum(rows: Sequence[dict[str, Any]], name: str) -> Decimal:
    return sum((each[name] for each in rows), Decimal("0.00"))


def _by_year(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """By the year in which lots were closed, the latest first."""
    years = sorted({each["closed_at"][:4] for each in rows}, reverse=True)
    parts = {year: [each for each in rows if each["closed_at"][:4] == year] for year in years}
    return [
        {"year": int(year), "lots": len(mine), **{name: _sum(mine, name) for name in SUMS}}
        for year, mine in parts.items()
    ]
