"""Replays of a recorded day."""

from typing import Any

REPLAY_ROWS: dict[str, Any] = {
    "date": "2021-01-04",
    "portfolio": "smart-0dte",
    "entries": [{"at": "09:40", "contract": "SPXW210104C03700000", "confidence": "0.70", "contracts": 3}],
    "parameters": {"stop_fraction": 0.25},
    "gates": False,
}
REPLAY_QUEUED: dict[str, Any] = {
    "id": 17,
    "state": "queued",
    "date": "2021-01-04",
    "portfolio": "smart-0dte",
    "parameters": {"stop_fraction": 0.25},
    "gates": False,
    "cash": None,
    "comparison": None,
    "requested_by": "ada",
    "requested_at": "2026-03-02T15:50:00Z",
    "started_at": None,
    "attempts": 0,
    "reached": None,
    "share": 0.0,
    "cancel_requested_at": None,
    "finished_at": None,
    "error": None,
}
REPLAY_RUNNING: dict[str, Any] = REPLAY_QUEUED | {
    "state": "running",
    "started_at": "2026-03-02T15:50:01Z",
    "attempts": 1,
    "reached": "2021-01-04T16:12:00Z",
    "share": 0.261538,
}
REPLAY_CANCELLED: dict[str, Any] = REPLAY_RUNNING | {
    "state": "cancelled",
    "cancel_requested_at": "2026-03-02T15:50:04Z",
    "finished_at": "2026-03-02T15:50:05Z",
}
REPLAY_CSV: dict[str, Any] = {
    "date": "2015-12-24",
    "portfolio": "mag7-7dte",
    "entries": "at,contract,side,confidence,contracts\n10:00,GOOG151231C00750000,buy,0.8,\n",
    "cash": "150000.00",
}
TOO_MANY_REPLAYS: dict[str, Any] = {
    "errors": [
        {
            "code": "TOO_MANY_REPLAYS",
            "message": "5 replays of yours are queued or running; at most 5 may be. Wait for one to end, or cancel "
            "one.",
            "field": "",
        }
    ]
}
REPLAY_NOT_DONE: dict[str, Any] = {
    "errors": [
        {
            "code": "REPLAY_NOT_DONE",
            "message": "Replay 17 is running, 26% of the day are done: it has no report yet. Ask again when its state "
            "is done.",
            "field": "",
        }
    ]
}


REPLAY_REPORT: dict[str, Any] = {
    "end": {"start": 60000.0, "cash": 61234.05, "equity": 61234.05, "realised": 1234.05, "fees": 3.9, "open": []},
    "fills": [
        {
            "at": "2021-01-04T09:41:00-05:00",
            "contract": "SPXW  210104C03700000",
            "contracts": 3,
            "fee": 1.95,
            "price": 25.8,
            "side": "buy",
        }
    ],
}
