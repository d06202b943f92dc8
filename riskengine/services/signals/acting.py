"""What a person does with a signal: sizes and places it, once; and lets a confidence tier scale again."""

from dataclasses import replace
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction

from accounts.models import User
from positions.market.clock import market_now
from positions.models import Portfolio
from riskengine.loading.candidates import load_situation
from riskengine.loading.revisions import terms_in_force
from riskengine.models import Signal, SignalEvent, SignalState, SourceKind, TierReview
from riskengine.services.decide.entries import Authorised, IdempotencyConflict, authorise_entry
from riskengine.services.decide.request import SIX_PLACES, EntryRequest
from riskengine.services.signals.locking import locked_signal
from riskengine.services.signals.record import closed_trades_by_source


class SignalTaken(ValueError):
    """The signal is over, dropped or has its entry: nothing was done."""


@transaction.atomic
def place_signal(
    *, signal: Signal, request: EntryRequest, now: datetime, actor: User, idempotency_key: str
) -> Authorised:
    """A person's entry of a signal, one at most. A refused one leaves the signal as it is: it may be tried again while
    it lasts. Raises SignalTaken, and what `authorise_entry` raises; IdempotencyConflict also under the key of an entry
    that was not made of this signal."""
    locked = locked_signal(signal.pk)
    portfolio = locked.portfolio
    at = market_now(portfolio.clock, now)
    before = locked.decision
    # Without a key nothing tells a repeat from a second bet.
    if before is not None and not (idempotency_key and before.idempotency_key == idempotency_key):
        raise SignalTaken(f"This signal has its entry already: decision {before.pk}.")
    if before is None and (locked.state not in (SignalState.NEW, SignalState.ACCEPTED) or at >= locked.expires_at):
        raise SignalTaken(f"This signal is {locked.get_state_display().lower()}, or its time is over.")
    right = "C" if locked.direction == "LONG_CALL" else "P"
    if request.contract.underlying_id != locked.underlying_id or request.contract.right != right:
        raise SignalTaken(f"{request.contract} is not what this signal is about.")
    if request.confidence.quantize(SIX_PLACES, ROUND_HALF_UP) != locked.confidence:
        said = f"This signal says {locked.confidence.normalize():f}, and {request.confidence} is asked for."
        raise SignalTaken(f"{said} Place it as it was said; what you think yourself is a bet without the signal.")
    if before is not None:  # a repeat: its source may have a record by now that it had not then
        request = replace(request, proven=before.inputs.get("request", {}).get("proven", True))
    answer = authorise_entry(
        portfolio=portfolio,
        request=request,
        now=now,
        actor=actor,
        actor_name=actor.get_username(),
        idempotency_key=idempotency_key,
    )
    if answer.decision.approved and before is None:
        if not answer.created:
            said = f"The key “{idempotency_key}” was used for another entry (decision {answer.decision.pk})."
            raise IdempotencyConflict(f"{said} Use a new key.")
        was_new = locked.state == SignalState.NEW
        Signal.objects.filter(pk=locked.pk).update(decision=answer.decision, state=SignalState.ACCEPTED)
        if was_new:
            SignalEvent.objects.create(
                signal=locked,
                state=SignalState.ACCEPTED,
                happened_at=at,
                actor_name=actor.get_username(),
                detail="Placed by a person.",
            )
    return answer


def is_proven(signal: Signal) -> bool:
    """Whether bets of its source may scale: what is built in needs a record of its own first."""
    if signal.source.kind != SourceKind.GENERATOR:
        return True
    needed = int(terms_in_force(signal.portfolio.profile_id).limits.proven_after_trades)
    return closed_trades_by_source([signal.source_id]).get(signal.source_id, 0) >= needed


def review_tier(*, portfolio: Portfolio, tier: Decimal, reason: str, actor: User, now: datetime) -> TierReview:
    """A person has looked at a tier that is under its break-even, and lets it scale again (P-13). Raises
    PermissionDenied, or ValidationError for a tier that needs no review or without a reason."""
    if not actor.has_perm("riskengine.add_tierreview"):
        raise PermissionDenied("Only a risk manager lets a confidence tier scale again.")
    if not reason.strip():
        raise ValidationError("Say why this tier may scale again.")
    confidence = load_situation(portfolio, now=now).confidence
    for place, edge in enumerate(confidence.edges.tolist()):
        if abs(edge - float(tier)) < 1e-9 and confidence.standing.under_break_even[place]:
            return TierReview.objects.create(
                portfolio=portfolio,
                tier=tier,
                reviewed_at=market_now(portfolio.clock, now),
                reviewed_by=actor,
                reviewed_by_name=actor.get_username(),
                reason=reason.strip(),
                trades=int(confidence.standing.trades[place]),
                wins=int(confidence.standing.wins[place]),
            )
    raise ValidationError("No tier that begins there is under its break-even: there is nothing to review.")
