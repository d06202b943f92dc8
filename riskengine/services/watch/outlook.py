"""The risk page of a portfolio: what the book is exposed to, what if it moved, what is one bet, and what guards it.

Plain data for a page (numbers, text, None for what is not known; times New York with offset). It reads and never
writes; the numbers are those that an entry is judged by.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np

from accounts.defaults import SMART_0DTE
from positions.models import Portfolio
from riskengine.calculators import exposure
from riskengine.calculators.columns import lower_of
from riskengine.calculators.scenarios import SPOT_MOVES, VOLATILITY_MOVES, scenario_pnl
from riskengine.loading.candidates import Situation, load_situation
from riskengine.loading.pricing import DIVIDEND_YIELD, RATE
from riskengine.models import Breaker, BreakerEvent, BreakerState, Reading
from riskengine.services.decide.inputs import known, ny
from riskengine.services.watch.correlations import heat
from riskengine.services.watch.limit_use import limit_use
from riskengine.services.watch.words import short_label

EVENTS_SHOWN = 20
WAVES = (0.5, 0.25, 0.1)  # of equity: how strongly a cell of the scenario matrix is coloured


def outlook(*, portfolio: Portfolio, now: datetime) -> dict[str, Any]:
    """Everything the risk page shows at wall time `now`. OutsideCalendar when its market time has no session table."""
    situation = load_situation(portfolio, now=now)
    start = np.array([situation.account.equity_start_of_day])
    limits = situation.limits
    basis = lower_of(start, float(limits.account_size)) if portfolio.system == SMART_0DTE else start
    reading = Reading.objects.filter(portfolio=portfolio).first()
    return {
        "slug": portfolio.slug,
        "at": ny(situation.at),
        "equity": known(situation.account.equity),
        "positions": len(situation.account.held.contracts),
        "greeks": _greeks(situation, float(basis[0])),
        "scenarios": _scenarios(situation),
        **_together(situation),
        "breakers": [_breaker(each) for each in _breakers(portfolio)],
        "events": [_event(each) for each in _events(portfolio)],
        "reading": _reading(reading),
        "limit_use": limit_use(
            portfolio,
            reading,
            at=situation.at,
            session=situation.session,
            start=float(start[0]),
            revision=situation.revision,
        ),
    }


# ---- Greeks ----


def _greeks(situation: Situation, basis: float) -> list[dict[str, Any]]:
    """Delta and gamma of what is held and ordered, as the gates have them (P-05); theta and vega of what is held."""
    limits, marks, held = situation.limits, situation.marks, situation.account.held
    shares = held.contracts * held.quotes.multiplier
    found = marks.priced.greeks
    gated = situation.portfolio.system == SMART_0DTE

    def row(name: str, value: float, unit: str, means: str, limit: float | None = None) -> dict[str, Any]:
        share = None if limit is None or not limit > 0 else known(abs(value) / limit)
        return {
            "name": name,
            "value": known(value),
            "unit": unit,
            "means": means,
            "limit": known(limit) if limit is not None else None,
            "share": share,
        }

    return [
        row(
            "Delta", float(situation.book.delta[0]), "SPY shares",
            "What the book gains per dollar that SPY rises, its underlyings moving with it in percent.",
            float(limits.max_portfolio_delta) * basis if gated else None,
        ),
        row(
            "Gamma", float(situation.book.gamma[0]), "SPY shares per dollar",
            "How much the delta grows with each dollar that SPY rises.",
            float(limits.max_portfolio_gamma) * basis if gated else None,
        ),
        row(
            "Theta", float((shares * found.theta_per_day[held.places]).sum()), "USD a day",
            "What a day of standing still costs at this moment's pace; in the last hours it costs faster.",
        ),
        row(
            "Vega", float((shares * found.vega_per_point[held.places]).sum()), "USD a point",
            "What one point more of implied volatility (0.20 to 0.21) is worth.",
        ),
    ]  # fmt: skip


# ---- Scenarios ----


def _scenarios(situation: Situation) -> dict[str, Any]:
    account, priced = situation.account, situation.marks.priced
    held, places = account.held, account.held.places
    pnl = scenario_pnl(
        contracts=held.contracts,
        multiplier=held.quotes.multiplier,
        spot=priced.spot[places],
        strike=held.quotes.strike,
        seconds_to_expiry=priced.seconds[places],
        volatility=priced.volatility[places],
        rate=RATE,
        dividend_yield=DIVIDEND_YIELD,
        call=held.quotes.call,
    )
    unpriced = np.flatnonzero(np.isnan(priced.greeks.price[places])).tolist()
    return {
        "spot_moves": SPOT_MOVES.tolist(),
        "rows": [
            {"move": float(move), "cells": [_cell(each, account.equity) for each in row]}
            for move, row in zip(VOLATILITY_MOVES, pnl, strict=True)
        ],
        "unpriced": [_name(situation, row) for row in unpriced],
    }


def _cell(pnl: float, equity: float) -> dict[str, Any]:
    """`wave` 1 to 3 is how much of the equity it is, 0 for little."""
    share = abs(pnl) / equity if equity > 0 else np.nan
    return {"pnl": known(pnl), "wave": sum(bool(share >= each) for each in WAVES)}


def _name(situation: Situation, row: int) -> str:
    return short_label(situation.account.held.quotes.rows[row])


# ---- Concentration ----


def _together(situation: Situation) -> dict[str, Any]:
    """Of what is held and ordered: exposure by underlying, and how many bets it is."""
    account, correlations = situation.account, situation.facts.correlations
    names = {row.underlying_id: row.underlying for row in situation.facts.contracts.values()}
    ids = sorted({*account.committed.underlyings(), *account.reserved}, key=names.__getitem__)
    held = account.held
    mine = np.array(held.underlyings(), np.int64)
    dollars = np.array([account.allocation(each) for each in ids])
    signed = np.array([_signed(situation, each, mine) for each in ids])
    total = float(dollars.sum())
    matrix = correlations.of(ids, ids).reshape(len(ids), len(ids))
    effective = float(exposure.effective_exposure(signed[None, :], matrix)[0]) if len(ids) else 0.0
    limit = float(situation.limits.max_effective_exposure) * account.equity
    high = float(situation.limits.high_pair_correlation)
    bets = float(exposure.effective_bets(signed[None, :], matrix)[0]) if len(ids) else np.nan
    zeros = np.zeros(len(ids), np.int64)
    herfindahl = float(exposure.herfindahl(dollars, zeros, 1)[0]) if len(ids) else np.nan
    return {
        "concentration": [
            {"name": names[each], "dollars": known(part), "share": known(part / total) if total > 0 else None}
            for each, part in zip(ids, dollars, strict=True)
        ],
        "exposure": known(total),
        "herfindahl": known(herfindahl),
        "bets_together": known(bets),
        "bets_by_size": known(1.0 / herfindahl) if herfindahl > 0 else None,
        "effective": known(effective),
        "effective_limit": known(limit),
        "effective_share": known(effective / account.equity) if account.equity > 0 else None,
        "is_one_bet": bool(effective > limit),
        "heat": heat(situation.facts.correlations, ids, [names[each] for each in ids], high),
    }


def _signed(situation: Situation, underlying: int, held: Any) -> float:
    """USD at risk in an underlying, puts against calls; working orders count as their contract does."""
    account = situation.account
    mine = held == underlying
    signed = float((account.held.dollars * account.held.direction)[mine].sum())
    for opening in situation.ledger.openings:
        row = situation.marks.quotes.rows[situation.marks.place[opening.contract_id]]
        if row.underlying_id == underlying:
            cost = float(opening.contracts * opening.price * row.multiplier)
            signed += cost if row.right == "C" else -cost
    return signed


# ---- Guards ----


def _breakers(portfolio: Portfolio) -> Sequence[Breaker]:
    """Tripped ones first."""
    rows = Breaker.objects.filter(portfolio=portfolio).select_related("underlying").order_by("code", "id")
    return sorted(rows, key=lambda each: each.state != BreakerState.TRIPPED)


def _breaker(each: Breaker) -> dict[str, Any]:
    return {
        "id": each.pk,
        "name": each.get_code_display() + (f" ({each.underlying.symbol})" if each.underlying else ""),
        "tripped": each.state == BreakerState.TRIPPED,
        "tripped_at": ny(each.tripped_at),
        "clears_at": ny(each.clears_at),
        "cleared_by": each.cleared_by_name,
        "cleared_at": ny(each.cleared_at),
        "cleared_reason": each.cleared_reason,
    }


def _events(portfolio: Portfolio) -> Sequence[BreakerEvent]:
    return list(BreakerEvent.objects.filter(portfolio=portfolio).order_by("-happened_at", "-id")[:EVENTS_SHOWN])


def _event(each: BreakerEvent) -> dict[str, Any]:
    return {
        "at": ny(each.happened_at),
        "name": each.get_code_display(),
        "kind": each.get_kind_display(),
        "tripped": each.kind == "tripped",
        "who": each.actor_name,
        "reason": each.reason,
    }


def _reading(reading: Reading | None) -> dict[str, Any] | None:
    """Whether the last risk check could judge the portfolio."""
    if reading is None:
        return None
    return {"known": reading.state == "known", "reason": reading.reason, "at": ny(reading.judged_at)}
