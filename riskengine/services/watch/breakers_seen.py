"""Circuit breakers that tripped or came near their limit, as alerts: made from their events, so that none is missed."""

from collections.abc import Sequence

from positions.services.portfolio import SYSTEM_NAME
from riskengine.models import BreakerCode, BreakerEvent, BreakerEventKind, Severity
from riskengine.services.watch.alerts import NewAlert
from riskengine.services.watch.breaker_words import UNITS

TRIPPED, NEAR = "BREAKER_TRIPPED", "BREAKER_NEAR"
BY_A_PERSON = (
    BreakerCode.LOSS_HALT,
    BreakerCode.DRAWDOWN_5,
    BreakerCode.DRAWDOWN_20,
    BreakerCode.THROTTLE,
    BreakerCode.REJECTED_ORDERS,
)
GRAVE = (*BY_A_PERSON, BreakerCode.LOSS_DAY)


def breaker_alerts(event_ids: Sequence[int]) -> list[NewAlert]:
    """One statement; none for none."""
    if not event_ids:
        return []
    events = BreakerEvent.objects.filter(pk__in=event_ids).select_related("portfolio", "breaker__underlying")
    return [_alert(each) for each in events.order_by("id")]


def _alert(event: BreakerEvent) -> NewAlert:
    tripped = event.kind == BreakerEventKind.TRIPPED
    about = f" ({event.breaker.underlying.symbol})" if event.breaker.underlying is not None else ""
    label = f"{event.get_code_display()}{about}"
    by = "" if event.actor_name in ("", SYSTEM_NAME) else f" By {event.actor_name}."
    return NewAlert(
        code=TRIPPED if tripped else NEAR,
        key=f"breaker:{event.pk}",
        severity=Severity.CRITICAL if tripped and event.code in GRAVE else Severity.WARNING,
        title=f"{label} {'tripped' if tripped else 'is near its limit'}",
        happened=f"{event.reason}{by}",
        to_do=_to_do(event.code, tripped),
        portfolio_id=event.portfolio_id,
        value=None if event.value is None else float(event.value),
        limit=None if event.limit is None else float(event.limit),
        unit=UNITS[event.code],
        market_at=event.happened_at,
    )


def _to_do(code: str, tripped: bool) -> str:
    if not tripped:
        return "Look at what is open and at its stops. Nothing is refused yet; it will be at the limit."
    if code == BreakerCode.LOSS_HALT:
        return "See on the desk that everything is being closed. Find out why, then clear it with a written reason."
    if code in BY_A_PERSON:
        return "Find out why. Entries stay refused until a named person clears it with a written reason."
    if code == BreakerCode.LOSS_CONFIRM:
        return "Look at what is open. Confirm each further entry yourself, or make none today."
    if code in (BreakerCode.STALE_QUOTE, BreakerCode.STALE_VIX):
        return "Look at the market data feed. Entries are open again once it is fresh; watch held positions meanwhile."
    return "Nothing must be done: entries are open again by the rule it names. Exits go on."
