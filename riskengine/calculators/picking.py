"""Which expiration and which contract of a chain a signal is bet with.

A chain is given as columns, one listed contract a row; a pick is the index of a row, or NONE where nothing qualifies.
Distances count to 6 places: two deltas equally far from the target must tie, and not be told apart by rounding.
"""

import numpy as np

from riskengine.calculators.columns import (
    CONFIDENCE_PLACES,
    BoolColumn,
    FloatColumn,
    IntColumn,
    Number,
    above,
    at_least,
    at_most,
    half_up_places,
)

NONE = -1


def pick_expiration(days: IntColumn, *, low: int, high: int, preferred: int) -> int:
    """The index of the expiration nearest to the preferred one.

    `days`, shape (dates,), are the days to each listed expiration, in any order; `low` to `high`, both included, are
    allowed. Of two equally near the earlier is taken. NONE where no date is allowed.
    """
    allowed = np.flatnonzero((days >= low) & (days <= high))
    if not len(allowed):
        return NONE
    return int(allowed[np.lexsort((days[allowed], np.abs(days[allowed] - preferred)))[0]])


def pick_contract(
    *,
    strike: FloatColumn,
    call: BoolColumn,
    bid: FloatColumn,
    ask: FloatColumn,
    delta: FloatColumn,
    spot: float,
    usable: BoolColumn,
    want_call: bool,
    by_delta: bool,
    target: float,
) -> int:
    """The index of the contract nearest to the target, among the usable ones of the wanted right.

    Parameters
    ----------
    strike : (n,), USD per share, above 0.
    call, usable : (n,); usable is what the caller asks of a quote, `liquid` among it.
    bid, ask : (n,), USD per share; they decide ties only.
    delta : (n,), per share, a put's negative. NaN is not known, and then no candidate where `by_delta`.
    spot : the underlying's price, USD; needed where not `by_delta`.
    want_call : calls or puts.
    by_delta : whether `target` is a |delta| (0.45) or a moneyness as a fraction of spot (0.01): how far the strike is
        out of the money, negative in the money, for both rights.

    Returns
    -------
    NONE where there is no candidate. Of two equally near the one with the narrower spread as a share of its mid is
    taken, then the lower strike.
    """
    n = len(strike)
    with np.errstate(invalid="ignore", divide="ignore"):
        if by_delta:
            reached = np.abs(delta)
        else:
            reached = (strike / (spot if spot > 0.0 else np.nan) - 1.0) * (1.0 if want_call else -1.0)
        distance = half_up_places(np.abs(reached - target), CONFIDENCE_PLACES)
        spread = half_up_places((ask - bid) / (0.5 * (ask + bid)), CONFIDENCE_PLACES)
    candidates = np.arange(n)[usable & (call == want_call) & np.isfinite(distance)]
    if not len(candidates):
        return NONE
    # A spread that is not known (NaN) sorts behind every known one.
    order = np.lexsort((strike[candidates], spread[candidates], distance[candidates]))
    return int(candidates[order[0]])


def liquid(bid: FloatColumn, ask: FloatColumn, *, max_spread: Number, min_premium: Number) -> BoolColumn:
    """Whether a quote can be traded, shape (n,): what the gates of an entry ask of bid, ask, spread and premium.

    A bid above 0, an ask above the bid, (ask - bid) / mid at most `max_spread`, an ask of at least `min_premium`, USD
    per share. NaN is no.

    Source: A-05, A-12, A-13.
    """
    width, middle = ask - bid, 0.5 * (ask + bid)
    quoted = (bid > 0.0) & above(width, 0.0) & np.isfinite(ask)
    return quoted & at_most(width, max_spread * middle) & at_least(ask, min_premium)
