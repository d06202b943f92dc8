"""Ladders walked on kept prices against the referee, on minutes as dirty as they come: missing sides, wide and locked
quotes, prices of nothing, gaps, looks before the open and after the close, several days."""

import random
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from accounts.defaults import MAG7_7DTE, SMART_0DTE, Step
from positions.models import ExchangeSession, Portfolio, Position
from riskengine.calculators import paths
from riskengine.calculators.columns import Steps
from riskengine.loading.price_paths import price_paths
from riskengine.loading.revisions import terms_in_force
from riskengine.models import PositionMark
from tests import factories, oracle_ladders
from tests.oracle_ladders import Hours, Minute, gain_of
from tests.riskengine.market import import_sessions
from tests.riskengine.study.odd import DAYS, account

pytestmark = pytest.mark.django_db

BETS = 30
MINUTE = timedelta(minutes=1)
NICKEL_DIME = (Fraction("0.05"), Fraction("0.10"))
LADDERS = (
    (("0.05", "0.33"), ("0.10", "0.33"), ("0.15", "0.34")),
    (("0.20", "0.25"), ("0.35", "0.25"), ("0.50", "0.25")),
    (("0.01", "0.02"), ("0.03", "0.90")),
    (("0.02", "0.50"),),
    (),
)
Look = tuple[datetime, str | None, str | None]


def walk(lot: random.Random, entry: float, hours: list[ExchangeSession], entered_at: datetime) -> list[Look]:
    """A price from the entry on, one look a minute at most."""
    price, found = entry, []
    for session in hours:
        at, step = max(session.open_at - MINUTE, entered_at), lot.choice((1, 1, 5, 17))
        while at <= session.close_at:
            price *= max(1.0 + lot.gauss(0.0004, 0.03), 0.0)
            if price < 0.02 or lot.random() < 0.002:
                price = lot.choice((0.0, 0.05, entry))
            bid = round(price, 2)
            ask = round(bid + lot.choice((0.0, 0.01, 0.05, 0.1, 0.09 * price, 0.2 * price)), 2)
            missing = lot.random()
            sides = None if missing < 0.05 else f"{bid:.2f}", None if 0.03 < missing < 0.08 else f"{ask:.2f}"
            if 0.05 < missing < 0.08:  # a bid without an ask is no high
                sides = f"{1.5 * bid:.2f}", None
            if any(sides):
                found.append((at, *sides))
            at += step * MINUTE + timedelta(seconds=lot.randrange(0, 59) if lot.random() < 0.5 else 0)
            at += lot.randrange(2, 60) * MINUTE if lot.random() < 0.01 else timedelta(0)
    return found


def hold(lot: random.Random, of: Portfolio, *, seven: bool) -> tuple[Position, list[Look]]:
    """A closed bet with its kept minutes."""
    day = lot.randrange(0, 5)
    expires = DAYS[day + lot.randrange(0, 5)] if seven else DAYS[day]
    entry = lot.choice((0.4, 1.7, 2.9, 3.1, 10.0, 55.5))
    stop = Decimal(f"{entry * lot.choice((0.75, 0.8, 0.9)):.2f}")
    at = datetime.combine(DAYS[day], factories.NOW.timetz()) + lot.randrange(0, 250) * timedelta(seconds=61)
    made = factories.decision(
        of, contract=factories.contract(expires=expires), decided_at=at, expires_at=at + timedelta(minutes=1)
    )
    position = factories.position(
        of,
        decision=made,
        status="closed",
        regime="seven_day" if seven else "morning",
        quantity_open=0,
        quantity_opened=lot.choice((1, 2, 3, 4, 7, 12, 33)),
        average_entry_price=Decimal(f"{entry:.2f}"),
        initial_stop=stop,
        current_stop=stop,
        high_water=Decimal(f"{entry:.2f}"),
        entry_at=at,
        closed_at=at + timedelta(hours=1),
        close_cause="stop",
    )
    hours = list(ExchangeSession.objects.filter(session_on__range=(DAYS[day], expires)).order_by("session_on"))
    looks = {row[0].replace(second=0): row for row in walk(lot, entry, hours, at)}
    PositionMark.objects.bulk_create(
        PositionMark(position=position, slot_at=slot, marked_at=seen, bid=bid, ask=ask)
        for slot, (seen, bid, ask) in looks.items()
    )
    return position, list(looks.values())


def told(of: Position, looks: list[Look], ladder: tuple[tuple[str, str], ...], hours: list[Hours]) -> Any:
    bet = oracle_ladders.Bet(
        entry=Fraction(of.average_entry_price),
        quantity=of.quantity_opened,
        stop=Fraction(of.initial_stop),
        entered_at=of.entry_at,
        expires=of.contract.expiration_on,
        seven_day=of.regime == "seven_day",
        ladder=[(Fraction(threshold), Fraction(share)) for threshold, share in ladder],
        ticks=NICKEL_DIME,
    )
    minutes = [Minute(at, *(None if each is None else Fraction(each) for each in sides)) for at, *sides in looks]
    found = gain_of(bet, minutes, hours)
    return np.nan if found is None else float(found)


def steps(ladder: tuple[tuple[str, str], ...]) -> Steps:
    rows = [Step(Decimal(threshold), Decimal(share), True) for threshold, share in ladder]
    return Steps.of([(float(each.threshold), float(each.value), True) for each in rows]) if rows else paths.NO_TIER


@pytest.mark.parametrize("system", [SMART_0DTE, MAG7_7DTE])
@pytest.mark.parametrize("seed", [1, 2])
def test_every_ladder_comes_to_what_the_referee_says(system: str, seed: int) -> None:
    import_sessions()
    seven = system == MAG7_7DTE
    lot, of = random.Random(seed), account(slug=f"dirty-{seed}", of=factories.profile(system))
    held = [hold(lot, of, seven=seven) for _ in range(BETS)]
    hours = [Hours(s.session_on, s.open_at, s.close_at) for s in ExchangeSession.objects.filter(session_on__in=DAYS)]
    limits = replace(terms_in_force(of.profile_id).limits, stop_confirmations=1.0)
    kept = price_paths([position.pk for position, _ in held], limits, seven_day=seven)
    found = paths.closes(kept.bets, kept.looks, limits, seven_day=seven)
    gain = paths.outcomes(kept.bets, kept.looks, found, [steps(each) for each in LADDERS], limits).gain
    expected = [[told(position, looks, ladder, hours) for position, looks in held] for ladder in LADDERS]
    np.testing.assert_allclose(gain, np.array(expected), rtol=0.0, atol=1e-9)
    assert np.isfinite(gain).mean() > 0.8
    assert len(np.unique(gain.round(9))) > BETS
