"""What a provider is asked for: of which underlyings and contracts, over which days."""

from collections.abc import Collection
from datetime import date, datetime, timedelta

from django.db import connection

from positions.market.calendar import Calendar, new_york_date
from positions.market.contracts import CLASSES, MAG7
from positions.market.providers import configuration
from positions.market.providers.base import CLOSES, EARNINGS, QUOTES, SPLITS, Asked
from positions.models import DataProvider
from positions.services.quotes import known_symbols

CLOSES_ASKED = 90  # sessions: the 61 that correlations read, and a margin for what is listed late
CLOSE_SETTLES = timedelta(minutes=20)  # from the close until the day's bar is final
SPLITS_BACK, SPLITS_AHEAD = timedelta(days=7), timedelta(days=45)
EARNINGS_BACK, EARNINGS_AHEAD = timedelta(days=7), timedelta(days=200)
DECIDED_LATELY = timedelta(minutes=10)
WATCHED = {"smart-0dte": ("SPX", "SPY"), "mag7-7dte": (*MAG7, "SPY")}

_HELD = """
    SELECT c.occ_symbol, i.symbol FROM positions_portfolio p
    JOIN positions_position h ON h.portfolio_id = p.id AND h.quantity_open > 0
    JOIN positions_optioncontract c ON c.id = h.contract_id JOIN positions_instrument i ON i.id = c.underlying_id
    WHERE p.quote_source = %(source)s AND c.expiration_on >= %(today)s
    UNION
    SELECT c.occ_symbol, i.symbol FROM positions_portfolio p
    JOIN positions_order o ON o.portfolio_id = p.id
        AND o.status IN ('planned', 'submitting', 'working', 'cancelling', 'unknown')
    JOIN positions_optioncontract c ON c.id = o.contract_id JOIN positions_instrument i ON i.id = c.underlying_id
    WHERE p.quote_source = %(source)s AND c.expiration_on >= %(today)s
    UNION
    SELECT c.occ_symbol, i.symbol FROM positions_portfolio p
    JOIN positions_decision d ON d.portfolio_id = p.id AND d.decided_at >= %(lately)s
    JOIN positions_optioncontract c ON c.id = d.contract_id JOIN positions_instrument i ON i.id = c.underlying_id
    WHERE p.quote_source = %(source)s AND c.expiration_on >= %(today)s
    ORDER BY 1
"""


def asked_of(provider: DataProvider, what: str, *, calendar: Calendar, now: datetime) -> Asked:
    """The question of one run. `now` is wall time: a provider tells the live market."""
    today = new_york_date(now)
    contracts, underlyings = _held(provider.name, now, today) if what == QUOTES or not provider.symbols else ((), ())
    symbols = provider.wanted_symbols or _watched(provider.name, underlyings)
    known = known_symbols(symbols)
    first, last = _days(what, calendar, now, today)
    return Asked(what, tuple(symbol for symbol in symbols if symbol in known), contracts, first, last)


def roots_of_chains(provider: DataProvider, asked: Asked) -> set[str]:
    """The roots of which any contract may be told: those whose chains were asked for."""
    if not configuration.asks_for_chains(provider.kind, provider.settings):
        return set()
    return {root for root, facts in CLASSES.items() if facts.underlying in asked.symbols and not facts.is_adjusted}


def sessions_over(calendar: Calendar, first: date, last: date, now: datetime) -> list[date]:
    """The sessions of a range whose bars are final."""
    sessions = calendar.between(max(first, calendar.first), min(last, calendar.last))
    return [session.day for session in sessions if session.closes_at + CLOSE_SETTLES <= now]


def _days(what: str, calendar: Calendar, now: datetime, today: date) -> tuple[date, date]:
    if what == CLOSES:
        last = calendar.on_or_before(today)
        if last.closes_at + CLOSE_SETTLES > now:
            last = calendar.previous(last.day)
        return calendar.back(last.day, CLOSES_ASKED - 1).day, last.day
    if what == SPLITS:
        return today - SPLITS_BACK, today + SPLITS_AHEAD
    if what == EARNINGS:
        return today - EARNINGS_BACK, today + EARNINGS_AHEAD
    return today, today  # quotes and fundamentals: what is known now


def _held(source: str, now: datetime, today: date) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Contracts that are held, ordered or were decided on lately in portfolios of a source, and their underlyings."""
    with connection.cursor() as cursor:
        cursor.execute(_HELD, {"source": source, "today": today, "lately": now - DECIDED_LATELY})
        rows = cursor.fetchall()
    return tuple(contract for contract, _ in rows), tuple(dict.fromkeys(symbol for _, symbol in rows))


def _watched(source: str, held: Collection[str]) -> tuple[str, ...]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT system FROM positions_portfolio WHERE quote_source = %s AND mode <> 'off' ORDER BY 1",
            [source],
        )
        systems = [system for (system,) in cursor.fetchall()]
    watched = [symbol for system in systems for symbol in WATCHED.get(system, ())]
    return tuple(dict.fromkeys([*watched, *held]))
