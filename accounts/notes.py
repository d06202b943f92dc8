"""What the owner of a profile should be told about its numbers, with the numbers filled in. It imports no Django.

Sources: SPEC section 8 (last paragraph), B-04, B-06, B-07, B-08. Recorded spreads: SPXW, 2021-01 and 2023-06.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from accounts.defaults import SMART_0DTE, Step
from accounts.wording import Value, percent, plain


@dataclass(frozen=True, slots=True)
class Note:
    """One thing to know, with the rule it comes from."""

    source: str
    text: str


def notes_on(system: str, numbers: Mapping[str, Value], ladders: Mapping[str, Sequence[Step]]) -> list[Note]:
    """The notes that hold for these numbers."""
    least, most = Decimal(numbers["min_position_size"]), Decimal(numbers["max_position_size"])
    exposure = Decimal(numbers["max_total_exposure"])
    day, emergency = Decimal(numbers["max_daily_loss"]), Decimal(numbers["emergency_halt_loss"])
    notes = [
        Note(
            "B-08",
            f"The daily loss limit of {percent(day)} is {_times(day, least)} one minimum bet of {percent(least)}, and "
            f"the emergency halt at {percent(emergency)} is {_times(emergency, least)} one. Bets up to the exposure "
            f"limit put {percent(exposure)} of the account at risk. A halt is a trigger, not a cap on the loss.",
        ),
        Note(
            "SPEC, section 8",
            f"The largest bet puts {percent(most)} of the account into one option that can expire at zero.",
        ),
    ]
    if numbers["below_minimum_policy"] == "raise":
        notes.append(
            Note(
                "B-04",
                "When the risk factors ask for less than the minimum bet, the minimum is bet all the same, with a "
                "warning. “refuse” does not bet then, and is the better practice.",
            )
        )
    if system == SMART_0DTE:
        notes += _notes_on_0dte(numbers, ladders, least, most, exposure)
    return notes


def _notes_on_0dte(
    numbers: Mapping[str, Value],
    ladders: Mapping[str, Sequence[Step]],
    least: Decimal,
    most: Decimal,
    exposure: Decimal,
) -> list[Note]:
    count, per_symbol = Decimal(numbers["max_total_positions"]), Decimal(numbers["max_positions_per_symbol"])
    late, last_hour = ladders["take_profit_late"][0].threshold, ladders["time_factor"][0].value
    notes = [
        Note(
            "SPEC, section 8",
            f"The late-day target of {percent(late)} × {plain(last_hour)} = {percent(late * last_hour)} lies inside a "
            "normal spread: the median recorded 0DTE spread is 5.2% from 15:00 to 15:44 and 7.9% after 15:45.",
        ),
        Note(
            "SPEC, section 8",
            "Index funds usually correlate above 0.8 with one another: several positions are in fact one bet on one "
            "direction.",
        ),
    ]
    if count * least > exposure:
        notes.append(
            Note(
                "B-06",
                f"{plain(count)} positions of {percent(least)} would be {percent(count * least)}; the exposure limit "
                f"of {percent(exposure)} binds first, at {_whole(exposure, least)} minimum bets or "
                f"{_whole(exposure, most)} maximum bets.",
            )
        )
    if per_symbol * most >= exposure:
        notes.append(
            Note(
                "B-07",
                f"{plain(per_symbol)} maximum bets in one symbol are {percent(per_symbol * most)}: the whole exposure "
                f"limit of {percent(exposure)} can sit in one symbol.",
            )
        )
    return notes


def _times(amount: Decimal, unit: Decimal) -> str:
    ratio = (amount / unit).quantize(Decimal("0.01"))
    return {Decimal("0.50"): "half of", Decimal(1): "the whole of"}.get(ratio, f"{plain(ratio)} of")


def _whole(amount: Decimal, unit: Decimal) -> str:
    return plain((amount / unit).to_integral_value(ROUND_FLOOR))
