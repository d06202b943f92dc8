"""Sales matched to the purchases they end, first in, first out: what a tax office asks for.

Money is whole cents. What is apportioned is handed out by running totals, so that the pieces of a purchase, of a sale
and of a fee add up to it to the cent, whatever the order in which they are cut.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Trade:
    """One purchase, sale or settlement: contracts (at least 1), what was paid or received and its fee, in cents."""

    at: datetime
    contracts: int
    cents: int
    fee: int


@dataclass(frozen=True, slots=True)
class Lot:
    """Contracts of one purchase that one sale ended; `sale` is its place. Cents."""

    opened_at: datetime
    closed_at: datetime
    contracts: int
    cost: int
    proceeds: int
    fees: int
    sale: int

    @property
    def gain(self) -> int:
        return self.proceeds - self.cost - self.fees


class _Open:
    """What is left of a trade, handed out in pieces."""

    def __init__(self, trade: Trade) -> None:
        self.trade, self.given, self.cents, self.fee = trade, 0, 0, 0

    @property
    def left(self) -> int:
        return self.trade.contracts - self.given

    def take(self, contracts: int) -> tuple[int, int]:
        """The cents and the fee of so many more contracts."""
        self.given += contracts
        cents = share(self.trade.cents, self.given, self.trade.contracts) - self.cents
        fee = share(self.trade.fee, self.given, self.trade.contracts) - self.fee
        self.cents, self.fee = self.cents + cents, self.fee + fee
        return cents, fee


def share(cents: int, part: int, whole: int) -> int:
    """`part` of `whole` of an amount, half a cent away from zero."""
    sign = -1 if cents < 0 else 1
    return sign * ((2 * abs(cents) * part + whole) // (2 * whole))


def match(purchases: Sequence[Trade], sales: Sequence[Trade]) -> Iterator[Lot]:
    """The lots of one position, in the order of its sales and within one of its purchases.

    Both are in the order of time. A sale of more than was bought is an error of the books, and raises ValueError.
    """
    if sum(each.contracts for each in sales) > sum(each.contracts for each in purchases):
        raise ValueError("more was sold than was bought")
    bought = [_Open(each) for each in purchases]
    first = 0
    for place, sale in enumerate(sales):
        sold = _Open(sale)
        while sold.left:
            while not bought[first].left:
                first += 1
            piece = min(sold.left, bought[first].left)
            cost, entry_fee = bought[first].take(piece)
            proceeds, exit_fee = sold.take(piece)
            yield Lot(bought[first].trade.at, sale.at, piece, cost, proceeds, entry_fee + exit_fee, place)
