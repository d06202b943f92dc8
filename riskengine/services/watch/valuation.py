"""What each portfolio is worth now, as its circuit breakers see it: losses that are not booked count (A-05, A-18).

    a usable quote                        the bid
    none                                  the last usable bid of a regular session
    none for 10 s, and a fresh ask        what is bid beside it, 0 without a bid; never more than that last usable bid

The ten seconds are those of the stop: a single tick without a bid trips nothing, and a crash to no bid at all does.

Money USD, one row a portfolio in the order of the list that is watched. NaN is not known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from riskengine.calculators import breakers
from riskengine.calculators.columns import BoolColumn, FloatColumn, IntColumn, at_least, below
from riskengine.calculators.limits import Limits
from riskengine.loading.breakers import last_usable_bids, zero_dte
from riskengine.loading.copying import NEVER
from riskengine.loading.watched import Watched
from riskengine.services.watch.judgement import SECOND, Judgement, groups

HALF_A_CENT = 0.005
FAR = int(np.iinfo(np.int64).max)


@dataclass(frozen=True, slots=True, eq=False)
class Valuation:
    """`equity` and `pnl` of the New York date, `basis` that the loss limits are shares of. `quote_at` is the time of
    the quotes behind the loss: every losing position has one that young. `holds`: something is open. `settled`: nothing
    was booked between the reads of the book and of the cash."""

    equity: FloatColumn
    pnl: FloatColumn
    basis: FloatColumn
    quote_at: IntColumn
    holds: BoolColumn
    settled: BoolColumn


def value(
    judgement: Judgement, watched: Sequence[Watched], in_force: Limits, limits: Mapping[int, Limits], cash: FloatColumn
) -> Valuation:
    """The portfolios at the marks of a judged book. `cash` is read after the book: where it is no longer the one that
    was read before it, something filled in between and the sum of both would be neither before nor after: NaN."""
    book, n = judgement.book, len(watched)
    before = np.array([each.cash for each in watched], np.float64)
    marks, quoted = _marks(judgement, watched, limits)
    held = np.bincount(book.place, weights=marks * book.quantity_open * book.multiplier, minlength=n)
    settled = np.abs(cash - before) < HALF_A_CENT
    equity: FloatColumn = np.where(settled, cash, np.nan) + held
    start = np.array([_known(each.equity_start_of_day) for each in watched], np.float64)
    deposits = np.array([_known(each.net_deposits) for each in watched], np.float64)
    account = np.where(zero_dte(watched), np.fmin(in_force.account_size, start), start)
    return Valuation(
        equity=equity,
        pnl=breakers.day_pnl(equity, start, deposits),
        basis=np.where(np.isnan(start), np.nan, account),
        quote_at=_quote_at(judgement, marks, quoted, n),
        holds=np.bincount(book.place, minlength=n) > 0,
        settled=settled,
    )


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
    # Also of a position that is being closed: its loss is not booked yet.
    since = np.where(judgement.unusable_since == NEVER, book.quoted_at, judgement.unusable_since)
    seen = np.zeros(len(book), np.bool_)
    for group, revision, _ in groups(book, rows):
        seen[group] = at_least((market.at[group] - since[group]) / SECOND, limits[revision].stop_blind_seconds)
    in_session = (market.opens_at <= market.at) & (market.at < market.closes_at)
    seen &= judgement.fresh & in_session & (book.ask > 0.0)
    last = last_usable_bids(book, rows, watched, limits)
    bid = np.where(book.bid[rows] > 0.0, np.fmin(book.bid[rows], book.ask[rows]), 0.0)
    marks[rows] = np.where(seen[rows], np.fmin(last, bid), last)
    return marks, judgement.usable | seen


def _quote_at(judgement: Judgement, marks: FloatColumn, quoted: BoolColumn, n: int) -> IntColumn:
    """The oldest quote among losing positions, so that one bad tick is not counted again on quotes of another one;
    without a quoted loser the newest quote, NEVER without any."""
    book = judgement.book
    losing = quoted & below(marks, book.entry)
    newest = np.full(n, NEVER, np.int64)
    np.maximum.at(newest, book.place[quoted], book.confirmed_at[quoted])
    oldest = np.full(n, FAR, np.int64)
    np.minimum.at(oldest, book.place[losing], book.confirmed_at[losing])
    return np.where(oldest == FAR, newest, oldest)
