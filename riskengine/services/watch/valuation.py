"""What each portfolio is worth now, as its circuit breakers see it: losses that are not booked count (A-05, A-18).

    a usable quote                              the bid
    none                                        the last usable bid of a regular session
    no bid for 10 s, beside a fresh ask         0; the ten seconds are those of the stop

and what it is worth by more than one quote, which is what a breach is confirmed by (A-03): every position at what the
quotes that confirm its newest one agree on. Cash rests on no quote: what is booked is confirmed.

Money USD, one row a portfolio in the order of the list that is watched. NaN is not known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from riskengine.calculators import breakers
from riskengine.calculators.columns import BoolColumn, FloatColumn, at_least
from riskengine.calculators.limits import Limits
from riskengine.loading.book import microseconds
from riskengine.loading.breakers import zero_dte
from riskengine.loading.marks import bidless_since, confirming_quotes, last_usable_bids
from riskengine.loading.watched import Watched
from riskengine.services.watch.judgement import SECOND, Judgement, groups, trading_since

HALF_A_CENT = 0.005
CONFIRM_BY = ("breach_confirmations", "breach_spacing_seconds", "breach_window_seconds")


@dataclass(frozen=True, slots=True, eq=False)
class Valuation:
    """`start` and `deposits` are those of the New York date, `basis` what its loss limits are shares of. `marks` and
    `quoted` are by position: USD a share, and whether a quote of now says so. `settled`: nothing was booked between the
    reads of the book and of the cash, nor until the deposits were read; else the cash is not known. `current`: every
    position has a quote of now."""

    cash: FloatColumn
    equity: FloatColumn
    start: FloatColumn
    deposits: FloatColumn
    basis: FloatColumn
    marks: FloatColumn
    quoted: BoolColumn
    settled: BoolColumn
    current: BoolColumn

    @property
    def pnl(self) -> FloatColumn:
        """Of the New York date."""
        return self.pnl_of(self.equity)

    def pnl_of(self, equity: FloatColumn) -> FloatColumn:
        return breakers.day_pnl(equity, self.start, self.deposits)

    def with_cash_of(self, later: FloatColumn) -> "Valuation":
        """Not settled where the cash is another one by now; NaN asks nothing. A deposit booked since is among those
        that the drawdowns are measured by and not in this equity: it would trip them, until a person clears it."""
        same = np.isnan(later) | (np.abs(later - self.cash) < HALF_A_CENT)
        if same.all():
            return self
        return replace(
            self,
            cash=np.where(same, self.cash, np.nan),
            equity=np.where(same, self.equity, np.nan),
            settled=self.settled & same,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Confirmed:
    """Equity by confirmed quotes, and where only the positions without a quote of now are taken at confirmed ones.
    Neither is below the equity at the marks; NaN where nothing was asked."""

    throughout: FloatColumn
    at_once: FloatColumn


def value(
    judgement: Judgement, watched: Sequence[Watched], in_force: Limits, limits: Mapping[int, Limits], cash: FloatColumn
) -> Valuation:
    """The portfolios at the marks of a judged book. `cash` is read after the book: where it is no longer the one that
    was read before it, something filled in between and the sum of both would be neither before nor after: NaN."""
    before = np.array([each.cash for each in watched], np.float64)
    marks, quoted = _marks(judgement, watched, limits)
    settled = np.abs(cash - before) < HALF_A_CENT
    booked: FloatColumn = np.where(settled, cash, np.nan)
    equity: FloatColumn = booked + _held(judgement, marks, len(watched))
    start = np.array([_known(each.equity_start_of_day) for each in watched], np.float64)
    deposits = np.array([_known(each.net_deposits) for each in watched], np.float64)
    account = np.where(zero_dte(watched), np.fmin(in_force.account_size, start), start)
    return Valuation(
        cash=booked,
        equity=equity,
        start=start,
        deposits=deposits,
        basis=np.where(np.isnan(start), np.nan, account),
        marks=marks,
        quoted=quoted,
        settled=settled,
        current=np.bincount(judgement.book.place, ~quoted | judgement.book.halted, len(watched)) == 0.0,
    )


def _held(judgement: Judgement, prices: FloatColumn, n: int) -> FloatColumn:
    """What is open is worth at these prices a share."""
    book = judgement.book
    return np.bincount(book.place, prices * book.quantity_open * book.multiplier, n).astype(np.float64, copy=False)


def _known(number: float | None) -> float:
    return np.nan if number is None else number


def _marks(
    judgement: Judgement, watched: Sequence[Watched], limits: Mapping[int, Limits]
) -> tuple[FloatColumn, BoolColumn]:
    """USD a share, and whether a quote of now says so."""
    book, market = judgement.book, judgement.market
    marks = np.where(judgement.usable, book.bid, 0.0)
    rows = np.flatnonzero(~judgement.usable)
    if not len(rows):
        return marks, judgement.usable
    # Also of a position that is being closed: its loss is not booked yet. In a halt nobody bids, and that says nothing.
    in_session = (market.opens_at <= market.at) & (market.at < market.closes_at)
    bidless = judgement.fresh & in_session & ~book.halted & (book.ask > 0.0) & ~(book.bid > 0.0)
    asked = np.flatnonzero(bidless & ~judgement.usable)
    since = np.maximum(bidless_since(book, asked, watched), trading_since(book, market)[0][asked])
    # A recorded quote holds until the next one; a live one as long as its feed says so.
    until = np.where(market.recorded, market.at, book.confirmed_at)[asked]
    gone = np.zeros(len(book), np.bool_)
    for group, revision, _ in groups(book, asked):
        mine = np.searchsorted(asked, group)
        gone[group] = at_least((until[mine] - since[mine]) / SECOND, limits[revision].stop_blind_seconds)
    marks[rows] = np.where(gone[rows], 0.0, last_usable_bids(book, rows, watched, limits))
    return marks, judgement.usable | gone


def confirm(
    judgement: Judgement,
    watched: Sequence[Watched],
    in_force: Limits,
    limits: Mapping[int, Limits],
    worth: Valuation,
    wanted: BoolColumn,
) -> Confirmed:
    """What the `wanted` portfolios (n) are worth by confirmed quotes. One statement, none where nothing is held.

    A position whose quotes are too few to agree is taken at what was paid for it where that is more: nothing speaks for
    a loss yet. So is one of today that never had a usable quote; one of an earlier day began this one at a value that
    nobody knows any more, and nothing is confirmed beside it.
    """
    book, n = judgement.book, len(watched)
    agreed = worth.marks.copy()
    # Without a bid for ten seconds: that is confirmed already.
    rows = np.flatnonzero(wanted[book.place] & ~(worth.quoted & ~judgement.usable))
    if len(rows):
        windows = np.broadcast_to(in_force.breach_window_seconds, n).astype(np.float64)
        quotes = confirming_quotes(book, rows, watched, limits, windows)
        places = book.place[quotes.rows]
        numbers: dict[str, Any] = {name: np.broadcast_to(getattr(in_force, name), n)[places] for name in CONFIRM_BY}
        bids = breakers.confirmed_bids(quotes.bids, quotes.quoted_at, replace(in_force, **numbers))[quotes.which]
        began = {place: microseconds(watched[place].day_at) for place in np.unique(book.place[rows]).tolist()}
        of_today = book.entry_at[rows] >= np.array([began[place] for place in book.place[rows].tolist()], np.int64)
        paid = np.where(of_today | ~np.isnan(worth.marks[rows]), book.entry[rows], np.nan)
        agreed[rows] = np.fmax(np.where(np.isnan(bids), paid, bids), worth.marks[rows])
    asked = np.where(wanted, worth.cash, np.nan)
    return Confirmed(
        throughout=asked + _held(judgement, agreed, n),
        at_once=asked + _held(judgement, np.where(worth.quoted & ~book.halted, worth.marks, agreed), n),
    )
