"""Orders that the broker refused, and exits that nobody takes, in words."""

from dataclasses import dataclass
from datetime import timedelta

from positions.models import OrderIntent
from riskengine.models import Severity
from riskengine.services.watch.alerts import NewAlert

EXIT_FAILING, EXIT_WAITING, ORDER_REJECTED = "EXIT_FAILING", "EXIT_WAITING", "ORDER_REJECTED"
FAILS_ALLOWED = 2
PATIENCE = timedelta(seconds=60)  # of market time: a marketable exit takes seconds where somebody bids
INTENTS = dict(OrderIntent.choices)


@dataclass(frozen=True, slots=True)
class Rejected:
    """An intent that was refused, or whose orders were `count` times, or that waits for `count` seconds. `detail`: the
    broker's words, or what it is meant to do."""

    portfolio_id: int
    position_id: int | None
    order_id: int
    count: int
    detail: str


def exit_failing(order: Rejected) -> NewAlert:
    """An exit that fails twice is critical (A-10). It ends when the exit is over."""
    return NewAlert(
        code=EXIT_FAILING,
        key=f"exit_failing:{order.order_id}",
        severity=Severity.CRITICAL,
        title="An exit is refused again and again",
        happened=f"The broker has refused {order.count} orders of exit {order.order_id} of position "
        f"{order.position_id}; 2 are critical. It says: {order.detail or 'nothing'}",
        to_do="Look at the position at the broker and close it there if it must be closed. The exit is tried again "
        "every 2 s as long as it is due.",
        portfolio_id=order.portfolio_id,
        position_id=order.position_id,
        value=order.count,
        limit=FAILS_ALLOWED,
        unit="refusals",
        stage=min(max(order.count.bit_length() - 2, 0), 6),  # told again at 4, 8, 16 ... refusals
    )


def exit_waiting(order: Rejected) -> NewAlert:
    """All of a position is to be sold and is not: nobody bids, or the broker does not answer. It ends with the exit."""
    limit, what = int(PATIENCE.total_seconds()), INTENTS.get(order.detail, order.detail)
    return NewAlert(
        code=EXIT_WAITING,
        key=f"exit_waiting:{order.order_id}",
        severity=Severity.CRITICAL,
        title="An exit is not filled",
        happened=f"Exit {order.order_id} of position {order.position_id} ({what}) has waited for {order.count:,} s; "
        f"{limit} s are long. Nobody bids, or the broker does not answer.",
        to_do="Look at the position at the broker and close it there if it must be closed. The exit goes on by itself.",
        portfolio_id=order.portfolio_id,
        position_id=order.position_id,
        value=order.count,
        limit=limit,
        unit="seconds",
        stage=min((order.count // limit).bit_length() - 1, 6),  # told again after 2, 4, 8 ... minutes
    )


def order_rejected(order: Rejected) -> NewAlert:
    """Once an order. It ends when a person has acknowledged it."""
    intent, _, words = order.detail.partition(": ")
    opens = intent == OrderIntent.OPEN
    asked = opens or intent == OrderIntent.MANUAL_REDUCE  # a person asked for it: nothing tries it again
    where = "" if order.position_id is None else f" of position {order.position_id}"
    return NewAlert(
        code=ORDER_REJECTED,
        key=f"rejected:{order.order_id}",
        severity=Severity.WARNING if asked else Severity.CRITICAL,
        title="An order was refused",
        happened=f"The broker refused order {order.order_id}{where} ({INTENTS.get(intent, intent)}, "
        f"{order.count:,} contracts): {words or 'it gave no reason'}",
        to_do=_to_do(intent),
        portfolio_id=order.portfolio_id,
        position_id=order.position_id,
        value=order.count,
        unit="contracts",
    )


def _to_do(intent: str) -> str:
    if intent == OrderIntent.OPEN:
        return "Nothing was bought. Look at the reason before you bet again."
    if intent == OrderIntent.MANUAL_REDUCE:
        return "The part was not sold, and is not tried again. Look at the reason, then sell it again or close it all."
    return "Look at the position at the broker. Its exits are judged again at the next check."
