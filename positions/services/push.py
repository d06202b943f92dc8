"""Market data that a program pushes: all rows of it or none."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from positions import recorded
from positions.market.feeds.pushed import Problem, PushedFeed
from positions.market.feeds.world import is_simulated
from positions.models import ClockKind, Portfolio
from positions.services.quotes import (
    Stored,
    known_contracts,
    known_symbols,
    list_contracts,
    list_instruments,
    store_batch,
)

RECORDED_SOURCES = frozenset(
    {
        recorded.OPTIONS_SOURCE,
        recorded.CLOSES_SOURCE,
        recorded.INDEX_CLOSES_SOURCE,
        recorded.VIX_SOURCE,
        recorded.SESSIONS_SOURCE,
        recorded.ILLUSTRATIVE_SOURCE,
    }
)


class PushRefused(Exception):
    """Rows that cannot be true, each named. Nothing was stored."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(f"{len(problems)} rows were refused.")
        self.problems = problems


def is_reserved(source: str) -> bool:
    """Whether a source is a recording or a simulation: what is pushed today would rewrite what they were."""
    return (
        source in RECORDED_SOURCES
        or is_simulated(source)
        or Portfolio.objects.filter(quote_source=source).exclude(clock__kind=ClockKind.LIVE).exists()
    )


@transaction.atomic
def push(feed: PushedFeed, *, now: datetime) -> Stored:
    """Judge a push whole, list its contracts where they are missing, store it. `now` is wall time. Raises PushRefused.

    A row that is not newer than what the source said last is stored nowhere and counted as late: that is no fault.
    """
    problems = list(
        feed.problems(
            now=now,
            known_contracts=known_contracts(set(feed.contracts)),
            known_symbols=known_symbols({tick.symbol for tick in feed.batch.prices}),
        )
    )
    if problems:
        raise PushRefused(problems)
    list_contracts(set(feed.contracts))
    list_instruments({tick.symbol for tick in feed.batch.prices})
    return store_batch(feed.batch, source=feed.source)
