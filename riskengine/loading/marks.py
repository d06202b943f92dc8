"""What positions are worth by the record of their quotes: where the quote of now cannot be used, and where one quote is
not enough.

One statement each, none for no row, and every contract once whatever the number of positions. Prices USD a share.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from positions.market.ticks import TICK_CHANGES_AT
from riskengine.calculators.columns import FloatColumn, IntColumn
from riskengine.calculators.limits import Limits
from riskengine.loading.book import Book
from riskengine.loading.copying import INSTANT, INTEGER, MICROS, Fields, copy_columns
from riskengine.loading.watched import Watched

# `stops.usable_for_exit` but for freshness, which every quote had at its own time (positions.services.session_marks). A
# feed that goes on confirming the last quote after the close says nothing that anybody could have traded on.
_USABLE = """
    SELECT o.bid, o.quoted_at, least(o.confirmed_at, w.at, s.close_at) AS confirmed_at FROM positions_optionquote o
    JOIN positions_exchangesession s ON s.exchange = 'XNYS'
        AND s.session_on = (o.quoted_at AT TIME ZONE 'America/New_York')::date
        AND o.quoted_at >= s.open_at AND o.quoted_at <= s.close_at
    WHERE o.contract_id = w.contract AND o.source = w.source AND o.quoted_at <= w.at
      AND o.bid > 0 AND o.ask > o.bid
      AND (o.ask - o.bid <= w.spread * (o.bid + o.ask) / 2
           OR o.ask - o.bid <= CASE WHEN o.bid < %(three)s THEN w.widest ELSE w.widest_from_three END)
"""

_ASKED = """
    FROM unnest(%(contracts)s::bigint[], %(sources)s::text[], %(at)s::timestamptz[], %(spreads)s::numeric[],
                %(widest)s::numeric[], %(widest_from_three)s::numeric[], %(windows)s::float8[]) WITH ORDINALITY
        AS w(contract, source, at, spread, widest, widest_from_three, "window", row)
"""

_LAST_BID = Fields({"row": INTEGER, "bid": MICROS})

_READ_LAST_BIDS = f"""
    SELECT w.row - 1, q.bid {_ASKED}
    CROSS JOIN LATERAL ({_USABLE} ORDER BY o.quoted_at DESC LIMIT 1) q
"""

# What is quoted while the underlying is halted confirms nothing, and no quote from before goes on confirming itself.
_TRADED = f"""
    SELECT q.bid, q.quoted_at, least(q.confirmed_at, (
        SELECT min(h.halted_at) FROM positions_tradinghalt h
        WHERE h.instrument_id = c.underlying_id AND h.halted_at > q.quoted_at)) AS confirmed_at
    FROM ({_USABLE}
        AND NOT EXISTS (
            SELECT FROM positions_tradinghalt h WHERE h.instrument_id = c.underlying_id
              AND h.halted_at <= o.quoted_at AND (h.resumed_at IS NULL OR h.resumed_at > o.quoted_at))
        {{which}}
    ) q
"""  # noqa: S608 (put together of what stands above)
_NEWEST = "ORDER BY o.quoted_at DESC LIMIT 1"

_CONFIRMING = Fields({"row": INTEGER, "bid": MICROS, "quoted_at": INSTANT, "confirmed_at": INSTANT})

# Those of the window that ends with the newest one, and the one in force as that began.
_READ_CONFIRMING = f"""
    SELECT w.row - 1, q.bid, q.quoted_at, q.confirmed_at {_ASKED}
    JOIN positions_optioncontract c ON c.id = w.contract
    CROSS JOIN LATERAL (
        SELECT n.confirmed_at - make_interval(secs => w.window) AS began FROM ({_TRADED.format(which=_NEWEST)}) n
    ) t
    CROSS JOIN LATERAL (
        ({_TRADED.format(which="AND o.quoted_at > t.began")})
        UNION ALL
        ({_TRADED.format(which=f"AND o.quoted_at <= t.began {_NEWEST}")})
    ) q
"""  # noqa: S608 (the same)

_SINCE = Fields({"row": INTEGER, "since": INSTANT})

_READ_BIDLESS = """
    SELECT w.row - 1, min(o.quoted_at)
    FROM unnest(%(contracts)s::bigint[], %(sources)s::text[], %(at)s::timestamptz[]) WITH ORDINALITY
        AS w(contract, source, at, row)
    LEFT JOIN LATERAL (
        SELECT quoted_at FROM positions_optionquote
        WHERE contract_id = w.contract AND source = w.source AND quoted_at <= w.at AND bid > 0
        ORDER BY quoted_at DESC LIMIT 1
    ) b ON true
    JOIN positions_optionquote o ON o.contract_id = w.contract AND o.source = w.source AND o.quoted_at <= w.at
        AND o.quoted_at > coalesce(b.quoted_at, '-infinity')
    GROUP BY w.row
"""


def bidless_since(book: Book, rows: IntColumn, watched: Sequence[Watched]) -> IntColumn:
    """Since when nobody has bid for each of these rows, whose newest quote has no bid: the first quote after the last
    one that had a bid, microseconds."""
    if not len(rows):
        return np.zeros(0, np.int64)
    distinct: dict[tuple, int] = {}
    which = [
        distinct.setdefault((contract, watched[place].quote_source, watched[place].at), len(distinct))
        for contract, place in zip(book.contract[rows].tolist(), book.place[rows].tolist(), strict=True)
    ]
    contracts, sources, at = (list(column) for column in zip(*distinct, strict=True))
    found = copy_columns(_READ_BIDLESS, _SINCE, {"contracts": contracts, "sources": sources, "at": at})
    since = np.full(len(distinct), np.iinfo(np.int64).max)
    since[found["row"]] = found["since"]
    return since[np.array(which)]


def last_usable_bids(
    book: Book, rows: IntColumn, watched: Sequence[Watched], limits: Mapping[int, Limits]
) -> FloatColumn:
    """The last usable bid of a regular session of each of these rows; NaN without one."""
    if not len(rows):
        return np.zeros(0)
    asked, which = _asked(book, rows, watched, limits, np.zeros(len(watched)))
    found = copy_columns(_READ_LAST_BIDS, _LAST_BID, asked | {"three": TICK_CHANGES_AT})
    bids = np.full(len(asked["contracts"]), np.nan)
    bids[found["row"]] = found["bid"]
    return bids[which]


@dataclass(frozen=True, slots=True, eq=False)
class Quoted:
    """The usable quotes of contracts as blocks (n, k), the newest first: `bids`, NaN where there are no more, and
    `quoted_at`. `which` is the contract of each row that was asked about, `rows` one such row of each contract."""

    bids: FloatColumn
    quoted_at: IntColumn
    which: IntColumn
    rows: IntColumn


def confirming_quotes(
    book: Book, rows: IntColumn, watched: Sequence[Watched], limits: Mapping[int, Limits], windows: FloatColumn
) -> Quoted:
    """The usable quotes by which the newest one of each of these rows is confirmed: those of its `windows` (n
    portfolios, seconds), and the one in force as that began. A quote that was confirmed later stands twice."""
    asked, which = _asked(book, rows, watched, limits, windows)
    n = len(asked["contracts"])
    found = copy_columns(_READ_CONFIRMING, _CONFIRMING, asked | {"three": TICK_CHANGES_AT})
    again = found["confirmed_at"] > found["quoted_at"]
    row = np.concatenate((found["row"], found["row"][again]))
    bid = np.concatenate((found["bid"], found["bid"][again]))
    at = np.concatenate((found["quoted_at"], found["confirmed_at"][again]))
    order = np.lexsort((-at, row))
    row, counts = row[order], np.bincount(row, minlength=n)
    nth = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    shape = n, max(1, int(counts.max(initial=0)))
    bids, quoted_at = np.full(shape, np.nan), np.zeros(shape, np.int64)
    bids[row, nth], quoted_at[row, nth] = bid[order], at[order]
    return Quoted(bids, quoted_at, which, rows[np.unique(which, return_index=True)[1]])


def _asked(
    book: Book, rows: IntColumn, watched: Sequence[Watched], limits: Mapping[int, Limits], windows: FloatColumn
) -> tuple[dict[str, list], IntColumn]:
    """What the statements ask, each contract once by the same numbers, and which of them is each row's."""
    distinct: dict[tuple, int] = {}
    which = np.empty(len(rows), np.int64)
    contract, place, revision = (column[rows].tolist() for column in (book.contract, book.place, book.revision))
    under, from_three = book.tick_under[rows].tolist(), book.tick_from_three[rows].tolist()
    for k, (each, where, terms) in enumerate(zip(contract, place, revision, strict=True)):
        numbers = limits[terms]
        key = (
            each,
            watched[where].quote_source,
            watched[where].at,
            numbers.max_spread,
            round(float(numbers.exit_spread_ticks) * under[k], 6),
            round(float(numbers.exit_spread_ticks) * from_three[k], 6),
            float(windows[where]),
            watched[where].revision,  # how many quotes confirm is a number of the portfolio
        )
        which[k] = distinct.setdefault(key, len(distinct))
    names = ("contracts", "sources", "at", "spreads", "widest", "widest_from_three", "windows")
    columns = [list(column) for column in zip(*distinct, strict=True)]
    return dict(zip(names, columns, strict=False)), which
