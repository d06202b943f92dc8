"""Exits of a book of open positions: what is judged, and that it is written (A-19)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np

from riskengine.calculators import take_profit
from riskengine.calculators.limits import Limits
from riskengine.loading.book import Book, load_plan
from riskengine.loading.copying import NEVER
from riskengine.loading.watched import Watched
from riskengine.services.watch.judgement import SECOND, Judgement, decide, judge, look
from riskengine.services.watch.writing import ESCALATIONS, Writer

CHUNK = 1_000  # rows of one transaction: short locks, and what is written stays when a later chunk is cut off


@dataclass(slots=True)
class Written:
    """How many orders were placed, and by row of the book why one could not be judged or written."""

    orders: int = 0
    errors: dict[int, str] = field(default_factory=dict)


def judge_book(book: Book, watched: Sequence[Watched], limits: Mapping[int, Limits]) -> Judgement:
    """The verdict on every position of the book: one statement where a bid stands above its entry, else none."""
    judgement = Judgement.unjudged(book, watched)
    judge(judgement, np.arange(len(book)), limits, look)
    rows = np.flatnonzero(judgement.wants_plan)
    judgement.prepare(rows, load_plan(book.position[rows]))
    judge(judgement, rows, limits, decide)
    return judgement


def write(judgement: Judgement, watched: Sequence[Watched], *, now: datetime) -> Written:
    """Write every verdict and changed field, orders first: a few statements for each thousand rows, none when quiet."""
    late = late_closes(judgement)
    sells = judgement.reason != take_profit.HOLD
    failed = np.zeros(len(judgement.book), np.bool_)
    failed[list(judgement.errors)] = True
    others = (judgement.changed | judgement.defers | failed | (late > 0)) & ~sells
    writer = Writer(judgement, watched, late, now)
    for rows in (np.flatnonzero(sells), np.flatnonzero(others)):
        for start in range(0, len(rows), CHUNK):
            writer.write(rows[start : start + CHUNK])
    return Written(writer.orders, {row: text for row, (_, text) in judgement.errors.items()} | writer.errors)


def late_closes(judgement: Judgement) -> Any:
    """The escalation that a position whose close is still working has come to, in minutes; 0 for none (A-17)."""
    book, market = judgement.book, judgement.market
    left = np.where(market.closes_at == NEVER, np.inf, (market.closes_at - market.at) / SECOND / 60)
    due = book.closing & (book.days == 0) & (left > 0)
    return np.select([due & (left <= minutes) for minutes in ESCALATIONS], ESCALATIONS, 0)
