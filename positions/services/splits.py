"""Splits of the underlying of what is held (A-22): no profit, no loss, no trip.

    N new shares for 1    contracts x N; strike, entry, stop and high-water mark / N; thresholds are gains and stay
    any other ratio       the exchange adjusts what one contract delivers: same premium, adjusted contract, close only

Harmless twice: a split that a position has seen is one of its events. `at` is market time; prices USD a share.
"""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.db import connection, transaction
from django.db.models import F

from positions.market.symbols import OptionSymbol
from positions.models import ExitSlice, OptionContract, OptionQuote, Order, Portfolio, Position, PositionEvent, Split
from positions.services import session_marks
from positions.services.order_changes import limit_lock_waits
from positions.services.portfolio import SYSTEM_NAME, lock_portfolio
from positions.services.settlement import cancel_orders_of

SPLIT = "split"
CENT, FOUR_PLACES, SIX_PLACES = Decimal("0.01"), Decimal("0.0001"), Decimal("0.000001")

# A split counts for what was bought before its date, once.
_DUE = """
    SELECT p.portfolio_id, p.id, s.id
    FROM unnest(%(portfolios)s::bigint[], %(days)s::date[]) AS w(portfolio_id, day)
    JOIN positions_position p ON p.portfolio_id = w.portfolio_id AND p.quantity_open > 0
    JOIN positions_optioncontract c ON c.id = p.contract_id
    JOIN positions_split s ON s.instrument_id = c.underlying_id AND s.effective_on <= w.day
        AND s.effective_on > (p.entry_at AT TIME ZONE 'America/New_York')::date
    WHERE NOT EXISTS (
        SELECT FROM positions_positionevent e
        WHERE e.position_id = p.id AND e.kind = 'split' AND e.detail ->> 'split' = s.id::text
    )
    ORDER BY p.portfolio_id, s.effective_on, s.id, p.id
"""


def splits_due(days: Mapping[int, date]) -> dict[int, list[tuple[int, int]]]:
    """By portfolio id the (position, split) that are to be applied on its New York date, the earliest first. One
    statement, whatever is held."""
    if not days:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_DUE, {"portfolios": list(days), "days": list(days.values())})
        found: dict[int, list[tuple[int, int]]] = {}
        for portfolio_id, position_id, split_id in cursor.fetchall():
            found.setdefault(portfolio_id, []).append((position_id, split_id))
    return found


def apply_splits(*, portfolio: Portfolio, day: date, at: datetime, now: datetime) -> int:
    """Apply what is due of one portfolio; how many positions changed.

    Orders working on them are cancelled first. A position whose cancel is not confirmed waits for the next call: its
    quotes are those of the new contract by then, so until that none of the old one can sell it.
    """
    due = splits_due({portfolio.pk: day}).get(portfolio.pk, [])
    if not due:
        return 0
    cancel_orders_of(portfolio, {position for position, _ in due}, at=at, now=now, reason=SPLIT)
    with transaction.atomic():
        limit_lock_waits()
        lock_portfolio(portfolio.pk)
        due = splits_due({portfolio.pk: day}).get(portfolio.pk, [])  # another may have been faster
        ids = {position for position, _ in due}
        held = Position.objects.filter(pk__in=ids).select_related("contract").order_by("id")
        positions = {each.pk: each for each in held.select_for_update(no_key=True, of=("self",))}
        live = set(Order.objects.live().filter(position_id__in=ids).values_list("position_id", flat=True))
        splits = {split.pk: split for split in Split.objects.filter(pk__in={pk for _, pk in due})}
        for position_id, split_id in due:
            if position_id not in live:
                _apply(positions[position_id], splits[split_id], portfolio.quote_source, at)
    return len(ids - live)


def _apply(position: Position, split: Split, source: str, at: datetime) -> None:
    before, old = _figures(position), position.contract
    ratio = Decimal(split.new_shares) / split.old_shares
    if split.new_shares % split.old_shares:
        position.contract = _adjusted(old)
        _carry_quotes(position, old, source, 1, at)
    else:
        times = split.new_shares // split.old_shares
        position.contract = _divided(old, times)
        _carry_quotes(position, old, source, times, at)
        _multiply(position, times)
    position.split_factor = (position.split_factor * ratio).quantize(SIX_PLACES, ROUND_HALF_UP)
    position.version += 1
    position.save()
    PositionEvent.objects.create(
        position=position,
        happened_at=at,
        kind=SPLIT,
        actor_name=SYSTEM_NAME,
        before=_told(before),
        after=_told(_figures(position)),
        detail={"split": split.pk, "new_shares": split.new_shares, "old_shares": split.old_shares},
    )


def _multiply(position: Position, times: int) -> None:
    """Contracts up, prices down: what was paid and what is at risk stay to the cent."""
    position.quantity_opened *= times
    position.quantity_open *= times
    if position.broker_quantity is not None:
        position.broker_quantity *= times
    shares = position.quantity_opened * position.contract.multiplier
    position.average_entry_price = (position.entry_cost / shares).quantize(SIX_PLACES, ROUND_HALF_UP)
    position.initial_stop = _over(position.initial_stop, times, FOUR_PLACES)
    position.current_stop = _over(position.current_stop, times, FOUR_PLACES)
    position.high_water = (position.high_water / times).quantize(SIX_PLACES, ROUND_HALF_UP)
    position.stop_breaches, position.stop_breached_at = 0, None  # they were counted on quotes of the old contract
    ExitSlice.objects.filter(position=position).update(contracts_filled=F("contracts_filled") * times)


def _over(price: Decimal | None, times: int, places: Decimal) -> Decimal | None:
    return None if price is None else max((price / times).quantize(places, ROUND_HALF_UP), places)


def _divided(contract: OptionContract, times: int) -> OptionContract:
    """The same option after the split, its strike divided and rounded to the cent, as the clearing house does."""
    strike = (contract.strike / times).quantize(CENT, ROUND_HALF_UP)
    return _contract(contract, contract.root, strike, is_adjusted=contract.is_adjusted)


def _adjusted(contract: OptionContract) -> OptionContract:
    """What the exchange lists for a ratio that is no whole number: another root with a digit, the same terms. What one
    contract delivers has changed, and its premium has not."""
    name, digit = contract.root.rstrip("0123456789"), contract.root[len(contract.root.rstrip("0123456789")) :]
    return _contract(contract, f"{name}{int(digit or 0) + 1}", contract.strike, is_adjusted=True)


def _contract(like: OptionContract, root: str, strike: Decimal, *, is_adjusted: bool) -> OptionContract:
    symbol = OptionSymbol(root, like.expiration_on, like.right, strike)
    found, _ = OptionContract.objects.get_or_create(
        occ_symbol=str(symbol),
        defaults={
            "underlying_id": like.underlying_id,
            "root": root,
            "expiration_on": like.expiration_on,
            "right": like.right,
            "strike": strike,
            "multiplier": like.multiplier,
            "settlement": like.settlement,
            "exercise_style": like.exercise_style,
            "tick_class": like.tick_class,
            "is_adjusted": is_adjusted,
        },
    )
    return found


def _carry_quotes(position: Position, old: OptionContract, source: str, times: int, at: datetime) -> None:
    """The last quote of the old contract and its last usable one as those of the new, at their own times: what is held
    keeps its last mark, and is as stale as it was. Without them the book would be worth nothing until the first quote
    of the day."""
    last = OptionQuote.objects.filter(contract=old, source=source).order_by("-quoted_at").values_list("pk", flat=True)
    usable = session_marks.last_usable_quote(old, source=source, until=at, revision=position.revision)
    for quote in OptionQuote.objects.filter(pk__in={*last[:1], usable}):
        OptionQuote.objects.get_or_create(
            contract=position.contract,
            source=source,
            quoted_at=quote.quoted_at,
            defaults={
                "bid": None if quote.bid is None else (quote.bid / times).quantize(FOUR_PLACES, ROUND_HALF_UP),
                "ask": None if quote.ask is None else (quote.ask / times).quantize(FOUR_PLACES, ROUND_HALF_UP),
                "bid_size": quote.bid_size * times,
                "ask_size": quote.ask_size * times,
                "changed_at": quote.changed_at,
                "confirmed_at": quote.confirmed_at,
            },
        )


def _figures(position: Position) -> dict[str, Any]:
    return {
        "contract_id": position.contract_id,
        "contract": position.contract.occ_symbol,
        "contracts": position.quantity_open,
        "entry": position.average_entry_price,
        "initial_stop": position.initial_stop,
        "stop": position.current_stop,
        "high_water": position.high_water,
    }


def _told(figures: Mapping[str, Any]) -> dict[str, Any]:
    """As plain data, decimals as text."""
    return {
        name: str(value) if isinstance(value, Decimal) else value
        for name, value in figures.items()
        if name != "contract_id"
    }
