"""The schedule of questions: asked once, in time, whoever else hangs; and every failure is a run with a code."""

import threading
import time as wall
from datetime import date, datetime, time, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from betsizing.management.commands.up import QUEUES
from positions.market.calendar import new_york_instant
from positions.models import DailyClose, DataProvider, ProviderRun, Supply
from positions.recorded import CLOSES_SOURCE
from positions.services import refresh as module
from positions.services.refresh import Refreshed, refresh
from riskengine import tasks
from tests.positions.market_day import portfolio
from tests.positions.providers import answers
from tests.positions.providers import played as play
from tests.positions.providers.asking import NAME, generic, idle_connections_in_transaction, run
from tests.positions.providers.played import Stage
from tests.positions.test_working_races import at_once

pytestmark = pytest.mark.django_db

FIRST, FRIDAY = date(2014, 1, 29), date(2014, 6, 6)
EVENING = new_york_instant(FRIDAY, time(18))
SOUND = answers.daily(FIRST, FRIDAY)


@pytest.fixture(autouse=True)
def sessions(db: None) -> None:
    answers.sessions_2014()


def failed(here: Stage, *script: play.Play, **changes: Any) -> ProviderRun:
    """The run of a question for closes that ends badly: nothing is stored."""
    generic(here, "closes", **changes)
    here.play("/eod/AAPL", *script)
    made = run(EVENING)
    assert (made.outcome, made.new, made.changed, made.known) == ("failed", 0, 0, 0)
    assert made.sentence.endswith(".")
    assert not DailyClose.objects.exists()
    return made


# ---- What goes wrong ----


@pytest.mark.parametrize(
    "silence",
    [play.hangs, play.hangs_in_the_middle, play.trickles, play.trickles_headers],
    ids=lambda each: each.__name__,
)
def test_one_that_hangs_is_left_in_its_time(played: Stage, silence: play.Play) -> None:
    began = wall.monotonic()
    assert failed(played, silence, timeout_seconds=1).code == "PROVIDER_TIMEOUT"
    assert wall.monotonic() - began < 2.5


def test_an_answer_after_the_deadline_is_discarded_though_it_is_sound(played: Stage) -> None:
    made = failed(played, play.late(1.4, play.says(SOUND)), timeout_seconds=1)
    assert made.code == "PROVIDER_TIMEOUT"
    wall.sleep(0.8)  # it is there by now
    assert not DailyClose.objects.exists()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<!doctype html><title>Sign in</title>", "no JSON"),
        (b'{"data": [{"date": "2014-06-06", "clo', "no JSON"),
        (b"", "no JSON"),
        (b"\xff\xfe\x00", "no JSON"),
        (b"[" * 200_000, "no JSON"),
        (b'{"message": "no such symbol"}', "another shape"),
        (b"[]", "another shape"),
        (b"null", "another shape"),
        (b'{"data": 7}', "another shape"),
    ],
)
def test_what_is_no_answer_is_garbage(played: Stage, body: bytes, words: str) -> None:
    made = failed(played, play.body(body, **{"Content-Type": "text/html"}))
    assert made.code == "PROVIDER_GARBAGE"
    assert words in made.sentence


@pytest.mark.parametrize("document", [{"data": [None, 7, "x", [], {}]}, {"data": {"a": {"b": {}}}}])
def test_rows_that_are_no_rows_are_counted(played: Stage, document: object) -> None:
    generic(played, "closes")
    played.play("/eod/AAPL", play.says(document))
    made = run(EVENING)
    assert (made.outcome, made.new) == ("ok", 0)
    assert made.reasons == {"session_on is missing": len(document["data"])}  # type: ignore[index]


def test_refused_limited_and_unavailable_have_their_codes(played: Stage) -> None:
    assert failed(played, play.status(401), timeout_seconds=20).code == "PROVIDER_REFUSED"
    for code, expected in ((429, "PROVIDER_RATE_LIMITED"), (503, "PROVIDER_UNAVAILABLE")):
        played.play("/eod/AAPL", play.status(code))
        assert run(EVENING).code == expected


def test_after_a_fault_that_passes_the_answer_is_stored(played: Stage) -> None:
    generic(played, "closes")
    played.play("/eod/AAPL", play.status(500), play.says(SOUND))
    assert run(EVENING).new == 90


def test_a_variable_that_is_not_set_is_named_and_nobody_is_asked(played: Stage) -> None:
    made = failed(played, play.says(SOUND), key_variable="MARKET_DATA_NOT_SET")
    assert made.code == "PROVIDER_NOT_CONFIGURED"
    assert "MARKET_DATA_NOT_SET" in made.sentence
    assert played.asked == []


def test_the_credential_goes_where_it_is_said_and_into_no_run(played: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKET_DATA_KEY", "s3cret")
    settings = {"endpoints": answers.ENDPOINTS, "credential": {"header": "Authorization", "prefix": "Bearer "}}
    generic(played, "closes", key_variable="MARKET_DATA_KEY", settings=settings)
    played.play("/eod/AAPL", play.says(SOUND))
    run(EVENING)
    assert played.asked[-1][2]["Authorization"] == "Bearer s3cret"
    DataProvider.objects.update(settings=settings | {"credential": {"query": "apikey"}})
    played.play("/eod/AAPL", play.hangs_up)
    made = run(EVENING)
    assert played.asked[-1][1]["apikey"] == "s3cret"
    assert made.code == "PROVIDER_UNAVAILABLE"
    assert "s3cret" not in made.sentence


def test_an_address_of_the_own_network_is_refused(played: Stage, settings: Any) -> None:
    provider = generic(played, "closes")
    settings.PROVIDERS_ALLOW_PRIVATE_ADDRESSES = False
    DataProvider.objects.filter(pk=provider.pk).update(base_url=played.url.replace("http:", "https:"))
    assert run(EVENING).code == "PROVIDER_ADDRESS_REFUSED"
    assert played.asked == []


def test_a_recording_is_not_written_into(played: Stage) -> None:
    assert failed(played, play.says(SOUND), name=CLOSES_SOURCE).code == "SOURCE_RESERVED"
    assert played.asked == []


def test_the_source_of_a_recorded_portfolio_is_reserved_from_then_on(played: Stage) -> None:
    recorded = portfolio()
    assert failed(played, play.says(SOUND), name=recorded.quote_source).code == "SOURCE_RESERVED"


def test_what_nobody_foresaw_stops_no_other_provider(played: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    store = module.store_answer

    def stumble(answer: Any, asked: Any, provider: DataProvider, **given: Any) -> Any:
        if provider.name == "stumbling":
            raise ZeroDivisionError
        return store(answer, asked, provider, **given)

    monkeypatch.setattr(module, "store_answer", stumble)
    generic(played, "closes", name="stumbling")
    generic(played, "closes")
    played.play("/eod/AAPL", play.says(SOUND))
    assert refresh(now=EVENING) == Refreshed(answered=1, failed=1)
    assert ProviderRun.objects.get(outcome="failed").code == "PROVIDER_FAILED"
    assert DailyClose.objects.filter(source=NAME).count() == 90


# ---- When ----


def test_nothing_configured_is_one_statement() -> None:
    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert refresh(now=EVENING) == Refreshed()
    assert len(asked) == 1


def test_one_that_is_switched_off_is_not_asked(played: Stage) -> None:
    generic(played, "closes", enabled=False)
    assert refresh(now=EVENING) == Refreshed()
    assert played.asked == []


def test_it_is_asked_again_when_its_interval_has_passed(played: Stage) -> None:
    generic(played, "closes")
    played.play("/eod/AAPL", play.says(SOUND))
    for seconds, runs in ((0, 1), (59, 1), (61, 2)):
        refresh(now=EVENING + timedelta(seconds=seconds))
        assert ProviderRun.objects.count() == runs


def test_who_fails_is_asked_ever_more_rarely_and_at_once_again_after_a_success(played: Stage) -> None:
    generic(played, "closes")
    played.play("/eod/AAPL", play.status(404))
    pauses = []
    for _ in range(5):
        run(EVENING)
        supply = Supply.objects.get()
        pauses.append(round((supply.next_at - EVENING).total_seconds()))  # type: ignore[operator]
    assert pauses == [60, 120, 240, 300, 300]
    played.play("/eod/AAPL", play.says(SOUND))
    run(EVENING)
    assert Supply.objects.get().failures == 0


def test_it_is_not_asked_before_the_provider_said(played: Stage) -> None:
    failed(played, play.status(429, **{"Retry-After": "900"}))
    assert Supply.objects.get().next_at >= EVENING + timedelta(seconds=900)  # type: ignore[operator]


def test_a_worker_that_died_leaves_a_lease_that_ends(played: Stage) -> None:
    generic(played, "closes")
    played.play("/eod/AAPL", play.says(SOUND))
    Supply.objects.update(leased_until=EVENING + timedelta(seconds=47))
    assert refresh(now=EVENING) == Refreshed()
    assert refresh(now=EVENING + timedelta(seconds=48)).answered == 1


def test_what_was_asked_under_a_lease_that_is_another_s_by_now_is_not_stored(played: Stage) -> None:
    generic(played, "closes")

    def taken_over(handler: Any, over: threading.Event) -> None:
        play.says(SOUND)(handler, over)

    played.play("/eod/AAPL", taken_over)
    claims = module._claim(EVENING, 16)
    Supply.objects.update(leased_until=EVENING + timedelta(hours=1))
    this = module._Pass(EVENING)
    module._begin(this, claims[0])
    module._finish(this, this.finished.get(timeout=5))
    assert this.done == Refreshed(lost=1)
    assert not ProviderRun.objects.exists()
    assert not DailyClose.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_workers_never_ask_twice(played: Stage) -> None:
    generic(played, "closes")
    played.play("/eod/AAPL", play.says(SOUND))
    done = at_once(*[lambda: refresh(now=EVENING).answered] * 4)
    assert sorted(done) == [0, 0, 0, 1]
    assert played.paths() == ["/eod/AAPL"]
    assert ProviderRun.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_while_it_is_waited_for_no_transaction_is_open(played: Stage) -> None:
    generic(played, "closes")
    seen: list[int] = []

    def look(handler: Any, over: threading.Event) -> None:
        seen.append(idle_connections_in_transaction())
        connection.close()
        play.says(SOUND)(handler, over)

    played.play("/eod/AAPL", look)
    assert run(EVENING).new == 90
    assert seen == [0]


def test_one_that_hangs_holds_up_no_other_and_the_others_go_on(played: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked at the same time; and what becomes due while one hangs is asked again and again."""
    generic(played, "splits", name="hanging", timeout_seconds=4)
    generic(played, "closes")
    Supply.objects.filter(what="closes").update(interval_seconds=5)
    monkeypatch.setattr(module, "_CLAIM", module._CLAIM.replace("secs => s.interval_seconds", "secs => 1"))
    played.play("/splits", play.hangs)
    played.play("/eod/AAPL", play.says(SOUND))
    refresh(now=EVENING)
    others = ProviderRun.objects.filter(what="closes")
    assert others.count() >= 3
    assert all((each.finished_at - each.started_at).total_seconds() < 2 for each in others)
    assert ProviderRun.objects.filter(code="PROVIDER_TIMEOUT").count() == 1


def test_a_pass_ends_well_before_its_task_is_killed() -> None:
    longest_answer, storing = 20, 10
    assert module.BEGIN_SECONDS + longest_answer + storing < tasks.providers.time_limit


def test_it_has_a_queue_of_its_own_with_a_worker() -> None:
    assert tasks.providers.queue == "market"
    assert "market" in QUEUES


# ---- What is kept, and by whom ----


def test_runs_are_neither_changed_nor_deleted(played: Stage) -> None:
    made = failed(played, play.status(404))
    for statement in ("UPDATE positions_providerrun SET rejected = 1", "DELETE FROM positions_providerrun"):
        with pytest.raises(IntegrityError, match="is append-only"), transaction.atomic(), connection.cursor() as sql:
            sql.execute(statement)
    made.refresh_from_db()
    assert made.rejected == 0


def test_asked_once_the_time_of_day_is_the_one_given(played: Stage) -> None:
    generic(played, "closes")
    played.play("/eod/AAPL", play.says(SOUND))
    made = run(EVENING)
    assert EVENING <= made.started_at <= made.finished_at < EVENING + timedelta(seconds=5)
    assert isinstance(made.started_at, datetime)


def test_a_calendar_that_does_not_reach_back_far_enough_is_a_sentence(played: Stage) -> None:
    generic(played, "closes")
    made = run(new_york_instant(date(2013, 6, 20), time(18)))
    assert (made.code, played.asked) == ("PROVIDER_NOT_CONFIGURED", [])
    assert "Import a longer table" in made.sentence
