"""Alpaca through alpaca-py, played in the shapes it documents, with the same guards on the wire."""

import subprocess
import sys
import time as wall
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any

import pytest

from positions.market.calendar import new_york_instant
from positions.models import DailyClose, OptionQuote, Split, UnderlyingBar
from positions.services.portfolio import ClockSetting
from tests import factories
from tests.positions.providers import answers
from tests.positions.providers import played as play
from tests.positions.providers.asking import alpaca, run
from tests.positions.providers.played import Stage
from tests.riskengine import market

pytestmark = pytest.mark.django_db

FIRST, FRIDAY, MONDAY = date(2014, 1, 29), date(2014, 6, 6), date(2014, 6, 9)
NOON, EVENING = new_york_instant(FRIDAY, time(12)), new_york_instant(FRIDAY, time(18))
BARS, TRADES, LATEST = "/v2/stocks/bars", "/v2/stocks/trades/latest", "/v1beta1/options/quotes/latest"
CHAIN, ACTIONS = "/v1beta1/options/snapshots/AAPL", "/v1/corporate-actions"
COMPACT = "AAPL140613C00645000"


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    answers.sessions_2014()
    monkeypatch.setenv("APCA_API_KEY_ID", "key id")
    monkeypatch.setenv("APCA_API_SECRET_KEY", "s3cret")


def held(**changes: Any) -> None:
    live = factories.portfolio(quote_source="alpaca", clock=ClockSetting(kind="live"), now=NOON)
    contract = market.stock("AAPL", "645", expires=date(2014, 6, 13))
    factories.position(live, contract=contract, entry_at=NOON - timedelta(hours=1))


def both_bars(raw: Any, adjusted: Any) -> list[play.Play]:
    return [play.says(raw), play.says(adjusted)]


# ---- History ----


def test_bars_come_raw_and_adjusted_page_by_page(played: Stage) -> None:
    alpaca(played, "closes")
    raw, adjusted = answers.bars(FIRST, FRIDAY), answers.bars(FIRST, FRIDAY, adjusted_until=FRIDAY)
    pages = [answers.bars_page(raw[:50], "next"), answers.bars_page(raw[50:]), answers.bars_page(adjusted)]
    played.play(BARS, *map(play.says, pages))
    made = run(EVENING)
    assert (made.outcome, made.new, made.rejected, made.gaps) == ("ok", 90, 0, {})
    row = DailyClose.objects.get(session_on=FRIDAY)
    assert (row.close, row.adjusted_close, row.source) == (Decimal("645.57"), Decimal("645.57"), "alpaca")
    queries = [query for _, query, _ in played.asked]
    assert [query["adjustment"] for query in queries] == ["raw", "raw", "all"]
    assert (queries[1]["page_token"], queries[0]["timeframe"], queries[0]["feed"]) == ("next", "1Day", "iex")
    assert queries[0]["symbols"] == "AAPL"
    headers = played.asked[0][2]
    assert headers["APCA-API-KEY-ID"] == "key id"


def test_a_session_without_an_adjusted_bar_is_refused_and_a_gap(played: Stage) -> None:
    alpaca(played, "closes")
    raw, adjusted = answers.bars(FIRST, FRIDAY), answers.bars(FIRST, FRIDAY, adjusted_until=FRIDAY)
    played.play(BARS, *both_bars(answers.bars_page(raw), answers.bars_page(adjusted[:-1])))
    made = run(EVENING)
    assert (made.new, made.reasons) == (89, {"adjusted_close is missing": 1})
    assert made.gaps == {"AAPL": ["2014-06-06"]}


def test_the_split_comes_as_a_corporate_action(played: Stage) -> None:
    alpaca(played, "splits")
    played.play(ACTIONS, play.says(answers.APPLES_SPLIT))
    assert run(NOON).new == 1
    split = Split.objects.get()
    assert (split.effective_on, split.new_shares, split.old_shares, split.source) == (MONDAY, 7, 1, "alpaca")
    query = played.asked[0][1]
    assert (query["types"], query["start"], query["end"]) == ("forward_split,reverse_split", "2014-05-30", "2014-07-21")


def test_after_the_split_all_adjusted_closes_are_corrected(played: Stage) -> None:
    alpaca(played, "closes")
    for last, evening in ((FRIDAY, EVENING), (MONDAY, new_york_instant(MONDAY, time(18)))):
        raw, adjusted = answers.bars(FIRST, last), answers.bars(FIRST, last, adjusted_until=last)
        played.play(BARS, *both_bars(answers.bars_page(raw), answers.bars_page(adjusted)))
        made = run(evening)
    assert (made.new, made.changed) == (1, 89)
    assert DailyClose.objects.get(session_on=FRIDAY).adjusted_close == Decimal("92.22")


# ---- Quotes ----


def test_trades_of_underlyings_and_quotes_of_what_is_held(played: Stage) -> None:
    held()
    alpaca(played, "quotes")
    played.play(TRADES, play.says(answers.trades(647.35, "2014-06-06T15:59:59.123456789Z")))
    quote = answers.option_quote(12.2, 12.35, "2014-06-06T15:59:58.5Z", 45, 38)
    played.play(LATEST, play.says(answers.option_quotes(**{COMPACT: quote})))
    made = run(NOON)
    assert (made.outcome, made.new, made.rejected, made.gaps) == ("ok", 2, 0, {})
    assert UnderlyingBar.objects.get(source="alpaca").close == Decimal("647.35")
    found = OptionQuote.objects.get(source="alpaca")
    assert (found.bid, found.bid_size, found.ask, found.ask_size) == (Decimal("12.2"), 45, Decimal("12.35"), 38)
    assert played.asked[1][1]["feed"] == "opra"


def test_a_side_of_0_for_0_is_a_missing_one(played: Stage) -> None:
    held()
    alpaca(played, "quotes")
    played.play(TRADES, play.says({"trades": {}}))
    quote = answers.option_quote(0, 0.04, "2014-06-06T15:59:58Z", 0, 113)
    played.play(LATEST, play.says(answers.option_quotes(**{COMPACT: quote})))
    assert run(NOON).new == 1
    assert OptionQuote.objects.get().bid is None


def test_the_chain_around_the_money_is_asked_for_where_it_is_wanted(played: Stage) -> None:
    alpaca(played, "quotes", settings={"chain_days": 9, "chain_percent": 2})
    played.play(TRADES, play.says(answers.trades(647.35, "2014-06-06T15:59:59Z")))
    snapshots = {
        COMPACT: {"latestQuote": answers.option_quote(12.2, 12.35, "2014-06-06T15:59:58Z")},
        "AAPL140613C00650000": {"latestQuote": answers.option_quote(9.4, 9.5, "2014-06-06T15:59:58Z")},
        "AAPL140613P00650000": {"latestTrade": {"p": 12.0}},
        "MSFT140613P00040000": {"latestQuote": answers.option_quote(1, 2, "2014-06-06T15:59:58Z")},
    }
    played.play(CHAIN, play.says({"snapshots": snapshots, "next_page_token": None}))
    made = run(NOON)
    assert (made.new, made.reasons) == (3, {"contract was not asked for": 1})
    query = played.asked[1][1]
    assert (query["expiration_date_gte"], query["expiration_date_lte"]) == ("2014-06-06", "2014-06-15")
    assert float(query["strike_price_gte"]) == pytest.approx(634.403)


def test_an_index_is_not_asked_for_where_there_is_none(played: Stage) -> None:
    factories.instrument("SPX", "index")
    alpaca(played, "quotes", symbols="SPX AAPL")
    played.play(TRADES, play.says({"trades": {}}))
    assert run(NOON).outcome == "ok"
    assert played.asked[0][1]["symbols"] == "AAPL"


# ---- On the wire ----


@pytest.mark.parametrize(
    "silence",
    [play.hangs, play.hangs_in_the_middle, play.trickles, play.trickles_headers],
    ids=lambda each: each.__name__,
)
def test_the_library_sets_no_time_out_and_is_left_in_its_time_all_the_same(played: Stage, silence: play.Play) -> None:
    alpaca(played, "closes", timeout_seconds=1)
    played.play(BARS, silence)
    began = wall.monotonic()
    assert run(EVENING).code == "PROVIDER_TIMEOUT"
    assert wall.monotonic() - began < 6  # the first test imports the library


def test_429_is_waited_out_by_us_and_not_for_three_seconds_a_time(played: Stage) -> None:
    alpaca(played, "closes")
    page = answers.bars_page(answers.bars(FIRST, FRIDAY))
    played.play(BARS, play.status(429), play.says(page), play.says(page))
    began = wall.monotonic()
    assert run(EVENING).new == 90
    assert wall.monotonic() - began < 2.5


def test_pages_without_an_end_end_at_the_deadline(played: Stage) -> None:
    alpaca(played, "closes", timeout_seconds=1, requests_per_minute=10_000)
    played.play(BARS, play.says(answers.bars_page([], "again")))
    began = wall.monotonic()
    assert run(EVENING).code in ("PROVIDER_TIMEOUT", "PROVIDER_RATE_LIMITED")
    assert wall.monotonic() - began < 2.5
    so_far = len(played.asked)
    wall.sleep(0.3)
    assert len(played.asked) <= so_far + 1  # nobody goes on asking behind our back


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (play.status(401), "PROVIDER_REFUSED"),
        (play.says({"message": "forbidden."}, 403), "PROVIDER_REFUSED"),
        (play.status(503), "PROVIDER_UNAVAILABLE"),
        (play.body(b"<html>"), "PROVIDER_GARBAGE"),
        (play.body(b'{"bars": {"AAPL": [{"t": "2014'), "PROVIDER_GARBAGE"),
        (play.says([]), "PROVIDER_GARBAGE"),
        (play.says({}), "PROVIDER_GARBAGE"),
        (play.says({"bars": None}), "PROVIDER_GARBAGE"),
        (play.says({"bars": {"AAPL": [7]}}), "PROVIDER_GARBAGE"),
        (play.says({"bars": {"AAPL": [{}]}}), "PROVIDER_GARBAGE"),
    ],
)
def test_its_failures_have_the_same_codes(played: Stage, script: play.Play, code: str) -> None:
    alpaca(played, "closes")
    played.play(BARS, script)
    made = run(EVENING)
    assert (made.outcome, made.code) == ("failed", code)
    assert not DailyClose.objects.exists()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"bp": float("nan")}, "bid is not a finite number"),
        ({"ap": -1}, "ask is negative"),
        ({"ap": "12.35x"}, "ask is no number"),
        ({"t": "2014-06-06T16:00:09Z"}, "at has not come yet"),
        ({"t": None}, "at is missing"),
    ],
)
def test_its_values_are_judged_one_by_one(played: Stage, changed: dict[str, Any], reason: str) -> None:
    held()
    alpaca(played, "quotes")
    played.play(TRADES, play.says(answers.trades(647.35, "2014-06-06T15:59:59Z")))
    quote = answers.option_quote(12.2, 12.35, "2014-06-06T15:59:58Z") | changed
    played.play(LATEST, play.says(answers.option_quotes(**{COMPACT: quote})))
    made = run(NOON)
    assert (made.outcome, made.new, made.reasons) == ("ok", 1, {reason: 1})
    assert not OptionQuote.objects.exists()


def test_its_library_is_loaded_by_nobody_who_does_not_ask_it() -> None:
    """100 MB that no worker needs before there is a provider of this kind."""
    program = (
        "import django; django.setup(); import riskengine.tasks, positions.admin, positions.services.refresh, sys;"
        "print([name for name in ('alpaca', 'pandas', 'pydantic') if name in sys.modules])"
    )
    environment = {"DJANGO_SETTINGS_MODULE": "tests.settings", "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == "[]"
