"""What becomes of signals: chosen among, entered where their source may enter, expired, traded.

    new -> accepted | dropped | expired      accepted -> traded | dropped | expired

Everything is looked at anew each time, so a doubled, late or killed run changes nothing but when it is seen: whoever
enters a signal holds it first, and its entry is made under the key of the signal, which an entry has once.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from django.db import transaction
from django.db.models import Q

from accounts.defaults import SMART_0DTE
from positions.market.calendar import OutsideCalendar
from positions.market.clock import market_now
from positions.models import Decision, OptionContract, Portfolio, Position
from positions.models.order import LIVE
from riskengine.calculators import selection, wording
from riskengine.loading.candidates import Situation, load_situation
from riskengine.loading.revisions import terms_in_force
from riskengine.models import Handling, Signal, SignalEvent, SignalState, SourceKind
from riskengine.services.decide.entries import CONFIRMS, SIGNALS, Authorised, PortfolioBusy, authorise_entry
from riskengine.services.decide.inputs import known
from riskengine.services.decide.request import EntryRequest
from riskengine.services.signals.locking import locked_signal
from riskengine.services.signals.picking import CALL, Pick, listings, pick
from riskengine.services.signals.record import closed_trades_by_source

log = logging.getLogger(__name__)

OPEN_STATES = (SignalState.NEW, SignalState.ACCEPTED)
ACTOR = "signals"
SURE = 2.0  # over any confidence
MOST_AT_ONCE = 100  # of one portfolio: the earliest; the others are looked at next time


@dataclass
class Ran:
    """How many signals came to which state, and the entries that were decided."""

    states: dict[str, int] = field(default_factory=dict)
    decided: list[Authorised] = field(default_factory=list)

    def count(self, state: str) -> None:
        self.states[state] = self.states.get(state, 0) + 1


def run_signals(*, now: datetime, portfolio_ids: Iterable[int] | None = None) -> Ran:
    """Look at every signal that is new or accepted, at wall time `now`. One portfolio's trouble is its own: a busy one,
    or one whose market time has no calendar, is looked at again next time."""
    ran = Ran()
    waiting = Signal.objects.filter(state__in=OPEN_STATES)
    if portfolio_ids is not None:
        waiting = waiting.filter(portfolio_id__in=list(portfolio_ids))
    ids = sorted(set(waiting.values_list("portfolio_id", flat=True)))
    for portfolio in Portfolio.objects.filter(pk__in=ids).select_related("clock", "profile").order_by("pk"):
        try:
            _run(portfolio, now, ran)
        except (OutsideCalendar, PortfolioBusy):
            continue
        except Exception:
            log.exception("the signals of portfolio %s could not be looked at", portfolio.pk)
    return ran


def _run(portfolio: Portfolio, now: datetime, ran: Ran) -> None:
    at = market_now(portfolio.clock, now)
    related = Signal.objects.select_related("source", "underlying", "contract", "decision")
    # What is shown and waits for a person needs nothing: a hundred of those would keep new ones from being looked at.
    needing = Q(state=SignalState.NEW) | Q(decision__isnull=False) | Q(expires_at__lte=at)
    open_ones = list(
        related.filter(needing, portfolio=portfolio, state__in=OPEN_STATES, as_of__lte=at).order_by("id")[:MOST_AT_ONCE]
    )
    _follow([each for each in open_ones if each.decision_id is not None], at, ran)
    undecided = [each for each in open_ones if each.decision_id is None]
    over = [each for each in undecided if each.expires_at <= at]
    for signal in over:
        _to(signal, SignalState.EXPIRED, at, ran, detail=f"Nobody had acted by {signal.expires_at:%H:%M:%S} UTC.")
    new = [each for each in undecided if each.state == SignalState.NEW and each.expires_at > at]
    for signal in [each for each in new if not each.source.enabled]:
        # Whoever switches a source off means what it has said already too.
        said = f"{signal.source.name} was switched off before this was looked at."
        _to(signal, SignalState.DROPPED, at, ran, code="SOURCE_DISABLED", detail=said)
    fresh = [each for each in new if each.source.enabled]
    if fresh:
        _choose(portfolio, fresh, at, now, ran)


# ---- What became of those that were decided ----


def _follow(signals: Sequence[Signal], at: datetime, ran: Ran) -> None:
    """An entry that holds a position has traded its signal; one whose order ended without a fill has not."""
    for signal in signals:
        decisions = _decisions_of(signal)
        # Before the positions: a fill in between would else be an order that ended, and no position yet.
        orders = [order.status for each in decisions for order in each.orders.all()]
        if Position.objects.filter(decision__in=decisions).exists():
            _to(signal, SignalState.TRADED, at, ran, detail="A position is held from it.")
            continue
        if orders and not any(status in LIVE for status in orders):
            sentence = "Its order ended without a fill."
        elif not orders and signal.decision is not None and at > signal.decision.expires_at:
            sentence = "Nobody confirmed its entry in time."
        else:
            continue
        _to(signal, SignalState.DROPPED, at, ran, code="NOT_FILLED", detail=sentence)


def _decisions_of(signal: Signal) -> list[Decision]:
    """Its decision, and the one that a person's yes made of it."""
    confirmed = Decision.objects.filter(
        portfolio_id=signal.portfolio_id, idempotency_key=f"{CONFIRMS}{signal.decision_id}"
    )
    return [each for each in (signal.decision, *confirmed) if each is not None]


# ---- Choosing ----


def _choose(portfolio: Portfolio, signals: list[Signal], at: datetime, now: datetime, ran: Ran) -> None:
    """Pick contracts, select among the signals (P-15), and enter those whose source enters by itself."""
    limits = terms_in_force(portfolio.profile_id).limits
    listed = listings(portfolio, signals, limits, at)
    ids = {each.contract_id for each in signals if each.contract_id is not None}
    ids |= {row.contract_id for found in listed.values() for row in found.chain}
    waiting = _waiting(portfolio, at)
    ids |= _contracts_of(waiting)
    situation = load_situation(portfolio, sorted(ids), now=now)
    picks: dict[int, Pick] = {}
    remaining = []
    for signal in signals:
        picks[signal.pk] = pick(signal, situation, listed)
        if float(signal.confidence) < float(limits.min_confidence_threshold):
            sentence = (
                f"Confidence {signal.confidence:.2f} is under {float(limits.min_confidence_threshold):.2f}, "
                "the lowest that is traded."
            )
            _to(signal, SignalState.DROPPED, at, ran, code="MIN_CONFIDENCE", detail=sentence)
        elif picks[signal.pk].row is None:
            found = picks[signal.pk]
            _to(signal, SignalState.DROPPED, at, ran, code=found.code, detail=found.how)
        else:
            remaining.append(signal)
    if not remaining:
        return
    chosen, first = _select(situation, waiting, remaining), len(waiting)
    proven = _proven(situation, remaining)
    for i, signal in enumerate(remaining, first):
        signal.selection = _explained(situation, signal, picks[signal.pk], chosen, i, proven[signal.source_id])
        if not chosen.accepted[i]:
            said = _doubles(situation, [*waiting, *remaining], chosen, i, first)
            _to(signal, SignalState.DROPPED, at, ran, code="CORRELATED", detail=said)
    for signal in [remaining[i - first] for i in chosen.order.tolist() if i >= first]:
        _accept(signal, picks[signal.pk], proven[signal.source_id], at, now, ran)


def _waiting(portfolio: Portfolio, at: datetime) -> list[Signal]:
    """Accepted by an earlier run and not in the account yet. What is selected now is held against them too (P-15): of
    two that are one bet both would otherwise stand, unless they came before the same run."""
    alive = Q(decision__isnull=False) | Q(expires_at__gt=at)
    rows = Signal.objects.filter(alive, portfolio=portfolio, state=SignalState.ACCEPTED, decision__orders__isnull=True)
    return list(rows.select_related("underlying", "contract", "decision__contract").order_by("id")[:MOST_AT_ONCE])


def _contracts_of(waiting: Sequence[Signal]) -> set[int]:
    """A contract of each, by which its underlying's correlations are read."""
    named = {each.contract or (each.decision and each.decision.contract) for each in waiting} - {None}
    picked = [each.selection.get("contract") for each in waiting]
    found = OptionContract.objects.filter(occ_symbol__in=[each for each in picked if each]) if waiting else ()
    return {each.pk for each in (*named, *found) if each is not None}


def _select(situation: Situation, waiting: Sequence[Signal], fresh: Sequence[Signal]) -> selection.Selection:
    """Those that wait come first, as sure as none of the others can be: they are accepted."""
    signals = [*waiting, *fresh]
    sure = [SURE] * len(waiting) + [float(each.confidence) for each in fresh]
    limits, held = situation.limits, situation.account.committed
    mine, theirs = [each.underlying_id for each in signals], held.underlyings()
    rho = situation.facts.correlations.of
    n, k = len(mine), len(theirs)
    return selection.select(
        confidence=np.array(sure),
        direction=np.array([1 if each.direction == CALL else -1 for each in signals], np.int64),
        underlying=np.array(mine, np.int64),
        rho_open=rho(mine, theirs).reshape(n, k),
        open_direction=np.asarray(held.direction, np.int64),
        same_open=np.array(mine, np.int64)[:, None] == np.array(theirs, np.int64)[None, :],
        rho_each=rho(mine, mine).reshape(n, n),
        correlation_factor=limits.correlation_factor,
        correlation_missing_factor=float(limits.correlation_missing_factor),
        high_pair_correlation=float(limits.high_pair_correlation),
        skip_same_open=situation.portfolio.system == SMART_0DTE,
    )


def _proven(situation: Situation, signals: Sequence[Signal]) -> dict[int, bool]:
    """By source: what is built in bets the minimum until it has a record of its own."""
    needed = int(situation.limits.proven_after_trades)
    sources = {each.source_id: each.source for each in signals}
    built_in = [pk for pk, source in sources.items() if source.kind == SourceKind.GENERATOR]
    trades = closed_trades_by_source(built_in) if built_in else {}
    return {pk: pk not in built_in or trades.get(pk, 0) >= needed for pk in sources}


def _explained(
    situation: Situation, signal: Signal, picked: Pick, chosen: selection.Selection, i: int, proven: bool
) -> dict[str, Any]:
    """What the selection saw, as plain data."""
    scaled = situation.confidence.scaled(float(signal.confidence), proven=proven)
    correlations = situation.facts.correlations
    return {
        "contract": picked.row.occ_symbol if picked.row else None,
        "picked": picked.how,
        "confidence": float(signal.confidence),
        "calibrated": known(scaled.calibrated),
        "scales_with": known(scaled.value),
        "trades": scaled.trades,
        "trades_needed": scaled.needed,
        "proven": proven,
        "average_rho": known(chosen.average_rho[i]),
        "factor": known(chosen.factor[i]),
        "score": known(chosen.score[i]),
        "correlation_as_of": correlations.as_of.isoformat() if correlations.as_of else None,
    }


def _doubles(situation: Situation, signals: Sequence[Signal], chosen: selection.Selection, i: int, first: int) -> str:
    rho, limit = float(chosen.dropped_rho[i]), float(situation.limits.high_pair_correlation)
    place = int(chosen.dropped_index[i])
    if chosen.dropped_for[i] == selection.OPEN:
        row = situation.account.committed.quotes.rows[place]
        other = f"the open bet in {row.underlying}"
        stands = "The bet that is open stands."
    else:
        stands = "The one accepted before stands." if place < first else "The more confident one stands."
        other = f"the signal in {signals[place].underlying.symbol} at {float(signals[place].confidence):.2f}"
    return (
        f"It is one bet with {other}: correlation {wording.plain(rho, 2)} in the same direction, over {limit:.2f}. "
        f"{stands}"
    )


# ---- Acting ----


def _accept(signal: Signal, picked: Pick, proven: bool, at: datetime, now: datetime, ran: Ran) -> None:
    """Accepted is accepted whether or not its source enters; an entry that is refused drops it with its reason."""
    if signal.source.handling != Handling.ENTER or picked.row is None:
        _to(signal, SignalState.ACCEPTED, at, ran, detail="Shown for a person to size and place.")
        return
    contract = OptionContract.objects.get(pk=picked.row.contract_id)
    answer = enter_signal(signal, contract, proven=proven, now=now, ran=ran)
    if answer is not None:
        ran.decided.append(answer)


@transaction.atomic
def enter_signal(
    signal: Signal,
    contract: OptionContract,
    *,
    proven: bool,
    now: datetime,
    pace: str = "normal",
    actor_name: str = "",
    ran: Ran | None = None,
) -> Authorised | None:
    """The entry of a signal by itself, past every gate; what is refused drops it with its reason. In mode live-manual
    it waits for a person as any other entry does. None: somebody was faster. Raises PortfolioBusy, and leaves the
    signal as it was."""
    locked = locked_signal(signal.pk)  # a person may be placing it this moment: one of the two has the entry
    if locked.decision_id is not None or locked.state not in OPEN_STATES:
        return None
    if not (locked.source.enabled and locked.source.handling == Handling.ENTER):  # switched since it was read
        return None
    answer = _stored(signal) or authorise_entry(
        portfolio=signal.portfolio,
        request=EntryRequest(contract, signal.confidence, pace=pace, proven=proven),
        now=now,
        actor=None,
        actor_name=actor_name or f"signal of {signal.source.name}",
        idempotency_key=f"{SIGNALS}{signal.pk}",
    )
    decision, told = answer.decision, ran or Ran()
    signal.decision = decision
    if decision.approved:
        said = f"Entry decided: {decision.contracts} contracts."
        _to(signal, SignalState.ACCEPTED, decision.decided_at, told, detail=said)
    else:
        said = decision.refusal_sentence or "Refused."
        _to(signal, SignalState.DROPPED, decision.decided_at, told, code=decision.refusal_code, detail=said)
    return answer


def _stored(signal: Signal) -> Authorised | None:
    """The entry of a run that ended before it could say so."""
    found = Decision.objects.filter(portfolio_id=signal.portfolio_id, idempotency_key=f"{SIGNALS}{signal.pk}").first()
    return Authorised(found, None, False) if found else None


@transaction.atomic
def _to(signal: Signal, state: Any, at: datetime, ran: Ran, *, code: str = "", detail: str = "") -> None:
    """One state further, by conditional update: whoever was first has said it. An entry that a person made of it since
    it was read stands: an accepted one would otherwise be expired over it, and could be entered again."""
    unentered = Q(decision__isnull=True) | Q(decision=signal.decision)
    changed = Signal.objects.filter(unentered, pk=signal.pk, state=signal.state).update(
        state=state,
        dropped_code=code if state == SignalState.DROPPED else "",
        dropped_sentence=detail if state == SignalState.DROPPED else "",
        selection=signal.selection,
        decision=signal.decision,
    )
    if changed:
        signal.state = state
        SignalEvent.objects.create(signal=signal, state=state, happened_at=at, actor_name=ACTOR, detail=detail)
        ran.count(str(state))
