"""What an account did in a period, as a review keeps it. Plain data: money USD, fractions, times New York with offset.

Made once, from what was known at that moment, and kept as it is: a later correction does not change what a person saw
when he decided. None is not known.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from positions.market.clock import market_now
from positions.models import Mode, Portfolio, Position, State
from riskengine.loading import happened
from riskengine.loading.happened import Window
from riskengine.models import BreakerEventKind
from riskengine.services.decide.explanation import BINDING_LABELS
from riskengine.services.decide.inputs import ny
from riskengine.services.review.periods import MOST, Period
from riskengine.services.study.performance import CLOSE_WORDS, performance
from riskengine.services.study.projected import projection_in_force
from riskengine.services.watch.words import contract_label

VERSION = 1
BETS_SHOWN = 60
EVENTS_SHOWN = 200
OWN_ALERTS = ("REVIEW_DUE", "REVIEW_CHANGE_DUE", "DAY_REPORT")  # what reports say of themselves is no news
LATE_EXITS = ("EXIT_WAITING", "EXIT_FAILING", "EXIT_ERROR", "FORCED_CLOSE_LATE")


def snapshot(portfolio: Portfolio, period: Period, *, now: datetime) -> dict[str, Any]:
    """The period as it stands at wall time `now`. A fixed number of statements, whatever was traded. `closed` are the
    positions of its record: each is in one review of its kind, also what became known after the review of its week."""
    window = Window(portfolio, period.begins_at, period.ends_at)
    closed, late = happened.closed_untold(window, period.kind, period.due_at, MOST[period.kind])
    record = performance(portfolio, now=now, since=period.first, until=period.last, positions=[*late, *closed])
    verdicts = happened.verdicts(window)
    touched = happened.positions_touched(window, late)
    told = happened.alerts_by_code(window, without=OWN_ALERTS)
    events = happened.breaker_counts(window)
    return {
        "version": VERSION,
        "account": _account(portfolio, period, now),
        "record": record["trades"],
        "closed": [*late, *closed],
        "late": len(late),
        "equity": _equity(record) | {"projected_drawdown": _projected_drawdown(portfolio, now)},
        "returns": record["returns"],
        "by": {name: record["by"][name] for name in ("cause", "underlying", "tier")},
        "costs": record["costs"],
        "attribution": record["attribution"],
        "exposure": _exposure(record, window),
        "decisions": _decisions(verdicts, touched, window, late),
        "refusals": _refusals(verdicts, window),
        "exits": [each for each in told if each["code"] in LATE_EXITS],
        "signals": happened.signals_by_fate(window),
        "breakers": [breaker_row(each) for each in happened.breaker_events(window)[-EVENTS_SHOWN:]],
        "breakers_of": {"events": sum(events.values()), "tripped": events.get(str(BreakerEventKind.TRIPPED), 0)},
        "states": [state_row(each) for each in happened.state_changes(window)[-EVENTS_SHOWN:]],
        "alerts": told,
        "nights": [_night(each) for each in happened.nights(portfolio, period.first, period.last)],
        "revisions": happened.revisions_used(window),
    }


def _account(portfolio: Portfolio, period: Period, now: datetime) -> dict[str, Any]:
    return {
        "name": portfolio.name,
        "slug": portfolio.slug,
        "system": portfolio.get_system_display(),
        "mode": portfolio.mode,
        "mode_label": str(Mode(portfolio.mode).label),
        "state": portfolio.state,
        "is_demo": portfolio.is_demo,
        "clock": portfolio.clock.kind,
        "clock_label": portfolio.clock.label,
        "kind": period.kind,
        "period": period.name,
        "first": period.first.isoformat(),
        "last": period.last.isoformat(),
        "begins_at": ny(period.begins_at),
        "ends_at": ny(period.ends_at),
        "due_at": ny(period.due_at),
        "made_at": ny(market_now(portfolio.clock, now)),
    }


def _equity(record: Mapping[str, Any]) -> dict[str, Any]:
    """The days with what a picture and a table of them need."""
    equity = record["equity"]
    days = [{name: each[name] for name in _DAY} for each in equity["days"]]
    return {**equity, "days": days}


def _projected_drawdown(portfolio: Portfolio, now: datetime) -> dict[str, Any] | None:
    """What the projection in force says of the deepest fall: fractions, positive."""
    row = projection_in_force(portfolio.system, now)
    if row is None:
        return None
    return {"low": float(row.max_drawdown_low), "high": float(row.max_drawdown_high), "source": row.source}


_DAY = ("day", "start", "end", "deposits", "profit", "return", "index", "drawdown", "worst_drawdown")


def _exposure(record: Mapping[str, Any], window: Window) -> dict[str, Any]:
    highest, as_one = happened.highest_exposure(window)
    found = record["exposure"]
    kept = {name: found[name] for name in ("average", "traded", "correlation")}
    return {"highest": highest, "highest_as_one": as_one, **kept}


# ---- Decisions and bets ----


def _decisions(
    verdicts: Mapping[str, int], touched: Sequence[Position], window: Window, late: Collection[int]
) -> dict[str, Any]:
    outlived = [each for each in touched if each.closed_at is None or each.closed_at >= window.after]
    then = happened.open_at(outlived, window.after)
    bets = [bet_row(each, then.get(each.pk)) for each in touched]
    return {
        "approved": verdicts.get("", 0),
        "refused": sum(verdicts.values()) - verdicts.get("", 0),
        "bets": bets[-BETS_SHOWN:],
        "of": len(bets) if len(bets) < happened.MOST else happened.count_touched(window, late),
        "departed": [each for each in bets if each["departed"]],
        "bound": [
            {"rule": rule, "label": BINDING_LABELS.get(rule, rule), "n": n}
            for rule, n in happened.bound_by(window).items()
        ],
    }


def bet_row(position: Position, held: int | None) -> dict[str, Any]:
    """A position beside what was decided of it. `held`: its contracts at the end of the period, None where it was
    closed by then; what became of them later is the next period's. `departed`: how it did not follow; empty: it did."""
    over = held is None
    decision = position.decision
    entry = float(position.average_entry_price)
    return {
        "position": position.pk,
        "label": contract_label(position.contract),
        "entry_at": ny(position.entry_at),
        "closed_at": ny(position.closed_at) if over else None,
        "contracts": position.quantity_opened,
        "open": held or 0,
        "entry": entry,
        "cost": float(position.entry_cost),
        "minimum": float(position.min_size_at_entry),
        "scale": float(position.scale_multiplier),
        "cause": CLOSE_WORDS.get(position.close_cause, position.close_cause.replace("_", " ")) if over else "",
        "pnl": float(position.realised_pnl) if over else None,
        "decision": None if decision is None else decision.pk,
        "decided": None if decision is None else decision.contracts,
        "limit": None if decision is None or decision.limit_price is None else float(decision.limit_price),
        "departed": departed(position),
    }


def departed(position: Position) -> str:
    """How a bet is not what was decided: a sentence, empty where it is. What a split made of it is no departure."""
    decision = position.decision
    if decision is None:
        return "Adopted from the broker: nobody here decided it."
    if position.split_factor != 1:
        return ""
    if position.quantity_opened > decision.contracts:
        return f"{position.quantity_opened} contracts were opened, {decision.contracts} were approved."
    if decision.limit_price is not None and position.average_entry_price > decision.limit_price:
        return f"Bought at {position.average_entry_price:.4f}, above the worst permitted {decision.limit_price:.4f}."
    if position.quantity_opened < decision.contracts:
        return f"{position.quantity_opened} of {decision.contracts} approved contracts were filled."
    return ""


def _refusals(verdicts: Mapping[str, int], window: Window) -> list[dict[str, Any]]:
    examples = happened.refusal_examples(window) if set(verdicts) - {""} else {}
    return [{"code": code, "n": n, "sentence": examples.get(code, "")} for code, n in verdicts.items() if code]


# ---- Guards ----


def breaker_row(event: Any) -> dict[str, Any]:
    underlying = event.breaker.underlying
    return {
        "at": ny(event.happened_at),
        "label": event.get_code_display() + (f" ({underlying.symbol})" if underlying is not None else ""),
        "kind": event.get_kind_display(),
        "who": event.actor_name,
        "reason": event.reason,
    }


def state_row(change: Any) -> dict[str, Any]:
    return {
        "at": ny(change.changed_at),
        "from": change.from_state,
        "to": change.to_state,
        "to_label": str(State(change.to_state).label),
        "who": change.actor_name,
        "reason": change.reason,
    }


def _night(report: Any) -> dict[str, Any]:
    return {
        "session": report.session_on.isoformat(),
        "moment": report.moment,
        "positions": report.positions,
        "worst_loss": None if report.worst_loss is None else float(report.worst_loss),
        "equity": None if report.equity is None else float(report.equity),
    }
