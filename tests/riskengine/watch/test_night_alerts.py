"""What a night tells a person: each once, with the number, the limit and what to do, until the next open (P-18)."""

from typing import Any

import pytest

from positions.models import Order, Position
from riskengine.models import Alert
from riskengine.services.watch.monitoring import run_check
from riskengine.services.watch.night import night_now
from tests.riskengine import market
from tests.riskengine.counts import statements
from tests.riskengine.watch import guarded
from tests.riskengine.watch.desk import Desk, fresh, hold_seven
from tests.riskengine.watch.nights import TUESDAY, day_starts, evening, made, nights, quoted, report, told
from tests.riskengine.watch.test_races import at_once

MONDAY = market.MONDAY


# ---- The loss ----


@pytest.mark.django_db
def test_a_loss_within_the_limit_is_not_told() -> None:
    desk = evening(20)
    nights(desk, "15:30:00")
    book = report(desk).contents["book"]
    assert (book["worst_share"] < 0.10, book["over"], told()) == (True, False, [])


@pytest.mark.django_db
def test_a_loss_above_the_limit_says_what_happened_the_number_the_limit_and_what_to_do() -> None:
    desk = evening(30)
    nights(desk, "15:30:00")
    loss = report(desk).contents["book"]["worst_loss"]
    assert 10_000 < loss < 15_075
    alert = Alert.objects.get()
    assert (alert.code, alert.severity, alert.portfolio) == ("OVERNIGHT_LOSS", "warning", desk.portfolio)
    assert alert.happened == (
        f"If the underlyings open 5% lower, the position (30 AAPL 130C) that {desk.portfolio.name} holds over the "
        f"night loses ${loss:,.0f}, {loss / 1_000:.1f}% of the equity at the start of the day, by the open on Tuesday "
        "at 09:30; the limit is 10.0% ($10,000). No stop acts before then."
    )
    assert alert.to_do == "Sell a part before 16:00, or hold it knowing that."
    assert (float(alert.value), float(alert.limit), alert.unit) == (pytest.approx(loss), 10_000, "USD")
    assert alert.market_at == desk.at("15:30:00")


@pytest.mark.django_db
def test_a_loss_that_reaches_the_emergency_halt_is_critical() -> None:
    desk = evening(60)
    nights(desk, "15:30:00")
    alert = Alert.objects.get()
    assert alert.severity == "critical"
    assert alert.happened.endswith("That reaches the emergency halt.")


@pytest.mark.django_db
@pytest.mark.parametrize(("dollars", "over"), [(1, False), (-1, True)])
def test_the_limit_is_a_share_of_the_equity_at_the_start_of_the_day(dollars: int, over: bool) -> None:
    desk = evening(25)
    loss = night_now(portfolio=desk.portfolio, now=desk.bet.wall(desk.at("15:30")))["book"]["worst_loss"]
    day_starts(desk, MONDAY, f"{(loss + dollars) * 10:.2f}")
    nights(desk, "15:30:00")
    assert report(desk).contents["book"]["over"] is over
    assert told() == ["OVERNIGHT_LOSS"] * over


# ---- Once ----


@pytest.mark.django_db
def test_both_reports_of_a_night_tell_it_once_and_it_ends_at_the_open() -> None:
    desk = evening()
    quoted(desk, desk.at("16:00"))
    nights(desk, "15:30:00")
    nights(desk, "15:59:00")
    day_starts(desk, TUESDAY)
    nights(desk, "08:30:00", TUESDAY)
    nights(desk, "09:29:59", TUESDAY)
    assert made() == [("2021-01-04", "close"), ("2021-01-05", "open")]
    assert told(standing=False) == told() == ["OVERNIGHT_LOSS"]
    nights(desk, "09:30:00", TUESDAY)
    assert told() == []
    assert Alert.objects.get().resolved_at is not None
    quoted(desk, desk.at("15:30", TUESDAY))
    nights(desk, "15:30:00", TUESDAY)
    assert told() == ["OVERNIGHT_LOSS"], "the next night is another one"
    assert Alert.objects.count() == 2


@pytest.mark.django_db
def test_what_was_not_known_at_the_close_and_is_before_the_open_is_over() -> None:
    desk = evening(20, at="15:20")
    nights(desk, "15:30:00")
    assert told() == ["OVERNIGHT_UNKNOWN"]
    quoted(desk, desk.at("16:00"))
    day_starts(desk, TUESDAY)
    nights(desk, "08:30:00", TUESDAY)
    assert told() == []


@pytest.mark.django_db
def test_a_loss_stands_while_it_is_not_known_any_more() -> None:
    desk = evening()
    nights(desk, "15:30:00")
    day_starts(desk, TUESDAY)
    nights(desk, "08:30:00", TUESDAY)  # no quote at the close
    assert told() == ["OVERNIGHT_LOSS", "OVERNIGHT_UNKNOWN"]


@pytest.mark.django_db
def test_what_was_sold_is_told_no_longer() -> None:
    desk = evening(1)
    desk.contract.underlying.earnings_dates.create(reports_on=TUESDAY, timing="after_close", source="test")
    nights(desk, "15:30:00")
    assert told() == ["EARNINGS_BEFORE_EXPIRY_HELD"]
    guarded.sell(Position.objects.get(), "500", desk.at("15:40"))
    nights(desk, "15:40:30")
    assert told() == []


@pytest.mark.django_db
def test_who_sells_enough_after_the_report_is_told_no_longer_and_the_report_stays() -> None:
    desk = evening(30)
    nights(desk, "15:30:00")
    position = Position.objects.get()
    quoted(desk, desk.at("15:40"))
    nights(desk, "15:40:00")
    assert told() == ["OVERNIGHT_LOSS"]
    kept = report(desk).contents
    Position.objects.filter(pk=position.pk).update(quantity_open=20, version=position.version + 1)
    nights(desk, "15:40:30")
    assert told() == []
    assert (made(), report(desk).contents) == ([("2021-01-04", "close")], kept)


@pytest.mark.django_db
def test_who_buys_after_the_report_is_told_what_that_made_of_the_night() -> None:
    desk = evening(20)
    nights(desk, "15:30:00")
    assert told() == []
    dear = market.stock("AAPL", "115")
    hold_seven(desk, 5, "15.20", contract=dear)
    quoted(desk, desk.at("15:40"))
    desk.quote("15:40", "15.20", "15.30", contract=dear)
    run = nights(desk, "15:40:00")
    assert (run.made, told()) == ([], ["OVERNIGHT_LOSS"])
    assert "the 2 positions" in Alert.objects.get().happened


@pytest.mark.django_db
def test_what_was_not_known_for_a_moment_is_told_as_soon_as_it_is() -> None:
    desk = evening(30, at="15:20")
    nights(desk, "15:30:00")
    nights(desk, "15:30:30")
    assert told() == ["OVERNIGHT_UNKNOWN"]
    quoted(desk, desk.at("15:31"))
    nights(desk, "15:31:00")
    assert told() == ["OVERNIGHT_LOSS"]
    assert report(desk).worst_loss is None, "the report is what it was"


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_make_one_report_and_tell_it_once() -> None:
    desk = evening()
    answers = at_once(*[lambda: nights(desk, "15:30:00")] * 2)
    assert [answer.errors for answer in answers] == [{}, {}]
    assert sum(len(answer.made) for answer in answers) == 1
    assert made() == [("2021-01-04", "close")]
    assert [(each.code, each.times_seen) for each in Alert.objects.all()] == [("OVERNIGHT_LOSS", 1)]


# ---- Earnings ----


@pytest.mark.django_db
def test_earnings_before_expiration_name_the_company_the_date_and_the_position() -> None:
    desk = evening(2)
    desk.contract.underlying.earnings_dates.create(
        reports_on=TUESDAY, timing="before_open", source="test", is_illustrative=True
    )
    nights(desk, "15:30:00")
    alert = Alert.objects.get()
    assert (alert.code, alert.position) == ("EARNINGS_BEFORE_EXPIRY_HELD", Position.objects.get())
    assert alert.happened == (
        "AAPL reports on 2021-01-05, before the open, and 2 contracts of AAPL 130C expire on 2021-01-11, 7 days from "
        "now. That is this night: nothing can be sold in between. The date is illustrative, not real."
    )
    assert (float(alert.value), float(alert.limit), alert.unit) == (1, 7, "days")


# ---- To hold less ----


def proposing(contracts: int, **changes: Any) -> Desk:
    desk = evening(contracts, **changes)
    desk.bet.revise(propose_reduction=True)
    return desk


@pytest.mark.django_db
def test_a_proposal_is_made_only_where_it_is_switched_on() -> None:
    desk = evening()
    nights(desk, "15:30:00")
    assert report(desk).contents["reduction"] is None


@pytest.mark.django_db
def test_a_proposal_sells_exactly_as_many_as_the_limit_needs_and_sends_nothing() -> None:
    desk = proposing(40)
    nights(desk, "15:30:00")
    contents = report(desk).contents
    each = contents["book"]["worst_loss"] / 40
    (proposal,) = contents["reduction"]
    left = 40 - proposal["sell"]
    assert left * each <= 10_000 < (left + 1) * each
    assert (proposal["of"], proposal["label"], proposal["position"]) == (40, "AAPL 130C", Position.objects.get().pk)
    assert proposal["loss_left"] == pytest.approx(left * each, abs=0.02)
    assert f"Selling {proposal['sell']} of 40 AAPL 130C would keep it to $" in Alert.objects.get().to_do
    assert not Order.objects.filter(side="sell").exists()
    assert fresh(Position.objects.get()).quantity_open == 40


@pytest.mark.django_db
def test_the_costliest_contracts_are_proposed_first() -> None:
    desk = proposing(30)
    dear = market.stock("AAPL", "115")
    hold_seven(desk, 3, "15.20", contract=dear)
    quoted(desk, desk.at("15:30"), "15.20", "15.30", contract=dear)
    nights(desk, "15:30:00")
    contents = report(desk).contents
    cheap_loss, dear_loss = (-each["worst_down"] / each["contracts"] for each in contents["positions"])
    assert dear_loss > cheap_loss
    first, second = contents["reduction"]
    assert (first["label"], first["sell"], first["of"]) == ("AAPL 115C", 3, 3)
    assert second["label"] == "AAPL 130C"
    assert second["loss_left"] <= 10_000 < second["loss_left"] + cheap_loss


@pytest.mark.django_db
@pytest.mark.parametrize(("contracts", "at"), [(20, "15:30"), (40, "15:20")])
def test_nothing_is_proposed_where_it_fits_or_is_not_known(contracts: int, at: str) -> None:
    desk = proposing(contracts, at=at)
    nights(desk, "15:30:00")
    assert not report(desk).contents["reduction"]


# ---- The next morning ----


@pytest.mark.django_db
def test_at_the_open_stops_are_judged_and_written_before_anything_else() -> None:
    """P-18: the first check after the night writes its exits before breakers, readings and what is told."""
    desk = evening(40)
    day_starts(desk, TUESDAY)
    quoted(desk, desk.at("09:30", TUESDAY), "1.00", "1.05")
    with statements() as sent:
        result = run_check(now=desk.bet.wall(desk.at("09:30", TUESDAY)), scope="risk", exclusive=False)
    assert result.errors == {}
    assert desk.sold() == [("stop", 40)]
    plain = [" ".join(each.replace('"', "").split()) for each in sent]
    stops, breakers, readings = (
        next(place for place, sql in enumerate(plain) if f"INTO {table}" in sql)
        for table in ("positions_order ", "riskengine_breaker ", "riskengine_reading ")
    )
    assert stops < min(breakers, readings)
