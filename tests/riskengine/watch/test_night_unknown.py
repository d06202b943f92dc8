"""What a night does not know: shown as not known with its reason, told, and never taken for safe (P-18)."""

from typing import Any

import pytest

from positions.models import ExchangeSession, Portfolio
from riskengine.models import Alert
from riskengine.services.watch import night
from tests.riskengine import market
from tests.riskengine.watch.desk import hold_seven, zero
from tests.riskengine.watch.nights import TUESDAY, evening, made, nights, quoted, report, told

pytestmark = pytest.mark.django_db

MONDAY = market.MONDAY


def test_a_position_that_cannot_be_priced_is_not_known_and_neither_is_the_book() -> None:
    desk = evening()
    silent = market.stock("AAPL", "135")
    position = hold_seven(desk, 3, contract=silent)
    nights(desk, "15:30:00")
    found = report(desk)
    assert found.contents["unknown"] == ["AAPL 135C"]
    first, second = found.contents["positions"]
    assert second["position"] == position.pk
    assert second["unknown"] == ["it was never quoted"]
    assert (second["mark"], second["theta_night"], second["worst_down"]) == (None, None, None)
    assert {cell for row in second["pnl"] for cell in row} == {None}
    assert first["worst_down"] < 0, "what is known of the others is shown"
    assert (found.worst_loss, found.contents["book"]["over"]) == (None, False)
    alert = Alert.objects.get(code="OVERNIGHT_UNKNOWN")
    assert "1 of the 2 positions" in alert.happened
    assert "AAPL 135C: it was never quoted." in alert.happened
    assert (float(alert.value), float(alert.limit), alert.unit) == (1, 0, "positions")


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda desk: desk.bet.quote(bid=None), "its last quote is too old, one-sided or too wide"),
        (lambda desk: market.UnderlyingBar.objects.all().delete(), "there is no price of AAPL of that time"),
    ],
)
def test_why_it_cannot_be_priced(spoil: Any, why: str) -> None:
    desk = evening()
    spoil(desk)
    nights(desk, "15:30:00")
    assert report(desk).contents["positions"][0]["unknown"] == [why]


def test_a_quote_that_has_aged_is_no_price() -> None:
    desk = evening(at="15:28")
    nights(desk, "15:30:00")
    assert report(desk).contents["unknown"] == ["AAPL 130C"]


def test_without_the_equity_of_the_day_there_is_no_limit_and_that_is_told() -> None:
    desk = evening()
    desk.portfolio.equity_snapshots.all().delete()
    nights(desk, "15:30:00")
    assert report(desk).equity is None
    assert told() == ["OVERNIGHT_UNKNOWN"]
    assert "The equity of" in Alert.objects.get().happened


def test_where_the_calendar_ends_the_night_is_not_known() -> None:
    desk = evening()
    ExchangeSession.objects.filter(session_on__gt=MONDAY).delete()
    nights(desk, "15:30:00")
    found = report(desk).contents
    assert found["opens_at"] is None
    assert found["positions"][0]["unknown"] == ["the calendar does not know the next session"]
    assert told() == ["OVERNIGHT_UNKNOWN"]


def test_without_any_calendar_nothing_is_made_and_nothing_fails() -> None:
    desk = evening()
    ExchangeSession.objects.all().delete()
    assert nights(desk, "15:30:00").errors == {}
    assert made() == []


def test_one_portfolios_trouble_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    desk, other = evening(), zero()
    other.hold(contract=market.spxw("3700", expires=TUESDAY))
    quoted(other, other.at("15:30"), contract=market.spxw("3700", expires=TUESDAY))
    load = night.load_night

    def fails_for_the_first(portfolio: Portfolio, **given: Any) -> Any:
        if portfolio.pk == desk.portfolio.pk:
            raise RuntimeError("a broken row")
        return load(portfolio, **given)

    monkeypatch.setattr(night, "load_night", fails_for_the_first)
    run = nights(desk, "15:30:00")
    assert run.errors == {desk.portfolio.pk: "a broken row"}
    assert report(other).positions == 1
    alert = Alert.objects.get(portfolio=desk.portfolio)
    assert alert.code == "OVERNIGHT_UNKNOWN"
    assert "could not be made: a broken row" in alert.happened
    monkeypatch.setattr(night, "load_night", load)
    nights(desk, "15:30:30")
    assert report(desk).positions == 1
    assert not Alert.objects.filter(portfolio=desk.portfolio, code="OVERNIGHT_UNKNOWN", resolved_at=None).exists()


def test_who_is_not_judged_in_this_run_is_in_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(night, "MOST_AT_ONCE", 1)
    desk, other = evening(), zero()
    other.hold(contract=market.spxw("3700", expires=TUESDAY))
    assert [len(nights(desk, at).made) for at in ("15:30:00", "15:30:30", "15:31:00")] == [1, 1, 0]
    assert len(made()) == 2
