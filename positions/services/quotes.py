"""Storing what a feed says.

A quote that says what the stored one says only confirms it; a changed one is a new row, known from its own time. What
is not newer than the feed's last word is late and changes nothing: a doubled or overtaken tick never rewrites what was
known. Batches of one source are stored one after another, those of different sources at the same time.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from positions.market.calendar import new_york_date
from positions.market.contracts import CLASSES, UNDERLYINGS
from positions.market.feeds.base import Batch, PriceTick, QuoteTick, VolatilityTick
from positions.market.symbols import OptionSymbol
from positions.models import Instrument, OptionContract

_QUOTES = """
    WITH arriving AS (
        SELECT c.id AS contract_id, a.* FROM unnest(
            %(contract)s::text[], %(bid)s::numeric[], %(bid_size)s::int[],
            %(ask)s::numeric[], %(ask_size)s::int[], %(at)s::timestamptz[]
        ) WITH ORDINALITY AS a(occ_symbol, bid, bid_size, ask, ask_size, at, place)
        JOIN positions_optioncontract c ON c.occ_symbol = a.occ_symbol
    ), stored AS (
        SELECT c.contract_id, q.* FROM (SELECT DISTINCT contract_id FROM arriving) c CROSS JOIN LATERAL (
            SELECT id, confirmed_at, bid, bid_size, ask, ask_size FROM positions_optionquote
            WHERE contract_id = c.contract_id AND source = %(source)s
            ORDER BY quoted_at DESC LIMIT 1
        ) q
    ), compared AS (  -- each tick with the one before it, the first with what is stored
        SELECT a.*, s.id AS stored_id,
               (a.bid, a.bid_size, a.ask, a.ask_size) IS DISTINCT FROM (
                   CASE WHEN earlier.place IS NULL THEN s.bid ELSE earlier.bid END,
                   CASE WHEN earlier.place IS NULL THEN s.bid_size ELSE earlier.bid_size END,
                   CASE WHEN earlier.place IS NULL THEN s.ask ELSE earlier.ask END,
                   CASE WHEN earlier.place IS NULL THEN s.ask_size ELSE earlier.ask_size END
               ) OR (earlier.place IS NULL AND s.id IS NULL) AS is_change
        FROM (
            SELECT arriving.*, lag(place) OVER before AS previous
            FROM arriving LEFT JOIN stored USING (contract_id)
            WHERE stored.id IS NULL OR arriving.at > stored.confirmed_at
            WINDOW before AS (PARTITION BY contract_id ORDER BY at, place)
        ) a
        LEFT JOIN arriving earlier ON earlier.place = a.previous
        LEFT JOIN stored s ON s.contract_id = a.contract_id
    ), runs AS (
        SELECT *, count(*) FILTER (WHERE is_change) OVER (PARTITION BY contract_id ORDER BY at, place) AS run
        FROM compared
    ), told AS (
        SELECT contract_id, run, min(stored_id) AS stored_id, min(bid) AS bid, min(bid_size) AS bid_size,
               min(ask) AS ask, min(ask_size) AS ask_size, min(at) AS changed_at, max(at) AS confirmed_at
        FROM runs GROUP BY contract_id, run
    ), confirmed AS (
        UPDATE positions_optionquote q SET confirmed_at = told.confirmed_at
        FROM told WHERE told.run = 0 AND q.id = told.stored_id
        RETURNING q.id
    ), inserted AS (
        INSERT INTO positions_optionquote
            (contract_id, source, quoted_at, bid, bid_size, ask, ask_size, changed_at, confirmed_at)
        SELECT contract_id, %(source)s, changed_at, bid, bid_size, ask, ask_size, changed_at, confirmed_at
        FROM told WHERE run > 0 ORDER BY contract_id, changed_at
        ON CONFLICT (contract_id, source, quoted_at) DO NOTHING
        RETURNING id
    )
    SELECT (SELECT count(*) FROM inserted), (SELECT count(*) FROM confirmed),
           (SELECT count(*) FROM arriving) - (SELECT count(*) FROM compared)
"""

_PRICES = """
    INSERT INTO positions_underlyingbar (instrument_id, source, bar_at, open, high, low, close, volume)
    SELECT i.id, %(source)s, a.at, a.price, a.price, a.price, a.price, 0
    FROM unnest(%(symbol)s::text[], %(price)s::numeric[], %(at)s::timestamptz[]) AS a(symbol, price, at)
    JOIN positions_instrument i ON i.symbol = a.symbol
    WHERE NOT EXISTS (
        SELECT FROM positions_underlyingbar b
        WHERE b.instrument_id = i.id AND b.source = %(source)s AND b.bar_at >= a.at
    )
    ORDER BY i.id, a.at
    ON CONFLICT (instrument_id, source, bar_at) DO NOTHING
"""

_LEVELS = """
    INSERT INTO positions_vixreading (index, kind, session_on, read_at, close, source)
    SELECT a.index, 'live', a.session_on, a.at, a.level, %(source)s
    FROM unnest(%(index)s::text[], %(level)s::numeric[], %(at)s::timestamptz[], %(session_on)s::date[])
        AS a(index, level, at, session_on)
    WHERE NOT EXISTS (
        SELECT FROM positions_vixreading v
        WHERE v.index = a.index AND v.source = %(source)s AND v.kind = 'live' AND v.read_at >= a.at
    )
    ORDER BY a.index, a.at
    ON CONFLICT (index, source, read_at) WHERE kind = 'live' DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a batch: quotes that are new rows, quotes that confirmed the stored one, ticks that came late
    (of any kind), new underlying prices, new volatility readings."""

    quotes: int = 0
    confirmed: int = 0
    late: int = 0
    prices: int = 0
    volatility: int = 0


@transaction.atomic
def store_batch(batch: Batch, *, source: str) -> Stored:
    """Store a batch of one source, in at most three statements. Contracts and symbols must be on record: a tick of
    another is left out (`list_contracts` puts them there). Doubled ticks change nothing, in any order."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('feed'), hashtext(%s))", [source])
        new, confirmed, late = _store_quotes(cursor, batch.quotes, source) if batch.quotes else (0, 0, 0)
        prices = _store_prices(cursor, batch.prices, source) if batch.prices else 0
        levels = _store_levels(cursor, batch.volatility, source) if batch.volatility else 0
    late += len(batch.prices) - prices + len(batch.volatility) - levels
    return Stored(new, confirmed, late, prices, levels)


def _store_quotes(cursor: CursorWrapper, ticks: Collection[QuoteTick], source: str) -> tuple[int, int, int]:
    cursor.execute(
        _QUOTES,
        {
            "source": source,
            "contract": [tick.contract for tick in ticks],
            "bid": [tick.bid for tick in ticks],
            "bid_size": [tick.bid_size for tick in ticks],
            "ask": [tick.ask for tick in ticks],
            "ask_size": [tick.ask_size for tick in ticks],
            "at": [tick.at for tick in ticks],
        },
    )
    return cursor.fetchone()


def _store_prices(cursor: CursorWrapper, ticks: Collection[PriceTick], source: str) -> int:
    cursor.execute(
        _PRICES,
        {
            "source": source,
            "symbol": [tick.symbol for tick in ticks],
            "price": [tick.price for tick in ticks],
            "at": [tick.at for tick in ticks],
        },
    )
    return cursor.rowcount


def _store_levels(cursor: CursorWrapper, ticks: Collection[VolatilityTick], source: str) -> int:
    cursor.execute(
        _LEVELS,
        {
            "source": source,
            "index": [tick.index for tick in ticks],
            "level": [tick.level for tick in ticks],
            "at": [tick.at for tick in ticks],
            "session_on": [new_york_date(tick.at) for tick in ticks],
        },
    )
    return cursor.rowcount


# ---- Instruments and contracts ----


def known_symbols(symbols: Collection[str]) -> set[str]:
    """Those of the symbols that are instruments, or that the product knows the facts of."""
    return {symbol for symbol in symbols if symbol in UNDERLYINGS} | set(
        Instrument.objects.filter(symbol__in=symbols).values_list("symbol", flat=True)
    )


def known_contracts(symbols: Collection[OptionSymbol]) -> set[OptionSymbol]:
    """Those of the contracts that are on record, or of a class the product knows the facts of."""
    others = {str(symbol): symbol for symbol in symbols if symbol.root not in CLASSES}
    found = OptionContract.objects.filter(occ_symbol__in=others).values_list("occ_symbol", flat=True)
    return {symbol for symbol in symbols if symbol.root in CLASSES} | {others[symbol] for symbol in found}


def list_instruments(symbols: Iterable[str]) -> None:
    """Put the underlyings the product knows the facts of on record, where they are missing."""
    Instrument.objects.bulk_create(
        [
            Instrument(symbol=symbol, name=UNDERLYINGS[symbol].name, kind=UNDERLYINGS[symbol].kind)
            for symbol in sorted(set(symbols))
            if symbol in UNDERLYINGS
        ],
        ignore_conflicts=True,
    )


def list_contracts(symbols: Collection[OptionSymbol]) -> int:
    """Put contracts of classes the product knows on record, where they are missing; how many were. Others are left."""
    wanted = {str(symbol): symbol for symbol in symbols if symbol.root in CLASSES}
    known = OptionContract.objects.filter(occ_symbol__in=wanted).values_list("occ_symbol", flat=True)
    missing = sorted(set(wanted) - set(known))
    if not missing:
        return 0
    underlyings = {CLASSES[wanted[symbol].root].underlying for symbol in missing}
    list_instruments(underlyings)
    ids = dict(Instrument.objects.filter(symbol__in=underlyings).values_list("symbol", "id"))
    OptionContract.objects.bulk_create(
        [_contract(occ_symbol, wanted[occ_symbol], ids) for occ_symbol in missing],
        batch_size=1000,
        ignore_conflicts=True,
    )
    return len(missing)


def _contract(occ_symbol: str, symbol: OptionSymbol, underlying_ids: dict[str, int]) -> OptionContract:
    facts = CLASSES[symbol.root]
    return OptionContract(
        occ_symbol=occ_symbol,
        underlying_id=underlying_ids[facts.underlying],
        root=facts.root,
        expiration_on=symbol.expires_on,
        right=symbol.right,
        strike=symbol.strike,
        multiplier=facts.multiplier,
        settlement=facts.settlement,
        exercise_style=facts.exercise_style,
        tick_class=facts.tick_class,
        is_adjusted=facts.is_adjusted,
    )


# ---- Pruning ----


def prune(*, source: str, before: datetime, today_from: datetime) -> int:
    """Delete a simulated source's rows from before a market time; how many. The last quote of each contract stays
    whatever its age (it is what a closed market is valued at), and prices at full minutes stay for the day."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM positions_optionquote q WHERE q.source = %(source)s AND q.quoted_at < %(before)s AND EXISTS (
                SELECT FROM positions_optionquote n
                WHERE n.contract_id = q.contract_id AND n.source = q.source AND n.quoted_at > q.quoted_at
            )
            """,
            {"source": source, "before": before},
        )
        deleted = cursor.rowcount
        cursor.execute(
            """
            DELETE FROM positions_underlyingbar b WHERE b.source = %(source)s AND b.bar_at < %(before)s
              AND (date_trunc('minute', b.bar_at) <> b.bar_at OR b.bar_at < %(today_from)s)
              AND EXISTS (
                  SELECT FROM positions_underlyingbar n
                  WHERE n.instrument_id = b.instrument_id AND n.source = b.source AND n.bar_at > b.bar_at
                    AND n.bar_at <= %(before)s
              )
            """,
            {"source": source, "before": before, "today_from": today_from},
        )
        deleted += cursor.rowcount
        cursor.execute(
            "DELETE FROM positions_vixreading WHERE source = %(source)s AND kind = 'live' AND read_at < %(before)s",
            {"source": source, "before": before},
        )
        return deleted + cursor.rowcount
