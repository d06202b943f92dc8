"""Comparisons of two revisions."""

from typing import Any

ASKED: dict[str, Any] = {"portfolio": "smart-0dte", "days": ["2021-01-04"], "revision_a": 3, "revision_b": 4}
ASKED_CHANGED: dict[str, Any] = {
    "portfolio": "smart-0dte",
    "days": ["2021-01-04"],
    "revision_a": 3,
    "revision_b": 3,
    "changes_b": {"stop_fraction": "0.30"},
    "asked_by": "entries",
    "entries": [{"at": "2021-01-04 09:49:04", "contract": "SPXW210104P03800000", "confidence": "0.66"}],
    "cash": "60000.00",
}
_DAY: dict[str, Any] = {
    "day": "2021-01-04", "replay": 17, "state": "queued", "share": 0.0, "reached": None, "error": None,
}  # fmt: skip
_A: dict[str, Any] = {"name": "revision 3", "revision": 3, "changes": {}, "share": 0.0, "days": [_DAY]}
_B: dict[str, Any] = {
    "name": "revision 4", "revision": 4, "changes": {}, "share": 0.0, "days": [_DAY | {"replay": 18}],
}  # fmt: skip
QUEUED: dict[str, Any] = {
    "id": 5,
    "portfolio": "smart-0dte",
    "state": "queued",
    "requested_by": "ada",
    "requested_at": "2026-03-02T15:50:00Z",
    "asked_by": "examples",
    "gates": True,
    "cash": None,
    "a": _A,
    "b": _B,
}
RUNNING: dict[str, Any] = QUEUED | {
    "state": "running",
    "a": _A
    | {"share": 0.2615, "days": [_DAY | {"state": "running", "share": 0.261538, "reached": "2021-01-04T16:12:00Z"}]},
}
CANCELLED: dict[str, Any] = QUEUED | {
    "state": "cancelled",
    "a": _A | {"days": [_DAY | {"state": "cancelled"}]},
    "b": _B | {"days": [_DAY | {"replay": 18, "state": "cancelled"}]},
}
_END: dict[str, Any] = {"share": 1.0, "reached": "2021-01-04T21:00:00Z", "state": "done"}
DONE: dict[str, Any] = QUEUED | {
    "state": "done",
    "a": _A | {"share": 1.0, "days": [_DAY | _END]},
    "b": _B | {"share": 1.0, "days": [_DAY | _END | {"replay": 18}]},
    "differences": [
        {"name": "min_confidence_threshold", "label": "Lowest tradable confidence", "unit": "fraction", "old": "65.0%",
         "new": "70.0%"}
    ],
    "result": {
        "days": ["2021-01-04"],
        "differing": 1,
        "sentences": [
            (
                "Under revision 4 the 09:49 entry of SPXW 3,800P is refused (MIN_CONFIDENCE); under revision 3 it made "
                "−$1,204 (stop, 10:02)."
            )
        ],
        "difference": {"pnl": 1204.0, "end": 1204.0, "fees": -3.9, "max_drawdown_usd": 1204.0},
    },
}  # fmt: skip
TOO_MANY: dict[str, Any] = {
    "errors": [
        {
            "code": "TOO_MANY_COMPARISONS",
            "message": "2 comparisons of yours are not finished; at most 2 may be. Wait for one to end, or cancel one.",
            "field": "",
        }
    ]
}
