"""What a sizing is made from: known at its time, from where it says, and nothing sized from what is not known."""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest

from positions.market.calendar import new_york_instant
from positions.models import (
    EquitySnapshot,
    Fundamental,
    Instrument,
    OpenInterest,
    OptionContract,
    OptionQuote,
    OptionTradeBar,
    Portfolio,
    UnderlyingBar,
    VixReading,
)
from riskengine.services.decide.explanation import unusable
from tests import oracle
from tests.riskengine import market
from tests.riskengine.answer import failed, inputs
from tests.riskengine.market import Bet

pytestmark = pytest.mark.django_db

Spoil = Callable[[Bet], Any]


# ---- A quote that is no price ----


def later(**late: float) -> Spoil:
    def spoil(bet: Bet) -> None:
        bet.at = bet.at.replace(second=0) + timedelta(**late)

    return spoil


NO_PRICE: dict[str, tuple[Spoil, str, str]] = {
    "a bid above the ask": (
        lambda bet: bet.quote(bid="44.50"),
        "CROSSED_QUOTE",
        "The quote is locked or crossed, or has no ask: ask minus bid is −$0.10.",
    ),
    "a bid at the ask": (
        lambda bet: bet.quote(bid="44.40"),
        "CROSSED_QUOTE",
        "The quote is locked or crossed, or has no ask: ask minus bid is $0.00.",
    ),
    "no ask": (lambda bet: bet.quote(ask=None), "CROSSED_QUOTE", "There is no ask: nobody offers this option."),
    "no bid": (lambda bet: bet.quote(bid=None), "NO_BID", "There is no bid: nobody would buy this option back."),
    "a bid of nothing": (lambda bet: bet.quote(bid=0), "NO_BID", "There is no bid: nobody would buy this option back."),
    "an old quote": (
        later(seconds=60.1),
        "STALE_QUOTE",
        "The quote is 60.1 s old; the oldest usable one is 60 s.",
    ),
    "a quote confirmed in the future": (
        lambda bet: bet.quote(confirmed_at=bet.at + timedelta(seconds=2)),
        "STALE_QUOTE",
        "The quote is −2 s old; the oldest usable one is 60 s.",
    ),
    "no quote": (
        lambda bet: OptionQuote.objects.all().delete(),
        "STALE_QUOTE",
        "There is no quote of this contract today.",
    ),
    "the quote of another recording": (
        lambda bet: bet.quote(source="another"),
        "STALE_QUOTE",
        "There is no quote of this contract today.",
    ),
    "the closing second of its last session": (
        lambda bet: setattr(bet, "at", new_york_instant(market.MONDAY, time(16))),
        "EXPIRED",
        "The option has expired: it settles, no target applies.",
    ),
    "an expiration that is past": (
        lambda bet: OptionContract.objects.update(expiration_on=market.MONDAY - timedelta(days=1)),
        "EXPIRED",
        "The option has expired: it settles, no target applies.",
    ),
}


@pytest.mark.parametrize("case", NO_PRICE)
def test_nothing_is_sized_from_what_is_no_price(case: str) -> None:
    spoil, code, sentence = NO_PRICE[case]
    bet = market.zero_dte()
    spoil(bet)
    preview = bet.preview()
    assert_unsized(preview)
    assert unusable(preview) == (code, sentence)
    assert preview["answer"]["unusable_quote"]


def assert_unsized(preview: dict[str, Any]) -> None:
    answer = preview["answer"]
    sizes = ("contracts", "dollars", "indicative_contracts", "indicative_dollars", "formula_dollars")
    assert {name: answer[name] for name in sizes} == dict.fromkeys(sizes, 0)
    assert (preview["costs"], preview["trace"]["steps"]) == ([], [])
    assert not answer["approved"]


def test_a_quote_is_fresh_to_the_second_it_is_a_minute_old() -> None:
    bet = market.zero_dte()
    later(seconds=60)(bet)
    assert bet.preview()["answer"]["approved"]


def test_a_new_bar_counts_from_its_second_on_and_no_sooner() -> None:
    bet = market.zero_dte()
    boundary = bet.at.replace(second=0) + timedelta(minutes=1)
    market.quote(bet.contract, boundary, bid="45.00", ask="45.40", volume=None, interest=None)
    assert bet.preview(at=boundary - timedelta(microseconds=1))["answer"]["price"] == 44.4
    assert bet.preview(at=boundary)["answer"]["price"] == 45.4


# ---- What is not known ----


def with_an_unquoted_position(bet: Bet) -> None:
    bet.hold(market.spxw("3800"), 1, "10.00")


NOT_KNOWN: dict[str, tuple[Spoil, str]] = {
    "vix": (lambda bet: VixReading.objects.filter(session_on=market.MONDAY).delete(), "a number above 0"),
    "equity_sod": (lambda bet: EquitySnapshot.objects.all().delete(), "an amount above 0"),
    "exposure": (with_an_unquoted_position, "an amount of at least 0"),
}


@pytest.mark.parametrize("name", NOT_KNOWN)
def test_nothing_is_sized_from_what_is_not_known(name: str) -> None:
    spoil, must = NOT_KNOWN[name]
    bet = market.zero_dte()
    spoil(bet)
    preview = bet.preview()
    assert_unsized(preview)
    assert unusable(preview) == (
        "INVALID_INPUT",
        f"{name} is missing or not a finite number: it must be {must}. Nothing is sized from an unusable number.",
    )


def test_every_gate_that_needs_what_is_not_known_says_so() -> None:
    bet = market.zero_dte()
    NOT_KNOWN["equity_sod"][0](bet)
    gates = {gate["rule"]: gate for gate in bet.preview()["trace"]["gates"]}
    for code in ("EMERGENCY_HALT", "MAX_DAILY_LOSS", "NEEDS_CONFIRMATION"):
        assert gates[code]["sentence"] == (
            "Day P&L is not known: there is no start-of-day equity or a position has no quote."
        )
    assert {"MAX_DELTA", "MAX_GAMMA", "BOOK_EXPOSURE"} <= {code for code, gate in gates.items() if not gate["passed"]}


def test_yesterdays_snapshot_is_not_todays() -> None:
    bet = market.zero_dte()
    EquitySnapshot.objects.update(session_on=market.session_before(market.MONDAY))
    assert unusable(bet.preview()) is not None
    seven = market.seven_dte()
    EquitySnapshot.objects.update(session_on=market.session_before(market.MONDAY))
    assert_unsized(seven.preview())


def test_an_account_without_equity_is_refused_also_with_odds() -> None:
    bet = market.zero_dte()
    EquitySnapshot.objects.update(equity_start_of_day=0)
    preview = bet.preview(win_probability=Decimal("0.55"), payoff=Decimal(1))
    assert_unsized(preview)
    assert preview["kelly"] == {"fraction": pytest.approx(0.1), "times": None}


def test_without_enough_settled_cash_there_is_no_bet() -> None:
    bet = market.zero_dte()
    Portfolio.objects.update(settled_cash="11999.99")
    refusal = bet.preview()["answer"]["refusal"]
    assert refusal == {
        "code": "BUYING_POWER_BELOW_MINIMUM",
        "sentence": "Buying power is $12,000, under the minimum bet of $12,000.",
    }


def test_a_working_order_reserves_its_worst_price() -> None:
    bet = market.zero_dte()
    order = bet.order(market.spxw("3750"), 8, "45.10")
    refusal = bet.preview()["answer"]["refusal"]
    assert refusal["code"] == "EXPOSURE_ROOM_BELOW_MINIMUM"
    assert refusal["sentence"].startswith("Room under the exposure limit is $11,920, under the minimum bet of $12,000.")
    order.delete()
    assert bet.preview()["answer"]["approved"]


# ---- VIX, fundamentals, SPY ----


@pytest.mark.parametrize(
    ("now", "level", "label"),
    [
        (time(9, 29, 59), 17.5, "previous close"),
        (time(9, 30), 18, "the day's open"),
        (time(15, 59, 59), 18, "the day's open"),
        (time(16, 30), 18, "the day's open"),
    ],
    ids=str,
)
def test_the_recorded_vix_is_never_that_days_close(now: time, level: float, label: str) -> None:
    shown = market.zero_dte(at=now).preview()["market"]["vix"]
    assert (shown["value"], shown["label"]) == (level, label)


def figures(days_ago: int, **changes: Any) -> Fundamental:
    given = {
        "instrument": Instrument.objects.get(symbol="AAPL"),
        "as_of_on": market.MONDAY - timedelta(days=days_ago),
        "earnings_surprise_percent": 11,
        "analyst_buy_percent": 20,
        "analyst_sell_percent": 60,
        "pe_ratio": 40,
        "sector_pe_ratio": 20,
        "source": "illustration",
        "is_illustrative": True,
    }
    return Fundamental.objects.create(**given | changes)


def test_fundamentals_are_scored_point_by_point_and_labelled_illustrative() -> None:
    bet = market.seven_dte()
    figures(days_ago=30)
    found = inputs(bet.preview("0.9"))
    assert found["score"]["value"] == pytest.approx(0.5)
    points = {name: found[name]["value"] for name in ("earnings", "ratings", "valuation")}
    assert points == {"earnings": 0.2, "ratings": -0.1, "valuation": -0.1}
    assert found["score"]["source"] == "illustration, as of 2020-12-05"
    assert all("illustrative, not real" in found[name]["note"] for name in ("score", *points))
    assert found["earnings"]["note"] == "earnings surprise 11; illustrative, not real"


def test_real_fundamentals_are_not_called_illustrative() -> None:
    bet = market.seven_dte()
    figures(days_ago=30, is_illustrative=False)
    assert inputs(bet.preview())["score"]["note"] == ""


@pytest.mark.parametrize(("days_ago", "score"), [(100, 0.5), (101, None), (-1, None)], ids=["old", "too old", "future"])
def test_only_fundamentals_of_their_time_count(days_ago: int, score: float | None) -> None:
    bet = market.seven_dte()
    figures(days_ago=days_ago)
    preview = bet.preview("0.9")
    assert inputs(preview)["score"]["value"] == score
    expected = oracle.size_7dte(
        {"confidence": "0.9", "option_price": "5", "portfolio_value": "100000", "score": score and str(score)}
    )
    assert preview["answer"]["contracts"] == expected["contracts"]


def test_a_puts_score_is_the_mirror_of_a_calls() -> None:
    put = market.stock("AAPL", "130", "P")
    bet = market.seven_dte(contract=put)
    figures(days_ago=30, analyst_sell_percent=None, pe_ratio=None)
    assert inputs(bet.preview())["score"]["value"] == pytest.approx(0.3)


def test_share_equivalents_take_spx_where_spy_has_no_price() -> None:
    bet = market.zero_dte()
    assert inputs(bet.preview())["spy"]["source"] == "SPY"
    UnderlyingBar.objects.filter(instrument__symbol="SPY").delete()
    preview = bet.preview()
    assert preview["answer"]["approved"]
    assert (inputs(preview)["spy"]["source"], inputs(preview)["spy"]["value"]) == ("SPX / 10", 372)


# ---- Days ----


def test_a_half_day_ends_at_one() -> None:
    bet = market.zero_dte(market.HALF_DAY, time(12, 15))
    preview = bet.preview()
    assert preview["answer"]["approved"]
    assert preview["market"]["session"] == {
        "is_open": True,
        "opens_at": "2020-12-24T09:30:00-05:00",
        "closes_at": "2020-12-24T13:00:00-05:00",
        "forced_close_at": "2020-12-24T12:45:00-05:00",
        "closes_early": True,
    }
    assert failed(bet.preview(at=bet.at + timedelta(seconds=1))) == ["TOO_LATE"]


def test_in_the_evening_new_yorks_date_counts_though_utc_is_a_day_ahead() -> None:
    bet = market.seven_dte(at=time(19, 30))
    assert bet.at.date() == date(2021, 1, 5)
    preview = bet.preview()
    assert failed(preview) == ["SESSION_CLOSED"]
    assert preview["contract"]["days_to_expiration"] == 7
    assert preview["market"]["at"] == "2021-01-04T19:30:00-05:00"
    assert preview["market"]["volume"] == preview["market"]["open_interest"] == 10_000


def test_on_a_weekend_the_session_before_is_the_last_there_was() -> None:
    bet = market.seven_dte()
    saturday = datetime.combine(date(2021, 1, 9), time(12), tzinfo=bet.at.tzinfo)
    bet.portfolio.clock.market_ends_at = saturday
    bet.portfolio.clock.save()
    preview = bet.preview(at=saturday)
    assert unusable(preview) is not None
    assert not preview["market"]["session"]["is_open"]


# ---- Waivers ----


def test_a_waived_limit_is_labelled_where_it_lets_something_pass() -> None:
    bet = market.zero_dte()
    bet.revise(waive_open_interest_unknown=True, waive_volume_unknown=True)
    assert bet.preview()["waived"] == []
    OpenInterest.objects.all().delete()
    OptionTradeBar.objects.all().delete()
    preview = bet.preview()
    assert preview["answer"]["approved"]
    assert [each["label"] for each in preview["waived"]] == ["Waive missing volume", "Waive missing open interest"]
