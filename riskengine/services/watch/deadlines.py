"""When a verdict may change without a new quote, so that a replay that moves from event to event misses nothing.

forced close, the close itself, the escalations of a close that is still working
the seconds at which the time factor and the elapsed factor change
ten seconds without a usable quote, counted from the last one or from when it will be too old
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import numpy as np

from riskengine.calculators.columns import BoolColumn, IntColumn, Steps, at_most
from riskengine.calculators.limits import Limits
from riskengine.calculators.take_profit import SECONDS_PER_HOUR
from riskengine.loading.book import Book, instant
from riskengine.loading.copying import NEVER
from riskengine.loading.watched import Watched
from riskengine.services.watch.judgement import SECOND, Judgement, Market, groups, oldest_usable
from riskengine.services.watch.writing import ESCALATIONS

NO_DEADLINE = int(np.iinfo(np.int64).max)


def next_deadlines(
    judgement: Judgement, watched: Sequence[Watched], limits: Mapping[int, Limits]
) -> dict[int, datetime]:
    """The first such instant strictly after now by portfolio id (market time); none for a portfolio without any."""
    soonest = np.full(len(watched), NO_DEADLINE, np.int64)
    for rows, revision, seven in groups(judgement.book, np.arange(len(judgement.book))):
        book, market = judgement.book.take(rows), judgement.market.take(rows)
        first = np.full(len(book), NO_DEADLINE, np.int64)
        for when, applies in _instants(judgement, rows, book, market, limits[revision], seven):
            np.minimum(first, np.where(applies & (when > market.at), when, NO_DEADLINE), out=first)
        np.minimum.at(soonest, book.place, first)
    return {
        each.portfolio_id: instant(at) for each, at in zip(watched, soonest.tolist(), strict=True) if at != NO_DEADLINE
    }


def _instants(
    judgement: Judgement, rows: IntColumn, book: Book, market: Market, limits: Limits, seven: bool
) -> Iterator[tuple[IntColumn, BoolColumn]]:
    """Instants, and the rows that they hold for."""
    has_session = (market.closes_at != NEVER) & ~book.awaiting
    today = has_session & (book.days == 0)
    yield market.opens_at, has_session
    yield market.closes_at, today
    yield market.closes_at - _whole(limits.forced_close_minutes * 60.0) * SECOND, today & ~book.closing
    for minutes in ESCALATIONS:
        yield market.closes_at - minutes * 60 * SECOND, today & book.closing
    waits = today & ~book.closing
    if not seven:
        for hours, inclusive in _steps(limits.time_factor):
            seconds = hours * SECONDS_PER_HOUR
            last = math.ceil(seconds) - 1 if inclusive else math.floor(seconds)
            yield market.closes_at - last * SECOND, waits
        for hours, inclusive in _steps(limits.elapsed_factor):
            seconds = hours * SECONDS_PER_HOUR
            first = math.ceil(seconds) if inclusive else math.floor(seconds) + 1
            yield book.entry_at + first * SECOND, waits
    blind = _whole(limits.stop_blind_seconds) * SECOND
    active, usable = judgement.active[rows], judgement.usable[rows]
    since = judgement.unusable_since[rows]
    yield since + blind, active & ~usable & (since != NEVER)
    # One look at or under the stop, and then silence: it fires when the quote has been too old for long enough.
    under = active & usable & at_most(book.bid, judgement.stop[rows])
    yield book.confirmed_at + oldest_usable(book, market, limits) + blind, under


def _steps(ladder: Steps) -> list[tuple[float, bool]]:
    """Where a ladder of one revision changes its value."""
    thresholds, inclusive = ladder.thresholds[1:, 0].tolist(), ladder.inclusive[1:, 0].tolist()
    return list(zip(thresholds, inclusive, strict=True))


def _whole(seconds: object) -> int:
    return math.ceil(float(seconds))  # type: ignore[arg-type]
