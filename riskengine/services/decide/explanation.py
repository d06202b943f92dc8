"""The answer in words and plain data: one shape for page, API and command line (SPEC 7.1)."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from accounts.defaults import MAG7_7DTE, PARAMETERS, SMART_0DTE
from riskengine.calculators import advice, codes, kelly, take_profit, trace, wording
from riskengine.calculators.columns import FloatColumn
from riskengine.calculators.consequences import Consequences, consequences
from riskengine.calculators.exposure import gap_to_zero
from riskengine.services.decide import inputs
from riskengine.services.decide.judge import UNUSABLE_QUOTE, Judged

if TYPE_CHECKING:
    from riskengine.services.decide.sizing import SizeRequest

SYSTEM_LABELS = {SMART_0DTE: "Smart-0DTE", MAG7_7DTE: "Mag7-7DTE"}
BINDING_LABELS = {
    "FACTORS": "The factors set the size.",
    "FLOOR_1X": "The factors ask for less than the minimum bet; the minimum-bet rule raised it.",
    "CAP_2X": "The factors ask for more than the highest multiplier; it caps the bet.",
    "CONFIDENCE_TIER": "The confidence tier set the size.",
    "FUNDAMENTALS": "The fundamental score lowered the size.",
    "CORRELATION": "Correlation with the open positions changed the size.",
    "MAX_POSITION": "The maximum bet cut the size.",
    "MAX_66": "The maximum bet cut the size.",
    "EXPOSURE_ROOM": "The room under the exposure limit cut the size.",
    "STOCK_ALLOCATION": "The allocation to one stock cut the size.",
    "MIN_OVERRIDES_ALLOCATION": "The allocation is under the minimum bet; the minimum bet is allowed, and no more.",
    "BUYING_POWER": "Buying power cut the size.",
    "RISK_BUDGET": "The enforced risk budget cut the size.",
    "DAY_BUDGET": "The enforced day budget cut the size.",
    "CEIL_TO_MINIMUM": "Whole contracts were rounded up to reach the minimum bet.",
}


def explain(
    judged: Judged, i: int, *, request: "SizeRequest", nearest: tuple[Judged, int] | None, now: datetime
) -> dict[str, Any]:
    """Row i of a judgement, explained."""
    situation = judged.situation
    quote = judged.candidates.quotes.rows[i]
    costs = _consequences(judged)
    explained = judged.sizing.explain(i, judged.gates)
    unusable = judged.unusable[i] != codes.NONE
    return {
        "portfolio": _portfolio(judged),
        "contract": {
            "occ_symbol": quote.occ_symbol,
            "label": label(quote),
            "root": quote.root,
            "underlying": quote.underlying,
            "right": quote.right,
            "strike": float(quote.strike),
            "expiration_on": quote.expires_on.isoformat(),
            "days_to_expiration": int(judged.candidates.days[i]),
        },
        "market": inputs.market(judged, i),
        "answer": _answer(judged, i, explained),
        "inputs": inputs.used(judged, i),
        "trace": explained,
        "costs": [] if unusable else _costs(judged, costs, i),
        "kelly": _kelly(judged, i, request),
        "targets": None if unusable else _targets(judged, i),
        "advice": [] if unusable else _advice(judged, costs, i, request),
        "warnings": [],
        "waived": _waived(judged, i),
        "not_judged": [{"code": "HEARTBEAT_STALE", "note": "Judged when the bet is placed, not in a preview."}],
        "nearest": _nearest(*nearest) if nearest else None,
        "revision": {
            "number": situation.revision.number,
            "profile": situation.portfolio.profile.name,
            "author": situation.revision.author_name,
            "in_force_from": inputs.ny(situation.revision.in_force_from),
        },
        "decided_at": inputs.ny(now),
    }


def label(quote: Any) -> str:
    """ "SPXW 3800 put, 2021-01-04"."""
    right = "call" if quote.right == "C" else "put"
    return f"{quote.root} {wording.plain(float(quote.strike), 3)} {right}, {quote.expires_on:%Y-%m-%d}"


def _portfolio(judged: Judged) -> dict[str, Any]:
    portfolio = judged.situation.portfolio
    return {
        "slug": portfolio.slug,
        "name": portfolio.name,
        "system": portfolio.system,
        "system_label": SYSTEM_LABELS[portfolio.system],
        "mode": portfolio.mode,
        "state": portfolio.state,
        "is_demo": portfolio.is_demo,
    }


# --- the answer -----------------------------------------------------------------------------------------------------


def _answer(judged: Judged, i: int, explained: dict[str, Any]) -> dict[str, Any]:
    sizing, quote = judged.sizing, judged.candidates.quotes.rows[i]
    code = codes.CODES[judged.refusal[i]].name
    contracts, dollars = int(sizing.contracts[i]), float(sizing.dollars[i])
    equity = judged.situation.account.equity_start_of_day
    price = float(quote.ask) if quote.ask is not None else None
    approved = not code and contracts > 0
    refusal = {"code": code, "sentence": _refusal(judged, i, code, explained)} if code else None
    binding = explained["binding"]
    return {
        "contracts": contracts if approved else 0,
        "dollars": dollars if approved else 0.0,
        "indicative_contracts": contracts,
        "indicative_dollars": dollars,
        "formula_dollars": float(sizing.formula_dollars[i]),
        "share_of_account": inputs.known(dollars / equity) if equity > 0 else None,
        "price": price,
        "approved": approved,
        "refusal": refusal,
        "unusable_quote": bool(judged.unusable[i] != codes.NONE),
        "binding": binding,
        "binding_label": BINDING_LABELS.get(binding, refusal["sentence"] if refusal else ""),
        "sentence": refusal["sentence"] if refusal else _sentence(contracts, price, dollars, equity, explained),
    }


def _refusal(judged: Judged, i: int, code: str, explained: dict[str, Any]) -> str:
    """The refusal's own sentence, with its measured value and limit."""
    if code == "INVALID_INPUT":
        return judged.sizing.checked.sentence(i) or ""
    for verdict in (*explained["blocks"], *explained["gates"]):
        if verdict["rule"] == code and not verdict["passed"]:
            return str(verdict["sentence"])
    for rule, saw, limit in zip(judged.gates.rules, judged.gates.saw, judged.gates.limits, strict=True):
        if rule.code == code:
            return trace.sentence(code, rule.unit, *trace.plain([saw, limit], i))
    return codes.CODES[codes.INDEX[code]].sentence


def _sentence(contracts: int, price: float | None, dollars: float, equity: float, explained: dict[str, Any]) -> str:
    """ "Buy 3 at 44.40: $13,320, 22.2% of the account. Confidence 0.7 asks ×1.25 of the $12,000 minimum; ..."."""
    steps = explained["steps"]
    minimum = explained["amounts"]["minimum"]
    asked = [
        f"{s['label']} {wording.show(s['input'], s['unit'])} {'asks' if s['value'] > 1 else 'takes'} "
        f"{wording.multiple(s['value'])}"
        for s in steps
        if s["effect"] == "scale" and s["changed"] and s["value"] is not None
    ]
    parts = [f"The minimum bet is {wording.usd(minimum)}"]
    if asked:
        parts = [f"{asked[0]} of the {wording.usd(minimum)} minimum", *asked[1:]]
    for s in steps:
        if s["changed"] and s["effect"] in ("ceiling", "floor", "limit"):
            parts.append(f"{s['label'].lower()}: {wording.usd(s['after'])}")
    count = "one contract costs" if contracts == 1 else f"{contracts:,} whole contracts cost"
    share = wording.percent(dollars / equity)
    return (
        f"Buy {contracts:,} at {wording.price(price or 0.0)}: {wording.usd(dollars)}, {share} of the account. "
        f"{'; '.join(parts)}: {wording.usd(explained['amounts']['formula'])}; {count} {wording.usd(dollars)}."
    )


def _nearest(judged: Judged, i: int) -> dict[str, Any]:
    quote, sizing = judged.candidates.quotes.rows[i], judged.sizing
    return {
        "occ_symbol": quote.occ_symbol,
        "label": label(quote),
        "contracts": int(sizing.contracts[i]),
        "dollars": float(sizing.dollars[i]),
        "why": f"Passes every gate at confidence {wording.plain(judged.confidence)}: "
        f"{int(sizing.contracts[i]):,} at {wording.price(float(quote.ask or 0))}.",
    }


def _waived(judged: Judged, i: int) -> list[dict[str, str]]:
    """Gates this profile waives, where the waiver matters for this contract."""
    limits, quotes = judged.situation.limits, judged.candidates.quotes
    found = []
    for name, missing in (
        ("waive_volume_unknown", bool(np.isnan(quotes.volume[i]))),
        ("waive_open_interest_unknown", bool(np.isnan(quotes.open_interest[i]))),
    ):
        if getattr(limits, name) and missing:
            found.append({"label": PARAMETERS[name].label, "note": PARAMETERS[name].help})
    return found


# --- what it can cost -----------------------------------------------------------------------------------------------


def _consequences(judged: Judged) -> Consequences:
    candidates, sizing = judged.candidates, judged.sizing
    n = len(sizing.contracts)
    equity = np.full(n, judged.situation.account.equity_start_of_day)
    budget = sizing.amounts.get("risk_budget", equity * judged.situation.limits.max_portfolio_risk)
    return consequences(
        contracts=sizing.contracts.astype(np.float64),
        bid=candidates.quotes.bid,
        ask=candidates.quotes.ask,
        stop=judged.stop.stop,
        multiplier=candidates.quotes.multiplier,
        spot=candidates.priced.spot,
        greeks=candidates.priced.greeks,
        equity=equity,
        risk_budget=budget,
        limits=judged.situation.limits,
    )


def _gap(judged: Judged, extra: float) -> tuple[float, float, float]:
    """Gap to zero of the book plus a bet worth `extra` dollars: dollars, share of equity, times the emergency limit."""
    account, held = judged.situation.account, judged.situation.account.held
    gap = gap_to_zero(
        contracts=np.append(held.contracts, 1.0),
        multiplier=np.append(held.quotes.multiplier, 1.0),
        marked=np.append(held.mark, extra),
        equity=np.array([account.equity]),
        basis=np.array([account.equity_start_of_day]),
        emergency_halt_loss=judged.situation.limits.emergency_halt_loss,
        group=np.zeros(len(held.contracts) + 1, np.int64),
        groups=1,
    )
    return float(gap.dollars[0]), float(gap.equity_fraction[0]), float(gap.emergency_multiple[0])


def _costs(judged: Judged, costs: Consequences, i: int) -> list[dict[str, Any]]:
    """Each consequence as code, label, dollars, share of equity and a note in words."""
    if not judged.sizing.contracts[i]:
        return []

    def cost(code: str, name: str, dollars: float, note: str, share: float | None = None) -> dict[str, Any]:
        share = None if share is None else inputs.known(share)
        return {"code": code, "label": name, "dollars": inputs.known(dollars), "share_of_equity": share, "note": note}

    def show(column: FloatColumn, unit: str) -> str:
        return wording.show(inputs.known(column[i]), unit)

    fee = wording.usd(float(judged.situation.limits.fee_per_contract))
    contracts = f"{int(judged.sizing.contracts[i]):,} contracts"
    stop = (
        f"The stop stands at {show(judged.stop.stop, 'USD per share')}: {show(costs.day_limit_share, 'fraction')} of "
        f"the daily limit, {show(costs.budget_multiple, 'multiple')} the risk budget. A gap can cost more."
    )
    zero = (
        f"What is left, {show(costs.equity_after_total_loss, 'USD')}, would have to gain "
        f"{show(costs.recovery_gain, 'fraction')} to make it good."
    )
    move = f"By delta alone: {show(costs.share_delta, 'SPY shares')} shares of the underlying."
    exercise = f"{contracts} are {show(costs.exercise_shares, 'count')} shares of the underlying. Closed before that."
    return [
        cost("AT_STOP", "Loss at the stop", costs.loss_at_stop[i], stop, costs.loss_at_stop_fraction[i]),
        cost("TOTAL_LOSS", "Total loss", costs.total_loss[i], zero, costs.total_loss_fraction[i]),
        cost("HALF_SPREAD", "Half the spread", costs.half_spread[i], "Lost at once: bought at the ask, worth the mid."),
        cost("FEES", "Fees, both sides", costs.fees[i], f"{fee} a contract and side."),
        cost("ONE_PERCENT", "Underlying up 1%", costs.one_percent_move[i], move),
        cost("THETA_HOUR", "One hour passes", costs.theta_per_hour[i], "Theta over 365 days; faster near expiry."),
        cost("EXERCISE", "On exercise", costs.exercise_notional[i], exercise),
        *_gaps(judged, float(costs.total_loss[i]), cost),
    ]


def _gaps(judged: Judged, bet: float, cost: Callable[..., dict[str, Any]]) -> list[dict[str, Any]]:
    """Gap to zero before and after this bet (A-06)."""
    found = []
    for code, name, extra in (("GAP_BEFORE", "Gap to zero now", 0.0), ("GAP_AFTER", "Gap to zero with this bet", bet)):
        dollars, share, times = _gap(judged, extra)
        note = (
            f"If every open option went to zero: {wording.show(inputs.known(times), 'multiple')} the emergency limit. "
            "No breaker can bound it, only the size can."
        )
        found.append(cost(code, name, dollars, note, share))
    return found


def _kelly(judged: Judged, i: int, request: "SizeRequest") -> dict[str, Any] | None:
    full = _full_kelly(request)
    equity = judged.situation.account.equity_start_of_day
    if full is None:
        return None
    share = float(judged.sizing.dollars[i]) / equity
    return {"fraction": full, "times": share / full if full > 0 else None}


def _full_kelly(request: "SizeRequest") -> float | None:
    """The user's own odds: `payoff` gained per dollar bet against the whole dollar lost."""
    if request.win_probability is None or request.payoff is None:
        return None
    return float(kelly.two_outcome_fraction(float(request.win_probability), float(request.payoff), 1.0))


# --- targets and advice ---------------------------------------------------------------------------------------------


def _targets(judged: Judged, i: int) -> dict[str, Any] | None:
    """The effective targets and the stop as prices now, for an entry at the ask."""
    quantity = judged.sizing.contracts
    ask = judged.candidates.quotes.ask[i]
    slices = judged.slices
    planned = take_profit.planned(slices, quantity)
    each = np.diff(planned, axis=1, prepend=0)
    shares = take_profit.shares(slices) / take_profit.WHOLE
    tiers = [
        {
            "number": k + 1,
            "threshold": float(slices.base[i, k]),
            "effective": float(slices.threshold[i, k]),
            "price": inputs.known(ask * (1.0 + slices.threshold[i, k])),
            "share": float(shares[i, k]),
            "contracts": int(each[i, k]),
        }
        for k in range(take_profit.MAX_SLICES)
        if slices.mask[i, k]
    ]
    zero_dte = judged.situation.portfolio.system == SMART_0DTE
    factor = inputs.known(judged.factor[i])
    return {
        "regime": take_profit.REGIMES[int(judged.regime[i])] if zero_dte else None,
        "factor": factor,
        "factor_note": f"{'Time to the close' if zero_dte else 'Days to expiration'}: targets "
        f"{wording.show(factor, 'multiple')}.",
        "stop": inputs.known(judged.stop.stop[i]),
        "stop_fraction": inputs.known(judged.stop.fraction[i]),
        "tiers": tiers,
        "runner_contracts": int(quantity[i] - planned[i].max(initial=0, where=slices.mask[i])),
        "target_price": inputs.known(judged.stop.target[i]),
    }


def _advice(judged: Judged, costs: Consequences, i: int, request: "SizeRequest") -> list[dict[str, str]]:
    """W1 to W14 as far as their facts are known."""
    situation, sizing = judged.situation, judged.sizing
    n, steps = len(sizing.contracts), {step.rule.code: step for step in sizing.steps}
    zero_dte = situation.portfolio.system == SMART_0DTE
    equity = np.full(n, situation.account.equity_start_of_day)
    known: dict[str, FloatColumn] = {
        "dollars": sizing.dollars,
        "equity": equity,
        "minimum": sizing.minimum,
        "asked": sizing.asked * sizing.minimum,
        "day_pnl": np.full(n, situation.account.day_pnl),
        "round_trip_cost": costs.round_trip_cost,
        "first_target": judged.slices.threshold[:, 0] * judged.candidates.quotes.ask,
        "risk_budget": sizing.amounts.get("risk_budget", equity * situation.limits.max_portfolio_risk),
        "shares": costs.exercise_shares,
        "notional": costs.exercise_notional,
        "kelly": np.full(n, np.nan if (full := _full_kelly(request)) is None else full),
    }
    if zero_dte:
        known["vix"] = np.asarray(steps["VIX"].saw)
        known["confidence_factor"] = np.asarray(steps["CONFIDENCE"].says)
    else:
        rises = float(situation.limits.min_position_dollars) / float(situation.limits.min_position_size)
        known["allocation"] = sizing.amounts["allocation"]
        known["minimum_rises"] = np.full(n, rises)
    shares = take_profit.shares(judged.slices)
    known["break_even"] = advice.break_even(judged.slices.threshold, shares, judged.stop.fraction)
    return advice.advise(advice.bets_of(n, **known), situation.limits)[i]


def unusable(preview: dict[str, Any]) -> tuple[str, str] | None:
    """Code and sentence when the contract's quote is no price to size on, so that the API can refuse the request."""
    refusal = preview["answer"]["refusal"]
    if refusal and refusal["code"] in (*UNUSABLE_QUOTE, "INVALID_INPUT"):
        return refusal["code"], refusal["sentence"]
    return None
