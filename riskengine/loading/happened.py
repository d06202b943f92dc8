"""What happened in an account between two instants of its market time: decided, filled, closed, stopped, told.

Plain rows, the oldest first, for reports that are kept. Each is one statement; at most `MOST` rows of a kind, the last.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db import connection
from django.db.models import Count, F, Max, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce

from positions.market.calendar import new_york_instant
from positions.models import (
    ClockKind,
    Decision,
    DecisionIntent,
    Fill,
    Portfolio,
    PortfolioStateChange,
    Position,
    PositionEvent,
    Side,
)
from riskengine.loading.executions import SETTLED
from riskengine.models import Alert, BreakerEvent, NightReport, Signal

MOST = 500


@dataclass(frozen=True, slots=True)
class Window:
    """From `first` on and before `after`, instants of market time."""

    portfolio: Portfolio
    first: datetime
    after: datetime

    @classmethod
    def of(cls, portfolio: Portfolio, first: date, last: date) -> "Window":
        """Whole New York days."""
        begin, end = (new_york_instant(day, time(0)) for day in (first, last + timedelta(days=1)))
        return cls(portfolio, begin, end)

    def within(self, field: str) -> dict[str, datetime]:
        return {f"{field}__gte": self.first, f"{field}__lt": self.after}


def _openings(window: Window) -> QuerySet[Decision]:
    return window.portfolio.decisions.filter(intent=DecisionIntent.OPEN, **window.within("decided_at"))


def decisions(window: Window) -> list[Decision]:
    """Approved and refused, each with `bound`, the rule that set its size, and `bought`, the contracts that were
    filled by now."""
    rows = _openings(window).select_related("contract").defer("inputs", "trace", "gates", "warnings")
    fills = Fill.objects.filter(order__decision=OuterRef("pk")).order_by().values("order__decision")
    rows = rows.annotate(
        bound=KeyTextTransform("binding", "trace"),
        bought=Coalesce(Subquery(fills.annotate(n=Sum("quantity")).values("n")), 0),
    )
    return list(rows.order_by("decided_at", "id")[:MOST])


def verdicts(window: Window) -> dict[str, int]:
    """How many were approved (under "") and how many refused by each code, the most frequent first."""
    rows = _openings(window).values_list("refusal_code").annotate(n=Count("id")).order_by("-n", "refusal_code")
    return dict(rows)


def bound_by(window: Window) -> dict[str, int]:
    """Of what was approved: how many sizes each rule set, the most frequent first."""
    rows = _openings(window).filter(approved=True).annotate(bound=KeyTextTransform("binding", "trace"))
    return {rule: n for rule, n in rows.values_list("bound").annotate(n=Count("id")).order_by("-n", "bound") if rule}


def refusal_examples(window: Window) -> dict[str, str]:
    """The sentence of the last refusal of each code."""
    rows = _openings(window).exclude(refusal_code="").order_by("refusal_code", "-id").distinct("refusal_code")
    return dict(rows.values_list("refusal_code", "refusal_sentence"))


def revisions_used(window: Window) -> list[dict[str, Any]]:
    """The revisions that decided in the window, or that came into force in it where market time is wall time."""
    used = dict(_openings(window).values_list("revision").annotate(n=Count("id")).order_by())
    wanted = Q(pk__in=used)
    if window.portfolio.clock.kind == ClockKind.LIVE:
        wanted |= Q(**window.within("in_force_from"))
    rows = window.portfolio.profile.revisions.model.objects.filter(wanted).order_by("number")
    return [
        {
            "number": each.number,
            "reason": each.reason,
            "author": each.author_name,
            "in_force_from": each.in_force_from.isoformat(),
            "decisions": used.get(each.pk, 0),
        }
        for each in rows
    ]


# What a review has told stands in its snapshot, so that what is booked late (sold at the broker while this product was
# down, say) is found by being in none. Before the first review that kept it nothing is late.
_CLOSED = """
    WITH earlier AS MATERIALIZED (
        SELECT snapshot -> 'closed' AS closed, (snapshot #>> '{account,begins_at}')::timestamptz AS begins_at
        FROM riskengine_review
        WHERE portfolio_id = %(portfolio)s AND kind = %(kind)s AND due_at < %(due_at)s AND snapshot ? 'closed'
        ORDER BY due_at DESC LIMIT %(back)s
    )
    SELECT id, closed_at < %(first)s FROM positions_position p
    WHERE portfolio_id = %(portfolio)s AND status = 'closed' AND closed_at < %(after)s
      AND closed_at >= least(%(first)s, (SELECT min(begins_at) FROM earlier))
      AND NOT EXISTS (SELECT FROM earlier WHERE closed @> to_jsonb(p.id))
    ORDER BY closed_at, id
"""


def closed_untold(window: Window, kind: str, due_at: datetime, back: int) -> tuple[list[int], list[int]]:
    """Positions that closed in the window, and those that closed before it, which none of the `back` earlier reviews of
    this kind has told."""
    asked = {"portfolio": window.portfolio.pk, "kind": kind, "due_at": due_at, "back": back}
    with connection.cursor() as cursor:
        cursor.execute(_CLOSED, asked | {"first": window.first, "after": window.after})
        rows = cursor.fetchall()
    return [pk for pk, late in rows if not late], [pk for pk, late in rows if late]


def fills(window: Window) -> list[Fill]:
    rows = Fill.objects.filter(position__portfolio=window.portfolio, **window.within("filled_at"))
    return list(rows.select_related("order__parent", "position__contract").order_by("-filled_at", "-id")[:MOST])[::-1]


def positions_touched(window: Window, also: Collection[int] = ()) -> list[Position]:
    """Bought or closed in the window, or held all through it, or among `also`; each with what was decided."""
    rows = _touched(window, also).select_related("contract", "decision")
    return list(rows.order_by("-entry_at", "-id")[:MOST])[::-1]


def count_touched(window: Window, also: Collection[int] = ()) -> int:
    """How many those are, however many are given."""
    return _touched(window, also).count()


def _touched(window: Window, also: Collection[int]) -> QuerySet[Position]:
    rows = window.portfolio.positions.filter(entry_at__lt=window.after)
    return rows.filter(Q(closed_at__isnull=True) | Q(closed_at__gte=window.first) | Q(pk__in=also))


def open_at(positions: Collection[Position], instant: datetime) -> dict[int, int]:
    """Contracts that were open at an instant, by position, whatever was sold or settled later."""
    if not positions:
        return {}
    sells = Fill.objects.filter(position__in=[each.pk for each in positions], order__side=Side.SELL).order_by()
    since = Sum("quantity", filter=Q(filled_at__gt=instant), default=0)
    rows = sells.values_list("position").annotate(n=Sum("quantity"), since=since)
    sold = {pk: (n, later) for pk, n, later in rows}
    found = {}
    for each in positions:
        n, later = sold.get(each.pk, (0, 0))
        settled = each.closed_at is not None and each.closed_at > instant and each.close_cause in SETTLED
        found[each.pk] = each.quantity_open + later + (each.quantity_opened - n if settled else 0)
    return found


def stops_at(positions: Collection[Position], instant: datetime) -> dict[int, Any]:
    """The stop of each position at an instant: the one before its next move, that of now where it has not moved since.
    USD a share; None: it has none."""
    moves = PositionEvent.objects.filter(position__in=positions, happened_at__gt=instant, before__has_key="stop")
    before = dict(
        moves.order_by("position", "happened_at", "id").distinct("position").values_list("position", "before__stop")
    )
    return {each.pk: before.get(each.pk, each.current_stop) for each in positions}


def breaker_events(window: Window) -> list[BreakerEvent]:
    rows = window.portfolio.breaker_events.filter(**window.within("happened_at"))
    return list(rows.select_related("breaker__underlying").order_by("-happened_at", "-id")[:MOST])[::-1]


def breaker_counts(window: Window) -> dict[str, int]:
    """How many events of each kind there were, however many are given."""
    rows = window.portfolio.breaker_events.filter(**window.within("happened_at"))
    return dict(rows.order_by().values_list("kind").annotate(n=Count("id")))


def state_changes(window: Window) -> list[PortfolioStateChange]:
    rows = window.portfolio.state_changes.filter(**window.within("changed_at"))
    return list(rows.order_by("-changed_at", "-id")[:MOST])[::-1]


def _alerts(window: Window, without: Collection[str]) -> QuerySet[Alert]:
    """By market time; what has none is of wall time, and belongs to the window of a live account alone."""
    rows = Alert.objects.filter(portfolio=window.portfolio).exclude(code__in=without)
    if window.portfolio.clock.kind == ClockKind.LIVE:
        rows = rows.annotate(at=Coalesce("market_at", "raised_at"))
    else:
        rows = rows.annotate(at=F("market_at"))
    return rows.filter(**window.within("at"))


def alerts(window: Window, *, without: Collection[str]) -> list[Alert]:
    """All but those of the codes `without`, each with its `at`."""
    return list(_alerts(window, without).select_related("acknowledged_by").order_by("-at", "-id")[:MOST])[::-1]


def alerts_by_code(window: Window, *, without: Collection[str]) -> list[dict[str, Any]]:
    """By code and title, as one code may say it of several things (L1, L2): how many, and how many of them that asked
    for an answer got none."""
    rows = (
        _alerts(window, without)
        .values("code", "severity", "title")
        .annotate(
            n=Count("id"),
            unanswered=Count("id", filter=Q(acknowledged_at__isnull=True) & ~Q(severity="info")),
        )
    )
    return list(rows.order_by("-n", "code", "title", "severity"))


def signals_by_fate(window: Window) -> list[dict[str, Any]]:
    """By state and the code for which they were dropped."""
    rows = Signal.objects.filter(portfolio=window.portfolio, **window.within("as_of"))
    found = rows.values("state", "dropped_code").annotate(n=Count("id"), example=Max("dropped_sentence"))
    return list(found.order_by("-n", "state", "dropped_code"))


def nights(portfolio: Portfolio, first: date, last: date) -> list[NightReport]:
    rows = portfolio.night_reports.filter(session_on__gte=first, session_on__lte=last)
    return list(rows.defer("contents").order_by("session_on", "id"))


def highest_exposure(window: Window) -> tuple[float | None, float | None]:
    """Of the five-minute readings: the highest share of equity at risk, and with what moves together as one bet."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT max(exposure / nullif(equity, 0))::float8, max(effective_exposure / nullif(equity, 0))::float8
            FROM riskengine_readingpoint WHERE portfolio_id = %s AND market_at >= %s AND market_at < %s
            """,
            [window.portfolio.pk, window.first, window.after],
        )
        highest, as_one = cursor.fetchone()
        return highest, as_one


@dataclass(frozen=True, slots=True)
class Active:
    """Market times of an account's first and last activity: a decision, an entry, a close. `last` None: it holds."""

    first: datetime
    last: datetime | None


def active(portfolio_ids: list[int]) -> dict[int, Active]:
    """By portfolio id; absent where nothing was ever decided or entered. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT portfolio_id, min(first), CASE WHEN bool_or(held) THEN NULL ELSE max(last) END FROM (
                SELECT portfolio_id, min(decided_at) AS first, max(decided_at) AS last, false AS held
                FROM positions_decision WHERE portfolio_id = ANY(%(ids)s) GROUP BY portfolio_id
                UNION ALL
                SELECT portfolio_id, min(entry_at), max(closed_at), bool_or(closed_at IS NULL)
                FROM positions_position WHERE portfolio_id = ANY(%(ids)s) GROUP BY portfolio_id
            ) t GROUP BY portfolio_id
            """,
            {"ids": portfolio_ids},
        )
        return {pk: Active(first, last) for pk, first, last in cursor.fetchall()}
