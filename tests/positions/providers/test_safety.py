"""A provider that hangs, answers garbage or answers late never blocks a check and never sizes a bet."""

import threading
import time as wall
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from positions.models import (
    Decision,
    Heartbeat,
    OptionQuote,
    Order,
    ProviderRun,
    VixReading,
)
from positions.services.refresh import refresh
from riskengine.services.decide.entries import authorise_entry
from riskengine.services.decide.request import EntryRequest
from riskengine.services.watch.monitoring import run_check
from tests import factories
from tests.positions.providers import answers
from tests.positions.providers import played as play
from tests.positions.providers.asking import generic, run
from tests.positions.providers.played import Stage
from tests.riskengine import market
from tests.riskengine.watch.desk import Desk, go_live, seven

COMPACT = "AAPL210111C00130000"
SETTINGS = {"endpoints": [answers.QUOTES_ENDPOINT]}


def watched() -> Desk:
    """AAPL 130 calls in a live portfolio, whose quotes come from the provider alone: none is stored yet."""
    desk = go_live(seven())
    OptionQuote.objects.all().delete()
    now = desk.bet.at
    VixReading.objects.create(
        index="VIX", kind="live", session_on=desk.day, read_at=now, close=Decimal(18), source=market.SOURCE
    )
    Heartbeat.objects.create(
        portfolio=desk.portfolio, scope="risk", finished_at=now - timedelta(seconds=2), market_at=now
    )
    return desk


def bet_of(desk: Desk) -> None:
    """A refusal of two minutes ago: what was decided on lately, the provider is asked for."""
    ago = desk.bet.at - timedelta(minutes=2)
    factories.refused(desk.portfolio, "NO_QUOTE", contract=desk.contract, decided_at=ago, expires_at=ago)


def quoted(at: datetime, bid: object = 4.95, ask: object = 5.00) -> dict[str, Any]:
    row = {"bid": {"price": bid, "size": 20}, "ask": {"price": ask, "size": 20}, "time": at.isoformat()}
    return {"quotes": {COMPACT: row}}


def entry(desk: Desk, at: datetime) -> Decision:
    made = authorise_entry(
        portfolio=desk.portfolio,
        request=EntryRequest(desk.contract, Decimal("0.70")),
        now=at,
        actor=None,
        actor_name="test",
        idempotency_key="",
    )
    return made.decision


def provided(desk: Desk, here: Stage, *script: play.Play, **changes: Any) -> ProviderRun:
    generic(here, "quotes", name=market.SOURCE, settings=SETTINGS, **changes)
    here.play("/quotes", *script)
    return run(desk.bet.at)


# ---- Never sizes a bet ----


@pytest.mark.django_db
def test_a_sound_quote_sizes_a_bet(played: Stage) -> None:
    """The control: in what follows only the provider is at fault."""
    desk = watched()
    bet_of(desk)
    made = provided(desk, played, play.says(quoted(desk.bet.at)))
    assert (made.new, made.rejected) == (1, 0)
    decision = entry(desk, desk.bet.at + timedelta(seconds=1))
    assert (decision.approved, decision.refusal_sentence) == (True, "")
    assert Order.objects.get().contract == desk.contract


NAN, INFINITY = float("nan"), float("inf")
Script = Callable[[datetime], play.Play]
AT_FAULT: dict[str, Script] = {
    "hangs": lambda at: play.hangs,
    "hangs in the middle": lambda at: play.hangs_in_the_middle,
    "trickles": lambda at: play.trickles,
    "answers after the deadline": lambda at: play.late(1.3, play.says(quoted(at))),
    "answers 500": lambda at: play.status(500),
    "answers 429": lambda at: play.status(429),
    "answers a page": lambda at: play.body(b"<html>down for maintenance</html>"),
    "is cut off": lambda at: play.body(b'{"quotes": {"AAPL210111C00130000": {"bid": {"price": 4.95'),
    "answers NaN": lambda at: play.says(quoted(at, NAN, NAN)),
    "answers Infinity": lambda at: play.says(quoted(at, 4.95, INFINITY)),
    "answers a negative price": lambda at: play.says(quoted(at, -4.95, -4.90)),
    "answers words": lambda at: play.says(quoted(at, "low", "high")),
    "answers for tomorrow": lambda at: play.says(quoted(at + timedelta(days=1))),
    "answers of another contract": lambda at: play.says(
        {"quotes": {"AAPL210111C00131000": quoted(at)["quotes"][COMPACT]}}
    ),
}


@pytest.mark.django_db
@pytest.mark.parametrize("fault", AT_FAULT)
def test_one_that_fails_leaves_nothing_that_a_bet_could_be_sized_on(played: Stage, fault: str) -> None:
    desk = watched()
    bet_of(desk)
    made = provided(desk, played, AT_FAULT[fault](desk.bet.at), timeout_seconds=1)
    assert made.new == 0
    assert made.outcome == "failed" or made.rejected == 1
    decision = entry(desk, desk.bet.at + timedelta(seconds=1))
    assert not decision.approved
    assert (decision.refusal_code, decision.refusal_sentence) == (
        "STALE_QUOTE",
        "There is no quote of this contract today.",
    )
    assert (decision.contracts, decision.dollars) == (0, 0)
    assert not Order.objects.exists()


@pytest.mark.django_db
def test_a_quote_that_is_an_hour_old_is_stale_however_fast_it_came(played: Stage) -> None:
    desk = watched()
    bet_of(desk)
    assert provided(desk, played, play.says(quoted(desk.bet.at - timedelta(hours=1)))).new == 1
    decision = entry(desk, desk.bet.at + timedelta(seconds=1))
    assert (decision.approved, decision.refusal_code) == (False, "STALE_QUOTE")
    assert not Order.objects.exists()


@pytest.mark.django_db
def test_after_a_sound_quote_silence_makes_it_stale(played: Stage) -> None:
    desk = watched()
    bet_of(desk)
    provided(desk, played, play.says(quoted(desk.bet.at)))
    played.play("/quotes", play.says(quoted(desk.bet.at)))  # the same stamp for ever
    later = desk.bet.at + timedelta(seconds=40)
    run(later)
    market.bar("AAPL", later)
    assert entry(desk, later + timedelta(seconds=1)).refusal_code == "STALE_QUOTE"


@pytest.mark.django_db
@pytest.mark.parametrize("fault", ["answers NaN", "answers a negative price", "is cut off", "answers for tomorrow"])
def test_garbage_moves_no_stop_and_sells_nothing(played: Stage, fault: str) -> None:
    desk = watched()
    position = desk.hold(40, "5.00", regime="seven_day")
    provided(desk, played, play.says(quoted(desk.bet.at)))
    played.play("/quotes", AT_FAULT[fault](desk.bet.at))
    run(desk.bet.at + timedelta(seconds=5))
    for seconds in (6, 7):
        run_check(now=desk.bet.at + timedelta(seconds=seconds), scope="risk", exclusive=False)
    assert desk.sold() == []
    position.refresh_from_db()
    assert (position.current_stop, position.high_water) == (Decimal("4.00"), Decimal("5.00"))


# ---- Never blocks a check ----


def timed_checks(desk: Desk, first: int, number: int = 8) -> list[float]:
    """Seconds that checks of both kinds take."""
    took = []
    for place in range(number):
        began = wall.perf_counter()
        now = desk.bet.at + timedelta(seconds=first + place)
        run_check(now=now, scope=("exit", "risk")[place % 2], exclusive=False)
        took.append(wall.perf_counter() - began)
    return took


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("silence", [play.hangs, play.trickles], ids=lambda each: each.__name__)
def test_while_a_provider_hangs_checks_take_their_usual_time(played: Stage, silence: play.Play) -> None:
    """Statements and locks are the product's own; the process that hangs is another queue's, here another thread."""
    desk = watched()
    desk.hold(40, "5.00", regime="seven_day")
    desk.quote(desk.bet.at, "5.00", "5.05")
    timed_checks(desk, 1, 2)  # what only a first one does
    usual = timed_checks(desk, 3)
    generic(played, "quotes", name=market.SOURCE, settings=SETTINGS, timeout_seconds=6)
    played.play("/quotes", silence)

    def ask() -> None:
        refresh(now=desk.bet.at + timedelta(seconds=2))
        connection.close()

    asking = threading.Thread(target=ask)
    asking.start()
    while not played.asked:
        wall.sleep(0.01)
    meanwhile = timed_checks(desk, 20)
    assert asking.is_alive(), "it hung all the while"
    assert max(meanwhile) < max(usual) * 3 + 0.5, (usual, meanwhile)
    assert set(Heartbeat.objects.values_list("scope", flat=True)) == {"exit", "risk"}
    asking.join(20)
    assert ProviderRun.objects.get().code == "PROVIDER_TIMEOUT"


@pytest.mark.django_db(transaction=True)
def test_while_a_provider_hangs_a_stop_is_sold(played: Stage) -> None:
    desk = watched()
    desk.hold(40, "5.00", regime="seven_day")
    generic(played, "quotes", name=market.SOURCE, settings=SETTINGS, timeout_seconds=4)
    played.play("/quotes", play.hangs)
    asking = threading.Thread(target=lambda: (refresh(now=desk.bet.at), connection.close()))
    asking.start()
    while not played.asked:
        wall.sleep(0.01)
    for seconds in (2, 3):  # quotes of the exchange reach the product by another way, an API push for one
        at = desk.bet.at + timedelta(seconds=seconds)
        desk.quote(at, f"3.9{seconds}", "4.00")
        run_check(now=at, scope="risk", exclusive=False)
    assert asking.is_alive()
    assert desk.sold() == [("stop", 40)]
    asking.join(20)


def test_no_check_and_no_entry_knows_of_providers() -> None:
    """By construction: what judges reads stored rows, and imports nothing that asks."""
    rooms = Path(__file__).resolve().parents[3] / "riskengine"
    knowing = {
        str(file.relative_to(rooms))
        for file in rooms.rglob("*.py")
        if "market.providers" in file.read_text() or "services.refresh" in file.read_text()
    }
    assert knowing == {"tasks.py"}
