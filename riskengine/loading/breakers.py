"""What the circuit breakers look at, as columns: one row a portfolio in the order of the list that is watched.

One statement whatever the number of portfolios: their breakers as they stand. Money USD, times int64 microseconds of
market time, `NEVER` where there is none.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from accounts.models import System
from riskengine.calculators.columns import BoolColumn, FloatColumn, IntColumn, Steps
from riskengine.calculators.limits import Limits
from riskengine.loading.copying import BIGINT, INSTANT, INTEGER, MICROS, NEVER, Fields, copy_columns
from riskengine.loading.watched import Watched
from riskengine.models import BreakerCode

CODES: tuple[str, ...] = tuple(BreakerCode.values)
LOSS: tuple[str, ...] = ("loss_l1", "loss_l2", "loss_l3")
PLACE = {code: at for at, code in enumerate(CODES)}
EPOCH_DAY = date(1970, 1, 1)

Block = npt.NDArray[np.int64]


def day_number(day: date) -> int:
    return (day - EPOCH_DAY).days


# ---- Limits ----


def limits_in_columns(limits: Mapping[int, Limits], revisions: IntColumn) -> Limits:
    """The limits of each row's revision: columns where the revisions differ in a number. Ladders are not among them:
    no breaker reads one."""
    distinct, which = np.unique(revisions, return_inverse=True)
    chosen = [limits[revision] for revision in distinct.tolist()]
    first = chosen[0]
    if len(chosen) == 1:
        return first
    columns: dict[str, Any] = {}
    for each in fields(Limits):
        numbers = [getattr(one, each.name) for one in chosen]
        if not isinstance(numbers[0], Steps) and any(number != numbers[0] for number in numbers):
            columns[each.name] = np.array(numbers)[which]
    return replace(first, **columns) if columns else first


# ---- What is remembered ----


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """The breakers of (n portfolios, codes). `version` 0: there is no row yet. `session` and `alerted` are days since
    1970, -1 without one. `cleared` is when a person cleared it last. `cash` (n,) is that of the moment of this read:
    where it is not the one that was watched, something was booked in between."""

    cash: FloatColumn

    version: Block
    tripped: npt.NDArray[np.bool_]
    session: Block
    alerted: Block
    clears_at: Block
    calm_since: Block
    cleared: Block

    @classmethod
    def none(cls, rows: int) -> "Memory":
        shape = rows, len(CODES)

        def filled(value: int) -> Block:
            return np.full(shape, value, np.int64)

        return cls(
            cash=np.full(rows, np.nan),
            version=filled(0),
            tripped=np.zeros(shape, np.bool_),
            session=filled(-1),
            alerted=filled(-1),
            clears_at=filled(NEVER),
            calm_since=filled(NEVER),
            cleared=filled(NEVER),
        )


@dataclass(frozen=True, slots=True)
class ByUnderlying:
    """What is remembered of stop-outs in one underlying of a portfolio."""

    version: int
    tripped: bool
    session: int
    cleared: int


NEW = ByUnderlying(0, False, -1, NEVER)
UnderlyingKey = tuple[int, int]  # place of the portfolio, id of the underlying

_BREAKERS = Fields(
    {
        "place": INTEGER,
        "code": INTEGER,
        "underlying": BIGINT,
        "tripped": INTEGER,
        "version": INTEGER,
        "session": INTEGER,
        "alerted": INTEGER,
        "clears_at": INSTANT,
        "calm_since": INSTANT,
        "cleared": INSTANT,
        "cash": MICROS,
    }
)

_READ_BREAKERS = """
    SELECT w.place - 1, coalesce(array_position(%(codes)s, b.code::text) - 1, -1), coalesce(b.underlying_id, 0),
           coalesce((b.state = 'tripped')::int, 0), coalesce(b.version, 0),
           coalesce(b.session_on - '1970-01-01'::date, -1), coalesce(b.alerted_on - '1970-01-01'::date, -1),
           b.clears_at, b.calm_since,
           CASE WHEN b.cleared_by_id IS NOT NULL THEN b.cleared_at END, p.cash
    FROM unnest(%(ids)s::bigint[]) WITH ORDINALITY AS w(id, place)
    JOIN positions_portfolio p ON p.id = w.id
    LEFT JOIN riskengine_breaker b ON b.portfolio_id = w.id AND b.code = ANY(%(wanted)s)
"""


def load_memory(
    watched: Sequence[Watched], places: IntColumn, codes: Iterable[str] = CODES
) -> tuple[Memory, dict[UnderlyingKey, ByUnderlying]]:
    """The breakers of the portfolios at these places as they stand; of the others nothing is known. One statement."""
    ids = [watched[place].portfolio_id for place in places.tolist()]
    found = copy_columns(_READ_BREAKERS, _BREAKERS, {"ids": ids, "codes": list(CODES), "wanted": list(codes)})
    found["place"] = places[found["place"]]
    memory = Memory.none(len(watched))
    memory.cash[found["place"]] = found["cash"]
    if (found["code"] < 0).all():
        return memory, {}  # the usual case: nothing was ever counted
    plain = (found["underlying"] == 0) & (found["code"] >= 0)
    where = found["place"][plain], found["code"][plain]
    for each in fields(Memory)[1:]:
        getattr(memory, each.name)[where] = found[each.name][plain]
    others = np.flatnonzero(found["underlying"] > 0).tolist()
    return memory, {
        (int(found["place"][row]), int(found["underlying"][row])): ByUnderlying(
            int(found["version"][row]),
            bool(found["tripped"][row]),
            int(found["session"][row]),
            int(found["cleared"][row]),
        )
        for row in others
    }


def zero_dte(watched: Sequence[Watched]) -> BoolColumn:
    return np.array([each.system == System.SMART_0DTE for each in watched], np.bool_)
