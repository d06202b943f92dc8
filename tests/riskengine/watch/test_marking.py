"""The minutes of a bet and the days of an account are kept, once."""

from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.db import IntegrityError, transaction
from django.db.models import F

from positions.models import OptionQuote, Position, UnderlyingBar
from riskengine.calculators.attribution import greek_parts
from riskengine.loading.paths import costs_of, paths_of
from riskengine.models import DailyPerformance, PositionMark
from riskengine.services.watch.marking import keep_days, keep_marks
from tests import factories
from tests.riskengine.market import zero_dte
from tests.riskengine.test_trades import day

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def bet():
    return zero_dte()


def marked(bet, minutes: int, *, rise: str = "1.00") -> None:
    """So many minutes in which the underlying and the bid rise, each kept."""
    last = OptionQuote.objects.filter(contract=bet.contract).latest("quoted_at")
    bar = UnderlyingBar.objects.filter(instrument=bet.contract.underlying).latest("bar_at")
    for k in range(minutes):
        at = bet.at + k * MINUTE
        moved = k * Decimal(rise)
        quoted = {"quoted_at": at, "changed_at": at, "confirmed_at": at, "source": last.source}
        OptionQuote.objects.update_or_create(
            contract=bet.contract,
            source=last.source,
            quoted_at=at,
            defaults={"bid": last.bid + moved, "ask": last.ask + moved, **quoted},
        )
        prices = dict.fromkeys(("open", "high", "low", "close"), bar.close + 2 * moved)
        UnderlyingBar.objects.update_or_create(instrument=bar.instrument, source=bar.source, bar_at=at, defaults=prices)
        keep_marks(now=bet.wall(at))


def test_a_minute_is_kept_once_however_often_it_is_looked_at(bet):
    position = bet.hold(bet.contract, 2, "44.00")
    assert [keep_marks(now=bet.wall()), keep_marks(now=bet.wall())] == [1, 0]
    mark = PositionMark.objects.get()
    assert (mark.position_id, mark.slot_at) == (position.pk, bet.at.replace(second=0, microsecond=0))
    assert mark.spot is not None


def test_what_was_sold_is_followed_to_the_end_of_its_contract_and_not_longer(bet):
    position = bet.hold(bet.contract, 2, "44.00")
    gone = {"status": "closed", "quantity_open": 0, "closed_at": bet.at, "version": F("version") + 1}
    Position.objects.filter(pk=position.pk).update(**gone)
    assert keep_marks(now=bet.wall()) == 1
    assert not paths_of([position.pk]).while_held[:0].any()
    assert keep_marks(now=bet.wall(bet.at + timedelta(days=1))) == 0


def test_without_a_quote_no_minute_is_made_up(bet):
    bet.hold(bet.contract, 2, "44.00")
    OptionQuote.objects.filter(contract=bet.contract).delete()
    assert keep_marks(now=bet.wall()) == 0


def test_the_way_of_a_price_is_read_with_what_was_held_on_it(bet):
    position = bet.hold(bet.contract, 2, "44.00")
    order = factories.opening_order(position.decision, status="filled", finished_at=bet.at)
    type(order).objects.filter(pk=order.pk).update(position=position, reference_mid=Decimal("43.50"))
    quoted = {"quote_bid": Decimal("43.40"), "quote_ask": Decimal("44.00"), "filled_at": bet.at - MINUTE}
    factories.fill(order, position, quantity=2, price=Decimal("44.00"), **quoted)
    marked(bet, 4)
    paths = paths_of([position.pk])
    assert paths.held.tolist() == [200.0] * 4
    assert np.diff(paths.bid).tolist() == [1.0] * 3
    assert np.diff(paths.spot).tolist() == [2.0] * 3
    costs = costs_of([position.pk])
    assert costs.entry_slippage.tolist() == [100.0]  # 2 x 100 x (44.00 - 43.50)
    assert np.isnan(costs.exit_slippage).all()
    parts = greek_parts(paths.marks, 1)
    assert parts.known.tolist() == [True]
    assert parts.total[0] == pytest.approx(600.0, rel=0.02)  # what 200 shares' worth of mid rose by


def test_a_day_is_written_once_it_is_over_and_never_changed():
    portfolio = factories.portfolio()
    first = portfolio.equity_snapshots.get()
    day(portfolio, first.session_on + timedelta(days=1), "61000")
    now = factories.NOW + timedelta(days=2)
    assert [keep_days(now=now), keep_days(now=now)] == [1, 0]
    kept = DailyPerformance.objects.get()
    assert (kept.session_on, kept.profit) == (first.session_on, Decimal(61000) - first.equity_start_of_day)
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        DailyPerformance.objects.update(trades=5)


def test_what_settles_on_a_weekend_is_of_the_session_before_it():
    portfolio = factories.portfolio()
    friday, saturday, monday = (factories.NOW + timedelta(days=each) for each in (4, 5, 7))
    for each in (friday, monday):
        day(portfolio, each.date(), "60000")
    for at in (saturday, monday):
        factories.position(portfolio, status="closed", quantity_open=0, closed_at=at, close_cause="settled")
    assert keep_days(now=monday + timedelta(hours=2)) == 2
    assert list(DailyPerformance.objects.order_by("session_on").values_list("trades", flat=True)) == [0, 1]
