"""Authorise an entry: one transaction with the portfolio locked, every gate stored, and only then an order.

Whoever asks, however many at once and however often: what one of them was promised is seen by the next, because
exposure, cash, counts and keys are read after the lock. Money is USD, prices USD a share; `now` is wall time, market
rules use the portfolio's own clock. (SPEC section 3, A-02, A-04, A-09, A-10, A-15, A-16, P-19, P-27)
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import numpy as np
from django.db import OperationalError, transaction

from accounts.models import User
from positions.brokers.ladder import PRESETS
from positions.market.clock import market_now
from positions.market_selectors import QuotedContract, quoted_contracts
from positions.models import Decision, DecisionIntent, Direction, Mode, OptionContract, Order, Portfolio
from positions.services.order_changes import limit_lock_waits
from positions.services.orders import place_opening
from positions.services.portfolio import lock_portfolio
from riskengine.calculators import codes, trace
from riskengine.loading.candidates import load_candidates, load_situation
from riskengine.services.decide import cautions, costs, explanation, inputs
from riskengine.services.decide.judge import Judged, judge_candidates
from riskengine.services.decide.request import SizeRequest
from riskengine.services.decide.reservation import Placing, Reservation, worst_price

CENT, SIX_PLACES, FOUR_PLACES = Decimal("0.01"), Decimal("0.000001"), Decimal("0.0001")
LARGEST_MULTIPLE = Decimal(100)  # what a decision can store; only waived gates pass it
MOST_CONTRACTS = 1_000_000
CONFIRMS = "confirm:"  # begins the key of a confirmation: a decision is confirmed once
LOCK_NOT_AVAILABLE = "55P03"


class IdempotencyConflict(ValueError):
    """The key was used in this portfolio for another request: nothing was done."""


class NothingToConfirm(ValueError):
    """The decision was refused, or its order is out already."""


class PortfolioBusy(RuntimeError):
    """Somebody else changed the portfolio for over 2 s: nothing was done, the same request may be sent again."""


@dataclass(frozen=True, slots=True)
class EntryRequest:
    """What is asked. `contracts` empty: the size is computed; else that many or nothing. `confirmed`: a person has seen
    this entry. `waive_gates` (replays of recorded days only) judges and stores every gate and lets none refuse."""

    contract: OptionContract
    confidence: Decimal
    contracts: int | None = None
    pace: str = "normal"
    confirmed: bool = False
    waive_gates: bool = False

    def __post_init__(self) -> None:
        if not (self.confidence.is_finite() and 0 <= self.confidence <= 1):
            raise ValueError(f"Confidence is {self.confidence}: it must be from 0 to 1.")
        if self.contracts is not None and not 1 <= self.contracts <= MOST_CONTRACTS:
            raise ValueError(f"{self.contracts} contracts are asked for: 1 to {MOST_CONTRACTS:,}, or leave it open.")
        if self.pace not in PRESETS:
            raise ValueError(f"An opening is worked at pace normal, fast or patient, not {self.pace}.")

    def stored(self) -> dict[str, Any]:
        """As plain data: what a repeat under the same key must equal."""
        return {
            "contract": self.contract.occ_symbol,
            "confidence": str(self.confidence.quantize(SIX_PLACES, ROUND_HALF_UP)),
            "contracts": self.contracts,
            "pace": self.pace,
            "confirmed": self.confirmed,
            "waive_gates": self.waive_gates,
        }


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

    Approved without an order it waits for `confirm_entry`: in mode live-manual, and where the day's loss has passed the
    first limit (P-08, L1), unless the request says that a person has confirmed it. A repeat under the same key gets the
    stored decision and order. Raises IdempotencyConflict for another request under that key, PortfolioBusy when the
    lock is not had within 2 s, OutsideCalendar when the market time has no session table, ValueError for `waive_gates`
    outside a recorded or simulated paper portfolio.
    """
    if idempotency_key.startswith(CONFIRMS):
        raise IdempotencyConflict(f"Keys that begin with “{CONFIRMS}” are the product's own. Choose another.")
    with locked_portfolio(portfolio.pk) as locked:
        if request.waive_gates and (locked.mode != Mode.PAPER or locked.clock.kind == "live"):
            raise ValueError("Gates are waived only on paper, in recorded or simulated time.")
        stored = _stored(locked, idempotency_key)
        if stored is not None:
            if stored.inputs.get("request") != request.stored():
                raise IdempotencyConflict(
                    f"The key “{idempotency_key}” was used for another entry (decision {stored.pk}). Use a new key."
                )
            return Authorised(stored, opening_of(stored), False)
        entry = _Entry(locked, request, now, actor, actor_name)
        judged, row = entry.judge(Placing(request.confirmed, _may_trade(actor, locked), request.contracts))
        refusal = _refusal(judged, request)
        waits = refusal is None and not request.confirmed and not request.waive_gates and _waits(judged)
        decision = entry.decide(judged, row, refusal, key=idempotency_key, waits=waits)
        return Authorised(decision, None if refusal or waits else entry.place(decision, judged, row), True)


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
        stored = _stored(locked, key)
        if stored is not None:
            return Authorised(stored, opening_of(stored), False)
        if not waiting.approved or waiting.limit_price is None:
            raise NothingToConfirm(f"Decision {waiting.pk} was refused ({waiting.refusal_code}): ask for a new one.")
        if opening_of(waiting) is not None or "confirms" in waiting.inputs:
            raise NothingToConfirm(f"The order of decision {waiting.pk} is out: there is nothing to confirm.")
        pace = waiting.inputs.get("request", {}).get("pace", "normal")
        request = EntryRequest(waiting.contract, waiting.confidence, waiting.contracts, pace, confirmed=True)
        entry = _Entry(locked, request, now, actor, actor_name, confirming=waiting)
        placing = Placing(True, _may_trade(actor, locked), waiting.contracts, waiting.limit_price)
        judged, row = entry.judge(placing)
        refusal = _expired(waiting, judged) or _refusal(judged, request)
        made = entry.decide(judged, row, refusal, key="" if refusal else key)
        return Authorised(made, None if refusal else entry.place(made, judged, row), True)


@contextmanager
def locked_portfolio(portfolio_id: int) -> Iterator[Portfolio]:
    """One transaction that holds the portfolio; PortfolioBusy when a lock is not had within 2 s."""
    try:
        with transaction.atomic():
            limit_lock_waits()
            yield lock_portfolio(portfolio_id)
    except OperationalError as problem:
        if getattr(problem.__cause__, "pgcode", "") != LOCK_NOT_AVAILABLE:
            raise
        raise PortfolioBusy("The portfolio is being changed just now. Nothing was done; send it again.") from problem


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


def _stored(portfolio: Portfolio, key: str) -> Decision | None:
    return portfolio.decisions.select_related("contract").filter(idempotency_key=key).first() if key else None


def _may_trade(actor: User | None, portfolio: Portfolio) -> bool:
    """Its owner and staff; no actor is the product itself."""
    return actor is None or (actor.is_active and (actor.is_staff or portfolio.owner_id == actor.pk))


# ---- The verdict ----


@dataclass(frozen=True, slots=True)
class _Refusal:
    code: str
    sentence: str


def _refusal(judged: Judged, request: EntryRequest) -> _Refusal | None:
    """What stands in the way. A confirmation that is lacking does not: the decision waits for it."""
    code = codes.CODES[judged.refusal[0]].name
    if not code or (judged.gates.failed(0) == [code] == ["NEEDS_CONFIRMATION"]):
        return None
    if request.waive_gates and np.isfinite(_reservation(judged).worst[0]) and judged.sizing.contracts[0] > 0:
        return None
    explained = judged.sizing.explain(0, judged.gates)
    return _Refusal(code, explanation.refusal_sentence(judged, 0, code, explained))


def _waits(judged: Judged) -> bool:
    return judged.situation.portfolio.mode == Mode.LIVE_MANUAL or bool(judged.gates.failed(0))


def _expired(waiting: Decision, judged: Judged) -> _Refusal | None:
    at = judged.situation.at
    if at <= waiting.expires_at:
        return None
    age, good = (each - waiting.decided_at for each in (at, waiting.expires_at))
    return _Refusal(
        "DECISION_EXPIRED", trace.sentence("DECISION_EXPIRED", "seconds", age.total_seconds(), good.total_seconds())
    )


def _reservation(judged: Judged) -> Reservation:
    if judged.reservation is None:
        raise ValueError("This was judged as a preview: nothing was reserved.")
    return judged.reservation


# ---- Reading, writing ----


@dataclass(frozen=True, slots=True)
class _Entry:
    """One request against the locked portfolio."""

    portfolio: Portfolio
    request: EntryRequest
    now: datetime
    actor: User | None
    actor_name: str
    confirming: Decision | None = None

    def judge(self, placing: Placing) -> tuple[Judged, QuotedContract]:
        """Everything that is read, read after the lock."""
        situation = load_situation(self.portfolio, now=self.now, placing=True, confirming=self.confirming)
        rows = quoted_contracts([self.request.contract.pk], source=self.portfolio.quote_source, now=situation.at)
        candidates = load_candidates(situation, rows)
        return judge_candidates(situation, candidates, float(self.request.confidence), placing=placing), rows[0]

    def decide(
        self, judged: Judged, row: QuotedContract, refusal: _Refusal | None, *, key: str, waits: bool = False
    ) -> Decision:
        """The append-only row, approved or refused, with all that it was made from (A-11)."""
        situation, sizing, reservation = judged.situation, judged.sizing, _reservation(judged)
        contracts = 0 if refusal else int(sizing.contracts[0])
        dollars = (contracts * (row.ask or Decimal(0)) * row.multiplier).quantize(CENT, ROUND_HALF_UP)
        minimum = _decimal(float(sizing.minimum[0]), CENT)
        explained = sizing.explain(0, judged.gates)
        made_from: dict[str, Any] = {
            "request": self.request.stored(),
            "used": inputs.used(judged, 0),
            "market": inputs.market(judged, 0),
        }
        if self.confirming is not None:
            made_from["confirms"] = self.confirming.pk
        return Decision.objects.create(
            portfolio=self.portfolio,
            contract=self.request.contract,
            revision=situation.revision,
            intent=DecisionIntent.OPEN,
            direction=Direction.LONG_CALL if row.right == "C" else Direction.LONG_PUT,
            confidence=self.request.confidence.quantize(SIX_PLACES, ROUND_HALF_UP),
            requested_by=self.actor,
            requested_by_name=self.actor_name,
            idempotency_key=key,
            inputs=made_from,
            trace={**explained, "reservation": reservation.explain(0)},
            gates=explained["gates"],
            warnings=self._warnings(judged, waits=waits),
            approved=refusal is None,
            refusal_code=refusal.code if refusal else "",
            refusal_sentence=refusal.sentence if refusal else "",
            indicative_contracts=int(reservation.indicative[0]),
            contracts=contracts,
            limit_price=None if refusal else self._limit_price(row),
            dollars=dollars,
            min_size_dollars=minimum,
            scale_multiplier=_multiple(dollars, minimum) if contracts else None,
            decided_at=situation.at,
            expires_at=situation.at + timedelta(seconds=float(situation.limits.decision_expires_seconds)),
            confirmed_by=self.actor if self.request.confirmed else None,
            engine_version=trace.ENGINE,
        )

    def place(self, decision: Decision, judged: Judged, row: QuotedContract) -> Order:
        """The order's intent, in the same transaction; the next pass over working orders sends it."""
        return place_opening(
            decision=decision,
            pace=self.request.pace,
            at=judged.situation.at,
            now=self.now,
            reference_mid=(((row.bid or Decimal(0)) + (row.ask or Decimal(0))) / 2).quantize(FOUR_PLACES),
            quote_at=row.confirmed_at,
            actor_name=self.actor_name,
        )

    def _limit_price(self, row: QuotedContract) -> Decimal | None:
        return self.confirming.limit_price if self.confirming is not None else worst_price(row)

    def _warnings(self, judged: Judged, *, waits: bool) -> list[dict[str, str]]:
        said: list[dict[str, str]] = []
        if self.request.waive_gates:
            failed = ", ".join(judged.gates.failed(0)) or "none"
            said.append({"code": "GATES_WAIVED", "text": f"Gates waived. Those that would have refused: {failed}."})
        if waits:
            said.append({"code": "WAITS_FOR_CONFIRMATION", "text": "No order yet: a person must confirm this entry."})
        if judged.unusable[0] == codes.NONE and judged.sizing.contracts[0] > 0:
            asked = SizeRequest(self.request.contract, self.request.confidence)
            said += cautions.advice_for(judged, costs.consequences_of(judged), 0, asked)
        return said


def _decimal(value: float, places: Decimal) -> Decimal | None:
    return Decimal(value).quantize(places, ROUND_HALF_UP) if np.isfinite(value) else None


def _multiple(dollars: Decimal, minimum: Decimal | None) -> Decimal | None:
    """How many minimum bets this is."""
    if not minimum:
        return None
    return min((dollars / minimum).quantize(FOUR_PLACES, ROUND_HALF_UP), LARGEST_MULTIPLE)
