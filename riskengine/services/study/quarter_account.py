"""The account of a simulated quarter: opened once, and gone on with by who asks for the same."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction

from accounts.defaults import MAG7_7DTE, SMART_0DTE
from accounts.models import RiskProfile, System
from accounts.selectors import latest_revision
from accounts.services import create_profile, revise_profile
from positions.market.calendar import Session
from positions.market.feeds.world import NAMES
from positions.models import CashKind, ClockKind, Mode, Portfolio
from positions.services.portfolio import ClockSetting, create_portfolio
from positions.services.quotes import list_instruments
from riskengine.models import Handling, SignalSource, SourceKind
from riskengine.services.study.quarter_plan import Plan
from riskengine.services.study.quarter_span import QuarterRefused, Request

BEFORE_OPEN = timedelta(minutes=30)
AFTER_CLOSE = timedelta(minutes=20)  # the day can be reported by then
STANDS_AFTER = timedelta(hours=4, minutes=10)  # after a close, of a half day too: reviews are due at 17:00
DEPOSITED = "Simulated deposit in the middle of the quarter"
# What a made-up market asks for instead of the source's numbers; the revision says so.
OTHER_NUMBERS: Mapping[str, tuple[Mapping[str, Any], str]] = {
    MAG7_7DTE: (
        {"refuse_earnings_before_expiry": False},
        "Simulated: a made-up market has no earnings dates, so the gate that asks for one is off.",
    ),
    SMART_0DTE: (
        {
            "strike_target_delta": Decimal("0.65"),
            "max_portfolio_delta": Decimal("0.40"),
            "max_portfolio_gamma": Decimal("0.30"),
        },
        "Simulated: options on SPY that expire today cost a dollar or two. In the money their spread is less of that.",
    ),
}


def existing(request: Request) -> Portfolio | None:
    """One that was begun with the same numbers, to go on with."""
    found = Portfolio.objects.filter(slug=request.slug).select_related("clock", "owner").first()
    if found is None:
        return None
    if found.quote_source != _source(found, request) or found.system != request.system:
        raise QuarterRefused(f"There is a portfolio {request.slug!r} already, and it is another one. Give a --slug.")
    if found.owner_id != request.owner.pk:
        raise QuarterRefused(f"The portfolio {request.slug!r} is {found.owner.username}'s.")
    return found


def refuse_another_length(portfolio: Portfolio, plan: Plan, sessions: Sequence[Session], following: Session) -> None:
    """One that has ended stands on the evening after its last session, and its deposit came in its middle: with another
    number of sessions days would be lived through again, and cash paid in again."""
    stands_at = portfolio.clock.market_started_at
    over = [each for each in sessions if each.closes_at < stands_at]
    begun = sessions[0].opens_at - BEFORE_OPEN
    between = {begun, *(each.closes_at + AFTER_CLOSE for each in sessions), following.closes_at + STANDS_AFTER}
    paid_in = portfolio.cash_movements.filter(kind=CashKind.DEPOSIT, note=DEPOSITED)
    planned = [plan.deposit(each, number) for number, each in enumerate(over)]
    if stands_at in between and list(paid_in.values_list("moved_at", flat=True)) == [at for at in planned if at]:
        return
    raise QuarterRefused(
        f"The portfolio {portfolio.slug!r} was simulated with another number of sessions than {plan.sessions}. Give "
        "that number, or another --slug."
    )


def _source(portfolio: Portfolio, request: Request) -> str:
    """Its quotes are its own: another quarter of the same seed has its market at other moments."""
    return f"simulated {request.first_day} #{request.seed} q{portfolio.pk}"


@transaction.atomic
def create(request: Request, first: Session) -> Portfolio:
    if RiskProfile.objects.filter(slug=request.slug).exists():
        raise QuarterRefused(f"There is a risk profile {request.slug!r} already. Give another --slug.")
    label = f"Simulated quarter, seed {request.seed}"
    starts_at = first.opens_at - BEFORE_OPEN
    profile = create_profile(slug=request.slug, name=label, system=request.system, author=None, now=starts_at)
    numbers, why = OTHER_NUMBERS[request.system]
    revise_profile(profile=profile, based_on=1, numbers=numbers, ladders={}, reason=why, author=None, now=starts_at)
    portfolio = create_portfolio(
        owner=request.owner,
        slug=request.slug,
        name=f"{label} ({System(request.system).label})",
        system=request.system,
        profile=profile,
        cash=latest_revision(profile).account_size,
        mode=Mode.PAPER,
        now=starts_at,
        clock=ClockSetting(
            kind=str(ClockKind.SIMULATED),
            market_started_at=starts_at,
            speed=Decimal(0),
            label=f"{label}: a made-up market from {first.day} on and signals drawn by lot, nothing real",
        ),
        quote_source="simulated",
        is_demo=True,
    )
    portfolio.quote_source = _source(portfolio, request)
    portfolio.save(update_fields=["quote_source"])
    list_instruments(NAMES)
    SignalSource.objects.create(
        portfolio=portfolio,
        slug=f"made-up-{portfolio.pk}",
        name=f"made-up signals, seed {request.seed}",
        kind=SourceKind.DEMO,
        handling=Handling.ENTER,
        created_at=starts_at,
    )
    return portfolio
