"""What a risk check leaves behind of every portfolio: figures that agree with an entry's, or that it is unknown."""

from collections.abc import Callable
from decimal import Decimal
from math import sqrt
from typing import Any

import pytest

from positions.models import Heartbeat, MarketClock, OptionContract, Portfolio, UnderlyingBar
from riskengine.loading.candidates import load_situation
from riskengine.models import Alert, Reading
from riskengine.services.watch import guards, readings
from tests.riskengine import market
from tests.riskengine.entering import enter, failed, refused
from tests.riskengine.test_preview_correlation import down_and_up, two_and_two, up_and_down
from tests.riskengine.watch.desk import Desk, rich, zero
from tests.riskengine.watch.test_monitoring import statements

pytestmark = pytest.mark.django_db

AT = "10:42:07"


@pytest.fixture
def desk() -> Desk:
    return zero()


def reading(desk: Desk, at: str = AT) -> Reading:
    desk.check(at, "risk")
    return Reading.objects.get(portfolio=desk.portfolio)


def qqq(desk: Desk, right: str = "C", bid: str = "1.95", ask: str = "2.00") -> OptionContract:
    of = market.stock("QQQ", "310", right, expires=market.MONDAY)
    known_at = desk.bet.at.replace(second=0)
    market.bar("QQQ", known_at, Decimal(310))
    market.quote(of, known_at, bid=bid, ask=ask)
    return of


# ---- Figures ----


def test_an_empty_portfolio_is_known_and_has_nothing_at_risk(desk: Desk) -> None:
    found = reading(desk)
    assert (found.state, found.reason, found.positions, found.exposure) == ("known", "", 0, 0)
    assert (found.equity, found.cash, found.day_pnl) == (60_000, 60_000, 0)
    assert (found.delta, found.gamma, found.theta_per_day, found.vega_per_point) == (0, 0, 0, 0)
    assert (found.effective_exposure, found.concentration, found.pairs) == (0, None, [])
    assert (found.market_at, found.judged_at) == (desk.at(AT), desk.bet.wall(desk.at(AT)))


def test_equity_counts_the_bid_and_exposure_the_larger_of_cost_and_mid(desk: Desk) -> None:
    desk.hold(3)
    found = reading(desk)
    assert (found.positions, found.cash, found.equity) == (1, 48_000, 60_000)  # paid 40.00, bid 40.00
    assert found.exposure == Decimal("12060.00")  # 3 x 100 x 40.20
    desk.quote("10:42:30", "30.50", "30.90")
    found = reading(desk, "10:42:31")
    assert (found.equity, found.day_pnl, found.exposure) == (57_150, -2_850, 12_000)
    assert found.drawdown_5 == found.drawdown_20 == pytest.approx(2_850 / 60_000)


def test_the_greeks_are_those_an_entry_is_judged_by(desk: Desk) -> None:
    desk.hold(3)
    desk.bet.hold(qqq(desk, "P"), 5, "2.00")
    found = reading(desk)
    book = load_situation(
        Portfolio.objects.select_related("clock", "profile").get(), now=desk.bet.wall(desk.at(AT))
    ).book
    assert found.delta == pytest.approx(float(book.delta[0]))
    assert found.gamma == pytest.approx(float(book.gamma[0]))
    assert found.delta > 0 > found.theta_per_day
    assert found.vega_per_point > 0


def test_without_a_price_of_now_the_greeks_are_not_known_and_the_rest_is(desk: Desk) -> None:
    desk.hold(3)
    UnderlyingBar.objects.filter(instrument__symbol="SPX").update(bar_at=desk.at("10:40:00"))
    found = reading(desk)
    assert (found.state, found.equity) == ("known", 60_000)
    assert (found.delta, found.gamma, found.theta_per_day, found.vega_per_point) == (None, None, None, None)


def test_a_quote_that_is_no_price_makes_the_greeks_unknown(desk: Desk) -> None:
    desk.hold(3)
    desk.quote("10:42:05", None, "40.40")
    assert reading(desk).delta is None


def test_what_a_working_order_may_still_cost_is_exposure(desk: Desk) -> None:
    desk.hold(3)
    desk.bet.order(desk.contract, 2, "41.00")
    found = reading(desk)
    assert found.exposure == Decimal("12060.00") + 8_200
    assert found.effective_exposure == found.exposure


def test_a_closed_order_reserves_nothing(desk: Desk) -> None:
    order = desk.bet.order(desk.contract, 2, "41.00")
    order.status, order.finished_at = "cancelled", desk.bet.at
    order.save()
    assert reading(desk).exposure == 0


# ---- Together ----


@pytest.mark.parametrize(
    ("moves", "right", "rho"),
    [
        (up_and_down, "C", 1.0),
        (up_and_down, "P", -1.0),
        (down_and_up, "C", -1.0),
        (two_and_two, "C", 0.0),
        (None, "C", 1.0),
        (None, "P", 1.0),
    ],
    ids=["alike", "a hedge", "opposite", "unrelated", "not measurable", "a hedge that cannot be measured"],
)
def test_effective_exposure_counts_what_moves_together_as_one(
    desk: Desk, moves: Callable[[int], float] | None, right: str, rho: float
) -> None:
    market.closes("SPX", up_and_down)
    if moves is not None:
        market.closes("QQQ", moves)
    desk.hold(3)
    desk.bet.hold(qqq(desk, right), 20, "2.00")
    found = reading(desk)
    one, other = 12_060.0, 4_000.0
    assert found.exposure == pytest.approx(Decimal(one + other))
    expected = sqrt(one**2 + other**2 + 2 * rho * one * other)
    assert float(found.effective_exposure) == pytest.approx(expected, rel=1e-3)
    assert found.concentration == pytest.approx((one**2 + other**2) / (one + other) ** 2)
    assert [pair[:2] for pair in found.pairs] == ([["SPX", "QQQ"]] if moves is up_and_down else [])


def test_an_alert_stands_while_the_book_is_one_bet_above_its_limit(desk: Desk) -> None:
    market.closes("SPX", up_and_down)
    market.closes("QQQ", up_and_down)
    desk.hold(9, "40.00")  # 36,180 at the mid
    desk.bet.hold(qqq(desk), 17, "2.00")  # 3,400: 39,580 in all, the limit 66% of 59,915 is 39,544
    assert reading(desk).effective_exposure == pytest.approx(Decimal("39580"), abs=2)
    alert = Alert.objects.get(code="ONE_BET")
    assert (alert.resolved_at, alert.portfolio_id) == (None, desk.portfolio.pk)
    assert "SPX and QQQ move together (1.00)" in alert.happened
    assert "66% of the account" in alert.happened
    desk.bet.revise(max_effective_exposure="0.67")
    desk.check("10:42:37", "risk")
    alert.refresh_from_db()
    assert alert.resolved_at is not None


def test_a_cent_less_is_no_alert(desk: Desk) -> None:
    desk.hold(9, "40.00")
    desk.bet.revise(max_effective_exposure="0.603")  # 36,180 of 60,000
    reading(desk)
    assert not Alert.objects.filter(code="ONE_BET").exists()
    desk.bet.revise(max_effective_exposure="0.6029")
    reading(desk, "10:42:38")
    assert Alert.objects.filter(code="ONE_BET").exists()


# ---- Unknown ----


def test_what_was_never_quoted_makes_its_portfolio_unknown_and_refuses_entries_until_it_is(desk: Desk) -> None:
    of = market.stock("QQQ", "310", "P", expires=market.MONDAY)
    desk.bet.hold(of, 5, "2.00")
    found = reading(desk)
    assert (found.state, found.equity, found.positions, found.delta) == ("unknown", None, None, None)
    assert found.reason.endswith("There is no price to hold the stop against.")
    Heartbeat.objects.create(
        portfolio=desk.portfolio, scope="risk", finished_at=desk.bet.wall(desk.at(AT)), market_at=desk.at(AT)
    )
    authorised = enter(desk.bet)
    assert refused(authorised)
    assert "RISK_UNKNOWN" in failed(authorised.decision)
    assert "HEARTBEAT_STALE" not in failed(authorised.decision)
    qqq(desk, "P")
    assert reading(desk, "10:42:08").state == "known"
    assert "RISK_UNKNOWN" not in failed(enter(desk.bet, key="again").decision)


def test_before_the_open_what_was_never_quoted_has_no_worth(desk: Desk) -> None:
    of = market.stock("QQQ", "310", "P", expires=market.MONDAY)
    desk.bet.hold(of, 5, "2.00", entry_at=desk.at("08:00:00"))
    found = reading(desk, "09:00:00")
    assert (found.state, found.reason, found.exposure) == ("unknown", readings.NO_EQUITY, None)


def test_a_portfolio_without_a_clock_is_unknown(desk: Desk) -> None:
    assert reading(desk).state == "known"
    MarketClock.objects.all().delete()
    found = reading(desk, "10:42:37")
    assert (found.state, found.reason) == ("unknown", "No market time: the portfolio has no clock.")
    assert (found.market_at, found.equity) == (None, None)


def test_a_reading_that_cannot_be_made_is_no_finished_check(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.hold(3)
    desk.quote("10:42:05", "20.00", "20.40")

    def breaks(*given: Any) -> None:
        raise ArithmeticError("no such number")

    monkeypatch.setattr(readings, "load_exposed", breaks)
    result = desk.check(AT, "risk")
    assert "no such number" in result.errors[desk.portfolio.pk]
    assert not Heartbeat.objects.exists()
    assert result.orders == 1  # the stop is sold all the same


def test_a_late_check_sets_no_reading_back(desk: Desk) -> None:
    reading(desk, "10:42:37")
    assert reading(desk, "10:42:07").market_at == desk.at("10:42:37")


def test_what_is_booked_during_a_check_leaves_the_reading_before(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    reading(desk)
    memory = guards.load_memory

    def paid_meanwhile(*given: Any) -> Any:
        Portfolio.objects.update(cash=59_000)
        return memory(*given)

    monkeypatch.setattr(guards, "load_memory", paid_meanwhile)
    assert reading(desk, "10:42:37").market_at == desk.at(AT)


def test_a_replay_keeps_no_reading(desk: Desk) -> None:
    desk.check(AT, "risk", alerts=False)
    assert not Reading.objects.exists()


def test_the_portfolios_asked_for_are_those_that_are_read(desk: Desk) -> None:
    other = market.seven_dte()
    desk.check(AT, "risk", portfolio_ids=[other.portfolio.pk])
    assert list(Reading.objects.values_list("portfolio_id", flat=True)) == [other.portfolio.pk]


def test_many_positions_take_as_many_statements_as_one() -> None:
    desk = rich()
    counts = []
    for strikes in (range(3705, 3710, 5), range(3710, 3760, 5)):
        for strike in strikes:
            desk.hold(contract=market.spxw(str(strike)))
            desk.quote("10:42:00", "39.00", "39.40", contract=market.spxw(str(strike)))
        desk.check(AT, "risk")
        with statements() as sent:
            desk.check("10:42:10", "risk")
        counts.append(len(sent))
    assert counts[0] == counts[1], "\n".join(sent)
