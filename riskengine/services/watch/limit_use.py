"""How much of each limit was used over the session: the points that the risk checks of the day have kept.

Shares of the limit that stood at each point's own revision: 1 is at the limit. A time of which nothing is known is a
gap in the line, never a line through it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from accounts.defaults import SMART_0DTE
from accounts.models import RiskProfileRevision
from positions.market.calendar import Session
from positions.models import Portfolio
from riskengine.calculators.limits import Limits
from riskengine.loading.revisions import limits_by_revision
from riskengine.models import Reading, ReadingPoint, ReadingState
from riskengine.services.decide.inputs import ny

GAP = timedelta(minutes=11)  # two points are missing
HEADROOM = 1.25  # the height of a line, in limits
WIDTH, HEIGHT = 100.0, 24.0
FIGURES = ("equity", "day_pnl", "drawdown_5", "drawdown_20", "exposure", "effective_exposure", "delta", "gamma")

Used = Callable[[ReadingPoint, Limits], tuple[float | None, float]]


def limit_use(
    portfolio: Portfolio,
    reading: Reading | None,
    *,
    at: datetime,
    session: Session,
    start: float,
    revision: RiskProfileRevision,
) -> list[dict[str, Any]]:
    """For each limit its line over the session up to `at`, the share used by the last risk check and the most; none
    without a point of it. `start` is the equity at the start of the day, USD, NaN where that is not known; `revision`
    the one in force, which the last `reading` stands against."""
    points = list(
        ReadingPoint.objects.filter(
            portfolio=portfolio, market_at__gte=session.opens_at, market_at__lte=min(at, session.closes_at)
        ).order_by("market_at")
    )
    if not points:
        return []
    if reading is not None and reading.state == ReadingState.KNOWN and points[-1].market_at < reading.market_at <= at:
        figures = {name: getattr(reading, name) for name in FIGURES}
        points.append(ReadingPoint(market_at=reading.market_at, revision=revision, **figures))
    limits = limits_by_revision({point.revision_id for point in points})
    return [_line(name, used, points, limits, session) for name, used in _limits(portfolio, start)]


def _limits(portfolio: Portfolio, start: float) -> Iterator[tuple[str, Used]]:
    """What is used and what the limit is, in the limit's unit."""
    gated = portfolio.system == SMART_0DTE

    def basis(limits: Limits) -> float:
        return min(start, float(limits.account_size)) if gated else start

    def loss(point: ReadingPoint) -> float | None:
        return None if point.day_pnl is None else max(0.0, -float(point.day_pnl))

    yield "Day loss, of L2", lambda p, of: (loss(p), float(of.max_daily_loss) * basis(of))
    yield "Exposure", lambda p, of: (_number(p.exposure), float(of.max_total_exposure) * basis(of))
    yield (
        "Exposure as one bet",
        lambda p, of: (_number(p.effective_exposure), float(of.max_effective_exposure) * float(p.equity)),
    )
    if gated:
        yield "Delta", lambda p, of: (_size(p.delta), float(of.max_portfolio_delta) * basis(of))
        yield "Gamma", lambda p, of: (_size(p.gamma), float(of.max_portfolio_gamma) * basis(of))
    yield "5-session drawdown", lambda p, of: (p.drawdown_5, float(of.drawdown_5_session))
    yield "20-session drawdown", lambda p, of: (p.drawdown_20, float(of.drawdown_20_session))


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _size(value: float | None) -> float | None:
    return None if value is None else abs(value)


def _line(
    name: str, used: Used, points: Sequence[ReadingPoint], limits: Mapping[int, Limits], session: Session
) -> dict[str, Any]:
    shares = [(point.market_at, _share(*used(point, limits[point.revision_id]))) for point in points]
    known = [(share, when) for when, share in shares if share is not None]
    most = max(known, key=lambda each: each[0], default=None)
    return {
        "name": name,
        "segments": [_drawn(segment, session) for segment in _segments(shares)],
        "limit_y": round(HEIGHT * (1.0 - 1.0 / HEADROOM), 2),
        "now": shares[-1][1],
        "now_at": ny(shares[-1][0]),
        "most": None if most is None else most[0],
        "most_at": None if most is None else ny(most[1]),
    }


def _share(used: float | None, limit: float) -> float | None:
    return None if used is None or not limit > 0.0 else used / limit


def _segments(shares: Sequence[tuple[datetime, float | None]]) -> Iterator[list[tuple[datetime, float]]]:
    """What is known without a gap."""
    segment: list[tuple[datetime, float]] = []
    for when, share in shares:
        if segment and (share is None or when - segment[-1][0] > GAP):
            yield segment
            segment = []
        if share is not None:
            segment.append((when, share))
    if segment:
        yield segment


def _drawn(segment: Sequence[tuple[datetime, float]], session: Session) -> str:
    """The points of a polyline in a box of 100 by 24, the session from left to right. A point alone is a short dash."""
    whole = session.closes_at - session.opens_at
    places = [
        (WIDTH * ((when - session.opens_at) / whole), HEIGHT * (1.0 - min(share, HEADROOM) / HEADROOM))
        for when, share in segment
    ]
    if len(places) == 1:
        places.append((places[0][0] + 0.5, places[0][1]))
    return " ".join(f"{x:.2f},{y:.2f}" for x, y in places)
