"""Every refusal: a stable code, the kind of rule that says it, and the sentence a person reads.

Codes are part of the API: add, never rename. A sentence may name {saw}, {limit} and {unit} of its rule's finding, and
says what would have to change. Column results carry a code as its index in `CODES` (int16, 0 is "no refusal").
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt


class Kind(StrEnum):
    SIZING = "sizing"
    GATE = "gate"
    EXIT = "exit"


@dataclass(frozen=True, slots=True)
class Code:
    name: str
    kind: Kind
    sentence: str
    unknown: str = ""  # said instead when the value was not known


_S, _G, _X = Kind.SIZING, Kind.GATE, Kind.EXIT

CODES: tuple[Code, ...] = (
    Code("", _S, ""),
    Code("INVALID_INPUT", _S, "{field} is {saw}: it must be {limit}. Nothing is sized from an unusable number."),
    Code("SHORT_NOT_SUPPORTED", _S, "Only long premium is traded: LONG, LONG_CALL or LONG_PUT."),
    Code(
        "RISK_MODEL_BELOW_MINIMUM",
        _S,
        "The risk factors ask for {saw}, under the minimum bet of {limit}, and this "
        "profile refuses instead of raising it.",
    ),
    Code("RISK_BUDGET_BELOW_MINIMUM", _S, "The enforced risk budget pays for {saw}, under the minimum bet of {limit}."),
    Code(
        "EXPOSURE_ROOM_BELOW_MINIMUM",
        _S,
        "Room under the exposure limit is {saw}, under the minimum bet of {limit}. Wait until a position is closed.",
    ),
    Code("BUYING_POWER_BELOW_MINIMUM", _S, "Buying power is {saw}, under the minimum bet of {limit}."),
    Code(
        "CONTRACT_GRANULARITY",
        _S,
        "Whole contracts reaching the minimum bet cost {saw}, more than the {limit} that "
        "may be bet. Choose a cheaper contract.",
    ),
    Code(
        "ACCOUNT_TOO_SMALL",
        _S,
        "The minimum bet of {saw} is more than the largest permitted bet of {limit}: at this "
        "equity no bet is permitted.",
    ),
    Code("ALLOCATION_BELOW_MINIMUM", _S, "The allocation to one stock, {saw}, is under the minimum bet of {limit}."),
    Code("ALLOCATION_FULL", _S, "The allocation to this stock is used up: room {saw}."),
    Code(
        "ALLOCATION_ROOM_BELOW_MINIMUM",
        _S,
        "Room in the allocation to this stock is {saw}, under the minimum bet of {limit}.",
    ),
    Code(
        "EMERGENCY_HALT",
        _G,
        "Emergency halt: day P&L is {saw}; the halt is at {limit}, or was set by a person. A "
        "staff user clears it with a reason.",
        unknown="Day P&L is not known: there is no start-of-day equity or a position has no quote.",
    ),
    Code(
        "MAX_DAILY_LOSS",
        _G,
        "Day P&L is {saw}, at or under the daily limit of {limit}: no entries for the rest of the New York date.",
        unknown="Day P&L is not known: there is no start-of-day equity or a position has no quote.",
    ),
    Code("MIN_CONFIDENCE", _G, "Confidence {saw} is under {limit}, the lowest tradable."),
    Code(
        "MAX_VIX",
        _G,
        "VIX {saw} is above {limit}, the highest for entries.",
        unknown="The volatility index is not known.",
    ),
    Code("MAX_CORRELATION", _G, "Correlation risk {saw} with other open symbols is above {limit}."),
    Code("MAX_PER_SYMBOL", _G, "Open positions in this symbol: {saw}; the limit is {limit}."),
    Code("MAX_TOTAL", _G, "Open positions: {saw}; the limit is {limit}."),
    Code(
        "MAX_DELTA",
        _G,
        "Book delta after the trade is {saw} SPY share-equivalents; the limit is {limit}.",
        unknown="Book delta after the trade is not known.",
    ),
    Code(
        "MAX_GAMMA",
        _G,
        "Book gamma after the trade is {saw} SPY share-equivalents per dollar; the limit is {limit}.",
        unknown="Book gamma after the trade is not known.",
    ),
    Code("NOT_ACTIVE", _G, "The portfolio is not ACTIVE: openings are refused until it is."),
    Code("MODE_OFF", _G, "The portfolio's mode is off: nothing is placed."),
    Code(
        "NOT_RECONCILED",
        _G,
        "Since the restart the books were not found to agree with the broker's. Entries wait; compare the positions.",
    ),
    Code(
        "NEEDS_CONFIRMATION",
        _G,
        "A person must confirm this entry: the day's loss has passed the first limit.",
        unknown="Day P&L is not known: there is no start-of-day equity or a position has no quote.",
    ),
    Code(
        "BREAKER_TRIPPED",
        _G,
        "Tripped circuit breakers: {saw}. They stay so until their own rule or a named person clears them.",
    ),
    Code("SESSION_CLOSED", _G, "The exchange is closed at this market time."),
    Code("TOO_EARLY", _G, "{saw} min after the open; entries start {limit} min after it."),
    Code("TOO_LATE", _G, "{saw} min before the forced close; the last entry is {limit} min before it."),
    Code(
        "STALE_QUOTE",
        _G,
        "The quote is {saw} s old; the oldest usable one is {limit} s.",
        unknown="There is no quote of this contract today.",
    ),
    Code(
        "CROSSED_QUOTE",
        _G,
        "The quote is locked or crossed, or has no ask: ask minus bid is {saw}.",
        unknown="There is no ask: nobody offers this option.",
    ),
    Code("NO_BID", _G, "There is no bid: nobody would buy this option back."),
    Code(
        "STALE_VIX",
        _G,
        "The VIX reading is missing or {saw} s old; the oldest usable one is {limit} s.",
        unknown="There is no reading of the volatility index for this session.",
    ),
    Code(
        "HEARTBEAT_STALE",
        _G,
        "The last finished risk check is {saw} s old; the limit is {limit} s. Entries wait until the checks run again.",
        unknown="No risk check has run yet. Entries wait until the checks run.",
    ),
    Code(
        "RISK_UNKNOWN",
        _G,
        "The last risk check could not judge this portfolio. Entries wait until one can; its reading says why.",
    ),
    Code(
        "SPREAD_TOO_WIDE",
        _G,
        "The spread is {saw} of the mid; the limit for this bet is {limit}.",
        unknown="The spread is not known: a side of the quote is missing.",
    ),
    Code("VOLUME_TOO_THIN", _G, "{saw} contracts are ordered; today's volume and displayed size allow {limit}."),
    Code("VOLUME_UNKNOWN", _G, "Today's volume of this option is not known."),
    Code("OI_TOO_THIN", _G, "{saw} contracts are ordered; open interest allows {limit}."),
    Code("OI_UNKNOWN", _G, "The open interest of this option is not known."),
    Code(
        "PREMIUM_TOO_LOW", _G, "The ask is {saw}, under {limit}, the lowest premium traded.", unknown="There is no ask."
    ),
    Code(
        "STOP_TOO_CLOSE",
        _G,
        "The bid stands {saw} above the stop; at least {limit} is needed, or the spread alone nearly stops the bet.",
        unknown="The room above the stop is not known: a side of the quote is missing.",
    ),
    Code(
        "COST_OVER_TARGET",
        _G,
        "Spread and fees cost {saw} a share, more than the first target of {limit}.",
        unknown="The cost of entering is not known: a side of the quote is missing.",
    ),
    Code(
        "BOOK_EXPOSURE",
        _G,
        "Exposure after this bet would be {saw}; the limit is {limit}.",
        unknown="Exposure is not known: a position has no quote.",
    ),
    Code(
        "GREEKS_UNKNOWN",
        _G,
        "Delta and gamma after the trade cannot be computed: no implied volatility or no underlying price.",
    ),
    Code("CORRELATION_UNKNOWN", _G, "The correlation with an open symbol cannot be measured."),
    Code("THROTTLED", _G, "{saw} opening intents in the window; the limit is {limit}."),
    Code("COOLDOWN", _G, "A pause is running in this symbol or portfolio: {saw} min left."),
    Code("EVENT_BLACKOUT", _G, "A calendar event blocks entries now."),
    Code(
        "EARNINGS_BEFORE_EXPIRY",
        _G,
        "Earnings before the expiration cannot be ruled out: the next date is inside, or not on record.",
    ),
    Code(
        "EX_DIVIDEND_BEFORE_EXPIRY",
        _G,
        "The share trades without its dividend before the expiration, and the call falls with it.",
    ),
    Code("EXPIRATION_OUT_OF_RANGE", _G, "Days to expiration: {saw}; the nearest this system opens is {limit}."),
    Code("ADJUSTED_CONTRACT", _G, "An adjusted contract is never opened, only closed."),
    Code("AM_SETTLED", _G, "An AM-settled contract stops trading the session before: it is refused."),
    Code("UNDERLYING_HALTED", _G, "Trading in the underlying is halted."),
    Code("DECISION_EXPIRED", _G, "The decision is {saw} s old; it is good for {limit} s."),
    Code(
        "CONTRACTS_OVER_LIMIT",
        _S,
        "The contracts asked for may cost {saw}, more than the limit “{field}” allows: {limit}. Ask for fewer.",
    ),
    Code(
        "CONTRACTS_UNDER_MINIMUM",
        _S,
        "The contracts asked for cost {saw}, under the minimum bet of {limit}. Ask for more, or let the bet be sized.",
    ),
    Code("NOT_PERMITTED", _G, "You may not do this in this portfolio."),
    Code("EXPIRED", _X, "The option has expired: it settles, no target applies."),
    Code("CLOCK", _X, "The time now is before the entry: the clock is wrong."),
    Code("INVALID_STOP", _X, "The initial stop must lie between zero and the entry price."),
    Code("NO_EXPIRY", _X, "The expiration date is missing."),
)

NONE = 0
INDEX: dict[str, int] = {code.name: index for index, code in enumerate(CODES)}
NAMES: npt.NDArray[np.object_] = np.array([code.name or None for code in CODES], dtype=object)


def names(codes: npt.NDArray[np.int16]) -> list[str | None]:
    """Code columns as names, None where nothing was refused."""
    return NAMES[codes].tolist()  # type: ignore[no-any-return]
