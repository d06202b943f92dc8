"""What is told of trades made at the broker: holdings that differ, and adopted positions that nothing stops (A-08).

A difference is seen by every pass over orders while its portfolio waits, and is over when none has seen it for a while;
an adopted position without a stop is seen by every risk check.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import numpy as np
from django.db import transaction

from positions.models import BrokerDifference
from positions.services.order_changes import limit_lock_waits
from positions.services.reconciliation import Reconciled
from riskengine.calculators import wording
from riskengine.calculators.columns import BoolColumn
from riskengine.loading.book import Book
from riskengine.loading.watched import Watched
from riskengine.models import Severity
from riskengine.services.watch.alerts import NewAlert, raise_alerts

logger = logging.getLogger(__name__)

BROKER_DIFFERS, NO_STOP = "BROKER_DIFFERS", "NO_STOP"


def tell_differences(found: Mapping[int, Reconciled], *, now: datetime) -> None:
    """Raise what differs in these portfolios, once seen twice: what fills between the two answers of the broker is over
    by then. No statement where nothing does. What cannot be said is logged: the orders must be worked."""
    differing = [portfolio_id for portfolio_id, each in found.items() if each.differences]
    if not differing:
        return
    try:
        rows = BrokerDifference.objects.filter(portfolio__in=differing, ended_at=None, began_at__lt=now)
        with transaction.atomic():
            limit_lock_waits()
            raise_alerts([_differs(row) for row in rows.select_related("contract").order_by("id")], now=now)
    except Exception:
        logger.exception("That the broker's holdings differ could not be said.")


def _differs(row: BrokerDifference) -> NewAlert:
    count = abs(row.there - row.here)
    fewer = row.there < row.here
    told = "tells no sale of them" if fewer else "tells neither their purchase nor a price for them"
    fewer_to_do = (
        f"Look at the account. Exits here sell at most the {max(row.there, 0):,} that the broker confirms, and "
        "openings wait. If they were sold there, the sale is booked as soon as the broker tells its execution; if not, "
        "ask the broker where they are. A purchase there that makes the numbers equal ends this, too."
    )
    more_to_do = (
        f"Look at the account. Nothing here watches these {count:,}, and openings wait. They are adopted, without a "
        "stop, as soon as the broker tells their execution or their average price; or sell them there."
    )
    return NewAlert(
        code=BROKER_DIFFERS,
        key=f"broker_differs:{row.pk}",
        severity=Severity.CRITICAL,
        title=f"The broker holds {'fewer' if fewer else 'more'} contracts than are open here",
        happened=f"{row.contract}: {row.there:,} at the broker, {row.here:,} open here, {count:,} "
        f"{'fewer' if fewer else 'more'}; the broker {told}.",
        to_do=fewer_to_do if fewer else more_to_do,
        portfolio_id=row.portfolio_id,
        value=row.there,
        limit=row.here,
        unit="contracts",
    )


# ---- Adopted and not stopped ----


def without_stop(book: Book) -> BoolColumn:
    """Adopted positions that no person has given a stop."""
    none: BoolColumn = book.adopted & np.isnan(book.current_stop)
    return none


def key(position: int) -> str:
    return f"no_stop:{position}"


def unguarded(book: Book, watched: Sequence[Watched]) -> Iterator[NewAlert]:
    for row in np.flatnonzero(without_stop(book)).tolist():
        each, position = watched[int(book.place[row])], int(book.position[row])
        yield NewAlert(
            code=NO_STOP,
            key=key(position),
            severity=Severity.WARNING,
            title="A position adopted from the broker has no stop",
            happened=f"Position {position}: {int(book.quantity_open[row]):,} contracts bought at the broker at "
            f"{wording.price(float(book.entry[row]))}. It counts in exposure and P&L, and no price stops it.",
            to_do="Give it a stop (admin, Positions, “Give it a stop…”), or close it. Until then only the close on its "
            "expiration date and the emergency halt sell it.",
            portfolio_id=each.portfolio_id,
            position_id=position,
            value=float(book.quantity_open[row]),
            unit="contracts",
            market_at=each.at,
        )


def guarded(book: Book) -> set[str]:
    """The keys of what is over: an adopted position that has its stop."""
    return {key(position) for position in book.position[book.adopted & ~np.isnan(book.current_stop)].tolist()}
