"""Circuit breakers: is a limit breached, how far, and is the breach confirmed (P-06..P-08, A-03, A-04, A-18).

    day P&L = equity now - start-of-day equity - net deposits
    loss    = max(0, -day P&L);  breached when loss >= limit fraction x basis;  alert from 75% of that

Only losses count: a profit of any size trips nothing. What cannot be known is `unknown`: it refuses entries and never
trips or clears anything. Arrays have shape (n,), one row a portfolio (or portfolio and underlying), money USD, times
int64 microseconds. A verdict trips nothing by itself; confirming, latching, clearing and the session roll are the
caller's.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from riskengine.calculators.columns import BoolColumn, FloatColumn, IntColumn, Number, above, at_least
from riskengine.calculators.limits import Limits

LevelColumn: TypeAlias = npt.NDArray[np.int8]

MICROSECONDS = 1e6
SECONDS_PER_MINUTE = 60.0


class Level(IntEnum):
    """What a breaker asks for once tripped. A higher level includes the lower ones; exits run at every level."""

    NONE = 0
    CONFIRM = 1  # entries need a person's confirmation
    NO_ENTRIES = 2
    HALT = 3  # cancel openings, flatten where the profile says so


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Verdict:
    """One breaker's finding. `value` and `limit` are in the breaker's unit; `level` is what a breach asks for.

    `immediate` marks breaches that need no confirmation; `alert` warns before the limit; where `unknown` the other
    masks are False.
    """

    value: FloatColumn
    limit: FloatColumn
    level: Level
    breached: BoolColumn
    immediate: BoolColumn
    alert: BoolColumn
    unknown: BoolColumn

    def asks(self) -> LevelColumn:
        """The level each row asks for: its own where breached, NO_ENTRIES where unknown (entries fail closed)."""
        unknown = np.where(self.unknown, Level.NO_ENTRIES, Level.NONE)
        return np.where(self.breached, self.level, unknown).astype(np.int8)


def highest_level(*verdicts: Verdict) -> LevelColumn:
    """The highest level that any of the verdicts asks for, row by row."""
    highest: LevelColumn = np.maximum.reduce([verdict.asks() for verdict in verdicts])
    return highest


def day_pnl(equity: FloatColumn, equity_start_of_day: FloatColumn, net_deposits: FloatColumn) -> FloatColumn:
    """Profit of the New York trading date, negative for a loss (A-18). A deposit is no profit. NaN in any term is NaN.

    Both equities are valued at the last usable bid of a regular session, with fees counted once.
    """
    return equity - equity_start_of_day - net_deposits


@np.errstate(invalid="ignore")
def loss_breakers(pnl: FloatColumn, basis: FloatColumn, limits: Limits) -> tuple[Verdict, Verdict, Verdict]:
    """L1, L2 and L3: a day loss of 5%, 10%, 20% of the basis (P-06..P-08).

    `basis` is min(configured account, start-of-day equity) for Smart-0DTE and start-of-day equity for Mag7-7DTE (A-15).
    A breach beyond 1.5x the limit is immediate (A-03). Unknown where P&L or basis is NaN or infinite, or the basis is
    not above 0: shares of nothing are no limit.
    """
    loss = np.maximum(-pnl, 0.0)
    known = np.isfinite(pnl) & np.isfinite(basis) & above(basis, 0.0)

    def verdict(fraction: Number, level: Level) -> Verdict:
        limit = fraction * basis
        return Verdict(
            value=loss,
            limit=limit,
            level=level,
            breached=known & at_least(loss, limit),
            immediate=known & above(loss, limits.breach_immediate_multiple * limit),
            alert=known & at_least(loss, limits.daily_loss_alert_share * limit),
            unknown=~known,
        )

    return (
        verdict(limits.confirm_entries_loss, Level.CONFIRM),
        verdict(limits.max_daily_loss, Level.NO_ENTRIES),
        verdict(limits.emergency_halt_loss, Level.HALT),
    )


@np.errstate(invalid="ignore")
def confirmed_bids(bids: FloatColumn, quoted_at: IntColumn, limits: Limits) -> FloatColumn:
    """What each contract is worth at the most by the quotes that confirm its newest one (A-03), USD a share, (n,).

    `bids` and `quoted_at` are its usable quotes as blocks (n, k), the newest first, NaN where there are no more. Three
    at least 1 s apart confirm, or "10 s at the most": as many as reach back so far, so that quotes of a minute confirm
    with their second. Each speaks by the median of itself and of those up to the next (the higher of two), and the
    highest of the three is what they agree on: one bad tick agrees with no other, however often it is looked at, and
    one good tick among hundreds hides no loss. NaN where there are too few.
    """
    n, k = bids.shape
    last, count = quoted_at[:, 0].copy(), np.ones(n, np.int64)
    known = ~np.isnan(bids)
    enough = known[:, 0] & (count >= limits.breach_confirmations)
    speaker = np.zeros(bids.shape, np.int64)  # which of the three a quote stands with, -1 for none
    speaker[:, 1:] = -1
    for each in range(1, k):
        wanted = ~enough & known[:, each]
        apart = (last - quoted_at[:, each]) / MICROSECONDS
        counts = wanted & (apart > 0.0) & at_least(apart, limits.breach_spacing_seconds)
        count, last = count + counts, np.where(counts, quoted_at[:, each], last)
        speaker[:, each] = np.where(wanted, count - 1, -1)
        reach = (quoted_at[:, 0] - quoted_at[:, each]) / MICROSECONDS
        enough |= wanted & ((count >= limits.breach_confirmations) | at_least(reach, limits.breach_window_seconds))
    row, place = np.nonzero((speaker >= 0) & known & enough[:, None])
    which = row * k + speaker[row, place]
    order = np.lexsort((bids[row, place], which))
    found, first, held = np.unique(which[order], return_index=True, return_counts=True)
    agreed = np.full(n, -np.inf)
    np.maximum.at(agreed, found // k, bids[row, place][order][first + held // 2])
    return np.where(enough, agreed, np.nan)


def vix(value: FloatColumn, is_fresh: BoolColumn, limits: Limits) -> Verdict:
    """No entries above the highest VIX; exactly at it is allowed (B-05). Stale or missing is unknown."""
    known = np.isfinite(value) & above(value, 0.0) & is_fresh
    return _no_entries(value, limits.max_vix_threshold, known & above(value, limits.max_vix_threshold), ~known)


def vix_clears(seconds_under: FloatColumn, limits: Limits) -> BoolColumn:
    """The VIX breaker clears after 5 minutes at or under the limit (A-03). NaN does not clear."""
    return at_least(seconds_under, limits.vix_clear_minutes * SECONDS_PER_MINUTE)


def trailing_losses(pnl: FloatColumn, group: IntColumn, groups: int) -> IntColumn:
    """Losing closes in a row up to the latest, one number a group; shape (groups,).

    `pnl` and `group` are closed positions, oldest first within each group, (m,) each. A close at exactly zero ends the
    row of losses; one whose P&L is unknown (NaN) does not.
    """
    order = np.arange(len(pnl))
    losing = ~(pnl >= 0.0)
    last_winner = np.full(groups, -1)
    np.maximum.at(last_winner, group[~losing], order[~losing])
    return np.bincount(group[losing & (order > last_winner[group])], minlength=groups).astype(np.int64)


def losing_streak(losses_in_a_row: FloatColumn, seconds_since_last_close: FloatColumn, limits: Limits) -> Verdict:
    """Three losing closes in a row: 30 minutes without entries, counted from the last of them (P-08, A-04).

    Unknown where the count is NaN, or where a full streak's last close has no known time.
    """
    full = at_least(losses_in_a_row, limits.losing_streak)
    over = at_least(seconds_since_last_close, limits.losing_streak_pause_minutes * SECONDS_PER_MINUTE)
    unknown = np.isnan(losses_in_a_row) | (full & np.isnan(seconds_since_last_close))
    return _no_entries(losses_in_a_row, limits.losing_streak, full & ~over & ~unknown, unknown)


def stop_outs(stops_today: FloatColumn, limits: Limits) -> Verdict:
    """Two stop-outs in one underlying: no re-entry there today; one row a portfolio and underlying (A-04)."""
    return _count(stops_today, limits.max_stopouts_per_underlying, reached=True)


def most_within(at: IntColumn, group: IntColumn, window_seconds: FloatColumn) -> FloatColumn:
    """The most events of each group that any window of that length holds; shape (groups,), 0 for none.

    `at` and `group` are events, (m,) each in any order, `window_seconds` (groups,). A window holds what is younger than
    its length at its newest event. So a burst is seen whenever it is looked at, and not only while it lasts.
    """
    most = np.zeros(len(window_seconds))
    if not len(at):
        return most
    order = np.lexsort((at, group))
    at, group = at[order] - at.min(), group[order]
    length = (window_seconds * MICROSECONDS).astype(np.int64)
    apart = int(at.max()) + int(length.max()) + 1  # further than any window reaches
    line = group * apart + at
    first = np.searchsorted(line, line - length[group], side="right")
    np.maximum.at(most, group, np.arange(len(line)) - first + 1)
    return most


def opening_throttle(opening_intents: FloatColumn, limits: Limits) -> Verdict:
    """More than 5 opening intents in 60 s stop entries (A-04); replacements, cancels and exits are no intents."""
    return _count(opening_intents, limits.max_opening_intents, reached=False)


def rejected_orders(rejected_today: FloatColumn, limits: Limits) -> Verdict:
    """Ten rejected orders in a day stop entries until a named person re-enables them (A-04)."""
    return _count(rejected_today, limits.max_rejected_orders, reached=True)


def stale(age_seconds: FloatColumn, oldest: Number) -> Verdict:
    """The data breaker: quote, VIX or heartbeat older than `oldest` seconds means no entries (P-08). NaN is unknown."""
    unknown = np.isnan(age_seconds)
    return _no_entries(age_seconds, oldest, above(age_seconds, oldest), unknown)


@np.errstate(invalid="ignore")
def drawdown(equity: FloatColumn, start_of_day: FloatColumn, sessions: int, fraction: Number) -> Verdict:
    """Rolling drawdown: the fall of equity from its peak of the last `sessions` sessions, in USD (A-04).

    `start_of_day` has shape (n, d): start-of-day equities, newest last, the running session's included, plus the net
    deposits made since, so that a deposit hides no drawdown and a withdrawal makes none; NaN where the portfolio is
    younger. The peak runs over the last `sessions` of them and the equity now, so that a loss on the first of the
    sessions counts. `fraction` of the peak is the limit: 15% for 5 sessions, 25% for 20. Unknown where equity now is
    NaN or the peak is not above 0.
    """
    peak = np.fmax.reduce(np.column_stack((start_of_day[:, -sessions:], equity)), axis=1)
    limit = fraction * peak
    loss = peak - equity
    known = np.isfinite(equity) & np.isfinite(peak) & above(peak, 0.0)
    return _no_entries(loss, limit, known & at_least(loss, limit), ~known)


def _count(count: FloatColumn, limit: Number, *, reached: bool) -> Verdict:
    """A count against its limit: breached when reached, or only when passed. A NaN count is unknown."""
    unknown = np.isnan(count)
    return _no_entries(count, limit, (at_least if reached else above)(count, limit), unknown)


def _no_entries(value: FloatColumn, limit: Number, breached: BoolColumn, unknown: BoolColumn) -> Verdict:
    """A breaker that stops entries and has neither confirmation nor an early warning: it trips when breached."""
    return Verdict(
        value=value,
        limit=np.broadcast_to(limit, value.shape).astype(np.float64),
        level=Level.NO_ENTRIES,
        breached=breached,
        immediate=breached,
        alert=np.zeros(value.shape, np.bool_),
        unknown=unknown,
    )
