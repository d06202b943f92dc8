"""The circuit breakers of one check, in a straight line: value, judge, latch, act (P-22, A-01).

exit check     L1 to L3 of what holds something that expires today          risk check     every breaker of all
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np

from positions.models import CheckScope
from riskengine.calculators.columns import BoolColumn, IntColumn
from riskengine.calculators.limits import Limits
from riskengine.loading.breakers import (
    CODES,
    LOSS,
    PLACE,
    ByUnderlying,
    Memory,
    UnderlyingKey,
    limits_in_columns,
    load_memory,
)
from riskengine.loading.counted import Facts, load_facts
from riskengine.loading.revisions import limits_by_revision
from riskengine.loading.watched import Watched
from riskengine.services.watch import acting, breakers
from riskengine.services.watch.judgement import Judgement
from riskengine.services.watch.latching import Event, latch
from riskengine.services.watch.valuation import Confirmed, confirm, value

logger = logging.getLogger(__name__)

NEXT_LOOK = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What the breakers of a risk check were judged by."""

    look: breakers.Look
    facts: Facts


@dataclass(slots=True)
class Guarded:
    """`events` of this check, in their order. `errors` by portfolio id: their breakers could not be judged. `again` are
    the market times at which what was ordered must be looked at. `seen`: of a risk check that judged them all."""

    seen: Seen | None = None
    events: list[Event] = field(default_factory=list)
    errors: dict[int, str] = field(default_factory=dict)
    again: dict[int, datetime] = field(default_factory=dict)


def guard(
    judgement: Judgement, watched: Sequence[Watched], limits: Mapping[int, Limits], *, scope: str, now: datetime
) -> Guarded:
    """Judge the breakers of a judged book, write what they change and do what they ask for.

    One that fails leaves its portfolios without a heartbeat, so that their entries are refused; exits go on.
    """
    guarded = Guarded()
    places = _places(judgement, watched, scope)
    if not len(places):
        return guarded
    try:
        guarded.events, memory, guarded.seen = _judge(judgement, watched, limits, places, scope, now)
        tripped = _tripped(memory, guarded.events, watched, places)
    except Exception as error:  # whatever it was: exits and heartbeats of the others must go on
        logger.exception("The circuit breakers could not be judged.")
        sentence = f"Its circuit breakers could not be judged: {error!s:.300}"
        guarded.errors = {watched[place].portfolio_id: sentence for place in places.tolist()}
        return guarded
    holds = np.bincount(judgement.book.place, minlength=len(watched)) > 0
    for place, codes in tripped.items():
        each = watched[place]
        try:
            if acting.act(each, codes, holds=bool(holds[place]), now=now):
                guarded.again[each.portfolio_id] = each.at + NEXT_LOOK
        except Exception as error:  # the same; what is tripped is acted on again at the next check
            logger.exception("%s: what its breakers ask for could not be done.", each.name)
            guarded.errors[each.portfolio_id] = f"Its breakers' orders could not be carried out: {error!s:.300}"
    return guarded


def _places(judgement: Judgement, watched: Sequence[Watched], scope: str) -> IntColumn:
    """Which portfolios are judged: every second those with something that expires today, in its session."""
    if scope == CheckScope.RISK:
        return np.arange(len(watched))
    book, market = judgement.book, judgement.market
    expiring = (book.days == 0) & (market.opens_at <= market.at) & (market.at < market.closes_at)
    return np.unique(book.place[expiring])


def is_breached(
    code: str, judgement: Judgement, watched: Sequence[Watched], limits: Mapping[int, Limits], *, scope: str
) -> bool:
    """Whether the one portfolio that is watched stands at the limit of a loss breaker or of the volatility index now;
    so it does where that cannot be judged."""
    places = _places(judgement, watched, scope)
    look, _ = _look(judgement, watched, limits, places, CODES)
    return breakers.still_breached(code, look, load_facts(watched, look.limits, look.memory))


def _look(
    judgement: Judgement,
    watched: Sequence[Watched],
    limits: Mapping[int, Limits],
    places: IntColumn,
    codes: Sequence[str],
) -> tuple[breakers.Look, dict[UnderlyingKey, ByUnderlying]]:
    memory, by_underlying = load_memory(watched, places, codes)
    revisions = np.full(len(watched), watched[int(places[0])].revision, np.int64)
    revisions[places] = [watched[place].revision for place in places.tolist()]
    in_force = limits_in_columns(limits_by_revision(np.unique(revisions).tolist()), revisions)
    worth = value(judgement, watched, in_force, limits, memory.cash)
    return breakers.Look.of(watched, in_force, memory, worth), by_underlying


def _judge(
    judgement: Judgement,
    watched: Sequence[Watched],
    limits: Mapping[int, Limits],
    places: IntColumn,
    scope: str,
    now: datetime,
) -> tuple[list[Event], Memory, Seen | None]:
    everything = scope == CheckScope.RISK
    look, by_underlying = _look(judgement, watched, limits, places, CODES if everything else LOSS)
    facts = load_facts(watched, look.limits, look.memory) if everything else None
    if facts is not None:
        look = replace(look, worth=look.worth.with_cash_of(facts.cash))

    def by_quotes(wanted: BoolColumn) -> Confirmed:
        return confirm(judgement, watched, look.limits, limits, look.worth, wanted)

    changes, seen = list(breakers.judge_losses(look, facts, by_quotes)), None
    if facts is not None:
        changes += [
            *breakers.judge_vix(look, facts),
            *breakers.judge_losing_streak(look, facts),
            *breakers.judge_stop_outs(look, facts, by_underlying),
            *breakers.judge_counts(look, facts),
            *breakers.judge_data(look, judgement, facts, limits),
        ]
        seen = Seen(look, facts)
    return latch(changes, watched, now=now), look.memory, seen


def _tripped(
    memory: Memory, events: Sequence[Event], watched: Sequence[Watched], places: IntColumn
) -> dict[int, set[str]]:
    """By place the breakers that change the trading state and are tripped: those of before, those of now."""
    found: dict[int, set[str]] = {}
    for code in acting.STATES:
        for place in np.flatnonzero(memory.tripped[:, PLACE[code]]).tolist():
            found.setdefault(place, set()).add(code)
    place_of = {watched[place].portfolio_id: place for place in places.tolist()}
    for event in events:
        if event.kind == breakers.TRIPPED and event.code in acting.STATES:
            found.setdefault(place_of[event.portfolio_id], set()).add(event.code)
    return found
