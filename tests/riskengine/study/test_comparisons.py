"""One recorded day under two revisions: asked for, replayed by the runner of all replays, and set side by side."""

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.utils import timezone

from accounts.defaults import MAG7_7DTE
from accounts.selectors import latest_revision
from accounts.services import revise_profile
from positions.models import Portfolio
from riskengine.models import Comparison, Replay
from riskengine.services.study import running
from riskengine.services.study.comparing import compared
from riskengine.services.study.comparisons import ComparisonAsked, request_comparison
from riskengine.services.study.replay import read_parameters
from riskengine.services.study.running import run_replays
from riskengine.services.study.stored import run_stored
from tests import factories

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
