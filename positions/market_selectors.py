"""What the market said, as far as it was known at a market time.

Every read takes `now` (market time, aware) and never looks past it; each is one statement, ordered by key. Which feed
or recording is read (`source`) is the portfolio's `quote_source`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import groupby
from operator import itemgetter

from django.db import connection

from positions.market.calendar import REGULAR_OPEN, Calendar, Session, new_york, new_york_date, new_york_instant
from positions.market.contract_query import ContractQuery, next_on, parse_contract_query
from positions.market.feeds.world import SIMULATED, is_simulated
from positions.models import ClockKind, ExchangeSession, Fundamental
from positions.models.history import ReadingKind

CALENDAR_BACK, CALENDAR_AHEAD = timedelta(days=400), timedelta(days=100)
_SESSION_COLUMNS = ("session_on", "open_at", "close_at", "is_early")
VIX_CLOSES = time(16, 15)
VIX_CLOSE_MAX_AGE = timedelta(days=6)  # covers a four-day weekend
SATURDAY = 5
DAY_OPEN, PREVIOUS_CLOSE, LIVE_LEVEL, MADE_UP_LEVEL = "the day's open", "previous close", "live", "simulated"
RECORDED_LEVELS = (DAY_OPEN, PREVIOUS_CLOSE)  # of a session, and as fresh as their label says; the others age


def exchange_calendar(exchange: str = "XNYS") -> Calendar:
    """All sessions of an exchange (4,500 rows, 10 ms). ValueError when none were ever imported."""
    rows = ExchangeSession.objects.filter(exchange=exchange).order_by("session_on")
    return Calendar(Session(*row) for row in rows.values_list(*_SESSION_COLUMNS))


def calendar_around(now: datetime, *, exchange: str = "XNYS") -> Calendar:
    """The sessions a check needs: from 400 days before to 100 days after now (1 ms). ValueError when there are none."""
    today = new_york_date(now)
    first, last = today - CALENDAR_BACK, today + CALENDAR_AHEAD
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT session_on, open_at, close_at, is_early,
                   (SELECT max(session_on) FROM positions_exchangesession WHERE exchange = %(exchange)s)
            FROM positions_exchangesession
            WHERE exchange = %(exchange)s AND session_on BETWEEN %(first)s AND %(last)s ORDER BY session_on
            """,
            {"exchange": exchange, "first": first, "last": last},
        )
        known = cursor.fetchall()
    return Calendar((Session(*row[:4]) for row in known), first=first, last=min(last, known[-1][4]) if known else None)


# ---- Options ----


@dataclass(frozen=True, slots=True)
class QuotedContract:
    """A contract with its last quote at or before `now`. Prices USD a share; None is a missing side, or no quote.

    `volume_today`: contracts traded so far on the New York date; None when the source has no trades of that class and
    date. `open_interest`: as published before that date's open; None when unknown.
    """

    contract_id: int
    occ_symbol: str
    underlying_id: int
    underlying: str
    root: str
    expires_on: date
    right: str
    strike: Decimal
    multiplier: int
    settlement: str
    exercise_style: str
    tick_class: str
    is_adjusted: bool
    quoted_at: datetime | None
    confirmed_at: datetime | None
    bid: Decimal | None
    bid_size: int | None
    ask: Decimal | None
    ask_size: int | None
    volume_today: int | None
    open_interest: int | None


_QUOTED_CONTRACTS = """
    WITH recorded AS MATERIALIZED (  -- underlyings whose trades this source knows today: no trade is then a 0
        SELECT u.id FROM positions_instrument u
        WHERE EXISTS (
            SELECT FROM positions_optioncontract s JOIN positions_optiontradebar b ON b.contract_id = s.id
            WHERE s.underlying_id = u.id AND s.expiration_on >= %(today)s
              AND b.source = %(source)s AND b.bar_at > %(day_start)s AND b.bar_at <= %(now)s
        )
    )
    SELECT c.id, c.occ_symbol, i.id, i.symbol, c.root, c.expiration_on, c.right, c.strike, c.multiplier, c.settlement,
           c.exercise_style, c.tick_class, c.is_adjusted,
           q.quoted_at, q.confirmed_at, q.bid, q.bid_size, q.ask, q.ask_size,
           coalesce(t.volume, CASE WHEN c.underlying_id IN (SELECT id FROM recorded) THEN 0 END),
           o.contracts
    FROM positions_optioncontract c
    JOIN positions_instrument i ON i.id = c.underlying_id
    LEFT JOIN LATERAL (
        SELECT * FROM positions_optionquote q
        WHERE q.contract_id = c.id AND q.source = %(source)s AND q.quoted_at <= %(now)s
        ORDER BY q.quoted_at DESC LIMIT 1
    ) q ON true
    LEFT JOIN LATERAL (
        SELECT sum(b.volume) AS volume FROM positions_optiontradebar b
        WHERE b.contract_id = c.id AND b.source = %(source)s AND b.bar_at > %(day_start)s AND b.bar_at <= %(now)s
    ) t ON true
    LEFT JOIN positions_openinterest o
        ON o.contract_id = c.id AND o.source = %(source)s AND o.as_of_on = %(today)s
    WHERE {where}
    ORDER BY {order}c.expiration_on, c.root, c.strike, c.right, c.id
    LIMIT %(limit)s
"""


def quoted_contracts(contract_ids: Collection[int], *, source: str, now: datetime) -> list[QuotedContract]:
    """These contracts, expired ones included, with their last quotes."""
    return _quoted_contracts("c.id = ANY(%(ids)s)", {"ids": list(contract_ids)}, source, now)


def option_chain(underlying: str, expires_on: date, *, source: str, now: datetime) -> list[QuotedContract]:
    """The contracts of an underlying and expiration that this source has quoted by now, by strike."""
    where = "i.symbol = %(underlying)s AND c.expiration_on = %(expires_on)s AND q.quoted_at IS NOT NULL"
    return _quoted_contracts(where, {"underlying": underlying, "expires_on": expires_on}, source, now)


def search_contracts(text: str, *, source: str, now: datetime, limit: int = 20) -> list[QuotedContract]:
    """Unexpired contracts quoted by now that a text finds ("SPXW 3800 C"); an exact strike comes first. ValueError with
    a sentence for a text that cannot be read."""
    query = parse_contract_query(text)
    where, parameters = _conditions(query, new_york_date(now))
    order = "(trim_scale(c.strike)::text = %(exact_strike)s) DESC, " if query.strike else ""
    return _quoted_contracts(where, parameters, source, now, order=order, limit=limit)


def expirations(underlying: str, *, source: str, now: datetime) -> list[date]:
    """Expiration dates, today's included, of contracts of an underlying that this source has quoted by now."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT DISTINCT c.expiration_on
            FROM positions_optioncontract c JOIN positions_instrument i ON i.id = c.underlying_id
            WHERE i.symbol = %s AND c.expiration_on >= %s AND EXISTS (
                SELECT FROM positions_optionquote q
                WHERE q.contract_id = c.id AND q.source = %s AND q.quoted_at <= %s
            )
            ORDER BY c.expiration_on
            """,
            [underlying, new_york_date(now), source, now],
        )
        return [expires_on for (expires_on,) in cursor.fetchall()]


def quoted_underlyings(*, source: str, now: datetime) -> list[str]:
    """Underlyings with unexpired contracts that this source has quoted by now, by symbol."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT DISTINCT i.symbol
            FROM positions_optioncontract c JOIN positions_instrument i ON i.id = c.underlying_id
            WHERE c.expiration_on >= %s AND EXISTS (
                SELECT FROM positions_optionquote q
                WHERE q.contract_id = c.id AND q.source = %s AND q.quoted_at <= %s
            )
            ORDER BY i.symbol
            """,
            [new_york_date(now), source, now],
        )
        return [symbol for (symbol,) in cursor.fetchall()]


def _conditions(query: ContractQuery, today: date) -> tuple[str, dict[str, object]]:
    if query.symbol is not None:
        return "c.occ_symbol = %(occ)s", {"occ": str(query.symbol)}
    expires_on = query.expires_on if query.days is None else today + timedelta(days=query.days)
    if query.month_day is not None:
        expires_on = next_on(query.month_day, today) or date.max  # of no expiration
    exact_strike = query.strike.rstrip("0").rstrip(".") if "." in query.strike else query.strike
    wanted = {
        "(starts_with(c.root, %(root)s) OR starts_with(i.symbol, %(root)s))": ("root", query.root),
        "starts_with(trim_scale(c.strike)::text, %(exact_strike)s)": ("exact_strike", exact_strike),
        "c.right = %(right)s": ("right", query.right),
        "c.expiration_on = %(expires_on)s": ("expires_on", expires_on),
    }
    conditions = ["q.quoted_at IS NOT NULL", "c.expiration_on >= %(today)s"]
    conditions += [condition for condition, (_, value) in wanted.items() if value]
    return " AND ".join(conditions), {name: value for name, value in wanted.values() if value}


def _quoted_contracts(
    where: str,
    parameters: Mapping[str, object],
    source: str,
    now: datetime,
    *,
    order: str = "",
    limit: int | None = None,
) -> list[QuotedContract]:
    today = new_york_date(now)
    times = {"source": source, "now": now, "today": today, "day_start": new_york_instant(today, time.min)}
    with connection.cursor() as cursor:
        cursor.execute(_QUOTED_CONTRACTS.format(where=where, order=order), {**parameters, **times, "limit": limit})
        return [QuotedContract(*row) for row in cursor.fetchall()]


# ---- Underlyings ----


@dataclass(frozen=True, slots=True)
class UnderlyingPrice:
    """The close of the last bar known, USD a share; `known_at` is the bar's end."""

    instrument_id: int
    price: Decimal
    known_at: datetime


_LAST_PRICES = """
    SELECT i.symbol, i.id, b.close, b.bar_at
    FROM positions_instrument i
    CROSS JOIN LATERAL (
        SELECT close, bar_at FROM positions_underlyingbar b
        WHERE b.instrument_id = i.id AND b.source = %(source)s AND b.bar_at <= %(now)s
        ORDER BY b.bar_at DESC LIMIT 1
    ) b
    WHERE i.id = ANY(%(ids)s::bigint[]) OR i.symbol = ANY(%(symbols)s)
    ORDER BY i.id
"""


def underlying_prices(instrument_ids: Collection[int], *, source: str, now: datetime) -> dict[int, UnderlyingPrice]:
    """The latest price of each instrument at or before now; an instrument without any bar is left out."""
    return {price.instrument_id: price for _, price in _last_prices(instrument_ids, (), source, now)}


def prices_of(symbols: Collection[str], *, source: str, now: datetime) -> dict[str, UnderlyingPrice]:
    """The same by symbol."""
    return dict(_last_prices((), symbols, source, now))


def _last_prices(
    ids: Collection[int], symbols: Collection[str], source: str, now: datetime
) -> list[tuple[str, UnderlyingPrice]]:
    asked = {"ids": list(ids), "symbols": list(symbols), "source": source, "now": now}
    with connection.cursor() as cursor:
        cursor.execute(_LAST_PRICES, asked)
        return [(symbol, UnderlyingPrice(*row)) for symbol, *row in cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class Closes:
    """Adjusted closes of an instrument, the oldest first. `label` says whose they are when not its own."""

    instrument_id: int
    label: str
    days: Sequence[date]
    adjusted_closes: Sequence[Decimal]


def closes_before(
    instrument_ids: Collection[int], *, before: date, sessions: int, calendar: Calendar
) -> dict[int, Closes]:
    """Each instrument's closes of the `sessions` sessions before a date, aliases resolved (GOOG reads GOOGL's).

    A missing session is missing; 60 returns need 61 closes.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT i.id, i.closes_alias_label, d.session_on, d.adjusted_close
            FROM positions_instrument i
            JOIN positions_dailyclose d ON d.instrument_id = coalesce(i.closes_alias_id, i.id)
            WHERE i.id = ANY(%s) AND d.session_on >= %s AND d.session_on < %s
            ORDER BY i.id, d.session_on
            """,
            [list(instrument_ids), calendar.back(before, sessions).day, before],
        )
        rows = cursor.fetchall()
    read: dict[int, Closes] = {}
    for (instrument_id, label), group in groupby(rows, key=itemgetter(0, 1)):
        days, closes = zip(*((row[2], row[3]) for row in group), strict=True)
        read[instrument_id] = Closes(instrument_id, label, days, closes)
    return read


def fundamentals_at(instrument_ids: Collection[int], *, on: date) -> dict[int, Fundamental]:
    """The newest fundamentals of each instrument known on a New York date. Their age is the caller's to judge."""
    rows = (
        Fundamental.objects.filter(instrument_id__in=instrument_ids, as_of_on__lte=on)
        .order_by("instrument_id", "-as_of_on")
        .distinct("instrument_id")
    )
    return {row.instrument_id: row for row in rows}


# ---- Volatility index ----


@dataclass(frozen=True, slots=True)
class VixLevel:
    """A volatility index in points as known at a market time. `label` says what it is; `session_on` whose it is."""

    index: str
    level: Decimal
    label: str
    session_on: date
    known_at: datetime


def recorded_vix(now: datetime, *, index: str = "VIX") -> VixLevel | None:
    """VIX in a recorded session (A-05): the previous close before 09:30 New York, the day's open after it, never that
    day's close. None when that is not on record: yesterday's level is no stand-in for today's."""
    local = new_york(now)
    today = local.date()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT session_on, open, close FROM positions_vixreading
            WHERE index = %s AND kind = %s AND session_on <= %s AND session_on > %s ORDER BY session_on DESC
            """,
            [index, str(ReadingKind.DAILY), today, today - VIX_CLOSE_MAX_AGE],
        )
        readings = {row[0]: row for row in cursor.fetchall()}
    has_opened = local.time() >= REGULAR_OPEN
    if has_opened and today in readings:
        _, opened, _ = readings[today]
        return VixLevel(index, opened, DAY_OPEN, today, new_york_instant(today, REGULAR_OPEN))
    previous = next((row for day, row in readings.items() if day < today), None)
    if previous is None or (has_opened and today.weekday() < SATURDAY):
        return None
    day, _, close = previous
    return VixLevel(index, close, PREVIOUS_CLOSE, day, new_york_instant(day, VIX_CLOSES))


def live_vix(now: datetime, *, index: str = "VIX", source: str = "") -> VixLevel | None:
    """The last live reading at or before now, of that source only where one is given. Without one, what was made up
    does not count. Its age is the caller's to judge (120 s)."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT close, session_on, read_at FROM positions_vixreading
            WHERE index = %(index)s AND kind = %(kind)s AND read_at <= %(now)s
              AND CASE WHEN %(source)s = '' THEN NOT starts_with(source, %(made_up)s) ELSE source = %(source)s END
            ORDER BY read_at DESC, id DESC LIMIT 1
            """,
            {"index": index, "kind": str(ReadingKind.LIVE), "now": now, "source": source, "made_up": SIMULATED},
        )
        row = cursor.fetchone()
    label = MADE_UP_LEVEL if is_simulated(source) else LIVE_LEVEL
    return VixLevel(index, row[0], label, row[1], row[2]) if row else None


def vix_at(now: datetime, *, clock_kind: str, source: str, index: str = "VIX") -> VixLevel | None:
    """The volatility index as a portfolio's market knows it: a live market's last reading, a recorded session's level
    (A-05), or what the made-up market said that it reads its quotes from."""
    if clock_kind == ClockKind.RECORDED:
        return recorded_vix(now, index=index)
    return live_vix(now, index=index, source=source if clock_kind == ClockKind.SIMULATED else "")
