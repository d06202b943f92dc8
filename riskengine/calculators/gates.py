"""Whether: every entry gate, in the order of SPEC B-10 and A-16.

All gates are judged on every row, not only the first that fails, so that a person sees the whole list.
"""

import numpy as np

from riskengine.calculators.columns import BoolColumn, single
from riskengine.calculators.gates_account import ACCOUNT_0DTE, ACCOUNT_7DTE, Account, AccountCase
from riskengine.calculators.gates_market import (
    CLOCK,
    CONTRACT,
    FRESH,
    LIQUID,
    STATE,
    Case,
    Market,
    correlation_known,
    greeks_known,
    no_earnings_inside,
    no_ex_dividend_inside,
    not_too_late,
)
from riskengine.calculators.limits import Limits
from riskengine.calculators.rules import Rule, Verdicts, judge

__all__ = ["ENTRY_0DTE", "ENTRY_7DTE", "Account", "Market", "entry_gates", "judge_account", "judge_entry"]

# In the product an unknown correlation or Greek is named before the limit that it would have been held against.
_KNOWN_FIRST = {"MAX_CORRELATION": correlation_known, "MAX_DELTA": greeks_known}
_PRODUCT_0DTE: tuple[Rule, ...] = tuple(
    gate for limit in ACCOUNT_0DTE for gate in (_KNOWN_FIRST.get(limit.code), limit) if gate is not None
)
ENTRY_0DTE: tuple[Rule, ...] = (*_PRODUCT_0DTE, *STATE, *CLOCK, not_too_late, *CONTRACT, *FRESH, *LIQUID)
ENTRY_7DTE: tuple[Rule, ...] = (
    *ACCOUNT_7DTE, *STATE, *CLOCK, *CONTRACT, no_earnings_inside, no_ex_dividend_inside, *FRESH, *LIQUID,
)  # fmt: skip


def judge_account(
    account: Account, limits: Limits, valid: BoolColumn, gates: tuple[Rule, ...] = ACCOUNT_0DTE
) -> Verdicts:
    """Judge the account's gates on every row (SPEC B-10). Rows that are not `valid` pass unjudged: they are refused."""
    if len(valid) == 1 and limits.shared:
        return judge(gates, AccountCase(limits, single(account)), valid.item())
    with np.errstate(invalid="ignore"):
        return judge(gates, AccountCase(limits, account), valid)


def judge_entry(
    account: Account, market: Market, limits: Limits, gates: tuple[Rule, ...], valid: BoolColumn
) -> Verdicts:
    """Judge account and market gates together, in the order given: what an entry must pass (SPEC A-16)."""
    if len(valid) == 1 and limits.shared:
        return judge(gates, Case(limits, single(account), single(market)), valid.item())
    with np.errstate(invalid="ignore", divide="ignore"):
        return judge(gates, Case(limits, account, market), valid)


# Judged only when an entry is placed: a size looked at for information waits for nobody.
AT_PLACEMENT = frozenset({"HEARTBEAT_STALE", "RISK_UNKNOWN", "NOT_RECONCILED"})


def entry_gates(system: str, *, placing: bool) -> tuple[Rule, ...]:
    """The gates of a system: A-16's list, account first. A preview leaves out those of `AT_PLACEMENT`."""
    gates = ENTRY_0DTE if system == "smart-0dte" else ENTRY_7DTE
    return gates if placing else tuple(gate for gate in gates if gate.code not in AT_PLACEMENT)
