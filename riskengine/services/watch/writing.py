"""Writing what a check says: raised stops, counted breaches, deferred slices, exit orders, and an event for each.

What was judged is written only where the position is still the one that was judged: its row is locked, unless another
writer has it, and its version compared. A row that is passed over is judged again at the next check, so late, doubled
and overlapping checks are harmless. What fails keeps its stored stop and is said once.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.db import DatabaseError, connection, transaction

from positions.models import OrderIntent, PortfolioStateChange, PositionEvent, State
from positions.services.order_changes import limit_lock_waits
from positions.services.orders import ExitIntent, place_exits
from positions.services.portfolio import SYSTEM_NAME
from riskengine.calculators import take_profit
from riskengine.loading.book import instant
from riskengine.loading.copying import NEVER
from riskengine.loading.watched import Watched
from riskengine.services.watch import kill, verdict
from riskengine.services.watch.judgement import BROKEN, Judgement, Rows
from riskengine.services.watch.verdict import Row

logger = logging.getLogger(__name__)

ESCALATIONS = (2, 5, 10)  # minutes before the close
ERROR, LATE = "exit_error", "forced_close_late"
SAID_WITHIN = timedelta(hours=12)  # an error is said once a session

Errors = Mapping[int, tuple[str, str]]


class Writer:
    """Writes rows of one judgement. `orders` counts the orders placed, `errors` says by row what could not be."""

    def __init__(self, judgement: Judgement, watched: Sequence[Watched], late: Any, now: datetime) -> None:
        self.judgement, self.late, self.now = judgement, late, now
        self.at = {each.portfolio_id: each.at for each in watched}
        self.by_a_person = _flattened_by_a_person(watched)
        self.portfolios = [each.portfolio_id for each in watched]
        self.orders = 0
        self.errors: dict[int, str] = {}
        self.changes = judgement.changed | judgement.defers

    def write(self, rows: Rows) -> None:
        """In one transaction; if it fails its halves, so that one bad row does not stop the others."""
        try:
            with transaction.atomic():
                placed = self._write(rows)
        except Exception as error:  # noqa: BLE001 (whatever it was: the exits of the other rows must go on)
            if len(rows) > 1:
                half = len(rows) // 2
                self.write(rows[:half])
                self.write(rows[half:])
            else:
                self._fail(int(rows[0]), error)
        else:
            self.orders += placed

    def _fail(self, row: int, error: Exception) -> None:
        position = self.judgement.book.position[row]
        logger.error("Position %s: its exit could not be written.", position, exc_info=error)
        self.errors[row] = f"The exit could not be written: {error!s:.300}. The stored stop stands; it is tried again."
        try:
            with transaction.atomic():
                PositionEvent.objects.bulk_create(self._new_errors({row: (BROKEN, self.errors[row])}))
        except DatabaseError:
            logger.exception("Position %s: its error could not be written either.", position)

    def _write(self, rows: Rows) -> int:
        """The rows that are still as they were judged: fields, slices, events, orders. How many orders."""
        limit_lock_waits()
        rows = self._lock(rows)
        if not len(rows):
            return 0
        judgement = self.judgement
        self._write_fields(rows[self.changes[rows]])
        events = [*self._raised(rows), *self._deferred(rows), *self._escalated(rows)]
        events += self._new_errors({row: judgement.errors[row] for row in rows.tolist() if row in judgement.errors})
        if events:
            PositionEvent.objects.bulk_create(events)
        selling = rows[judgement.reason[rows] != take_profit.HOLD]
        intents = [self._intent(row) for row in verdict.rows_of(judgement, selling)]
        return len(place_exits(intents, at=self.at, now=self.now))

    def _lock(self, rows: Rows) -> Rows:
        """Those that nobody else holds and whose version is the one judged, locked in the order of their ids."""
        ids, versions = self.judgement.book.position[rows].tolist(), self.judgement.book.version[rows].tolist()
        with connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT id, version FROM positions_position WHERE id = ANY(%s) ORDER BY id
                FOR NO KEY UPDATE SKIP LOCKED
                """,
                [ids],
            )
            locked = dict(cursor.fetchall())
        same = [locked.get(position) == version for position, version in zip(ids, versions, strict=True)]
        return rows[np.array(same, np.bool_)]

    # ---- Fields and slices ----

    def _write_fields(self, rows: Rows) -> None:
        """What changed of the locked positions in one statement; a stop or high-water mark that stands is not sent."""
        if not len(rows):
            return
        judgement = self.judgement
        raised, higher = judgement.raised_stop[rows], judgement.raised_high_water[rows]
        with connection.cursor() as cursor:
            cursor.execute(
                """
                UPDATE positions_position p SET
                    current_stop = coalesce(w.stop, p.current_stop),
                    high_water = coalesce(w.high_water, p.high_water),
                    stop_breaches = w.breaches, stop_breached_at = w.breached_at, unusable_since = w.unusable_since,
                    version = p.version + 1
                FROM unnest(%(ids)s::bigint[], %(stops)s::numeric[], %(high_waters)s::numeric[],
                            %(breaches)s::smallint[], %(breached_at)s::timestamptz[], %(unusable_since)s::timestamptz[])
                    AS w(id, stop, high_water, breaches, breached_at, unusable_since)
                WHERE p.id = w.id
                """,
                {
                    "ids": judgement.book.position[rows].tolist(),
                    "stops": _prices(judgement.stop[rows], raised),
                    "high_waters": _prices(judgement.high_water[rows], higher),
                    "breaches": judgement.stop_breaches[rows].tolist(),
                    "breached_at": _times(judgement.stop_breached_at[rows]),
                    "unusable_since": _times(judgement.unusable_since[rows]),
                },
            )

    def _deferred(self, rows: Rows) -> list[PositionEvent]:
        """Crossed slices that close nothing become DEFERRED, once; their share is carried into the next (A-20)."""
        judgement = self.judgement
        events, ids = [], []
        for row in verdict.rows_of(judgement, rows[judgement.defers[rows]]):
            place = int(np.searchsorted(judgement.planned, row.row))
            ids += judgement.plan.ids[place][judgement.deferred[place]].tolist()
            slices = verdict.slices_of(judgement, row, deferred=True)
            events += [self._event(row, "slice_deferred", after=each) for each in slices]
        if ids:
            with connection.cursor() as cursor:
                cursor.execute(
                    """
                    UPDATE positions_exitslice s SET state = 'deferred', changed_at = w.at
                    FROM unnest(%s::bigint[], %s::timestamptz[]) AS w(id, at)
                    WHERE s.id = w.id AND s.state = 'armed'
                    """,
                    [ids, [event.happened_at for event in events]],
                )
        return events

    # ---- Events ----

    def _event(self, row: Row, kind: str, **told: Any) -> PositionEvent:
        return PositionEvent(
            position_id=row.position,
            happened_at=instant(row.at),
            kind=kind,
            actor_name=SYSTEM_NAME,
            detail=verdict.quote_of(row),
            **told,
        )

    def _raised(self, rows: Rows) -> list[PositionEvent]:
        raised = rows[self.judgement.raised_stop[rows]]
        return [
            self._event(
                row,
                "stop_raised",
                before={"stop": verdict.known(row.stored_stop), "high_water": verdict.known(row.stored_high_water)},
                after={"stop": verdict.known(row.stop), "high_water": verdict.known(row.high_water)},
            )
            for row in verdict.rows_of(self.judgement, raised)
        ]

    def _escalated(self, rows: Rows) -> list[PositionEvent]:
        """A close that is still working when 10, 5 and 2 minutes are left: once each (A-17)."""
        late = {row: int(self.late[row]) for row in rows[self.late[rows] > 0].tolist()}
        said = self._said(late, LATE, "minutes")
        new = [row for row, minutes in late.items() if (row, str(minutes)) not in said]
        return [
            self._event(row, LATE, after={"minutes": late[row.row], "contracts": row.quantity_open})
            for row in verdict.rows_of(self.judgement, np.array(new, np.int64))
        ]

    def _new_errors(self, errors: Errors) -> list[PositionEvent]:
        """An error is said once, not at every look."""
        said = self._said(errors, ERROR, "code")
        new = [row for row, (code, _) in errors.items() if (row, code) not in said]
        return [
            self._event(row, ERROR, after=dict(zip(("code", "sentence"), errors[row.row], strict=True)))
            for row in verdict.rows_of(self.judgement, np.array(new, np.int64))
        ]

    def _said(self, rows: Mapping[int, Any], kind: str, key: str) -> set[tuple[int, str]]:
        """What events of this kind have said of these rows lately. No statement for no row."""
        if not rows:
            return set()
        judgement = self.judgement
        by_position = {int(judgement.book.position[row]): row for row in rows}
        earliest = instant(min(int(judgement.market.at[row]) for row in rows)) - SAID_WITHIN
        told = PositionEvent.objects.filter(
            position_id__in=by_position, kind=kind, happened_at__gte=earliest
        ).order_by()
        return {
            (by_position[position], str(text)) for position, text in told.values_list("position_id", f"after__{key}")
        }

    # ---- Orders ----

    def _intent(self, row: Row) -> ExitIntent:
        judgement = self.judgement
        rule = verdict.RULES[row.reason]
        if row.reason == take_profit.EMERGENCY and self.portfolios[row.place] in self.by_a_person:
            rule = str(OrderIntent.FLATTEN)
        slices: tuple[tuple[int, int], ...] = ()
        if row.reason in (take_profit.TARGET, take_profit.SLICES):
            place = int(np.searchsorted(judgement.planned, row.row))
            ids, sold = judgement.plan.ids[place].tolist(), judgement.sold[place].tolist()
            slices = tuple((slice_id, count) for slice_id, count in zip(ids, sold, strict=True) if count)
        bid, ask = verdict.price(row.bid), verdict.price(row.ask)
        return ExitIntent(
            position_id=row.position,
            intent=rule,
            quantity=row.contracts,
            slices=slices,
            verdict=verdict.verdict_of(judgement, row) | {"rule": rule},
            reference_mid=(bid + ask) / 2 if bid is not None and ask is not None else None,
            reference_bid=bid,
            quote_at=verdict.time_of(row.confirmed_at),
        )


def _flattened_by_a_person(watched: Sequence[Watched]) -> set[int]:
    """Portfolios that a person is flattening: their orders say so. No statement where none is flattened."""
    flattening = [each.portfolio_id for each in watched if each.is_flattening]
    if not flattening:
        return set()
    changes = PortfolioStateChange.objects.filter(portfolio__in=flattening, to_state=State.FLATTENING)
    latest = changes.order_by("portfolio_id", "-changed_at", "-id").distinct("portfolio_id")
    told = latest.values_list("portfolio_id", "actor_id", "cause")
    return {portfolio for portfolio, actor, cause in told if actor is not None or cause == kill.CAUSE}


def _prices(column: Any, sent: Any) -> list[str | None]:
    return [f"{value:.4f}" if send else None for value, send in zip(column.tolist(), sent.tolist(), strict=True)]


def _times(column: Any) -> list[datetime | None]:
    return [None if at == NEVER else instant(at) for at in column.tolist()]
