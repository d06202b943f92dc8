"""One check: its heartbeat, its lock, its deadlines, the statements it takes, and what one failure leaves alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import DatabaseError, connection

from positions.models import ExchangeSession, Heartbeat, MarketClock, Position
from riskengine.loading import copying
from riskengine.services.watch import judgement, monitoring, writing
from tests import factories
from tests.riskengine import market
from tests.riskengine.watch.desk import Desk, fresh, hold_seven, rich, seven, zero

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk() -> Desk:
    return zero()


@contextmanager
def statements() -> Iterator[list[str]]:
    """Every statement sent, those that read columns by their question."""
    sent: list[str] = []

    def ordinary(execute: Any, sql: str, *rest: Any) -> Any:
        if not sql.startswith("EXECUTE columns_"):
            sent.append(sql)
        return execute(sql, *rest)

    plain = copying.copy_columns

    def copied(query: str, *rest: Any) -> Any:
        sent.append(query)
        return plain(query, *rest)

    with pytest.MonkeyPatch.context() as patch, connection.execute_wrapper(ordinary):
        for door in ("book", "breakers", "counted", "exposed", "large"):
            patch.setattr(f"riskengine.loading.{door}.copy_columns", copied)
        yield sent


# ---- What a check costs ----


def test_a_quiet_check_takes_six_statements_whatever_is_open(desk: Desk) -> None:
    desk.hold()
    for strike in range(3705, 3750, 5):
        desk.hold(contract=market.spxw(str(strike)))
        desk.quote("10:42:00", "39.00", "39.40", contract=market.spxw(str(strike)))
    desk.check("10:42:30")
    with statements() as sent:
        assert desk.check("10:42:31").positions == 10
    assert len(sent) == 6, "\n".join(sent)


def test_without_positions_it_takes_four(desk: Desk) -> None:
    with statements() as sent:
        desk.check("10:42:31")
    assert len(sent) == 4, "\n".join(sent)


def test_orders_of_many_positions_take_as_many_statements_as_those_of_one() -> None:
    desk = rich()
    counts = []
    for strikes in (range(3705, 3710, 5), range(3710, 3760, 5)):
        for strike in strikes:
            desk.hold(contract=market.spxw(str(strike)))
            desk.quote("10:43:00", "20.00", "20.40", contract=market.spxw(str(strike)))
        desk.check("10:42:59")
        with statements() as sent:
            desk.check("10:43:00")
        counts.append(len(sent))
    assert len(desk.orders) == 11
    assert counts[0] == counts[1]


# ---- Heartbeat and lock ----


def test_the_heartbeat_has_wall_and_market_time_one_row_a_scope(desk: Desk) -> None:
    for at in ("10:43:00", "10:43:01"):
        desk.check(at, "exit")
        desk.check(at, "risk")
    beats = Heartbeat.objects.order_by("scope").values_list("scope", "finished_at", "market_at")
    now = desk.at("10:43:01")
    assert list(beats) == [("exit", desk.bet.wall(now), now), ("risk", desk.bet.wall(now), now)]


def test_a_late_check_sets_no_heartbeat_back(desk: Desk) -> None:
    desk.check("10:43:01")
    desk.check("10:43:00")
    assert Heartbeat.objects.get().market_at == desk.at("10:43:01")


def test_only_the_portfolios_asked_for_are_judged(desk: Desk) -> None:
    other = market.seven_dte()
    result = desk.check("10:43:00", portfolio_ids=[other.portfolio.pk])
    assert result.portfolios == 1
    assert Heartbeat.objects.get().portfolio_id == other.portfolio.pk


# ---- What cannot be judged ----


def test_a_portfolio_without_a_clock_is_an_error_and_the_others_are_judged(desk: Desk) -> None:
    blind = market.seven_dte()
    MarketClock.objects.filter(portfolio=blind.portfolio).delete()
    desk.hold()
    desk.quote("10:43:00", "20.00", "20.40")
    result = desk.check("10:43:00")
    assert (set(result.errors), result.portfolios, desk.sold()) == ({blind.portfolio.pk}, 1, [("stop", 10)])
    assert list(Heartbeat.objects.values_list("portfolio_id", flat=True)) == [desk.portfolio.pk]


def test_a_date_outside_the_session_table_is_an_error(desk: Desk) -> None:
    desk.hold()
    ExchangeSession.objects.filter(session_on__gte=desk.day).delete()
    result = desk.check("10:43:00")
    assert "does not reach 2021-01-04" in result.errors[desk.portfolio.pk]
    assert not Heartbeat.objects.exists()


def test_without_any_session_the_error_says_so(desk: Desk) -> None:
    ExchangeSession.objects.all().delete()
    assert "it is empty" in desk.check("10:43:00").errors[desk.portfolio.pk]


def test_a_computation_that_fails_keeps_the_stop_says_it_once_and_stops_nothing_else(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    week = seven()
    broken = hold_seven(week)
    sound = desk.hold()
    desk.quote("10:43:00", "20.00", "20.40")

    def fails(**_: Any) -> None:
        raise FloatingPointError("a rule that cannot be computed")

    monkeypatch.setattr(judgement.stops, "dynamic_stop", fails)
    for at in ("10:43:00", "10:43:01"):
        result = desk.check(at, "risk")
        assert set(result.errors) == {week.portfolio.pk}
    assert [(order.position_id, order.intent) for order in desk.orders] == [(sound.pk, "stop")]
    assert fresh(broken).current_stop == broken.current_stop
    assert [event.position_id for event in desk.events("exit_error")] == [broken.pk]
    assert set(Heartbeat.objects.values_list("portfolio_id", flat=True)) == {desk.portfolio.pk}


def test_an_order_that_cannot_be_written_stops_no_other(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    first = desk.hold()
    second = desk.hold(contract=market.spxw("3705"))
    third = desk.hold(contract=market.spxw("3710"))
    for position in (first, second, third):
        desk.quote("10:43:00", "20.00", "20.40", contract=position.contract)
    place = writing.place_exits

    def refuses_the_second(intents: Any, **given: Any) -> Any:
        if any(intent.position_id == second.pk for intent in intents):
            raise DatabaseError("a constraint")
        return place(intents, **given)

    monkeypatch.setattr(writing, "place_exits", refuses_the_second)
    for at in ("10:43:00", "10:43:01"):
        assert "a constraint" in desk.check(at).errors[desk.portfolio.pk]
    assert [order.position_id for order in desk.orders] == [first.pk, third.pk]
    assert [event.position_id for event in desk.events("exit_error")] == [second.pk]
    monkeypatch.setattr(writing, "place_exits", place)
    assert desk.check("10:43:02").errors == {}
    assert [order.position_id for order in desk.orders] == [first.pk, third.pk, second.pk]


def test_a_settlement_that_fails_stops_no_other_portfolio(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.hold()
    other = market.seven_dte()

    def fails(**_: Any) -> None:
        raise RuntimeError("no official price")

    monkeypatch.setattr(monitoring, "settle_expired", fails)
    result = desk.check("16:00:00")
    assert (set(result.errors), result.portfolios) == ({desk.portfolio.pk}, 1)
    assert list(Heartbeat.objects.values_list("portfolio_id", flat=True)) == [other.portfolio.pk]


# ---- A tick that comes twice, or late ----


def test_a_doubled_tick_changes_nothing(desk: Desk) -> None:
    position = desk.hold()
    desk.quote("10:43:00", "29.00", "29.40")
    desk.check("10:43:00")
    before = Position.objects.filter(pk=position.pk).values().get()
    desk.check("10:43:00")
    assert Position.objects.filter(pk=position.pk).values().get() == before


def test_a_late_tick_changes_nothing(desk: Desk) -> None:
    """It sees the sound quote of a minute ago, which neither ends the count nor adds to it."""
    position = desk.hold()
    desk.quote("10:43:00", "29.00", "29.40")
    desk.check("10:43:00")
    before = Position.objects.filter(pk=position.pk).values().get()
    desk.check("10:42:59")
    assert Position.objects.filter(pk=position.pk).values().get() == before


def test_what_was_judged_is_not_written_over_a_position_that_changed_since(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    position = desk.hold()
    desk.quote("10:43:00", "20.00", "20.40")
    lock = writing.Writer._lock

    def changed_meanwhile(writer: Any, rows: Any) -> Any:
        Position.objects.filter(pk=position.pk).update(version=position.version + 1)
        return lock(writer, rows)

    monkeypatch.setattr(writing.Writer, "_lock", changed_meanwhile)
    assert desk.check("10:43:00").orders == 0
    monkeypatch.undo()
    assert desk.check("10:43:00").orders == 1


# ---- When to look again ----


@pytest.mark.parametrize(
    ("at", "deadline"),
    [
        ("10:43:00", "13:00:01"),
        ("13:00:00", "13:00:01"),
        ("13:00:01", "13:12:08"),  # open for more than three hours
        ("13:12:08", "14:00:01"),
        ("14:30:00", "15:00:01"),
        ("15:00:01", "15:45:00"),
    ],
)
def test_the_next_deadline_is_when_a_factor_changes_or_the_forced_close(desk: Desk, at: str, deadline: str) -> None:
    desk.hold(entry_at=desk.at("10:12:07"))
    desk.quote(at, "40.00", "40.40")
    assert desk.check(at).next_deadlines == {desk.portfolio.pk: desk.at(deadline)}


def test_after_the_forced_close_it_is_each_escalation_and_then_the_close(desk: Desk) -> None:
    desk.hold()
    desk.check("15:45:00")
    found = [
        desk.check(at).next_deadlines[desk.portfolio.pk] for at in ("15:45:01", "15:50:00", "15:55:00", "15:58:00")
    ]
    assert found == [desk.at(at) for at in ("15:50:00", "15:55:00", "15:58:00", "16:00:00")]


def test_ten_seconds_without_a_usable_quote_are_a_deadline(desk: Desk) -> None:
    desk.hold()
    desk.quote("10:43:00", "10.00", "35.00")
    assert desk.check("10:43:00").next_deadlines == {desk.portfolio.pk: desk.at("10:43:10")}


def test_a_portfolio_without_positions_has_no_deadline(desk: Desk) -> None:
    assert desk.check("10:43:00").next_deadlines == {}


def test_every_portfolio_lives_at_its_own_market_time(desk: Desk) -> None:
    desk.hold()
    half_day = zero(market.HALF_DAY)
    half_day.hold()
    factories.portfolio(of=desk.portfolio.profile)  # live, and years away from both
    result = monitoring.run_check(now=desk.bet.wall(desk.at("12:45:00")), scope="exit", exclusive=False)
    assert result.portfolios == 2
    assert [(order.portfolio_id, order.intent) for order in desk.orders] == [(half_day.portfolio.pk, "forced_close")]
