"""What Greeks, exposure and correlation of open positions are computed from, as columns: one statement.

Each contract is looked up once a market time, each underlying's price once. USD; seconds; NaN is not known.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from positions.querysets import LIVE_ORDER_STATUSES
from riskengine.calculators.columns import BoolColumn, FloatColumn, IntColumn
from riskengine.loading.book import Book, microseconds
from riskengine.loading.copying import BIGINT, INSTANT, INTEGER, MICROS, NEVER, Fields, copy_columns
from riskengine.loading.watched import Watched

MICROSECONDS = 1e6
CONTRACT, PRICE, OPENING = 0, 1, 2
OTHER, SPY, SPX = 0, 1, 2


@dataclass(frozen=True, slots=True, eq=False)
class Openings:
    """What working opening orders may still buy, at their worst price: place, underlying, USD, +1 calls and -1 puts."""

    place: IntColumn
    underlying: IntColumn
    dollars: FloatColumn
    direction: IntColumn


@dataclass(frozen=True, slots=True, eq=False)
class Exposed:
    """Distinct contracts at a market time, (m,); `which` (n,) is the contract of each row of the book. `seconds` to the
    close of its expiration's session; `spot` is the last price of its underlying, `spot_age` how old that is. Prices
    and ages of SPY and SPX are by portfolio."""

    which: IntColumn
    underlying: IntColumn
    strike: FloatColumn
    call: BoolColumn
    seconds: FloatColumn
    spot: FloatColumn
    spot_age: FloatColumn
    spy: FloatColumn
    spy_age: FloatColumn
    spx: FloatColumn
    spx_age: FloatColumn
    openings: Openings


_EXPOSED = Fields(
    {
        "kind": INTEGER,
        "place": INTEGER,
        "underlying": BIGINT,
        "flag": INTEGER,
        "number": MICROS,
        "at": INSTANT,
    }
)

_READ_EXPOSED = """
    WITH c AS MATERIALIZED (
        SELECT w.row, w.market, o.underlying_id, o.strike, o."right", o.expiration_on
        FROM unnest(%(contracts)s::bigint[], %(markets)s::int[]) WITH ORDINALITY AS w(contract, market, row)
        JOIN positions_optioncontract o ON o.id = w.contract
    )
    SELECT %(contract)s::int, c.row - 1, c.underlying_id, (c."right" = 'C')::int, c.strike, s.close_at
    FROM c LEFT JOIN positions_exchangesession s ON s.exchange = 'XNYS' AND s.session_on = c.expiration_on
  UNION ALL
    SELECT %(price)s::int, u.market - 1, u.underlying_id, u.named, b.close, b.bar_at
    FROM (
        SELECT market, underlying_id, %(other)s::int AS named FROM c GROUP BY 1, 2
      UNION ALL
        SELECT market, i.id, CASE i.symbol WHEN 'SPY' THEN %(spy)s::int ELSE %(spx)s::int END
        FROM (SELECT DISTINCT market FROM c) each JOIN positions_instrument i ON i.symbol IN ('SPY', 'SPX')
    ) u
    JOIN unnest(%(sources)s::text[], %(at)s::timestamptz[]) WITH ORDINALITY AS m(source, at, market)
        ON m.market = u.market
    CROSS JOIN LATERAL (
        SELECT close, bar_at FROM positions_underlyingbar b
        WHERE b.instrument_id = u.underlying_id AND b.source = m.source AND b.bar_at <= m.at
        ORDER BY b.bar_at DESC LIMIT 1
    ) b
  UNION ALL
    SELECT %(opening)s::int, w.place - 1, c.underlying_id, CASE c."right" WHEN 'C' THEN 1 ELSE -1 END,
           (o.quantity - o.filled_quantity) * o.worst_price * c.multiplier, NULL
    FROM positions_order o
    JOIN unnest(%(ids)s::bigint[]) WITH ORDINALITY AS w(id, place) ON w.id = o.portfolio_id
    JOIN positions_optioncontract c ON c.id = o.contract_id
    WHERE o.intent = 'open' AND o.parent_id IS NULL AND o.status = ANY(%(live)s)
"""


def load_exposed(book: Book, watched: Sequence[Watched]) -> Exposed:
    """The contracts of a book with their underlyings' prices, and the working openings of its portfolios."""
    markets: dict[tuple[str, datetime], int] = {}
    market = np.array([markets.setdefault((w.quote_source, w.at), len(markets)) for w in watched], np.int64)
    span = int(book.contract.max(initial=0)) + 1
    wanted, which = np.unique(market[book.place] * span + book.contract, return_inverse=True)
    found = copy_columns(
        _READ_EXPOSED,
        _EXPOSED,
        {
            "contract": CONTRACT, "price": PRICE, "opening": OPENING, "other": OTHER, "spy": SPY, "spx": SPX,
            "contracts": (wanted % span).tolist(),
            "markets": (wanted // span + 1).tolist(),
            "sources": [source for source, _ in markets],
            "at": [at for _, at in markets],
            "ids": [each.portfolio_id for each in watched],
            "live": list(LIVE_ORDER_STATUSES),
        },
    )  # fmt: skip
    rows = {kind: np.flatnonzero(found["kind"] == kind) for kind in (CONTRACT, PRICE, OPENING)}
    now = np.array([microseconds(at) for _, at in markets], np.int64)
    contracts = rows[CONTRACT][np.argsort(found["place"][rows[CONTRACT]])]
    underlying, closes_at = found["underlying"][contracts], found["at"][contracts]
    in_market = wanted // span
    priced = rows[PRICE]
    price_of: dict[tuple[int, int], int] = {}  # by market and underlying, or -1 and -2 for SPY and SPX: its row
    for row, at, each, named in zip(
        priced.tolist(), *(found[name][priced].tolist() for name in ("place", "underlying", "flag")), strict=True
    ):
        price_of[at, -named or each] = row

    def price(keys: Sequence[tuple[int, int]]) -> tuple[FloatColumn, FloatColumn]:
        row = np.array([price_of.get(key, -1) for key in keys], np.int64)
        known = row >= 0
        value, age = np.full(len(row), np.nan), np.full(len(row), np.nan)
        value[known] = found["number"][row[known]]
        at = np.array([at for at, _ in keys], np.int64)
        age[known] = (now[at[known]] - found["at"][row[known]]) / MICROSECONDS
        return value, age

    spot, spot_age = price(list(zip(in_market.tolist(), underlying.tolist(), strict=True)))
    (spy, spy_age), (spx, spx_age) = (price([(at, -each) for at in range(len(markets))]) for each in (SPY, SPX))
    openings = rows[OPENING]
    return Exposed(
        which=which,
        underlying=underlying,
        strike=found["number"][contracts],
        call=found["flag"][contracts] == 1,
        seconds=np.where(closes_at == NEVER, np.nan, (closes_at - now[in_market]) / MICROSECONDS),
        spot=spot,
        spot_age=spot_age,
        spy=spy[market],
        spy_age=spy_age[market],
        spx=spx[market],
        spx_age=spx_age[market],
        openings=Openings(
            place=found["place"][openings],
            underlying=found["underlying"][openings],
            dollars=found["number"][openings],
            direction=found["flag"][openings],
        ),
    )
