"""Whether, looking at the market and the moment: the gates of SPEC A-05, A-12, A-13 and A-16.

What is not known refuses, as in `gates_account`; where a thing can be missing as well as too small (volume, open
interest), the missing one is a gate of its own.
"""

from dataclasses import dataclass

from riskengine.calculators.columns import (
    BoolColumn,
    FloatColumn,
    above,
    at_least,
    at_most,
    below,
    higher_of,
    lower_of,
    negated,
    ratio,
    rounded_down,
    unknown,
    where,
)
from riskengine.calculators.gates_account import AccountCase, gate
from riskengine.calculators.rules import YES_NO, Rule, Verdict


@dataclass(slots=True, eq=False, kw_only=True)
class Market:
    """What the market's gates look at, arrays of shape (n,).

    Prices USD per share, times in seconds or minutes as named, sizes and volume in contracts. NaN is unknown.
    `contracts`, `dollars` and `minimum` come from the sizing. `stop` is the initial stop at this ask,
    `first_target_fraction` the first effective target as a fraction of the ask.
    """

    active: BoolColumn
    mode_on: BoolColumn
    reconciled: BoolColumn
    permitted: BoolColumn
    session_open: BoolColumn
    minutes_since_open: FloatColumn
    minutes_to_forced_close: FloatColumn
    expiration_days: FloatColumn
    adjusted: BoolColumn
    am_settled: BoolColumn
    bid: FloatColumn
    ask: FloatColumn
    ask_size: FloatColumn
    tick: FloatColumn
    quote_age_seconds: FloatColumn
    quote_max_age_seconds: FloatColumn
    vix_age_seconds: FloatColumn
    vix_max_age_seconds: FloatColumn
    heartbeat_age_seconds: FloatColumn
    risk_known: BoolColumn
    volume: FloatColumn
    open_interest: FloatColumn
    index_sized: BoolColumn
    multiplier_per_contract: FloatColumn
    stop: FloatColumn
    first_target_fraction: FloatColumn
    exposure: FloatColumn
    exposure_limit: FloatColumn
    greeks_known: BoolColumn
    correlation_known: BoolColumn
    earnings_possible: BoolColumn
    ex_dividend_inside: BoolColumn
    confirmed: BoolColumn
    opening_intents: FloatColumn
    cooldown_minutes_left: FloatColumn
    breakers_tripped: FloatColumn
    loss_needs_confirmation: BoolColumn
    underlying_halted: BoolColumn
    event_blackout: BoolColumn
    contracts: FloatColumn
    dollars: FloatColumn
    minimum: FloatColumn


@dataclass(slots=True, eq=False)
class Case(AccountCase):
    """What every gate of an entry may look at."""

    market: Market


@gate("NOT_ACTIVE", "Portfolio state", YES_NO, "A-02")
def portfolio_active(case: Case) -> Verdict:
    return case.market.active, 1.0, case.market.active


@gate("MODE_OFF", "Mode", YES_NO, "P-27")
def mode_on(case: Case) -> Verdict:
    return case.market.mode_on, 1.0, case.market.mode_on


@gate("NOT_RECONCILED", "Reconciled with the broker", YES_NO, "A-02, A-08")
def reconciled(case: Case) -> Verdict:
    return case.market.reconciled, 1.0, case.market.reconciled


@gate("NOT_PERMITTED", "Permission", YES_NO, "A-16")
def permitted(case: Case) -> Verdict:
    return case.market.permitted, 1.0, case.market.permitted


@gate("SESSION_CLOSED", "Session", YES_NO, "A-16, section 9")
def session_open(case: Case) -> Verdict:
    return case.market.session_open, 1.0, case.market.session_open


@gate("TOO_EARLY", "Minutes since the open", "minutes", "A-16")
def not_too_early(case: Case) -> Verdict:
    since, limit = case.market.minutes_since_open, case.limits.entry_delay_minutes
    return since, limit, at_least(since, limit)


@gate("TOO_LATE", "Minutes to the forced close", "minutes", "P-09, A-16")
def not_too_late(case: Case) -> Verdict:
    left, limit = case.market.minutes_to_forced_close, case.limits.last_entry_minutes
    return left, limit, at_least(left, limit)


@gate("HEARTBEAT_STALE", "Age of the last risk check", "seconds", "P-22, A-10")
def heartbeat_fresh(case: Case) -> Verdict:
    age, limit = case.market.heartbeat_age_seconds, case.limits.heartbeat_max_age_seconds
    return age, limit, at_most(age, limit)


@gate("RISK_UNKNOWN", "Judged by the last risk check", YES_NO, "P-22, A-10")
def risk_known(case: Case) -> Verdict:
    return case.market.risk_known, 1.0, case.market.risk_known


@gate("NEEDS_CONFIRMATION", "Day loss before confirmation", "USD", "P-08")
def confirmed_after_loss(case: Case) -> Verdict:
    """L1: from half the daily limit on a person confirms each entry, also once the loss is smaller again."""
    limit = -case.limits.confirm_entries_loss * case.account.basis
    small = above(case.account.day_pnl, limit) & negated(case.market.loss_needs_confirmation)
    return case.account.day_pnl, limit, small | case.market.confirmed


@gate("BREAKER_TRIPPED", "Tripped circuit breakers", "count", "P-06..P-08, A-03, A-04")
def no_breaker_tripped(case: Case) -> Verdict:
    """They stay so however the figure has moved since: by their own rule or by a person they are cleared."""
    return case.market.breakers_tripped, 0.0, at_most(case.market.breakers_tripped, 0.0)


@gate("THROTTLED", "Opening intents in the window", "count", "A-04")
def not_throttled(case: Case) -> Verdict:
    """Before this one: the entry itself would be one more."""
    count, limit = case.market.opening_intents, case.limits.max_opening_intents
    return count, limit, below(count, limit)


@gate("COOLDOWN", "Minutes of pause left", "minutes", "P-08, P-09, A-04")
def no_cooldown(case: Case) -> Verdict:
    left = case.market.cooldown_minutes_left
    return left, 0.0, at_most(left, 0.0)


# --- the contract ---


@gate("UNDERLYING_HALTED", "Underlying trades", YES_NO, "A-24")
def not_halted(case: Case) -> Verdict:
    """When an underlying halts, its options halt: what is opened could not be closed."""
    return case.market.underlying_halted, 0.0, negated(case.market.underlying_halted)


@gate("EVENT_BLACKOUT", "No calendar event", YES_NO, "A-24")
def no_blackout(case: Case) -> Verdict:
    return case.market.event_blackout, 0.0, negated(case.market.event_blackout)


@gate("ADJUSTED_CONTRACT", "Standard contract", YES_NO, "SPEC section 9")
def not_adjusted(case: Case) -> Verdict:
    return case.market.adjusted, 0.0, negated(case.market.adjusted)


@gate("AM_SETTLED", "PM settlement", YES_NO, "SPEC section 9")
def not_am_settled(case: Case) -> Verdict:
    return case.market.am_settled, 0.0, negated(case.market.am_settled)


@gate("EXPIRATION_OUT_OF_RANGE", "Days to expiration", "days", "A-16")
def expiration_in_range(case: Case) -> Verdict:
    days = case.market.expiration_days
    earliest, latest = case.limits.min_expiration_days, case.limits.max_expiration_days
    nearest = where(below(days, earliest), earliest, latest)
    return days, nearest, at_least(days, earliest) & at_most(days, latest)


@gate("EARNINGS_BEFORE_EXPIRY", "No earnings before expiration", YES_NO, "B-55, A-16")
def no_earnings_inside(case: Case) -> Verdict:
    possible = case.market.earnings_possible
    return possible, 0.0, negated(possible) | negated(case.limits.refuse_earnings_before_expiry)


@gate("EX_DIVIDEND_BEFORE_EXPIRY", "No ex-dividend date before expiration", YES_NO, "SPEC section 9 (NEW)")
def no_ex_dividend_inside(case: Case) -> Verdict:
    """Of a call: on that date its share opens lower by the dividend, which no stop can be ahead of."""
    inside = case.market.ex_dividend_inside
    return inside, 0.0, negated(inside) | negated(case.limits.refuse_ex_dividend_before_expiry)


# --- freshness ---


@gate("STALE_QUOTE", "Quote age", "seconds", "A-05")
def quote_fresh(case: Case) -> Verdict:
    """Age counts from the feed's last confirmation."""
    age, limit = case.market.quote_age_seconds, case.market.quote_max_age_seconds
    return age, limit, at_least(age, 0.0) & at_most(age, limit)


@gate("STALE_VIX", "VIX age", "seconds", "A-05")
def vix_fresh(case: Case) -> Verdict:
    age, limit = case.market.vix_age_seconds, case.market.vix_max_age_seconds
    return age, limit, at_least(age, 0.0) & at_most(age, limit)


@gate("NO_BID", "Bid", "USD per share", "A-05, P-21")
def has_bid(case: Case) -> Verdict:
    return case.market.bid, 0.0, case.market.bid > 0


@gate("CROSSED_QUOTE", "Ask above bid", "USD per share", "A-05, P-21")
def not_crossed(case: Case) -> Verdict:
    """A missing bid is another gate's business; a missing ask is this one's."""
    width = case.market.ask - where(unknown(case.market.bid), 0.0, case.market.bid)
    return width, 0.0, above(width, 0.0)


# --- liquidity and the cost of entering ---


@gate("SPREAD_TOO_WIDE", "Spread", "fraction", "A-05, A-13")
def spread_narrow(case: Case) -> Verdict:
    """(ask - bid) / mid, at most 10%; 5% for a large bet (1.5 minimum bets). Compared by multiplication."""
    market, limits = case.market, case.limits
    width, middle = market.ask - market.bid, (market.ask + market.bid) / 2.0
    large = at_least(market.dollars, limits.large_bet_multiple * market.minimum)
    most = where(large, lower_of(limits.max_spread, limits.max_spread_large_bet), limits.max_spread)
    return ratio(width, middle), most, at_most(width, most * middle)


@gate("VOLUME_UNKNOWN", "Volume known", "contracts", "A-13")
def volume_known(case: Case) -> Verdict:
    market, limits = case.market, case.limits
    early = below(market.minutes_since_open, limits.volume_gate_delay_minutes)
    return market.volume, 0.0, negated(unknown(market.volume)) | early | limits.waive_volume_unknown


@gate("VOLUME_TOO_THIN", "Share of volume", "contracts", "A-13")
def volume_enough(case: Case) -> Verdict:
    """From 10:00: contracts <= max(5% of today's volume, 2 x displayed ask size). Unknown volume is its own gate."""
    market, limits = case.market, case.limits
    displayed = limits.displayed_size_multiple * where(unknown(market.ask_size), 0.0, market.ask_size)
    most = higher_of(rounded_down(limits.max_share_of_volume * market.volume + 1e-9), displayed)
    early = below(market.minutes_since_open, limits.volume_gate_delay_minutes)
    return market.contracts, most, at_most(market.contracts, most) | early | unknown(market.volume)


@gate("OI_UNKNOWN", "Open interest known", "contracts", "A-13")
def open_interest_known(case: Case) -> Verdict:
    interest = case.market.open_interest
    return interest, 0.0, negated(unknown(interest)) | case.limits.waive_open_interest_unknown


@gate("OI_TOO_THIN", "Share of open interest", "contracts", "A-13")
def open_interest_enough(case: Case) -> Verdict:
    """contracts <= 10% of open interest. Unknown interest is its own gate."""
    market = case.market
    most = rounded_down(case.limits.max_share_of_open_interest * market.open_interest + 1e-9)
    return market.contracts, most, at_most(market.contracts, most) | unknown(market.open_interest)


@gate("PREMIUM_TOO_LOW", "Premium", "USD per share", "A-12")
def premium_high_enough(case: Case) -> Verdict:
    market = case.market
    least = where(market.index_sized, case.limits.min_premium_index, case.limits.min_premium)
    return market.ask, least, at_least(market.ask, least)


@gate("STOP_TOO_CLOSE", "Room above the stop", "USD per share", "A-12")
def stop_far_enough(case: Case) -> Verdict:
    """bid - stop >= max(2 ticks, 12% of the ask; 8% for 7DTE): the spread must not nearly stop the bet by itself."""
    market, limits = case.market, case.limits
    least = higher_of(limits.stop_room_ticks * market.tick, limits.stop_room_fraction * market.ask)
    room = market.bid - market.stop
    return room, least, at_least(room, least)


@gate("COST_OVER_TARGET", "Cost against the first target", "USD per share", "A-12, B-38")
def cost_under_target(case: Case) -> Verdict:
    """Spread and both fees, a share, against the first effective target."""
    market = case.market
    cost = market.ask - market.bid + ratio(2.0 * case.limits.fee_per_contract, market.multiplier_per_contract)
    target = market.first_target_fraction * market.ask
    return cost, target, at_most(cost, target)


@gate("BOOK_EXPOSURE", "Exposure after the bet", "USD", "A-15")
def book_exposure(case: Case) -> Verdict:
    market = case.market
    after = market.exposure + market.dollars
    return after, market.exposure_limit, at_most(after, market.exposure_limit)


@gate("GREEKS_UNKNOWN", "Greeks known", YES_NO, "P-05, A-14")
def greeks_known(case: Case) -> Verdict:
    return case.market.greeks_known, 1.0, case.market.greeks_known


@gate("CORRELATION_UNKNOWN", "Correlation known", YES_NO, "P-01, P-12")
def correlation_known(case: Case) -> Verdict:
    return case.market.correlation_known, 1.0, case.market.correlation_known


STATE: tuple[Rule, ...] = (
    portfolio_active,
    mode_on,
    reconciled,
    permitted,
    no_breaker_tripped,
    confirmed_after_loss,
    not_throttled,
    no_cooldown,
)
CLOCK: tuple[Rule, ...] = (session_open, not_halted, no_blackout, not_too_early)
CONTRACT: tuple[Rule, ...] = (not_adjusted, not_am_settled, expiration_in_range)
FRESH: tuple[Rule, ...] = (quote_fresh, vix_fresh, heartbeat_fresh, risk_known, has_bid, not_crossed)
LIQUID: tuple[Rule, ...] = (
    spread_narrow,
    volume_known,
    volume_enough,
    open_interest_known,
    open_interest_enough,
    premium_high_enough,
    stop_far_enough,
    cost_under_target,
    book_exposure,
)
