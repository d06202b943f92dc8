"""The overnight monitor: what a book can become before anything can be done about it, told while something can (P-18).

    before the close    overnight_report_minutes before the session's close: 15:30, 12:30 on a half day
    before the open     in the hour before the next open

Each report is a row that there is once (portfolio, session, moment), and its alerts are written with it: run as often
as you like, from as many workers, late or after a crash, every night is told once. Where something was traded since,
or was not known, alerts are judged again until the close; the report stays. Nothing is sold by it.
"""

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Max, QuerySet

from positions.desk_selectors import calendars_around
from positions.market.calendar import Calendar, OutsideCalendar, new_york_date
from positions.market.clock import market_now
from positions.market_selectors import calendar_around
from positions.models import Mode, Portfolio, Position
from positions.services.order_changes import as_json, limit_lock_waits
from riskengine.calculators.limits import Limits
from riskengine.loading.nights import Hours, hours_of, load_night
from riskengine.loading.revisions import terms_in_force
from riskengine.models import NightMoment, NightReport
from riskengine.services.watch.alerts import NewAlert, Standing, raise_alerts, resolve, standing
from riskengine.services.watch.night_contents import NOW, contents_of
from riskengine.services.watch.night_words import CODES, OVERNIGHT_LOSS, alerts_of, night_in, not_made

logger = logging.getLogger(__name__)

SHOWN = 10  # of the reports before
MOST_AT_ONCE = 500  # nights judged in a run, 13 ms each: the same worker sends the alerts. The others come next time.


@dataclass
class Nights:
    """Ids of the reports that were made, how many alerts were new, how many ended, and by portfolio what failed."""

    made: list[int] = field(default_factory=list)
    alerts: int = 0
    ended: int = 0
    errors: dict[int, str] = field(default_factory=dict)


def run_nights(*, now: datetime, portfolio_ids: Collection[int] | None = None) -> Nights:
    """Make the reports whose moment it is at wall time `now`, each by its portfolio's market time, and end the alerts
    of nights that are over. Four statements and one a profile where nothing is due, two where nothing is held.

    One portfolio's trouble is its own: it is logged, told, and tried again at the next look.
    """
    run = Nights()
    held = _held(portfolio_ids)
    open_alerts = [each for each in standing(CODES) if portfolio_ids is None or each.portfolio_id in portfolio_ids]
    wanted = {*held, *(each.portfolio_id for each in open_alerts if each.portfolio_id is not None)}
    if not wanted:
        return run
    found = Portfolio.objects.filter(pk__in=wanted, clock__isnull=False).select_related("clock", "profile")
    portfolios = list(found.order_by("pk"))
    at = {each.pk: market_now(each.clock, now) for each in portfolios}
    nights = _nights(at)
    over = {each.key for each in _over(open_alerts, held, nights)}
    run.ended = resolve(sorted(over), now=now)
    due = _due(portfolios, held, nights, at)
    made = _made_already([each.portfolio.pk for each in due])
    new = [each for each in due if (each.portfolio.pk, each.session_on, each.moment) not in made]
    again = _to_be_judged_again([each for each in due if each not in new])
    for each in [*new, *again][:MOST_AT_ONCE]:
        mine = [alert for alert in open_alerts if alert.portfolio_id == each.portfolio.pk and alert.key not in over]
        _judge(each, mine, now, run, keep=each in new)
    return run


def night_now(*, portfolio: Portfolio, now: datetime) -> dict[str, Any]:
    """The night ahead as of wall time `now`, kept nowhere. OutsideCalendar where its market time has no sessions."""
    at = market_now(portfolio.clock, now)
    calendar = _calendar(at)
    limits = terms_in_force(portfolio.profile_id).limits
    book = load_night(portfolio, calendar=calendar, limits=limits, hours=hours_of(calendar, at), at=at)
    return contents_of(book, NOW)


# ---- What a person is shown ----


@dataclass(frozen=True, slots=True)
class Shown:
    """A report, or a look at this moment where `report` is None. `earlier` are the last reports, the newest first.
    `made` is the newest of the night ahead, whether it is shown or not; `traded`: something was bought or sold since.
    """

    contents: dict[str, Any]
    report: NightReport | None
    earlier: Sequence[NightReport]
    made: NightReport | None = None
    traded: bool = False


def reports(portfolio: Portfolio) -> QuerySet[NightReport]:
    """The newest first."""
    return NightReport.objects.filter(portfolio=portfolio).order_by("-id")


def night_shown(*, portfolio: Portfolio, now: datetime, live: bool = False, report: NightReport | None = None) -> Shown:
    """The report asked for; else the newest of the night ahead; a look at this moment where there is none, or `live`.

    OutsideCalendar where its market time has no sessions.
    """
    earlier = list(reports(portfolio).defer("contents")[:SHOWN])
    if report is not None:
        return Shown(report.contents, report, earlier)
    made = earlier[0] if earlier and _is_of_this_night(earlier[0], portfolio, now) else None
    if made is None or live:
        return Shown(night_now(portfolio=portfolio, now=now), None, earlier, made)
    return Shown(made.contents, made, earlier, made, traded=_holds_other(made, portfolio))


def has_night(portfolio: Portfolio, now: datetime) -> bool:
    """Whether there is a report, or something is held that does not expire today. At most two statements."""
    if reports(portfolio).exists():
        return True
    today = new_york_date(market_now(portfolio.clock, now))
    return portfolio.positions.held().filter(contract__expiration_on__gt=today).exists()


def _holds_other(report: NightReport, portfolio: Portfolio) -> bool:
    held = portfolio.positions.held().filter(
        contract__expiration_on__gt=date.fromisoformat(report.contents["closes_on"])
    )
    told = {each["position"]: each["contracts"] for each in report.contents["positions"]}
    return dict(held.values_list("pk", "quantity_open")) != told


def _is_of_this_night(report: NightReport, portfolio: Portfolio, now: datetime) -> bool:
    at = market_now(portfolio.clock, now)
    hours = hours_of(_calendar(at), at)
    session = hours.closing if report.moment == NightMoment.BEFORE_CLOSE else hours.opening
    return session is not None and report.session_on == session.day and report.made_at <= at


# ---- What is due ----


@dataclass(frozen=True, slots=True)
class _Due:
    portfolio: Portfolio
    limits: Limits
    hours: Hours
    at: datetime
    moment: str
    session_on: date


def _held(portfolio_ids: Collection[int] | None) -> dict[int, date]:
    """By portfolio id the last expiration of what is held; absent where nothing is."""
    rows = Position.objects.held().order_by("portfolio_id")
    if portfolio_ids is not None:
        rows = rows.filter(portfolio__in=list(portfolio_ids))
    return dict(rows.values_list("portfolio_id").annotate(last=Max("contract__expiration_on")))


def _nights(at: Mapping[int, datetime]) -> dict[int, Hours]:
    """The night of each portfolio; absent where no session is known around its time: the risk check says so."""
    found = {}
    for pk, calendar in calendars_around(at).items():
        if calendar is not None:
            try:
                found[pk] = hours_of(calendar, at[pk])
            except OutsideCalendar:
                continue
    return found


def _through(last: date | None, hours: Hours) -> bool:
    """Whether something is held beyond the close. What expires in this session is sold or settled in it (A-17)."""
    return last is not None and last > hours.closing.day


def _due(
    portfolios: Sequence[Portfolio], held: Mapping[int, date], nights: Mapping[int, Hours], at: Mapping[int, datetime]
) -> list[_Due]:
    limits: dict[int, Limits] = {}
    due = []
    for each in portfolios:
        hours = nights.get(each.pk)
        if hours is None or each.mode == Mode.OFF or not _through(held.get(each.pk), hours):
            continue
        if each.profile_id not in limits:
            limits[each.profile_id] = terms_in_force(each.profile_id).limits
        mine = limits[each.profile_id]
        found = hours.due(at[each.pk], float(mine.overnight_report_minutes))
        if found is not None:
            due.append(_Due(each, mine, hours, at[each.pk], *found))
    return due


def _made_already(ids: Collection[int]) -> set[tuple[int, date, str]]:
    """The last two reports of each portfolio are all that can be of this night."""
    if not ids:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT n.portfolio_id, n.session_on, n.moment FROM unnest(%s::bigint[]) AS p(id)
            CROSS JOIN LATERAL (
                SELECT * FROM riskengine_nightreport n WHERE n.portfolio_id = p.id ORDER BY n.id DESC LIMIT 2
            ) n
            """,
            [list(ids)],
        )
        return set(cursor.fetchall())


def _to_be_judged_again(due: Sequence[_Due]) -> list[_Due]:
    """Those whose report before the close says other positions than are held now, or did not know its loss or limit: a
    quote that was too old at 15:30 must not keep a loss unsaid until nothing can be sold."""
    closing = [each.portfolio.pk for each in due if each.moment == NightMoment.BEFORE_CLOSE]
    if not closing:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT n.portfolio_id FROM unnest(%s::bigint[]) AS w(id)
            CROSS JOIN LATERAL (
                SELECT * FROM riskengine_nightreport n WHERE n.portfolio_id = w.id ORDER BY n.id DESC LIMIT 1
            ) n
            WHERE n.worst_loss IS NULL OR n.equity IS NULL
               OR (SELECT jsonb_object_agg(e->>'position', e->'contracts')
                   FROM jsonb_array_elements(n.contents->'positions') e)
                  IS DISTINCT FROM
                  (SELECT jsonb_object_agg(p.id::text, p.quantity_open)
                   FROM positions_position p JOIN positions_optioncontract c ON c.id = p.contract_id
                   WHERE p.portfolio_id = n.portfolio_id AND p.quantity_open > 0 AND c.expiration_on > n.session_on)
            """,
            [closing],
        )
        found = {pk for (pk,) in cursor.fetchall()}
    return [each for each in due if each.portfolio.pk in found]


def _over(alerts: Sequence[Standing], held: Mapping[int, date], nights: Mapping[int, Hours]) -> Iterator[Standing]:
    """Those whose night ended with the open, or of which nothing is held any more. Where the night cannot be told an
    alert stands."""
    positions = {each.position_id for each in alerts if each.position_id is not None}
    open_ones = set(Position.objects.held().filter(pk__in=positions).values_list("pk", flat=True)) if positions else ()
    for each in alerts:
        pk = each.portfolio_id
        if pk is None or pk not in nights:
            continue
        closed = each.position_id is not None and each.position_id not in open_ones
        another_night = night_in(each.key) != nights[pk].closing.day.isoformat()
        if closed or another_night or not _through(held.get(pk), nights[pk]):
            yield each


# ---- Making one ----


def _calendar(at: datetime) -> Calendar:
    try:
        return calendar_around(at)
    except ValueError as empty:  # no session was ever imported: the same remedy as a table that is too short
        raise OutsideCalendar(str(empty)) from empty


def _judge(due: _Due, open_alerts: Sequence[Standing], now: datetime, run: Nights, *, keep: bool) -> None:
    """Tell what this night is, and end what it no longer is; `keep` it as a report, which there is once."""
    portfolio = due.portfolio
    try:
        book = load_night(portfolio, calendar=_calendar(due.at), limits=due.limits, hours=due.hours, at=due.at)
        contents = contents_of(book, due.moment)
        told = alerts_of(contents, portfolio, at=due.at, emergency=float(due.limits.emergency_halt_loss))
        with transaction.atomic():
            limit_lock_waits()
            made = _insert(due, contents) if keep else None
            if keep and made is None:
                return  # another worker was quicker, and has told it
            new = raise_alerts(told, now=now)
            ended = resolve(_no_more(contents, told, open_alerts), now=now)
    except Exception as error:  # whatever it was: the other portfolios have a night too
        logger.exception("The night of %s could not be judged.", portfolio.name)
        run.errors[portfolio.pk] = f"{error!s:.300}"
        run.alerts += raise_alerts([not_made(portfolio, due.hours, due.at, run.errors[portfolio.pk])], now=now)
    else:
        run.made += [made] if made is not None else []
        run.alerts += new
        run.ended += ended


def _no_more(contents: dict[str, Any], told: Sequence[NewAlert], open_alerts: Sequence[Standing]) -> list[str]:
    """What stands and is not said again is over. A loss that is not known now may be as large as it was."""
    said = {each.key for each in told}
    known = contents["book"]["worst_loss"] is not None
    return [each.key for each in open_alerts if each.key not in said and (known or each.code != OVERNIGHT_LOSS)]


def _insert(due: _Due, contents: dict[str, Any]) -> int | None:
    """The new report's id; None where there is one already."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO riskengine_nightreport
                (portfolio_id, session_on, moment, made_at, equity, worst_loss, positions, contents)
            VALUES (%s, %s, %s, %s, %s::numeric, %s::numeric, %s, %s::jsonb)
            ON CONFLICT (portfolio_id, session_on, moment) DO NOTHING RETURNING id
            """,
            [
                due.portfolio.pk,
                due.session_on,
                due.moment,
                due.at,
                _numeric(contents["equity"]),
                _numeric(contents["book"]["worst_loss"]),
                len(contents["positions"]),
                as_json(contents),
            ],
        )
        row = cursor.fetchone()
    return None if row is None else int(row[0])


def _numeric(dollars: float | None) -> str | None:
    """USD as NUMERIC takes it exactly."""
    return None if dollars is None else f"{dollars:.2f}"
