"""Trades that a person makes at the paper broker, past the product."""

from datetime import datetime
from decimal import Decimal
from itertools import count

from positions.models import OptionContract, PaperExecution, PaperOrder, PaperStatus, Portfolio, Side

_numbers = count(1)


def trade(
    of: Portfolio,
    contract: OptionContract,
    side: str,
    quantity: int,
    price: str,
    at: datetime,
    *,
    fee: str = "0.65",
    parts: tuple[int, ...] = (),
) -> list[str]:
    """One order that is filled at once, in parts if so wanted; the broker's ids of its executions. Fee a contract."""
    key = f"by-hand-{next(_numbers)}"
    order = PaperOrder.objects.create(
        portfolio=of,
        contract=contract,
        client_order_id=key,
        side=side,
        quantity=quantity,
        filled_quantity=quantity,
        limit_price=Decimal(price),
        status=PaperStatus.FILLED,
        accepted_at=at,
        finished_at=at,
    )
    made = PaperExecution.objects.bulk_create(
        PaperExecution(
            order=order,
            execution_id=f"{key}-{number}",
            quantity=part,
            price=Decimal(price),
            fee=Decimal(fee) * part,
            executed_at=at,
        )
        for number, part in enumerate(parts or (quantity,), start=1)
    )
    return [each.execution_id for each in made]


def buy(of: Portfolio, contract: OptionContract, quantity: int, price: str, at: datetime, **more: object) -> list[str]:
    return trade(of, contract, Side.BUY, quantity, price, at, **more)


def sell(of: Portfolio, contract: OptionContract, quantity: int, price: str, at: datetime, **more: object) -> list[str]:
    return trade(of, contract, Side.SELL, quantity, price, at, **more)
