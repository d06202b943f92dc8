"""A review of an account's week (its snapshot shortened to account and record), and the report of one of its days."""

from typing import Any

_RECORD = {
    "n": 2,
    "rated": 2,
    "wins": 1,
    "win_rate": 0.5,
    "low": 0.094531,
    "high": 0.905469,
    "expectancy": 0.025,
    "expectancy_low": -0.927965,
    "expectancy_high": 0.977965,
    "verdict": "luck",
    "pnl": 1000.0,
    "fees": 62.4,
    "cost": 40000.0,
}
_ACCOUNT = {
    "name": "Mag7-7DTE",
    "slug": "mag7-7dte",
    "mode": "paper",
    "state": "ACTIVE",
    "kind": "weekly",
    "period": "week of 4 Jan 2021",
    "first": "2021-01-04",
    "last": "2021-01-08",
    "made_at": "2021-01-08T17:00:21-05:00",
}
_QUESTIONS = {
    "followed": "Did every bet follow its decision: size, price, stop?",
    "refused": "What was refused, and was that right?",
    "exits": "Which exits were late, partial or forced, and what did that cost?",
    "luck": "Can the record be told from luck? With how many trades, and which interval?",
    "unanswered": "Which alerts and tripped breakers did nobody answer in time, and why?",
}
_ANSWERS = {
    "followed": "Both did.",
    "refused": "Two for VIX above 40; the week would have been worse with them.",
    "exits": "One stop, sold within 4 s.",
    "luck": "No: 2 trades, the interval of the expectancy reaches from −93% to +98%.",
    "unanswered": "One warning, 3 minutes late.",
}
ROW: dict[str, Any] = {
    "id": 12,
    "kind": "weekly",
    "period_start": "2021-01-04",
    "period_end": "2021-01-08",
    "due_at": "2021-01-08T22:00:00Z",
    "made_at": "2021-01-08T22:00:21Z",
    "state": "open",
    "decision": "",
    "reason": "",
    "decided_by_name": "",
    "decided_at": None,
    "revision": None,
    "awaits_revision": False,
}
REVIEW: dict[str, Any] = ROW | {
    "questions": [{"code": code, "text": text, "answer": ""} for code, text in _QUESTIONS.items()],
    "comments": [
        {"author_name": "anna", "written_at": "2021-01-08T22:10:00Z", "text": "Look at the stop of Wednesday."}
    ],
    "snapshot": {"version": 1, "account": _ACCOUNT, "record": _RECORD},
}
ASKED: dict[str, Any] = {
    "answers": _ANSWERS,
    "decision": "change",
    "reason": "The worst of a 5% move was above its limit on two nights.",
    "revision": 4,
}
_DECIDED: dict[str, Any] = {
    "state": "decided",
    "decision": "change",
    "reason": ASKED["reason"],
    "decided_by_name": "anna",
    "decided_at": "2021-01-08T22:30:00Z",
    "revision": 4,
}
ROW_DECIDED: dict[str, Any] = ROW | _DECIDED
DECIDED: dict[str, Any] = (
    REVIEW
    | _DECIDED
    | {"questions": [{"code": code, "text": text, "answer": _ANSWERS[code]} for code, text in _QUESTIONS.items()]}
)
ALREADY_DECIDED = (
    "anna has decided this review already: Keep: nothing changes. It does not change any more; write a comment, or "
    "decide the next one."
)
NOT_HALTED = "Nothing was done: the lock was not had within 2 s. Send it again."
NOT_AFTER = "Revision 3 did not come into force after this review was made: name one that did."
DAY: dict[str, Any] = {
    "session_on": "2021-01-06",
    "made_at": "2021-01-06T21:15:14Z",
    "text": "Mag7-7DTE, Wed 6 Jan 2021\nMag7-7DTE, Paper\n\nDecided: 0 approved, 2 refused\n...",
    "contents": {
        "version": 1,
        "session": "2021-01-06",
        "approved": 0,
        "refused": 2,
        "equity": {"start": 102000.0, "end": 101000.0, "deposits": 0.0, "profit": -1000.0, "return": -0.009804},
    },
}
