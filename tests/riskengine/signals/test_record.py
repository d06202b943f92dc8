"""The record of confidence: empty, then by tier and by source, and what a review leaves of it."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission

from accounts.models import User
from positions.models import PositionStatus
from riskengine.models import PriorTrade, Signal, SignalSource
from riskengine.services.signals.acting import review_tier
from riskengine.services.signals.record import confidence_record
from tests import factories
from tests.riskengine.luck import base_rates
from tests.riskengine.market import WALL, Bet, seven_dte, zero_dte

pytestmark = pytest.mark.django_db


def prior(bet: Bet, confidence: str, *gains: str, days_ago: int = 10) -> None:
    before = PriorTrade.objects.count()
    PriorTrade.objects.bulk_create(
        PriorTrade(
            portfolio=bet.portfolio,
            external_id=str(before + number),
            confidence=Decimal(confidence),
            gain_fraction=Decimal(gain),
            closed_at=bet.at - timedelta(days=days_ago),
            source="the owner",
        )
        for number, gain in enumerate(gains)
    )


def test_without_trades_nothing_is_claimed() -> None:
    bet = zero_dte()
    found = confidence_record(bet.portfolio, now=bet.wall())
    json.dumps(found, allow_nan=False)
    assert (found["trades"], found["trades_needed"], found["trades_missing"]) == (0, 30, 30)
    assert (found["brier"], found["brier_of_base"], found["mean_confidence"]) == (None, None, None)
    assert found["record"]["win_rate"] is None
    assert found["record"]["expectancy"] is None
    assert found["waiting_for_review"] == []
    assert [(each["begins"], each["ends"], each["factor"]) for each in found["tiers"]] == [
        (0, 0.7, 1), (0.7, 0.8, 1.25), (0.8, 0.9, 1.5), (0.9, 1, 2),
    ]  # fmt: skip
    assert {each["break_even"] for each in found["tiers"]} == {None}
    assert all(each["raw"] == each["calibrated"] == each["scales_with"] for each in found["calibration"])


def test_the_base_rate_without_an_edge_is_that_of_the_own_exits_once_it_is_computed() -> None:
    for bet, said in ((zero_dte(), "09:45"), (seven_dte(), "a week before")):
        before = confidence_record(bet.portfolio, now=bet.wall())
        assert (before["zero_edge_win_rate"], before["zero_edge_basis"]) == (None, None)
        base_rates(bet.portfolio)
        found = confidence_record(bet.portfolio, now=bet.wall())
        assert (found["zero_edge_win_rate"], found["zero_edge_expectancy"]) == (0.58, -0.01028)
        assert said in found["zero_edge_basis"]


def test_tiers_are_counted_and_the_score_stands_beside_that_of_the_base_rate() -> None:
    bet = zero_dte()
    prior(bet, "0.75", "0.20", "0.20", "-0.40")
    prior(bet, "0.95", "-0.50")
    found = confidence_record(bet.portfolio, now=bet.wall())
    tier = found["tiers"][1]
    assert (tier["trades"], tier["wins"], tier["win_rate"]) == (3, 2, pytest.approx(2 / 3))
    assert tier["break_even"] == pytest.approx(0.4 / (0.2 + 0.4))
    assert tier["expectancy"] == pytest.approx(0)
    assert tier["low"] < 2 / 3 < tier["high"]
    assert found["record"]["expectancy"] == pytest.approx((0.2 + 0.2 - 0.4 - 0.5) / 4)
    assert found["brier"] == pytest.approx((2 * 0.25**2 + 0.75**2 + 0.95**2) / 4)
    assert found["brier_of_base"] == pytest.approx(0.25)
    assert found["trades_missing"] == 26
    assert found["calibrates"] is False


def test_a_tier_surely_under_its_break_even_waits_until_it_is_reviewed() -> None:
    bet = zero_dte()
    prior(bet, "0.75", *["-0.50"] * 28, "0.10", "0.10")
    found = confidence_record(bet.portfolio, now=bet.wall())
    assert found["waiting_for_review"] == [0.7]
    assert found["tiers"][1]["waits_for_review"]
    assert found["calibrates"]
    chief = manager()
    review_tier(portfolio=bet.portfolio, tier=Decimal("0.7"), reason="A bad week.", actor=chief, now=bet.wall())
    found = confidence_record(bet.portfolio, now=bet.wall())
    tier = found["tiers"][1]
    assert found["waiting_for_review"] == []
    assert (tier["trades"], tier["since_review"]["trades"]) == (30, 0)
    assert tier["review"] == {"at": "2021-01-04T10:42:07-05:00", "by": chief.username, "reason": "A bad week."}


def manager() -> User:
    chief = factories.user("chief")
    chief.user_permissions.add(Permission.objects.get(codename="add_tierreview"))
    return chief


def test_sources_are_counted_apart_by_state_and_by_what_was_closed() -> None:
    bet = zero_dte()
    source, idle = (
        SignalSource.objects.create(portfolio=bet.portfolio, slug=slug, name=slug, kind="api", created_at=WALL)
        for slug in ("alpha", "beta")
    )
    held = bet.hold(bet.contract, 1, "40")
    held.status, held.quantity_open = PositionStatus.CLOSED, 0
    held.closed_at, held.realised_pnl, held.close_cause = bet.at, Decimal(-1000), "stop"
    held.version += 1
    held.save()
    for number, made in enumerate((held.decision, None)):
        Signal.objects.create(
            source=source,
            portfolio=bet.portfolio,
            external_id=str(number),
            underlying=bet.contract.underlying,
            direction="LONG_CALL",
            confidence=Decimal("0.8"),
            as_of=bet.at,
            expires_at=bet.at + timedelta(minutes=5),
            received_at=WALL,
            state="traded" if made else "new",
            decision=made,
        )
    first, second = confidence_record(bet.portfolio, now=bet.wall())["sources"]
    assert (first["slug"], second["slug"]) == ("alpha", idle.slug)
    assert first["signals"] == {"new": 1, "accepted": 0, "dropped": 0, "expired": 0, "traded": 1}
    assert (first["trades"], first["wins"], first["expectancy"]) == (1, 0, -0.25)
    assert (second["trades"], second["win_rate"], second["expectancy"]) == (0, None, None)
