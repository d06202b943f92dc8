"""The desk: for each portfolio whether it is safe, what is open, what works, what happened and what comes next.

Plain data for a page (numbers, text, None for what is not known; times New York with offset). It reads and never
writes; the numbers are those of the calculators that the checks and the gates use.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from accounts.defaults import SMART_0DTE
from positions.brokers.ladder import PRESETS
from positions.desk_selectors import happenings, waiting_decisions
from positions.market.calendar import new_york, new_york_date
from positions.models import Decision, Mode, Order, OrderIntent, OrderStatus, Pace, Portfolio, State
from riskengine.calculators import breakers, exposure, wording
from riskengine.calculators.columns import lower_of
from riskengine.loading import market
from riskengine.loading.desk import Book, load_books
from riskengine.models import Reading, ReadingState
from riskengine.services.decide.entries import CONFIRMS
from riskengine.services.decide.inputs import known, ny
from riskengine.services.decide.judge import CONFIRMS as CONFIRMING
from riskengine.services.decide.judge import STALE
from riskengine.services.signals.story import signals_waiting
from riskengine.services.watch import bets, story
from riskengine.services.watch.coming import coming
from riskengine.services.watch.words import contract_label, short_label

EVENTS_SHOWN = 10


def desk(*, portfolios: Sequence[Portfolio], now: datetime) -> dict[str, Any]:
    """What the desk shows of these portfolios at wall time `now`. A fixed number of statements, whatever is open."""
    books = load_books(portfolios, now=now)
    happened = happenings([book.portfolio.pk for book in books], limit=EVENTS_SHOWN) if books else {}
    waiting = waiting_decisions({book.portfolio.pk: book.at for book in books}, confirms=CONFIRMS)
    cards, open_bets, orders, told, soon = [], [], [], [], []
    for book in books:
        valued = bets.valued(book)
        cards.append(_card(book, valued, now))
        open_bets += bets.rows(book, valued)
        orders += _orders(book)
        whose = {"slug": book.portfolio.slug, "portfolio": book.portfolio.name}
        today = new_york_date(book.at).isoformat()
        for row in happened.get(book.portfolio.pk, []):
            event = story.tell(row)
            told.append({**event, **whose, "day": "" if event["at"][:10] == today else event["at"][:10]})
        soon += coming(book)
    return {
        "at": ny(now),
        "portfolios": cards,
        "several": len(cards) > 1,
        "waiting": [_waiting(each) for each in waiting],
        "signals": signals_waiting({book.portfolio.pk: book.at for book in books}) if books else [],
        "bets": open_bets,
        "orders": orders,
        "events": told,
        "coming": soon,
    }


# ---- One portfolio: am I safe, may I bet ----


def _card(book: Book, valued: list[bets.Valued], now: datetime) -> dict[str, Any]:
    portfolio = book.portfolio
    money = _money(book, valued)
    checks = {scope: _check(book, scope, now) for scope in ("risk", "exit")}
    return {
        "slug": portfolio.slug,
        "name": portfolio.name,
        "is_demo": portfolio.is_demo,
        "system": portfolio.get_system_display(),
        "state": portfolio.state,
        "mode": portfolio.mode,
        "at": ny(book.at),
        "clock_kind": portfolio.clock.kind,
        "clock_label": portfolio.clock.label,
        "session": _session(book),
        "vix": None if book.vix is None else {"value": float(book.vix.level), "label": book.vix.label},
        "vix_limit": float(book.limits.max_vix_threshold),
        "checks": checks,
        "positions": len(book.positions),
        "forces": portfolio.system == SMART_0DTE
        or any(position.contract.expiration_on == new_york_date(book.at) for position in book.positions),
        **money,
        "entries": _entries(book, money, checks["risk"]),
    }


def _money(book: Book, valued: list[bets.Valued]) -> dict[str, Any]:
    """Equity, day P&L with its levels, exposure, gap to zero. USD; None is not known.

    A stale quote's last bid still counts, and `stale_seconds` says how old the oldest of them is.
    """
    limits, snapshot, portfolio = book.limits, book.snapshot, book.portfolio
    worth = _joined([each.value for each in valued])
    equity = np.array([float(portfolio.cash) + worth.sum()])
    start = market.column([None if snapshot is None else snapshot.equity_start_of_day])
    pnl = breakers.day_pnl(equity, start, market.column([None if snapshot is None else snapshot.net_deposits]))
    # shares of start-of-day equity; for Smart-0DTE of the configured account where that is less.
    basis = lower_of(start, float(limits.account_size)) if portfolio.system == SMART_0DTE else start
    levels = breakers.loss_breakers(pnl, basis, limits)
    reserved = _reserved(book.orders)
    power = float(portfolio.settled_cash) - reserved
    dollars = float(_joined([each.dollars for each in valued]).sum()) + reserved
    gap = exposure.gap_to_zero(
        contracts=_joined([each.held.quantity for each in valued]),
        multiplier=_joined([each.held.multiplier for each in valued]),
        marked=_joined([each.worth for each in valued]),
        equity=equity,
        basis=basis,
        emergency_halt_loss=limits.emergency_halt_loss,
        group=np.zeros(len(book.positions), np.int64),
        groups=1,
    )
    limit = float(limits.max_total_exposure) * float(basis[0])
    stale = np.concatenate([each.held.age_seconds[~each.fresh] for each in valued]) if valued else np.zeros(0)
    return {
        "equity": known(equity[0]),
        "equity_start": known(start[0]),
        "day_pnl": known(pnl[0]),
        "day_fraction": known(pnl[0] / start[0]) if start[0] > 0 else None,
        "levels": [
            {"name": f"L{number}", "limit": known(level.limit[0]), "breached": bool(level.breached[0])}
            for number, level in enumerate(levels, start=1)
        ],
        "exposure": known(dollars),
        "reserved": reserved,
        "exposure_limit": known(limit),
        "room": known(max(min(limit - dollars, power), 0.0)) if np.isfinite(limit - dollars) else None,
        "buying_power": power,
        "gap": known(-gap.dollars[0]),
        "gap_fraction": known(gap.equity_fraction[0]),
        "gap_multiple": known(gap.emergency_multiple[0]),
        "emergency_limit": known(levels[-1].limit[0]),
        "stale_seconds": known(stale.max()) if len(stale) else None,
        "is_stale": len(stale) > 0,
    }


def _joined(columns: list) -> np.ndarray:
    return np.concatenate(columns).astype(np.float64) if columns else np.zeros(0)


def _reserved(orders: Sequence[Order]) -> float:
    """What the working openings may still cost at their worst permitted price, USD."""
    openings = [order for order in orders if order.intent == "open" and order.parent_id is None]
    return float(sum(order.open_quantity * order.worst_price * order.contract.multiplier for order in openings))


def _check(book: Book, scope: str, now: datetime) -> dict[str, Any]:
    """The age of the last finished check in wall time; late beyond what the entry gate allows (A-10)."""
    beat = book.heartbeats.get(scope)
    age = None if beat is None else max((now - beat.finished_at).total_seconds(), 0.0)
    oldest = float(book.limits.heartbeat_max_age_seconds)
    return {"age_seconds": age, "late": age is None or age > oldest, "limit": oldest}


def _session(book: Book) -> dict[str, Any]:
    session = book.session
    if session is None:
        return {"known": False, "is_open": None}
    forced = session.forced_close_at(int(book.limits.forced_close_minutes))
    return {
        "known": True,
        "is_open": book.is_open,
        "opens_at": ny(session.opens_at),
        "closes_at": ny(session.closes_at),
        "closes_early": session.closes_early,
        "seconds_to_close": (session.closes_at - book.at).total_seconds(),
        "forced_close_at": ny(forced),
        "seconds_to_forced_close": (forced - book.at).total_seconds(),
        "before_open": book.at < session.opens_at,
    }


def _stopped(book: Book) -> str:
    """The state, who or what made it so, when, and the reason given."""
    change, state = book.stopped, f"the state is {book.portfolio.state}"
    if change is None:
        return state
    at = new_york(change.changed_at)
    return f"{state} since {at:%d %b %H:%M:%S} by {change.actor_name}: {change.reason.rstrip('. ')}"


def _entries(book: Book, money: dict[str, Any], risk_check: dict[str, Any]) -> dict[str, Any]:
    """What already stands in the way of any entry, in words; the ticket judges every gate of a bet itself."""
    portfolio = book.portfolio
    breached = [level for level in money["levels"] if level["breached"]]
    blocks = [
        (portfolio.mode == Mode.OFF, "the mode is off"),
        (portfolio.state != State.ACTIVE, _stopped(book)),
        (book.session is None, "no exchange session is known for this market time"),
        (book.session is not None and not book.is_open, "the session is closed"),
        (risk_check["late"], "no risk check has finished lately"),
        (book.snapshot is None, "the equity at the start of this session is not known"),
        (book.reading is not None and book.reading.state != ReadingState.KNOWN, _unknown(book.reading)),
        (len(breached) > 1, f"the day's loss is at {breached[-1]['name'] if breached else ''}"),
        (book.vix is None, "VIX is not known"),
        (
            book.vix is not None and float(book.vix.level) > float(book.limits.max_vix_threshold),
            f"VIX is above {wording.plain(float(book.limits.max_vix_threshold))}",
        ),
    ]
    tripped = [each for each in book.tripped if each.code not in STALE]  # stale data is looked at anew by each entry
    whole = [each for each in tripped if each.underlying is None and each.code != CONFIRMING]
    reasons = [sentence for stands, sentence in blocks if stands]
    return {
        "reasons": reasons + [f"{each.get_code_display()} has tripped" for each in whole],
        "not_in": sorted(each.underlying.symbol for each in tripped if each.underlying is not None),
        "need_confirmation": any(each.code == CONFIRMING for each in tripped),
    }


def _unknown(reading: Reading | None) -> str:
    """What the last risk check could not know, without its full stop."""
    return f"the last risk check could not judge it ({reading.reason.rstrip('.')})" if reading else ""


def _waiting(decision: Decision) -> dict[str, Any]:
    """An approved entry that needs a person's yes."""
    return {
        "id": decision.pk,
        "portfolio": decision.portfolio.name,
        "label": contract_label(decision.contract),
        "contracts": decision.contracts,
        "dollars": float(decision.dollars),
        "who": decision.requested_by_name,
        "expires_at": ny(decision.expires_at),
    }


# ---- Working orders ----


def _orders(book: Book) -> list[dict[str, Any]]:
    """Live intents, each with what of it lies at the broker."""
    children = {order.parent_id: order for order in book.orders if order.parent_id is not None}
    return [_order(book, order, children.get(order.pk)) for order in book.orders if order.parent_id is None]


def _order(book: Book, order: Order, child: Order | None) -> dict[str, Any]:
    quote = book.quotes.get(order.contract_id)
    step_in = None if order.next_step_at is None else (order.next_step_at - book.at) / timedelta(seconds=1)
    preset = PRESETS.get(order.pace)
    return {
        "id": order.pk,
        "key": order.client_order_id,
        "slug": book.portfolio.slug,
        "portfolio": book.portfolio.name,
        "position_id": order.position_id,
        "decision_id": order.decision_id,
        "intent": order.get_intent_display(),
        "urgent": order.pace == Pace.URGENT,
        "cancellable": order.intent == OrderIntent.OPEN and order.status != OrderStatus.CANCELLING,
        "label": contract_label(order.contract),
        "short": short_label(order.contract),
        "side": order.side,
        "quantity": order.quantity,
        "filled": order.filled_quantity,
        "status": child.get_status_display() if child is not None else order.get_status_display(),
        "price": None if child is None else float(child.limit_price),
        "sent": None if child is None else child.quantity - child.filled_quantity,
        "worst": float(order.worst_price),
        "step": None if preset is None else min(order.pace_step, preset.steps),
        "steps": None if preset is None else preset.steps,
        "next_in_seconds": None if step_in is None else max(step_in, 0.0),
        "bid": None if quote is None or quote.bid is None else float(quote.bid),
        "ask": None if quote is None or quote.ask is None else float(quote.ask),
    }
