"""What every page's header needs: the portfolios a person may see, each with its own market clock."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from accounts.models import User
from positions.market.clock import is_running, market_now
from positions.models import Portfolio
from positions.selectors import portfolios_for


def header(
    user: User, now: datetime, current: Portfolio | None = None, portfolios: Sequence[Portfolio] | None = None
) -> dict[str, Any]:
    """`current` is the portfolio that the page is about; the others stand in the switcher beside it. `all_demo`: a page
    about none of them shows nothing but demos."""
    found = portfolios_for(user) if portfolios is None else portfolios
    listed = [{"portfolio": each, "clock": clock_of(each, now)} for each in found]
    return {
        "portfolio": current,
        "clock": clock_of(current, now) if current else None,
        "portfolios": listed,
        "all_demo": current is None and bool(listed) and all(each.is_demo for each in found),
    }


def clock_of(portfolio: Portfolio, now: datetime) -> dict[str, Any] | None:
    """Where a market clock stands and how fast it runs, for the script that lets it tick."""
    clock = getattr(portfolio, "clock", None)
    if clock is None:
        return None
    return {
        "kind": clock.kind,
        "label": clock.label,
        "at": market_now(clock, now).isoformat(),
        "speed": clock.speed if is_running(clock, now) else 0,
        "ends_at": clock.market_ends_at.isoformat() if clock.market_ends_at else "",
    }
