"""Breakers, the kill switch and alerts."""

from typing import Any

TRIPPED = (
    "The day's loss of $6,210.00 has reached the daily limit of $6,000.00 (10.0% of $60,000.00). No entries for the "
    "rest of this New York date; exits go on."
)
BREAKER: dict[str, Any] = {
    "id": 3,
    "code": "loss_l2",
    "label": "L2: daily loss limit",
    "underlying": None,
    "state": "tripped",
    "session_on": "2021-01-04",
    "tripped_at": "2021-01-04T16:20:31Z",
    "value": "6210.000000",
    "limit": "6000.000000",
    "clears_at": None,
    "cleared_at": None,
    "cleared_by_name": "",
    "cleared_reason": "",
}
BREAKER_CLEARED: dict[str, Any] = BREAKER | {
    "state": "clear",
    "cleared_at": "2021-01-04T18:02:00Z",
    "cleared_by_name": "grace",
    "cleared_reason": "The fall was one wrong tick.",
}
BREAKER_EVENT: dict[str, Any] = {
    "id": 18,
    "breaker": 3,
    "code": "loss_l2",
    "kind": "tripped",
    "happened_at": "2021-01-04T16:20:31Z",
    "recorded_at": "2026-03-02T15:50:00Z",
    "actor_name": "risk check",
    "value": "6210.000000",
    "limit": "6000.000000",
    "reason": TRIPPED,
    "trace": {
        "engine": "1.0",
        "steps": [
            {
                "rule": "loss_l2",
                "label": "L2: daily loss limit",
                "unit": "USD",
                "source": "P-06, P-08",
                "input": 6210.0,
                "limit": 6000.0,
                "passed": False,
            }
        ],
        "seen": {"equity": 53790.0, "confirmed_equity": 53810.0, "basis": 60000.0},
    },
}
NOT_CLEARABLE = "L2: daily loss limit is not tripped: there is nothing to clear."
FLATTEN_UNCONFIRMED = (
    "Flattening sells every position of the portfolio at what is bid. Nothing was done: confirm it to go on."
)
KILLED: dict[str, Any] = {"portfolio": "smart-0dte", "state": "REDUCING", "cancelled": 2, "error": ""}
STATE: dict[str, Any] = {"state": "ACTIVE"}
ALERT: dict[str, Any] = {
    "id": 41,
    "portfolio": "weekly",
    "position": 7,
    "code": "FORCED_CLOSE_LATE",
    "severity": "critical",
    "title": "A position that expires today is not closed, 5 minutes are left",
    "happened": "5.0 minutes are left to the close, and 3 contracts of position 7 are still open; they are due to be "
    "sold 15 minutes before it.",
    "value": "5.000000",
    "limit": "15.000000",
    "unit": "minutes",
    "to_do": "Look at its working order and at the market. What is not sold expires: sell it at the broker if you must "
    "not hold it.",
    "market_at": "2021-01-04T20:55:00Z",
    "raised_at": "2026-03-02T15:50:00Z",
    "last_seen_at": "2026-03-02T15:55:02Z",
    "times_seen": 31,
    "stage": 1,
    "level": 1,
    "escalated_at": None,
    "acknowledged_at": None,
    "acknowledged_by": None,
    "resolved_at": None,
}
ALERT_EVENTS: list[dict[str, Any]] = [
    {"kind": "raised", "level": 0, "happened_at": "2026-03-02T15:50:00Z", "actor_name": "exit check", "detail": ""}
]

ALERT_DETAIL: dict[str, Any] = ALERT | {"events": ALERT_EVENTS}
ALERT_ACKNOWLEDGED: dict[str, Any] = ALERT_DETAIL | {
    "acknowledged_at": "2026-03-02T15:56:11Z",
    "acknowledged_by": "ada",
}

READING: dict[str, Any] = {
    "state": "known",
    "reason": "",
    "judged_at": "2021-01-04T16:20:31Z",
    "market_at": "2021-01-04T16:20:30Z",
    "positions": 2,
    "cash": "43940.00",
    "equity": "59640.00",
    "day_pnl": "-360.00",
    "drawdown_5": 0.006,
    "drawdown_20": 0.021,
    "exposure": "16060.00",
    "effective_exposure": "15710.44",
    "concentration": 0.626,
    "delta": -1412.7,
    "gamma": 88.1,
    "theta_per_day": -911.2,
    "vega_per_point": 24.3,
    "pairs": [["SPX", "QQQ", 0.9312]],
}
READING_UNKNOWN: dict[str, Any] = dict.fromkeys(READING) | {
    "state": "unknown",
    "reason": "Position 17: There is no price to hold the stop against.",
    "judged_at": "2021-01-04T16:20:31Z",
    "market_at": "2021-01-04T16:20:30Z",
    "pairs": [],
}
