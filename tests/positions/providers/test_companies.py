"""Fundamentals, earnings dates and splits of a provider. The figures of companies here are ILLUSTRATIVE."""

from datetime import date, time
from decimal import Decimal
from typing import Any

import pytest

from positions.market.calendar import new_york_instant
from positions.models import DataProvider, EarningsDate, Fundamental, ProviderRun, Split
from tests import factories
from tests.positions.providers import answers
from tests.positions.providers import played as play
from tests.positions.providers.asking import NAME, generic, run
from tests.positions.providers.played import Stage

pytestmark = pytest.mark.django_db

NOW = new_york_instant(date(2014, 6, 6), time(12))
PATHS = {"fundamentals": "/fundamentals", "earnings": "/earnings", "splits": "/splits"}


@pytest.fixture(autouse=True)
def sessions() -> None:
    answers.sessions_2014()


def told(here: Stage, what: str, document: Any) -> ProviderRun:
    if not is_configured():
        generic(here, what)
    here.play(PATHS[what], play.says(document))
    return run(NOW)


def is_configured() -> bool:
    return DataProvider.objects.exists()


def test_fundamentals_are_stored_under_the_provider_s_name_and_not_as_illustrative(played: Stage) -> None:
    made = told(played, "fundamentals", answers.ILLUSTRATIVE_FUNDAMENTALS)
    assert (made.new, made.rejected, made.gaps) == (1, 0, {})
    row = Fundamental.objects.get()
    assert (row.instrument.symbol, row.as_of_on, row.source, row.is_illustrative) == (
        "AAPL",
        date(2014, 6, 2),
        NAME,
        False,
    )
    assert (row.earnings_surprise_percent, row.analyst_buy_percent) == (Decimal("4.25"), Decimal(71))
    assert (row.pe_ratio, row.sector_pe_ratio) == (Decimal("15.5"), None)
    assert played.asked[0][1] == {"symbols": "AAPL"}


def test_a_corrected_input_is_a_change_and_the_same_again_is_known(played: Stage) -> None:
    told(played, "fundamentals", answers.ILLUSTRATIVE_FUNDAMENTALS)
    other = {"AAPL": answers.ILLUSTRATIVE_FUNDAMENTALS["AAPL"] | {"pe": 15.6}}
    assert told(played, "fundamentals", other).changed == 1
    assert told(played, "fundamentals", other).known == 1
    assert Fundamental.objects.get().pe_ratio == Decimal("15.6")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"asOf": "2014-06-09"}, "as_of_on has not come yet"),
        ({"asOf": None}, "as_of_on is missing"),
        ({"buy": float("nan")}, "analyst_buy_percent is not a finite number"),
        ({"buy": 101}, "analyst_buy_percent is over 100"),
        ({"sell": -1}, "analyst_sell_percent is negative"),
        ({"sell": 40}, "buy and sell ratings are over 100% together"),
        ({"surprise": 1e9}, "earnings_surprise_percent is over 10,000"),
        ({"pe": "fifteen"}, "pe_ratio is no number"),
        ({"surprise": None, "buy": None, "sell": None, "pe": None}, "no input is given"),
    ],
)
def test_what_cannot_be_true_of_a_company_is_left_out(played: Stage, changed: dict[str, Any], reason: str) -> None:
    made = told(played, "fundamentals", {"AAPL": answers.ILLUSTRATIVE_FUNDAMENTALS["AAPL"] | changed})
    assert (made.new, made.reasons, made.gaps) == (0, {reason: 1}, {"AAPL": []})
    assert not Fundamental.objects.exists()


def test_illustrative_fundamentals_of_the_demo_stay_what_they_are(played: Stage) -> None:
    apple = factories.instrument("AAPL", "stock")
    Fundamental.objects.create(
        instrument=apple, as_of_on=date(2014, 6, 2), pe_ratio=99, source="illustrative, not real", is_illustrative=True
    )
    made = told(played, "fundamentals", answers.ILLUSTRATIVE_FUNDAMENTALS)
    assert made.reasons == {"stands on record from another source": 1}
    assert Fundamental.objects.get().pe_ratio == 99


# ---- Earnings ----


def test_an_earnings_date_is_stored_with_its_time_of_day_in_our_words(played: Stage) -> None:
    assert told(played, "earnings", answers.ILLUSTRATIVE_EARNINGS).new == 1
    row = EarningsDate.objects.get()
    assert (row.reports_on, row.timing, row.source, row.is_illustrative) == (
        date(2014, 7, 22),
        "after_close",
        NAME,
        False,
    )


def test_a_date_that_moves_is_a_second_one_and_only_a_person_takes_the_first_away(played: Stage) -> None:
    told(played, "earnings", answers.ILLUSTRATIVE_EARNINGS)
    told(played, "earnings", {"calendar": [{"ticker": "AAPL", "date": "2014-07-24", "when": None}]})
    assert list(EarningsDate.objects.order_by("reports_on").values_list("reports_on", "timing")) == [
        (date(2014, 7, 22), "after_close"),
        (date(2014, 7, 24), "unknown"),
    ]


def test_an_empty_calendar_takes_nothing_away(played: Stage) -> None:
    told(played, "earnings", answers.ILLUSTRATIVE_EARNINGS)
    made = told(played, "earnings", {"calendar": []})
    assert (made.outcome, made.gaps) == ("ok", {"AAPL": []})
    assert EarningsDate.objects.count() == 1


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"when": "soon"}, "timing is none of before_open, after_close, unknown"),
        ({"date": "2014-07-26"}, "reports_on is a weekend day"),
        ({"date": "2024-07-22"}, "reports_on was not asked for"),
        ({"ticker": "MSFT"}, "symbol was not asked for"),
    ],
)
def test_an_earnings_date_that_cannot_be_is_left_out(played: Stage, row: dict[str, Any], reason: str) -> None:
    document = {"calendar": [answers.ILLUSTRATIVE_EARNINGS["calendar"][0] | row]}
    assert told(played, "earnings", document).reasons == {reason: 1}
    assert not EarningsDate.objects.exists()


# ---- Splits ----

APPLES = {"ticker": "AAPL", "on": "2014-06-09", "new": 7, "old": 1}


def test_a_split_is_stored_once(played: Stage) -> None:
    assert told(played, "splits", [APPLES]).new == 1
    assert told(played, "splits", [APPLES]).known == 1
    split = Split.objects.get()
    assert (split.effective_on, split.new_shares, split.old_shares, split.source) == (date(2014, 6, 9), 7, 1, NAME)


def test_a_split_on_record_is_never_changed(played: Stage) -> None:
    """Positions are multiplied by it once: another ratio afterwards would be nobody's."""
    told(played, "splits", [APPLES])
    made = told(played, "splits", [APPLES | {"new": 70}])
    assert made.reasons == {"a split of this date stands on record with another ratio": 1}
    assert Split.objects.get().new_shares == 7


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"new": 0}, "the ratio is no split"),
        ({"new": 1}, "the ratio is no split"),
        ({"new": 700}, "the ratio is no split"),
        ({"new": 7.5}, "new_shares is no whole number"),
        ({"new": -7}, "new_shares is negative"),
        ({"old": float("nan")}, "old_shares is not a finite number"),
        ({"on": "2014-05-09"}, "effective_on was not asked for"),
        ({"on": "2014-06-08"}, "effective_on is a weekend day"),
        ({"ticker": "MSFT"}, "symbol was not asked for"),
    ],
)
def test_a_split_that_cannot_be_is_left_out(played: Stage, changed: dict[str, Any], reason: str) -> None:
    assert told(played, "splits", [APPLES | changed]).reasons == {reason: 1}
    assert not Split.objects.exists()
