"""The answer in words and plain data: one shape for page, API and command line (SPEC 7.1)."""

from datetime import datetime
from typing import Any

import numpy as np

from accounts.defaults import MAG7_7DTE, PARAMETERS, SMART_0DTE
from riskengine.calculators import codes, stops, take_profit, trace, wording
from riskengine.calculators.columns import FloatColumn
from riskengine.models import BreakerCode
from riskengine.services.decide import book_after, cautions, costs, inputs
from riskengine.services.decide.judge import UNUSABLE_QUOTE, Judged, latched_of
from riskengine.services.decide.request import SizeRequest
from riskengine.services.watch.breaker_words import UNITS

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
    judged: Judged, i: int, *, request: SizeRequest, nearest: tuple[Judged, int] | None, now: datetime
) -> dict[str, Any]:
    """Row i of a judgement, explained."""
    situation = judged.situation
    quote = judged.candidates.quotes.rows[i]
    consequences = costs.consequences_of(judged)
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
        "costs": [] if unusable else costs.rows(judged, consequences, i),
        "book": [] if unusable else book_after.rows(judged, i),
        "kelly": cautions.kelly_for(judged, i, request),
        "targets": None if unusable else _targets(judged, i),
        "advice": [] if unusable else cautions.advice_for(judged, consequences, i, request),
        "warnings": [each["text"] for each in inputs.scaling_said(judged.scaled)],
        "waived": _waived(judged, i),
        "not_judged": [
            {
                "code": "HEARTBEAT_STALE",
                "label": "Age of the last risk check",
                "note": "Judged when the bet is placed, not in a preview.",
            }
        ],
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
    refusal = {"code": code, "sentence": refusal_sentence(judged, i, code, explained)} if code else None
    binding = code if judged.unusable[i] != codes.NONE else explained["binding"]
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


def refusal_sentence(judged: Judged, i: int, code: str, explained: dict[str, Any]) -> str:
    """The refusal's own sentence, with its measured value and limit."""
    if judged.reservation is not None and judged.reservation.refusal[i] == codes.INDEX[code]:
        return judged.reservation.sentence(i)
    if code == "INVALID_INPUT":
        return judged.sizing.checked.sentence(i) or ""
    if code == "BREAKER_TRIPPED":
        return _latched(judged, i)
    for verdict in (*explained["blocks"], *explained["gates"]):
        if verdict["rule"] == code and not verdict["passed"]:
            return str(verdict["sentence"])
    for rule, saw, limit in zip(judged.gates.rules, judged.gates.saw, judged.gates.limits, strict=True):
        if rule.code == code:
            return trace.sentence(code, rule.unit, *trace.plain([saw, limit], i))
    return codes.CODES[codes.INDEX[code]].sentence


def _latched(judged: Judged, i: int) -> str:
    """Which breakers are tripped, each with the number and the limit of its trip."""
    found = latched_of(judged.situation, judged.candidates.quotes.rows[i].underlying_id)
    named = [
        f"{BreakerCode(each.code).label} ({wording.show(each.value, UNITS[each.code])}; "
        f"limit {wording.show(each.limit, UNITS[each.code])})"
        for each in found
    ]
    return f"Tripped: {', '.join(named)}. It stays so until its own rule or a named person clears it."


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


# --- targets ---------------------------------------------------------------------------------------------


def _targets(judged: Judged, i: int) -> dict[str, Any] | None:
    """The effective targets and the stop as prices now, for an entry at the ask."""
    quantity = judged.sizing.contracts
    ask = judged.candidates.quotes.ask
    slices = judged.slices
    planned = take_profit.planned(slices, quantity)
    each = np.diff(planned, axis=1, prepend=0)
    prices = _tick_valid(judged, ask[:, None] * (1.0 + np.where(slices.mask, slices.threshold, 0.0)))
    shares = take_profit.shares(slices) / take_profit.WHOLE
    tiers = [
        {
            "number": k + 1,
            "threshold": float(slices.base[i, k]),
            "effective": float(slices.threshold[i, k]),
            "price": inputs.known(prices[i, k]),
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
        "target_price": None if zero_dte else inputs.known(_last_target(judged)[i]),
    }


def _last_target(judged: Judged) -> FloatColumn:
    """Where the runner's target stands: in the last risk-reward stage, the only one that prices can reach (B-46)."""
    ask, stop = judged.candidates.quotes.ask, judged.stop.stop
    exact = ask + (ask - stop) * judged.situation.limits.risk_reward.values[-1, 0]
    return stops.round_up_to_tick(exact, judged.candidates.quotes.tick(exact))


def _tick_valid(judged: Judged, prices: FloatColumn) -> FloatColumn:
    """Targets as prices that the exchange accepts: the first tick at or above, where the bid crosses them."""
    columns = [stops.round_up_to_tick(price, judged.candidates.quotes.tick(price)) for price in prices.T]
    return np.stack(columns, axis=1)


def unusable(preview: dict[str, Any]) -> tuple[str, str] | None:
    """Code and sentence when the contract's quote is no price to size on, so that the API can refuse the request."""
    refusal = preview["answer"]["refusal"]
    if refusal and refusal["code"] in (*UNUSABLE_QUOTE, "INVALID_INPUT"):
        return refusal["code"], refusal["sentence"]
    return None
