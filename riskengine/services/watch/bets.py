"""Each open bet as a desk shows it: what it is worth, where its stop and tiers stand now, and what it waits for.

Every number comes from the calculators that the checks use; nothing here decides anything. Prices USD a share, money
USD, fractions as fractions; None is not known.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from positions.models import Order, OrderIntent, PositionStatus, SliceState
from positions.models.order import WHOLE_POSITION
from riskengine.calculators import exposure, stops, take_profit, wording
from riskengine.calculators.columns import BoolColumn, FloatColumn, IntColumn
from riskengine.calculators.greeks import Greeks, greeks, implied_volatility
from riskengine.loading.desk import Book, Held, columns
from riskengine.loading.pricing import DIVIDEND_YIELD, RATE
from riskengine.services.decide.inputs import known, ny
from riskengine.services.watch.words import contract_label, short_label

MOST_STAGES = 8  # of a risk-reward ladder: where the target stands is found by going up its stages


@dataclass(frozen=True, slots=True, eq=False)
class Valued:
    """Positions with what they are worth: `worth` is the bid (0 where only an ask is left, never above the ask; the
    last known where the quote is stale), `dollars` their exposure, `usable` whether the quote may be acted on, `greeks`
    a share, of a quote of now."""

    held: Held
    fresh: BoolColumn
    usable: BoolColumn
    worth: FloatColumn
    dollars: FloatColumn
    greeks: Greeks

    @property
    def value(self) -> FloatColumn:
        return self.held.quantity * self.held.multiplier * self.worth


def valued(book: Book) -> list[Valued]:
    """Every open position of the book, valued, one block a revision."""
    return [_valued(book, held) for held in columns(book)]


def _valued(book: Book, held: Held) -> Valued:
    recorded = np.full(len(held.positions), not book.live)
    fresh = stops.fresh(held.age_seconds, held.days == 0, recorded, held.limits)
    # A missing bid beside an ask is worth 0, and a crossed quote no more than its lower side.
    bid = np.where(np.isnan(held.bid) & ~np.isnan(held.ask), 0.0, held.bid)
    middle = (bid + held.ask) / 2.0
    marked = exposure.mark(middle, fresh, held.entry, middle)
    return Valued(
        held=held,
        fresh=fresh,
        usable=stops.usable_for_exit(held.bid, held.ask, held.tick(held.bid), fresh, held.limits),
        worth=np.fmin(bid, held.ask),
        dollars=exposure.position_exposure(held.quantity.astype(np.float64), held.multiplier, held.entry, marked),
        greeks=_greeks(held, np.where(fresh, (held.bid + held.ask) / 2.0, np.nan)),
    )


def _greeks(held: Held, mid: FloatColumn) -> Greeks:
    seconds = np.where(held.seconds_to_close < 0, np.nan, held.seconds_to_close)
    given = held.spot, held.strike, seconds
    volatility = implied_volatility(mid, *given, RATE, DIVIDEND_YIELD, held.call)
    return greeks(*given, volatility, RATE, DIVIDEND_YIELD, held.call)


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """The exits of a block of positions as they stand now, (n, 8) and (n,)."""

    factor: FloatColumn
    slices: take_profit.Slices
    prices: FloatColumn
    contracts: IntColumn
    target: FloatColumn
    runner: IntColumn


def factors(held: Held) -> FloatColumn:
    """What the tiers are multiplied by now: time and age for 0DTE, days to expiration for 7DTE. NaN past the end."""
    limits = held.limits
    by_time = take_profit.time_decay(
        held.seconds_to_close, held.seconds_open, limits.time_factor, limits.elapsed_factor
    ).factor
    return np.where(held.seven_day, take_profit.dte_decay(held.days, limits.dte_factor).factor, by_time)


def plan(each: Valued) -> Plan:
    """Effective tiers as prices that the exchange accepts, what each sells, and the target of the runner."""
    held, factor = each.held, factors(each.held)
    slices = take_profit.lower(held.slices, factor)
    exact = held.entry[:, None] * (1.0 + np.where(slices.mask, slices.threshold, 0.0))
    prices = np.stack([stops.round_up_to_tick(price, held.tick(price)) for price in exact.T], axis=1)
    planned = take_profit.planned(slices, held.opened)
    armed = np.diff(planned, axis=1, prepend=0)
    taken = (slices.state == take_profit.PENDING) | (slices.state == take_profit.FILLED)
    pending = np.where(slices.state == take_profit.PENDING, slices.contracts, 0).sum(axis=1)
    closable = np.maximum(held.quantity - pending, 0)
    return Plan(
        factor=factor,
        slices=slices,
        prices=prices,
        contracts=np.where(taken, slices.contracts, np.maximum(armed, 0)),
        target=np.where(held.seven_day, _target(each), np.nan),
        runner=take_profit.runner(slices, held.opened, closable),
    )


def _target(each: Valued) -> FloatColumn:
    """Where the runner's target stands: at the price that is its own target once it is reached (B-46).

    The ratio rises with the gain, so the target moves away as the price comes near, until the last stage it can reach.
    """
    held, limits = each.held, each.held.limits
    price = np.where(np.isnan(each.worth), held.entry, each.worth)
    for _ in range(MOST_STAGES):
        stop = stops.dynamic_stop(
            entry=held.entry,
            price=price,
            high_water=held.high_water,
            initial_stop=held.initial_stop,
            previous_stop=held.stop,
            stop_fraction=limits.stop_fraction,
            risk_reward=limits.risk_reward,
            profit_lock=limits.profit_lock,
        )
        if np.array_equal(np.fmax(price, stop.take_profit), price, equal_nan=True):
            break
        price = np.fmax(price, stop.take_profit)
    exact = stop.take_profit
    return stops.round_up_to_tick(exact, held.tick(exact))


def rows(book: Book, blocks: Iterable[Valued]) -> list[dict[str, Any]]:
    """The bets of a book, the oldest first."""
    live: dict[int, list[Order]] = {}
    for order in book.orders:
        if order.parent_id is None and order.position_id is not None:
            live.setdefault(order.position_id, []).append(order)
    found = [
        _row(book, each, plan_, i, live.get(position.pk, []))
        for each in blocks
        for plan_ in [plan(each)]
        for i, position in enumerate(each.held.positions)
    ]
    return sorted(found, key=lambda bet: bet["id"])


def _row(book: Book, each: Valued, exits: Plan, i: int, orders: list[Order]) -> dict[str, Any]:
    held, position = each.held, each.held.positions[i]
    worth, entry = known(each.worth[i]), float(held.entry[i])
    shares = float(held.quantity[i] * held.multiplier[i])
    stop, target = known(held.stop[i]), known(exits.target[i])
    bet = {
        "id": position.pk,
        "slug": book.portfolio.slug,
        "portfolio": book.portfolio.name,
        "label": contract_label(position.contract),
        "short": short_label(position.contract),
        "days": int(held.days[i]),
        "status": position.status,
        "adopted": position.origin == "manual",
        "regime": position.get_regime_display(),
        "seven_day": bool(held.seven_day[i]),
        "open": position.quantity_open,
        "opened": position.quantity_opened,
        "entry": entry,
        "entry_at": ny(position.entry_at),
        "bid": known(held.bid[i]),
        "ask": known(held.ask[i]),
        "age_seconds": known(held.age_seconds[i]),
        "fresh": bool(each.fresh[i]),
        "usable": bool(each.usable[i]),
        "worth": worth,
        "gain": None if worth is None else worth / entry - 1.0,
        "pnl": None if worth is None else (worth - entry) * shares,
        "gap": None if worth is None else -worth * shares,
        "realised": float(position.realised_pnl),
        "high_water": known(held.high_water[i]),
        "delta": known(each.greeks.delta[i]),
        "gamma": known(each.greeks.gamma[i]),
        "theta_per_day": known(each.greeks.theta_per_day[i] * shares),
        "vega_per_point": known(each.greeks.vega_per_point[i] * shares),
        "stop": stop,
        "initial_stop": known(held.initial_stop[i]),
        "stop_distance": _distance(stop, worth),
        "factor": known(exits.factor[i]),
        "tiers": _tiers(position, exits, i, worth),
        "target": target,
        "target_distance": _distance(target, worth),
        "runner": int(exits.runner[i]),
        "closing": any(order.intent in WHOLE_POSITION for order in orders),
    }
    bet["next_tier"] = next((tier["number"] for tier in bet["tiers"] if tier["state"] == "armed"), None)
    bet["waits"], bet["tone"] = _waits(book, bet, position, orders, held)
    return bet


def _distance(price: float | None, worth: float | None) -> float | None:
    """How far the bid has to go to a price, as a share of the bid."""
    return None if price is None or not worth else price / worth - 1.0


def _tiers(position: Any, exits: Plan, i: int, worth: float | None) -> list[dict[str, Any]]:
    found = []
    for each in sorted(position.slices.all(), key=lambda row: row.number):
        k = each.number - 1
        price = known(exits.prices[i, k])
        found.append(
            {
                "number": each.number,
                "state": str(each.state),
                "base": float(each.threshold),
                "effective": known(exits.slices.threshold[i, k]),
                "price": price,
                "contracts": int(exits.contracts[i, k]),
                "filled": each.contracts_filled,
                "changed_at": ny(each.changed_at),
                "distance": _distance(price, worth),
                "reached": worth is not None and price is not None and worth >= price,
            }
        )
    return found


# ---- What it waits for, in one sentence ----


def _waits(book: Book, bet: dict[str, Any], position: Any, orders: list[Order], held: Held) -> tuple[str, str]:
    """The sentence and its tone: "order" while something works, "wait" for a person, "loss" at the stop, "stale"."""
    if working := _working(bet, orders):
        return working
    if position.status == PositionStatus.EXPIRED:
        return "Expired and not settled: a person must act.", "wait"
    if position.stop_breaches and bet["stop"] is not None:
        needed = int(np.broadcast_to(held.limits.stop_confirmations, 1)[0])
        return f"{position.stop_breaches} of {needed} quotes at or under the stop {wording.price(bet['stop'])}", "loss"
    if not bet["usable"]:
        return _without_a_quote(book, bet, position.unusable_since), "stale"
    if bet["stop"] is None:
        return "No stop: adopted from the broker, and nobody has opted in to one", "wait"
    return _next_price(bet), ""


def _working(bet: dict[str, Any], orders: list[Order]) -> tuple[str, str] | None:
    by_intent = {order.intent: order for order in orders}
    for intent in WHOLE_POSITION:
        if order := by_intent.get(intent):
            done = f": {order.filled_quantity} of {order.quantity} sold" if order.filled_quantity else ""
            return f"{order.get_intent_display()} order working{done}", "order"
    if order := by_intent.get(OrderIntent.OPEN):
        return f"Entry filling: {order.filled_quantity} of {order.quantity}", "order"
    numbers = [tier["number"] for tier in bet["tiers"] if tier["state"] == SliceState.PENDING]
    if order := by_intent.get(OrderIntent.SLICE):
        names = " and ".join(f"T{number}" for number in numbers) or "Tier"
        return f"{names} selling: {order.filled_quantity} of {order.quantity}", "order"
    if order := by_intent.get(OrderIntent.TARGET):
        return f"Target selling the runner: {order.filled_quantity} of {order.quantity}", "order"
    if order := by_intent.get(OrderIntent.MANUAL_REDUCE):
        return f"Part closed by a person: {order.filled_quantity} of {order.quantity} sold", "order"
    return None


def _without_a_quote(book: Book, bet: dict[str, Any], since: datetime | None) -> str:
    if bet["age_seconds"] is None:
        return "Never quoted here: tiers wait, the stop does not"
    if not book.is_open:
        return "The session is closed: nothing can be sold"
    if not bet["fresh"]:
        return "Quote stale: tiers wait, the stop does not"
    lasted = f" for {(book.at - since).total_seconds():.0f} s" if since else ""
    return f"No usable quote{lasted}: tiers wait, the stop does not"


def _next_price(bet: dict[str, Any]) -> str:
    """What the bid would reach first: the stop under it, the next tier or the target above it."""
    under = None
    if bet["stop"] is not None and bet["stop_distance"] is not None:
        under = f"Stop at {wording.price(bet['stop'])} is {wording.percent(abs(bet['stop_distance']))} away"
    above, distance = _above(bet)
    if above is None:
        return under or "Waits for a price"
    if under and -bet["stop_distance"] < distance:
        return f"{under}; {above}"
    return above


def _above(bet: dict[str, Any]) -> tuple[str | None, float]:
    tier = next((each for each in bet["tiers"] if each["number"] == bet["next_tier"]), None)
    if tier and tier["price"] is not None and tier["distance"] is not None:
        at = f"T{tier['number']} at {wording.price(tier['price'])}"
        if tier["reached"]:
            return f"{at} is reached: the next check sells {tier['contracts']}", 0.0
        return f"{at} is {wording.percent(tier['distance'])} away", tier["distance"]
    if bet["target"] is not None and bet["target_distance"] is not None and bet["runner"]:
        at = f"target of the last {bet['runner']} at {wording.price(bet['target'])}"
        return f"{at} is {wording.percent(max(bet['target_distance'], 0.0))} away", bet["target_distance"]
    return None, 0.0
