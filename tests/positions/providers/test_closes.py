"""Daily closes of a provider: stored under its name, corrected by it alone, without gaps that nobody sees."""

from datetime import date, datetime, time
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from positions.market.calendar import new_york_instant
from positions.models import DailyClose, ProviderRun, Split
from tests import factories
from tests.positions.providers import answers
from tests.positions.providers import played as play
from tests.positions.providers.asking import NAME, generic, run
from tests.positions.providers.played import Stage

pytestmark = pytest.mark.django_db

FIRST, FRIDAY, MONDAY = date(2014, 1, 29), date(2014, 6, 6), date(2014, 6, 9)
FRIDAY_EVENING, MONDAY_EVENING = (new_york_instant(on, time(18)) for on in (FRIDAY, MONDAY))


@pytest.fixture(autouse=True)
def sessions() -> None:
    answers.sessions_2014()


def told(here: Stage, now: datetime, document: Any) -> ProviderRun:
    here.play("/eod/AAPL", play.says(document))
    return run(now)


def closes() -> dict[date, tuple[Decimal, Decimal]]:
    rows = DailyClose.objects.filter(instrument__symbol="AAPL", source=NAME)
    return {on: (close, adjusted) for on, close, adjusted in rows.values_list("session_on", "close", "adjusted_close")}


def test_ninety_sessions_are_asked_for_up_to_the_last_that_is_over(played: Stage) -> None:
    generic(played, "closes")
    made = told(played, new_york_instant(FRIDAY, time(12)), answers.daily(FIRST, date(2014, 6, 5)))
    [(_, query, _)] = played.asked
    assert query == {"from": "2014-01-28", "to": "2014-06-05"}
    assert (made.outcome, made.new, made.gaps) == ("ok", 89, {"AAPL": ["2014-01-28"]})


def test_they_are_stored_as_they_traded_and_adjusted(played: Stage) -> None:
    generic(played, "closes")
    made = told(played, FRIDAY_EVENING, answers.daily(FIRST, FRIDAY))
    assert (made.new, made.rejected, made.gaps) == (90, 0, {})
    assert closes()[FRIDAY] == (Decimal("645.57"), Decimal("645.57"))
    assert not DailyClose.objects.exclude(source=NAME).exists()


def test_what_is_known_is_not_written_again(played: Stage) -> None:
    generic(played, "closes")
    told(played, FRIDAY_EVENING, answers.daily(FIRST, FRIDAY))
    made = told(played, FRIDAY_EVENING, answers.daily(FIRST, FRIDAY))
    assert (made.new, made.changed, made.known) == (0, 0, 90)


def test_gaps_are_listed_and_closed_the_next_time(played: Stage) -> None:
    generic(played, "closes")
    whole = answers.daily(FIRST, FRIDAY)
    missing = {"data": [row for row in whole["data"] if row["date"] not in ("2014-03-03", "2014-06-05")]}
    assert told(played, FRIDAY_EVENING, missing).gaps == {"AAPL": ["2014-03-03", "2014-06-05"]}
    made = told(played, FRIDAY_EVENING, whole)
    assert (made.new, made.known, made.gaps) == (2, 88, {})


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("close", float("nan"), "close is not a finite number"),
        ("close", float("inf"), "close is not a finite number"),
        ("adjClose", float("-inf"), "adjusted_close is not a finite number"),
        ("close", -645.57, "close is negative"),
        ("close", 0, "close is zero"),
        ("close", "garbage", "close is no number"),
        ("close", True, "close is no number"),
        ("close", [645.57], "close is no number"),
        ("close", 1e300, "close is over 1,000,000"),
        ("close", 700.0, "close is not between low and high"),
        ("adjClose", None, "adjusted_close is missing"),
        ("adjClose", 1e-9, "adjusted_close is zero"),
        ("volume", 1.5, "volume is no whole number"),
        ("date", "2014-06-07", "session_on is not over yet"),
        ("date", "2015-06-05", "session_on is not over yet"),
        ("date", "2014-05-26", "session_on is no session of the exchange"),
        ("date", "2013-06-06", "session_on was not asked for"),
        ("date", "6 June", "session_on is no date"),
        ("date", None, "session_on is missing"),
    ],
)
def test_what_cannot_be_true_is_left_out_with_its_reason(played: Stage, field: str, value: object, reason: str) -> None:
    generic(played, "closes")
    document = answers.daily(FIRST, FRIDAY)
    document["data"][-1][field] = value
    made = told(played, FRIDAY_EVENING, document)
    assert (made.outcome, made.new, made.rejected, made.reasons) == ("ok", 89, 1, {reason: 1})
    assert made.gaps == {"AAPL": ["2014-06-06"]}
    assert FRIDAY not in closes()


def test_numbers_as_text_are_numbers(played: Stage) -> None:
    generic(played, "closes")

    def as_text(row: dict[str, Any]) -> None:
        row["close"] = str(row["close"])

    assert told(played, FRIDAY_EVENING, answers.daily(FIRST, FRIDAY, as_text)).new == 90
    assert closes()[FRIDAY][0] == Decimal("645.57")


def test_a_session_told_twice_the_same_is_one(played: Stage) -> None:
    generic(played, "closes")
    document = answers.daily(FIRST, FRIDAY)
    document["data"].append(dict(document["data"][-1]))
    made = told(played, FRIDAY_EVENING, document)
    assert (made.new, made.reasons) == (90, {"told twice": 1})


def test_a_session_told_twice_differently_is_none(played: Stage) -> None:
    generic(played, "closes")
    document = answers.daily(FIRST, FRIDAY)
    document["data"].append(document["data"][-1] | {"adjClose": 1.0})
    made = told(played, FRIDAY_EVENING, document)
    assert (made.new, made.reasons) == (89, {"told twice": 2})
    assert FRIDAY not in closes()


def test_a_symbol_that_was_not_asked_for_is_left_out(played: Stage) -> None:
    endpoint = answers.CLOSES_ENDPOINT | {
        "path": "/eod",
        "fields": answers.CLOSES_ENDPOINT["fields"] | {"symbol": "ticker"},
    }
    generic(played, "closes", settings={"endpoints": [endpoint]})
    document = answers.daily(FIRST, FRIDAY, lambda row: row.update(ticker="MSFT"))
    played.play("/eod", play.says(document))
    made = run(FRIDAY_EVENING)
    assert (made.new, made.reasons) == (0, {"symbol was not asked for": 90})
    assert len(made.gaps["AAPL"]) == 90


def test_a_close_of_another_source_stays(played: Stage) -> None:
    """A recording stays what was recorded, and one series is not adjusted by two."""
    apple = factories.instrument("AAPL", "stock")
    DailyClose.objects.create(instrument=apple, session_on=FRIDAY, close=1, adjusted_close=1, source="a recording")
    generic(played, "closes")
    made = told(played, FRIDAY_EVENING, answers.daily(FIRST, FRIDAY))
    assert (made.new, made.known) == (89, 0)
    assert made.reasons == {"stands on record from another source": 1}
    assert DailyClose.objects.get(session_on=FRIDAY).close == 1


# ---- The split: every close before it changes ----


def adjusted_returns() -> list[float]:
    rows = sorted((on, float(adjusted)) for on, (_, adjusted) in closes().items())
    return [later / earlier - 1 for (_, earlier), (_, later) in pairwise(rows)]


def test_after_it_the_adjusted_closes_of_the_past_are_corrected_and_nothing_jumps(played: Stage) -> None:
    generic(played, "closes")
    told(played, FRIDAY_EVENING, answers.daily(FIRST, FRIDAY))
    made = told(played, MONDAY_EVENING, answers.daily(FIRST, MONDAY))
    assert (made.new, made.changed, made.known, made.rejected) == (1, 89, 0, 1)
    assert made.reasons == {"session_on was not asked for": 1}  # the range has moved on by a session
    before, after = closes()[FRIDAY], closes()[MONDAY]
    assert before == (Decimal("645.57"), Decimal("92.22"))
    assert after == (Decimal("93.70"), Decimal("93.70"))
    assert max(map(abs, adjusted_returns()[1:])) < 0.09  # its largest move of the spring was 8%


def test_closes_that_are_not_adjusted_for_a_known_split_are_refused_whole(played: Stage) -> None:
    generic(played, "closes")
    told(played, FRIDAY_EVENING, answers.daily(FIRST, FRIDAY))
    apple = factories.instrument("AAPL", "stock")
    Split.objects.create(instrument=apple, effective_on=MONDAY, new_shares=7, old_shares=1, source="test")
    raw = answers.daily(FIRST, MONDAY)
    for row in raw["data"]:
        row["adjClose"] = row["close"]
    made = told(played, MONDAY_EVENING, raw)
    assert (made.new, made.changed) == (0, 0)
    assert made.reasons["adjusted_close is not adjusted for a known split"] == 90
    assert MONDAY not in closes()
    assert closes()[FRIDAY] == (Decimal("645.57"), Decimal("645.57"))


def test_half_a_correction_is_refused_whole(played: Stage) -> None:
    generic(played, "closes")
    told(played, FRIDAY_EVENING, answers.daily(FIRST, FRIDAY))
    half = answers.daily(FIRST, MONDAY)
    del half["data"][40:60]
    made = told(played, MONDAY_EVENING, half)
    assert (made.new, made.changed) == (0, 0)
    assert made.reasons["adjusted closes moved, and sessions that are stored were left out"] == 70
    assert max(map(abs, adjusted_returns())) < 0.09
    assert told(played, MONDAY_EVENING, answers.daily(FIRST, MONDAY)).changed == 89
