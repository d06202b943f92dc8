"""The built-in generators: what they look at, when they speak, and that without a record they bet the minimum."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from positions.market.calendar import new_york_instant
from positions.models import EarningsDate, Fundamental, VixReading
from riskengine.models import Handling, Signal, SignalSource, SourceKind
from riskengine.services.signals.choosing import run_signals
from riskengine.services.signals.generating import run_generators
from tests.riskengine import market
from tests.riskengine.entering import checked
from tests.riskengine.market import MONDAY, Bet
from tests.riskengine.signals.sending import source

pytestmark = pytest.mark.django_db


def vix_history(level: str = "18.00") -> None:
    """A year of calm before the day."""
    days = [row[0] for row in market.sessions() if row[0] < MONDAY][-70:]
    VixReading.objects.bulk_create(
        VixReading(index="VIX", kind="daily", session_on=day, open=level, close=level, source="test")
        for day in days
        if not VixReading.objects.filter(session_on=day).exists()
    )


def figures(bet: Bet, surprise: str = "12", **changes: Any) -> None:
    given = {
        "earnings_surprise_percent": surprise, "analyst_buy_percent": "80", "analyst_sell_percent": "5",
        "pe_ratio": "15", "sector_pe_ratio": "30",
    }  # fmt: skip
    Fundamental.objects.create(
        instrument=bet.contract.underlying, as_of_on=MONDAY - timedelta(days=9), source="test", **given | changes
    )


@pytest.fixture
def bet(monkeypatch: pytest.MonkeyPatch) -> Bet:
    """Mag7-7DTE at 09:50, in front of AAPL that has risen, with good figures and a calm VIX."""
    monkeypatch.setattr("riskengine.loading.components.VIX_SESSIONS", 60)  # as far as the tests' calendar reaches
    made = checked(market.seven_dte(at=new_york_instant(MONDAY, market.MORNING).time().replace(hour=9, minute=50)))
    market.closes("AAPL", lambda number: 0.4 + 0.1 * (number % 3), sessions_back=62)
    vix_history()
    figures(made)
    return made


@pytest.fixture
def built_in(bet: Bet) -> SignalSource:
    return source(bet, SourceKind.GENERATOR, Handling.SHOW)


def speak(bet: Bet, minutes: float = 0) -> Any:
    return run_generators(now=bet.wall(bet.at + timedelta(minutes=minutes)))


def test_a_signal_says_what_it_is_made_of(bet: Bet, built_in: SignalSource) -> None:
    assert speak(bet).made == 1
    signal = Signal.objects.get()
    assert (signal.source, signal.underlying.symbol, signal.direction) == (built_in, "AAPL", "LONG_CALL")
    assert signal.confidence > Decimal("0.8")
    by_name = {each["name"]: each for each in signal.components}
    assert by_name["trend"]["value"] == 1.0
    assert by_name["post_earnings_drift"]["value"] == pytest.approx(0.9, abs=0.001)
    assert by_name["valuation_tilt"]["value"] == 1.0
    assert by_name["analyst_tilt"]["value"] == 0.75
    assert by_name["cross_asset"]["value"] is None, "there is no other underlying"
    assert by_name["calm"]["value"] == 1.0
    assert sum(each["weight"] or 0 for each in signal.components) == pytest.approx(1.0)
    assert signal.note == "90% of the weights are known"


def test_it_speaks_once_a_session(bet: Bet, built_in: SignalSource) -> None:
    assert [speak(bet).made, speak(bet).made, speak(bet, 5).made] == [1, 0, 0]


@pytest.mark.parametrize("minutes", [-6, 26, 300])
def test_it_speaks_after_the_open_and_not_all_day(bet: Bet, built_in: SignalSource, minutes: int) -> None:
    assert speak(bet, minutes).made == 0


def test_what_is_switched_off_says_nothing(bet: Bet, built_in: SignalSource) -> None:
    SignalSource.objects.update(enabled=False)
    assert speak(bet).made == 0


def test_with_under_half_of_the_weights_known_there_is_no_signal(bet: Bet, built_in: SignalSource) -> None:
    Fundamental.objects.all().delete()
    found = speak(bet)
    assert (found.made, found.silent) == (0, 1)


def test_without_a_history_of_vix_nobody_knows_how_calm_it_is(bet: Bet, built_in: SignalSource) -> None:
    VixReading.objects.filter(session_on__lt=MONDAY).delete()
    assert speak(bet).made == 0


def test_bad_news_make_a_put(bet: Bet, built_in: SignalSource) -> None:
    Fundamental.objects.all().delete()
    figures(bet, "-30", analyst_buy_percent="5", analyst_sell_percent="80", pe_ratio="90")
    market.DailyClose.objects.all().delete()
    market.closes("AAPL", lambda number: -0.4 - 0.1 * (number % 3), sessions_back=62)
    assert speak(bet).made == 1
    assert Signal.objects.get().direction == "LONG_PUT"


def test_illustrative_figures_are_said_to_be_so(bet: Bet, built_in: SignalSource) -> None:
    Fundamental.objects.update(is_illustrative=True)
    speak(bet)
    assert Signal.objects.get().note.endswith("the fundamentals are illustrative, not real")


def test_it_bets_the_minimum_until_it_has_a_record_of_its_own(bet: Bet) -> None:
    """A confidence over 0.9 would double the bet. The source has no closed trade: the minimum, and the gate passes."""
    source(bet, SourceKind.GENERATOR, Handling.ENTER)
    VixReading.objects.filter(session_on=MONDAY).update(open="18.00")
    speak(bet)
    signal = Signal.objects.get()
    assert signal.confidence > Decimal("0.9")
    (answer,) = run_signals(now=bet.wall()).decided
    decision = answer.decision
    assert decision.approved, decision.refusal_sentence
    assert decision.contracts == 66, "33,000 at 5.00"
    assert decision.inputs["request"]["proven"] is False
    (item,) = [each for each in decision.inputs["used"] if each["name"] == "scaling_confidence"]
    assert item["note"] == "its source has not 30 closed trades yet: the minimum bet"


def test_a_person_who_places_its_signal_bets_the_minimum_too(bet: Bet, built_in: SignalSource) -> None:
    speak(bet)
    run_signals(now=bet.wall())
    signal = Signal.objects.get()
    assert (signal.state, signal.selection["proven"], signal.selection["scales_with"]) == ("accepted", False, 0.0)


def test_two_runs_at_once_speak_once_and_bar_no_other_source(
    bet: Bet, built_in: SignalSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    speak(bet)
    monkeypatch.setattr("riskengine.services.signals.generating._spoken", lambda turns: set())
    other = source(bet, SourceKind.GENERATOR, Handling.SHOW)
    assert speak(bet, 1).made == 1, "the other one's"
    assert (built_in.signals.count(), other.signals.count()) == (1, 1)


def test_a_row_that_is_written_anew_each_day_does_not_keep_an_old_surprise_new(
    bet: Bet, built_in: SignalSource
) -> None:
    EarningsDate.objects.create(
        instrument=bet.contract.underlying, reports_on=MONDAY - timedelta(days=60), timing="after_close", source="test"
    )
    speak(bet)
    by_name = {each["name"]: each["value"] for each in Signal.objects.get().components}
    assert by_name["post_earnings_drift"] == pytest.approx(1 - 60 / 90, abs=0.001), "of the earnings, not of the row"


# ---- Smart-0DTE ----


@pytest.fixture
def index_bet(monkeypatch: pytest.MonkeyPatch) -> Bet:
    """Smart-0DTE at 10:01: SPX, which has risen for weeks, rose 1% in its first half hour; SPY and QQQ rose too."""
    monkeypatch.setattr("riskengine.loading.components.VIX_SESSIONS", 60)
    made = checked(market.zero_dte(at=market.MORNING.replace(hour=10, minute=1)))
    market.closes("SPX", lambda number: 0.3 + 0.1 * (number % 2), sessions_back=62)
    vix_history()
    for symbol, gain in (("SPX", "1.01"), ("SPY", "1.008"), ("QQQ", "1.02"), ("IWM", "0.99")):
        opens = market.new_york_instant(MONDAY, market.MORNING.replace(hour=9, minute=31, second=0))
        price = market.PRICES.get(symbol, Decimal(200))
        market.bar(symbol, opens, price)
        market.bar(symbol, opens + timedelta(minutes=29), price * Decimal(gain))
    source(made, SourceKind.GENERATOR, Handling.SHOW)
    return made


def components(bet: Bet) -> dict[str, float | None]:
    return {each["name"]: each["value"] for each in Signal.objects.get().components}


def test_an_index_bet_waits_for_the_first_half_hour_and_asks_the_other_funds(index_bet: Bet) -> None:
    assert speak(index_bet, -1.2).made == 0, "09:59"
    assert speak(index_bet).made == 1
    signal = Signal.objects.get()
    assert (signal.underlying.symbol, signal.direction) == ("SPX", "LONG_CALL"), "SPY has no options here: no signal"
    found = components(index_bet)
    assert found["cross_asset"] == pytest.approx(2 / 3, abs=1e-6), "SPY and QQQ agree, IWM does not"
    assert found["intraday_momentum"] is not None
    assert found["intraday_momentum"] > 0.9


def test_without_a_price_at_ten_the_half_hour_is_not_known(index_bet: Bet) -> None:
    market.UnderlyingBar.objects.filter(instrument__symbol="SPX", close__gt=market.SPX).delete()
    speak(index_bet)
    assert components(index_bet)["intraday_momentum"] is None
    assert Signal.objects.get().note == "60% of the weights are known"


def test_a_feed_that_begins_late_has_no_first_half_hour(index_bet: Bet) -> None:
    bars = market.UnderlyingBar.objects.filter(
        instrument__symbol="SPX", bar_at__lte=index_bet.at - timedelta(minutes=10)
    )
    bars.update(bar_at=index_bet.at - timedelta(minutes=15))
    speak(index_bet)
    assert components(index_bet)["intraday_momentum"] is None
