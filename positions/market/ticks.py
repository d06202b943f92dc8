"""Tick sizes: which prices an exchange accepts for an option, by class and price (SPEC section 9).

Every class has one tick under $3.00 and one from $3.00 on. Prices are USD a share as Decimal; inside, a price is its
number of ticks from zero, so that rounding and "two ticks down" are right across $3.00 as well.

Also the ticks as columns for the calculators, which import nothing from here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import numpy as np
import numpy.typing as npt

TICK_CHANGES_AT = Decimal("3.00")
_CENT = Decimal("0.01")


def in_dollars(price: Decimal) -> str:
    """A price as people write it: $44.30, and $44.305 where it is between cents."""
    places = max(2, -int(price.normalize().as_tuple().exponent))
    return f"${price:,.{places}f}"


@dataclass(frozen=True, slots=True)
class TickTable:
    """The tick under $3.00 and the tick from $3.00 on, USD. Both divide $3.00."""

    under: Decimal
    from_three: Decimal

    def at(self, price: Decimal) -> Decimal:
        """The tick in force at this price."""
        return self.under if price < TICK_CHANGES_AT else self.from_three

    def down(self, price: Decimal) -> Decimal:
        """The highest valid price at or under `price`."""
        return self._price(int(self._ticks(price).to_integral_value(ROUND_FLOOR)))

    def up(self, price: Decimal) -> Decimal:
        """The lowest valid price at or above `price`."""
        return self._price(int(self._ticks(price).to_integral_value(ROUND_CEILING)))

    def is_valid(self, price: Decimal) -> bool:
        """Whether the exchange accepts this price."""
        return price >= 0 and self.down(price) == price

    def ticks_down(self, price: Decimal, count: int) -> Decimal:
        """`count` ticks under the highest valid price at or under `price`; never under 0."""
        return self._price(max(0, int(self._ticks(price).to_integral_value(ROUND_FLOOR)) - count))

    def ticks_up(self, price: Decimal, count: int) -> Decimal:
        """`count` ticks above the lowest valid price at or above `price`."""
        return self._price(int(self._ticks(price).to_integral_value(ROUND_CEILING)) + count)

    def _ticks(self, price: Decimal) -> Decimal:
        if not price.is_finite() or price < 0:
            raise ValueError(f"A price must be a number of at least 0, not {price}.")
        if price < TICK_CHANGES_AT:
            return price / self.under
        return (TICK_CHANGES_AT / self.under) + (price - TICK_CHANGES_AT) / self.from_three

    def _price(self, ticks: int) -> Decimal:
        ticks_to_three = int(TICK_CHANGES_AT / self.under)
        low, high = min(ticks, ticks_to_three), max(0, ticks - ticks_to_three)
        return (low * self.under + high * self.from_three).quantize(_CENT)


ALL_PENNY = TickTable(Decimal("0.01"), Decimal("0.01"))
PENNY_NICKEL = TickTable(Decimal("0.01"), Decimal("0.05"))
NICKEL_DIME = TickTable(Decimal("0.05"), Decimal("0.10"))


def tick_columns(tables: Sequence[TickTable]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Two columns of shape (n,): the tick under $3.00 and from $3.00 on, USD, one row for each table."""
    return (
        np.array([float(table.under) for table in tables], dtype=np.float64),
        np.array([float(table.from_three) for table in tables], dtype=np.float64),
    )
