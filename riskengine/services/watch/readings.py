"""What each portfolio is exposed to as the risk check leaves it, and that it is kept: one row a portfolio (P-22).

Exposure, Greeks, concentration and what moves together are computed for all portfolios at once from the judged book; a
number that rests on something unknown is unknown. A portfolio that cannot be judged is UNKNOWN and takes no entries.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from django.db import connection

from riskengine.calculators import breakers, exposure, greeks
from riskengine.calculators.columns import BoolColumn, FloatColumn, IntColumn
from riskengine.loading.copying import array_literal
from riskengine.loading.exposed import Exposed, load_exposed
from riskengine.loading.pricing import DIVIDEND_YIELD, RATE
from riskengine.loading.watched import EPOCH, Watched
from riskengine.services.watch.breakers import DRAWDOWNS
from riskengine.services.watch.guards import Seen
from riskengine.services.watch.judgement import Judgement
from riskengine.services.watch.together import Together, together

SLOT = timedelta(minutes=5)  # how often a point of the day is kept
NO_EQUITY = "What it is worth is not known: an open position never had a usable quote."


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """One row a portfolio in the order of the list that is watched, as `riskengine.models.Reading` has them; NaN is not
    known. Where `settled` is false something was booked during the check: the next one reads it."""

    settled: BoolColumn
    positions: IntColumn
    cash: FloatColumn
    equity: FloatColumn
    day_pnl: FloatColumn
    drawdown_5: FloatColumn
    drawdown_20: FloatColumn
    exposure: FloatColumn
    concentration: FloatColumn
    delta: FloatColumn
    gamma: FloatColumn
    theta_per_day: FloatColumn
    vega_per_point: FloatColumn
    together: Together


def read(judgement: Judgement, watched: Sequence[Watched], seen: Seen) -> Readings:
    """The readings of a judged book. One statement; three more for each market date on which bets meet."""
    book, n = judgement.book, len(watched)
    exposed = load_exposed(book, watched)
    worth, limits = seen.look.worth, seen.look.limits
    dollars, direction = _dollars(judgement, exposed)
    openings = exposed.openings
    spread = together(
        place=np.concatenate((book.place, openings.place)),
        underlying=np.concatenate((exposed.underlying[exposed.which], openings.underlying)),
        dollars=np.concatenate((dollars, openings.dollars)),
        direction=np.concatenate((direction, openings.direction)),
        watched=watched,
        limits=limits,
    )
    shares, theta, vega = _greeks(judgement, watched, seen, exposed)
    fallen = [
        _fraction(breakers.drawdown(worth.equity, starts, sessions, 1.0))
        for sessions, starts in zip(
            DRAWDOWNS.values(), (seen.facts.start_of_day_5, seen.facts.start_of_day_20), strict=True
        )
    ]
    return Readings(
        settled=worth.settled,
        positions=np.bincount(book.place, minlength=n),
        cash=np.array([each.cash for each in watched], np.float64),
        equity=worth.equity,
        day_pnl=worth.pnl,
        drawdown_5=fallen[0],
        drawdown_20=fallen[1],
        exposure=exposure.total(spread.exposure.ravel(), np.repeat(np.arange(n), spread.exposure.shape[1]), n),
        concentration=_concentration(spread.exposure),
        delta=shares.delta,
        gamma=shares.gamma,
        theta_per_day=theta,
        vega_per_point=vega,
        together=spread,
    )


def _fraction(verdict: breakers.Verdict) -> FloatColumn:
    """A drawdown as a fraction of its peak, which is the limit where all of it may be lost."""
    return np.where(verdict.unknown, np.nan, verdict.value / np.where(verdict.limit > 0.0, verdict.limit, np.nan))


def _dollars(judgement: Judgement, exposed: Exposed) -> tuple[FloatColumn, IntColumn]:
    """What each position has at risk, USD, and +1 for a call, -1 for a put. A stale quote's mid is its last mark."""
    book = judgement.book
    mid = (np.nan_to_num(book.bid) + book.ask) / 2.0
    mark = exposure.mark(mid, judgement.fresh, book.entry, np.where(np.isnan(mid), book.entry, mid))
    dollars = exposure.position_exposure(book.quantity_open.astype(np.float64), book.multiplier, book.entry, mark)
    return dollars, np.where(exposed.call, 1, -1)[exposed.which]


def _greeks(
    judgement: Judgement, watched: Sequence[Watched], seen: Seen, exposed: Exposed
) -> tuple[exposure.ShareEquivalents, FloatColumn, FloatColumn]:
    """Of each contract once, then what is held of it. Implied from a usable quote and a price as fresh as an entry asks
    for (A-14): where one is missing, the portfolio's Greeks are not known."""
    book, n, m = judgement.book, len(watched), len(exposed.strike)
    row = np.zeros(m, np.int64)
    row[exposed.which] = np.arange(len(book))
    bid, ask = (column[row] if len(book) else np.zeros(0) for column in (book.bid, book.ask))
    mid = np.where((bid > 0.0) & (ask > bid), (bid + ask) / 2.0, np.nan)
    market = exposed.spot, exposed.strike, exposed.seconds
    volatility = greeks.implied_volatility(mid, *market, RATE, DIVIDEND_YIELD, exposed.call)
    found = greeks.greeks(*market, volatility, RATE, DIVIDEND_YIELD, exposed.call)
    limits = seen.look.limits
    live = np.array([each.is_live for each in watched], np.bool_)
    oldest = np.where(live, limits.quote_max_age_seconds, limits.recorded_quote_max_age_seconds)
    spy = exposure.spy_price(
        np.where(exposed.spy_age <= oldest, exposed.spy, np.nan),
        np.where(exposed.spx_age <= oldest, exposed.spx, np.nan),
    )
    which, place = exposed.which, book.place
    known = judgement.usable & (exposed.spot_age[which] <= oldest[place])
    contracts = book.quantity_open.astype(np.float64)

    def of_rows(column: FloatColumn) -> FloatColumn:
        return np.where(known, column[which], np.nan)

    shares = exposure.share_equivalents(
        contracts=contracts,
        multiplier=book.multiplier,
        delta=of_rows(found.delta),
        gamma=of_rows(found.gamma),
        spot=exposed.spot[which],
        spy=spy[place],
        group=place,
        groups=n,
    )
    held = contracts * book.multiplier
    theta, vega = (
        exposure.total(held * of_rows(column), place, n) for column in (found.theta_per_day, found.vega_per_point)
    )
    return shares, theta, vega


def _concentration(by_underlying: FloatColumn) -> FloatColumn:
    """Herfindahl index by underlying; NaN where nothing is at risk."""
    n, symbols = by_underlying.shape
    return exposure.herfindahl(by_underlying.ravel(), np.repeat(np.arange(n), symbols), n)


# ---- Kept ----

_FIGURES = {
    "positions": "int", "cash": "numeric", "equity": "numeric", "day_pnl": "numeric", "drawdown_5": "float8",
    "drawdown_20": "float8", "exposure": "numeric", "effective_exposure": "numeric", "concentration": "float8",
    "delta": "float8", "gamma": "float8", "theta_per_day": "float8", "vega_per_point": "float8",
}  # fmt: skip

_NAMES = ", ".join(_FIGURES)
_VALUES = ", ".join(f"nullif(w.{name}, 'NaN')::{kind} AS {name}" for name, kind in _FIGURES.items())
# Money is read as it is written: from a float the server would write it out first.
_ARRAYS = ", ".join(f"%({name})s::{'numeric' if kind == 'numeric' else 'float8'}[]" for name, kind in _FIGURES.items())
_CHANGES = ", ".join(f"{name} = w.{name}" for name in _FIGURES)
_POINT = ("equity", "day_pnl", "drawdown_5", "drawdown_20", "exposure", "effective_exposure", "delta", "gamma")
_WRITE = f"""
    WITH w AS MATERIALIZED (
        SELECT w.id, w.revision, y.reason, y.reason = '' AS known, t.at, t.slot_at, p.pairs, {_VALUES}
        FROM unnest(%(ids)s::bigint[], %(moment)s::int[], %(alike)s::int[], %(revision)s::bigint[], %(why)s::int[],
                    {_ARRAYS}) AS w(id, moment, alike, revision, why, {_NAMES})
        JOIN unnest(%(reasons)s::text[]) WITH ORDINALITY AS y(reason, why) ON y.why = w.why
        LEFT JOIN unnest(%(at)s::timestamptz[], %(slot_at)s::timestamptz[]) WITH ORDINALITY AS t(at, slot_at, moment)
            ON t.moment = w.moment
        LEFT JOIN unnest(%(pairs)s::jsonb[]) WITH ORDINALITY AS p(pairs, alike) ON p.alike = w.alike
    ), point AS (
        INSERT INTO riskengine_readingpoint (portfolio_id, slot_at, market_at, revision_id, {", ".join(_POINT)})
        SELECT w.id, w.slot_at, w.at, w.revision, {", ".join(f"w.{name}" for name in _POINT)}
        FROM w LEFT JOIN riskengine_reading r ON r.portfolio_id = w.id
        WHERE w.slot_at IS NOT NULL AND w.known
          AND (r.state IS DISTINCT FROM 'known' OR r.market_at NOT BETWEEN w.slot_at AND w.at)  -- the first in them
        ORDER BY w.id
        ON CONFLICT (portfolio_id, slot_at) DO UPDATE SET
            market_at = excluded.market_at, revision_id = excluded.revision_id,
            {", ".join(f"{name} = excluded.{name}" for name in _POINT)}
    ), again AS (
        UPDATE riskengine_reading r SET
            state = CASE WHEN w.known THEN 'known' ELSE 'unknown' END, reason = w.reason, judged_at = %(now)s,
            market_at = w.at, {_CHANGES}, pairs = w.pairs
        FROM w WHERE r.portfolio_id = w.id AND r.judged_at <= %(now)s
    )
    INSERT INTO riskengine_reading (portfolio_id, state, reason, judged_at, market_at, {_NAMES}, pairs)
    SELECT w.id, CASE WHEN w.known THEN 'known' ELSE 'unknown' END, w.reason, %(now)s, w.at,
        {", ".join(f"w.{name}" for name in _FIGURES)}, w.pairs
    FROM w
    WHERE NOT EXISTS (SELECT FROM riskengine_reading r WHERE r.portfolio_id = w.id)
    ON CONFLICT (portfolio_id) DO NOTHING  -- another check was quicker
"""  # noqa: S608 (names of columns)


def keep(readings: Readings | None, watched: Sequence[Watched], errors: Mapping[int, str], *, now: datetime) -> None:
    """Keep the readings; of each portfolio in `errors` (by id) that it is unknown, and why. The first known one of each
    five minutes of a session stays as a point of the day. One statement. A late check sets none back."""
    place = {each.portfolio_id: at for at, each in enumerate(watched)}
    ids, rows, reasons = list(errors), np.zeros(0, np.int64), list(errors.values())
    pairs, alike = ["[]"], [1] * len(errors)
    figures = {name: np.full(len(errors), np.nan) for name in _FIGURES}
    if readings is not None:
        judged = [at for pk, at in place.items() if pk not in errors]
        rows = np.array(judged, np.int64)[readings.settled[judged]]
        blind = np.isnan(readings.equity[rows])  # then nothing of it is shown: half a reading would mislead
        ids += [watched[at].portfolio_id for at in rows.tolist()]
        reasons += [NO_EQUITY if each else "" for each in blind.tolist()]
        pairs += [json.dumps(each) for each in readings.together.pairs]
        alike += (readings.together.alike[rows] + 2).tolist()
        for name, missing in figures.items():
            column = readings.together.effective if name == "effective_exposure" else getattr(readings, name)
            figures[name] = np.concatenate((missing, np.where(blind, np.nan, column[rows])))
    if not ids:
        return
    mine = [watched[place[pk]] if pk in place else None for pk in ids]
    moments: dict[datetime, int] = {}
    moment = [0 if each is None else moments.setdefault(each.at, len(moments) + 1) for each in mine]
    sentences: dict[str, int] = {}
    why = [sentences.setdefault(reason, len(sentences) + 1) for reason in reasons]
    by_time = {each.at: each for each in watched}
    given = {
        "now": now,
        "ids": array_literal(ids),
        "moment": array_literal(moment),
        "alike": array_literal(alike),
        "at": list(moments),
        "slot_at": [_slot(by_time[at]) for at in moments],
        "revision": array_literal([0 if each is None else each.revision for each in mine]),
        "why": array_literal(why),
        "reasons": list(sentences),
        "pairs": pairs,
    }
    arrays = {name: array_literal(column.tolist()) for name, column in figures.items()}
    with connection.cursor() as cursor:
        cursor.execute(_WRITE, given | arrays)


def _slot(each: Watched) -> datetime | None:
    """The five minutes of the session that it is; None while the exchange is closed."""
    return each.at - (each.at - EPOCH) % SLOT if each.is_open else None
