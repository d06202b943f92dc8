"""Sizes, entries, orders and positions: three SPXW calls of the recorded 2021-01-04."""

from typing import Any

REFUSED_GATES: list[dict[str, Any]] = [
    {
        "rule": "MAX_DAILY_LOSS",
        "label": "Daily loss",
        "unit": "USD",
        "source": "SPEC 8, P-06",
        "input": 0.0,
        "limit": -6000.0,
        "passed": True,
    },
    {
        "rule": "MIN_CONFIDENCE",
        "label": "Confidence",
        "unit": "confidence",
        "source": "SPEC 16, B-03, A-21",
        "input": 0.6,
        "limit": 0.65,
        "passed": False,
        "sentence": "Confidence 0.6 is under 0.65, the lowest tradable.",
    },
]
_PASSED = {name: value for name, value in REFUSED_GATES[1].items() if name != "sentence"}
APPROVED_GATES: list[dict[str, Any]] = [REFUSED_GATES[0], _PASSED | {"input": 0.7, "passed": True}]
REFUSAL: dict[str, Any] = {"code": "MIN_CONFIDENCE", "sentence": "Confidence 0.6 is under 0.65, the lowest tradable."}

DECISION: dict[str, Any] = {
    "id": 12,
    "contract": "SPXW  210104C03700000",
    "direction": "LONG_CALL",
    "confidence": "0.700000",
    "approved": True,
    "refusal": None,
    "contracts": 3,
    "dollars": "13320.00",
    "limit_price": "44.8000",
    "indicative_contracts": 3,
    "min_size_dollars": "12000.00",
    "scale_multiplier": "1.1100",
    "requested_by_name": "ada",
    "decided_at": "2021-01-04T15:42:07Z",
    "expires_at": "2021-01-04T15:43:07Z",
}
DECISION_REFUSED: dict[str, Any] = DECISION | {
    "id": 11,
    "confidence": "0.600000",
    "approved": False,
    "refusal": REFUSAL,
    "contracts": 0,
    "dollars": "0.00",
    "limit_price": None,
    "scale_multiplier": None,
}
ORDER: dict[str, Any] = {
    "id": 30,
    "client_order_id": "smart-0dte.210104.d12.open.1",
    "contract": "SPXW  210104C03700000",
    "intent": "open",
    "side": "buy",
    "status": "filled",
    "quantity": 3,
    "filled_quantity": 3,
    "limit_price": "44.8000",
    "worst_price": "44.8000",
    "pace": "normal",
    "decision": 12,
    "position": 7,
    "reject_reason": "",
    "created_at": "2021-01-04T15:42:07Z",
    "finished_at": "2021-01-04T15:42:18Z",
}
ORDER_PLANNED: dict[str, Any] = ORDER | {
    "status": "planned",
    "filled_quantity": 0,
    "position": None,
    "finished_at": None,
}
MADE_FROM: dict[str, Any] = {
    "idempotency_key": "bet-2021-01-04-1",
    "revision": 1,
    "engine_version": "1.0",
    "trace": {
        "amounts": {"basis": 60000.0, "minimum": 12000.0, "maximum": 24000.0, "exposure_limit": 48000.0},
        "binding": "CEIL_TO_MINIMUM",
    },
    "inputs": {
        "used": [
            {
                "name": "ask",
                "label": "Ask",
                "value": 44.4,
                "unit": "USD per share",
                "source": "Lean sample data (AlgoSeek)",
                "as_of": "2021-01-04T10:42:00-05:00",
                "note": "",
            }
        ]
    },
}
RISKED: dict[str, Any] = {
    "code": "W6",
    "text": "$3,330 at the stop, 2.8 times your 2% budget; $13,320 if the stop fails.",
}
WAITS: dict[str, Any] = {
    "code": "WAITS_FOR_CONFIRMATION",
    "text": "No order yet: it was proposed, and is placed once confirmed.",
}
ENTRY_REFUSED: dict[str, Any] = {
    **DECISION_REFUSED,
    **MADE_FROM,
    "gates": REFUSED_GATES,
    "warnings": [RISKED],
    "order": None,
    "waits_for_confirmation": False,
}
ENTRY_PLACED: dict[str, Any] = {
    **DECISION,
    **MADE_FROM,
    "gates": APPROVED_GATES,
    "warnings": [RISKED],
    "order": ORDER_PLANNED,
    "waits_for_confirmation": False,
}
ENTRY_PROPOSED: dict[str, Any] = ENTRY_PLACED | {
    "warnings": [WAITS, RISKED],
    "order": None,
    "waits_for_confirmation": True,
}
ENTRY_CONFIRMED: dict[str, Any] = ENTRY_PLACED | {"id": 13, "order": ORDER_PLANNED | {"decision": 13}}
LATE = {"code": "DECISION_EXPIRED", "sentence": "The decision is 75 s old; it is good for 60 s."}
ENTRY_LATE: dict[str, Any] = ENTRY_REFUSED | {
    "id": 14,
    "idempotency_key": "",
    "confidence": "0.700000",
    "refusal": LATE,
    "gates": APPROVED_GATES,
}
KEY_CONFLICT = "The key “bet-2021-01-04-1” was used for another entry (decision 12). Use a new key."
NOTHING_TO_CONFIRM = "Decision 11 was refused (MIN_CONFIDENCE): ask for a new one."
NOT_CANCELLABLE = "The order has ended: Filled."
NOT_CLOSABLE = "Nothing of this position can be sold any more."
ORDER_CANCELLING: dict[str, Any] = ORDER_PLANNED | {"status": "cancelling"}
ORDER_CLOSING: dict[str, Any] = ORDER_PLANNED | {
    "id": 31,
    "client_order_id": "smart-0dte.210104.x7.manual_close.1",
    "intent": "manual_close",
    "side": "sell",
    "limit_price": "0.0500",
    "worst_price": "0.0500",
    "pace": "urgent",
    "decision": None,
    "position": 7,
    "quantity": 2,
}
ORDER_CLOSING_PART: dict[str, Any] = ORDER_CLOSING | {
    "client_order_id": "smart-0dte.210104.x7.manual_reduce.1",
    "intent": "manual_reduce",
    "limit_price": "45.8000",
    "worst_price": "45.8000",
    "pace": "fast",
    "quantity": 1,
}
NOT_SO_MANY = "2 of 2 open contracts cannot be sold: 1 in working orders, 1 free. Choose a whole number from 1 to 1."
NOT_TIGHTER = "The stop stands at 35.50, and is never widened: 30.00 is not above it. Choose more."
SELLS_AT_ONCE = "The bid is 46.20: a stop at 46.20 would sell at once. Choose less than 46.20, or close the position."
POSITION: dict[str, Any] = {
    "id": 7,
    "contract": "SPXW  210104C03700000",
    "decision": 12,
    "origin": "engine",
    "status": "open",
    "regime": "morning",
    "quantity_opened": 3,
    "quantity_open": 2,
    "average_entry_price": "44.400000",
    "entry_cost": "13320.00",
    "exit_proceeds": "4670.00",
    "fees": "2.60",
    "realised_pnl": "228.70",
    "initial_stop": "35.5000",
    "current_stop": "35.5000",
    "high_water": "46.700000",
    "entry_at": "2021-01-04T15:42:18Z",
    "closed_at": None,
    "close_cause": "",
    "version": 4,
    "slices": [
        {
            "number": 1,
            "threshold": "0.050000",
            "cumulative_share_ten_thousandths": 3300,
            "state": "filled",
            "contracts_pending": 0,
            "contracts_filled": 1,
            "changed_at": "2021-01-04T16:10:03Z",
        },
        {
            "number": 2,
            "threshold": "0.100000",
            "cumulative_share_ten_thousandths": 6600,
            "state": "armed",
            "contracts_pending": 0,
            "contracts_filled": 0,
            "changed_at": "2021-01-04T15:42:18Z",
        },
    ],
    "tags": ["0930-open", "fomc-day"],
}
NOTE: dict[str, Any] = {
    "id": 4,
    "text": "Sold a third at 46.70 before the auction; the rest runs to 15:45.",
    "author_name": "ada",
    "written_at": "2021-01-04T16:12:40Z",
}
POSITION_DETAIL: dict[str, Any] = POSITION | {"notes": [NOTE]}
POSITION_TIGHTENED: dict[str, Any] = POSITION | {"current_stop": "42.0000", "version": 5}
FILL: dict[str, Any] = {
    "id": 51,
    "execution_id": "paper-88",
    "contract": "SPXW  210104C03700000",
    "side": "buy",
    "intent": "open",
    "order": 30,
    "position": 7,
    "quantity": 3,
    "price": "44.4000",
    "fee": "1.95",
    "quote_bid": "44.0000",
    "quote_ask": "44.4000",
    "filled_at": "2021-01-04T15:42:17Z",
}

# ---- Sizing ----

PREVIEW: dict[str, Any] = {
    "portfolio": {"slug": "smart-0dte", "system": "smart-0dte", "mode": "paper", "state": "ACTIVE"},
    "contract": {"occ_symbol": "SPXW  210104C03700000", "label": "SPXW 3,700 call, 2021-01-04", "strike": 3700.0},
    "market": {
        "at": "2021-01-04T10:42:07-05:00",
        "quote": {"bid": 44.0, "ask": 44.4, "spread_fraction": 0.0090497738, "age_seconds": 7.0},
        "vix": {"value": 18.0, "label": "the day's open"},
    },
    "answer": {
        "contracts": 0,
        "dollars": 0.0,
        "indicative_contracts": 3,
        "indicative_dollars": 13320.0,
        "share_of_account": 0.222,
        "price": 44.4,
        "approved": False,
        "refusal": REFUSAL,
        "binding": "CEIL_TO_MINIMUM",
        "sentence": REFUSAL["sentence"],
    },
    "trace": {
        "amounts": {"basis": 60000.0, "minimum": 12000.0, "maximum": 24000.0, "exposure_limit": 48000.0},
        "steps": [
            {
                "rule": "MAX_POSITION",
                "label": "Maximum bet",
                "effect": "limit",
                "unit": "USD",
                "source": "SPEC 9, 35",
                "input": 24000.0,
                "value": 24000.0,
                "before": 12000.0,
                "after": 12000.0,
                "changed": False,
                "binding": False,
            }
        ],
        "gates": REFUSED_GATES,
    },
}
PREVIEW_APPROVED: dict[str, Any] = PREVIEW | {
    "answer": PREVIEW["answer"]
    | {
        "contracts": 3,
        "dollars": 13320.0,
        "approved": True,
        "refusal": None,
        "sentence": "Buy 3 contracts for $13,320, 22.2% of the account.",
    },
    "trace": PREVIEW["trace"] | {"gates": APPROVED_GATES},
}
STALE = "The quote is 187 s old; the oldest usable one is 10 s."
CHAIN: dict[str, Any] = {
    "underlyings": ["SPX"],
    "expirations": [{"on": "2021-01-04", "days": 0, "selected": True}],
    "rows": [
        {
            "occ_symbol": "SPXW  210104C03700000",
            "label": "SPXW 3,700 call, 2021-01-04",
            "underlying": "SPX",
            "right": "C",
            "strike": 3700.0,
            "bid": 44.0,
            "ask": 44.4,
            "bid_size": 10,
            "ask_size": 10,
            "spread_fraction": 0.00905,
            "spread_level": "ok",
            "volume": 10000,
            "open_interest": 10000,
            "age_seconds": 7.0,
            "days": 0,
        }
    ],
    "total": 1,
}
