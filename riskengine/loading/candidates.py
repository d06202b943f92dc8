"""One portfolio's candidates for an entry, as columns: the door through which a sizing reads the database.

    load_situation   reads everything of one moment: account, market, calendars, parameters
    candidates_of    the columns of contracts in that situation, and
    with_opening     the situation after one of them was ordered; neither reads anything

What is read takes a fixed number of statements, whatever is open and however many contracts are looked at.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import numpy as np

from accounts.models import RiskProfileRevision
from positions.market.calendar import Calendar, OutsideCalendar, Session, days_to_expiration, new_york_date
from positions.market.clock import market_now
from positions.market_selectors import RECORDED_LEVELS, QuotedContract, VixLevel, calendar_around, vix_at
from positions.models import Decision, Portfolio
from riskengine.calculators import correlation, exposure
from riskengine.calculators.columns import BoolColumn, FloatColumn, IntColumn
from riskengine.calculators.fundamentals import Fundamentals, Score, score_book
from riskengine.calculators.limits import Limits
from riskengine.loading import account, market, pricing
from riskengine.loading.facts import Facts, Record, Standing, read_facts, read_standing
from riskengine.loading.revisions import terms_in_force
from riskengine.loading.scaling import Confidence


@dataclass(frozen=True, slots=True, eq=False)
class Situation:
    """What holds for every contract: portfolio, parameters, market time, session, account, VIX, SPY's price.

    `heartbeat_age_seconds` is wall time since the last finished risk check; NaN where none was, or in a preview.
    `account` and `book` are made of `ledger`, `marks` and `facts`, which are what was read.
    """

    portfolio: Portfolio
    revision: RiskProfileRevision
    limits: Limits
    at: datetime
    calendar: Calendar
    session: Session
    is_open: bool
    vix: VixLevel | None
    spot_max_age: timedelta
    facts: Facts
    standing: Standing
    marks: account.Marks
    ledger: account.Ledger
    account: account.Account
    book: exposure.ShareEquivalents
    opening_intents: int
    confidence: Confidence
    heartbeat_age_seconds: float = np.nan

    @property
    def live(self) -> bool:
        return self.portfolio.clock.kind == "live"

    @property
    def spy(self) -> float:
        return self.facts.spy

    @property
    def spy_source(self) -> str:
        return self.facts.spy_source

    @property
    def record(self) -> Record:
        return self.standing.record

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

    def with_opening(self, contract_id: int, contracts: int, worst_price: Decimal) -> "Situation":
        """After an entry was asked for at this moment: one intent more, and where contracts were ordered (not 0) their
        order in the ledger, so that the next entry sees what this one was promised."""
        asked = replace(self, opening_intents=self.opening_intents + 1)
        if not contracts:
            return asked
        ledger = self.ledger.with_opening(contract_id, contracts, worst_price)
        held = account.account_of(ledger, self.marks)
        book = account.share_equivalents(held.committed, self.marks, self.spy)
        return replace(asked, ledger=ledger, account=held, book=book)


def load_situation(
    portfolio: Portfolio,
    contract_ids: Collection[int] = (),
    *,
    now: datetime,
    placing: bool = False,
    confirming: Decision | None = None,
) -> Situation:
    """Read the portfolio's situation at wall time `now`, and the facts of the contracts that are asked for.

    `placing` reads the heartbeat's age, which only an entry asks for. The decision that is being confirmed
    (`confirming`) is no further opening intent. OutsideCalendar when its market time has no session table.
    """
    at = market_now(portfolio.clock, now)
    try:
        calendar = calendar_around(at)
    except ValueError as empty:  # no session was ever imported: the same remedy as a table that is too short
        raise OutsideCalendar(str(empty)) from empty
    session = calendar.on_or_before(new_york_date(at))
    terms = terms_in_force(portfolio.profile_id)
    limits = terms.limits
    live = portfolio.clock.kind == "live"
    oldest = limits.quote_max_age_seconds if live else limits.recorded_quote_max_age_seconds
    spot_max_age = timedelta(seconds=float(oldest))
    ledger = account.read_ledger(portfolio, session.day)
    found = read_facts(
        contract_ids,
        ledger.contract_ids(),
        source=portfolio.quote_source,
        calendar=calendar,
        session=session,
        at=at,
        spot_max_age=spot_max_age,
        limits=limits,
    )
    marks = account.marks_of(
        list(found.contracts.values()),
        found.prices,
        calendar,
        session_on=session.day,
        at=at,
        live=live,
        limits=limits,
        spot_max_age=spot_max_age,
    )
    held = account.account_of(ledger, marks)
    standing = read_standing(portfolio, at, limits, confirming)
    return Situation(
        portfolio=portfolio,
        revision=terms.revision,
        limits=limits,
        at=at,
        calendar=calendar,
        session=session,
        is_open=session.contains(at),
        vix=vix_at(
            at, clock_kind=portfolio.clock.kind, source=portfolio.quote_source, index=terms.revision.volatility_index
        ),
        spot_max_age=spot_max_age,
        facts=found,
        standing=standing,
        marks=marks,
        ledger=ledger,
        account=held,
        book=account.share_equivalents(held.committed, marks, found.spy),
        opening_intents=standing.opening_intents,
        confidence=Confidence.of(standing.trades, standing.reviewed, limits),
        heartbeat_age_seconds=_heartbeat_age(standing.checked_at, now) if placing else np.nan,
    )


def _heartbeat_age(checked_at: datetime | None, now: datetime) -> float:
    """Seconds of wall time since the last finished risk check (A-10). One from the future is as far off as its clock:
    an age under 0 would let a stopped check pass for running."""
    return np.nan if checked_at is None else abs((now - checked_at).total_seconds())


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
    earnings_possible: BoolColumn
    ex_dividend_inside: BoolColumn
    cooldown_minutes_left: FloatColumn
    underlying_halted: BoolColumn
    event_blackout: BoolColumn


def candidates_of(situation: Situation, rows: Sequence[QuotedContract]) -> Candidates:
    """Columns for these contracts, in their order. Their underlyings are among those the situation was loaded for;
    KeyError for another one, of which nothing was read."""
    found, at = situation.facts, situation.at
    listed = [found.listed[row.underlying_id] for row in rows]
    quotes = market.quotes(rows, at=at)
    book = _fundamentals(situation, rows)
    risk, known, pair_row, pair_rho = _correlations(situation, rows)
    return Candidates(
        quotes=quotes,
        days=market.column([days_to_expiration(row.expires_on, at) for row in rows]),
        priced=pricing.price(quotes, found.prices, situation.calendar, at, situation.spot_max_age),
        correlation_risk=risk,
        correlation_known=known,
        pair_row=pair_row,
        pair_correlation=pair_rho,
        fundamentals=book,
        score=score_book(book, situation.limits),
        # A company may report from today to the expiration: it does, or its next date is not on record.
        earnings_possible=np.array(
            [(each.next_report_on or date.min) <= row.expires_on for each, row in zip(listed, rows, strict=True)], bool
        ),
        ex_dividend_inside=np.array(
            [
                row.right == "C" and each.next_ex_on is not None and each.next_ex_on <= row.expires_on
                for each, row in zip(listed, rows, strict=True)
            ],
            bool,
        ),
        cooldown_minutes_left=_cooldown(situation, rows),
        underlying_halted=np.array([each.halted for each in listed], bool),
        event_blackout=np.array([each.blacked_out for each in listed], bool),
    )


def _fundamentals(situation: Situation, rows: Sequence[QuotedContract]) -> Fundamentals:
    found = [situation.facts.fundamentals.get(row.underlying_id) for row in rows]
    return market.figures(found, situation.session.day, np.array([row.right == "C" for row in rows], bool))


def _correlations(
    situation: Situation, rows: Sequence[QuotedContract]
) -> tuple[FloatColumn, BoolColumn, IntColumn, FloatColumn]:
    """Every candidate paired with every open position and working opening, from closes up to the session before."""
    held = situation.account.committed
    n, k = len(rows), len(held.contracts)
    pair_row = np.repeat(np.arange(n), k)
    if k == 0:
        return np.zeros(n), np.ones(n, bool), pair_row, np.zeros(0)
    mine, theirs = [row.underlying_id for row in rows], held.underlyings()
    same = np.repeat(np.array(mine), k) == np.tile(np.array(theirs), n)
    rho = situation.facts.correlations.of(mine, theirs)
    direction = np.repeat(np.where([row.right == "C" for row in rows], 1, -1), k)
    risk = correlation.correlation_risk(pair_row, rho, direction, np.tile(held.direction, n), same, n)
    unknown = np.bincount(pair_row, weights=np.isnan(rho), minlength=n) > 0
    return risk, ~unknown, pair_row, rho


def _cooldown(situation: Situation, rows: Sequence[QuotedContract]) -> FloatColumn:
    """Minutes of pause left: after a stop-out in the same underlying (P-09), for the rest of the session after too many
    of them, and everywhere after a losing streak (A-04)."""
    limits, at, recent = situation.limits, situation.at, situation.standing.closes
    streak = recent[: int(limits.losing_streak)]
    everywhere = at
    if len(streak) == int(limits.losing_streak) and all(each.pnl < 0 for each in streak):
        everywhere = streak[0].closed_at + timedelta(minutes=float(limits.losing_streak_pause_minutes))
    until: dict[int, datetime] = {}
    for underlying in {row.underlying_id for row in rows}:
        stops = [each.closed_at for each in recent if each.underlying_id == underlying and each.cause == "stop"]
        if stops:
            until[underlying] = stops[0] + timedelta(minutes=float(limits.reentry_cooldown_minutes))
        if sum(when >= situation.session.opens_at for when in stops) >= limits.max_stopouts_per_underlying:
            until[underlying] = max(until[underlying], situation.session.closes_at)
    over = [max(until.get(row.underlying_id, at), everywhere) for row in rows]
    return np.array([max(each - at, timedelta(0)) / timedelta(minutes=1) for each in over], np.float64)
