"""Asking for an entry as the product does, in front of the bets of `market`."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from accounts.models import User
from positions.models import Decision, Heartbeat, OptionContract, Portfolio
from riskengine.services.decide.entries import Authorised, authorise_entry, confirm_entry
from riskengine.services.decide.request import EntryRequest
from tests.riskengine.market import Bet


def checked(bet: Bet, seconds_ago: float = 5) -> Bet:
    """The bet, with a risk check that finished so long ago: all that an entry needs beyond a preview."""
    finished_at = bet.wall() - timedelta(seconds=seconds_ago)
    Heartbeat.objects.update_or_create(
        portfolio=bet.portfolio, scope="risk", defaults={"finished_at": finished_at, "market_at": bet.at}
    )
    return bet


def enter(
    bet: Bet,
    confidence: str = "0.70",
    *,
    at: datetime | None = None,
    key: str = "",
    actor: User | None = None,
    contract: OptionContract | None = None,
    **asked: Any,
) -> Authorised:
    return authorise_entry(
        portfolio=bet.portfolio,
        request=EntryRequest(contract or bet.contract, Decimal(confidence), **asked),
        now=bet.wall(at),
        actor=actor,
        actor_name="test",
        idempotency_key=key,
    )


def confirm(bet: Bet, decision: Decision, *, at: datetime | None = None, actor: User | None = None) -> Authorised:
    return confirm_entry(decision=decision, now=bet.wall(at), actor=actor, actor_name="test")


def refused(authorised: Authorised) -> str:
    """The code of a refusal that was stored as one and became no order."""
    decision = Decision.objects.get(pk=authorised.decision.pk)
    assert authorised.order is None
    assert not decision.orders.exists()
    assert (decision.approved, decision.contracts, decision.dollars, decision.limit_price) == (False, 0, 0, None)
    assert decision.refusal_sentence.endswith(".")
    return decision.refusal_code


def failed(decision: Decision) -> list[str]:
    return [gate["rule"] for gate in decision.gates if not gate["passed"]]


def reserved(portfolio: Portfolio) -> Decimal:
    return portfolio.orders.reserved_dollars()
