"""Prices and sizes of working orders (A-09, A-17, P-20). Pure: Decimal prices in USD a share, tick tables, no database.

    opening, slice, target,   from the mid to the far touch in equal steps: a buy ends at the ask, a sale at the bid
    part closed by hand
    urgent                    bid - max(2 ticks, 5% of the bid), at least one tick

A buy is rounded down to the tick and a sale up, so that rounding never pays more than the step allows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from positions.market.ticks import TickTable
from positions.models import Pace

REPRICE_AFTER = timedelta(seconds=2)  # an urgent order, and the next child after one that was filled
CANCEL_WAIT = timedelta(seconds=2)  # how long an urgent order waits for the others' cancels to be confirmed
WORST_MOVE = Decimal("0.01")  # of the mid, beyond the touch at the decision
LARGEST_DRIFT = Decimal("0.05")  # of the mid at the decision
CHILD_SHARE = 4  # a child is at most a quarter of the size shown
URGENT_TICKS = 2
URGENT_SHARE = Decimal("0.05")  # of the bid
SETTLEMENT_FLOOR = Decimal("0.80")  # of intrinsic: under it, waiting for the official settlement is worth more
SETTLEMENT_WINDOW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Preset:
    """How many steps, and how long each lasts. After the last one's time the rest is cancelled."""

    steps: int
    lasts: timedelta

    @property
    def ends_after(self) -> timedelta:
        return self.steps * self.lasts

    def step_at(self, elapsed: timedelta) -> int:
        """The step in force this long after the order was made, 0 the first; `steps` or more when it is over."""
        return max(0, elapsed // self.lasts)


PRESETS: Mapping[Any, Preset] = {  # by Pace
    Pace.NORMAL: Preset(4, timedelta(seconds=10)),
    Pace.FAST: Preset(3, timedelta(seconds=5)),
    Pace.PATIENT: Preset(5, timedelta(seconds=20)),
}


def smallest_price(ticks: TickTable) -> Decimal:
    """The lowest price above zero that the exchange accepts: the worst price of a sale that must happen."""
    return ticks.under


def worst_buy(ask: Decimal, mid: Decimal, ticks: TickTable) -> Decimal:
    """The most an opening may pay: the ask at the decision + 1% of the mid, on the tick under it."""
    return ticks.down(ask + WORST_MOVE * mid)


def worst_sell(bid: Decimal | None, mid: Decimal | None, ticks: TickTable) -> Decimal:
    """The least a slice or target may take: the bid at the decision - 1% of the mid, on the tick above it. At least
    one tick; without a bid to go by, one tick."""
    least = smallest_price(ticks)
    if bid is None or bid <= 0:
        return least
    return max(least, ticks.up(max(Decimal(0), bid - WORST_MOVE * (mid if mid is not None else bid))))


def buy_price(step: int, steps: int, bid: Decimal, ask: Decimal, worst: Decimal, ticks: TickTable) -> Decimal:
    """The limit of a buy in this step: between mid and ask, never past the ask or `worst`, never under the bid."""
    mid = (bid + ask) / 2
    wanted = ask if step >= steps - 1 else mid + (ask - mid) * step / (steps - 1)
    price = max(ticks.down(min(wanted, ask)), ticks.down(bid), smallest_price(ticks))
    return min(price, worst)


def sell_price(step: int, steps: int, bid: Decimal, ask: Decimal, worst: Decimal, ticks: TickTable) -> Decimal:
    """The limit of a sale in this step: between mid and bid, never past the bid or `worst`, never above the ask."""
    mid = (bid + ask) / 2
    wanted = bid if step >= steps - 1 else mid - (mid - bid) * step / (steps - 1)
    price = min(ticks.up(max(wanted, bid)), ticks.up(ask))
    return max(price, worst, smallest_price(ticks))


def urgent_price(bid: Decimal | None, ticks: TickTable) -> Decimal:
    """The limit of a sale that must happen: through the bid by 2 ticks or 5%, the larger. No bid: one tick."""
    least = smallest_price(ticks)
    if bid is None or bid <= 0:
        return least
    through = min(ticks.ticks_down(bid, URGENT_TICKS), ticks.down(bid * (1 - URGENT_SHARE)))
    return max(least, through)


def settlement_floor(intrinsic: Decimal, ticks: TickTable) -> Decimal:
    """Under this a cash-settled option in the money is not sold in the last minutes (A-17)."""
    return ticks.up(intrinsic * SETTLEMENT_FLOOR)


def child_quantity(remaining: int, displayed: int) -> int:
    """Contracts of one child: at most a quarter of what the far touch shows, never under 1."""
    return min(remaining, max(1, displayed // CHILD_SHARE))


def has_drifted(mid: Decimal, reference_mid: Decimal | None) -> bool:
    """Whether the market has left the price the decision was made at, up or down."""
    return reference_mid is not None and abs(mid - reference_mid) > LARGEST_DRIFT * reference_mid
