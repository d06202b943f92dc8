"""Volatility, losing closes, stop-outs, drawdowns, rejects, throttle and stale data: each trips at its limit, acts, and
is cleared by its own rule or by a person (P-08, A-03, A-04)."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from accounts.models import User
from accounts.services import ensure_groups
from positions.models import ClockKind, EquitySnapshot, OptionQuote, Portfolio, Position, State, VixReading
from positions.services.portfolio import ClockSetting, move_cash
from riskengine.models import Breaker, BreakerEvent
from riskengine.services.watch.clearing import NotClearable, clear_breaker
from tests import factories
from tests.riskengine import market
from tests.riskengine.counts import statements
from tests.riskengine.watch import guarded
from tests.riskengine.watch.desk import Desk, go_live, runs_on, zero
from tests.riskengine.watch.guarded import events, look, sell, state, tripped

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk() -> Desk:
    return zero()


@pytest.fixture
def manager() -> User:
    ensure_groups()
    user = factories.user("manager", is_staff=True)
    user.groups.add(user.groups.model.objects.get(name="Risk manager"))
    return user


def clear(desk: Desk, code: str, actor: User, at: str) -> None:
    row = Breaker.objects.get(code=code)
    clear_breaker(breaker=row, actor=actor, reason="Seen.", now=desk.bet.wall(desk.at(at)))


# ---- VIX ----


def test_vix_at_its_limit_is_allowed_and_above_it_trips(desk: Desk) -> None:
    market.vix(desk.day, opened="30.00")
    desk.check("10:43:00", "risk")
    assert tripped() == set()
    market.vix(desk.day, opened="30.01")
    desk.check("10:43:30", "risk")
    assert tripped() == {"vix"}
    event = BreakerEvent.objects.get(code="vix")
    assert (event.value, event.limit) == (Decimal("30.01"), 30)


def test_it_clears_after_five_minutes_at_or_under_its_limit_and_not_before(desk: Desk) -> None:
    market.vix(desk.day, opened="31.00")
    desk.check("10:43:00", "risk")
    market.vix(desk.day, opened="30.00")
    for at in ("10:43:30", "10:45:00", "10:48:29"):
        desk.check(at, "risk")
        assert tripped() == {"vix"}, at
    desk.check("10:48:30", "risk")
    assert tripped() == set()
    assert events("vix") == [("tripped", "betsizing"), ("cleared", "betsizing")]


def test_above_it_again_the_five_minutes_begin_anew(desk: Desk) -> None:
    for at, level in (
        ("10:43:00", "31"),
        ("10:43:30", "29"),
        ("10:48:00", "31"),
        ("10:48:30", "29"),
        ("10:53:00", "29"),
    ):
        market.vix(desk.day, opened=level)
        desk.check(at, "risk")
    assert tripped() == {"vix"}
    desk.check("10:53:30", "risk")
    assert tripped() == set()
    assert len(events("vix")) == 2


def test_a_person_does_not_clear_it_while_vix_is_above(desk: Desk, manager: User) -> None:
    market.vix(desk.day, opened="31.00")
    desk.check("10:43:00", "risk")
    with pytest.raises(NotClearable):
        clear(desk, "vix", manager, "10:44:00")


# ---- Losing closes, stop-outs ----


def close(desk: Desk, at: str, proceeds: str, *, strike: str = "3700", cause: str = "target") -> Position:
    """A position bought for 1,000, sold for `proceeds`."""
    position = desk.bet.hold(market.spxw(strike), 1, "10.00")
    sell(position, proceeds, desk.at(at), cause)
    return position


def test_three_losing_closes_in_a_row_pause_entries_for_half_an_hour_after_the_last(desk: Desk) -> None:
    for at in ("10:00:00", "10:20:00"):
        close(desk, at, "999.99")
    desk.check("10:20:30", "risk")
    assert tripped() == set()
    close(desk, "10:30:00", "999.99")
    desk.check("10:30:30", "risk")
    assert tripped() == {"losing_streak"}
    assert Breaker.objects.get(code="losing_streak").clears_at == desk.at("11:00:00")
    desk.check("10:59:59", "risk")
    assert tripped() == {"losing_streak"}
    desk.check("11:00:00", "risk")
    assert tripped() == set()


def test_a_close_without_a_loss_ends_the_row_and_a_winner_later_does_not_end_the_pause(desk: Desk) -> None:
    for at, proceeds in (("10:00:00", "900"), ("10:01:00", "900"), ("10:02:00", "1000"), ("10:03:00", "900")):
        close(desk, at, proceeds)
    desk.check("10:04:00", "risk")
    assert tripped() == set()
    for at in ("10:05:00", "10:06:00"):
        close(desk, at, "900")
    desk.check("10:06:30", "risk")
    close(desk, "10:10:00", "1500")
    desk.check("10:35:59", "risk")
    assert tripped() == {"losing_streak"}
    desk.check("10:36:00", "risk")
    assert tripped() == set()


def test_one_more_loss_makes_the_pause_longer(desk: Desk) -> None:
    for at in ("10:00:00", "10:01:00", "10:02:00"):
        close(desk, at, "900")
    desk.check("10:02:30", "risk")
    close(desk, "10:20:00", "900")
    desk.check("10:20:30", "risk")
    assert Breaker.objects.get(code="losing_streak").clears_at == desk.at("10:50:00")
    assert len(events("losing_streak")) == 1


def test_two_stop_outs_in_one_underlying_close_it_for_the_rest_of_the_date(desk: Desk) -> None:
    close(desk, "10:00:00", "1000", cause="stop")
    close(desk, "10:01:00", "1000", cause="target")
    desk.check("10:02:00", "risk")
    assert tripped() == set()
    close(desk, "10:03:00", "1000", cause="stop")
    desk.check("10:03:30", "risk")
    row = Breaker.objects.get(code="stop_outs")
    assert (row.state, row.underlying.symbol, row.value) == ("tripped", "SPX", 2)
    runs_on(desk)
    desk.check("19:00:01", "risk")
    assert "stop_outs" in tripped(), "UTC is a day ahead, New York is not"
    desk.check(desk.at("00:00:30", desk.day + timedelta(days=1)), "risk")
    assert "stop_outs" not in tripped()


# ---- Drawdowns ----


def started(desk: Desk, sessions_ago: int, equity: str) -> None:
    """The start of an earlier session, before the 60,000 that the account was opened with today."""
    days = sorted(day for day, *_ in market.sessions() if day < desk.day)
    day = days[-sessions_ago]
    before = Decimal(equity) - 60_000
    EquitySnapshot.objects.create(
        portfolio=desk.portfolio,
        session_on=day,
        equity_start_of_day=before,
        cash_start_of_day=before,
        taken_at=desk.at("09:00:00", day),
    )


# 60,000 now: 15% under a peak of 70,588.235..., 25% under one of 80,000.
@pytest.mark.parametrize(
    ("code", "sessions_ago", "peak", "before"),
    [("drawdown_5", 4, "70588.24", "70588.23"), ("drawdown_20", 19, "80000.00", "79999.99")],
)
def test_a_drawdown_trips_at_its_limit_makes_the_portfolio_reducing_and_waits_for_a_person(
    desk: Desk, manager: User, code: str, sessions_ago: int, peak: str, before: str
) -> None:
    started(desk, sessions_ago, before)
    desk.check("10:43:00", "risk")
    assert tripped() == set()
    EquitySnapshot.objects.exclude(session_on=desk.day).update(equity_start_of_day=Decimal(peak) - 60_000)
    desk.check("10:43:30", "risk")
    assert tripped() == {code}
    assert Portfolio.objects.get().state == State.REDUCING
    move_cash(portfolio=desk.portfolio, kind="deposit", amount=Decimal(90_000), market_at=desk.at("10:44:00"), note="")
    desk.check("10:44:30", "risk")
    assert tripped() == {code}, "a deposit hides no drawdown, and no time clears it"
    clear(desk, code, manager, "10:45:00")
    assert Portfolio.objects.get().state == State.ACTIVE
    desk.check("10:45:30", "risk")
    assert (tripped(), Portfolio.objects.get().state) == (set(), State.ACTIVE)


def test_a_peak_before_the_window_is_forgotten(desk: Desk) -> None:
    started(desk, 5, "79000.00")
    desk.check("10:43:00", "risk")
    assert tripped() == set(), "the fifth session back is not among five, and of twenty 25% is the limit"
    started(desk, 20, "200000.00")
    desk.check("10:43:30", "risk")
    assert tripped() == set()


def test_a_withdrawal_is_no_drawdown(desk: Desk) -> None:
    started(desk, 2, "60000.00")
    move_cash(
        portfolio=desk.portfolio, kind="withdrawal", amount=Decimal(-30_000), market_at=desk.at("10:42:30"), note=""
    )
    desk.check("10:43:00", "risk")
    assert tripped() == set()


def test_one_bad_tick_makes_no_drawdown() -> None:
    desk = guarded.guarded()
    started(desk, 2, "70500.00")
    look(desk, "10:43:00", "199.0000", "risk")
    for at in ("10:43:30", "10:44:00"):
        look(desk, at, "320.0000", "risk")
    assert tripped() == set(), "15% of 70,500 is 75 more than is lost by the quotes before it"


# ---- Rejected orders, opening intents ----


def reject(desk: Desk, count: int, at: datetime) -> None:
    parent = desk.bet.order(desk.contract, 1, "41.00")
    for _ in range(count):
        factories.opening_order(
            parent.decision,
            parent=parent,
            status="rejected",
            created_at=at,
            finished_at=at,
            limit_price=41,
            worst_price=41,
        )


def test_ten_rejected_orders_stop_entries_until_a_person_has_looked(desk: Desk, manager: User) -> None:
    reject(desk, 9, desk.at("10:00:00"))
    desk.check("10:43:00", "risk")
    assert tripped() == set()
    reject(desk, 1, desk.at("10:43:10"))
    desk.check("10:43:30", "risk")
    assert tripped() == {"rejected_orders"}
    runs_on(desk)
    desk.check(desk.at("09:00:00", desk.day + timedelta(days=1)), "risk")
    assert "rejected_orders" in tripped(), "no time clears it"
    clear(desk, "rejected_orders", manager, "10:44:00")
    desk.check("10:44:30", "risk")
    assert "rejected_orders" not in tripped(), "what a person has seen counts no more"
    reject(desk, 10, desk.at("10:45:00"))
    desk.check("10:45:30", "risk")
    assert "rejected_orders" in tripped()


def ask(desk: Desk, at: str) -> None:
    when = desk.at(at)
    factories.refused(desk.portfolio, contract=desk.contract, decided_at=when, expires_at=when + timedelta(seconds=60))


def test_more_than_five_opening_intents_in_a_minute_stop_entries_until_a_person_has_looked(
    desk: Desk, manager: User
) -> None:
    for second in range(5):
        ask(desk, f"10:43:{second:02}")
    desk.check("10:43:10", "risk")
    assert tripped() == set()
    ask(desk, "10:43:20")
    desk.check("10:43:30", "risk")
    assert tripped() == {"throttle"}
    desk.check("10:50:00", "risk")
    assert tripped() == {"throttle"}, "off until a named person re-enables it"
    clear(desk, "throttle", manager, "10:50:10")
    desk.check("10:50:30", "risk")
    assert tripped() == set()


def test_exits_and_cancels_are_no_opening_intents(desk: Desk) -> None:
    position = desk.hold()
    for _ in range(8):
        factories.exit_order(
            position, "stop", status="cancelled", created_at=desk.at("10:43:00"), finished_at=desk.at("10:43:00")
        )
    desk.quote("10:43:00", "40.00", "40.40")
    desk.check("10:43:10", "risk")
    assert tripped() == set()


# ---- Stale data ----


def test_a_held_position_whose_quote_is_stale_trips_until_it_is_fresh(desk: Desk) -> None:
    desk.hold()
    desk.check("10:43:00", "risk")
    assert tripped() == set(), "60 s for a recorded bar"
    desk.check("10:43:01", "risk")
    assert tripped() == {"stale_quote"}
    event = BreakerEvent.objects.get(code="stale_quote")
    assert (event.value, event.limit) == (61, 60)
    desk.quote("10:43:30", "40.00", "40.40")
    desk.check("10:43:30", "risk")
    assert tripped() == set()


def test_a_live_vix_is_stale_after_two_minutes_and_a_missing_one_at_once(desk: Desk) -> None:
    go_live(desk)
    market_at = desk.at("10:42:00")
    VixReading.objects.create(
        index="VIX", kind="live", session_on=desk.day, read_at=market_at, close=Decimal(18), source="feed"
    )
    desk.check("10:44:00", "risk")
    assert tripped() == set()
    desk.check("10:44:01", "risk")
    assert tripped() == {"stale_vix"}
    VixReading.objects.all().delete()
    desk.check("10:44:30", "risk")
    assert tripped() == {"stale_vix"}
    VixReading.objects.create(
        index="VIX", kind="live", session_on=desk.day, read_at=desk.at("10:44:40"), close=Decimal(18), source="feed"
    )
    desk.check("10:45:00", "risk")
    assert tripped() == set()


def test_outside_the_session_no_data_is_stale(desk: Desk) -> None:
    desk.hold(contract=market.spxw("3700", expires=desk.day + timedelta(days=1)))
    OptionQuote.objects.all().delete()
    desk.check("18:00:00", "risk")
    assert tripped() == set()


def test_nothing_of_a_clear_day_writes_a_row(desk: Desk) -> None:
    desk.check("10:43:00", "risk")
    assert not Breaker.objects.exists()
    assert state("vix") == ""


# ---- What it costs ----


def test_one_portfolio_and_two_hundred_take_the_same_statements() -> None:
    """Quiet, and when the same breaker of each of them trips."""
    desk = zero()

    def portfolios(count: int) -> None:
        for _ in range(count):
            factories.portfolio(
                of=desk.portfolio.profile,
                now=market.WALL,
                quote_source=market.SOURCE,
                clock=guarded.recorded(desk.day),
            )

    def counts(first: str, second: str, level: str) -> tuple[int, int]:
        Breaker.objects.update(state="clear", version=50)
        market.vix(desk.day, opened="18.00")
        with statements() as quiet:
            desk.check(first, "risk")
        market.vix(desk.day, opened=level)
        with statements() as tripping:
            desk.check(second, "risk")
        return len(quiet), len(tripping)

    desk.check("10:43:00", "risk")
    few = counts("10:43:30", "10:44:00", "31.00")
    portfolios(199)
    many = counts("10:44:30", "10:45:00", "32.00")
    assert Breaker.objects.filter(code="vix", state="tripped").count() == 200
    assert few == many


def test_two_recordings_of_one_day_at_different_times_have_the_same_fresh_index() -> None:
    """A recorded day's figure does not age by the clock of whoever looks at it first."""
    desk = guarded.guarded()
    later = ClockSetting(
        kind=ClockKind.RECORDED, market_started_at=desk.at("12:00:00"), label="the same day, an hour ahead"
    )
    factories.portfolio(
        of=desk.portfolio.profile, clock=later, quote_source=desk.portfolio.quote_source, now=desk.bet.wall()
    )
    desk.check("10:43:00", "risk")
    desk.check("10:43:30", "risk")
    assert "stale_vix" not in tripped()
