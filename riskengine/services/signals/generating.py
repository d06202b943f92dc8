"""The built-in generators: once a session, what trend, drift, volatility and fundamentals say of each underlying.

They are modest, and say so: each component follows a published finding (`calculators.generators`), none is a promise,
and what they generate bets the minimum until their own closed trades are a record.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from django.db.models import Q

from accounts.defaults import SMART_0DTE
from positions.market.calendar import Calendar, OutsideCalendar, Session, new_york_date
from positions.market.clock import market_now
from positions.market_selectors import calendar_around, quoted_underlyings
from positions.models import Instrument, Portfolio
from riskengine.calculators import generators
from riskengine.calculators.columns import FloatColumn
from riskengine.loading.components import Seen, look
from riskengine.models import Signal, SignalSource, SourceKind
from riskengine.services.decide.entries import PortfolioBusy
from riskengine.services.signals.receiving import Draft, SignalsRefused, receive

# After the open: a 0DTE bet waits for the first half hour, which is what it is mostly about; a weekly for the opening
# quotes to settle. Due for as long as a person might still be at breakfast, and not all day.
DUE_AFTER = {SMART_0DTE: timedelta(minutes=30, seconds=5)}
DUE_AFTER_OTHERS = timedelta(minutes=15)
DUE_FOR = timedelta(minutes=30)
MOST_UNDERLYINGS = 50
MOST_TURNS = 50  # sources that speak in one run; the others in the next, 2 s later
COMPANIONS = ("SPY", "QQQ", "IWM")

LABELS = {
    "trend": "Trend: last close against its averages of 20 and 50 sessions",
    "momentum": "Momentum: return of 20 sessions in its own deviations",
    "intraday_momentum": "First half hour, in deviations of a day",
    "cross_asset": "Share of the other underlyings that moved the same way",
    "post_earnings_drift": "Drift after the last earnings surprise",
    "valuation_tilt": "P/E against the sector's",
    "analyst_tilt": "Buy ratings less sell ratings",
}


@dataclass(frozen=True, slots=True)
class Generated:
    """How many signals were made, and how many underlyings had none because too little is known or nothing is said."""

    made: int = 0
    silent: int = 0


@dataclass(frozen=True, slots=True)
class _Turn:
    """A source that is due, in its own market's session and time."""

    source: SignalSource
    calendar: Calendar
    session: Session
    at: datetime


def run_generators(*, now: datetime, portfolio_ids: Iterable[int] | None = None) -> Generated:
    """Let every built-in source that is due speak, once a session, at wall time `now`; so many at once at most.

    Where nothing is due it takes a statement, one for each market date, and one that asks who has spoken.
    """
    sources = SignalSource.objects.filter(kind=SourceKind.GENERATOR, enabled=True)
    if portfolio_ids is not None:
        sources = sources.filter(portfolio_id__in=list(portfolio_ids))
    made = silent = 0
    for turn in _due(sources.select_related("portfolio__clock", "portfolio__profile").order_by("pk"), now)[:MOST_TURNS]:
        found = _speak(turn, now)
        made, silent = made + found.made, silent + found.silent
    return Generated(made, silent)


def _due(sources: Iterable[SignalSource], now: datetime) -> list[_Turn]:
    """Whose time it is and who has not spoken in this session."""
    days: dict[date, tuple[Calendar, Session] | None] = {}
    turns: list[_Turn] = []
    for source in sources:
        at = market_now(source.portfolio.clock, now)
        day = new_york_date(at)
        if day not in days:
            days[day] = _session_of(at)
        known = days[day]
        if known is not None and is_due(source.portfolio, known[1], at):
            turns.append(_Turn(source, *known, at))
    spoken = _spoken(turns)
    return [each for each in turns if (each.source.pk, f"{each.session.day}") not in spoken]


def _spoken(turns: Sequence[_Turn]) -> set[tuple[int, str]]:
    """By source and day. One statement, none where nobody is due."""
    if not turns:
        return set()
    said = Q()
    for day in {each.session.day for each in turns}:
        said |= Q(external_id__startswith=f"{day} ")
    rows = Signal.objects.filter(said, source__in=[each.source.pk for each in turns])
    return {(pk, number.split()[0]) for pk, number in rows.values_list("source_id", "external_id")}


def _session_of(at: datetime) -> tuple[Calendar, Session] | None:
    """None on a day without a session, and where the table does not know the day."""
    try:
        calendar = calendar_around(at)
        session = calendar.session(new_york_date(at))
    except (ValueError, OutsideCalendar):  # no table at all, or one that does not reach the day
        return None
    return None if session is None else (calendar, session)


def _speak(turn: _Turn, now: datetime) -> Generated:
    source, portfolio = turn.source, turn.source.portfolio
    instruments = _underlyings(portfolio, turn.at)
    if not instruments:
        return Generated()
    companions = _companions(portfolio, instruments)
    try:
        seen = look(portfolio, [*instruments, *companions], turn.calendar, turn.session, turn.at)
    except OutsideCalendar:  # it does not reach back far enough
        return Generated()
    drafts = drafts_of(portfolio, seen, turn.session, turn.at, betting=len(instruments))
    if drafts:
        try:
            receive(source, drafts, now=now)
        except (PortfolioBusy, SignalsRefused):  # another run is saying the same just now: the next one looks again
            return Generated()
    return Generated(len(drafts), len(instruments) - len(drafts))


def is_due(portfolio: Portfolio, session: Session, at: datetime) -> bool:
    due = session.opens_at + DUE_AFTER.get(portfolio.system, DUE_AFTER_OTHERS)
    return due <= at < min(due + DUE_FOR, session.closes_at)


def _underlyings(portfolio: Portfolio, at: datetime) -> list[Instrument]:
    symbols = quoted_underlyings(source=portfolio.quote_source, now=at)
    return list(Instrument.objects.filter(symbol__in=symbols).order_by("symbol")[:MOST_UNDERLYINGS])


def _companions(portfolio: Portfolio, instruments: Sequence[Instrument]) -> list[Instrument]:
    """The other index funds, whose options need not be quoted to tell whether the market agrees (0DTE)."""
    if portfolio.system != SMART_0DTE:
        return []
    known = [each.pk for each in instruments]
    return list(Instrument.objects.filter(symbol__in=COMPANIONS).exclude(pk__in=known).order_by("symbol"))


def drafts_of(portfolio: Portfolio, seen: Seen, session: Session, at: datetime, *, betting: int) -> list[Draft]:
    """A signal for each of the first `betting` underlyings that something is said of, with every component it was made
    of; the others only say whether they move the same way."""
    zero_dte = portfolio.system == SMART_0DTE
    weights = generators.SMART_0DTE_WEIGHTS if zero_dte else generators.MAG7_7DTE_WEIGHTS
    strengths = _strengths(seen)
    n = len(seen.instruments)
    calm = generators.volatility_regime(np.full(n, seen.vix), np.tile(seen.vix_history, (n, 1)), np.full(n, seen.vix1d))
    combined = generators.combine(
        np.column_stack([strengths[name] for name in weights]), np.array(list(weights.values())), calm
    )
    drafts = []
    for i, instrument in enumerate(seen.instruments[:betting]):
        if combined.direction[i] == 0:
            continue
        drafts.append(
            Draft(
                external_id=f"{session.day} {instrument.symbol}",
                symbol=instrument.symbol,
                direction="LONG_CALL" if combined.direction[i] > 0 else "LONG_PUT",
                confidence=Decimal(f"{combined.confidence[i]:.6f}"),
                as_of=at,
                components=_components(weights, strengths, float(calm[i]), seen, i),
                note=_note(float(combined.known_share[i]), seen, i),
            )
        )
    return drafts


def _strengths(seen: Seen) -> Mapping[str, FloatColumn]:
    """Every component that either system weighs, shape (n,) each."""
    n = len(seen.instruments)
    with np.errstate(invalid="ignore"):
        day = np.where(np.isnan(seen.half_hour), np.log(seen.closes[:, -1] / seen.closes[:, -2]), seen.half_hour)
    others = np.array([np.delete(day, i) for i in range(n)]).reshape(n, n - 1)

    def figure(name: str) -> FloatColumn:
        values = [None if each is None else getattr(each, name) for each in seen.figures]
        return np.array([np.nan if value is None else float(value) for value in values])

    return {
        "trend": generators.trend(seen.closes),
        "momentum": generators.momentum(seen.closes),
        "intraday_momentum": generators.intraday_momentum(seen.half_hour, seen.volatility),
        "cross_asset": generators.cross_asset(day, others),
        "post_earnings_drift": generators.post_earnings_drift(figure("earnings_surprise_percent"), seen.surprise_age),
        "valuation_tilt": generators.valuation_tilt(figure("pe_ratio"), figure("sector_pe_ratio")),
        "analyst_tilt": generators.analyst_tilt(figure("analyst_buy_percent"), figure("analyst_sell_percent")),
    }


def _components(
    weights: Mapping[str, float], strengths: Mapping[str, FloatColumn], calm: float, seen: Seen, i: int
) -> Sequence[dict[str, Any]]:
    """What the confidence was made of: value from -1 to 1 (None: not known) and weight."""
    found: list[dict[str, Any]] = []
    for name, weight in weights.items():
        value = float(strengths[name][i])
        known = np.isfinite(value)
        found.append(
            {
                "name": name,
                "label": LABELS[name],
                "value": round(value, 6) if known else None,
                "weight": weight,
                "unit": "-1 to 1",
            }
        )
    label = f"Calm: VIX {seen.vix:.2f} against a year of it"
    return [*found, {"name": "calm", "label": label, "value": round(calm, 6), "weight": None, "unit": "0 to 1"}]


def _note(known_share: float, seen: Seen, i: int) -> str:
    figures = seen.figures[i]
    said = f"{100 * known_share:.0f}% of the weights are known"
    if figures is not None and figures.is_illustrative:
        return f"{said}; the fundamentals are illustrative, not real"
    return said
