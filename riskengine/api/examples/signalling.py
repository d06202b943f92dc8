"""Signals, and the record of confidence."""

from typing import Any

SENT: dict[str, Any] = {
    "source": "night-model",
    "id": "2021-01-04 SPX 10:42",
    "symbol": "SPX",
    "direction": "LONG_CALL",
    "confidence": "0.72",
    "as_of": "2021-01-04T10:42:05-05:00",
    "components": [{"name": "trend", "label": "Trend", "value": 0.4, "weight": 0.3, "unit": "-1 to 1"}],
    "note": "Breadth turned.",
}
SENT_PUT: dict[str, Any] = {
    "source": "night-model",
    "id": "2021-01-04 SPY 10:42",
    "symbol": "SPY",
    "direction": "LONG_PUT",
    "confidence": "0.68",
}
SIGNAL: dict[str, Any] = {
    "id": 41,
    "external_id": "2021-01-04 SPX 10:42",
    "source": "night-model",
    "symbol": "SPX",
    "direction": "LONG_CALL",
    "confidence": "0.720000",
    "contract": None,
    "note": "Breadth turned.",
    "as_of": "2021-01-04T15:42:05Z",
    "expires_at": "2021-01-04T15:57:05Z",
    "received_at": "2026-03-02T12:42:07Z",
    "state": "accepted",
    "dropped": None,
    "decision": 12,
}
SIGNAL_NEW: dict[str, Any] = SIGNAL | {"state": "new", "decision": None}
SIGNAL_DROPPED: dict[str, Any] = SIGNAL | {
    "id": 40,
    "external_id": "2021-01-04 SPX 10:40",
    "confidence": "0.600000",
    "state": "dropped",
    "dropped": {
        "code": "MIN_CONFIDENCE",
        "sentence": "Confidence 0.60 is under 0.65, the lowest that is traded.",
    },
    "decision": None,
}
SIGNAL_DETAIL: dict[str, Any] = SIGNAL | {
    "portfolio": "smart-0dte",
    "components": SENT["components"],
    "selection": {
        "contract": "SPXW  210104C03700000",
        "picked": "of 40 listed for 2021-01-04, nearest to delta 0.50: delta 0.53, 0.5% in the money",
        "confidence": 0.72,
        "calibrated": 0.69,
        "scales_with": 0.69,
        "trades": 34,
        "trades_needed": 30,
        "proven": True,
        "average_rho": None,
        "factor": 1.0,
        "score": 0.72,
        "correlation_as_of": None,
    },
    "events": [
        {"state": "new", "happened_at": "2021-01-04T15:42:07Z", "actor_name": "The night's model", "detail": ""},
        {
            "state": "accepted",
            "happened_at": "2021-01-04T15:42:08Z",
            "actor_name": "signals",
            "detail": "Entry decided: 3 contracts.",
        },
    ],
}
RECEIVED: dict[str, Any] = {"signals": [SIGNAL_NEW], "created": [True]}
REPEATED: dict[str, Any] = {"signals": [SIGNAL], "created": [False]}
EXPIRED = "It was good until 2021-01-04 15:57:05+0000; it is 16:02:10+0000. It came too late."
SHORT = "“SHORT_CALL” is refused: nothing is sold short here. A long put (LONG_PUT) is the bet that it falls."
CONFLICT = "The signal '2021-01-04 SPX 10:42' was sent before and said something else."
TAKEN = "This signal has its entry already: decision 12."

WEBHOOK: dict[str, Any] = {
    "secret": "whs_…",
    "id": "SPX 2026-03-02T15:42:05Z",
    "ticker": "SPX",
    "action": "buy",
    "confidence": "0.72",
    "time": "2026-03-02T15:42:05Z",
}
WEBHOOK_TAKEN: dict[str, Any] = {
    "id": 41,
    "external_id": "SPX 2026-03-02T15:42:05Z",
    "state": "new",
    "expires_at": "2026-03-02T15:57:05Z",
    "created": True,
}
WEBHOOK_REPEATED: dict[str, Any] = WEBHOOK_TAKEN | {"state": "accepted", "created": False}
WEBHOOK_SELL = "“sell” is refused: nothing is sold short here. A long put (LONG_PUT) is the bet that it falls."

# ---- Confidence ----

RATES: dict[str, Any] = {
    "trades": 34,
    "wins": 19,
    "win_rate": 0.5588235294,
    "low": 0.3945,
    "high": 0.7112,
    "expectancy": -0.0121,
    "expectancy_low": -0.0893,
    "expectancy_high": 0.0651,
}
TIER: dict[str, Any] = {
    "begins": 0.7,
    "ends": 0.8,
    "factor": 1.25,
    "trades": 14,
    "wins": 3,
    "win_rate": 0.2142857143,
    "low": 0.0757,
    "high": 0.4759,
    "break_even": 0.61,
    "mean_confidence": 0.74,
    "average_gain": 0.13,
    "average_loss": 0.204,
    "expectancy": -0.1324,
    "since_review": {"trades": 14, "wins": 3, "high": 0.4759, "break_even": 0.61},
    "waits_for_review": True,
    "review": None,
}
CONFIDENCE: dict[str, Any] = {
    "portfolio": "smart-0dte",
    "name": "Smart-0DTE",
    "as_of": "2021-01-04T10:42:07-05:00",
    "trades": 34,
    "trades_needed": 30,
    "trades_missing": 0,
    "scaling": "calibrated",
    "calibrates": True,
    "weight": 0.53125,
    "record": RATES,
    "mean_confidence": 0.73,
    "brier": 0.261,
    "brier_of_base": 0.2465,
    "tiers": [TIER],
    "waiting_for_review": [0.7],
    "calibration": [{"raw": 0.75, "calibrated": 0.61, "scales_with": 0.0}],
    "zero_edge_win_rate": 0.58,
    "zero_edge_expectancy": -0.0115,
    "zero_edge_basis": "entered at 09:45 and held under a stop of 25%",
    "sources": [
        {
            "slug": "night-model",
            "name": "The night's model",
            "kind": "api",
            "kind_label": "A program, by the API",
            "handling": "show",
            "enabled": True,
            "total": 61,
            "signals": {"new": 0, "accepted": 1, "dropped": 20, "expired": 6, "traded": 34},
            "bets_the_minimum": False,
            **RATES,
        }
    ],
}
REVIEW_ASKED: dict[str, Any] = {"tier": "0.7", "reason": "The source was retrained on 2020-12-28."}
REVIEW: dict[str, Any] = {
    "id": 3,
    "tier": "0.700000",
    "reviewed_at": "2021-01-04T15:42:07Z",
    "reviewed_by_name": "grace",
    "reason": "The source was retrained on 2020-12-28.",
    "trades": 14,
    "wins": 3,
}
NOTHING_TO_REVIEW = "No tier that begins there is under its break-even: there is nothing to review."
