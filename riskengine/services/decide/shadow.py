"""Numbers that are tried out beside the ones in force: each entry is judged by both, and only the first decides.

It is the same judgement on the same situation, read once, under the account's lock; so the two differ in nothing but
the numbers. Exits are not tried out: a position has one stop. Which contracts are usable, and over how many sessions
correlations are measured, stays as the revision in force has it.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.db import transaction

from accounts.defaults import LADDERS, PARAMETERS
from accounts.selectors import ladders_of, numbers_of
from positions.market_selectors import QuotedContract
from positions.models import Decision
from riskengine.calculators import codes
from riskengine.calculators.limits import Limits
from riskengine.loading.candidates import Situation, candidates_of
from riskengine.loading.limits import ladder_steps, limits_of, parameter_value
from riskengine.loading.scaling import Confidence
from riskengine.models import Shadow, ShadowDecision
from riskengine.services.decide.judge import judge_candidates
from riskengine.services.decide.request import EntryRequest
from riskengine.services.decide.reservation import Placing

CENT = Decimal("0.01")
CONFIRMATION = ["NEEDS_CONFIRMATION"]  # a person would let it through

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """One entry as it was judged: before it, the situation; what came of it."""

    situation: Situation
    row: QuotedContract
    request: EntryRequest
    placing: Placing
    decision: Decision


def shadow_limits(shadow: Shadow) -> Limits:
    """All numbers that a shadow is judged by: those it is based on, with its own in their place."""
    numbers, ladders = own_numbers(shadow.numbers, shadow.ladders)
    return limits_of(numbers_of(shadow.based_on) | numbers, ladders_of(shadow.based_on) | ladders)


def own_numbers(numbers: Mapping[str, Any], ladders: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Numbers and ladders by name, each within its bounds. Raises ConfigError, KeyError for a name that is none."""
    return (
        {name: parameter_value(PARAMETERS[name], value) for name, value in numbers.items()},
        {name: ladder_steps(LADDERS[name].name, rows) for name, rows in ladders.items()},
    )


def judge_beside(asked: Sequence[Asked]) -> None:
    """Write what the running shadow says of these entries. Never a reason for an entry to fail: a fault is logged."""
    if not asked:
        return
    portfolio = asked[0].situation.portfolio
    try:
        with transaction.atomic():
            running = (
                Shadow.objects.filter(portfolio=portfolio, ended_at__isnull=True).select_related("based_on").first()
            )
            if running is not None:
                limits = shadow_limits(running)
                ShadowDecision.objects.bulk_create([_judged(running, limits, each) for each in asked])
    except Exception:  # what is only tried out must not stop a bet
        logger.exception("the numbers tried out in %s could not be judged", portfolio)


def _judged(shadow: Shadow, limits: Limits, asked: Asked) -> ShadowDecision:
    standing = asked.situation.standing
    beside = replace(
        asked.situation, limits=limits, confidence=Confidence.of(standing.trades, standing.reviewed, limits)
    )
    judged = judge_candidates(
        beside,
        candidates_of(beside, [asked.row]),
        float(asked.request.confidence),
        placing=asked.placing,
        proven=asked.request.proven,
    )
    failed = judged.gates.failed(0)
    code = codes.CODES[judged.refusal[0]].name
    contracts = int(judged.sizing.contracts[0])
    passes = (not code or failed == [code] == CONFIRMATION) and contracts > 0
    price = (asked.row.ask or Decimal(0)) * asked.row.multiplier
    return ShadowDecision(
        shadow=shadow,
        decision=asked.decision,
        approved=passes,
        code="" if passes else code or "CONTRACT_GRANULARITY",
        contracts=contracts if passes else 0,
        dollars=(contracts * price).quantize(CENT, ROUND_HALF_UP) if passes else Decimal(0),
        failed_gates=failed,
    )
