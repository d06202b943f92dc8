"""What the market, the calendar and the records say at one moment of every contract that an entry looks at.

All of it is read here, in a fixed number of statements; what is made of it (`candidates`) reads nothing more.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import NamedTuple

import numpy as np
from django.db import connection

from positions.market.calendar import Calendar, Session
from positions.market_selectors import (
    QuotedContract,
    UnderlyingPrice,
    closes_before,
    fundamentals_at,
    prices_of,
    quoted_contracts,
    underlying_prices,
)
from positions.models import Decision, Fundamental, Portfolio
from riskengine.calculators import correlation, exposure
from riskengine.calculators.columns import FloatColumn, IntColumn
from riskengine.calculators.limits import EWMA, LEDOIT_WOLF, Limits
from riskengine.loading import market, pricing
from riskengine.loading.scaling import Trade

SPY_PRICES = ("SPY", "SPX")
RECENT_CLOSES = 100  # more than any pause looks back at
SHRUNK_TOGETHER = 50  # underlyings in one Ledoit-Wolf estimate
RECORD = 2_000  # closed trades that a confidence is calibrated on: the last so many


@dataclass(frozen=True, slots=True)
class Record:
    """The portfolio's own closed trades: how many, how many of them won after fees, and what a win gained and a loss
    lost on average per dollar paid (None without any)."""

    trades: int
    wins: int
    gain: Decimal | None
    loss: Decimal | None


class Closed(NamedTuple):
    """A closed position: P&L in USD after fees."""

    underlying_id: int
    closed_at: datetime
    cause: str
    pnl: Decimal


class Listed(NamedTuple):
    """What stands in the calendars for an underlying: when it next reports, when its share next trades without a
    dividend, whether it is halted or blacked out. None is not on record."""

    next_report_on: date | None
    next_ex_on: date | None
    halted: bool
    blacked_out: bool


class Latched(NamedTuple):
    """A circuit breaker that is tripped, with the number and the limit of its trip; of one underlying, or of all."""

    code: str
    underlying_id: int | None
    value: float | None
    limit: float | None


@dataclass(frozen=True, slots=True)
class Standing:
    """What the portfolio itself brings to an entry: entries asked for within the throttle's window, its tripped
    breakers, when the last risk check finished (wall time; None where none did) and whether it could judge it, its
    record, its last closes, the newest first, the closed trades that it had decided on, and when each confidence tier
    was last reviewed (market time)."""

    opening_intents: int
    latched: tuple[Latched, ...]
    checked_at: datetime | None
    risk_known: bool
    record: Record
    closes: tuple[Closed, ...]
    trades: tuple[Trade, ...]
    reviewed: Mapping[float, datetime]


@dataclass(frozen=True, slots=True, eq=False)
class Correlations:
    """P-12's matrix by instrument id, NaN where a pair is not measurable, with its common returns (`sample`) as of a
    date; whose closes were read where not its own."""

    place: Mapping[int, int]
    matrix: FloatColumn
    labels: Mapping[int, str]
    sample: IntColumn
    as_of: date | None

    def of(self, mine: Sequence[int], theirs: Sequence[int]) -> FloatColumn:
        """Each of mine with each of theirs, shape (mine x theirs,); 1 with itself, NaN where unknown."""
        rows = np.repeat(np.array([self.place.get(each, -1) for each in mine], np.int64), len(theirs))
        columns = np.tile(np.array([self.place.get(each, -1) for each in theirs], np.int64), len(mine))
        known = np.full(len(rows), np.nan)
        measured = (rows >= 0) & (columns >= 0)
        known[measured] = self.matrix[rows[measured], columns[measured]]
        same = np.repeat(np.array(mine, np.int64), len(theirs)) == np.tile(np.array(theirs, np.int64), len(mine))
        return np.where(same, 1.0, known)


NO_CORRELATIONS = Correlations({}, np.zeros((0, 0)), {}, np.zeros((0, 0), np.int64), None)


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """By contract id the last quotes; by underlying id prices, fundamentals and calendars; SPY's price in USD."""

    contracts: Mapping[int, QuotedContract]
    prices: Mapping[int, UnderlyingPrice]
    fundamentals: Mapping[int, Fundamental]
    listed: Mapping[int, Listed]
    correlations: Correlations
    spy: float
    spy_source: str


def read_facts(
    asked: Collection[int],
    held: Collection[int],
    *,
    source: str,
    calendar: Calendar,
    session: Session,
    at: datetime,
    spot_max_age: timedelta,
    limits: Limits,
) -> Facts:
    """Facts of the contracts asked for, and of those held or ordered, by id. Six statements, seven where bets meet."""
    ids = sorted({*asked, *held})
    rows = quoted_contracts(ids, source=source, now=at) if ids else []
    contracts = {row.contract_id: row for row in rows}
    underlyings = sorted({row.underlying_id for row in rows})
    wanted = sorted({contracts[pk].underlying_id for pk in asked})
    spy, spy_source = _spy(source, at, spot_max_age)
    alone = not held and len(asked) < 2  # nothing to be correlated with
    way = Way(*(float(getattr(limits, name)) for name in WAYS))
    return Facts(
        contracts=contracts,
        prices=underlying_prices(underlyings, source=source, now=at) if underlyings else {},
        fundamentals=fundamentals_at(wanted, on=session.day) if wanted else {},
        listed=_listed(wanted, session.day, at) if wanted else {},
        correlations=NO_CORRELATIONS if alone else correlations_before(underlyings, session.day, calendar, way),
        spy=spy,
        spy_source=spy_source,
    )


def _spy(source: str, at: datetime, max_age: timedelta) -> tuple[float, str]:
    """SPY's price and where it comes from: its own bar, else SPX / 10 (A-14). NaN when both are stale."""
    prices = prices_of(SPY_PRICES, source=source, now=at)
    spy, spx = (pricing.known(prices.get(symbol), at, max_age) for symbol in SPY_PRICES)
    price = float(exposure.spy_price(np.array([spy]), np.array([spx]))[0])
    return price, "SPY" if spy > 0 else "SPX / 10" if spx > 0 else "not recorded now"


class Way(NamedTuple):
    """How a profile measures correlation: all in sessions but the method (an index) and the decay of its weights."""

    window: float
    min_common: float
    max_age: float
    method: float
    decay: float


# The limits that a way is made of, in its order.
WAYS = (
    "correlation_window_sessions", "correlation_min_common_sessions", "correlation_max_age_sessions",
    "correlation_method", "correlation_ewma_decay",
)  # fmt: skip


def correlations_before(instruments: Sequence[int], day: date, calendar: Calendar, way: Way) -> Correlations:
    """As of the session before; an instrument whose last close is older than its way allows is not measurable."""
    window, max_age = int(way.window), int(way.max_age)
    days = [calendar.back(day, count).day for count in range(window + 1, 0, -1)]
    if way.method == LEDOIT_WOLF:  # shrunk by all that are looked at: the same ones for whoever asks
        instruments = sorted({*instruments, *_with_closes(days[-1])})
    found = closes_before(instruments, before=day, sessions=window + 1, calendar=calendar)
    prices = market.close_matrix(found, instruments, days)
    recent = ~np.isnan(prices[:, len(days) - 1 - max_age :]).all(axis=1)
    prices[~recent] = np.nan
    measured = _matrix(correlation.log_returns(prices), way)
    return Correlations(
        place={instrument: place for place, instrument in enumerate(instruments)},
        matrix=measured.correlation,
        labels={each.instrument_id: each.label for each in found.values() if each.label},
        sample=measured.common_returns,
        as_of=days[-1],
    )


def _with_closes(day: date) -> list[int]:
    """The instruments that closed on a day, the first so many by id."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT instrument_id FROM positions_dailyclose WHERE session_on = %s ORDER BY 1 LIMIT %s",
            [day, SHRUNK_TOGETHER],
        )
        return [pk for (pk,) in cursor.fetchall()]


def _matrix(returns: FloatColumn, way: Way) -> correlation.Matrix:
    sample = {"window": int(way.window), "min_common": int(way.min_common)}
    if way.method == EWMA:
        return correlation.ewma_matrix(returns, **sample, decay=way.decay)
    if way.method == LEDOIT_WOLF:
        return correlation.ledoit_wolf_matrix(returns, **sample)
    return correlation.correlation_matrix(returns, **sample)


def _listed(underlyings: Sequence[int], day: date, at: datetime) -> dict[int, Listed]:
    """Earnings (A-24) from a date on, ex-dividend dates after it, halts and blackouts (FOMC, CPI; of one underlying or
    of all) at a time."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT i.id,
                   (SELECT min(e.reports_on) FROM positions_earningsdate e
                    WHERE e.instrument_id = i.id AND e.reports_on >= %(day)s),
                   (SELECT min(x.ex_on) FROM positions_exdividenddate x
                    WHERE x.instrument_id = i.id AND x.ex_on > %(day)s),
                   EXISTS (SELECT FROM positions_tradinghalt h WHERE h.instrument_id = i.id
                           AND h.halted_at <= %(at)s AND (h.resumed_at IS NULL OR h.resumed_at > %(at)s)),
                   EXISTS (SELECT FROM positions_blackout b WHERE (b.instrument_id = i.id OR b.instrument_id IS NULL)
                           AND b.starts_at <= %(at)s AND b.ends_at > %(at)s)
            FROM positions_instrument i WHERE i.id = ANY(%(ids)s) ORDER BY i.id
            """,
            {"ids": list(underlyings), "day": day, "at": at},
        )
        return {underlying: Listed._make(rest) for underlying, *rest in cursor.fetchall()}


def read_standing(portfolio: Portfolio, at: datetime, limits: Limits, confirming: Decision | None) -> Standing:
    """Two statements. Refused entries were asked for too; a confirmation, and the decision that is being confirmed
    (`confirming`), is not one more (A-04)."""
    since = at - timedelta(seconds=float(limits.opening_intents_window_seconds))
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT (SELECT count(*) FROM positions_decision d
                    WHERE d.portfolio_id = %(portfolio)s AND d.intent = 'open' AND d.decided_at > %(since)s
                      AND NOT d.inputs ? 'confirms' AND d.id IS DISTINCT FROM %(confirming)s),
                   (SELECT coalesce(json_agg(json_build_array(code, underlying_id, value, "limit")
                                             ORDER BY code, underlying_id), '[]')
                    FROM riskengine_breaker b WHERE b.portfolio_id = %(portfolio)s AND b.state = 'tripped'),
                   (SELECT finished_at FROM positions_heartbeat h
                    WHERE h.portfolio_id = %(portfolio)s AND h.scope = 'risk'),
                   NOT EXISTS (SELECT FROM riskengine_reading r
                               WHERE r.portfolio_id = %(portfolio)s AND r.state = 'unknown'),
                   (SELECT coalesce(json_agg(json_build_array(tier::float8, extract(epoch FROM at))), '[]')
                    FROM (SELECT tier, max(reviewed_at) AS at FROM riskengine_tierreview
                          WHERE portfolio_id = %(portfolio)s AND reviewed_at <= %(at)s GROUP BY tier) each),
                   count(*), count(*) FILTER (WHERE realised_pnl > 0),
                   avg(realised_pnl / nullif(entry_cost, 0)) FILTER (WHERE realised_pnl > 0),
                   -avg(realised_pnl / nullif(entry_cost, 0)) FILTER (WHERE NOT realised_pnl > 0)
            FROM positions_position WHERE portfolio_id = %(portfolio)s AND status = 'closed'
            """,
            {"portfolio": portfolio.pk, "at": at, "since": since, "confirming": confirming.pk if confirming else None},
        )
        opening_intents, latched, checked_at, risk_known, reviewed, *record = cursor.fetchone()
        cursor.execute(
            """
            SELECT c.underlying_id, p.closed_at, p.close_cause, p.realised_pnl,
                   d.confidence::float8, (p.realised_pnl / nullif(p.entry_cost, 0))::float8, p.id
            FROM positions_position p JOIN positions_optioncontract c ON c.id = p.contract_id
            LEFT JOIN positions_decision d ON d.id = p.decision_id
            WHERE p.portfolio_id = %(portfolio)s AND p.status = 'closed' AND p.closed_at <= %(at)s
          UNION ALL
            SELECT NULL, p.closed_at, '', NULL, p.confidence::float8, p.gain_fraction::float8, p.id
            FROM riskengine_priortrade p WHERE p.portfolio_id = %(portfolio)s AND p.closed_at <= %(at)s
            ORDER BY closed_at DESC, id DESC LIMIT %(most)s
            """,
            {"portfolio": portfolio.pk, "at": at, "most": RECORD},
        )
        rows = cursor.fetchall()
    return Standing(
        opening_intents=opening_intents,
        latched=tuple(map(Latched._make, latched)),
        checked_at=checked_at,
        risk_known=risk_known,
        record=Record(*record),
        closes=tuple(islice((Closed(*row[:4]) for row in rows if row[0] is not None), RECENT_CLOSES)),
        trades=tuple(
            Trade(confidence, gain, closed_at)
            for _, closed_at, _, _, confidence, gain, _ in rows
            if confidence is not None and gain is not None  # what was adopted has no decision
        ),
        reviewed={tier: datetime.fromtimestamp(epoch, UTC) for tier, epoch in reviewed},
    )
