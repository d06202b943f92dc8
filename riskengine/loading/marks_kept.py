"""The last bids that were kept of positions (`PositionMark`)."""

from collections.abc import Collection
from datetime import datetime

from riskengine.models import PositionMark


def last_marks(position_ids: Collection[int], *, until: datetime) -> dict[int, tuple[float | None, datetime]]:
    """Bid (USD a share; None: nobody bid) and when, by position, of the last minute kept by market time `until`."""
    rows = PositionMark.objects.filter(position__in=list(position_ids), marked_at__lte=until)
    last = rows.order_by("position_id", "-slot_at").distinct("position_id")
    return {
        pk: (None if bid is None else float(bid), at)
        for pk, bid, at in last.values_list("position", "bid", "marked_at")
    }
