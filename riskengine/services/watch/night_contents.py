"""A report of the night as plain data (P-18): USD to the cent, fractions, times New York; None is not known.

The same data is stored, shown on the page and given by the API, so that no two of them can differ.
"""

from datetime import date
from typing import Any

import numpy as np

from accounts.defaults import SMART_0DTE
from positions.market.calendar import days_to_expiration, new_york_date
from riskengine.calculators import exposure, overnight
from riskengine.calculators.columns import FloatColumn, above, lower_of
from riskengine.calculators.reduction import fewest_to_sell
from riskengine.loading.nights import Ahead, Book
from riskengine.services.decide.inputs import known, ny
from riskengine.services.watch.words import short_label

FIVE_PERCENT = (-0.05, 0.05)
WAVES = (0.5, 0.25, 0.1)  # of equity: how strongly a cell is coloured
NOW = "now"  # a look that is kept nowhere, beside the moments of the reports
VERSION = 1


def contents_of(book: Book, moment: str) -> dict[str, Any]:
    """All that a report says of the night. `moment` is "close", "open", or "now" for a look at this moment."""
    hours, limits = book.hours, book.limits
    opening = hours.opening
    total = overnight.book(book.night)
    positions = [_position(book, row) for row in range(len(book.position_ids))]
    return {
        "version": VERSION,
        "moment": moment,
        "at": ny(book.at),
        "priced_at": ny(book.priced_at),
        "report_at": ny(hours.report_at(float(limits.overnight_report_minutes))),
        "closes_on": hours.closing.day.isoformat(),
        "closes_at": ny(hours.closing.closes_at),
        "opens_at": ny(opening.opens_at) if opening else None,
        "closed_seconds": (opening.opens_at - hours.closing.closes_at).total_seconds() if opening else None,
        "seconds_of_night": (opening.opens_at - book.priced_at).total_seconds() if opening else None,
        "spot_moves": overnight.SPOT_MOVES.tolist(),
        "volatility_moves": overnight.VOLATILITY_MOVES.tolist(),
        "equity": money(book.equity),
        "positions": positions,
        "unknown": [each["label"] for each in positions if each["unknown"]],
        "openings": book.openings,
        "book": _book(book, total),
        "reduction": _reduction(book),
    }


def money(value: float) -> float | None:
    """USD to the cent."""
    return round(float(value), 2) + 0.0 if np.isfinite(value) else None


def _table(pnl: FloatColumn) -> list[list[float | None]]:
    return [[money(cell) for cell in row] for row in pnl]


# ---- The book ----


def _book(book: Book, total: FloatColumn) -> dict[str, Any]:
    night, limits, n = book.night, book.limits, len(book.position_ids)
    down, up = (overnight.worst_at(total, move) for move in FIVE_PERCENT)
    loss = -min(down, up) if np.isfinite(down + up) else np.nan
    fraction = float(limits.overnight_loss_limit)
    limit = fraction * book.equity
    notional = float(night.notional.sum())
    start = np.array([book.equity])
    gap = exposure.gap_to_zero(
        contracts=book.held.contracts,
        multiplier=book.held.quotes.multiplier,
        marked=book.held.mark,
        equity=start,
        basis=lower_of(start, float(limits.account_size)) if book.portfolio.system == SMART_0DTE else start,
        emergency_halt_loss=limits.emergency_halt_loss,
        group=np.zeros(n, np.int64),
        groups=1,
    )
    return {
        "pnl": _table(total),
        "waves": [[_wave(cell, book.equity) for cell in row] for row in total],
        "worst_down": money(down),
        "worst_up": money(up),
        "worst_loss": money(loss),
        "worst_share": known(loss / book.equity) if book.equity > 0.0 else None,
        "limit_share": fraction,
        "limit": money(limit),
        "over": bool(above(loss, limit)),
        "theta_night": money(float(night.theta_night.sum())),
        "notional": money(notional),
        "notional_multiple": known(notional / book.equity) if book.equity > 0.0 else None,
        "gap": money(-float(gap.dollars[0])),
        "gap_share": known(gap.equity_fraction[0]),
        "gap_multiple": known(gap.emergency_multiple[0]),
    }


def _wave(pnl: float, equity: float) -> int:
    """1 to 3 by how much of the equity it is, 0 for little."""
    share = abs(pnl) / equity if equity > 0.0 else np.nan
    return sum(bool(share >= each) for each in WAVES)


def _reduction(book: Book) -> list[dict[str, Any]] | None:
    """Which contracts to sell so that the worst of a 5% move fits its limit; empty where it fits. None: not asked for,
    or not known."""
    limits = book.limits
    if not limits.propose_reduction:
        return None
    columns = [int(np.flatnonzero(np.isclose(overnight.SPOT_MOVES, move))[0]) for move in FIVE_PERCENT]
    pnl = book.night.pnl[:, :, columns].reshape(len(book.position_ids), len(overnight.VOLATILITY_MOVES) * len(columns))
    sold = fewest_to_sell(pnl, book.held.contracts, float(limits.overnight_loss_limit) * book.equity)
    if sold is None:
        return None
    left = pnl * (1.0 - sold / np.maximum(book.held.contracts, 1.0))[:, None]
    worst_left = float(-left.sum(axis=0).min()) if len(sold) else 0.0
    rows = np.flatnonzero(sold).tolist()
    rows.sort(key=lambda row: float(pnl[row].min() / book.held.contracts[row]))
    return [
        {
            "position": book.position_ids[row],
            "label": short_label(book.held.quotes.rows[row]),
            "sell": int(sold[row]),
            "of": int(book.held.contracts[row]),
            "loss_left": money(worst_left),
        }
        for row in rows
    ]


# ---- One position ----


def _position(book: Book, row: int) -> dict[str, Any]:
    held, night = book.held, book.night
    quoted = held.quotes.rows[row]
    ahead = book.ahead[quoted.underlying_id]
    pnl = night.pnl[row]
    physical = quoted.settlement == "pm_physical"
    return {
        "position": book.position_ids[row],
        "label": short_label(quoted),
        "underlying": quoted.underlying,
        "right": quoted.right,
        "strike": float(quoted.strike),
        "expires_on": quoted.expires_on.isoformat(),
        "days": days_to_expiration(quoted.expires_on, book.at),
        "contracts": int(held.contracts[row]),
        "multiplier": quoted.multiplier,
        "mark": known(held.mark[row]) if quoted.quoted_at else None,
        "mark_age_seconds": known(held.quotes.age_seconds[row]),
        "spot": known(book.spot[row]),
        "volatility": known(book.volatility[row]),
        "marked": money(night.marked[row]) if quoted.quoted_at else None,
        "model_value": money(night.value_now[row]),
        "pnl": _table(pnl),
        "waves": [[_wave(cell, book.equity) for cell in each] for each in pnl],
        "worst_down": money(overnight.worst_at(pnl, FIVE_PERCENT[0])),
        "worst_up": money(overnight.worst_at(pnl, FIVE_PERCENT[1])),
        "theta_night": money(night.theta_night[row]),
        "physical": physical,
        "shares": int(night.shares[row]),
        "notional": money(night.notional[row]),
        "earnings": _earnings(book, ahead, quoted.expires_on),
        "ex_dividend": _ex_dividend(book, row, ahead),
        "unknown": _why_unknown(book, row),
    }


def _earnings(book: Book, ahead: Ahead, expires_on: date) -> dict[str, Any] | None:
    """The next report; None for what never reports (an index, a fund). `on` is None where no date is on record."""
    if ahead.kind != "stock":
        return None
    return {
        "on": ahead.reports_on.isoformat() if ahead.reports_on else None,
        "timing": ahead.timing,
        "before_expiry": ahead.reports_before_expiry(expires_on),
        "tonight": ahead.reports_in(book.hours),
        "illustrative": bool(ahead.is_illustrative),
    }


def _ex_dividend(book: Book, row: int, ahead: Ahead) -> dict[str, Any] | None:
    """The next ex-dividend date. `exercise_pays` for a long American call whose dividend exceeds its time value: only
    then is it rational to exercise before expiration, and only before that date (SPEC section 9)."""
    if ahead.ex_on is None or ahead.dividend is None:
        return None
    quoted = book.held.quotes.rows[row]
    mark = float(book.held.mark[row]) if book.usable[row] else np.nan  # an old mark has an old time value
    before = new_york_date(book.at) <= ahead.ex_on <= quoted.expires_on
    concerned = before and quoted.right == "C" and quoted.exercise_style == "american"
    intrinsic = max(float(book.spot[row]) - float(quoted.strike), 0.0) if np.isfinite(book.spot[row]) else np.nan
    time_value = max(mark - intrinsic, 0.0) if np.isfinite(mark - intrinsic) else np.nan
    pays = concerned and np.isfinite(time_value) and intrinsic > 0.0 and bool(above(ahead.dividend, time_value))
    return {
        "on": ahead.ex_on.isoformat(),
        "dividend": ahead.dividend,
        "before_expiry": before,
        "concerns_exercise": concerned,
        "time_value": known(round(time_value, 4)),
        "exercise_pays": bool(pays) if np.isfinite(time_value) else None,
    }


def _why_unknown(book: Book, row: int) -> list[str]:
    """What is missing to price it; empty where it is priced. The first cause in the order in which it is needed."""
    if np.isfinite(book.night.pnl[row]).all():
        return []
    quoted = book.held.quotes.rows[row]
    if book.hours.opening is None:
        return ["the calendar does not know the next session"]
    if quoted.quoted_at is None:
        return ["it was never quoted"]
    if not book.usable[row]:
        return ["its last quote is too old, one-sided or too wide"]
    if not np.isfinite(book.spot[row]):
        return [f"there is no price of {quoted.underlying} of that time"]
    if not np.isfinite(book.seconds_to_expiry[row]):
        return ["the calendar does not know the session in which it expires"]
    return ["its price implies no volatility"]
