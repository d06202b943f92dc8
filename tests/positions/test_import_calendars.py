"""Importing calendars: earnings, ex-dividend dates and events, what is kept and what is rejected with its reason."""

import csv
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import IntegrityError, transaction

from positions.models import Blackout, EarningsDate, ExDividendDate, Instrument
from positions.services.imports.calendars import EarningsDates, Events, ExDividends
from positions.services.imports.run import ImportReport, Kind, import_file

pytestmark = pytest.mark.django_db

Import = Callable[..., ImportReport]


@pytest.fixture
def load(tmp_path: Path) -> Import:
    def load(kind: Kind, *lines: str) -> ImportReport:
        path = tmp_path / "file.csv"
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return import_file(kind, path, source="test", rejects_path=tmp_path / "rejects.csv")

    return load


def counts(report: ImportReport) -> tuple[int, int, int, int]:
    return report.new, report.changed, report.known, report.rejected


def reasons(report: ImportReport) -> list[str]:
    """The second column: a file of events has a reason of its own."""
    assert report.rejects_path is not None
    with report.rejects_path.open(newline="") as file:
        return [reason for _, reason, *_ in list(csv.reader(file))[1:]]


# ---- Earnings ----

EARNINGS = "symbol,reports_on,timing"


@pytest.mark.parametrize(
    ("given", "kept"),
    [("before_open", "before_open"), ("BMO", "before_open"), ("amc", "after_close"), ("", "unknown"), ("unknown",) * 2],
)
def test_earnings_with_their_hour(load: Import, given: str, kept: str) -> None:
    assert counts(load(EarningsDates(), EARNINGS, f"aapl,2021-01-27,{given}")) == (1, 0, 0, 0)
    found = EarningsDate.objects.select_related("instrument").get()
    assert (found.instrument.symbol, found.reports_on, found.timing) == ("AAPL", date(2021, 1, 27), kept)
    assert (found.source, found.is_illustrative) == ("test", False)


def test_an_hour_that_becomes_known_changes_its_row_and_a_second_run_nothing(load: Import) -> None:
    load(EarningsDates(), "symbol,date", "AAPL,2021-01-27")
    assert counts(load(EarningsDates(), EARNINGS, "AAPL,2021-01-27,amc")) == (0, 1, 0, 0)
    assert counts(load(EarningsDates(), EARNINGS, "AAPL,2021-01-27,amc")) == (0, 0, 1, 0)
    assert EarningsDate.objects.get().timing == "after_close"


def test_illustrative_dates_are_labelled_and_become_real(load: Import) -> None:
    load(EarningsDates(is_illustrative=True), EARNINGS, "AAPL,2021-01-27,amc")
    assert EarningsDate.objects.get().is_illustrative
    assert counts(load(EarningsDates(), EARNINGS, "AAPL,2021-01-27,amc")) == (0, 1, 0, 0)
    assert not EarningsDate.objects.get().is_illustrative


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("AAPL,2021-01-30,amc", "reports_on is a Saturday: 2021-01-30"),
        ("AAPL,27.01.2021,amc", "reports_on is not a date (YYYY-MM-DD): '27.01.2021'"),
        ("AAPL,2021-01-27,noon", "timing is none of before_open, after_close, unknown: 'noon'"),
        ("XYZZY,2021-01-27,amc", "unknown symbol: 'XYZZY' is no instrument; add it first"),
    ],
)
def test_earnings_that_cannot_be_true(load: Import, row: str, reason: str) -> None:
    report = load(EarningsDates(), EARNINGS, row, "MSFT,2021-01-26,amc")
    assert counts(report) == (1, 0, 0, 1)
    assert reasons(report) == [reason]


# ---- Ex-dividend dates ----

EX = "symbol,ex_on,amount_per_share"


def test_an_ex_dividend_date_with_its_amount(load: Import) -> None:
    assert counts(load(ExDividends(), EX, "AAPL,2021-02-05,0.205")) == (1, 0, 0, 0)
    found = ExDividendDate.objects.select_related("instrument").get()
    assert (found.instrument.symbol, found.ex_on, found.amount_per_share) == (
        "AAPL", date(2021, 2, 5), Decimal("0.2050"),
    )  # fmt: skip
    assert counts(load(ExDividends(), "symbol,ex_date,amount", "AAPL,2021-02-05,0.22")) == (0, 1, 0, 0)
    assert counts(load(ExDividends(), EX, "AAPL,2021-02-05,0.22")) == (0, 0, 1, 0)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("AAPL,2021-02-05,0", "amount_per_share is zero"),
        ("AAPL,2021-02-05,-0.2", "amount_per_share is negative: -0.2"),
        ("AAPL,2021-02-05,100001", "amount_per_share is over 100,000: 100001"),
        ("AAPL,2021-02-05,nan", "amount_per_share is nan, not a finite number"),
        ("AAPL,2021-02-06,0.2", "ex_on is a Saturday: 2021-02-06"),
    ],
)
def test_dividends_that_cannot_be_true(load: Import, row: str, reason: str) -> None:
    report = load(ExDividends(), EX, row)
    assert counts(report) == (0, 0, 0, 1)
    assert reasons(report) == [reason]


def test_a_date_twice_in_a_file_is_told(load: Import) -> None:
    report = load(ExDividends(), EX, "AAPL,2021-02-05,0.2", "aapl,2021-02-05,0.3")
    assert counts(report) == (1, 0, 0, 1)
    assert reasons(report) == ["the same key stands in an earlier row"]


# ---- Events ----

EVENTS = "starts_at,ends_at,reason,symbol"
FOMC = "2021-01-27 13:30,2021-01-27 15:00,FOMC: rate decision,"


def test_an_event_of_all_and_of_one_in_new_york_time(load: Import) -> None:
    report = load(Events(), EVENTS, FOMC, "2021-07-13 08:00:00,2021-07-13 09:45:00,A hearing,aapl")
    assert counts(report) == (2, 0, 0, 0)
    everything, one = Blackout.objects.order_by("starts_at")
    assert (everything.instrument, everything.reason) == (None, "FOMC: rate decision")
    assert (everything.starts_at, everything.ends_at) == (
        datetime(2021, 1, 27, 18, 30, tzinfo=UTC), datetime(2021, 1, 27, 20, tzinfo=UTC),
    )  # fmt: skip
    assert one.instrument == Instrument.objects.get(symbol="AAPL")
    assert one.starts_at == datetime(2021, 7, 13, 12, tzinfo=UTC), "summer is four hours behind"


def test_a_second_run_changes_nothing_and_another_end_changes_its_event(load: Import) -> None:
    load(Events(), EVENTS, FOMC)
    assert counts(load(Events(), EVENTS, FOMC)) == (0, 0, 1, 0)
    assert counts(load(Events(), EVENTS, FOMC.replace("15:00", "16:00"))) == (0, 1, 0, 0)
    assert Blackout.objects.get().ends_at == datetime(2021, 1, 27, 21, tzinfo=UTC)


def test_the_column_of_symbols_may_be_absent(load: Import) -> None:
    assert counts(load(Events(), "start,end,event", FOMC[:-1])) == (1, 0, 0, 0)
    assert Blackout.objects.get().instrument is None


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("2021-01-27 15:00,2021-01-27 15:00,x,",
         "ends_at is not after starts_at: 2021-01-27 15:00 to 2021-01-27 15:00"),
        ("2021-01-27,2021-01-28,FOMC,", "starts_at is not a time (YYYY-MM-DD HH:MM:SS): '2021-01-27'"),
        ("2021-03-14 02:30,2021-03-14 04:00,x,", "starts_at is no time of that day in New York: 2021-03-14 02:30"),
        ("2021-01-27 13:30,2021-01-27 15:00, ,", "reason is missing"),
        (f"2021-01-27 13:30,2021-01-27 15:00,{'x' * 201},", "reason has 201 characters; 200 are kept"),
        ("2021-01-27 13:30,2021-01-27 15:00,a\\nb,", "reason has a character that is no text: 'a\\\\nb'"),
        ("2021-01-27 13:30,2021-01-27 15:00,FOMC,XYZZY", "unknown symbol: 'XYZZY' is no instrument; add it first"),
    ],
)  # fmt: skip
def test_events_that_cannot_be_true(load: Import, row: str, reason: str) -> None:
    report = load(Events(), EVENTS, row)
    assert counts(report) == (0, 0, 0, 1)
    assert reasons(report) == [reason]


def test_the_database_keeps_one_of_an_event_of_all() -> None:
    times = {"starts_at": datetime(2021, 1, 27, 18, 30, tzinfo=UTC), "ends_at": datetime(2021, 1, 27, 20, tzinfo=UTC)}
    Blackout.objects.create(reason="FOMC", **times)
    with pytest.raises(IntegrityError, match="blackout_once"), transaction.atomic():
        Blackout.objects.create(reason="FOMC", **times)
    Blackout.objects.create(reason="CPI", **times)
