"""The fundamental score of an underlying and the factor it makes with the confidence (Mag7-7DTE).

    score  = 0.5 + earnings (+-0.2, +-0.1) + ratings (+-0.1) + valuation (+-0.1), within 0 and 1; 1 - score for a put
    factor = 1 + ((0.5 + score) + confidence) / 2

Each of the three speaks for itself: what is missing adds nothing, and only when all are missing is the score missing
(B-20), which leaves the confidence tier as it stands (B-19). Scores are added in millionths: 0.5 + 0.1 + 0.2 in float64
is 0.7999999999999999, and an exact sum needs no tolerance afterwards.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from riskengine.calculators.columns import (
    CONFIDENCE_PLACES,
    BoolColumn,
    FloatColumn,
    Number,
    above,
    at_least,
    at_most,
    below,
    half_up_places,
)
from riskengine.calculators.limits import Limits

_ONE = 1_000_000  # the score 1 in millionths


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Fundamentals:
    """The newest figures of each underlying, one a row, arrays of shape (n,). NaN is "not known".

    `earnings_surprise`, `buy_ratings`, `sell_ratings` in percent (11 means 11%); `pe` and `sector_pe` are ratios;
    `age_days` calendar days since the figures; `call` is False for a bet on a put.
    """

    earnings_surprise: FloatColumn
    buy_ratings: FloatColumn
    sell_ratings: FloatColumn
    pe: FloatColumn
    sector_pe: FloatColumn
    age_days: FloatColumn
    call: BoolColumn


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """The score from 0 to 1 in the direction of the bet, and each factor's points before mirroring; NaN is missing."""

    earnings: FloatColumn
    ratings: FloatColumn
    valuation: FloatColumn
    score: FloatColumn


def score_book(book: Fundamentals, limits: Limits) -> Score:
    """Score every row.

    Missing are: earnings that are not a finite number; ratings when neither share is from 0 to 100%; a valuation when
    either ratio is not above 0 (a loss is not cheap); and everything once older than `fundamentals_max_age_days` or of
    unknown age. The ratings need one share only: buys are looked at first, sells where buys do not decide.

    Returns arrays of shape (n,), exact to the nearest float64.

    Source: SPEC 66; B-20, B-21, B-22; P-14.
    """
    fresh = at_most(book.age_days, limits.fundamentals_max_age_days)
    parts = [
        np.where(fresh & known, points, np.nan)
        for points, known in (_earnings(book, limits), _ratings(book, limits), _valuation(book, limits))
    ]
    known = np.any([~np.isnan(points) for points in parts], axis=0)
    total = np.clip(_millionths(limits.neutral_score) + np.nansum(parts, axis=0), 0, _ONE)
    directed = np.where(book.call, total, _ONE - total)
    earnings, ratings, valuation = (points / _ONE for points in parts)
    return Score(earnings, ratings, valuation, np.where(known, directed / _ONE, np.nan))


def _millionths(value: Number) -> FloatColumn:
    """Whole millionths, in float64: whole numbers are exact there, and NaN can stay among them."""
    return np.rint(half_up_places(np.asarray(value, dtype=np.float64), CONFIDENCE_PLACES) * _ONE)


def _earnings(book: Fundamentals, limits: Limits) -> tuple[FloatColumn, BoolColumn]:
    surprise = book.earnings_surprise
    size = np.abs(surprise)
    points = np.where(
        above(size, limits.earnings_strong_percent),
        _millionths(limits.earnings_strong_points),
        np.where(above(size, limits.earnings_moderate_percent), _millionths(limits.earnings_moderate_points), 0),
    )
    return np.where(surprise < 0.0, -points, points), np.isfinite(surprise)


def _ratings(book: Fundamentals, limits: Limits) -> tuple[FloatColumn, BoolColumn]:
    buys, sells = (
        np.where(at_least(share, 0.0) & at_most(share, 100.0), share, np.nan)
        for share in (book.buy_ratings, book.sell_ratings)
    )
    points = _millionths(limits.analyst_points)
    bought, sold = above(buys, limits.analyst_buy_percent), above(sells, limits.analyst_sell_percent)
    return np.where(bought, points, np.where(sold, -points, 0)), ~(np.isnan(buys) & np.isnan(sells))


def _valuation(book: Fundamentals, limits: Limits) -> tuple[FloatColumn, BoolColumn]:
    points = _millionths(limits.pe_points)
    cheap = below(book.pe, book.sector_pe * limits.pe_cheap_ratio)
    expensive = above(book.pe, book.sector_pe * limits.pe_expensive_ratio)
    known = (book.pe > 0.0) & (book.sector_pe > 0.0) & np.isfinite(book.pe) & np.isfinite(book.sector_pe)
    return np.where(cheap, points, np.where(expensive, -points, 0)), known


def fundamental_factor(score: Number, confidence: Number) -> FloatColumn:
    """1 + ((0.5 + score) + confidence) / 2, from 1.25 to 2.25; NaN where either is NaN (the factor is not applied).

    Score and confidence count to 6 places, so the sum is exact and the factor its nearest float64. Source: SPEC 67.
    """
    return (2.5 * _ONE + _millionths(score) + _millionths(confidence)) / (2.0 * _ONE)


def relative_factor(score: Number, confidence: Number, neutral_score: Number) -> FloatColumn:
    """F(score) / F(neutral score) at the same confidence: under 1 for worse than neutral. NaN as `fundamental_factor`.

    Source: SPEC section 4 (`fundamental_mode` relative, where it lowers the tier and never raises it).
    """
    return fundamental_factor(score, confidence) / fundamental_factor(neutral_score, confidence)


def breakdown(book: Fundamentals, score: Score, row: int) -> list[dict[str, Any]]:
    """One row's factors as plain data for the trace: label, inputs as given and points, None where missing."""
    return [
        {
            "factor": name,
            "label": label,
            "inputs": {key: _plain(getattr(book, key)[row]) for key in inputs},
            "points": _plain(getattr(score, name)[row]),
        }
        for name, label, inputs in _FACTORS
    ]


_FACTORS = (
    ("earnings", "Earnings surprise", ("earnings_surprise",)),
    ("ratings", "Analyst ratings", ("buy_ratings", "sell_ratings")),
    ("valuation", "P/E against the sector", ("pe", "sector_pe")),
)


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
