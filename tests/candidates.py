"""Candidates that look for trouble: inputs as the cases write them, at and around every threshold and limit."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

CENT = Decimal("0.01")
MILLIONTH = Decimal("0.000001")
CONFIDENCES = [Decimal(c) for c in ("0", "0.6", "0.65", "0.7", "0.8", "0.9", "1")]
VIX_LEVELS = [Decimal(v) for v in ("12", "20", "25", "30")]
CORRELATIONS = [Decimal(c) for c in ("0", "0.3", "0.5", "0.6", "0.8", "1")]
RUBBISH: Sequence[Any] = (-5, "NaN", "Infinity", "-Infinity", "", "abc", "1,000", True, False, [], {}, "0x10", "1e999")
ROUND_PRICES = [
    Decimal(p) for p in ("0.5", "1.2", "2.35", "2.5", "3", "3.3", "7", "10", "12.5", "120", "150", "240", "300")
]

CFG_0DTE: Sequence[Mapping[str, Any]] = (
    {},
    {"below_minimum_policy": "refuse"},
    {"enforce_day_budget": True, "max_daily_loss": "0.06"},
    {"max_position_size": "0.30"},
    {"max_position_size": "0.10"},
    {"min_position_dollars": "13000"},
    {"min_position_size": "0.10", "max_size_multiplier": "3", "rounding_overshoot": "1"},
    {"min_size_multiplier": "1.2", "max_vix_threshold": "25", "max_total_exposure": "0.5"},
    {"account_size": "1000000", "correlation_adjustment_factor": "0.5", "min_confidence_threshold": "0.7"},
    {
        "confidence_factor": [["0", "0.8"], ["0.5", "1.1"], ["0.8", "2.5", False]],
        "vix_factor": [["0", "1"], ["20", "0.8"]],
    },
    {
        "exposure_factor": [["0", "1.05"], ["0.5", "0.6", False]],
        "max_daily_loss": "0.07",
        "emergency_halt_loss": "0.09",
    },
)
CFG_7DTE: Sequence[Mapping[str, Any]] = (
    {},
    {"below_minimum_policy": "refuse"},
    {"min_overrides_allocation": False},
    {"fundamental_mode": "relative"},
    {"fundamental_mode": "relative", "neutral_score": "0.7", "correlation_missing_factor": "0.9"},
    {"enforce_risk_budget": True, "max_portfolio_risk": 10},
    {"min_position_dollars": "0", "min_position_size": "0.2", "max_position_size": "0.5"},
    {"max_size_multiplier": "1.5", "rounding_overshoot": "1.1"},
    {"max_stock_allocation": 40, "max_portfolio_risk": "9.5"},
    {"correlation_factor": [["0", "1.1"], ["0.25", "0.9", False], ["0.75", "0.6"]], "stop_fraction": "0.35"},
)


class Pick:
    """Draws from one seeded generator; every number leaves as the text a person would type."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def one(self, options: Sequence[Any]) -> Any:
        return options[int(self.rng.integers(len(options)))]

    def between(self, low: float, high: float, places: int) -> Decimal:
        return Decimal(f"{self.rng.uniform(low, high):.{places}f}")

    def around(self, edges: Sequence[Decimal], nudge: Decimal) -> Decimal:
        """An edge, or a hair to either side of it."""
        return Decimal(self.one(edges)) + self.one((-1, 0, 0, 1)) * nudge

    def confidence(self) -> str:
        if self.chance(0.3):
            return str(self.between(0, 1, self.one((2, 6, 9))))
        nudge = self.one((MILLIONTH, MILLIONTH / 2, MILLIONTH / 10, Decimal("0.01")))
        return str(min(max(self.around(CONFIDENCES, nudge), Decimal(0)), Decimal(1)))

    def correlation(self, signed: bool = False) -> str:
        rho = (
            self.between(0, 1, 6)
            if self.chance(0.4)
            else self.around(CORRELATIONS, self.one((MILLIONTH, MILLIONTH / 2)))
        )
        rho = min(max(rho, Decimal(0)), Decimal(1))
        return str(-rho if signed and self.chance(0.3) else rho)

    def price(self, contract_dollars: Sequence[Decimal]) -> str:
        """A price of 2 to 4 places, or one whose whole contracts hit an amount exactly or by a hundredth of a cent."""
        kind = self.rng.random()
        if kind < 0.4:
            return str(self.between(0.05, self.one((5, 50, 700)), self.one((2, 3, 4))))
        if kind < 0.6:
            return str(self.one(ROUND_PRICES))
        exact = Decimal(self.one(contract_dollars)) / (100 * int(self.rng.integers(1, 200)))
        places = self.one((Decimal("0.01"), Decimal("0.0001")))
        return str(max((exact + self.one((-1, 0, 1)) * places).quantize(places), places))


def zero_dte(pick: Pick, n: int) -> list[dict[str, Any]]:
    """Smart-0DTE candidates; about one in three carries every optional key."""
    return [_zero(pick) for _ in range(n)]


def _zero(pick: Pick) -> dict[str, Any]:
    equity = pick.one((Decimal(60000), Decimal(50000), pick.between(1000, 90000, 2), pick.between(1000, 2e6, 2)))
    basis = min(equity, Decimal(60000))
    minimum, limit = basis / 5, basis * 4 / 5
    edges = [limit * share / 10 for share in (0, 4, 6, 8)] + [limit - minimum, limit - 2 * minimum]
    losses = [-basis / 10, -basis / 5, -basis * 7 / 100, -basis / 20]
    optional = {
        "equity_sod": lambda: equity,
        "exposure": lambda: max(pick.around(edges, CENT), Decimal(0)),
        "daily_pnl": lambda: pick.around([*losses, Decimal(0), Decimal(12000)], CENT),
        "buying_power": lambda: pick.around([minimum, minimum * 2, minimum * 5 / 4, limit], CENT),
        "symbol_positions": lambda: int(pick.rng.integers(0, 4)),
        "total_positions": lambda: int(pick.rng.integers(0, 7)),
        "other_positions": lambda: int(pick.rng.integers(0, 3)),
        "corr_risk": lambda: pick.one((pick.correlation(), pick.correlation(), None)),
        "delta_after": lambda: pick.one((-1, 1)) * pick.around([basis / 10], CENT),
        "gamma_after": lambda: pick.one((-1, 1)) * pick.around([basis / 20], CENT),
        "option_price": lambda: pick.price([minimum, minimum * 2, limit - minimum, minimum * 5 / 4]),
        "halted": lambda: pick.chance(0.1),
        "direction": lambda: pick.one(("LONG", "LONG_CALL", "LONG_PUT", "SHORT_CALL")) if pick.chance(0.3) else "LONG",
    }
    vix = pick.between(9, 40, 2) if pick.chance(0.3) else pick.around(VIX_LEVELS, pick.one((CENT, CENT / 100)))
    row: dict[str, Any] = {"confidence": pick.confidence(), "vix": str(vix)}
    share = pick.one((0.3, 0.6, 1.0))
    for key, draw in optional.items():
        if pick.chance(share) or (key == "equity_sod" and equity != 60000):
            value = draw()
            row[key] = str(value) if isinstance(value, Decimal) else value
    return row


def seven_dte(pick: Pick, n: int) -> list[dict[str, Any]]:
    """Mag7-7DTE candidates; about one in three carries every optional key."""
    return [_seven(pick) for _ in range(n)]


def _seven(pick: Pick) -> dict[str, Any]:
    values = (
        Decimal(100000),
        Decimal(50000),
        Decimal("49999.99"),
        pick.between(45000, 120000, 2),
        pick.between(1e4, 2e6, 2),
    )
    value = pick.one(values)
    minimum = max(Decimal(33000), value * 33 / 100)
    held = [Decimal(0), value / 10, value / 2 - minimum, value * 66 / 100 - minimum, minimum]
    optional = {
        "score": lambda: str(pick.one((Decimal("0.1"), Decimal("0.5"), Decimal("0.9"), pick.between(0, 1, 2)))),
        "correlations": lambda: [
            None if pick.chance(0.2) else pick.correlation(signed=True) for _ in range(int(pick.rng.integers(0, 4)))
        ],
        "current_allocation": lambda: max(pick.around(held, CENT), Decimal(0)).quantize(CENT),
        "buying_power": lambda: pick.around([minimum, minimum * 2, minimum * 5 / 4], CENT).quantize(CENT),
        "max_stock_allocation": lambda: pick.one((20, 33, 50, 66, 100, "41.5")),
        "max_portfolio_risk": lambda: pick.one((1, 2, "5.5", 20)),
        "direction": lambda: pick.one(("LONG", "LONG_CALL", "LONG_PUT", "SHORT_CALL")) if pick.chance(0.3) else "LONG",
    }
    price = pick.price([minimum, minimum * 2, value * 66 / 100, minimum * 5 / 4, value / 2])
    row: dict[str, Any] = {"confidence": pick.confidence(), "option_price": price, "portfolio_value": str(value)}
    share = pick.one((0.3, 0.6, 1.0))
    for key, draw in optional.items():
        if pick.chance(share):
            given = draw()
            row[key] = str(given) if isinstance(given, Decimal) else given
    return row


def spoilt(pick: Pick, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows with one number each replaced by rubbish, null or nothing at all."""
    spoilt_rows = []
    for row in rows:
        numbers = [key for key in row if key not in {"direction", "halted", "correlations", "cfg"}]
        key = pick.one(numbers)
        kind = pick.rng.random()
        if kind < 0.15:
            changed = {name: value for name, value in row.items() if name != key}
        else:
            changed = {**row, key: None if kind < 0.3 else pick.one(RUBBISH)}
        spoilt_rows.append(changed)
    return spoilt_rows
