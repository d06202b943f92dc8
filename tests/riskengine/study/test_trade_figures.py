"""What a trade cost, how far it went, and where its profit came from: exact, and silent where it is not known."""

from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest

from positions.models import OrderIntent, Portfolio, Position, Side
from riskengine.calculators.greeks import greeks
from riskengine.loading.trades import closed_trades
from riskengine.models import PositionMark
from riskengine.services.study.trade_figures import (
    NO_MINUTES,
    NO_QUOTE,
    PARTS,
    TOO_FEW,
    attribution_record,
    costs_record,
    excursions,
    figures_of,
    trade_rows,
)
from tests import factories
from tests.riskengine.market import import_sessions
from tests.riskengine.study.test_performance import LATER

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
CENTS = Decimal("0.01")


@pytest.fixture
def portfolio() -> Portfolio:
    import_sessions()
    return factories.portfolio()


def fill(position: Position, side: str, price: str, mid: str | None, quote: tuple[str, str] | None, at: int) -> None:
    """Of 3 contracts with a fee of 1.95, decided on at this mid."""
    buys = side == Side.BUY
    order = factories.opening_order(
        position.decision,
        position=position,
        decision=position.decision if buys else None,
        intent=OrderIntent.OPEN if buys else OrderIntent.STOP,
        side=side,
        verdict=None if buys else {},
        reference_mid=None if mid is None else Decimal(mid),
    )
    bid, ask = (None, None) if quote is None else (Decimal(each) for each in quote)
    factories.fill(
        order, position, quantity=3, price=Decimal(price), fee=Decimal("1.95"), quote_bid=bid, quote_ask=ask,
        filled_at=factories.NOW + at * MINUTE,
    )  # fmt: skip


def trade(portfolio: Portfolio, *, cause: str = "stop", out: str = "40.00") -> Position:
    """3 contracts bought at 44.40, where the mid was 44.20 and 44.00 at the decision; gone ten minutes later."""
    pnl = (Decimal(out) - Decimal("44.40")) * 300 - Decimal("3.90")
    position = factories.position(
        portfolio, decision=factories.decision(portfolio), status="closed", quantity_open=0, close_cause=cause,
        closed_at=factories.NOW + 10 * MINUTE, realised_pnl=pnl, fees=Decimal("3.90"),
        exit_proceeds=Decimal(out) * 300,
    )  # fmt: skip
    fill(position, Side.BUY, "44.40", "44.00", ("44.00", "44.40"), 0)
    return position


def mark(position: Position, minutes: int = 11, *, without: int = 0) -> None:
    """The option priced at 20% while the underlying falls from 3,700 by 1 a minute; its quote is 0.40 wide."""
    seconds = 19_073.0 - 60.0 * np.arange(minutes)  # 10:42:07 to 16:00
    spot = 3_700.0 - np.arange(minutes)
    call, strike = np.ones(minutes, bool), np.full(minutes, 3_700.0)
    mid = greeks(spot, strike, seconds, np.full(minutes, 0.6), 0.0, 0.0, call).price
    PositionMark.objects.bulk_create(
        PositionMark(
            position=position,
            slot_at=factories.NOW + k * MINUTE,
            marked_at=factories.NOW + k * MINUTE,
            bid=Decimal(float(mid[k]) - 0.2).quantize(CENTS),
            ask=None if k < without else Decimal(float(mid[k]) + 0.2).quantize(CENTS),
            spot=Decimal(float(spot[k])).quantize(CENTS),
        )
        for k in range(minutes)
    )


def test_slippage_is_against_the_mid_that_was_decided_on(portfolio: Portfolio) -> None:
    position = trade(portfolio)
    fill(position, Side.SELL, "40.00", "40.50", ("40.00", "40.30"), 10)
    found = costs_record(figures_of(closed_trades([portfolio.pk], until=LATER)))
    assert (found["entry_slippage"], found["exit_slippage"], found["fees"]) == (120.0, 150.0, 3.9)
    assert (found["all"], found["known_trades"]) == (273.9, 1)
    assert found["entry_share"] == pytest.approx(120 / 13_320)
    assert found["share_of_premium"] == pytest.approx(273.9 / 13_320)
    assert found["gross"] == pytest.approx(-1_320 - 3.9 + 273.9)
    assert found["share_of_gross"] is None  # there was no profit of which costs could be a share


def test_what_expired_worthless_slipped_nowhere_and_what_has_no_mid_is_not_known(portfolio: Portfolio) -> None:
    trade(portfolio, cause="expired", out="0")
    unknown = trade(portfolio)
    fill(unknown, Side.SELL, "40.00", None, None, 10)
    found = costs_record(figures_of(closed_trades([portfolio.pk], until=LATER)))
    assert (found["entry_trades"], found["exit_trades"], found["known_trades"]) == (2, 0, 1)
    assert found["exit_slippage"] is None
    assert found["all"] == 123.9


def test_what_settled_in_the_money_slipped_nowhere_on_its_way_out(portfolio: Portfolio) -> None:
    trade(portfolio, cause="settled", out="50.00")
    figures = figures_of(closed_trades([portfolio.pk], until=LATER))
    found = costs_record(figures)
    assert (found["known_trades"], found["all"]) == (1, 123.9)
    assert trade_rows(figures)[0]["slipped"] == 120.0


def test_a_sale_without_the_mid_it_was_decided_on_leaves_the_slippage_of_the_trade_unknown(
    portfolio: Portfolio,
) -> None:
    fill(trade(portfolio), Side.SELL, "40.00", None, None, 10)
    row = trade_rows(figures_of(closed_trades([portfolio.pk], until=LATER)))[0]
    assert (row["entry_slippage"], row["exit_slippage"], row["slipped"]) == (120.0, None, None)


def test_a_trade_shows_its_fees_whether_its_parts_are_known_or_not(portfolio: Portfolio) -> None:
    for kept in (True, False):
        position = trade(portfolio)
        fill(position, Side.SELL, "40.00", "40.50", ("40.00", "40.30"), 10)
        if kept:
            mark(position)
    rows = trade_rows(figures_of(closed_trades([portfolio.pk], until=LATER)))
    assert {row["delta"] is None for row in rows} == {True, False}
    for row in rows:
        assert row["fees"] == 3.9
        assert row["pnl"] == pytest.approx(row["proceeds"] - row["cost"] - row["fees"])


def test_how_far_it_went_is_of_the_minutes_it_was_held(portfolio: Portfolio) -> None:
    position = trade(portfolio)
    mark(position, 14)  # the last three after it was sold
    figures = figures_of(closed_trades([portfolio.pk], until=LATER))
    bids = [float(each) for each in PositionMark.objects.order_by("slot_at").values_list("bid", flat=True)]
    assert figures.mae.tolist() == [pytest.approx(min(bids[:11]) / 44.4 - 1)]
    assert figures.mfe.tolist() == [pytest.approx(max(bids[:11]) / 44.4 - 1)]
    assert excursions(figures)["trades"] == 1


def test_what_was_paid_between_two_minutes_is_as_far_as_it_went(portfolio: Portfolio) -> None:
    """A target fills above every bid that a minute saw, a stop under them: the gain is never beyond its own range."""
    for price in ("60.00", "5.00"):
        position = trade(portfolio, out=price)
        mark(position, 5)
        fill(position, Side.SELL, price, price, (price, price), 10)
    figures = figures_of(closed_trades([portfolio.pk], until=LATER))
    assert figures.mfe[0] == pytest.approx(60 / 44.4 - 1)
    assert figures.mae[1] == pytest.approx(5 / 44.4 - 1)
    trade(portfolio)  # without a minute nothing is known of the way, whatever it was sold at
    assert excursions(figures_of(closed_trades([portfolio.pk], until=LATER)))["trades"] == 2


def test_the_parts_are_the_profit_and_a_fall_is_delta(portfolio: Portfolio) -> None:
    position = trade(portfolio)
    fill(position, Side.SELL, "40.00", "40.50", ("40.00", "40.30"), 10)
    mark(position)
    figures = figures_of(closed_trades([portfolio.pk], until=LATER))
    found = attribution_record(figures)
    parts = {each["part"]: each["usd"] for each in found["parts"]}
    assert list(parts) == list(PARTS)
    assert sum(round(100 * each) for each in parts.values()) == round(100 * found["pnl"]) == -132_390
    assert parts["delta"] == pytest.approx(-300 * 0.5 * 10, rel=0.1)  # 3 contracts, half a share each, 10 down
    assert (parts["spread"], parts["fees"]) == (-105.0, -3.9)  # 300 x (44.40 - 44.20) and 300 x (40.15 - 40.00)
    assert abs(parts["vega"]) < 20.0 < abs(parts["theta"])


def test_what_cannot_be_told_says_why(portfolio: Portfolio) -> None:
    for kept, sold in ((None, True), (6, True), (0, False)):
        position = trade(portfolio)
        fill(position, Side.SELL, "40.00", "40.50", ("40.00", "40.30") if sold else None, 10)
        if kept is not None:
            mark(position, without=kept)
    figures = figures_of(closed_trades([portfolio.pk], until=LATER))
    assert [figures.reasons[k] for k in range(3)] == [NO_MINUTES, TOO_FEW, NO_QUOTE]
    found = attribution_record(figures)
    assert (found["trades"], found["of"], found["pnl"]) == (0, 3, 0.0)
    assert {each["trades"] for each in found["unknown"]} == {1}
    assert all(row["delta"] is None and row["attribution_unknown"] for row in trade_rows(figures))
