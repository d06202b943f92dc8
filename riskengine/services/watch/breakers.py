"""Circuit breakers: what each of them says of every portfolio at once, and which of them change (P-06..P-08, A-03).

Whether a limit is breached is judged by `riskengine.calculators.breakers`; here it is held against what is remembered:
tripped once, and cleared by the breaker's own rule. Nothing is written here and no statement sent:
`latching` writes the changes, `acting` does what they ask for.

    L1, L2, stop-outs          clear at the first check of the next New York trading date
    VIX                        clears after 5 minutes at or under its limit
    losing closes              clear 30 minutes after the last of them
    stale quote, stale VIX     clear when it is fresh again
    L3, drawdowns, rejected orders, opening intents         a person clears them, with a reason (`clearing`)
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from riskengine.calculators import breakers
from riskengine.calculators.breakers import MICROSECONDS, SECONDS_PER_MINUTE, Verdict
from riskengine.calculators.columns import BoolColumn, FloatColumn, IntColumn, above
from riskengine.calculators.limits import Limits
from riskengine.loading.book import microseconds
from riskengine.loading.breakers import LOSS, NEW, PLACE, ByUnderlying, Memory, UnderlyingKey, day_number
from riskengine.loading.copying import NEVER
from riskengine.loading.counted import Facts
from riskengine.loading.watched import Watched
from riskengine.services.watch import breaker_words as words
from riskengine.services.watch.judgement import Judgement, groups, oldest_usable
from riskengine.services.watch.valuation import Confirmed, Valuation

ALERT, TRIPPED, CLEARED, COUNTED = "alert", "tripped", "cleared", ""
BY_SESSION = ("loss_l1", "loss_l2")
DRAWDOWNS = {"drawdown_5": 5, "drawdown_20": 20}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One breaker from the version that was judged to the next. `kind` empty: only what it counts has changed.

    Times are microseconds (NEVER: none), days since 1970; `value` and `limit` in the breaker's unit, NaN for none.
    """

    place: int
    code: str
    kind: str
    version: int
    tripped: bool
    session: int
    underlying: int = 0
    value: float = np.nan
    limit: float = np.nan
    clears_at: int = NEVER
    calm_since: int = NEVER
    alerted: int = -1
    reason: str = ""
    trace: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What is known of the portfolios that are judged, (n,): market time, New York date, and whether a new trading date
    has begun for them: a session with its snapshot."""

    watched: Sequence[Watched]
    limits: Limits
    memory: Memory
    worth: Valuation
    at: IntColumn
    day: IntColumn
    begun: BoolColumn

    @classmethod
    def of(cls, watched: Sequence[Watched], limits: Limits, memory: Memory, worth: Valuation) -> "Look":
        return cls(
            watched=watched,
            limits=limits,
            memory=memory,
            worth=worth,
            at=np.array([microseconds(each.at) for each in watched], np.int64),
            day=np.array([day_number(each.day) for each in watched], np.int64),
            begun=np.array([each.session is not None and each.has_snapshot for each in watched], np.bool_),
        )

    def rolls(self, code: str) -> BoolColumn:
        """Tripped on an earlier trading date, and a new one has begun."""
        at = PLACE[code]
        return self.memory.tripped[:, at] & (self.memory.session[:, at] < self.day) & self.begun


# ---- Losses ----

Verdicts = Mapping[str, Verdict]


def losses(look: Look, facts: Facts | None, equity: FloatColumn) -> Verdicts:
    """The loss breakers by code, at this equity (n,). With `facts` also the fall from the peak of the last sessions: a
    bad tick moves both."""
    limits = look.limits
    of_day = breakers.loss_breakers(look.worth.pnl_of(equity), look.worth.basis, limits)
    found = dict(zip(LOSS, of_day, strict=True))
    if facts is None:
        return found
    for code, starts, fraction in (
        ("drawdown_5", facts.start_of_day_5, limits.drawdown_5_session),
        ("drawdown_20", facts.start_of_day_20, limits.drawdown_20_session),
    ):
        verdict = breakers.drawdown(equity, starts, DRAWDOWNS[code], fraction)
        far = above(verdict.value, limits.breach_immediate_multiple * verdict.limit)
        found[code] = replace(verdict, immediate=verdict.breached & far)
    return found


def judge_losses(look: Look, facts: Facts | None, confirm: Callable[[BoolColumn], Confirmed]) -> Iterator[Change]:
    """A loss trips by what its positions are worth by confirmed quotes, and at once where it is far beyond its limit by
    quotes of now (A-03). `confirm` is asked for the portfolios at a limit that has not tripped, once; also for those
    whose equity at the marks is not known while their cash is: what is booked may be enough."""
    for code in BY_SESSION:
        yield from _cleared(look, code, look.rolls(code))
    at_marks = losses(look, facts, look.worth.equity)
    blind = np.isnan(look.worth.equity) & ~np.isnan(look.worth.cash)
    if not (blind.any() or any(verdict.breached.any() or verdict.alert.any() for verdict in at_marks.values())):
        return  # the usual case
    open_to = {code: ~look.memory.tripped[:, PLACE[code]] for code in at_marks}
    # Far beyond the limit by quotes of now alone: nothing else needs to be read.
    sudden = {code: verdict.immediate & look.worth.current for code, verdict in at_marks.items()}
    wanted = np.logical_or.reduce(
        [((at_marks[code].breached & ~sudden[code]) | blind) & open_to[code] for code in at_marks]
    )
    confirmed = confirm(wanted) if wanted.any() else None
    sure = at_marks if confirmed is None else losses(look, facts, confirmed.throughout)
    at_once = at_marks if confirmed is None else losses(look, facts, confirmed.at_once)
    for code, verdict in at_marks.items():
        trips = open_to[code] & (sudden[code] | (wanted & (sure[code].breached | at_once[code].immediate)))
        warns = verdict.alert & open_to[code] & ~trips & (look.memory.alerted[:, PLACE[code]] != look.day)
        told = replace(verdict, value=np.where(np.isnan(verdict.value), sure[code].value, verdict.value))
        for row in np.flatnonzero(trips | warns).tolist():
            equity = np.nan if confirmed is None else float(confirmed.throughout[row])
            yield _change(look, code, row, TRIPPED if trips[row] else ALERT, told, confirmed_equity=equity)


# ---- What is counted, and what is cleared by time ----


def judge_counts(look: Look, facts: Facts) -> Iterator[Change]:
    """Opening intents and rejected orders: tripped until a person clears them."""
    verdicts = {
        "throttle": breakers.opening_throttle(facts.intents, look.limits),
        "rejected_orders": breakers.rejected_orders(facts.rejected, look.limits),
    }
    for code, verdict in verdicts.items():
        yield from _tripped(look, code, verdict)


def judge_vix(look: Look, facts: Facts) -> Iterator[Change]:
    """Above its limit: until it has been at or under it for 5 minutes of readings that are known."""
    limits, memory, at = look.limits, look.memory, PLACE["vix"]
    fresh = (facts.vix_age_seconds >= 0.0) & (facts.vix_age_seconds <= limits.vix_max_age_seconds)
    verdict = breakers.vix(facts.vix, fresh, limits)
    yield from _tripped(look, "vix", verdict)
    tripped, had = memory.tripped[:, at], memory.calm_since[:, at]
    calm = tripped & ~verdict.breached & ~verdict.unknown
    since = np.where(calm, np.where(had == NEVER, look.at, had), NEVER)
    clears = calm & breakers.vix_clears((look.at - np.where(calm, since, look.at)) / MICROSECONDS, limits)
    yield from _cleared(look, "vix", clears, verdict)
    for row in np.flatnonzero(tripped & ~clears & (since != had)).tolist():
        yield _change(look, "vix", row, COUNTED, verdict, tripped=True, calm_since=int(since[row]))


def judge_losing_streak(look: Look, facts: Facts) -> Iterator[Change]:
    """Entries pause until half an hour after the last of the losing closes."""
    n, at, limits = len(look.at), PLACE["losing_streak"], look.limits
    losses = breakers.trailing_losses(facts.close_pnl, facts.close_place, n).astype(np.float64)
    last = np.full(n, NEVER, np.int64)
    np.maximum.at(last, facts.close_place, facts.close_at)
    known = last != NEVER
    seconds = np.where(known, (look.at - np.where(known, last, look.at)) / MICROSECONDS, np.nan)
    verdict = breakers.losing_streak(losses, seconds, limits)
    pause = np.broadcast_to(limits.losing_streak_pause_minutes, n) * SECONDS_PER_MINUTE * MICROSECONDS
    until = np.where(known, np.where(known, last, 0) + pause.astype(np.int64), NEVER)
    tripped, ends = look.memory.tripped[:, at], look.memory.clears_at[:, at]
    longer = tripped & verdict.breached & (until > ends)
    yield from _cleared(look, "losing_streak", tripped & ~longer & (look.at >= ends), verdict)
    for row in np.flatnonzero((verdict.breached & ~tripped) | longer).tolist():
        kind = COUNTED if longer[row] else TRIPPED
        yield _change(look, "losing_streak", row, kind, verdict, tripped=True, clears_at=int(until[row]))


def judge_stop_outs(look: Look, facts: Facts, known: dict[UnderlyingKey, ByUnderlying]) -> Iterator[Change]:
    """Two stop-outs in one underlying: no re-entry there for the rest of the date."""
    for (place, underlying), each in known.items():
        if each.tripped and each.session < look.day[place] and look.begun[place]:
            yield Change(
                place=place, code="stop_outs", underlying=underlying, kind=CLEARED, version=each.version, tripped=False,
                session=int(look.day[place]), reason=words.cleared("stop_outs", look.watched[place], np.nan, np.nan),
            )  # fmt: skip
    keys = list(facts.stops)
    if not keys:
        return
    places = np.array([place for place, _ in keys], np.int64)
    most = np.broadcast_to(look.limits.max_stopouts_per_underlying, len(look.at))[places]
    verdict = breakers.stop_outs(
        np.array([facts.stops[key] for key in keys], np.float64), replace(look.limits, max_stopouts_per_underlying=most)
    )
    for k in np.flatnonzero(verdict.breached).tolist():
        place, underlying = keys[k]
        each = known.get(keys[k], NEW)
        if not each.tripped:
            value, limit = float(verdict.value[k]), float(verdict.limit[k])
            yield Change(
                place=place, code="stop_outs", underlying=underlying, kind=TRIPPED, version=each.version, tripped=True,
                session=int(look.day[place]), value=value, limit=limit,
                reason=words.tripped("stop_outs", look.watched[place], value, limit, 0.0),
                trace=words.trace("stop_outs", value, limit, {"underlying": underlying}),
            )  # fmt: skip


# ---- Data ----


def judge_data(look: Look, judgement: Judgement, facts: Facts, limits: Mapping[int, Limits]) -> Iterator[Change]:
    """In session: the quote of everything held, and the volatility index, must be fresh (P-08)."""
    opened = np.array([each.is_open for each in look.watched], np.bool_)
    age, oldest = _oldest_quotes(judgement, limits, len(look.at))
    holds = np.bincount(judgement.book.place, minlength=len(look.at)) > 0
    vix_age = np.where(np.isnan(facts.vix), np.nan, facts.vix_age_seconds)
    most = np.broadcast_to(look.limits.vix_max_age_seconds, len(look.at)).astype(np.float64)
    missing = replace(breakers.stale(vix_age, most), unknown=np.zeros(len(look.at), np.bool_))
    missing = replace(missing, breached=missing.breached | np.isnan(vix_age))
    for code, verdict in (("stale_quote", breakers.stale(age, oldest)), ("stale_vix", missing)):
        judged = replace(verdict, breached=verdict.breached & opened)
        yield from _tripped(look, code, judged)
        over = ~verdict.breached & ~verdict.unknown & (opened | ~holds)
        yield from _cleared(look, code, look.memory.tripped[:, PLACE[code]] & over, verdict)


def _oldest_quotes(judgement: Judgement, limits: Mapping[int, Limits], n: int) -> tuple[FloatColumn, FloatColumn]:
    """The age of each portfolio's stalest quote and the oldest that it may be, seconds; 0 where nothing is held."""
    book, market = judgement.book, judgement.market
    age, oldest, excess = np.zeros(n), np.zeros(n), np.full(n, -np.inf)
    for rows, revision, _ in groups(book, np.flatnonzero(judgement.active)):
        mine, side = book.take(rows), market.take(rows)
        most = oldest_usable(mine, side, limits[revision]) / MICROSECONDS
        old = (side.at - np.maximum(mine.confirmed_at, side.opens_at)) / MICROSECONDS
        np.maximum.at(excess, mine.place, old - most)
        worst = old - most >= excess[mine.place]
        age[mine.place[worst]], oldest[mine.place[worst]] = old[worst], most[worst]
    return age, oldest


# ---- Changes ----


def _tripped(look: Look, code: str, verdict: Verdict) -> Iterator[Change]:
    """Breakers that need no confirmation."""
    for row in np.flatnonzero(verdict.breached & ~look.memory.tripped[:, PLACE[code]]).tolist():
        yield _change(look, code, row, TRIPPED, verdict)


def _cleared(look: Look, code: str, rows: BoolColumn, verdict: Verdict | None = None) -> Iterator[Change]:
    for row in np.flatnonzero(rows).tolist():
        yield _change(look, code, row, CLEARED, verdict)


def _change(
    look: Look,
    code: str,
    row: int,
    kind: str,
    verdict: Verdict | None,
    *,
    confirmed_equity: float = np.nan,
    **counted: Any,
) -> Change:
    at, watched = PLACE[code], look.watched[row]
    value, limit = (np.nan, np.nan) if verdict is None else (float(verdict.value[row]), float(verdict.limit[row]))
    basis = float(look.worth.basis[row])
    day = int(look.day[row])
    told: dict[str, Any] = {}
    if kind == TRIPPED:
        seen = {"equity": float(look.worth.equity[row]), "confirmed_equity": confirmed_equity, "basis": basis}
        told["reason"] = words.tripped(code, watched, value, limit, basis)
        told["trace"] = words.trace(code, value, limit, seen if code in (*LOSS, *DRAWDOWNS) else {})
    elif kind == ALERT:
        told["reason"] = words.alert(code, watched, value, limit)
    elif kind == CLEARED:
        told["reason"] = words.cleared(code, watched, value, limit)
    # A trip keeps the date it was made on: the session roll is told by it.
    still = counted.pop("tripped", kind == TRIPPED)
    kept = still and kind != TRIPPED
    return Change(
        place=row,
        code=code,
        kind=kind,
        version=int(look.memory.version[row, at]),
        tripped=still,
        session=int(look.memory.session[row, at]) if kept else day,
        value=value,
        limit=limit,
        alerted=day if kind == ALERT else int(look.memory.alerted[row, at]),
        **counted,
        **told,
    )


def still_breached(code: str, look: Look, facts: Facts) -> bool:
    """Whether the first portfolio's loss, or volatility index, is at the limit now: then no person can clear it."""
    if code in LOSS:
        verdict = breakers.loss_breakers(look.worth.pnl, look.worth.basis, look.limits)[LOSS.index(code)]
        return bool(verdict.breached[0] or verdict.unknown[0])
    if code == "vix":
        return bool(above(facts.vix, look.limits.max_vix_threshold)[0])
    return False
