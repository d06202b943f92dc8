"""What a person must be told about a bet: the warnings W1 to W15 (SPEC 7.5), each with its trigger.

Advice never changes a size. A trigger is a comparison over columns, so a number that is not known (NaN) gives no
advice: nothing shown is invented.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from riskengine.calculators.columns import BoolColumn, FloatColumn, above, at_most, below
from riskengine.calculators.limits import Limits
from riskengine.calculators.wording import percent, plain, price, usd

LARGE_SHARE = 0.10  # W1: full Kelly at a 55% even-money edge
CERTAIN_TRADES = 30  # W14: fewer closed trades than this establish nothing


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Bets:
    """Facts of sized bets, shape (n,); NaN where a fact is not known. Money USD, prices USD a share.

    `basis` is what the loss limits are shares of, `loss_at_stop` what the bet's own stop costs;
    `asked` is what the factors asked for before the floor; `risk_budget` the loss the profile plans for;
    `round_trip_cost` spread plus both fees a share; `first_target` the first effective target a share above the ask;
    `shares` what exercise delivers (NaN where it settles in cash) and `notional` what the bet stands for;
    `loss_at_minus_5` the loss when the underlying falls (puts: rises) 5%; `correlated_dollars` this bet and the open
    ones correlated with it; `kelly` the full Kelly fraction of the user's own odds; `record_*` the account's own closed
    trades.
    """

    dollars: FloatColumn
    equity: FloatColumn
    basis: FloatColumn
    loss_at_stop: FloatColumn
    minimum: FloatColumn
    asked: FloatColumn
    vix: FloatColumn
    confidence_factor: FloatColumn
    allocation: FloatColumn
    risk_budget: FloatColumn
    day_pnl: FloatColumn
    minimum_rises: FloatColumn
    kelly: FloatColumn
    round_trip_cost: FloatColumn
    first_target: FloatColumn
    break_even: FloatColumn
    record_wins: FloatColumn
    record_trades: FloatColumn
    record_low: FloatColumn
    record_high: FloatColumn
    shares: FloatColumn
    notional: FloatColumn
    loss_at_minus_5: FloatColumn
    correlated_dollars: FloatColumn
    paper_trades: FloatColumn


Row = dict[str, float]


@dataclass(frozen=True, slots=True)
class Advice:
    code: str
    trigger: Callable[[Bets, Limits], BoolColumn]
    say: Callable[[Row, "Numbers"], str]


@dataclass(frozen=True, slots=True)
class Numbers:
    """The limits that the sentences quote, as plain numbers of one row."""

    max_portfolio_risk: float
    min_position_dollars: float
    max_position_size: float
    max_daily_loss: float
    emergency_halt_loss: float


def _total_loss(row: Row, numbers: Numbers) -> str:
    left = numbers.emergency_halt_loss * row["basis"] + min(row["day_pnl"], 0.0)
    if row["dollars"] >= left:
        return "A total loss ends the day and reaches the emergency halt. The halt cannot undo it."
    return "A total loss ends the day: it is more than what is left of the daily limit."


def _record(row: Row, numbers: Numbers) -> str:
    need = f"This ladder with this stop needs {percent(row['break_even'], 0)} winners"
    if not row["record_trades"] > 0:
        return f"{need}; this account has no closed trades yet."
    won = row["record_wins"] / row["record_trades"]
    interval = f"95% interval {percent(row['record_low'], 0)} to {percent(row['record_high'], 0)}"
    return f"{need}; your record: {percent(won, 0)} ({interval}, {plain(row['record_trades'])} trades)."


def _trades(count: float) -> str:
    return "1 closed trade" if count == 1 else f"{plain(count)} closed trades"


def _exercise(row: Row, numbers: Numbers) -> str:
    """Shares where they are delivered; a cash-settled index option (no shares) stands for the index only."""
    times = f"{usd(row['notional'])}: {plain(row['notional'] / row['equity'], 0)} times the account."
    if math.isnan(row["shares"]):
        return f"This bet stands for {times} It settles in cash."
    return f"Exercise would mean {plain(row['shares'])} shares, {times}"


def _kelly(row: Row, numbers: Numbers) -> str:
    return kelly_sentence(row["kelly"], row["dollars"] / row["equity"])


def kelly_sentence(kelly: float, share: float) -> str:
    """W2, of a bet of this share of the account."""
    if math.isinf(kelly):
        return "These numbers lose nothing: no bet is too large for them, and no real bet is like them."
    said = f"Your numbers give full Kelly {percent(kelly)}"
    if kelly <= 0:
        return f"{said}: with these odds no bet grows the account."
    times = share / kelly
    grave = ": about zero or negative growth even with the edge" if times > 2 else ""
    return f"{said}; this bet is {plain(times, 1)} times that{grave}."


ADVICE: tuple[Advice, ...] = (
    Advice(
        "W1",
        lambda b, limits: (b.dollars > 0) & above(b.dollars, LARGE_SHARE * b.equity),
        lambda r, n: (
            f"This bet is {percent(r['dollars'] / r['equity'])} of the account in one option; the whole "
            "amount can be lost. At a 55% even-money edge full Kelly is 10%."
        ),
    ),
    Advice("W2", lambda b, limits: (b.dollars > 0) & ~np.isnan(b.kelly), _kelly),
    Advice(
        "W3",
        lambda b, limits: (b.dollars > 0) & below(b.asked, b.minimum),
        lambda r, n: (
            f"The risk factors ask for {usd(r['asked'])}. The minimum-bet rule raises it to {usd(r['minimum'])}."
        ),
    ),
    Advice(
        "W4",
        lambda b, limits: (
            (b.dollars > 0) & above(b.vix, 20.0) & at_most(b.vix, 30.0) & at_most(b.confidence_factor, 1.0)
        ),
        lambda r, n: "The VIX cut has no effect at this confidence.",
    ),
    Advice(
        "W5",
        # Not the minimum against the limit: whole contracts may pass a limit that the minimum itself just meets.
        lambda b, limits: (b.dollars > 0) & above(b.dollars, b.allocation),
        lambda r, n: (
            f"Your own limit for this stock is {percent(r['allocation'] / r['equity'], 0)}; this bet is "
            f"{percent(r['dollars'] / r['equity'], 0)}."
        ),
    ),
    Advice(
        "W6",
        lambda b, limits: (b.dollars > 0) & above(b.loss_at_stop, b.risk_budget),
        lambda r, n: (
            f"{usd(r['loss_at_stop'])} at the stop, {plain(r['loss_at_stop'] / r['risk_budget'], 1)} times your "
            f"{plain(100 * n.max_portfolio_risk)}% budget; {usd(r['dollars'])} if the stop fails."
        ),
    ),
    Advice(
        "W7",
        lambda b, limits: (
            (b.dollars > 0) & above(b.dollars, limits.max_daily_loss * b.basis + np.minimum(b.day_pnl, 0.0))
        ),
        _total_loss,
    ),
    Advice(
        "W8",
        lambda b, limits: (b.equity > 0) & below(b.equity, b.minimum_rises),
        lambda r, n: (
            f"The minimum is now {percent(r['minimum'] / r['equity'])} of equity, rising as equity falls; at "
            f"{usd(n.min_position_dollars / n.max_position_size)} betting ends."
        ),
    ),
    Advice(
        "W9",
        lambda b, limits: (b.dollars > 0) & (b.first_target > 0) & below(b.first_target, 2.0 * b.round_trip_cost),
        lambda r, n: (
            f"Costs of {price(r['round_trip_cost'])} a share take "
            f"{percent(r['round_trip_cost'] / r['first_target'], 0)} of the first target."
        ),
    ),
    Advice("W10", lambda b, limits: (b.dollars > 0) & ~np.isnan(b.break_even), _record),
    Advice(
        "W11",
        lambda b, limits: (b.dollars > 0) & above(b.notional, 10.0 * b.equity),
        _exercise,
    ),
    Advice(
        "W12",
        lambda b, limits: (b.dollars > 0) & (b.loss_at_minus_5 > 0),
        lambda r, n: (
            f"This bet is held over a close. A stop does not act overnight: 5% against it in the stock is "
            f"−{usd(r['loss_at_minus_5'])}."
        ),
    ),
    Advice(
        "W13",
        lambda b, limits: (b.dollars > 0) & above(b.correlated_dollars, b.dollars),
        lambda r, n: (
            f"Together with the correlated positions this is one bet of "
            f"{percent(r['correlated_dollars'] / r['equity'])} of the account."
        ),
    ),
    Advice(
        "W14",
        lambda b, limits: (b.dollars > 0) & (b.paper_trades >= 0),
        lambda r, n: (
            f"Paper account with {_trades(r['paper_trades'])}. {CERTAIN_TRADES} trades cannot establish an edge."
        ),
    ),
)


def advise(bets: Bets, limits: Limits) -> list[list[dict[str, str]]]:
    """The advice that applies to each row, in W order. W15 belongs to pages that show a win rate.

    `limits.stop_fraction` and its like may be columns; the sentence quotes the row's own.
    """
    n = len(bets.dollars)
    said: list[list[dict[str, str]]] = [[] for _ in range(n)]
    with np.errstate(invalid="ignore"):
        triggered = [np.flatnonzero(each.trigger(bets, limits)).tolist() for each in ADVICE]
    if not any(triggered):
        return said
    values = list(zip(*(getattr(bets, name).tolist() for name in _FACTS), strict=True))
    rows: list[Row | None] = [None] * n
    shared = _numbers(limits, 0) if limits.shared else None
    for each, at in zip(ADVICE, triggered, strict=True):
        for i in at:
            row = rows[i]
            if row is None:
                row = rows[i] = dict(zip(_FACTS, values[i], strict=True))
            said[i].append({"code": each.code, "text": each.say(row, shared or _numbers(limits, i))})
    return said


_FACTS = tuple(f.name for f in fields(Bets))
_QUOTED = tuple(f.name for f in fields(Numbers))


def _numbers(limits: Limits, i: int) -> Numbers:
    return Numbers(*(_of(getattr(limits, name), i) for name in _QUOTED))


def bets_of(n: int, **known: FloatColumn) -> Bets:
    """Bets of n rows with the facts that are known; every other fact is unknown."""
    unknown: npt.NDArray[np.float64] = np.full(n, math.nan)
    return Bets(**{f.name: known.pop(f.name, unknown) for f in fields(Bets)}, **known)


def _of(limit: object, i: int) -> float:
    return float(limit[i if limit.size > 1 else 0]) if isinstance(limit, np.ndarray) else float(limit)  # type: ignore[arg-type]


def floor_lifted(asked: float, minimum: float) -> str:
    return f"FLOOR_LIFTED: the risk factors ask for {usd(asked)}; the minimum bet rule raises it to {usd(minimum)}"


def risk_budget(loss: float, budget: float, stop_fraction: float) -> str:
    at_stop = f"loss at the {plain(100 * stop_fraction)}% stop ${loss:.2f}"
    return f"RISK_BUDGET: {at_stop} = {loss / budget:.2f}x the ${budget:.2f} budget"


def minimum_overrides_allocation(fraction: float, dollars: float) -> str:
    return f"MINIMUM_OVERRIDES_ALLOCATION: profile allows {plain(100 * fraction)}% = ${dollars:.2f}"


def break_even(threshold: FloatColumn, share: npt.NDArray[np.int64], stop_fraction: FloatColumn) -> FloatColumn:
    """The share of winners at which the ladder pays for the stop, before costs: stop / (stop + average gain).

    `threshold` and `share` are blocks of shape (n, 8), shares in ten-thousandths. What no slice closes is taken to
    gain the highest threshold plus a fifth of it (the 3R runner: 60% where the last slice is 50%). Source: SPEC 7.4.
    """
    taken = np.where(share > 0, threshold, 0.0)
    gain = (taken * share).sum(axis=1) / 10_000
    gain += (10_000 - share.sum(axis=1)) / 10_000 * taken.max(axis=1) * 1.2
    return np.asarray(stop_fraction / (stop_fraction + gain))
