"""Preview a size: how big this bet may be now, why exactly that, and what it can cost. Writes nothing."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np

from positions.market.calendar import new_york_date
from positions.market_selectors import QuotedContract, expirations, option_chain
from positions.models import Portfolio
from riskengine.calculators import codes
from riskengine.loading.candidates import Situation, candidates_of, load_situation
from riskengine.services.decide import explanation
from riskengine.services.decide.judge import Judged, judge_candidates
from riskengine.services.decide.request import SizeRequest

MAX_ALTERNATIVES = 400  # contracts looked at for one that passes, the nearest first


def preview_size(*, portfolio: Portfolio, request: SizeRequest, now: datetime) -> dict[str, Any]:
    """The explained answer as plain data (numbers, text, None for what is not known; times New York with offset).

    `now` is wall time; market rules use the portfolio's own clock. Where the bet is refused, the nearest contract that
    passes at the same confidence stands beside it. Raises OutsideCalendar when the market time has no session table.
    """
    situation = load_situation(portfolio, [request.contract.pk], now=now)
    row = situation.facts.contracts[request.contract.pk]
    confidence = float(request.confidence)
    judged = judge_candidates(
        situation, candidates_of(situation, [row]), confidence, placing=None, proven=request.proven
    )
    refused = bool(judged.refusal[0] != codes.NONE)
    nearest = _nearest(situation, row, confidence, request.proven) if refused else None
    return explanation.explain(judged, 0, request=request, nearest=nearest, now=now)


def _nearest(
    situation: Situation, wanted: QuotedContract, confidence: float, proven: bool
) -> tuple[Judged, int] | None:
    """The contract of the same underlying that passes every gate at this confidence: the same right before the other,
    then the nearest expiration, then the nearest strike. None when none passes."""
    source, at = situation.portfolio.quote_source, situation.at
    today = new_york_date(at)
    limits = situation.limits
    listed = [
        day
        for day in expirations(wanted.underlying, source=source, now=at)
        if limits.min_expiration_days <= (day - today).days <= limits.max_expiration_days
    ]
    rows = [row for day in listed for row in option_chain(wanted.underlying, day, source=source, now=at)]

    def distance(row: QuotedContract) -> tuple[bool, int, Decimal, str]:
        days = abs((row.expires_on - wanted.expires_on).days)
        return row.right != wanted.right, days, abs(row.strike - wanted.strike), row.occ_symbol

    others = (row for row in rows if row.contract_id != wanted.contract_id)
    nearest = sorted(others, key=distance)[:MAX_ALTERNATIVES]
    if not nearest:
        return None
    judged = judge_candidates(situation, candidates_of(situation, nearest), confidence, placing=None, proven=proven)
    passing = np.flatnonzero((judged.refusal == codes.NONE) & (judged.sizing.contracts > 0))
    return (judged, int(passing[0])) if len(passing) else None
