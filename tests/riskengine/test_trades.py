"""Closed positions and days of equity as columns."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from positions.models import CashKind, CashMovement, EquitySnapshot, Portfolio
from riskengine.loading.equity import equity_days
from riskengine.loading.trades import closed_trades
from riskengine.models import Reading
from tests import factories

pytestmark = pytest.mark.django_db

CLOSED_AT = factories.NOW + timedelta(hours=1)
LATER = datetime(2030, 1, 1, tzinfo=UTC)


def closed(of: Portfolio, pnl: str, **changes):
    gone = {"status": "closed", "quantity_open": 0, "closed_at": CLOSED_AT, "close_cause": "stop"}
    return factories.position(of, **gone | {"realised_pnl": Decimal(pnl), "fees": Decimal("3.90")} | changes)


def day(of: Portfolio, on: date, equity: str) -> None:
    at = datetime(on.year, on.month, on.day, 14, 30, tzinfo=UTC)
    EquitySnapshot.objects.create(
        portfolio=of, session_on=on, equity_start_of_day=Decimal(equity), cash_start_of_day=Decimal(equity), taken_at=at
    )


def paid_in(of: Portfolio, at: datetime, amount: str) -> None:
    CashMovement.objects.create(
        portfolio=of, kind=CashKind.DEPOSIT, amount=Decimal(amount), moved_at=at, settles_on=at.date()
    )


def test_only_what_has_closed_is_a_trade():
    portfolio = factories.portfolio()
    factories.position(portfolio)
    last = closed(portfolio, "-1332.00", closed_at=CLOSED_AT + timedelta(hours=1))
    first = closed(portfolio, "666.00")
    closed(factories.portfolio(), "1.00")
    trades = closed_trades([portfolio.pk], until=LATER)
    assert trades.position_id.tolist() == [first.pk, last.pk]
    assert trades.gain.tolist() == [0.05, -0.1]
    assert trades.close_cause == ("stop", "stop")
    assert closed_trades([portfolio.pk], until=CLOSED_AT).position_id.tolist() == [first.pk]
    assert trades.take(trades.pnl < 0.0).position_id.tolist() == [last.pk]


def test_without_a_trade_there_are_columns_without_rows():
    assert len(closed_trades([factories.portfolio().pk], until=LATER)) == 0


def test_what_was_adopted_has_no_confidence_and_what_cost_nothing_no_gain():
    portfolio = factories.portfolio()
    closed(portfolio, "5.00", entry_cost=Decimal(0))
    assert np.isnan(closed_trades([portfolio.pk], until=LATER).gain).all()


def test_a_deposit_is_no_profit_on_whatever_day_it_comes():
    portfolio = factories.portfolio()
    EquitySnapshot.objects.filter(portfolio=portfolio).delete()
    friday, monday, tuesday = date(2021, 1, 8), date(2021, 1, 11), date(2021, 1, 12)
    day(portfolio, friday, "60000")
    day(portfolio, monday, "81200")  # 1,200 made on Friday, 20,000 paid in on Saturday
    day(portfolio, tuesday, "75000")  # 10,000 paid in on Monday: 16,200 lost of 91,200
    paid_in(portfolio, datetime(2021, 1, 9, 15, tzinfo=UTC), "20000")
    paid_in(portfolio, datetime(2021, 1, 11, 15, tzinfo=UTC), "10000")
    days = equity_days(portfolio.pk, until=LATER)
    assert days.day == (friday, monday, tuesday)
    assert days.profit[:2].tolist() == [1200.0, -16200.0]
    assert days.returns[:2].tolist() == pytest.approx([1200 / 80000, -16200 / 91200])
    assert np.isnan(days.end[2])
    assert days.take(monday, monday).profit.tolist() == [-16200.0]


def test_the_running_day_ends_at_what_the_last_check_found():
    portfolio = factories.portfolio()
    EquitySnapshot.objects.filter(portfolio=portfolio).delete()
    day(portfolio, date(2021, 1, 12), "60000")
    known = {"portfolio": portfolio, "state": "known", "judged_at": LATER, "equity": Decimal(61000), "cash": Decimal(1)}
    read = Reading.objects.create(**known, market_at=datetime(2021, 1, 12, 16, tzinfo=UTC))
    assert equity_days(portfolio.pk, until=LATER).profit.tolist() == [1000.0]
    Reading.objects.filter(pk=read.pk).update(market_at=datetime(2021, 1, 11, 16, tzinfo=UTC))
    assert np.isnan(equity_days(portfolio.pk, until=LATER).end).all()
