"""What the closed trades say: of each source of signals, and of each tier of confidence."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
from django.db import connection
from django.db.models import Count

from positions.market.clock import market_now
from positions.models import Portfolio
from riskengine.calculators.confidence import brier, brier_of_base
from riskengine.calculators.limits import CALIBRATED
from riskengine.calculators.performance import expectancy, wilson_interval
from riskengine.loading.facts import read_standing
from riskengine.loading.revisions import terms_in_force
from riskengine.loading.scaling import Confidence, Trade
from riskengine.loading.trades import closed_trades
from riskengine.models import Signal, SignalSource, SignalState, SourceKind, TierReview
from riskengine.services.decide.inputs import known, ny
from riskengine.services.study.zero_edge import no_edge

GRID = 20  # steps of raw confidence from 0 to 1 at which the calibration is shown

_TRADES = """
    SELECT s.source_id, p.id, (p.realised_pnl / nullif(p.entry_cost, 0))::float8
    FROM riskengine_signal s
    JOIN positions_decision d ON d.id = s.decision_id
    JOIN positions_position p ON p.status = 'closed' AND p.decision_id IN (
        SELECT d.id UNION ALL
        SELECT c.id FROM positions_decision c
        WHERE c.portfolio_id = d.portfolio_id AND c.idempotency_key = 'confirm:' || d.id
    )
    WHERE s.source_id = ANY(%s) ORDER BY s.source_id, p.id
"""


def closed_trades_by_source(source_ids: Sequence[int]) -> dict[int, int]:
    """How many closed positions came from the signals of each source."""
    return {pk: len(gains) for pk, gains in _gains(source_ids).items()}


def _gains(source_ids: Sequence[int]) -> dict[int, list[float | None]]:
    """By source, the P&L after fees per dollar paid of each position closed; None where nothing was paid."""
    found: dict[int, list[float | None]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_TRADES, [list(source_ids)])
        for source_id, _, gain in cursor.fetchall():
            found.setdefault(source_id, []).append(gain)
    return found


def confidence_record(portfolio: Portfolio, now: datetime) -> dict[str, Any]:
    """Whether confidence came true, at wall time `now`: by tier, as a curve, and by source of signals.

    Plain data. Rates, confidences and gains are fractions, gains per dollar paid and after fees; times New York with
    offset. None where there is nothing to average. A win rate never stands without its expectancy.
    """
    at = market_now(portfolio.clock, now)
    limits = terms_in_force(portfolio.profile_id).limits
    standing = read_standing(portfolio, at, limits, None)
    confidence = Confidence.of(standing.trades, standing.reviewed, limits)
    needed = int(limits.proven_after_trades)
    trades = confidence.calibration.trades
    # With small targets most coin flips "win": a win rate beside this one says what it is worth (SPEC 7.4).
    luck = no_edge(portfolio.system, limits, closed_trades([portfolio.pk], until=at).regime)
    return {
        "portfolio": portfolio.slug,
        "name": portfolio.name,
        "as_of": ny(at),
        "trades": trades,
        "trades_needed": needed,
        "trades_missing": max(0, needed - trades),
        "scaling": "calibrated" if limits.confidence_scaling == CALIBRATED else "raw",
        "calibrates": confidence.scaled(1.0).calibrates,
        "weight": known(confidence.calibration.weight),
        **_whole(standing.trades),
        "tiers": _tiers(portfolio, confidence),
        "waiting_for_review": [known(each) for each in confidence.edges[confidence.standing.under_break_even]],
        "calibration": _curve(confidence),
        "zero_edge_win_rate": None if luck is None else known(luck.win_rate),
        "zero_edge_expectancy": None if luck is None else known(luck.expectancy),
        "zero_edge_basis": None if luck is None else luck.basis,
        "sources": _sources(portfolio, needed),
    }


def _whole(trades: Sequence[Trade]) -> dict[str, Any]:
    """The account as a whole. A Brier score over the base rate's says that confidence is worth nothing."""
    raw = np.array([each.confidence for each in trades], np.float64)
    gain = np.array([each.gain for each in trades], np.float64)
    won = gain > 0.0
    return {
        "record": _rates([float(each) for each in gain]),
        "mean_confidence": known(float(raw.mean())) if len(raw) else None,
        "brier": known(brier(raw, won)),
        "brier_of_base": known(brier_of_base(won)),
    }


def _rates(gains: Sequence[float]) -> dict[str, Any]:
    """Closed trades, wins and win rate with its 95% interval, and what a dollar bet gained on average with its own."""
    returns = np.array(gains, np.float64)
    wins, trades = int((returns > 0.0).sum()), len(returns)
    low, high = (float(end[0]) for end in wilson_interval(np.array([wins]), np.array([trades])))
    gain = expectancy(returns)
    return {
        "trades": trades,
        "wins": wins,
        "win_rate": known(wins / trades) if trades else None,
        "low": known(low),
        "high": known(high),
        "expectancy": known(gain.mean),
        "expectancy_low": known(gain.low),
        "expectancy_high": known(gain.high),
    }


def _tiers(portfolio: Portfolio, confidence: Confidence) -> list[dict[str, Any]]:
    """Lowest tier first. `since_review` counts what speaks for or against a tier now (P-13): all, until a review."""
    edges, record, standing = confidence.edges, confidence.record, confidence.standing
    reviews: dict[float, TierReview] = {}
    for each in TierReview.objects.filter(portfolio=portfolio).order_by("id"):
        reviews[round(float(each.tier), 6)] = each
    tiers = []
    for place, begins in enumerate(edges.tolist()):
        review = reviews.get(round(begins, 6))
        tiers.append(
            {
                "begins": known(begins),
                "ends": known(edges[place + 1]) if place + 1 < len(edges) else 1.0,
                "factor": known(confidence.limits.confidence_factor.values[place, 0]),
                "trades": int(record.trades[place]),
                "wins": int(record.wins[place]),
                "win_rate": known(record.win_rate[place]),
                "low": known(record.low[place]),
                "high": known(record.high[place]),
                "break_even": known(record.break_even[place]),
                "mean_confidence": known(record.mean_confidence[place]),
                "average_gain": known(record.average_gain[place]),
                "average_loss": known(record.average_loss[place]),
                "expectancy": known(record.expectancy[place]),
                "since_review": {
                    "trades": int(standing.trades[place]),
                    "wins": int(standing.wins[place]),
                    "high": known(standing.high[place]),
                    "break_even": known(standing.break_even[place]),
                },
                "waits_for_review": bool(standing.under_break_even[place]),
                "review": None
                if review is None
                else {"at": ny(review.reviewed_at), "by": review.reviewed_by_name, "reason": review.reason},
            }
        )
    return tiers


def _curve(confidence: Confidence) -> list[dict[str, Any]]:
    """What each raw confidence is calibrated to, and what it scales with: the two differ until calibration begins, in a
    tier that waits for its review, and wherever calibration would raise."""
    points = [confidence.scaled(step / GRID) for step in range(GRID + 1)]
    return [
        {"raw": known(each.raw), "calibrated": known(each.calibrated), "scales_with": known(each.value)}
        for each in points
    ]


def _sources(portfolio: Portfolio, needed: int) -> list[dict[str, Any]]:
    """Every sender of signals, by name: what became of its signals, and how those that were traded ended."""
    sources = list(SignalSource.objects.filter(portfolio=portfolio).order_by("name", "id"))
    gains = _gains([each.pk for each in sources])
    counted: dict[int, dict[str, int]] = {}
    rows = Signal.objects.filter(source__in=sources).values_list("source_id", "state").annotate(count=Count("id"))
    for source_id, state, count in rows.order_by("source_id", "state"):
        counted.setdefault(source_id, {})[state] = count
    found = []
    for source in sources:
        # What was paid for nothing has no gain per dollar: it is a closed trade that says nothing.
        told = [gain for gain in gains.get(source.pk, []) if gain is not None]
        states = counted.get(source.pk, {})
        found.append(
            {
                "slug": source.slug,
                "name": source.name,
                "kind": source.kind,
                "kind_label": source.get_kind_display(),
                "handling": source.handling,
                "enabled": source.enabled,
                "total": sum(states.values()),
                "signals": {str(state): states.get(str(state), 0) for state in SignalState.values},
                "bets_the_minimum": source.kind == SourceKind.GENERATOR and len(gains.get(source.pk, [])) < needed,
                **_rates(told),
            }
        )
    return found
