"""What an entry reserves: the contracts that fit every limit at the worst price that may be paid (A-09, A-15).

    worst      = ask + 1% of the mid, on the tick under it
    contracts  = the size on the ask, at most what each limit pays for at `worst`

A size that is cut under the minimum bet (counted at the ask) is refused by the limit that cut it. A number of contracts
that was asked for is never changed: over a limit or under the minimum bet it is refused.
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np

from accounts.defaults import SMART_0DTE
from positions.brokers.ladder import worst_buy
from positions.market.contracts import TICK_TABLES
from positions.market_selectors import QuotedContract
from riskengine.calculators import codes, wording
from riskengine.calculators.columns import FloatColumn, above, below, contracts_reaching, whole_contracts
from riskengine.calculators.rules import CodeColumn
from riskengine.calculators.sizing import Sizing, cents
from riskengine.loading.candidates import Candidates, Situation
from riskengine.loading.market import column

NONE = np.int16(codes.NONE)
OVER, UNDER = (np.int16(codes.INDEX[name]) for name in ("CONTRACTS_OVER_LIMIT", "CONTRACTS_UNDER_MINIMUM"))
ROUNDING = codes.INDEX["CONTRACT_GRANULARITY"]  # to whole contracts: no question where their number is given


@dataclass(frozen=True, slots=True)
class Placing:
    """What is known of an entry beyond a preview.

    `contracts` are taken as they are instead of the size. A `worst_price` is that of an earlier decision which is only
    confirmed: its size is not held against the minimum bet again.
    """

    confirmed: bool = False
    permitted: bool = True
    contracts: int | None = None
    worst_price: Decimal | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Limit:
    """What one limit pays for at the worst price: `dollars` and whole `contracts`, shape (n,)."""

    code: str
    label: str
    dollars: FloatColumn
    contracts: FloatColumn


@dataclass(frozen=True, slots=True, eq=False)
class Reservation:
    """Shape (n,). `worst` is USD a share, NaN without an ask; `indicative` the contracts by the formula, `contracts`
    what is left of them; `binding` the index of the tightest limit; `refusal` NONE where a bet is left."""

    worst: FloatColumn
    indicative: FloatColumn
    contracts: FloatColumn
    limits: tuple[Limit, ...]
    binding: np.ndarray
    refusal: CodeColumn
    least: FloatColumn
    ask_cost: FloatColumn
    worst_cost: FloatColumn
    minimum: FloatColumn
    exposure: float

    def sentence(self, i: int) -> str:
        """Why row i is refused, with the number and the limit."""
        code = codes.CODES[self.refusal[i]]
        limit = self.limits[int(self.binding[i])]
        dollars, cost = limit.dollars[i], self.worst_cost[i]
        saw, most = {
            "CONTRACTS_OVER_LIMIT": (self.contracts[i] * cost, dollars),
            "CONTRACTS_UNDER_MINIMUM": (self.contracts[i] * self.ask_cost[i], self.minimum[i]),
            "CONTRACT_GRANULARITY": (self.least[i] * cost, dollars),
            "BOOK_EXPOSURE": (self.exposure + self.least[i] * cost, self.exposure + dollars),
        }.get(code.name, (dollars, self.least[i] * cost))
        said = code.sentence.format(field=limit.label, saw=_usd(saw), limit=_usd(most))
        at_worst = f" At the worst permitted price, {wording.price(float(self.worst[i]))}."
        return said if code.name == "CONTRACTS_UNDER_MINIMUM" else said + at_worst

    def explain(self, i: int) -> dict[str, Any]:
        """Row i as plain data, stored with the trace."""
        return {
            "worst_price": _plain(self.worst[i]),
            "contracts_by_formula": int(self.indicative[i]),
            "contracts": int(self.contracts[i]),
            "reserved_dollars": _plain(self.contracts[i] * self.worst_cost[i]),
            "cut_by": self.limits[int(self.binding[i])].code if self.contracts[i] < self.indicative[i] else "",
            "limits": [
                {
                    "rule": each.code,
                    "label": each.label,
                    "dollars": _plain(each.dollars[i]),
                    "contracts": _whole(each.contracts[i]),
                }
                for each in self.limits
            ],
        }


def reserve(
    situation: Situation, candidates: Candidates, sizing: Sizing, placing: Placing
) -> tuple[Sizing, Reservation]:
    """The sizing as it may be placed, with its reservation. Rows that were not sized keep their refusal."""
    quotes, given = candidates.quotes, placing.contracts
    worst = column([worst_price(row) if placing.worst_price is None else placing.worst_price for row in quotes.rows])
    ask_cost, worst_cost = quotes.ask * quotes.multiplier, worst * quotes.multiplier
    limits = _limits(situation, sizing, worst_cost)
    allowed = np.stack([each.contracts for each in limits])
    binding = np.argmin(np.where(np.isnan(allowed), -np.inf, allowed), axis=0)
    most = np.fmax(np.take_along_axis(allowed, binding[None], axis=0)[0], 0.0)
    indicative = sizing.contracts.astype(np.float64)
    if given is None:
        # What the gate of the book's exposure refuses in a preview is refused here too, and not cut to fit.
        beyond = above(sizing.dollars, _room(situation, sizing))
        contracts = np.where(beyond, indicative, np.fmin(indicative, most))
        sized, own = sizing.refusal, np.array([codes.INDEX[each.code] for each in limits], np.int16)
        refusal = np.where(below(contracts * ask_cost, sizing.minimum), own[binding], NONE)
    else:
        contracts = np.full(len(most), float(given))
        sized = np.where(sizing.refusal == ROUNDING, NONE, sizing.refusal)
        small = below(contracts * ask_cost, sizing.minimum) & (placing.worst_price is None)
        refusal = np.where(contracts > most, OVER, np.where(small, UNDER, NONE))
    placed = replace(
        sizing,
        contracts=contracts.astype(np.int64),
        dollars=np.where(contracts > 0, cents(contracts * ask_cost), 0.0),
        refusal=sized,
    )
    found = Reservation(
        worst=worst,
        indicative=indicative,
        contracts=contracts,
        limits=limits,
        binding=binding,
        refusal=np.where(sized != NONE, NONE, refusal),
        least=contracts_reaching(sizing.minimum, ask_cost),
        ask_cost=ask_cost,
        worst_cost=worst_cost,
        minimum=sizing.minimum,
        exposure=situation.account.exposure,
    )
    return placed, found


def worst_price(row: QuotedContract) -> Decimal | None:
    """The most an entry on this quote may pay, USD a share (A-09). None without an ask, or one under the first tick."""
    if row.ask is None or row.ask <= 0:
        return None
    return worst_buy(row.ask, ((row.bid or Decimal(0)) + row.ask) / 2, TICK_TABLES[row.tick_class]) or None


def _limits(situation: Situation, sizing: Sizing, cost: FloatColumn) -> tuple[Limit, ...]:
    """Every limit in dollars and whole contracts. The first of equal ones is named."""
    parameters, account = situation.limits, situation.account
    zero_dte = situation.portfolio.system == SMART_0DTE
    room = _room(situation, sizing)
    buying_power = np.full(len(cost), account.buying_power)
    found = [
        _limit("CONTRACT_GRANULARITY", "Maximum bet", sizing.amount("maximum"), cost),
        _limit(
            "EXPOSURE_ROOM_BELOW_MINIMUM" if zero_dte else "BOOK_EXPOSURE", "Room under the exposure limit", room, cost
        ),
        _limit(
            "BUYING_POWER_BELOW_MINIMUM", "Buying power", buying_power, cost + parameters.fee_per_contract
        ),  # the fee is cash too
    ]
    if zero_dte:
        budget = sizing.says("DAY_BUDGET")
        found.append(_limit("RISK_BUDGET_BELOW_MINIMUM", "Rest of the day's loss limit", budget, cost))
        return tuple(found)
    # Where the minimum bet overrides the allocation it does so at any price: its own contracts are the limit (B-16).
    allocation = _limit("ALLOCATION_ROOM_BELOW_MINIMUM", "Allocation to the stock", sizing.amount("room"), cost)
    found.append(replace(allocation, contracts=np.where(sizing.overridden, sizing.contracts, allocation.contracts)))
    if parameters.enforce_risk_budget:
        budget = sizing.amount("risk_budget") / parameters.stop_fraction
        found.append(_limit("RISK_BUDGET_BELOW_MINIMUM", "Risk budget", budget, cost))
    return tuple(found)


def _room(situation: Situation, sizing: Sizing) -> FloatColumn:
    """Room under the exposure limit, USD: open and reserved count (A-15)."""
    return situation.limits.max_total_exposure * sizing.basis - situation.account.exposure


def _limit(code: str, label: str, dollars: Any, cost: FloatColumn) -> Limit:
    dollars = np.broadcast_to(dollars, cost.shape).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        contracts = np.where(np.isposinf(dollars), np.inf, whole_contracts(dollars, cost))
    return Limit(code, label, dollars, contracts)


def _plain(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None


def _whole(value: float) -> int | None:
    return int(value) if np.isfinite(value) else None


def _usd(dollars: float) -> str:
    return wording.show(_plain(dollars), "USD")
