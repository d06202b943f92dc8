"""One recorded day under two revisions: asked for, replayed by the runner of all replays, and set side by side."""

import json
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from accounts.defaults import MAG7_7DTE, SMART_0DTE
from accounts.selectors import ladders_of, latest_revision, numbers_of
from accounts.services import revise_profile
from positions.models import Portfolio
from riskengine.models import AskedBy, Comparison, Replay, ReplayState
from riskengine.services.study import asking, running, stored
from riskengine.services.study.asking import Asked, NotReplayable, parsed, request_replay
from riskengine.services.study.comparing import compared, state_of
from riskengine.services.study.comparisons import (
    ComparisonAsked,
    cancel_comparison,
    cash_at_start,
    parameters_of,
    request_comparison,
)
from riskengine.services.study.period import BadPeriod, Period, by_day, decided_entries, example_entries
from riskengine.services.study.recordings import RECORDED, files_of
from riskengine.services.study.replay import ReplayRefused, read_parameters
from riskengine.services.study.running import run_replays
from riskengine.services.study.stored import run_stored
from tests import factories
from tests.riskengine.study.compared import finished_comparison, replay_report
from tests.riskengine.study.day import Made, Script, spx_bars

NOW = datetime(2026, 3, 2, 15, 50, tzinfo=UTC)
HALF_DAY = date(2015, 12, 24)
CALL = "GOOG151231C00747500"
ENTRIES = f"at,contract,side,confidence,contracts\n12:20:04,{CALL},buy,0.72,\n"
THIN = {
    "max_share_of_open_interest": 1, "max_share_of_volume": 1, "displayed_size_multiple": 100,
    "max_spread_large_bet": 0.1, "stop_room_fraction": 0.01,
}  # fmt: skip


@pytest.fixture
def portfolio() -> Portfolio:
    """A 7DTE account whose profile has two revisions; the second wants more confidence."""
    profile = factories.profile(MAG7_7DTE)
    portfolio = factories.portfolio(of=profile, cash=100_000)
    revise(portfolio, min_confidence_threshold="0.8")
    return portfolio


def revise(portfolio: Portfolio, **numbers: Any) -> None:
    revise_profile(
        profile=portfolio.profile,
        based_on=latest_revision(portfolio.profile).number,
        numbers=read_parameters(numbers)[0],
        ladders={},
        reason="Fewer bets.",
        author=None,
        now=NOW,
    )


def ask(portfolio: Portfolio, **fields: Any) -> Comparison:
    given: dict[str, Any] = {
        "days": [HALF_DAY], "revision_a": 1, "revision_b": 2, "changes_a": THIN, "changes_b": THIN,
        "asked_by": "entries", "entries": ENTRIES,
    }  # fmt: skip
    asked = ComparisonAsked(**given | fields)
    return request_comparison(user=portfolio.owner, portfolio=portfolio, asked=asked, now=NOW)


def rows(comparison: Comparison) -> list[Replay]:
    return list(comparison.replays.order_by("id"))


def carry_out(comparison: Comparison, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the worker does, but in this process."""
    monkeypatch.setattr(running, "_spawn", run_stored)
    for _ in range(len(rows(comparison))):
        run_replays(now=timezone.now())


@pytest.mark.django_db(transaction=True)
def test_a_stricter_revision_refuses_what_the_other_buys(portfolio: Portfolio, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real half day: A buys and is stopped, B refuses and keeps its cash; the reports are the replays' own."""
    comparison = ask(portfolio)
    carry_out(comparison, monkeypatch)
    found = compared(comparison, rows(comparison))
    (decision,), a, b = found["result"]["decisions"], found["result"]["sides"]["A"], found["result"]["sides"]["B"]
    assert (found["state"], found["result"]["differing"]) == ("done", 1)
    assert (decision["A"]["approved"], decision["B"]["refusal"]) == (True, "MIN_CONFIDENCE")
    assert decision["gates_differ"] == ["MIN_CONFIDENCE"]
    assert decision["A"]["closed_by"] == "stop"
    assert a["pnl"] == decision["A"]["pnl"] == round(a["end"] - a["start"], 2) < 0
    assert (b["pnl"], b["end"], b["trades"], b["win_rate"], b["max_drawdown"]) == (0.0, 100_000.0, 0, None, 0.0)
    assert (a["trades"], a["wins"], a["expectancy"] < 0, a["expectancy_low"]) == (1, 0, True, None)
    assert found["result"]["difference"]["pnl"] == -a["pnl"]
    (sentence,) = found["result"]["sentences"]
    assert sentence.startswith("Under changed revision 2 the 12:20 entry of GOOG 747.5C is refused (MIN_CONFIDENCE)")
    assert [each["name"] for each in found["differences"]] == ["min_confidence_threshold"]
    assert json.dumps(compared(comparison, rows(comparison)), default=str) == json.dumps(found, default=str)


@pytest.mark.django_db(transaction=True)
def test_equal_revisions_come_to_the_same_on_both_sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A made-up day of one calm contract that falls at noon: the later steps of a replay are the real ones."""
    day, contract = date(2021, 1, 4), "SPXW210104C03700000"
    script = Script(contract).during("12:00", "16:00", (4.9, 5.0))
    made = Made(tmp_path, [script], [f"2021-01-04 10:00:00,{contract},buy,0.7,2"], bars=spx_bars(3700.0))
    made.write()
    files = replace(files_of(day, tmp_path / "report"), quotes=made.quotes, underlying=made.underlying)
    monkeypatch.setattr(stored, "files_of", lambda *_: replace(files, trades=None, open_interest=None))
    portfolio = factories.portfolio(of=factories.profile(SMART_0DTE))
    text = made.entries_file.read_text()
    comparison = ask(
        portfolio, days=[day], revision_b=1, changes_a={}, changes_b={}, entries=text, gates=False, cash=Decimal(70_000)
    )
    carry_out(comparison, monkeypatch)
    one, other = rows(comparison)
    found = compared(comparison, [one, other])
    assert one.report == other.report is not None
    assert found["result"]["sides"]["A"] == found["result"]["sides"]["B"]
    assert (found["result"]["sides"]["A"]["start"], found["result"]["sides"]["A"]["trades"]) == (70_000.0, 1)
    assert found["result"]["sides"]["A"]["pnl"] < 0
    assert (found["differences"], found["result"]["differing"], found["result"]["sentences"]) == ([], 0, [])
    assert found["names"] == {"A": "A (revision 1)", "B": "B (revision 1)"}


# ---- Several days ----

MONDAY, WEDNESDAY = date(2021, 1, 4), date(2021, 1, 6)


@pytest.fixture
def two_days(db: None) -> Comparison:
    """Queued: a Monday and a Wednesday under one revision and another stop."""
    portfolio = factories.portfolio(of=factories.profile(SMART_0DTE))
    return ask(
        portfolio,
        days=[WEDNESDAY, MONDAY],
        revision_b=1,
        changes_a={},
        changes_b={"stop_fraction": "0.30"},
        asked_by="examples",
        cash=Decimal("70000.50"),
    )


def finish(replay: Replay, **changes: Any) -> None:
    report = replay_report(replay.day, **changes)
    Replay.objects.filter(pk=replay.pk).update(
        state=ReplayState.DONE, report=json.dumps(report), finished_at=NOW, share=1
    )


def test_each_day_of_each_side_is_a_replay_of_its_own(two_days: Comparison) -> None:
    made = rows(two_days)
    assert [(each.day, each.side, each.number) for each in made] == [
        (MONDAY, "A", 1), (MONDAY, "B", 1), (WEDNESDAY, "A", 2), (WEDNESDAY, "B", 2),
    ]  # fmt: skip
    assert made[0].entries == made[1].entries
    assert "SPXW210104P03800000" in made[0].entries
    assert "SPXW210104P03800000" not in made[2].entries
    stops = [json.loads(each.parameters)["stop_fraction"] for each in made]
    assert stops == ["0.25", "0.30", "0.25", "0.30"]


def test_a_later_day_begins_with_what_its_side_ended_with(two_days: Comparison) -> None:
    a1, b1, a2, b2 = rows(two_days)
    assert cash_at_start(a1) == Decimal("70000.50")
    finish(a1)
    assert cash_at_start(a2) == Decimal("58796.1")
    with pytest.raises(ReplayRefused, match="The day before, 2021-01-04, is queued on this side"):
        cash_at_start(b2)
    cancel_comparison(comparison=two_days, now=NOW)
    with pytest.raises(ReplayRefused, match="was cancelled on this side"):
        cash_at_start(rows(two_days)[3])
    assert b1.cash == Decimal("70000.50")


def test_only_days_that_both_sides_have_are_compared(two_days: Comparison) -> None:
    a1, b1, a2, b2 = rows(two_days)
    assert compared(two_days, rows(two_days))["result"] is None
    for each in (a1, b1, a2):
        finish(each)
    Replay.objects.filter(pk=b2.pk).update(
        state=ReplayState.FAILED, error="It was too long.", error_code="TIME_LIMIT", finished_at=NOW
    )
    found = compared(two_days, rows(two_days))
    assert (found["state"], found["result"]["days"]) == ("failed", ["2021-01-04"])
    assert (found["sides"]["A"]["share"], found["sides"]["B"]["share"]) == (1.0, 0.5)
    assert found["sides"]["B"]["stopped"] == "It was too long."


# ---- Cancelling, and what is kept ----


def test_what_waits_is_cancelled_and_nothing_of_it_starts(two_days: Comparison, monkeypatch: Any) -> None:
    cancel_comparison(comparison=two_days, now=NOW)
    monkeypatch.setattr(running, "_spawn", lambda *given: pytest.fail("it was started"))
    run_replays(now=timezone.now())
    assert state_of(rows(two_days)) == "cancelled"
    assert {each.state for each in rows(two_days)} == {"cancelled"}


@pytest.mark.django_db(transaction=True)
def test_what_runs_ends_and_what_waits_is_not_started(portfolio: Portfolio, monkeypatch: pytest.MonkeyPatch) -> None:
    comparison = ask(portfolio)

    def slow(*given: object) -> None:
        cancel_comparison(comparison=comparison, now=NOW)
        time.sleep(20)

    monkeypatch.setattr(stored, "replay", slow)
    monkeypatch.setattr(stored, "LOOK_EVERY_SECONDS", 0.05)
    carry_out(comparison, monkeypatch)
    assert [each.state for each in rows(comparison)] == ["cancelled", "cancelled"]
    assert [each.attempts for each in rows(comparison)] == [1, 0]


def test_the_replays_of_a_comparison_are_kept(two_days: Comparison, monkeypatch: pytest.MonkeyPatch) -> None:
    user = two_days.requested_by
    for each in rows(two_days):
        finish(each)
    monkeypatch.setattr(asking, "KEPT", 2)
    alone = [factories.finished_replay(user, NOW, HALF_DAY).pk for _ in range(3)]
    made = request_replay(user=user, asked=Asked(day=HALF_DAY, portfolio=MAG7_7DTE, entries=ENTRIES), now=NOW)
    left = set(Replay.objects.filter(comparison=None).values_list("pk", flat=True))
    assert left == {alone[-1], made.pk}
    assert len(rows(two_days)) == 4


def test_no_more_than_two_of_one_person_wait(two_days: Comparison) -> None:
    ask_again = {"days": [MONDAY], "revision_b": 1, "changes_a": {}, "changes_b": {}, "asked_by": "examples"}
    ask(two_days.portfolio, **ask_again)
    with pytest.raises(NotReplayable) as refused:
        ask(two_days.portfolio, **ask_again)
    assert refused.value.code == "TOO_MANY_COMPARISONS"


# ---- What is asked ----


@pytest.mark.django_db
def test_a_revision_is_replayed_with_every_number_that_it_has() -> None:
    for system in (SMART_0DTE, MAG7_7DTE):
        revision = latest_revision(factories.profile(system))
        numbers, ladders = read_parameters(parsed(json.dumps(parameters_of(revision))))
        assert numbers == numbers_of(revision)
        assert ladders == ladders_of(revision)


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"days": [date(2020, 1, 2)]}, "NO_RECORDING", "days"),
        ({"days": [MONDAY, HALF_DAY]}, "NO_RECORDING", "days"),
        ({"revision_b": 9}, "NO_SUCH_REVISION", "revision_b"),
        ({"changes_b": {"stop_fraction": "7"}}, "BAD_PARAMETERS", "changes_b"),
        ({"changes_a": {"nothing": 1}}, "BAD_PARAMETERS", "changes_a"),
        ({"entries": ENTRIES.replace("0.72", "7.2")}, "BAD_ENTRIES", "entries"),
        ({"asked_by": "signals", "signals": "as_of,symbol\n"}, "BAD_SIGNALS", "signals"),
        ({"asked_by": "decisions"}, "BAD_ENTRIES", "asked_by"),
    ],
)
@pytest.mark.django_db
def test_what_cannot_be_replayed_is_refused_at_once(
    portfolio: Portfolio, fields: dict[str, Any], code: str, field: str
) -> None:
    with pytest.raises(NotReplayable) as refused:
        ask(portfolio, **fields)
    assert (refused.value.code, refused.value.field) == (code, field)
    assert not Comparison.objects.exists()
    assert not Replay.objects.exists()


def test_each_day_gets_its_lines_and_they_keep_their_numbers() -> None:
    period = Period.of([MONDAY, WEDNESDAY])
    text = "\ufeffat,contract,confidence\r\n2021-01-06 10:00,W,0.7\r\n\r\n2021-01-04T15:00:00+00:00,M,0.7\r\n"
    assert by_day(text, "at", "entries", period) == {
        MONDAY: "\ufeffat,contract,confidence\r\n\n\r\n2021-01-04T15:00:00+00:00,M,0.7\r\n",
        WEDNESDAY: "\ufeffat,contract,confidence\r\n2021-01-06 10:00,W,0.7\r\n\n\n",
    }
    for line, problem in (
        ("10:00,X,0.7", "line 2: 10:00 has no date"),
        ("2021-01-05 10:00,X,0.7", "not among the days"),
        ("2021-01-04 10:00,X,0.7", "There is no line of 2021-01-06"),
        ('"10', "not valid CSV"),
    ):
        with pytest.raises(BadPeriod, match=problem):
            by_day(f"at,contract,confidence\n{line}\n", "at", "entries", period)


@pytest.mark.django_db
def test_what_a_portfolio_decided_is_asked_again() -> None:
    portfolio = factories.portfolio()
    request = {"request": {"contracts": None}}
    factories.decision(portfolio, inputs=request)
    factories.decision(portfolio, inputs={"request": {"contracts": 2}}, decided_at=factories.NOW + timedelta(seconds=9))
    factories.decision(portfolio, inputs={"request": {"contracts": 2, "propose": True}})
    tomorrow = factories.NOW + timedelta(days=1)
    factories.refused(portfolio, inputs=request, decided_at=tomorrow, expires_at=tomorrow)
    assert decided_entries(portfolio, [MONDAY]) == (
        "at,contract,side,confidence,contracts\n"
        "2021-01-04 10:42:07,SPXW210104C03700000,buy,0.700000,\n"
        "2021-01-04 10:42:16,SPXW210104C03700000,buy,0.700000,2\n"
    )


def test_every_recorded_day_has_examples() -> None:
    for day in RECORDED:
        assert asking.judged(Asked(day=day, portfolio=SMART_0DTE, entries=example_entries([day])))


@pytest.mark.django_db
def test_a_finished_one_reads_as_it_was_replayed() -> None:
    portfolio = factories.portfolio(of=factories.profile(SMART_0DTE))
    comparison = finished_comparison(portfolio, NOW, MONDAY)
    assert comparison.asked_by == AskedBy.EXAMPLES
    side = compared(comparison, rows(comparison))["result"]["sides"]["A"]
    assert (side["pnl"], side["max_drawdown_usd"], side["stops"]) == (-1203.9, -1203.9, 1)
    assert side["max_drawdown"] == round(-1203.9 / 60_000, 6)
