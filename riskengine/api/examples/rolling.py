"""The rollout as the schema shows it."""

ITEM = {
    "code": "TRADES",
    "label": "Closed trades since then",
    "value": "12",
    "limit": "at least 30",
    "passed": False,
    "to_do": "18 more, opened on paper since 2021-01-04.",
    "source": "P-28",
    "advice": False,
    "holds_up": True,
}
STEP = {
    "id": 3,
    "at": "2021-01-04T10:42:07-05:00",
    "kind": "back",
    "from": "paper",
    "to": "off",
    "by": "manager",
    "reason": "The feed is being changed.",
    "items": [],
}
ROLLOUT = {
    "portfolio": "smart-0dte",
    "as_of": "2021-01-04T10:42:07-05:00",
    "mode": "paper",
    "next": "live-manual",
    "counts_since": "2021-01-04T09:30:00-05:00",
    "ready": False,
    "lacking": ["Closed trades since then"],
    "items": [ITEM],
    "steps": [STEP],
    "triggers": [],
}
ASKED = {"from_mode": "paper", "to_mode": "off", "name": "Smart-0DTE", "reason": "The feed is being changed."}
LACKING = "Not yet: 1 of its items stand in the way: Closed trades since then."
