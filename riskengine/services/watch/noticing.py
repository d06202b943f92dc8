"""What a check has to say to a person: what it could not judge, exits that fail or are late, large positions.

Each is a condition that lasts, so it is noticed at every look and raised once. A crash between what a check writes and
what it says loses nothing: the condition is there at the next look. A quiet exit check sends no statement for it.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np
from django.db import transaction

from positions.models import CheckScope
from positions.services.order_changes import limit_lock_waits
from riskengine.calculators import large
from riskengine.calculators.large import Positions, Told
from riskengine.loading.book import Book
from riskengine.loading.large import Large, load_large
from riskengine.loading.watched import Watched
from riskengine.models import Severity
from riskengine.services.watch import broker_seen, large_words
from riskengine.services.watch.alerts import NewAlert, Standing, raise_alerts, resolve, standing
from riskengine.services.watch.exits import Written, late_closes
from riskengine.services.watch.judgement import SECOND, Judgement
from riskengine.services.watch.large_words import Facts
from riskengine.services.watch.one_bet import ONE_BET, OneBet
from riskengine.services.watch.writing import ESCALATIONS

logger = logging.getLogger(__name__)

CHECK_FAILED, EXIT_ERROR, CLOSE_LATE = "CHECK_FAILED", "EXIT_ERROR", "FORCED_CLOSE_LATE"
SEEN_AT_EACH_LOOK = (CHECK_FAILED, EXIT_ERROR, CLOSE_LATE, broker_seen.BROKER_DIFFERS)
QUIET_FOR = timedelta(seconds=30)  # both checks have looked again by then
DUE_MINUTES = 15.0


def notice(
    errors: Mapping[int, str],
    watched: Sequence[Watched] = (),
    judgement: Judgement | None = None,
    written: Written | None = None,
    one_bet: OneBet | None = None,
    *,
    scope: str,
    now: datetime,
) -> None:
    """Raise what this check has seen; at a risk check also end what is over. `errors` are by portfolio id.

    What cannot be said is logged: the check has done its work by then.
    """
    try:
        alerts = _of_check(errors, watched, judgement, written, scope)
        ended = _risk(alerts, errors, watched, judgement, one_bet, now) if scope == CheckScope.RISK else []
        if alerts or ended:
            with transaction.atomic():
                limit_lock_waits()
                raise_alerts(alerts, now=now)
                resolve(ended, now=now)
    except Exception:  # whatever it was: nobody is helped by a check that stops here
        logger.exception("What the %s check has seen could not be said.", scope)


def _of_check(
    errors: Mapping[int, str],
    watched: Sequence[Watched],
    judgement: Judgement | None,
    written: Written | None,
    scope: str,
) -> list[NewAlert]:
    """What every look sees."""
    alerts: list[NewAlert] = []
    told: set[str] = set()
    if judgement is not None and written is not None:
        alerts += _failing(judgement, watched, written.errors)
        alerts += _late(judgement, watched)
        told = {f"Position {judgement.book.position[row]}: {text}" for row, text in written.errors.items()}
    known = {each.portfolio_id: each for each in watched} if errors else {}
    alerts += [
        _check_failed(portfolio_id, sentence, known.get(portfolio_id), scope)
        for portfolio_id, sentence in errors.items()
        if sentence not in told
    ]
    return alerts


def _risk(
    alerts: list[NewAlert],
    errors: Mapping[int, str],
    watched: Sequence[Watched],
    judgement: Judgement | None,
    one_bet: OneBet | None,
    now: datetime,
) -> list[str]:
    """Adds what is said of large positions, of adopted ones without a stop and of books that are one bet; the keys of
    what is over. Two statements."""
    checked = {*errors, *(each.portfolio_id for each in watched)}
    over: set[str] = set()
    held: set[int] = set()
    if judgement is not None:
        held = set(judgement.book.position.tolist())
        of_large, over = _large(judgement, watched)
        alerts += of_large
        alerts += broker_seen.unguarded(judgement.book, watched)
        over |= broker_seen.guarded(judgement.book)
    if one_bet is not None:
        alerts += one_bet.alerts
        over |= one_bet.over
    seen = {each.key for each in alerts}
    return [
        each.key
        for each in standing([*SEEN_AT_EACH_LOOK, *large_words.CODES.values(), broker_seen.NO_STOP, ONE_BET])
        if each.portfolio_id in checked and each.key not in seen and _is_over(each, over, held, now)
    ]


def _is_over(alert: Standing, over: set[str], held: set[int], now: datetime) -> bool:
    """What every look sees is over when none has for a while; the rest when it is said so, or nothing is held."""
    if alert.code in SEEN_AT_EACH_LOOK:
        return alert.last_seen_at <= now - QUIET_FOR
    return alert.key in over or (alert.position_id is not None and alert.position_id not in held)


# ---- What fails ----


def _check_failed(portfolio_id: int, sentence: str, each: Watched | None, scope: str) -> NewAlert:
    name = each.name if each is not None else f"portfolio {portfolio_id}"
    return NewAlert(
        code=CHECK_FAILED,
        key=f"check_failed:{portfolio_id}",
        severity=Severity.WARNING,  # critical once it has lasted: CHECKS_STALLED
        title="The portfolio cannot be judged",
        happened=f"The {scope} check of {name} could not be finished: {sentence}",
        to_do="Nothing is opened meanwhile, and exits are tried again at every look. If it lasts longer than a minute, "
        "mend what the sentence names, and watch its positions at the broker.",
        portfolio_id=portfolio_id,
        market_at=each.at if each is not None else None,
    )


def _failing(judgement: Judgement, watched: Sequence[Watched], errors: Mapping[int, str]) -> Iterator[NewAlert]:
    book = judgement.book
    for row, sentence in errors.items():
        each, position = watched[int(book.place[row])], int(book.position[row])
        yield NewAlert(
            code=EXIT_ERROR,
            key=f"exit_error:{position}",
            severity=Severity.CRITICAL,
            title="The exits of a position cannot be judged",
            happened=f"Position {position} ({int(book.quantity_open[row]):,} contracts): {sentence}",
            to_do="Look at the position. Until this ends, nothing sells it here: close it by hand if its price nears "
            "the stop.",
            portfolio_id=each.portfolio_id,
            position_id=position,
            market_at=each.at,
        )


def _late(judgement: Judgement, watched: Sequence[Watched]) -> Iterator[NewAlert]:
    """A close that is still working when 10, 5 and 2 minutes are left: each a stage (A-17)."""
    late = late_closes(judgement)
    book, market = judgement.book, judgement.market
    for row in np.flatnonzero(late).tolist():
        each, position = watched[int(book.place[row])], int(book.position[row])
        minutes = int(late[row])
        left = (int(market.closes_at[row]) - int(market.at[row])) / SECOND / 60
        yield NewAlert(
            code=CLOSE_LATE,
            key=f"close_late:{position}",
            severity=Severity.CRITICAL,
            title=f"A position that expires today is not closed, {minutes} minutes are left",
            happened=f"{left:.1f} minutes are left to the close, and {int(book.quantity_open[row]):,} contracts of "
            f"position {position} are still open; they are due to be sold {DUE_MINUTES:.0f} minutes before it.",
            to_do="Look at its working order and at the market. What is not sold expires: sell it at the broker if you "
            "must not hold it.",
            portfolio_id=each.portfolio_id,
            position_id=position,
            value=left,
            limit=DUE_MINUTES,
            unit="minutes",
            market_at=each.at,
            stage=len(ESCALATIONS) - 1 - ESCALATIONS.index(minutes),
        )


# ---- Large positions ----


def _large(judgement: Judgement, watched: Sequence[Watched]) -> tuple[list[NewAlert], set[str]]:
    """What is said of the large positions, and the keys of what is over. One statement."""
    found = load_large(watched)
    book = judgement.book
    rows = np.searchsorted(book.position, found.position)
    here = rows < len(book)
    here[here] = book.position[rows[here]] == found.position[here]
    rows = rows[here]
    if not len(rows):
        return [], set()
    columns = _columns(judgement, watched, rows, found, here)
    told = large.judge(columns)
    over = {
        large_words.key(name, position)
        for name in large_words.CODES
        for position in book.position[rows[getattr(told, name).over]].tolist()
    }
    return list(_said(book, watched, rows, columns, told)), over


def _columns(
    judgement: Judgement, watched: Sequence[Watched], rows: np.ndarray, found: Large, here: np.ndarray
) -> Positions:
    book, market = judgement.book.take(rows), judgement.market.take(rows)
    usable = judgement.fresh[rows] & judgement.active[rows]
    open_now = (market.opens_at <= market.at) & (market.at < market.closes_at) & (book.days == 0)
    left = np.where(open_now, market.closes_at - market.at, 0) / SECOND / 60
    return Positions(
        cost=found.cost[here],
        minimum=found.minimum[here],
        entry=book.entry,
        stop=judgement.stop[rows],
        bid=np.where(usable, book.bid, np.nan),
        ask=np.where(usable, book.ask, np.nan),
        minutes=np.where(open_now, left, np.nan),
        notional=book.quantity_open * book.multiplier * found.spot[here],
        equity=_equity(judgement.book, watched)[book.place],
    )


def _equity(book: Book, watched: Sequence[Watched]) -> np.ndarray:
    """Cash and what is held at its last bid, USD by place; what was never bid counts nothing."""
    worth = np.nan_to_num(book.bid) * book.quantity_open * book.multiplier
    held = np.bincount(book.place, weights=worth, minlength=len(watched))
    equity: np.ndarray = np.array([each.cash for each in watched], np.float64) + held
    return equity


def _said(
    book: Book, watched: Sequence[Watched], rows: np.ndarray, columns: Positions, told: Told
) -> Iterator[NewAlert]:
    for name in large_words.CODES:
        condition = getattr(told, name)
        for k in np.flatnonzero(condition.stage).tolist():
            row = int(rows[k])
            each = watched[int(book.place[row])]
            facts = Facts(
                portfolio_id=each.portfolio_id,
                position=int(book.position[row]),
                contracts=int(book.quantity_open[row]),
                entry=float(columns.entry[k]),
                bid=float(columns.bid[k]),
                ask=float(columns.ask[k]),
                stop=float(columns.stop[k]),
                value=float(condition.value[k]),
                stage=int(condition.stage[k]),
                equity=float(columns.equity[k]),
                notional=float(columns.notional[k]),
                at=each.at,
            )
            yield large_words.alert(name, facts)
