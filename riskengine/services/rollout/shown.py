"""The page of the rollout: where an account stands, what the next step needs, and what was signed. Plain data."""

from datetime import datetime
from typing import Any

from accounts.models import RiskProfileRevision, User
from accounts.selectors import latest_revision
from positions.market.clock import market_now
from positions.models import Mode, Portfolio
from riskengine.loading.book import microseconds
from riskengine.loading.trades import closed_trades
from riskengine.models import RolloutStep, RolloutTrigger
from riskengine.services.decide.inputs import ny
from riskengine.services.rollout import evidence
from riskengine.services.rollout.benchmarks import benchmarks
from riskengine.services.rollout.checklist import as_data, checklist
from riskengine.services.rollout.stepping import may_sign
from riskengine.services.rollout.terms import STEPS, after, is_forward
from riskengine.services.rollout.trying import compared, running

HISTORY = 30
WORDS = {
    Mode.OFF: "Nothing is opened.",
    Mode.PAPER: "Orders reach the built-in broker.",
    Mode.LIVE_MANUAL: "A person confirms each entry.",
    Mode.LIVE: "Entries go by themselves.",
}
EARLIER = 10  # revisions that one click puts in force again


def rollout_of(portfolio: Portfolio, user: User, *, now: datetime) -> dict[str, Any]:
    """Everything about the rollout of one account at wall time `now`."""
    at = market_now(portfolio.clock, now)
    items = as_data(checklist(portfolio, now=now))
    lacking = [each["label"] for each in items if each["holds_up"]]
    since = evidence.soaks_since(portfolio)
    latest = latest_revision(portfolio.profile)
    trades = closed_trades([portfolio.pk], until=at)
    shadow = running(portfolio)
    return {
        "portfolio": portfolio.slug,
        "name": portfolio.name,
        "as_of": ny(at),
        "mode": portfolio.mode,
        "mode_label": portfolio.get_mode_display(),
        "modes": [
            {
                "mode": str(mode),
                "label": WORDS[Mode(mode)],
                "here": mode == portfolio.mode,
                "behind": is_forward(str(mode), portfolio.mode),
            }
            for mode in STEPS
        ],
        "next": after(portfolio.mode),
        "back": [str(mode) for mode in STEPS if is_forward(str(mode), portfolio.mode)],
        "counts_since": ny(since),
        "items": items,
        "lacking": lacking,
        "ready": bool(items) and not lacking,
        "benchmarks": benchmarks(portfolio, trades.take(trades.entry_at >= microseconds(since)), since, at),
        "steps": [_step(each) for each in RolloutStep.objects.filter(portfolio=portfolio).order_by("-id")[:HISTORY]],
        "changes": [
            {
                "at": ny(each.changed_at),
                "from": each.from_mode,
                "to": each.to_mode,
                "by": each.actor_name,
                "reason": each.reason,
            }
            for each in portfolio.mode_changes.exclude(
                changed_at__in=RolloutStep.objects.filter(portfolio=portfolio).values("signed_at")
            ).order_by("-id")[:HISTORY]
        ],
        "triggers": [
            {
                "at": ny(each.happened_at),
                "what": each.get_code_display(),
                "sentence": each.sentence,
                "mode": each.mode,
                "value": float(each.value),
                "limit": float(each.limit),
            }
            for each in RolloutTrigger.objects.filter(portfolio=portfolio).order_by("-happened_at", "-id")[:HISTORY]
        ],
        "shadow": None
        if shadow is None
        else {
            "id": shadow.pk,
            "based_on": shadow.based_on.number,
            "changes": {**shadow.numbers, **shadow.ladders},
            "reason": shadow.reason,
            "started_at": ny(shadow.started_at),
            **compared(shadow),
        },
        "revision": latest.number,
        "earlier": [
            {"number": each.number, "at": ny(each.in_force_from), "by": each.author_name, "reason": each.reason}
            for each in RiskProfileRevision.objects.filter(
                profile=portfolio.profile, number__lt=latest.number
            ).order_by("-number")[:EARLIER]
        ],
        "may_sign": may_sign(user),
        "may_change": user.is_staff and user.has_perm("accounts.change_riskprofile"),
        "may_try": user.is_staff and user.has_perm("riskengine.add_shadow"),
        "off_while_open": portfolio.mode != Mode.OFF and portfolio.positions.held().exists(),
    }


def _step(each: RolloutStep) -> dict[str, Any]:
    return {
        "id": each.pk,
        "at": ny(each.signed_at),
        "kind": each.kind,
        "kind_label": each.get_kind_display(),
        "from": each.from_mode,
        "to": each.to_mode,
        "by": each.signed_by_name,
        "reason": each.reason,
        "items": each.checklist,
        "passed": sum(1 for item in each.checklist if item["passed"]),
    }
