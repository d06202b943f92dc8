"""Apple's seven for one of 2014-06-09, as a provider told it: no stop trips, no drawdown moves, no correlation jumps.

Closes are the recorded ones; the quotes of the 645 calls of the 13th, 92.14 calls from the 9th on, are real too
(QuantConnect Lean, `Data/option/usa/hour/aapl`).
"""

import csv
import gzip
from datetime import date, datetime, time
from decimal import Decimal

import numpy as np
import pytest

from positions import recorded
from positions.market.calendar import new_york_instant
from positions.market_selectors import closes_before, exchange_calendar
from positions.models import DailyClose, ExchangeSession, Instrument, Position, Split, VixReading
from riskengine.calculators.correlation import correlation_matrix, log_returns
from riskengine.loading.market import close_matrix
from riskengine.models import Breaker, Reading
from tests import factories
from tests.positions.providers import answers
from tests.positions.providers import played as play
from tests.positions.providers.asking import alpaca, run
from tests.positions.providers.played import Stage
from tests.riskengine import market
from tests.riskengine.watch.desk import Desk, go_live, seven

pytestmark = pytest.mark.django_db

FIRST, FRIDAY, MONDAY, TUESDAY = (date(2014, *day) for day in ((1, 29), (6, 6), (6, 9), (6, 10)))
BEFORE_OPEN, EVENING = new_york_instant(MONDAY, time(8)), new_york_instant(MONDAY, time(18))
FRIDAYS_QUOTES = (("16:00", "9.75", "9.90"),)
MONDAYS_QUOTES = (("10:00", "1.14", "1.17"), ("11:00", "1.22", "1.24"), ("12:00", "1.44", "1.47"))
VIX = Decimal("10.73")  # Friday's close
BARS, ACTIONS = "/v2/stocks/bars", "/v1/corporate-actions"


@pytest.fixture(autouse=True)
def year(monkeypatch: pytest.MonkeyPatch) -> None:
    answers.sessions_2014()
    rows = ExchangeSession.objects.order_by("session_on").values_list("session_on", "open_at", "close_at", "is_early")
    known = tuple(rows)
    monkeypatch.setattr(market, "sessions", lambda: known)
    monkeypatch.setenv("APCA_API_KEY_ID", "key id")
    monkeypatch.setenv("APCA_API_SECRET_KEY", "s3cret")


@pytest.fixture
def desk() -> Desk:
    """Ten 645 calls, bought on Friday at 9.80: stop 7.84."""
    contract = market.stock("AAPL", "645", expires=date(2014, 6, 13))
    made = go_live(seven(FRIDAY, contract=contract))
    made.hold(10, "9.80", regime="seven_day")
    for at, bid, ask in FRIDAYS_QUOTES:
        made.quote(at, bid, ask)
        check(made, at, FRIDAY)
    return made


def check(desk: Desk, at: str, day: date) -> None:
    VixReading.objects.get_or_create(
        index="VIX", kind="live", session_on=day, read_at=desk.at(at, day), close=VIX, source=market.SOURCE
    )
    assert not desk.check(desk.at(at, day), "risk").errors


def reading(desk: Desk) -> Reading:
    return Reading.objects.get(portfolio=desk.portfolio)


def tell_the_split(here: Stage, now: datetime) -> None:
    here.play(ACTIONS, play.says(answers.APPLES_SPLIT))
    assert run(now).outcome == "ok"


def tell_closes(here: Stage, last: date, evening: datetime) -> None:
    raw, adjusted = answers.bars(FIRST, last), answers.bars(FIRST, last, adjusted_until=last)
    here.play(BARS, play.says(answers.bars_page(raw)), play.says(answers.bars_page(adjusted)))
    assert run(evening).outcome == "ok"


def test_the_stop_does_not_trip_and_the_drawdowns_do_not_move(played: Stage, desk: Desk) -> None:
    alpaca(played, "splits")
    before = reading(desk)
    tell_the_split(played, new_york_instant(MONDAY, time(7)))
    check(desk, "08:00", MONDAY)
    position = Position.objects.get()
    assert str(position.contract) == "AAPL 2014-06-13 92.14C"
    assert (position.quantity_open, position.average_entry_price) == (70, Decimal("1.40"))
    assert (position.current_stop, position.entry_cost) == (Decimal("1.12"), Decimal("9800.00"))
    after = reading(desk)
    rounding = Decimal("0.00005") * 70 * 100  # a seventh of 9.75 has four places
    assert abs(after.equity - before.equity) <= rounding
    assert [after.drawdown_5, after.drawdown_20] == pytest.approx([before.drawdown_5, before.drawdown_20], abs=1e-5)
    for at, bid, ask in MONDAYS_QUOTES:
        desk.quote(desk.at(at, MONDAY), bid, ask, contract=position.contract)
        check(desk, at, MONDAY)
    assert desk.sold() == []
    assert not Breaker.objects.filter(state="tripped").exists()
    desk.portfolio.refresh_from_db()
    assert desk.portfolio.state == "ACTIVE"
    # 70 calls at 1.44 are worth 330 more than ten at 9.75: the market's doing, not the split's.
    assert reading(desk).equity - before.equity == Decimal("330.00")


def test_told_twice_by_two_providers_it_is_applied_once(played: Stage, desk: Desk) -> None:
    alpaca(played, "splits")
    for _ in range(2):
        tell_the_split(played, new_york_instant(MONDAY, time(7)))
        check(desk, "08:00", MONDAY)
    assert Split.objects.count() == 1
    assert Position.objects.get().quantity_open == 70


def test_a_split_that_is_announced_waits_for_its_day(played: Stage, desk: Desk) -> None:
    alpaca(played, "splits")
    tell_the_split(played, new_york_instant(FRIDAY, time(12)))
    check(desk, "15:30", FRIDAY)
    assert Position.objects.get().quantity_open == 10


# ---- Correlations read adjusted closes ----


def recorded_microsoft() -> None:
    """Microsoft's closes of the spring, as recorded."""
    of = factories.instrument("MSFT", "stock")
    with gzip.open(recorded.CLOSES, "rt", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["symbol"] == "MSFT" and "2014-01" <= row["date"] < "2014-07"]
    DailyClose.objects.bulk_create(
        DailyClose(
            instrument=of,
            session_on=row["date"],
            close=Decimal(row["close"]),
            adjusted_close=Decimal(row["adj_close"]),
            source=recorded.CLOSES_SOURCE,
        )
        for row in rows
    )


def correlation() -> tuple[float, float]:
    """Of Apple and Microsoft over 60 returns up to Monday, and Apple's largest move, as Tuesday's checks read them."""
    ids = [Instrument.objects.get(symbol=symbol).pk for symbol in ("AAPL", "MSFT")]
    calendar = exchange_calendar()
    days = [session.day for session in calendar.between(calendar.back(TUESDAY, 61).day, MONDAY)]
    closes = close_matrix(closes_before(ids, before=TUESDAY, sessions=61, calendar=calendar), ids, days)
    returns = log_returns(closes)
    found = correlation_matrix(returns, window=60, min_common=40).correlation
    return float(found[0, 1]), float(np.nanmax(np.abs(returns[0])))


def test_the_correlation_over_the_split_is_that_of_the_recorded_closes(played: Stage) -> None:
    recorded_microsoft()
    alpaca(played, "closes")
    tell_closes(played, FRIDAY, new_york_instant(FRIDAY, time(18)))
    tell_closes(played, MONDAY, EVENING)
    told, largest = correlation()
    assert largest < 0.085  # the 24th of April: results, and the split announced
    of = Instrument.objects.get(symbol="AAPL")
    DailyClose.objects.filter(instrument=of).delete()
    DailyClose.objects.bulk_create(
        DailyClose(instrument=of, session_on=on, close=row[3], adjusted_close=row[4], source=recorded.CLOSES_SOURCE)
        for on, row in answers.recorded_closes().items()
    )
    expected, _ = correlation()
    assert told == pytest.approx(expected, abs=0.01)  # a dividend of half a percent in May


def test_what_the_jump_would_have_made_of_it(played: Stage) -> None:
    """The control: with closes that are not adjusted the same reading is another one."""
    recorded_microsoft()
    alpaca(played, "closes")
    raw = answers.bars_page(answers.bars(FIRST, MONDAY))
    played.play(BARS, play.says(raw))  # "adjusted" ones that are not, and no split on record that could tell
    assert run(EVENING).new == 90
    assert correlation()[1] > 1.9
    Split.objects.create(
        instrument=Instrument.objects.get(symbol="AAPL"), effective_on=MONDAY, new_shares=7, old_shares=1, source="test"
    )
    DailyClose.objects.filter(source="alpaca").delete()
    played.play(BARS, play.says(raw))
    made = run(EVENING)
    assert (made.new, made.reasons["adjusted_close is not adjusted for a known split"]) == (0, 90)
