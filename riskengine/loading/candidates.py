"""One portfolio's candidates for an entry, as columns: the door through which a sizing reads the database.

`load_situation` reads what does not depend on the contract, `load_candidates` what does. Both take a fixed number of
statements, whatever is open and however many contracts are looked at.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import numpy as np
from django.db.models import Avg, Count, F, Min, Q, Value
from django.db.models.functions import NullIf

from accounts.models import RiskProfileRevision
from accounts.selectors import ladders_of, latest_revision, numbers_of
from positions.market.calendar import Calendar, OutsideCalendar, Session, days_to_expiration, new_york_date
from positions.market.clock import market_now
from positions.market_selectors import (
    RECORDED_LEVELS,
    QuotedContract,
    VixLevel,
    calendar_around,
    closes_before,
    fundamentals_at,
    underlying_prices,
    vix_at,
)
from positions.models import Blackout, Decision, EarningsDate, Fundamental, Instrument, Portfolio, Position, TradingHalt
from riskengine.calculators import correlation, exposure
from riskengine.calculators.columns import BoolColumn, FloatColumn, IntColumn
from riskengine.calculators.fundamentals import Fundamentals, Score, score_book
from riskengine.calculators.limits import Limits
from riskengine.loading import account, market, pricing
from riskengine.loading.limits import limits_of

SPY_PRICES = ("SPY", "SPX")
RECENT_CLOSES = 100  # more than any pause looks back at


@dataclass(frozen=True, slots=True)
class Record:
    """The portfolio's own closed trades: how many, how many of them won after fees, and what a win gained and a loss
    lost on average per dollar paid (None without any)."""

    trades: int
    wins: int
    gain: Decimal | None
    loss: Decimal | None


@dataclass(frozen=True, slots=True, eq=False)
class Situation:
    """What holds for every contract: portfolio, parameters, market time, session, account, VIX, SPY's price.

    `heartbeat_age_seconds` is wall time since the last finished risk check; NaN where none was, or in a preview.
    """

    portfolio: Portfolio
    revision: RiskProfileRevision
    limits: Limits
    at: datetime
    calendar: Calendar
    session: Session
    is_open: bool
    account: account.Account
    book: exposure.ShareEquivalents
    vix: VixLevel | None
    spy: float
    spy_source: str
    spot_max_age: timedelta
    opening_intents: int
    record: "Record"
    heartbeat_age_seconds: float = np.nan

    @property
    def live(self) -> bool:
        return self.portfolio.clock.kind == "live"

    @property
    def minutes_since_open(self) -> float:
        return self.session.minutes_since_open(self.at)

    @property
    def minutes_to_forced_close(self) -> float:
        return self.session.minutes_to_close(self.at) - float(self.limits.forced_close_minutes)

    @property
    def vix_age_seconds(self) -> float:
        """A reading ages; a recorded day's figure is as fresh as its label says (A-05). NaN: no reading."""
        if self.vix is None:
            return np.nan
        return 0.0 if self.vix.label in RECORDED_LEVELS else (self.at - self.vix.known_at).total_seconds()


def load_situation(
    portfolio: Portfolio, *, now: datetime, placing: bool = False, confirming: Decision | None = None
) -> Situation:
    """Read the portfolio's situation at wall time `now`. OutsideCalendar when its market time has no session table.

    `placing` reads what only an entry asks for: the heartbeat. The decision that is being confirmed (`confirming`) is
    no further opening intent.
    """
    at = market_now(portfolio.clock, now)
    try:
        calendar = calendar_around(at)
    except ValueError as empty:  # no session was ever imported: the same remedy as a table that is too short
        raise OutsideCalendar(str(empty)) from empty
    session = calendar.on_or_before(new_york_date(at))
    revision = latest_revision(portfolio.profile)
    limits = limits_of(numbers_of(revision), ladders_of(revision))
    live = portfolio.clock.kind == "live"
    vix = vix_at(at, clock_kind=portfolio.clock.kind, source=portfolio.quote_source, index=revision.volatility_index)
    oldest = limits.quote_max_age_seconds if live else limits.recorded_quote_max_age_seconds
    spot_max_age = timedelta(seconds=float(oldest))
    spy, spy_source = _spy(portfolio.quote_source, at, spot_max_age)
    held = account.load(portfolio, session=session, at=at, limits=limits)
    return Situation(
        portfolio=portfolio,
        revision=revision,
        limits=limits,
        at=at,
        calendar=calendar,
        session=session,
        is_open=session.contains(at),
        account=held,
        book=_book(held.committed, portfolio.quote_source, calendar, at, spot_max_age, spy),
        vix=vix,
        spy=spy,
        spy_source=spy_source,
        spot_max_age=spot_max_age,
        opening_intents=_opening_intents(portfolio, at, limits, confirming),
        record=_record(portfolio),
        heartbeat_age_seconds=_heartbeat_age(portfolio, now) if placing else np.nan,
    )


def _opening_intents(portfolio: Portfolio, at: datetime, limits: Limits, confirming: Decision | None) -> int:
    """Entries asked for within the window, refused ones too (A-04). A confirmation is not one more."""
    since = at - timedelta(seconds=float(limits.opening_intents_window_seconds))
    asked = portfolio.decisions.filter(intent="open", decided_at__gt=since, inputs__confirms__isnull=True)
    return asked.exclude(pk=confirming.pk if confirming else None).count()


def _heartbeat_age(portfolio: Portfolio, now: datetime) -> float:
    """Seconds of wall time since the last finished risk check (A-10). One from the future is as far off as its clock:
    an age under 0 would let a stopped check pass for running."""
    finished_at = portfolio.heartbeats.filter(scope="risk").values_list("finished_at", flat=True).first()
    return np.nan if finished_at is None else abs((now - finished_at).total_seconds())


def _record(portfolio: Portfolio) -> Record:
    closed = Position.objects.filter(portfolio=portfolio, status="closed")
    won, per_dollar = Q(realised_pnl__gt=0), F("realised_pnl") / NullIf(F("entry_cost"), Value(Decimal(0)))
    found = closed.aggregate(
        trades=Count("pk"),
        wins=Count("pk", filter=won),
        gain=Avg(per_dollar, filter=won),
        loss=-Avg(per_dollar, filter=~won),
    )
    return Record(**found)


def _book(
    held: account.Held, source: str, calendar: Calendar, at: datetime, spot_max_age: timedelta, spy: float
) -> exposure.ShareEquivalents:
    """Delta and gamma of what is open and ordered, in SPY share-equivalents, shape (1,); NaN where one is unknown.

    Volatility is implied from a usable quote only: a stale mid would say what the Greeks were (A-14).
    """
    quotes = replace(held.quotes, ask=np.where(held.usable, held.quotes.ask, np.nan))
    priced = pricing.price(quotes, source, calendar, at, spot_max_age)
    n = len(held.contracts)
    return exposure.share_equivalents(
        contracts=held.contracts,
        multiplier=quotes.multiplier,
        delta=priced.greeks.delta,
        gamma=priced.greeks.gamma,
        spot=priced.spot,
        spy=np.full(n, spy),
        group=np.zeros(n, np.int64),
        groups=1,
    )


def _spy(source: str, at: datetime, max_age: timedelta) -> tuple[float, str]:
    """SPY's price and where it comes from: its own bar, else SPX / 10 (A-14). NaN when both are stale."""
    ids = dict(Instrument.objects.filter(symbol__in=SPY_PRICES).values_list("symbol", "id"))
    prices = underlying_prices(list(ids.values()), source=source, now=at)
    spy, spx = (pricing.known(prices.get(ids.get(symbol, 0)), at, max_age) for symbol in SPY_PRICES)
    price = float(exposure.spy_price(np.array([spy]), np.array([spx]))[0])
    return price, "SPY" if spy > 0 else "SPX / 10" if spx > 0 else "not recorded now"


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Contracts that might be bought, shape (n,). Prices USD per share, Greeks per share, NaN is not known.

    `correlation_risk` is P-01's for 0DTE; `pair_row` and `pair_correlation` the pairs with open positions for 7DTE.
    """

    quotes: market.Quotes
    days: FloatColumn
    priced: pricing.Priced
    correlation_risk: FloatColumn
    correlation_known: BoolColumn
    pair_row: IntColumn
    pair_correlation: FloatColumn
    fundamentals: Fundamentals
    score: Score
    fundamentals_rows: dict[int, Fundamental]
    closes_labels: dict[int, str]
    earnings_possible: BoolColumn
    cooldown_minutes_left: FloatColumn
    underlying_halted: BoolColumn
    event_blackout: BoolColumn


def load_candidates(situation: Situation, rows: Sequence[QuotedContract]) -> Candidates:
    """Columns for these contracts, in their order."""
    quotes = market.quotes(rows, at=situation.at)
    priced = pricing.price(
        quotes, situation.portfolio.quote_source, situation.calendar, situation.at, situation.spot_max_age
    )
    figures = fundamentals_at(sorted({row.underlying_id for row in rows}), on=situation.session.day)
    book = _fundamentals(rows, figures, situation)
    risk, known, pair_row, pair_rho, labels = _correlations(situation, rows)
    return Candidates(
        quotes=quotes,
        days=market.column([days_to_expiration(row.expires_on, situation.at) for row in rows]),
        priced=priced,
        correlation_risk=risk,
        correlation_known=known,
        pair_row=pair_row,
        pair_correlation=pair_rho,
        fundamentals=book,
        score=score_book(book, situation.limits),
        fundamentals_rows=figures,
        closes_labels=labels,
        earnings_possible=_earnings(situation, rows),
        cooldown_minutes_left=_cooldown(situation, rows),
        underlying_halted=_halted(situation, rows),
        event_blackout=_blacked_out(situation, rows),
    )


def _fundamentals(
    rows: Sequence[QuotedContract], figures: dict[int, Fundamental], situation: Situation
) -> Fundamentals:
    found = [figures.get(row.underlying_id) for row in rows]
    age = [None if each is None else (situation.session.day - each.as_of_on).days for each in found]
    return Fundamentals(
        earnings_surprise=market.column([each and each.earnings_surprise_percent for each in found]),
        buy_ratings=market.column([each and each.analyst_buy_percent for each in found]),
        sell_ratings=market.column([each and each.analyst_sell_percent for each in found]),
        pe=market.column([each and each.pe_ratio for each in found]),
        sector_pe=market.column([each and each.sector_pe_ratio for each in found]),
        age_days=market.column(age),
        call=np.array([row.right == "C" for row in rows], bool),
    )


def _correlations(
    situation: Situation, rows: Sequence[QuotedContract]
) -> tuple[FloatColumn, BoolColumn, IntColumn, FloatColumn, dict[int, str]]:
    """Every candidate paired with every open position and working opening, from closes up to the session before."""
    held = situation.account.committed
    n, k = len(rows), len(held.contracts)
    pair_row = np.repeat(np.arange(n), k)
    if k == 0:
        return np.zeros(n), np.ones(n, bool), pair_row, np.zeros(0), {}
    mine, theirs = [row.underlying_id for row in rows], held.underlyings()
    instruments = sorted({*mine, *theirs})
    matrix, labels = _matrix(situation, instruments)
    place = {instrument: at for at, instrument in enumerate(instruments)}
    first = np.repeat([place[each] for each in mine], k)
    second = np.tile([place[each] for each in theirs], n)
    same = first == second
    rho = np.where(same, 1.0, matrix[first, second])
    direction = np.repeat(np.where([row.right == "C" for row in rows], 1, -1), k)
    risk = correlation.correlation_risk(pair_row, rho, direction, np.tile(held.direction, n), same, n)
    unknown = np.bincount(pair_row, weights=np.isnan(rho), minlength=n) > 0
    return risk, ~unknown, pair_row, rho, labels


def _matrix(situation: Situation, instruments: Sequence[int]) -> tuple[FloatColumn, dict[int, str]]:
    """P-12's matrix as of the session before; an instrument whose last close is too old is not measurable."""
    limits = situation.limits
    window = int(limits.correlation_window_sessions)
    day = situation.session.day
    days = [situation.calendar.back(day, count).day for count in range(window + 1, 0, -1)]
    found = closes_before(instruments, before=day, sessions=window + 1, calendar=situation.calendar)
    prices = market.close_matrix(found, instruments, days)
    oldest_usable = int(limits.correlation_max_age_sessions)
    recent = ~np.isnan(prices[:, len(days) - 1 - oldest_usable :]).all(axis=1)
    prices[~recent] = np.nan
    matrix = correlation.correlation_matrix(
        correlation.log_returns(prices), window=window, min_common=int(limits.correlation_min_common_sessions)
    )
    return matrix.correlation, {each.instrument_id: each.label for each in found.values() if each.label}


def _earnings(situation: Situation, rows: Sequence[QuotedContract]) -> BoolColumn:
    """Whether the company may report from today to the expiration: it does, or its next date is not on record."""
    next_dates: dict[int, date] = dict(
        EarningsDate.objects.filter(
            instrument__in={row.underlying_id for row in rows}, reports_on__gte=situation.session.day
        )
        .values_list("instrument_id")
        .annotate(Min("reports_on"))
    )
    return np.array([next_dates.get(row.underlying_id, date.min) <= row.expires_on for row in rows], bool)


def _cooldown(situation: Situation, rows: Sequence[QuotedContract]) -> FloatColumn:
    """Minutes of pause left: after a stop-out in the same underlying (P-09), for the rest of the session after too many
    of them, and everywhere after a losing streak (A-04)."""
    limits, at = situation.limits, situation.at
    closed = Position.objects.filter(portfolio=situation.portfolio, status="closed", closed_at__lte=at)
    recent = list(
        closed.order_by("-closed_at", "-pk").values_list(
            "contract__underlying_id", "closed_at", "close_cause", "realised_pnl"
        )[:RECENT_CLOSES]
    )
    streak = recent[: int(limits.losing_streak)]
    everywhere = at
    if len(streak) == int(limits.losing_streak) and all(pnl < 0 for *_, pnl in streak):
        everywhere = streak[0][1] + timedelta(minutes=float(limits.losing_streak_pause_minutes))
    until: dict[int, datetime] = {}
    for row in {row.underlying_id for row in rows}:
        stops = [when for underlying, when, cause, _ in recent if underlying == row and cause == "stop"]
        if stops:
            until[row] = stops[0] + timedelta(minutes=float(limits.reentry_cooldown_minutes))
        if sum(when >= situation.session.opens_at for when in stops) >= limits.max_stopouts_per_underlying:
            until[row] = max(until[row], situation.session.closes_at)
    over = [max(until.get(row.underlying_id, at), everywhere) for row in rows]
    return np.array([max(each - at, timedelta(0)) / timedelta(minutes=1) for each in over], np.float64)


def _halted(situation: Situation, rows: Sequence[QuotedContract]) -> BoolColumn:
    """Whether trading in the underlying is halted (A-24)."""
    halts = TradingHalt.objects.filter(
        Q(resumed_at__isnull=True) | Q(resumed_at__gt=situation.at),
        instrument__in={row.underlying_id for row in rows},
        halted_at__lte=situation.at,
    )
    halted = set(halts.values_list("instrument_id", flat=True))
    return np.array([row.underlying_id in halted for row in rows], bool)


def _blacked_out(situation: Situation, rows: Sequence[QuotedContract]) -> BoolColumn:
    """Whether a calendar event (FOMC, CPI) blocks entries in the underlying, or in all, now (A-24)."""
    events = Blackout.objects.filter(starts_at__lte=situation.at, ends_at__gt=situation.at)
    blocked = set(events.values_list("instrument_id", flat=True))
    return np.array([None in blocked or row.underlying_id in blocked for row in rows], bool)
