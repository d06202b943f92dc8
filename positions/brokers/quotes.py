"""The last quotes of a few contracts, as working orders need them: one statement, no volumes and no interest."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Self

from django.db import connection

from positions.market.calendar import new_york_date

CLOCK_SKEW = timedelta(seconds=1)  # a quote confirmed while the pass was starting is not from the future


@dataclass(frozen=True, slots=True)
class Quote:
    """Bid and ask of a contract as known from `quoted_at`. USD a share; None and 0 are a missing side."""

    contract_id: int
    quoted_at: datetime
    confirmed_at: datetime
    bid: Decimal | None
    bid_size: int
    ask: Decimal | None
    ask_size: int

    @property
    def is_two_sided(self) -> bool:
        """Both sides there and not crossed; locked counts."""
        return self.bid is not None and self.ask is not None and 0 < self.bid <= self.ask

    @property
    def mid(self) -> Decimal | None:
        return (self.bid + self.ask) / 2 if self.bid is not None and self.ask is not None else None


@dataclass(frozen=True, slots=True)
class Freshness:
    """How long after its last confirmation a quote may be acted on (A-05)."""

    expiring_today: timedelta
    others: timedelta

    @classmethod
    def of(cls, *, live: bool, expiring_today: int, others: int, recorded: int) -> Self:
        """From a revision's numbers, seconds. `live` is a live feed; recorded and simulated ones come in bars."""
        if live:
            return cls(timedelta(seconds=expiring_today), timedelta(seconds=others))
        return cls(timedelta(seconds=recorded), timedelta(seconds=recorded))

    def confirmed_since(self, expires_on: date, at: datetime) -> datetime:
        """The oldest confirmation that still counts."""
        return at - (self.expiring_today if expires_on == new_york_date(at) else self.others)

    def covers(self, quote: Quote | None, expires_on: date, at: datetime) -> bool:
        return quote is not None and self.confirmed_since(expires_on, at) <= quote.confirmed_at <= at + CLOCK_SKEW


def last_quotes(contract_ids: Collection[int], *, source: str, at: datetime) -> dict[int, Quote]:
    """The last quote of each contract at or before market time `at`; a contract never quoted is left out."""
    if not contract_ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT q.* FROM unnest(%(ids)s::bigint[]) AS c(id) CROSS JOIN LATERAL (
                SELECT contract_id, quoted_at, confirmed_at, bid, bid_size, ask, ask_size
                FROM positions_optionquote
                WHERE contract_id = c.id AND source = %(source)s AND quoted_at <= %(at)s
                ORDER BY quoted_at DESC LIMIT 1
            ) q
            """,
            {"ids": sorted(set(contract_ids)), "source": source, "at": at},
        )
        return {row[0]: Quote(*row) for row in cursor.fetchall()}
