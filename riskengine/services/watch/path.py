"""The way of a position's price for its chart: bids, stop, high-water mark, fills, and where its tiers stand now.

Plain data; prices USD a share. `t` are seconds on the clock of New York: charts know no time zones.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from positions.market.calendar import new_york
from positions.market.clock import market_now
from positions.models import Fill, Portfolio, Position
from riskengine.loading.desk import load_books
from riskengine.services import wording
from riskengine.services.watch import bets
from riskengine.services.watch.tightening import STOP_TIGHTENED

BEFORE = timedelta(minutes=10)
POINTS = 1_500  # more than a screen has pixels

_BIDS = """
    SELECT DISTINCT ON (bucket) date_bin(%(every)s, quoted_at, %(start)s) AS bucket, quoted_at, bid
    FROM positions_optionquote
    WHERE contract_id = %(contract)s AND source = %(source)s AND quoted_at >= %(start)s AND quoted_at <= %(end)s
    ORDER BY bucket, quoted_at DESC
"""


def path_of(position: Position, portfolio: Portfolio, *, now: datetime) -> dict[str, Any]:
    """What the chart of one position draws at wall time `now`. A fixed number of statements."""
    at = market_now(portfolio.clock, now)
    end = position.closed_at or at
    stops = _stops(position, end)
    return {
        "open": position.quantity_open > 0,
        "bids": _bids(position, portfolio.quote_source, position.entry_at - BEFORE, end),
        "stop": [{"t": t, "value": stop} for t, stop, _ in stops if stop is not None],
        "high_water": [{"t": t, "value": high} for t, _, high in stops if high is not None],
        "entry": float(position.average_entry_price),
        "tiers": _tiers(position, portfolio, now) if position.quantity_open else [],
        "fills": [_fill(each) for each in _fills(position)],
    }


def _seconds(instant: datetime) -> int:
    """Seconds since 1970 of what a clock in New York shows."""
    return int(new_york(instant).replace(tzinfo=UTC).timestamp())


def _bids(position: Position, source: str, start: datetime, end: datetime) -> list[dict[str, Any]]:
    """The last bid of each interval; where there is none the line is broken."""
    every = max(timedelta(seconds=1), (end - start) / POINTS)
    with connection.cursor() as cursor:
        cursor.execute(
            _BIDS,
            {"every": every, "start": start, "end": end, "contract": position.contract_id, "source": source},
        )
        rows = cursor.fetchall()
    return _ascending(
        {"t": _seconds(known_at), "value": None if bid is None else float(bid)} for _, known_at, bid in rows
    )


def _ascending(points: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """One point a second, in order; in the hour that is lived twice in November the later one counts."""
    return [point for _, point in sorted({point["t"]: point for point in points}.items())]


def _stops(position: Position, end: datetime) -> list[tuple[int, float | None, float | None]]:
    """Stop and high-water mark after each change, from the entry to the end."""
    events = position.events.filter(kind__in=("stop_raised", STOP_TIGHTENED)).order_by("happened_at", "id")
    changes = list(events.values_list("happened_at", "before", "after"))
    first = changes[0][1] if changes else {"stop": position.current_stop, "high_water": position.high_water}
    steps = {_seconds(position.entry_at): first}
    steps |= {_seconds(at): after for at, _, after in changes}
    last = changes[-1][2] if changes else first
    steps[_seconds(end)] = last
    return [(t, _number(step.get("stop")), _number(step.get("high_water"))) for t, step in sorted(steps.items())]


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _tiers(position: Position, portfolio: Portfolio, now: datetime) -> list[dict[str, Any]]:
    book = load_books([portfolio], now=now)[0]
    rows = (row for row in bets.rows(book, bets.valued(book)) if row["id"] == position.pk)
    return [
        {"name": f"T{tier['number']}", "price": tier["price"]}
        for row in rows
        for tier in row["tiers"]
        if tier["state"] == "armed"
    ]


def _fills(position: Position) -> list[Fill]:
    return list(Fill.objects.filter(position=position).select_related("order").order_by("filled_at", "id"))


def _fill(each: Fill) -> dict[str, Any]:
    return {
        "t": _seconds(each.filled_at),
        "buys": each.order.side == "buy",
        "text": f"{'+' if each.order.side == 'buy' else '−'}{each.quantity:,} at {wording.price(float(each.price))}",
    }
