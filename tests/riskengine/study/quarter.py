"""A simulated quarter's beginning, lived through once for a module of tests."""

from datetime import UTC, date, datetime
from typing import Any

from django.contrib.auth.models import Group

from accounts.defaults import MAG7_7DTE
from accounts.models import User
from accounts.services import RISK_MANAGERS, ensure_groups
from positions.models import Fill, Portfolio
from riskengine.services.study.quarter import simulate
from riskengine.services.study.quarter_span import Request
from tests import factories

FIRST_DAY = date(2021, 1, 4)
WALL = datetime(2021, 2, 20, 15, tzinfo=UTC)


def person() -> User:
    """Who may clear a breaker, as the demo's user may."""
    ensure_groups()
    found = factories.user(is_staff=True)
    found.groups.add(Group.objects.get(name=RISK_MANAGERS))
    return found


def request(owner: User, **changes: Any) -> Request:
    given = {"system": MAG7_7DTE, "seed": 5, "sessions": 3, "slug": "quarter", "first_day": FIRST_DAY}
    return Request(owner=owner, **given | changes)


def lived(asked: Request, tell: Any = lambda lived: None, wall: datetime = WALL) -> Portfolio:
    return simulate(asked, wall=lambda: wall, tell=tell)


def trades(of: Portfolio) -> list[tuple[Any, ...]]:
    """Every fill, as far as it does not depend on numbers the database gives."""
    rows = Fill.objects.filter(order__portfolio=of).order_by("filled_at", "id")
    return list(
        rows.values_list("order__contract__occ_symbol", "order__intent", "filled_at", "quantity", "price", "fee")
    )
