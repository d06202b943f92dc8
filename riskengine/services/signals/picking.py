"""The contract that a signal buys: the one it names, or one picked from the listed chain.

The expiration is picked among the dates that are listed and quoted, never by weekday (SPEC 9): the one nearest to the
middle of the profile's days. The strike is the usable one nearest to the profile's delta or moneyness.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np

from positions.market.calendar import days_to_expiration
from positions.market_selectors import QuotedContract, expirations, option_chain
from positions.models import Portfolio
from riskengine.calculators import picking
from riskengine.calculators.limits import BY_DELTA, Limits
from riskengine.loading.candidates import Candidates, Situation, candidates_of
from riskengine.models import Signal

CALL = "LONG_CALL"


@dataclass(frozen=True, slots=True)
class Listing:
    """What could be bought for an underlying: the dates listed by now and the chain of the one that was picked."""

    days: tuple[date, ...]
    expires_on: date | None
    chain: tuple[QuotedContract, ...]


@dataclass(frozen=True, slots=True)
class Pick:
    """The contract, or why there is none; `how` says by what it was picked."""

    row: QuotedContract | None
    code: str
    how: str


def listings(portfolio: Portfolio, signals: Sequence[Signal], limits: Limits, at: datetime) -> dict[str, Listing]:
    """By symbol, for the signals that name no contract. Two statements an underlying."""
    symbols = sorted({each.underlying.symbol for each in signals if each.contract_id is None})
    return {symbol: _listing(portfolio, symbol, limits, at) for symbol in symbols}


def _listing(portfolio: Portfolio, symbol: str, limits: Limits, at: datetime) -> Listing:
    days = expirations(symbol, source=portfolio.quote_source, now=at)
    low, high = int(limits.min_expiration_days), int(limits.max_expiration_days)
    left = np.array([days_to_expiration(day, at) for day in days], np.int64)
    place = picking.pick_expiration(left, low=low, high=high, preferred=(low + high) // 2)
    if place == picking.NONE:
        return Listing(tuple(days), None, ())
    chain = option_chain(symbol, days[place], source=portfolio.quote_source, now=at)
    # Adjusted contracts and those that settle in the morning are refused at the gate: they are never picked.
    standard = [row for row in chain if not row.is_adjusted and row.settlement != "am_cash"]
    return Listing(tuple(days), days[place], tuple(standard))


def pick(signal: Signal, situation: Situation, listed: Mapping[str, Listing]) -> Pick:
    """The contract of one signal; the situation was loaded with the chains of `listed` and the contracts named."""
    if signal.contract_id is not None:
        return Pick(situation.facts.contracts[signal.contract_id], "", "named by the signal")
    limits, symbol = situation.limits, signal.underlying.symbol
    found = listed[symbol]
    low, high = int(limits.min_expiration_days), int(limits.max_expiration_days)
    if found.expires_on is None:
        span = f"{low} to {high} days" if high else "today"
        shown = ", ".join(f"{day}" for day in found.days[:5]) or "none"
        return Pick(None, "NO_EXPIRATION", f"No expiration of {symbol} within {span} is listed. Listed: {shown}.")
    candidates = candidates_of(situation, found.chain)
    place = _nearest(candidates, situation, want_call=signal.direction == CALL)
    by = _target(limits)
    if place == picking.NONE:
        right = "call" if signal.direction == CALL else "put"
        return Pick(
            None,
            "NO_CONTRACT",
            f"No {right} of {symbol} that expires on {found.expires_on} has a quote that can be traded "
            f"(fresh, a bid, spread at most {100 * float(limits.max_spread):g}%, premium and delta known).",
        )
    delta, moneyness = float(candidates.priced.greeks.delta[place]), _moneyness(candidates, place)
    how = f"of {len(found.chain)} listed for {found.expires_on}, nearest to {by}: delta {delta:.2f}, {moneyness}"
    return Pick(found.chain[place], "", how)


def _nearest(candidates: Candidates, situation: Situation, *, want_call: bool) -> int:
    limits, quotes = situation.limits, candidates.quotes
    live = np.where(candidates.days == 0, limits.quote_max_age_expiring_seconds, limits.quote_max_age_seconds)
    oldest = live if situation.live else np.full(len(quotes.rows), limits.recorded_quote_max_age_seconds)
    premium = np.where(quotes.index_sized(), limits.min_premium_index, limits.min_premium)
    fresh = (quotes.age_seconds >= 0) & (quotes.age_seconds <= oldest)
    spot = candidates.priced.spot
    return picking.pick_contract(
        strike=quotes.strike,
        call=quotes.call,
        bid=quotes.bid,
        ask=quotes.ask,
        delta=candidates.priced.greeks.delta,
        spot=float(spot[0]) if len(spot) else np.nan,
        usable=fresh & picking.liquid(quotes.bid, quotes.ask, max_spread=limits.max_spread, min_premium=premium),
        want_call=want_call,
        by_delta=limits.strike_selection == BY_DELTA,
        target=float(
            limits.strike_target_delta if limits.strike_selection == BY_DELTA else limits.strike_target_moneyness
        ),
    )


def _target(limits: Limits) -> str:
    if limits.strike_selection == BY_DELTA:
        return f"delta {float(limits.strike_target_delta):.2f}"
    return f"{100 * float(limits.strike_target_moneyness):g}% out of the money"


def _moneyness(candidates: Candidates, place: int) -> str:
    spot, strike = float(candidates.priced.spot[place]), float(candidates.quotes.strike[place])
    if not spot > 0:
        return "price of the underlying not known"
    out = (strike / spot - 1.0) * (1.0 if candidates.quotes.call[place] else -1.0)
    return f"{abs(100 * out):.1f}% {'out of' if out >= 0 else 'in'} the money"
