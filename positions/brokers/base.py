"""What a broker is asked and what it answers: lists in, lists out (A-08).

A broker knows orders by the client's id. Sending the same id again is the same order, never a second one. Prices are
USD a share, fees USD; times are the portfolio's market time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Protocol

from positions.models import Portfolio


class BrokerUnavailable(Exception):
    """No answer came. What was asked may have been done or not: only a look-up by client id can tell."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """A limit order to place. `client_order_id` makes a repeat the same order."""

    client_order_id: str
    portfolio_id: int
    contract_id: int
    side: str
    quantity: int
    limit_price: Decimal


class Answer(Enum):
    """What the broker says of an order. ABSENT: it has never heard of it."""

    WORKING = "working"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The state of one order at the broker. `filled_quantity` counts every execution it has made so far."""

    client_order_id: str
    answer: Answer
    broker_order_id: str = ""
    filled_quantity: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Execution:
    """Contracts bought or sold under an order. `execution_id` is the broker's: booked once by it (P-16).

    `quote_bid` and `quote_ask` are the quote it was executed against where the broker knows it. `contract_id` and
    `side` are wanted of trades that were not ordered from here: without them such a trade cannot be adopted.
    """

    execution_id: str
    client_order_id: str
    quantity: int
    price: Decimal
    fee: Decimal
    executed_at: datetime
    quote_bid: Decimal | None = None
    quote_ask: Decimal | None = None
    contract_id: int | None = None
    side: str = ""


@dataclass(frozen=True, slots=True)
class Holding:
    """Contracts of one option that the account holds at the broker; what they cost on average, where it says so."""

    contract_id: int
    expires_on: date
    quantity: int
    average_price: Decimal | None = None


class Broker(Protocol):
    """Every call answers for each order asked, in the order asked, or raises BrokerUnavailable."""

    def submit(self, instructions: Sequence[Instruction], at: datetime) -> list[Acknowledgement]:
        """Place the orders. One already known by its client id is answered for, not placed again."""
        ...

    def cancel(self, client_order_ids: Sequence[str], at: datetime) -> list[Acknowledgement]:
        """Take the orders off the market and say how much of each was filled. Asking twice is harmless."""
        ...

    def lookup(self, client_order_ids: Sequence[str]) -> list[Acknowledgement]:
        """How the orders stand. ABSENT is an answer; no answer is BrokerUnavailable."""
        ...

    def executions(self, portfolio: Portfolio, after: datetime) -> list[Execution]:
        """Everything executed at or after `after`, the oldest first. It may repeat what was told before."""
        ...

    def holdings(self, portfolio: Portfolio, on: date) -> list[Holding]:
        """What the account holds on a New York date, by contract; nothing that expired before it."""
        ...
