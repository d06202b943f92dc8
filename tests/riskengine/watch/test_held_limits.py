"""Limits cannot be loosened while the breaker that reads them is tripped (A-03): each of them in its own sense."""

import inspect
import re
from datetime import timedelta
from decimal import Decimal
from types import ModuleType

import pytest
from django.core.exceptions import ValidationError

from accounts.defaults import PARAMETERS, SMART_0DTE
from accounts.parameter import Unit
from accounts.selectors import holds_in_force, latest_revision
from accounts.services import restore_revision
from riskengine.calculators import breakers as calculators
from riskengine.loading import counted
from riskengine.models import BreakerCode
from riskengine.services.watch import breakers as judging
from riskengine.services.watch.latching import READS, hold, lift
from tests import factories
from tests.riskengine import market
from tests.riskengine.watch import guarded
from tests.riskengine.watch.desk import Desk, zero
from tests.riskengine.watch.guarded import state

pytestmark = pytest.mark.django_db

# Looser and tighter than the default, where that is not simply more and less.
VALUES: dict[str, tuple[object, object]] = {
    "vix_clear_minutes": ("4", "6"),
    "losing_streak_pause_minutes": ("29", "31"),
    "opening_intents_window_seconds": ("59", "61"),
    "volatility_index": ("VIX1D", None),
    "halt_flattens": (False, None),
    "daily_loss_alert_share": ("0.76", "0.74"),
}


def values(name: str) -> tuple[object, object]:
    """A looser value and a tighter one; None where there is none."""
    if name in VALUES:
        return VALUES[name]
    parameter, now = PARAMETERS[name], Decimal(PARAMETERS[name].default(SMART_0DTE))
    step = Decimal("0.001") if parameter.unit is Unit.FRACTION else Decimal("0.1" if now == Decimal("1.5") else "1")
    tighter = now - step
    return now + step, tighter if parameter.minimum is None or tighter >= parameter.minimum else None


@pytest.fixture
def desk() -> Desk:
    return guarded.guarded()


def test_every_breaker_says_what_it_reads() -> None:
    assert set(READS) == set(BreakerCode.values)
    assert {name for names in READS.values() for name in names} <= set(PARAMETERS)


@pytest.mark.parametrize("reader", [calculators, judging, counted], ids=lambda module: module.__name__)
def test_whatever_a_breaker_reads_is_held_by_one(reader: ModuleType) -> None:
    """What makes a quote usable is not among it: an open position keeps the numbers that it was opened with."""
    read = set(re.findall(r"limits\.(\w+)", inspect.getsource(reader))) & set(PARAMETERS)
    assert read
    assert read <= {name for names in READS.values() for name in names}


@pytest.mark.parametrize(("code", "name"), [(code, name) for code, names in READS.items() for name in names])
def test_what_a_tripped_breaker_reads_can_be_tightened_and_not_loosened(desk: Desk, code: str, name: str) -> None:
    looser, tighter = values(name)
    hold([(desk.portfolio.pk, code)], now=desk.bet.wall())
    with pytest.raises(ValidationError, match="until that has cleared it") as refused:
        desk.bet.revise(**{name: looser})
    assert list(refused.value.message_dict) == [name]
    if tighter is not None:
        desk.bet.revise(**{name: tighter})
    lift([(desk.portfolio.pk, code)], now=desk.bet.wall())
    desk.bet.revise(**{name: looser})


def test_an_earlier_revision_that_was_looser_is_not_restored_either(desk: Desk) -> None:
    desk.bet.revise(vix_clear_minutes="10")
    profile = desk.portfolio.profile
    hold([(desk.portfolio.pk, "vix")], now=desk.bet.wall())
    with pytest.raises(ValidationError, match="it can be raised, but not lowered"):
        restore_revision(profile=profile, based_on=2, number=1, reason="Back.", author=None, now=desk.bet.wall())
    assert latest_revision(profile).number == 2


def test_an_earlier_revision_that_was_tighter_is_restored(desk: Desk) -> None:
    desk.bet.revise(vix_clear_minutes="4", max_vix_threshold="31")
    profile = desk.portfolio.profile
    hold([(desk.portfolio.pk, "vix")], now=desk.bet.wall())
    restore_revision(profile=profile, based_on=2, number=1, reason="Back.", author=None, now=desk.bet.wall())
    assert latest_revision(profile).number == 3


def test_two_breakers_hold_what_both_read_until_the_last_is_clear(desk: Desk) -> None:
    hold([(desk.portfolio.pk, "loss_l1"), (desk.portfolio.pk, "drawdown_5")], now=desk.bet.wall())
    lift([(desk.portfolio.pk, "loss_l1")], now=desk.bet.wall())
    with pytest.raises(ValidationError, match="5-session drawdown breaker"):
        desk.bet.revise(breach_confirmations="4")
    desk.bet.revise(confirm_entries_loss="0.06")


def test_how_long_the_index_must_be_calm_stays_while_it_is_tripped() -> None:
    desk = zero()
    for at, level in (("10:43:00", "31.00"), ("10:43:30", "29.00")):
        market.vix(market.MONDAY, opened=level)
        desk.check(at, "risk")
    with pytest.raises(ValidationError):
        desk.bet.revise(vix_clear_minutes="0")
    desk.check("10:44:00", "risk")
    assert state("vix") == "tripped"
    for minute in range(45, 49):
        desk.check(f"10:{minute}:30", "risk")
    assert state("vix") == "clear"
    assert not holds_in_force(desk.portfolio.profile).exists()
    desk.bet.revise(vix_clear_minutes="0")


def test_two_portfolios_of_one_profile_hold_its_limit_until_both_are_clear(desk: Desk) -> None:
    other = factories.portfolio(of=desk.portfolio.profile, slug="another", name="Another")
    ids = [desk.portfolio.pk, other.pk]
    hold([(each, "loss_l2") for each in ids], now=desk.bet.wall())
    lift([(ids[0], "loss_l2")], now=desk.bet.wall() + timedelta(seconds=1))
    with pytest.raises(ValidationError):
        desk.bet.revise(max_daily_loss="0.12")
    lift([(ids[1], "loss_l2")], now=desk.bet.wall() + timedelta(seconds=2))
    desk.bet.revise(max_daily_loss="0.12")
