"""Lots: each sale with its purchase, the fees to the cent, and what settled or was split."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.test import Client

from positions.models import OrderIntent, Portfolio, Position, PositionEvent, Side
from riskengine.services.study.tax_lots import tax_lots
from tests import factories
from tests.riskengine.study.test_performance import LATER, reader

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def bought(of: Portfolio, *lots: tuple[int, str]) -> Position:
    """A position of these purchases, an hour apart, each with a fee of 1.30 in all."""
    decision = factories.decision(of)
    contracts = sum(count for count, _ in lots)
    cost = sum((Decimal(price) * count * 100 for count, price in lots), Decimal(0))
    position = factories.position(
        of, decision=decision, quantity_opened=contracts, quantity_open=contracts, entry_cost=cost
    )
    order = factories.opening_order(decision, position=position, quantity=contracts)
    for number, (count, price) in enumerate(lots):
        filled = {"quantity": count, "price": Decimal(price), "fee": Decimal("1.30")}
        factories.fill(order, position, **filled, filled_at=factories.NOW + number * HOUR)
    return position


def sold(position: Position, count: int, price: str, *, hours: int, intent: str = OrderIntent.STOP) -> None:
    order = factories.opening_order(
        position.decision, position=position, decision=None, intent=intent, side=Side.SELL, quantity=count, verdict={}
    )
    at = factories.NOW + hours * HOUR
    factories.fill(order, position, quantity=count, price=Decimal(price), fee=Decimal("0.65"), filled_at=at)


def test_what_was_bought_first_is_sold_first_and_fees_add_up() -> None:
    portfolio = factories.portfolio()
    position = bought(portfolio, (2, "40.00"), (1, "50.00"))
    sold(position, 1, "44.00", hours=3, intent=OrderIntent.SLICE)
    sold(position, 2, "30.00", hours=30)
    found = tax_lots(portfolio, now=LATER)
    lots = found["lots"][::-1]
    assert [(each["contracts"], each["cost"], each["proceeds"], each["held_days"]) for each in lots] == [
        (1, Decimal(4000), Decimal(4400), 0),
        (1, Decimal(4000), Decimal(3000), 1),
        (1, Decimal(5000), Decimal(3000), 1),
    ]  # fmt: skip
    assert [each["closed_by"] for each in lots] == ["take-profit tier", "stop", "stop"]
    assert found["sums"]["fees"] == Decimal("3.90")
    assert found["sums"]["gain"] == Decimal("4400") + Decimal("6000") - Decimal("13000") - Decimal("3.90")
    assert found["by_year"][0]["lots"] == 3
    assert tax_lots(portfolio, now=LATER, until=date(2021, 1, 4))["sums"]["gain"] == Decimal(400) - Decimal("1.30")


def test_what_settled_is_a_lot_without_a_fee_of_its_own() -> None:
    portfolio = factories.portfolio()
    position = bought(portfolio, (3, "40.00"))
    sold(position, 1, "44.00", hours=1)
    gone = {"status": "closed", "quantity_open": 0, "close_cause": "settled", "closed_at": factories.NOW + 6 * HOUR}
    Position.objects.filter(pk=position.pk).update(**gone, exit_proceeds=Decimal("5000.01"), version=2)
    last = tax_lots(portfolio, now=LATER)["lots"][0]
    assert (last["contracts"], last["proceeds"], last["closed_by"]) == (2, Decimal("600.01"), "settled at expiration")
    assert last["fees"] == Decimal("0.87")  # two thirds of 1.30


def test_what_was_bought_before_a_split_is_what_it_became() -> None:
    portfolio = factories.portfolio()
    position = bought(portfolio, (2, "40.00"))
    PositionEvent.objects.create(
        position=position,
        happened_at=factories.NOW + HOUR,
        kind="split",
        actor_name="system",
        detail={"split": 1, "new_shares": 4, "old_shares": 1},
    )
    Position.objects.filter(pk=position.pk).update(
        quantity_opened=8, quantity_open=8, average_entry_price=Decimal(10), split_factor=4, initial_stop=Decimal(8),
        current_stop=Decimal(8), high_water=Decimal(10), version=2,
    )  # fmt: skip
    sold(position, 6, "12.00", hours=2)
    (lot,) = tax_lots(portfolio, now=LATER)["lots"]
    assert (lot["contracts"], lot["cost"], lot["proceeds"]) == (6, Decimal(6000), Decimal(7200))


def test_the_page_and_its_files() -> None:
    portfolio = factories.portfolio()
    client: Client = reader(portfolio)
    address = f"/portfolios/{portfolio.slug}/fills/"
    assert "Nothing was sold or settled yet" in client.get(address).content.decode()
    sold(bought(portfolio, (2, "40.00")), 2, "30.00", hours=1)
    assert "1 lot: −$2,002 after" in client.get(address).content.decode()
    names, row = client.get(f"{address}?format=csv").content.decode().splitlines()
    assert dict(zip(names.split(","), row.split(","), strict=True))["gain"] == "-2001.95"
    assert client.get(f"{address}?format=json").json()[0]["fees"] == "1.95"
