"""Authorise an entry: one transaction with the portfolio locked, every gate stored, and only then an order.

Whoever asks, however many at once and however often: what one of them was promised is seen by the next, because
exposure, cash, counts and keys are read after the lock. Money is USD, prices USD a share; `now` is wall time, market
rules use the portfolio's own clock. (SPEC section 3, A-02, A-04, A-09, A-10, A-15, A-16, P-19, P-27)
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from django.db import OperationalError, transaction

from accounts.models import User
from positions.market.clock import market_now
from positions.models import Decision, Mode, Order, Portfolio
from positions.services.order_changes import is_busy, limit_lock_waits
from positions.services.portfolio import lock_portfolio
from riskengine.services.decide.deciding import Entries
from riskengine.services.decide.request import EntryRequest

CHANGING = "The portfolio is being changed just now. Nothing was done; send it again."
CONFIRMS = "confirm:"  # begins the key of a confirmation: a decision is confirmed once
SIGNALS = "signal:"  # begins the key of an entry that the product makes of a signal: a signal has one


class IdempotencyConflict(ValueError):
    """The key was used in this portfolio for another request: nothing was done."""


class NothingToConfirm(ValueError):
    """The decision was refused, or its order is out already."""


class PortfolioBusy(RuntimeError):
    """Somebody else changed the portfolio, or what belongs to it, for over 2 s: nothing was done, the same request may
    be sent again."""


@dataclass(frozen=True, slots=True)
class Authorised:
    """The decision; its order where it was approved and waits for nobody; whether this call made it."""

    decision: Decision
    order: Order | None
    created: bool


def authorise_entry(
    *,
    portfolio: Portfolio,
    request: EntryRequest,
    now: datetime,
    actor: User | None,
    actor_name: str,
    idempotency_key: str = "",
) -> Authorised:
    """Decide on an entry and, where it is approved, write the intent of its order (P-19). A refusal is a decision too.

    Approved without an order it waits for `confirm_entry`: where it is only proposed, in mode live-manual, and where
    the day's loss has passed the first limit (P-08, L1), unless the request says that a person has confirmed it. A
    repeat under the same key gets the stored decision and order. Raises IdempotencyConflict for another request under
    that key, PortfolioBusy when the lock is not had within 2 s, OutsideCalendar when the market time has no session
    table, ValueError for `waive_gates` outside a recorded or simulated paper portfolio.
    """
    asked = [(request, idempotency_key)]
    return authorise_entries(portfolio=portfolio, asked=asked, now=now, actor=actor, actor_name=actor_name)[0]


def authorise_entries(
    *,
    portfolio: Portfolio,
    asked: Sequence[tuple[EntryRequest, str]],
    now: datetime,
    actor: User | None,
    actor_name: str,
) -> list[Authorised]:
    """The same for several requests of one moment, each with its idempotency key or "", answered in their order: each
    is judged with what those before it were promised. All of them are stored in one transaction, or none."""
    for _, key in asked:
        # A person's entry under a signal's key would be taken for that signal's own, which then had none.
        mine = (CONFIRMS, SIGNALS) if actor is not None else (CONFIRMS,)
        if key.startswith(mine):
            raise IdempotencyConflict(f"Keys that begin with “{key.partition(':')[0]}:” are the product's own.")
    with locked_portfolio(portfolio.pk) as locked:
        if any(request.waive_gates for request, _ in asked) and (
            locked.mode != Mode.PAPER or locked.clock.kind == "live"
        ):
            raise ValueError("Gates are waived only on paper, in recorded or simulated time.")
        stored = _stored(locked, [key for _, key in asked if key])
        new = [(request, key) for request, key in asked if not key or key not in stored]
        entries = Entries.begin(locked, [request for request, _ in new], now, actor, actor_name) if new else None
        answers: list[tuple[Decision, bool]] = []
        for request, key in asked:
            decision = stored.get(key) if key else None
            if decision is None and entries is not None:
                decision = entries.decide(request, key)
                answers.append((decision, True))
                stored[key] = decision
            elif decision is not None:
                _check_same(decision, request, key)
                answers.append((decision, False))
        orders = entries.write() if entries is not None else {}
        made = {decision.pk for decision in entries.decisions} if entries is not None else set()
        return [
            Authorised(each, orders.get(each.pk) if each.pk in made else opening_of(each), created)
            for each, created in answers
        ]


def confirm_entry(*, decision: Decision, now: datetime, actor: User | None, actor_name: str) -> Authorised:
    """A person lets an approved decision through: a new decision on the gates as they stand now, and its order.

    Contracts and worst price are those that were approved. Late (DECISION_EXPIRED) or refused by a gate by now it is a
    refused decision without an order, and the first may be confirmed again while it lasts; a repeat of a confirmation
    gets the same decision and order. Raises NothingToConfirm for a refused decision or one whose order is out,
    PortfolioBusy and OutsideCalendar as above.
    """
    with locked_portfolio(decision.portfolio_id) as locked:
        waiting = locked.decisions.select_related("contract").get(pk=decision.pk)
        key = f"{CONFIRMS}{waiting.pk}"
        stored = _stored(locked, [key]).get(key)
        if stored is not None:
            return Authorised(stored, opening_of(stored), False)
        if not waiting.approved or waiting.limit_price is None:
            raise NothingToConfirm(f"Decision {waiting.pk} was refused ({waiting.refusal_code}): ask for a new one.")
        if opening_of(waiting) is not None or "confirms" in waiting.inputs:
            raise NothingToConfirm(f"The order of decision {waiting.pk} is out: there is nothing to confirm.")
        pace = waiting.inputs.get("request", {}).get("pace", "normal")
        proven = waiting.inputs.get("request", {}).get("proven", True)
        request = EntryRequest(
            waiting.contract, waiting.confidence, waiting.contracts, pace, confirmed=True, proven=proven
        )
        entries = Entries.begin(locked, [request], now, actor, actor_name, confirming=waiting)
        made = entries.decide(request, key)
        return Authorised(made, entries.write().get(made.pk), True)


@contextmanager
def locked_portfolio(portfolio_id: int) -> Iterator[Portfolio]:
    """One transaction that holds the portfolio; PortfolioBusy when a lock is not had within 2 s."""
    with unless_busy(CHANGING), transaction.atomic():
        limit_lock_waits()
        yield lock_portfolio(portfolio_id, "clock", "profile")


@contextmanager
def unless_busy(sentence: str) -> Iterator[None]:
    """Around a whole transaction, also as a decorator: a lock that was not had in time, or that two crossed over, is
    PortfolioBusy with this sentence. It would else be a fault of the server to who was merely second."""
    try:
        yield
    except OperationalError as problem:
        if not is_busy(problem):
            raise
        raise PortfolioBusy(sentence) from problem


def opening_of(decision: Decision) -> Order | None:
    """The intent that the decision became."""
    return decision.orders.openings().select_related("contract").order_by("id").first()


def awaits_confirmation(decision: Decision, opening: Order | None, now: datetime) -> bool:
    """Whether a person can still let it through: approved, without an opening, not confirmed yet, within its time."""
    if not decision.approved or opening is not None or "confirms" in decision.inputs:
        return False
    portfolio = decision.portfolio
    if market_now(portfolio.clock, now) > decision.expires_at:
        return False
    return not portfolio.decisions.filter(idempotency_key=f"{CONFIRMS}{decision.pk}").exists()


def _stored(portfolio: Portfolio, keys: Collection[str]) -> dict[str, Decision]:
    """Decisions of earlier calls, by their key."""
    if not keys:
        return {}
    found = portfolio.decisions.select_related("contract").filter(idempotency_key__in=keys).order_by("id")
    return {decision.idempotency_key: decision for decision in found}


def _check_same(decision: Decision, request: EntryRequest, key: str) -> None:
    if decision.inputs.get("request") != request.stored():
        which = f" (decision {decision.pk})" if decision.pk else ""
        raise IdempotencyConflict(f"The key “{key}” was used for another entry{which}. Use a new key.")
