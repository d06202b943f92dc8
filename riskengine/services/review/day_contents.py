"""What the report of a day says, as plain data: money USD, prices USD a share, times New York with offset."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from positions.market.calendar import Session
from positions.models import Decision, Fill, OrderIntent, Portfolio, Position, Side
from riskengine.loading import happened
from riskengine.loading.equity import equity_days
from riskengine.loading.happened import Window
from riskengine.loading.marks_kept import last_marks
from riskengine.services.decide.explanation import BINDING_LABELS
from riskengine.services.decide.inputs import known, ny
from riskengine.services.review.snapshot import OWN_ALERTS, breaker_row, departed, state_row
from riskengine.services.study.performance import CLOSE_WORDS
from riskengine.services.watch.words import contract_label

VERSION = 1


def day_contents(
    portfolio: Portfolio, session: Session, following: Session | None, *, since: datetime, until: datetime, at: datetime
) -> dict[str, Any]:
    """The session as it stands at market time `at`, after its close, with what happened from `since` on and before
    `until`. A fixed number of statements."""
    window = Window(portfolio, since, until)
    touched = happened.positions_touched(window)
    filled = happened.fills(window)
    decided = happened.decisions(window)
    verdicts = happened.verdicts(window)
    return {
        "version": VERSION,
        "name": portfolio.name,
        "slug": portfolio.slug,
        "system": portfolio.get_system_display(),
        "mode": portfolio.mode,
        "mode_label": portfolio.get_mode_display(),
        "state": portfolio.state,
        "is_demo": portfolio.is_demo,
        "clock": portfolio.clock.kind,
        "clock_label": portfolio.clock.label,
        "session": session.day.isoformat(),
        "closes_at": ny(session.closes_at),
        "closes_early": session.closes_early,
        "made_at": ny(at),
        "equity": _equity(portfolio, session, at),
        "approved": verdicts.get("", 0),
        "refused": sum(verdicts.values()) - verdicts.get("", 0),
        "decisions": [_decision(each) for each in decided],
        "fills": [_fill(each) for each in filled],
        "closed": [_closed(each) for each in touched if _closed_in(each, window)],
        "departed": [
            {"label": contract_label(each.contract), "text": departed(each)}
            for each in touched
            if each.entry_at >= window.first and departed(each)
        ],
        "events": _events(window),
        "alerts": [_alert(each) for each in happened.alerts(window, without=OWN_ALERTS)],
        "held": _held(touched, session, at),
        "next": None
        if following is None
        else {
            "session": following.day.isoformat(),
            "opens_at": ny(following.opens_at),
            "closes_at": ny(following.closes_at),
            "closes_early": following.closes_early,
        },
    }


def _equity(portfolio: Portfolio, session: Session, at: datetime) -> dict[str, Any]:
    """Marked to the market. `to_next_open`: a later session has begun, so that the night counts too."""
    days = equity_days(portfolio.pk, until=at).take(session.day, session.day)
    if not len(days):
        return {"start": None, "end": None, "deposits": None, "profit": None, "return": None, "to_next_open": False}
    return {
        "start": known(days.start[0]),
        "end": known(days.end[0]),
        "deposits": known(days.deposits[0]),
        "profit": known(days.profit[0]),
        "return": known(days.returns[0]),
        "to_next_open": not days.runs,
    }


def _decision(each: Decision) -> dict[str, Any]:
    rule = getattr(each, "bound", None) or ""
    return {
        "id": each.pk,
        "at": ny(each.decided_at),
        "label": contract_label(each.contract),
        "confidence": float(each.confidence),
        "by": each.requested_by_name,
        "approved": each.approved,
        "contracts": each.contracts,
        "bought": getattr(each, "bought", None),
        "dollars": float(each.dollars),
        "scale": None if each.scale_multiplier is None else float(each.scale_multiplier),
        "limit": None if each.limit_price is None else float(each.limit_price),
        "why": BINDING_LABELS.get(rule, "") if each.approved else each.refusal_sentence,
        "code": each.refusal_code,
    }


def _fill(fill: Fill) -> dict[str, Any]:
    intent = fill.order.parent or fill.order
    return {
        "at": ny(fill.filled_at),
        "label": contract_label(fill.position.contract),
        "position": fill.position_id,
        "side": "bought" if fill.order.side == Side.BUY else "sold",
        "contracts": fill.quantity,
        "price": float(fill.price),
        "fee": float(fill.fee),
        "why": str(OrderIntent(intent.intent).label),
        "sentence": (intent.verdict or {}).get("sentence", ""),
    }


def _events(window: Window) -> list[dict[str, Any]]:
    """Breakers and changes of the trading state as one story, in the order in which it happened."""
    breakers = [breaker_row(each) for each in happened.breaker_events(window)]
    states = [state_row(each) for each in happened.state_changes(window)]
    rows = [
        *({**each, "what": f"{each['label']}, {each['kind'].lower()}"} for each in breakers),
        *({**each, "what": f"{each['from']} → {each['to']}" if each["from"] else each["to"]} for each in states),
    ]
    kept = [{name: each[name] for name in ("at", "what", "who", "reason")} for each in rows]
    return sorted(kept, key=lambda each: each["at"])


def _closed_in(position: Position, window: Window) -> bool:
    return position.closed_at is not None and window.first <= position.closed_at < window.after


def _closed(position: Position) -> dict[str, Any]:
    cause = position.close_cause
    return {
        "position": position.pk,
        "label": contract_label(position.contract),
        "contracts": position.quantity_opened,
        "closed_at": ny(position.closed_at),
        "cause": CLOSE_WORDS.get(cause, cause.replace("_", " ")),
        "cost": float(position.entry_cost),
        "pnl": float(position.realised_pnl),
    }


def _alert(alert: Any) -> dict[str, Any]:
    who = alert.acknowledged_by
    return {
        "at": ny(alert.at),
        "severity": alert.severity,
        "title": alert.title,
        "happened": alert.happened,
        "acknowledged_by": None if who is None else who.get_username(),
        "ended": alert.resolved_at is not None,
    }


def _held(touched: Sequence[Position], session: Session, at: datetime) -> list[dict[str, Any]]:
    """What was open at the close; contracts and stop as they were then, worth the last bid that was kept."""
    held = [
        each
        for each in touched
        if each.entry_at <= session.closes_at
        and (each.closed_at is None or each.closed_at > session.closes_at)
        and each.contract.expiration_on > session.day
    ]
    marks = last_marks([each.pk for each in held], until=min(at, session.closes_at)) if held else {}
    contracts = happened.open_at(held, session.closes_at)
    stops = happened.stops_at(held, session.closes_at) if held else {}
    return [_row(each, marks.get(each.pk), contracts[each.pk], stops[each.pk]) for each in held]


def _row(position: Position, mark: tuple[float | None, datetime] | None, contracts: int, stop: Any) -> dict[str, Any]:
    bid = None if mark is None else mark[0]
    entry = float(position.average_entry_price)
    return {
        "position": position.pk,
        "label": contract_label(position.contract),
        "contracts": contracts,
        "entry": entry,
        "bid": bid,
        "bid_at": None if mark is None else ny(mark[1]),
        "value": None if bid is None else bid * contracts * position.contract.multiplier,
        "gain": None if bid is None else bid / entry - 1.0,
        "stop": None if stop is None else float(stop),
        "expires_on": position.contract.expiration_on.isoformat(),
    }
