"""Deciding on entries of one moment: each request judged, its decision made, and what is to be written collected.

The caller holds the portfolio's lock from before `begin` until after `write`. (SPEC section 3, A-11, P-08, P-19)
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import numpy as np

from accounts.models import User
from positions.market_selectors import QuotedContract
from positions.models import Decision, DecisionIntent, Direction, Mode, Order, Portfolio
from positions.services.insertion import insert_all
from positions.services.orders import Opening, place_openings
from riskengine.calculators import codes, trace
from riskengine.loading.candidates import Situation, candidates_of, load_situation
from riskengine.services.decide import cautions, costs, explanation, inputs
from riskengine.services.decide.judge import Judged, judge_candidates
from riskengine.services.decide.request import SIX_PLACES, EntryRequest, SizeRequest
from riskengine.services.decide.reservation import Placing, Reservation, worst_price
from riskengine.services.decide.shadow import Asked, judge_beside

CENT, FOUR_PLACES = Decimal("0.01"), Decimal("0.0001")
LARGEST_MULTIPLE = Decimal(100)  # what a decision can store; only waived gates pass it


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


def _needs_a_person(request: EntryRequest, judged: Judged) -> bool:
    if request.confirmed or request.waive_gates:
        return False
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


@dataclass(slots=True)
class Entries:
    """Requests of one moment against the locked portfolio, and what is to be written of them."""

    situation: Situation
    now: datetime
    actor: User | None
    actor_name: str
    confirming: Decision | None
    decisions: list[Decision] = field(default_factory=list)
    openings: list[Opening] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)

    @classmethod
    def begin(
        cls,
        portfolio: Portfolio,
        requests: Sequence[EntryRequest],
        now: datetime,
        actor: User | None,
        actor_name: str,
        *,
        confirming: Decision | None = None,
    ) -> "Entries":
        """Everything that is read, read after the lock."""
        ids = [request.contract.pk for request in requests]
        situation = load_situation(portfolio, ids, now=now, placing=True, confirming=confirming)
        return cls(situation, now, actor, actor_name, confirming)

    def decide(self, request: EntryRequest, key: str) -> Decision:
        """Judge one request and note what is to be written; the next one sees it.

        A refused confirmation leaves its key free: the decision may be confirmed again while it lasts.
        """
        waiting, portfolio = self.confirming, self.situation.portfolio
        worst = waiting.limit_price if waiting is not None else None
        placing = Placing(request.confirmed, _may_trade(self.actor, portfolio), request.contracts, worst)
        row = self.situation.facts.contracts[request.contract.pk]
        candidates = candidates_of(self.situation, [row])
        confidence = float(request.confidence)
        judged = judge_candidates(self.situation, candidates, confidence, placing=placing, proven=request.proven)
        refusal = (_expired(waiting, judged) if waiting is not None else None) or _refusal(judged, request)
        waits = refusal is None and (request.propose or _needs_a_person(request, judged))
        if refusal and waiting is not None:
            key = ""
        decision = self._decision(request, judged, row, refusal, key=key, waits=waits)
        self.decisions.append(decision)
        self.asked.append(Asked(self.situation, row, request, placing, decision))
        ordered = refusal is None and not waits and decision.limit_price is not None
        if ordered:
            mid = (((row.bid or Decimal(0)) + (row.ask or Decimal(0))) / 2).quantize(FOUR_PLACES)
            self.openings.append(Opening(decision, request.pace, reference_mid=mid, quote_at=row.confirmed_at))
        self.situation = self.situation.with_opening(
            row.contract_id, decision.contracts if ordered else 0, decision.limit_price or Decimal(0)
        )
        return decision

    def write(self) -> dict[int, Order]:
        """The decisions, and the intents of those that are ordered, by decision; the next pass sends them."""
        insert_all(self.decisions)
        judge_beside(self.asked)
        orders = place_openings(self.openings, at=self.situation.at, now=self.now, actor_name=self.actor_name)
        return {opening.decision.pk: order for opening, order in zip(self.openings, orders, strict=True)}

    def _decision(
        self,
        request: EntryRequest,
        judged: Judged,
        row: QuotedContract,
        refusal: _Refusal | None,
        *,
        key: str,
        waits: bool,
    ) -> Decision:
        """The append-only row, approved or refused, with all that it was made from (A-11)."""
        situation, sizing, reservation = judged.situation, judged.sizing, _reservation(judged)
        contracts = 0 if refusal else int(sizing.contracts[0])
        dollars = (contracts * (row.ask or Decimal(0)) * row.multiplier).quantize(CENT, ROUND_HALF_UP)
        minimum = _decimal(float(sizing.minimum[0]), CENT)
        explained = sizing.explain(0, judged.gates)
        made_from: dict[str, Any] = {
            "request": request.stored(),
            "used": inputs.used(judged, 0),
            "market": inputs.market(judged, 0),
        }
        if self.confirming is not None:
            made_from["confirms"] = self.confirming.pk
        return Decision(
            portfolio=situation.portfolio,
            contract=request.contract,
            revision=situation.revision,
            intent=DecisionIntent.OPEN,
            direction=Direction.LONG_CALL if row.right == "C" else Direction.LONG_PUT,
            confidence=request.confidence.quantize(SIX_PLACES, ROUND_HALF_UP),
            requested_by=self.actor,
            requested_by_name=self.actor_name,
            idempotency_key=key,
            inputs=made_from,
            trace={**explained, "reservation": reservation.explain(0)},
            gates=explained["gates"],
            warnings=_warnings(request, judged, waits=waits),
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
            confirmed_by=self.actor if request.confirmed else None,
            engine_version=trace.ENGINE,
        )

    def _limit_price(self, row: QuotedContract) -> Decimal | None:
        return self.confirming.limit_price if self.confirming is not None else worst_price(row)


def _warnings(request: EntryRequest, judged: Judged, *, waits: bool) -> list[dict[str, str]]:
    said: list[dict[str, str]] = inputs.scaling_said(judged.scaled)
    if request.waive_gates:
        failed = ", ".join(judged.gates.failed(0)) or "none"
        said.append({"code": "GATES_WAIVED", "text": f"Gates waived. Those that would have refused: {failed}."})
    if waits:
        why = "it was proposed, and is placed once confirmed" if request.propose else "a person must confirm this entry"
        said.append({"code": "WAITS_FOR_CONFIRMATION", "text": f"No order yet: {why}."})
    if judged.unusable[0] == codes.NONE and judged.sizing.contracts[0] > 0:
        sized = SizeRequest(request.contract, request.confidence)
        said += cautions.advice_for(judged, costs.consequences_of(judged), 0, sized)
    return said


def _decimal(value: float, places: Decimal) -> Decimal | None:
    return Decimal(value).quantize(places, ROUND_HALF_UP) if np.isfinite(value) else None


def _multiple(dollars: Decimal, minimum: Decimal | None) -> Decimal | None:
    """How many minimum bets this is."""
    if not minimum:
        return None
    return min((dollars / minimum).quantize(FOUR_PLACES, ROUND_HALF_UP), LARGEST_MULTIPLE)
