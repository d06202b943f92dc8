"""Each kind of file that is imported beside quotes: what of it is kept and what is rejected."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from positions.models import (
    DailyClose,
    ExchangeSession,
    Fundamental,
    Instrument,
    OpenInterest,
    OptionTradeBar,
    UnderlyingBar,
    VixReading,
)
from positions.services.imports.index import VixDays
from positions.services.imports.options import OpenInterests, Trades
from positions.services.imports.run import Kind, import_file
from positions.services.imports.sessions import Sessions, read_overrides
from positions.services.imports.source_file import UnusableFile
from positions.services.imports.underlying import Bars, Closes, Fundamentals
from tests.positions.conftest import Write, counts, rejects

pytestmark = pytest.mark.django_db


TRADE_HEADER = "ts,underlying,style,expiry,dte,right,strike,open,high,low,close,volume"
CLOSE_HEADER = "date,symbol,open,high,low,close,adj_close,volume"


def check(kind: Callable[[], Kind], path: Path, expected: list[tuple[int, str]], good: int) -> None:
    """Good rows are new once and known the second time; the bad ones are listed both times."""
    assert counts(import_file(kind(), path, source="test")) == (good, 0, 0, len(expected))
    assert counts(import_file(kind(), path, source="test")) == (0, 0, good, len(expected))
    found = rejects(path)
    assert [line for line, _ in found] == [line for line, _ in expected]
    for (_, reason), (_, said) in zip(expected, found, strict=True):
        assert said.startswith(reason)


def test_trades(write: Write) -> None:
    terms = "2021-01-04 09:35:00,spxw,european,2021-01-04,0,P,3800.0"
    path = write(
        TRADE_HEADER,
        f"{terms},43.2,44.0,43.0,43.5,12",
        f"{terms.replace('09:35', '09:36')},43.2,43.0,44.0,43.5,12",
        f"{terms.replace('09:35', '09:37')},45.2,44.0,43.0,43.5,12",
        f"{terms.replace('09:35', '09:38')},43.2,44.0,43.0,43.5,",
        f"{terms.replace('09:35', '09:39')},43.2,44.0,43.0,,12",
    )
    expected = [(3, "low 44.0 is above high 43.0"), (4, "open 45.2 is outside low 43.0"), (5, "volume is missing")]
    check(Trades, path, [*expected, (6, "close is missing")], good=1)
    bar = OptionTradeBar.objects.get()
    assert (bar.bar_at, bar.close, bar.volume) == (datetime(2021, 1, 4, 14, 36, tzinfo=UTC), Decimal("43.5"), 12)


def test_open_interest(write: Write) -> None:
    terms = "2021-01-04 06:30:00,spxw,european,2021-01-04,0,P,3800.0"
    path = write(
        "ts,underlying,style,expiry,dte,right,strike,open_interest",
        f"{terms},3515",
        f"{terms.replace('06:30', '06:31')},3516",
        f"{terms.replace('3800', '3700')},-1",
    )
    check(OpenInterests, path, [(3, "the same key"), (4, "open_interest is negative")], good=1)
    row = OpenInterest.objects.get()
    assert (row.as_of_on, row.contracts) == (date(2021, 1, 4), 3515)


def test_underlying_bars(write: Write) -> None:
    path = write(
        "ts,symbol,open,high,low,close,volume",
        "2021-01-04 09:30:00,spx,3764.61,3769.99,3764.61,3768.0,0",
        "2021-01-04 09:31:00,spx,3764.61,3769.99,3764.61,,0",
        "2021-01-04 09:32:00,,3764.61,3769.99,3764.61,3768,0",
    )
    check(Bars, path, [(3, "close is missing"), (4, "no symbol")], good=1)
    bar = UnderlyingBar.objects.select_related("instrument").get()
    assert (bar.instrument.symbol, bar.instrument.kind, bar.bar_at) == (
        "SPX", "index", datetime(2021, 1, 4, 14, 31, tzinfo=UTC),
    )  # fmt: skip


def test_daily_closes(write: Write) -> None:
    path = write(
        CLOSE_HEADER,
        "2010-01-04,AAPL,7.6225,7.660714,7.585,7.643214,6.515213,493729600",
        "2010-01-05,AAPL,,,,7.65,6.52,",
        "2010-01-09,AAPL,,,,7.65,6.52,",
        "2010-01-06,AAPL,,,,0,6.52,",
        "2010-01-07,AAPL,,,,0.00001,6.52,",
        "2010-01-08,AAPL,,8,7,9,6.52,",
        "2010-01-11,ENRON,,,,7.65,6.52,",
        "2010-01-12,AAPL,,,,7.65,nan,",
    )
    expected = [
        (4, "date is a Saturday"),
        (5, "close is zero"),
        (6, "close is zero"),
        (7, "close 9 is outside"),
        (8, "unknown symbol: 'ENRON'"),
        (9, "adj_close is nan"),
    ]
    check(Closes, path, expected, good=2)
    first, second = DailyClose.objects.order_by("session_on")
    assert (first.close, first.adjusted_close, first.volume) == (Decimal("7.6432"), Decimal("6.515213"), 493_729_600)
    assert (second.open, second.volume) == (None, None)


def test_a_stored_instrument_is_a_known_symbol(write: Write) -> None:
    Instrument.objects.create(symbol="ACME", name="Acme", kind="stock")
    path = write("date,symbol,close,adjusted_close", "2010-01-04,acme,7.65,7.65")
    assert counts(import_file(Closes(), path, source="test")) == (1, 0, 0, 0)


def test_vix(write: Write) -> None:
    path = write(
        "DATE,OPEN,HIGH,LOW,CLOSE",
        "2021-01-04,23.040000,29.190000,22.560000,26.970000",
        "1992-02-11,19.24,18.57,17.61,17.70",
        "2021-01-05,23.04,29.19,,26.97",
        "2021-01-06,23.04,22,23,26.97",
        "2021-01-07,0,29,22,26.97",
    )
    check(VixDays, path, [(4, "low is missing"), (5, "low 23 is above high 22"), (6, "open is zero")], good=2)
    reading = VixReading.objects.get(session_on=date(2021, 1, 4))
    assert (reading.index, reading.kind, reading.open, reading.close) == (
        "VIX", "daily", Decimal("23.04"), Decimal("26.97"),
    )  # fmt: skip


def test_vix1d_stands_beside_vix(write: Write) -> None:
    path = write("date,open,high,low,close", "2023-06-26,12,13,11,12.5")
    import_file(VixDays(), path, source="test")
    assert counts(import_file(VixDays("VIX1D"), path, source="test")) == (1, 0, 0, 0)


def test_fundamentals(write: Write) -> None:
    path = write(
        "instrument,date,earnings_surprise_pct,analyst_rating_buy,analyst_rating_sell,pe_ratio,sector_avg_pe",
        "AAPL,2015-11-16,4.5,72,6,12,20",
        "MSFT,2015-11-16,,,,,22",
        "TSLA,2015-11-16,-12,140,6,,18",
        "AMZN,2015-11-16,4,80,30,,",
        "META,2015-11-16,,,,,",
        "NVDA,2015-11-16,ten,,,,",
    )
    expected = [
        (4, "analyst_buy_percent is over 100: 140"),
        (5, "buy and sell ratings are over 100% together"),
        (6, "no input is given"),
        (7, "earnings_surprise_percent is not a number: 'ten'"),
    ]
    check(lambda: Fundamentals(is_illustrative=True), path, expected, good=2)
    row = Fundamental.objects.get(instrument__symbol="AAPL")
    assert (row.as_of_on, row.earnings_surprise_percent, row.is_illustrative) == (
        date(2015, 11, 16), Decimal("4.5"), True,
    )  # fmt: skip
    assert Fundamental.objects.get(instrument__symbol="MSFT").pe_ratio is None


SESSION_HEADER = "session,open_utc,close_utc,early"
SESSION = "2021-01-04,2021-01-04 14:30:00+00:00,2021-01-04 21:00:00+00:00,False"


def test_sessions(write: Write) -> None:
    path = write(
        SESSION_HEADER,
        SESSION,
        "2021-01-09,2021-01-09 14:30:00+00:00,2021-01-09 21:00:00+00:00,False",
        "2021-01-05,2021-01-05 14:30:00,2021-01-05 21:00:00+00:00,False",
        "2021-01-06,2021-01-06 21:30:00+00:00,2021-01-06 21:00:00+00:00,False",
        "2021-01-07,2021-01-08 14:30:00+00:00,2021-01-08 21:00:00+00:00,False",
        "2021-01-08,2021-01-08 14:30:00+00:00,2021-01-08 21:00:00+00:00,perhaps",
    )
    expected = [
        (3, "session is a Saturday"),
        (4, "hours has no UTC offset"),
        (5, "it closes at"),
        (6, "opens 2021-01-08"),
        (7, "early is neither"),
    ]
    check(lambda: Sessions({}), path, expected, good=1)


def test_an_override_stands_whatever_the_file_says(write: Write) -> None:
    session = write(SESSION_HEADER, SESSION, SESSION.replace("-04", "-05"), SESSION.replace("-04", "-06"))
    import_file(Sessions({}), session, source="library")
    overrides = write(
        "session,opens,closes,reason",
        "2021-01-04,,,a storm",
        "2021-01-05,09:30,13:00,a half-day",
        "2021-01-07,09:30,16:00,forgotten",
        name="overrides.csv",
    )
    for new, changed, known in ((1, 1, 1), (0, 0, 3)):
        report = import_file(Sessions(read_overrides(overrides)), session, source="library")
        assert counts(report) == (new, changed, known, 1)
    assert rejects(session) == [(2, "overridden: the exchange is closed on 2021-01-04 (a storm)")]
    rows = ExchangeSession.objects.order_by("session_on").values_list("session_on__day", "close_at__hour", "source")
    assert list(rows) == [(5, 18, "override"), (6, 21, "library"), (7, 21, "override")]


@pytest.mark.parametrize("row", ["2021-01-04,09:30,,half", "2021-01-04,,,", "2021-01-04,25:00,26:00,x", "2021-01-04"])
def test_an_override_that_cannot_be_read_is_refused(write: Write, row: str) -> None:
    with pytest.raises(UnusableFile, match=r"overrides\.csv, line 2"):
        read_overrides(write("session,opens,closes,reason", row, name="overrides.csv"))
