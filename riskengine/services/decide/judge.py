"""From loaded columns to verdicts: size, stop, targets and every gate of each candidate, in one pass.

Preview, authorised entry and the search for a contract that passes all go through `judge_candidates`, so they cannot
disagree.
"""

from dataclasses import dataclass

import numpy as np

from accounts.defaults import SMART_0DTE
from positions.market.calendar import new_york
from positions.models import Broker, Mode, Portfolio, State
from riskengine.calculators import codes, gates, sizing_0dte, sizing_7dte, stops, take_profit
from riskengine.calculators.columns import BoolColumn, FloatColumn, Steps, above
from riskengine.calculators.rules import CodeColumn, Verdicts
from riskengine.calculators.sizing import Sizing
from riskengine.loading.candidates import Candidates, Situation
from riskengine.loading.facts import Latched
from riskengine.loading.scaling import Scaled
from riskengine.services.decide.reservation import Placing, Reservation, reserve

CONFIRMS = "loss_l1"  # this breaker refuses nothing that a person confirms
STALE = ("stale_quote", "stale_vix")
# A quote that fails one of these is no price to size on; what fails another gate is sized and refused.
UNUSABLE_QUOTE = ("EXPIRED", "STALE_QUOTE", "NO_BID", "CROSSED_QUOTE")


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """The verdict on each candidate, shape (n,). `refusal` is the code that stands in the way, NONE when approved:
    an unusable quote before a sizing refusal before the reservation's before the first failed gate. `reservation` is
    None in a preview; else `sizing` is what is left of the size at the worst permitted price."""

    situation: Situation
    candidates: Candidates
    confidence: float
    scaled: Scaled
    sizing: Sizing
    stop: stops.InitialStop
    regime: take_profit.StateColumn
    factor: FloatColumn
    slices: take_profit.Slices
    gates: Verdicts
    unusable: CodeColumn
    refusal: CodeColumn
    reservation: Reservation | None


def judge_candidates(
    situation: Situation, candidates: Candidates, confidence: float, *, placing: Placing | None, proven: bool = True
) -> Judged:
    """Size and judge every candidate at the same confidence. `placing` makes an entry of a preview (None): what fits at
    the worst permitted price, and the gates of AT_PLACEMENT. The size scales with what the account's record leaves of
    the confidence, the gate reads it raw (A-21); not `proven`, its source bets the minimum."""
    limits, quotes = situation.limits, candidates.quotes
    n = len(quotes.rows)
    unusable = _unusable(situation, candidates)
    price = np.where(unusable == codes.NONE, quotes.ask, np.nan)
    zero_dte = situation.portfolio.system == SMART_0DTE
    scaled = situation.confidence.scaled(confidence, proven=proven)
    sizing = (_size_0dte if zero_dte else _size_7dte)(situation, candidates, scaled.value, price)
    reservation = None
    if placing is not None:
        sizing, reservation = reserve(situation, candidates, sizing, placing)
    contracts = sizing.contracts.astype(np.float64)
    tick = quotes.tick(quotes.ask)
    stop = _stop(situation, candidates, sizing)
    regime, factor, slices = _targets(situation, candidates)
    account = _account(situation, candidates, confidence, contracts, sizing)
    market = _market(situation, candidates, sizing, placing, tick, stop.stop, slices.threshold[:, 0])
    verdicts = gates.judge_entry(
        account,
        market,
        limits,
        gates.entry_gates(situation.portfolio.system, placing=placing is not None),
        np.ones(n, bool),
    )
    refusal = verdicts.first_failed()
    for earlier in (reservation.refusal if reservation else None, sizing.refusal, unusable):
        if earlier is not None:
            refusal = np.where(earlier != codes.NONE, earlier, refusal)
    return Judged(
        situation=situation,
        candidates=candidates,
        confidence=confidence,
        scaled=scaled,
        sizing=sizing,
        stop=stop,
        regime=regime,
        factor=factor,
        slices=slices,
        gates=verdicts,
        unusable=unusable,
        refusal=refusal,
        reservation=reservation,
    )


def _stop(situation: Situation, candidates: Candidates, sizing: Sizing) -> stops.InitialStop:
    """The initial stop of a bet bought at the ask, on the tick of the price where it stands, not of the ask."""
    limits, ask = situation.limits, candidates.quotes.ask
    if situation.portfolio.system == SMART_0DTE:
        tick = candidates.quotes.tick(ask * (1.0 - limits.stop_fraction))
        return stops.initial_stop_0dte(ask, tick, limits.stop_fraction)
    value = np.where(sizing.dollars > 0.0, sizing.dollars, sizing.minimum)
    exact = ask * (1.0 - np.minimum(limits.stop_fraction, limits.stop_account_risk * sizing.basis / value))
    return stops.initial_stop_7dte(ask, value, sizing.basis, candidates.quotes.tick(exact), limits)


def _max_age(situation: Situation, candidates: Candidates) -> FloatColumn:
    """How old each quote may be: a recorded bar 60 s, live 5 s when expiring today, else 30 s (A-05)."""
    limits = situation.limits
    live = np.where(candidates.days == 0, limits.quote_max_age_expiring_seconds, limits.quote_max_age_seconds)
    return np.where(situation.live, live, limits.recorded_quote_max_age_seconds)


def _unusable(situation: Situation, candidates: Candidates) -> CodeColumn:
    """The first reason why a contract's quote is no price, as a code column."""
    quotes = candidates.quotes
    expired = (candidates.days < 0) | (candidates.priced.seconds <= 0)
    fresh = (quotes.age_seconds >= 0) & (quotes.age_seconds <= _max_age(situation, candidates))
    fails = (expired, ~fresh, ~(quotes.bid > 0), ~above(quotes.ask, np.fmax(quotes.bid, 0.0)))
    found = np.zeros(len(quotes.rows), np.int16)
    for code, failed in reversed(list(zip(UNUSABLE_QUOTE, fails, strict=True))):
        found = np.where(failed, np.int16(codes.INDEX[code]), found)
    return found


def _size_0dte(situation: Situation, candidates: Candidates, confidence: float, price: FloatColumn) -> Sizing:
    account, n = situation.account, len(price)
    others = np.array([_other_symbols(situation, row.underlying_id) for row in candidates.quotes.rows], np.float64)
    book = sizing_0dte.Book(
        confidence=np.full(n, confidence),
        vix=np.full(n, _vix(situation)),
        option_price=price,
        dollars_only=np.zeros(n, bool),
        multiplier_per_contract=candidates.quotes.multiplier,
        long=np.ones(n, bool),
        equity_start_of_day=np.full(n, account.equity_start_of_day),
        exposure=np.full(n, account.exposure),
        day_pnl=np.full(n, account.day_pnl),
        buying_power=np.full(n, account.buying_power),
        correlation_risk=candidates.correlation_risk,
        other_symbols=others,
    )
    return sizing_0dte.size_book(book, situation.limits)


def _size_7dte(situation: Situation, candidates: Candidates, confidence: float, price: FloatColumn) -> Sizing:
    account, n = situation.account, len(price)
    allocated = [account.allocation(row.underlying_id) for row in candidates.quotes.rows]
    book = sizing_7dte.Book(
        confidence=np.full(n, confidence),
        option_price=price,
        multiplier_per_contract=candidates.quotes.multiplier,
        long=np.ones(n, bool),
        portfolio_value=np.full(n, account.equity_start_of_day),
        score=candidates.score.score,
        current_allocation=np.array(allocated, np.float64),
        buying_power=np.full(n, account.buying_power),
        pair_row=candidates.pair_row,
        pair_correlation=candidates.pair_correlation,
    )
    return sizing_7dte.size_book(book, situation.limits)


def _vix(situation: Situation) -> float:
    return float(situation.vix.level) if situation.vix else np.nan


def latched_of(situation: Situation, underlying_id: int) -> list[Latched]:
    """The tripped breakers that refuse an entry in this underlying. What confirms entries has a gate of its own, and so
    has data that is stale: it is looked at anew here."""
    return [
        each
        for each in situation.standing.latched
        if each.code != CONFIRMS and each.code not in STALE and each.underlying_id in (None, underlying_id)
    ]


def _other_symbols(situation: Situation, underlying_id: int) -> int:
    return sum(each != underlying_id for each in situation.account.committed.underlyings())


def _targets(
    situation: Situation, candidates: Candidates
) -> tuple[take_profit.StateColumn, FloatColumn, take_profit.Slices]:
    """Regime, factor and armed slices of an entry made now (SPEC section 6)."""
    limits, n = situation.limits, len(candidates.days)
    if situation.portfolio.system == SMART_0DTE:
        hour = np.full(n, new_york(situation.at).hour, np.int64)
        regime = take_profit.regime(hour)
        ladders: tuple[Steps, ...] = (limits.take_profit_morning, limits.take_profit_midday, limits.take_profit_late)
        to_close = np.nan_to_num(candidates.priced.seconds, nan=-1.0).astype(np.int64)
        decay = take_profit.time_decay(to_close, np.zeros(n, np.int64), limits.time_factor, limits.elapsed_factor)
    else:
        regime = np.zeros(n, np.int8)
        ladders = (limits.partial_profit,)
        decay = take_profit.dte_decay(candidates.days, limits.dte_factor)
    return regime, decay.factor, take_profit.lower(take_profit.arm(ladders, regime), decay.factor)


def _account(
    situation: Situation, candidates: Candidates, confidence: float, contracts: FloatColumn, sizing: Sizing
) -> gates.Account:
    account, quotes, n = situation.account, candidates.quotes, len(contracts)
    priced, shares = candidates.priced, contracts * candidates.quotes.multiplier
    ratio = priced.spot / situation.spy
    counts = [account.committed.underlyings().count(row.underlying_id) for row in quotes.rows]
    return gates.Account(
        confidence=np.full(n, confidence),
        vix=np.full(n, _vix(situation)),
        basis=sizing.basis,
        day_pnl=np.full(n, account.day_pnl),
        halted=np.full(n, situation.portfolio.state in (State.HALTED, State.FLATTENING)),
        correlation_risk=candidates.correlation_risk,
        symbol_positions=np.array(counts, np.float64),
        total_positions=np.full(n, float(len(account.committed.contracts))),
        delta_after=situation.book.delta + shares * priced.greeks.delta * ratio,
        gamma_after=situation.book.gamma + shares * priced.greeks.gamma * ratio**2,
    )


def _opens(portfolio: Portfolio) -> bool:
    """Off opens nothing; nor does an account that was stepped back to paper while its orders still reach a broker: only
    what it holds there is closed."""
    return portfolio.mode != Mode.OFF and (portfolio.mode != Mode.PAPER or portfolio.broker == Broker.PAPER)


def _market(
    situation: Situation,
    candidates: Candidates,
    sizing: Sizing,
    placing: Placing | None,
    tick: FloatColumn,
    stop: FloatColumn,
    first_target: FloatColumn,
) -> gates.Market:
    portfolio, quotes, n = situation.portfolio, candidates.quotes, len(tick)
    asked = placing or Placing()

    def each(value: float) -> FloatColumn:
        return np.full(n, value, np.float64)

    def flag(value: bool) -> BoolColumn:
        return np.full(n, value, np.bool_)

    return gates.Market(
        active=flag(portfolio.state == State.ACTIVE),
        mode_on=flag(_opens(portfolio)),
        reconciled=flag(portfolio.reconciled_at is not None),
        permitted=flag(asked.permitted),
        confirmed=flag(asked.confirmed),
        opening_intents=each(float(situation.opening_intents)),
        cooldown_minutes_left=candidates.cooldown_minutes_left,
        breakers_tripped=np.array([float(len(latched_of(situation, row.underlying_id))) for row in quotes.rows]),
        loss_needs_confirmation=flag(any(each.code == CONFIRMS for each in situation.standing.latched)),
        underlying_halted=candidates.underlying_halted,
        event_blackout=candidates.event_blackout,
        session_open=flag(situation.is_open),
        minutes_since_open=each(situation.minutes_since_open),
        minutes_to_forced_close=each(situation.minutes_to_forced_close),
        expiration_days=candidates.days,
        adjusted=np.array([row.is_adjusted for row in quotes.rows], bool),
        am_settled=np.array([row.settlement == "am_cash" for row in quotes.rows], bool),
        bid=quotes.bid,
        ask=quotes.ask,
        ask_size=quotes.ask_size,
        tick=tick,
        quote_age_seconds=quotes.age_seconds,
        quote_max_age_seconds=_max_age(situation, candidates),
        vix_age_seconds=each(situation.vix_age_seconds),
        vix_max_age_seconds=each(float(situation.limits.vix_max_age_seconds)),
        heartbeat_age_seconds=each(situation.heartbeat_age_seconds),
        risk_known=flag(situation.standing.risk_known),
        volume=quotes.volume,
        open_interest=quotes.open_interest,
        index_sized=quotes.index_sized(),
        multiplier_per_contract=quotes.multiplier,
        stop=stop,
        first_target_fraction=first_target,
        exposure=each(situation.account.exposure),
        exposure_limit=situation.limits.max_total_exposure * sizing.basis,
        greeks_known=~np.isnan(candidates.priced.greeks.delta * situation.spy * situation.book.delta),
        correlation_known=candidates.correlation_known,
        earnings_possible=candidates.earnings_possible,
        ex_dividend_inside=candidates.ex_dividend_inside,
        contracts=sizing.contracts.astype(np.float64),
        dollars=sizing.dollars,
        minimum=sizing.minimum,
    )
