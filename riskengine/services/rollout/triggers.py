"""What takes a live account one step back by itself (P-27), looked at every 30 seconds.

Each is a row, written once for what it was about: late, double and restarted looks change nothing. In paper and off
there is nothing lower to go to: there the sessions that count begin anew.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction

from accounts.defaults import SMART_0DTE
from accounts.selectors import latest_revision
from positions.market.calendar import new_york_date
from positions.market.clock import market_now
from positions.models import Decision, DecisionIntent, Mode, Portfolio, PortfolioModeChange
from positions.services.order_changes import is_busy, limit_lock_waits
from positions.services.portfolio import SYSTEM_NAME, lock_portfolio
from riskengine.calculators.trace import ENGINE
from riskengine.models import (
    BreakerCode,
    BreakerEvent,
    BreakerEventKind,
    RolloutStep,
    RolloutTrigger,
    Severity,
    StepKind,
    TriggerCode,
)
from riskengine.services.rollout import evidence
from riskengine.services.rollout.terms import TERMS, before
from riskengine.services.watch.acting import cancel_all
from riskengine.services.watch.alerts import NewAlert, raise_alerts

CENT = Decimal("0.01")
LOOKED_BACK = 200  # approved decisions
GAPS_LOOKED_BACK = timedelta(days=10)  # it is looked at every 30 s
LIVE = (Mode.LIVE_MANUAL, Mode.LIVE)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Seen:
    """Something that triggers. `key` names what it is about, so that it is one whenever it is seen."""

    code: str
    key: str
    happened_at: datetime
    value: float
    limit: float
    sentence: str


def run_triggers(*, now: datetime) -> int:
    """Look at every account that is not off; how many triggers were new. One that fails stops no other."""
    found = 0
    for portfolio in Portfolio.objects.exclude(mode=Mode.OFF).select_related("clock", "profile").order_by("pk"):
        try:
            found += judge(portfolio, now=now)
        except Exception as error:  # the next look is in 30 s; the others must not wait for this one
            if is_busy(error):
                logger.info("%s is being changed just now; the next look judges its rollout", portfolio)
            else:
                logger.exception("the rollout of %s could not be judged", portfolio)
    return found


def judge(portfolio: Portfolio, *, now: datetime) -> int:
    """What is new of one account, and its step back. How many triggers were new."""
    at = market_now(portfolio.clock, now)
    since = evidence.in_mode_since(portfolio)
    seen = [
        *_sizes(portfolio, since),
        *_gaps(portfolio, since, at),
        *_slippage(portfolio),
        *_breakers(portfolio, since),
    ]
    if not seen:
        return 0
    known = set(RolloutTrigger.objects.filter(portfolio=portfolio).values_list("code", "key"))
    new = [each for each in seen if (each.code, each.key) not in known]
    return _write(portfolio, new, at=at, now=now) if new else 0


# ---- What is looked at ----


def _sizes(portfolio: Portfolio, since: datetime) -> Iterator[Seen]:
    """P-27 tests the authorised size: what it costs at the ask is never under the minimum bet of the moment, what it
    may cost at its worst price never above the largest. Both are worked out from the revision and the equity that the
    decision stored, not read from its trace: a fault in the sizing must not judge itself.

    An entry that was only confirmed keeps its contracts at a new ask, so the minimum is not asked of it again.
    """
    rows = Decision.objects.filter(
        portfolio=portfolio, approved=True, intent=DecisionIntent.OPEN, decided_at__gte=since
    )
    found = rows.select_related("revision", "contract").defer("trace", "gates").order_by("-id")
    for row in found[:LOOKED_BACK]:
        bounds = _bounds(row, portfolio.system)
        if bounds is None or any(_waived(each) for each in row.warnings):
            continue
        minimum, most = bounds
        worst = row.contracts * (row.limit_price or Decimal(0)) * row.contract.multiplier
        reserved = min(row.dollars, worst)
        small = row.dollars < minimum - CENT and "confirms" not in row.inputs
        if small or reserved > most + CENT:
            yield Seen(
                str(TriggerCode.SIZE),
                str(row.pk),
                row.decided_at,
                float(row.dollars),
                float(minimum if small else most),
                f"Decision {row.pk} authorised ${row.dollars:,.2f}; the bounds are ${minimum:,.2f} to ${most:,.2f}.",
            )


def _waived(warning: Any) -> bool:
    """Old rows have sentences alone."""
    return isinstance(warning, dict) and warning.get("code") == "GATES_WAIVED"


def _bounds(row: Decision, system: str) -> tuple[Decimal, Decimal] | None:
    """The smallest and the largest bet, USD, of its revision on its own equity. None where that was not stored."""
    used = row.inputs.get("used") if isinstance(row.inputs, dict) else None
    stored = {each.get("name"): each.get("value") for each in used or []}
    if stored.get("equity_start_of_day") is None:
        return None
    basis, numbers = Decimal(repr(float(stored["equity_start_of_day"]))), row.revision
    if system == SMART_0DTE:
        basis = min(basis, numbers.account_size)  # B-11
    minimum = max(numbers.min_position_size * basis, numbers.min_position_dollars)
    return minimum.quantize(CENT), (numbers.max_position_size * basis).quantize(CENT)


def _gaps(portfolio: Portfolio, since: datetime, at: datetime) -> Iterator[Seen]:
    limit = TERMS.heartbeat_gap.total_seconds() / 60.0
    for gap in evidence.gaps(portfolio, max(since, at - GAPS_LOOKED_BACK), at, TERMS.heartbeat_gap) or ():
        yield Seen(
            str(TriggerCode.HEARTBEAT),
            gap.heard_at.isoformat(),
            gap.ended_at,
            gap.minutes,
            limit,
            f"On {gap.day} no check knew the account for {gap.minutes:.0f} minutes; the limit is {limit:.0f}.",
        )


def _slippage(portfolio: Portfolio) -> Iterator[Seen]:
    found = evidence.slippage(portfolio, evidence.soaks_since(portfolio), TERMS.slippage_trades)
    if found is None or found.multiple is None or found.multiple <= TERMS.slippage_multiple:
        return
    yield Seen(
        str(TriggerCode.SLIPPAGE),
        str(found.last_id),
        found.last_at,
        found.multiple,
        TERMS.slippage_multiple,
        f"The last {found.trades} trades cost ${found.paid:,.0f} against the mid, {found.multiple:.1f} times the "
        f"${found.modelled:,.0f} that is modelled; the limit is {TERMS.slippage_multiple:g} times.",
    )


def _breakers(portfolio: Portfolio, since: datetime) -> Iterator[Seen]:
    """The daily loss limit (L2) tripped twice in the last five sessions. Each trip by its own date: the breaker's row
    has that of the last one, which would make every earlier trip a recent one."""
    days = evidence.sessions_of(portfolio, TERMS.breaker_sessions)
    if not days:
        return
    trips = BreakerEvent.objects.filter(
        portfolio=portfolio, code=BreakerCode.LOSS_DAY, kind=BreakerEventKind.TRIPPED, happened_at__gte=since
    ).order_by("happened_at")
    recent = [each for each in trips if new_york_date(each.happened_at) >= days[-1]]
    for one, other in zip(recent, recent[TERMS.breaker_trips - 1 :], strict=False):
        yield Seen(
            str(TriggerCode.BREAKERS),
            str(other.pk),
            other.happened_at,
            float(TERMS.breaker_trips),
            float(TERMS.breaker_trips - 1),
            f"The daily loss limit tripped on {one.happened_at:%Y-%m-%d} and on {other.happened_at:%Y-%m-%d}: "
            f"{TERMS.breaker_trips} times in {TERMS.breaker_sessions} sessions.",
        )


# ---- What follows ----


@transaction.atomic
def _write(portfolio: Portfolio, new: Sequence[Seen], *, at: datetime, now: datetime) -> int:
    """All that is new, and one step back for all of it. Where the mode is another by now it is looked at again in 30 s:
    what counts for that mode is judged then."""
    limit_lock_waits()
    locked = lock_portfolio(portfolio.pk)
    if locked.mode != portfolio.mode:
        return 0
    written = [each for each in new if _is_first(locked, each, now)]
    if not written:
        return 0
    lower = before(locked.mode) if locked.mode in LIVE else None
    if lower is not None:
        _step_back(locked, lower, written, at=at, now=now)
    raise_alerts([_alert(locked, each, lower, at) for each in written], now=now)
    return len(written)


def _is_first(locked: Portfolio, seen: Seen, now: datetime) -> bool:
    return RolloutTrigger.objects.get_or_create(
        portfolio=locked,
        code=seen.code,
        key=seen.key,
        defaults={
            "mode": locked.mode,
            "happened_at": seen.happened_at,
            "seen_at": now,
            "value": Decimal(repr(round(seen.value, 6))),
            "limit": Decimal(repr(round(seen.limit, 6))),
            "sentence": seen.sentence,
        },
    )[1]


def _step_back(locked: Portfolio, lower: str, seen: Sequence[Seen], *, at: datetime, now: datetime) -> None:
    reason = " ".join(each.sentence for each in seen)
    cancel_all(locked, at=at, now=now, reason=reason)  # the entry that triggered may still be buying
    RolloutStep.objects.create(
        portfolio=locked,
        kind=StepKind.AUTOMATIC,
        from_mode=locked.mode,
        to_mode=lower,
        revision=latest_revision(locked.profile),
        checklist=[],
        signed_by_name=SYSTEM_NAME,
        reason=reason,
        engine_version=ENGINE,
        signed_at=now,
        market_at=at,
    )
    PortfolioModeChange.objects.create(
        portfolio=locked, from_mode=locked.mode, to_mode=lower, changed_at=now, actor_name=SYSTEM_NAME,
        reason=reason,
    )  # fmt: skip
    Portfolio.objects.filter(pk=locked.pk).update(mode=lower)


def _alert(locked: Portfolio, seen: Seen, lower: str | None, at: datetime) -> NewAlert:
    if lower is not None:
        happened = f"{seen.sentence} The account went back from {locked.mode} to {lower}."
        to_do = (
            "Find out why, with its open bets first: their stops and exits go on. Forward it goes by a new sign-off."
        )
    else:
        happened = f"{seen.sentence} The sessions that count towards the next step begin anew."
        to_do = "Find out why before the account is signed forward."
    return NewAlert(
        code="ROLLOUT",
        key=f"rollout:{locked.pk}:{seen.code}:{seen.key}",
        severity=Severity.CRITICAL if lower is not None else Severity.INFO,
        title=f"{locked.name}: {'stepped back to ' + lower if lower else TriggerCode(seen.code).label.lower()}",
        happened=happened,
        to_do=to_do,
        portfolio_id=locked.pk,
        value=seen.value,
        limit=seen.limit,
        market_at=at,
        in_app_only=lower is None,
    )
