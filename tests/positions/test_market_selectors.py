"""What was known at a market time, and never more."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from positions import market_selectors as market
from positions.market.calendar import OutsideCalendar, new_york_instant
from positions.models import Fundamental, Instrument, OptionContract, VixReading
from positions.services.imports.index import VixDays
from positions.services.imports.options import OpenInterests, Quotes, Trades
from positions.services.imports.run import Kind, import_file
from positions.services.imports.sessions import Sessions
from positions.services.imports.underlying import Bars, Closes

pytestmark = pytest.mark.django_db

DAY = date(2021, 1, 4)
PUT = "spxw,european,2021-01-04,P,3800"
CALL = "spxw,european,2021-01-04,C,3700"
NEXT_PUT = "spxw,european,2021-01-06,P,3800.5"
TERMS = "ts,underlying,style,expiry,right,strike"


def at(hour: int, minute: int = 0, day: date = DAY) -> datetime:
    return new_york_instant(day, time(hour, minute))


@pytest.fixture
def load(tmp_path: Path):
    def load(kind: Kind, *lines: str, source: str = "test") -> None:
        path = tmp_path / "file.csv"
        path.write_text("\n".join(lines))
        assert import_file(kind, path, source=source).rejected == 0

    return load


@pytest.fixture
def recording(load) -> None:
    load(
        Quotes(),
        f"{TERMS},bid,bid_size,ask,ask_size",
        f"2021-01-04 09:35:00,{PUT},43.2,16,44.4,16",
        f"2021-01-04 09:36:00,{PUT},44.2,10,45.4,11",
        f"2021-01-04 09:35:00,{CALL},,0,57.6,15",
        f"2021-01-04 09:35:00,{NEXT_PUT},60,1,61,1",
    )
    load(Quotes(), f"{TERMS},bid,bid_size,ask,ask_size", f"2021-01-04 09:35:00,{PUT},1,1,2,1", source="another")
    load(
        Trades(),
        f"{TERMS},open,high,low,close,volume",
        f"2021-01-04 09:34:00,{PUT},43,43,43,43,5",
        f"2021-01-04 09:35:00,{PUT},43,43,43,43,7",
    )
    load(
        OpenInterests(),
        f"{TERMS},open_interest",
        f"2021-01-04 06:30:00,{CALL},1732",
        f"2021-01-05 06:30:00,{NEXT_PUT},9",
    )


def quoted(right_and_strike: str, now: datetime) -> market.QuotedContract:
    contract = OptionContract.objects.get(occ_symbol=f"SPXW  210104{right_and_strike}")
    return market.quoted_contracts([contract.pk], source="test", now=now)[0]


# ---- Options ----


def test_a_quote_is_read_from_the_end_of_its_bar_and_never_before(recording) -> None:
    assert quoted("P03800000", at(9, 35)).quoted_at is None
    first = quoted("P03800000", at(9, 36))
    assert (first.bid, first.bid_size, first.ask, first.ask_size) == (Decimal("43.2"), 16, Decimal("44.4"), 16)
    assert first.quoted_at == first.confirmed_at == at(9, 36)
    just_before = at(9, 37) - timedelta(microseconds=1)
    assert quoted("P03800000", just_before).bid == Decimal("43.2")
    assert quoted("P03800000", at(9, 37)).bid == Decimal("44.2")
    assert quoted("P03800000", at(16)).bid == Decimal("44.2")


def test_a_missing_side_is_none(recording) -> None:
    call = quoted("C03700000", at(9, 40))
    assert (call.bid, call.ask) == (None, Decimal("57.6"))


def test_volume_counts_bars_that_have_ended_today(recording) -> None:
    assert quoted("P03800000", at(9, 34)).volume_today is None  # no trade of the class is known yet
    assert quoted("P03800000", at(9, 35)).volume_today == 5
    assert quoted("P03800000", at(9, 36)).volume_today == 12
    assert quoted("C03700000", at(9, 36)).volume_today == 0  # its class traded, it did not
    assert quoted("P03800000", at(9, 36, date(2021, 1, 5))).volume_today is None


def test_open_interest_is_that_days_or_unknown(recording) -> None:
    assert quoted("C03700000", at(9, 40)).open_interest == 1732
    assert quoted("P03800000", at(9, 40)).open_interest is None
    [tomorrows] = market.option_chain("SPX", date(2021, 1, 6), source="test", now=at(9, 40))
    assert tomorrows.open_interest is None  # published for the 5th
    [tomorrows] = market.option_chain("SPX", date(2021, 1, 6), source="test", now=at(9, 40, date(2021, 1, 5)))
    assert tomorrows.open_interest == 9


def test_a_chain_holds_what_this_source_has_quoted_by_strike(recording) -> None:
    chain = market.option_chain("SPX", DAY, source="test", now=at(9, 40))
    assert [row.occ_symbol for row in chain] == ["SPXW  210104C03700000", "SPXW  210104P03800000"]
    assert [row.ask for row in market.option_chain("SPX", DAY, source="another", now=at(9, 40))] == [Decimal(2)]
    assert market.option_chain("SPX", DAY, source="test", now=at(9, 35)) == []


def test_expirations_are_those_quoted_and_not_past(recording) -> None:
    assert market.expirations("SPX", source="test", now=at(9, 40)) == [DAY, date(2021, 1, 6)]
    assert market.expirations("SPX", source="test", now=at(9, 40, date(2021, 1, 5))) == [date(2021, 1, 6)]
    assert market.expirations("SPX", source="test", now=at(9, 30)) == []


def test_underlyings_are_those_with_quoted_contracts(recording) -> None:
    assert market.quoted_underlyings(source="test", now=at(9, 40)) == ["SPX"]
    assert market.quoted_underlyings(source="test", now=at(9, 35)) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("SPXW 3800 P", ["210104P03800000", "210106P03800500"]),  # the exact strike first
        ("spx 3800.5", ["210106P03800500"]),
        ("3700", ["210104C03700000"]),
        ("spxw 0dte", ["210104C03700000", "210104P03800000"]),
        ("spxw 2dte", ["210106P03800500"]),
        ("spxw 2021-01-06", ["210106P03800500"]),
        ("SPXW  210104P03800000", ["210104P03800000"]),
        ("spxw210104p03800000", ["210104P03800000"]),
        ("qqq", []),
        ("", ["210104C03700000", "210104P03800000", "210106P03800500"]),
    ],
)
def test_search(recording, text: str, found: list[str]) -> None:
    rows = market.search_contracts(text, source="test", now=at(9, 40))
    assert [row.occ_symbol.removeprefix("SPXW  ") for row in rows] == found


def test_search_is_limited_and_refuses_with_a_sentence(recording) -> None:
    assert len(market.search_contracts("spxw", source="test", now=at(9, 40), limit=2)) == 2
    with pytest.raises(ValueError, match="“%” is not understood"):
        market.search_contracts("spxw %", source="test", now=at(9, 40))


def test_contracts_are_read_in_one_statement(recording) -> None:
    ids = [row.contract_id for row in market.search_contracts("", source="test", now=at(9, 40))]
    with CaptureQueriesContext(
        connection,
    ) as statements:
        rows = market.quoted_contracts(ids, source="test", now=at(9, 40, date(2021, 2, 1)))
    assert len(statements) == 1
    assert [row.contract_id for row in rows] == ids  # expired ones too


# ---- Underlyings ----


def test_the_latest_price_is_the_close_of_a_bar_that_has_ended(load) -> None:
    load(
        Bars(),
        "ts,symbol,open,high,low,close,volume",
        "2021-01-04 09:30:00,spx,3764,3769,3764,3768,0",
        "2021-01-04 09:31:00,spx,3768,3769,3764,3765,0",
        "2021-01-04 09:31:00,spy,375,376,374,375.5,100",
    )
    spx, spy = (Instrument.objects.get(symbol=symbol).id for symbol in ("SPX", "SPY"))
    assert market.underlying_prices([spx, spy], source="test", now=at(9, 30)) == {}
    known = market.underlying_prices([spx, spy], source="test", now=at(9, 31))
    assert known == {spx: market.UnderlyingPrice(spx, Decimal(3768), at(9, 31))}
    assert market.underlying_prices([spx, spy], source="test", now=at(15))[spy].price == Decimal("375.5")
    assert market.underlying_prices([spx], source="another", now=at(15)) == {}


SESSIONS = [date(2020, 12, 30), date(2020, 12, 31), DAY, date(2021, 1, 5)]


@pytest.fixture
def sessions(load) -> None:
    rows = [f"{day},{day} 14:30:00+00:00,{day} 21:00:00+00:00,False" for day in SESSIONS]
    load(Sessions({}), "session,open_utc,close_utc,early", *rows)


def test_closes_end_with_the_previous_session_and_follow_aliases(load, sessions) -> None:
    days = [f"{day},{symbol},{10 + n},{5 + n}" for n, day in enumerate(SESSIONS) for symbol in ("GOOGL", "AAPL")]
    load(Closes(), "date,symbol,close,adj_close", *(row for row in days if row != "2020-12-31,AAPL,11,6"))
    googl = Instrument.objects.get(symbol="GOOGL")
    goog = Instrument.objects.create(
        symbol="GOOG", name="Alphabet C", kind="stock", closes_alias=googl, closes_alias_label="GOOGL's closes"
    )
    aapl = Instrument.objects.get(symbol="AAPL")
    read = market.closes_before([goog.id, aapl.id], before=DAY, sessions=2, calendar=market.exchange_calendar())
    assert list(read) == sorted([aapl.id, goog.id])
    assert read[goog.id] == market.Closes(
        goog.id, "GOOGL's closes", (date(2020, 12, 30), date(2020, 12, 31)), (Decimal(5), Decimal(6))
    )
    assert read[aapl.id].days == (date(2020, 12, 30),)
    assert read[aapl.id].label == ""


def test_the_newest_fundamentals_known_by_a_date() -> None:
    instrument = Instrument.objects.create(symbol="AAPL", name="Apple", kind="stock")
    for as_of, ratio in ((date(2015, 8, 1), 11), (date(2015, 11, 16), 12), (date(2016, 2, 1), 13)):
        Fundamental.objects.create(instrument=instrument, as_of_on=as_of, pe_ratio=ratio, source="test")
    assert market.fundamentals_at([instrument.id], on=date(2015, 12, 23))[instrument.id].pe_ratio == 12
    assert market.fundamentals_at([instrument.id], on=date(2015, 11, 16))[instrument.id].pe_ratio == 12
    assert market.fundamentals_at([instrument.id], on=date(2015, 7, 1)) == {}


# ---- Calendar ----


def test_the_calendar_around_now_knows_its_ends(sessions) -> None:
    with CaptureQueriesContext(connection) as statements:
        calendar = market.calendar_around(at(10))
    assert len(statements) == 1
    assert calendar.previous(DAY).day == date(2020, 12, 31)
    assert calendar.session(date(2020, 12, 29)) is None  # before the first row, within the window
    with pytest.raises(OutsideCalendar, match=r"2021-01-05 \(the last known session"):
        calendar.next(date(2021, 1, 5))


@pytest.mark.parametrize("read", [market.exchange_calendar, lambda: market.calendar_around(at(10))])
def test_without_sessions_the_calendar_says_how_to_get_them(read) -> None:
    with pytest.raises(ValueError, match="import_sessions"):
        read()


# ---- VIX ----


@pytest.fixture
def vix(load) -> None:
    load(
        VixDays(),
        "date,open,high,low,close",
        "2020-12-31,22.99,23.25,21.24,22.75",
        "2021-01-04,23.04,29.19,22.56,26.97",
    )


@pytest.mark.parametrize(
    ("now", "level", "label", "session_on", "known_at"),
    [
        (at(9, 29), "22.75", "previous close", date(2020, 12, 31), at(16, 15, date(2020, 12, 31))),
        (at(9, 30), "23.04", "the day's open", DAY, at(9, 30)),
        (at(15, 59), "23.04", "the day's open", DAY, at(9, 30)),
        (at(18), "23.04", "the day's open", DAY, at(9, 30)),  # never that day's close
        (at(9, 0, date(2021, 1, 5)), "26.97", "previous close", DAY, at(16, 15)),
        (at(12, 0, date(2021, 1, 3)), "22.75", "previous close", date(2020, 12, 31), at(16, 15, date(2020, 12, 31))),
    ],
)
def test_recorded_vix(vix, now: datetime, level: str, label: str, session_on: date, known_at: datetime) -> None:
    assert market.recorded_vix(now) == market.VixLevel("VIX", Decimal(level), label, session_on, known_at)


@pytest.mark.parametrize(
    "now", [at(10, 0, date(2021, 1, 5)), at(9, 0, date(2021, 1, 20)), at(9, 0, date(2020, 12, 31))]
)
def test_an_old_vix_is_no_stand_in(vix, now: datetime) -> None:
    assert market.recorded_vix(now) is None


def test_live_vix_is_the_last_reading_by_now() -> None:
    for second, level in ((0, "20.1"), (30, "20.2")):
        VixReading.objects.create(
            index="VIX", kind="live", session_on=DAY, read_at=at(10) + timedelta(seconds=second), close=level,
            source="test",
        )  # fmt: skip
    assert market.live_vix(at(9, 59)) is None
    assert market.live_vix(at(10) + timedelta(seconds=29)).level == Decimal("20.1")
    assert market.live_vix(datetime(2021, 1, 4, 16, tzinfo=UTC)).level == Decimal("20.2")
    assert market.live_vix(at(11), index="VIX1D") is None


@pytest.mark.parametrize(
    ("kind", "source", "level", "label"),
    [
        ("live", "vendor", "20.1", "live"),
        ("simulated", "simulated 2021-01-04 #7", "31.0", "simulated"),
        ("recorded", "recording", "23.04", "the day's open"),
    ],
)
def test_each_market_has_its_own_vix_and_what_was_made_up_never_reaches_another(
    vix, kind: str, source: str, level: str, label: str
) -> None:
    for second, told, of in ((0, "20.1", "vendor"), (30, "31.0", "simulated 2021-01-04 #7")):
        VixReading.objects.create(
            index="VIX", kind="live", session_on=DAY, read_at=at(10) + timedelta(seconds=second), close=told, source=of
        )
    found = market.vix_at(at(11), clock_kind=kind, source=source)
    assert (found.level, found.label) == (Decimal(level), label)
