"""The smallest rows that tests need, each whole and healthy: a test changes only what it is about.

Market time is 2021-01-04, a Monday session (09:30 to 16:00 New York is 14:30 to 21:00 UTC).
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

from django.db.models import Model

from accounts.defaults import SMART_0DTE
from accounts.models import RiskProfile, RiskProfileRevision, User
from accounts.selectors import latest_revision
from accounts.services import create_profile
from positions.models import (
    Decision,
    DecisionIntent,
    Direction,
    ExerciseStyle,
    ExitSlice,
    Fill,
    Instrument,
    InstrumentKind,
    Mode,
    OptionContract,
    Order,
    OrderIntent,
    OrderStatus,
    Origin,
    Pace,
    Portfolio,
    Position,
    PositionStatus,
    Regime,
    Right,
    Settlement,
    Side,
    SliceState,
    TickClass,
)
from positions.services.portfolio import create_portfolio
from riskengine.api.examples import nights, reviewing
from riskengine.models import DayReport, NightMoment, NightReport, Replay, ReplayState, Review
from riskengine.services.review.questions import questions_of

SESSION = date(2021, 1, 4)
NOW = datetime(2021, 1, 4, 15, 42, 7, tzinfo=UTC)  # 10:42:07 in New York

_numbers = count(1)


def user(username: str = "", **changes: Any) -> User:
    return User.objects.create_user(username=username or f"user{next(_numbers)}", password="secret", **changes)


@contextmanager
def left_to_the_database() -> Iterator[None]:
    """Constraints are not asked for one by one before a row is saved, each in a statement: the database holds them
    anyway, and thousands of tests begin with these rows."""
    asked = Model.validate_constraints
    Model.validate_constraints = lambda self, exclude=None: None
    try:
        yield
    finally:
        Model.validate_constraints = asked


def profile(system: str = SMART_0DTE, *, author: User | None = None, now: datetime = NOW) -> RiskProfile:
    number = next(_numbers)
    with left_to_the_database():
        return create_profile(slug=f"profile-{number}", name=f"Profile {number}", system=system, author=author, now=now)


def revision(of: RiskProfile | None = None) -> RiskProfileRevision:
    return latest_revision(of or profile())


def portfolio(
    *, owner: User | None = None, of: RiskProfile | None = None, asked: bool = False, **changes: Any
) -> Portfolio:
    """`asked`: constraints say their sentence before the database would."""
    chosen = of or profile()
    number = next(_numbers)
    given = {
        "slug": f"portfolio-{number}",
        "name": f"Portfolio {number}",
        "system": chosen.system,
        "cash": Decimal("60000.00"),
        "mode": Mode.PAPER,
        "now": NOW,
    }
    with nullcontext() if asked else left_to_the_database():
        return create_portfolio(owner=owner or user(), profile=chosen, **given | changes)


def instrument(symbol: str = "SPX", kind: str = InstrumentKind.INDEX) -> Instrument:
    found = Instrument.objects.filter(symbol=symbol).first()
    return found or Instrument.objects.create(symbol=symbol, name=symbol, kind=kind)


def contract(
    root: str = "SPXW", strike: str = "3700", right: str = Right.CALL, expires: date = SESSION, **changes: Any
) -> OptionContract:
    given = {
        "underlying": changes.pop("underlying", None) or instrument(),
        "occ_symbol": f"{root:<6}{expires:%y%m%d}{right}{int(Decimal(strike) * 1000):08d}",
        "root": root,
        "expiration_on": expires,
        "right": right,
        "strike": Decimal(strike),
        "multiplier": 100,
        "settlement": Settlement.PM_CASH,
        "exercise_style": ExerciseStyle.EUROPEAN,
        "tick_class": TickClass.NICKEL_DIME,
        "is_adjusted": False,
    }
    found = OptionContract.objects.filter(occ_symbol=given["occ_symbol"]).first()
    return found or OptionContract.objects.create(**given | changes)


def decision(of: Portfolio, **changes: Any) -> Decision:
    """An approved opening of 3 contracts at 44.40."""
    given = {
        "portfolio": of,
        "contract": changes.pop("contract", None) or contract(),
        "revision": latest_revision(of.profile),
        "intent": DecisionIntent.OPEN,
        "direction": Direction.LONG_CALL,
        "confidence": Decimal("0.700000"),
        "requested_by_name": "test",
        "inputs": {},
        "trace": [],
        "gates": [],
        "approved": True,
        "indicative_contracts": 3,
        "contracts": 3,
        "limit_price": Decimal("44.40"),
        "dollars": Decimal("13320.00"),
        "min_size_dollars": Decimal("12000.00"),
        "scale_multiplier": Decimal("1.11"),
        "decided_at": NOW,
        "expires_at": NOW + timedelta(seconds=60),
        "engine_version": "test",
    }
    return Decision.objects.create(**given | changes)


def refused(of: Portfolio, code: str = "MAX_VIX", **changes: Any) -> Decision:
    nothing = {"approved": False, "contracts": 0, "dollars": Decimal(0), "limit_price": None, "refusal_code": code}
    return decision(of, **nothing | changes)


def opening_order(of: Decision, **changes: Any) -> Order:
    given = {
        "portfolio": of.portfolio,
        "contract": of.contract,
        "decision": of,
        "intent": OrderIntent.OPEN,
        "side": Side.BUY,
        "sequence": 1,
        "client_order_id": f"open-{next(_numbers)}",
        "quantity": of.contracts or 1,
        "limit_price": Decimal("44.40"),
        "worst_price": Decimal("44.40"),
        "pace": Pace.NORMAL,
        "status": OrderStatus.WORKING,
        "created_at": NOW,
    }
    return Order.objects.create(**given | changes)


def position(of: Portfolio, **changes: Any) -> Position:
    """3 contracts bought at 44.40 in the morning, stop 25% under that."""
    made = changes.pop("decision", None) or decision(of, contract=changes.pop("contract", None))
    given = {
        "portfolio": of,
        "contract": made.contract,
        "revision": made.revision,
        "decision": made,
        "origin": Origin.ENGINE,
        "status": PositionStatus.OPEN,
        "regime": Regime.MORNING,
        "quantity_opened": 3,
        "quantity_open": 3,
        "average_entry_price": Decimal("44.40"),
        "entry_cost": Decimal("13320.00"),
        "min_size_at_entry": Decimal("12000.00"),
        "scale_multiplier": Decimal("1.11"),
        "initial_stop": Decimal("33.30"),
        "current_stop": Decimal("33.30"),
        "high_water": Decimal("44.40"),
        "entry_at": NOW,
    }
    return Position.objects.create(**given | changes)


def exit_slice(of: Position, number: int = 1, **changes: Any) -> ExitSlice:
    given = {
        "position": of,
        "number": number,
        "threshold": Decimal("0.05") * number,
        "cumulative_share_ten_thousandths": min(3300 * number, 10_000),
        "state": SliceState.ARMED,
        "changed_at": NOW,
    }
    return ExitSlice.objects.create(**given | changes)


def exit_order(of: Position, intent: str = OrderIntent.STOP, **changes: Any) -> Order:
    given = {
        "portfolio": of.portfolio,
        "contract": of.contract,
        "position": of,
        "intent": intent,
        "side": Side.SELL,
        "sequence": 1,
        "client_order_id": f"exit-{next(_numbers)}",
        "quantity": of.quantity_open,
        "limit_price": Decimal("33.00"),
        "worst_price": Decimal("33.00"),
        "pace": Pace.URGENT,
        "status": OrderStatus.WORKING,
        "verdict": {"rule": intent},
        "created_at": NOW,
    }
    return Order.objects.create(**given | changes)


def fill(of: Order, at: Position, **changes: Any) -> Fill:
    given = {
        "order": of,
        "position": at,
        "execution_id": f"execution-{next(_numbers)}",
        "quantity": 1,
        "price": Decimal("44.40"),
        "fee": Decimal("0.65"),
        "filled_at": NOW,
    }
    return Fill.objects.create(**given | changes)


def finished_replay(user: User, at: datetime, day: date) -> Replay:
    return Replay.objects.create(
        requested_by=user,
        requested_at=at,
        day=day,
        portfolio="smart-0dte",
        entries="at",
        state=ReplayState.DONE,
        finished_at=at,
        report="{}",
    )


def review(of: Portfolio, monday: date, **changes: Any) -> Review:
    """The weekly review of a week with two closed bets, waiting for a person."""
    friday = datetime.combine(monday + timedelta(days=4), datetime.min.time(), UTC) + timedelta(hours=22)
    given = {
        "kind": "weekly",
        "period_start": monday,
        "period_end": monday + timedelta(days=4),
        "due_at": friday,
        "made_at": friday,
        "created_at": NOW,
        "snapshot": json.loads((Path(__file__).parent / "riskengine/review/snapshot.json").read_text()),
        "questions": questions_of("weekly"),
    }
    return Review.objects.create(portfolio=of, **given | changes)


def day_report(of: Portfolio, session_on: date) -> DayReport:
    made = {"made_at": NOW, "created_at": NOW, "contents": reviewing.DAY["contents"], "text": reviewing.DAY["text"]}
    return DayReport.objects.create(portfolio=of, session_on=session_on, **made)


def night_report(of: Portfolio, day: date, moment: str = NightMoment.BEFORE_CLOSE, **changes: Any) -> NightReport:
    given = {
        "made_at": datetime(day.year, day.month, day.day, 20, 30, tzinfo=UTC),
        "equity": Decimal("100000.00"),
        "worst_loss": Decimal("11095.77"),
        "positions": 1,
        "contents": nights.REPORT["contents"],
    }
    return NightReport.objects.create(portfolio=of, session_on=day, moment=moment, **given | changes)
