"""A comparison that is done, without replaying anything."""

import json
from datetime import date, datetime
from typing import Any

from accounts.selectors import latest_revision
from positions.models import Portfolio
from riskengine.models import AskedBy, Comparison
from riskengine.services.study.comparisons import parameters_of
from tests import factories


def finished_comparison(of: Portfolio, at: datetime, day: date) -> Comparison:
    """Of a revision with itself, on a day with one bet that lost."""
    revision = latest_revision(of.profile)
    comparison = Comparison.objects.create(
        requested_by=of.owner,
        requested_at=at,
        portfolio=of,
        revision_a=revision,
        revision_b=revision,
        asked_by=AskedBy.EXAMPLES,
    )
    for side in ("A", "B"):
        replay = factories.finished_replay(of.owner, at, day)
        replay.comparison, replay.side, replay.number, replay.share = comparison, side, 1, 1.0
        replay.parameters, replay.report = json.dumps(parameters_of(revision)), json.dumps(replay_report(day))
        replay.save()
    return comparison


def replay_report(day: date, **changes: Any) -> dict[str, Any]:
    """The report of a replayed day with one put bought at 09:49 and stopped at 10:02."""

    def at(clock: str) -> str:
        return f"{day}T{clock}-05:00"

    decision = {
        "at": at("09:49:04"), "contract": "SPXW  210104P03800000", "side": "buy", "direction": "LONG_PUT",
        "confidence": 0.66, "approved": True, "contracts": 3, "indicative_contracts": 3, "limit_price": 44.4,
        "dollars": 13_320.0, "refusal": None, "sentence": None, "failed_gates": [], "gates_waived": False,
    }  # fmt: skip
    position = {
        "decision": 0, "contract": decision["contract"], "direction": "LONG_PUT", "opened_at": at("09:49:34"),
        "closed_at": at("10:02:02"), "closed_by": "stop", "contracts": 3, "contracts_open": 0, "entry_price": 44.4,
        "cost": 13_320.0, "fees": 3.9, "pnl": -1_203.9,
    }  # fmt: skip
    stop = {
        "contract": decision["contract"], "at": at("10:02:00"), "bid": 40.4, "ask": 41.0, "stop": 40.5,
        "sentence": "The bid of $40.40 is at the stop of $40.50.",
    }  # fmt: skip
    levels = (("09:30:00", 60_000.0), ("09:50:00", 59_700.0), ("10:02:00", 58_796.1), ("16:00:00", 58_796.1))
    given = {
        "breakers": [],
        "data": {"exit_errors": [], "files": {}, "notes": []},
        "decisions": [decision],
        "end": {"start": 60_000.0, "cash": 58_796.1, "equity": 58_796.1, "realised": -1_203.9, "fees": 3.9, "open": []},
        "equity": [{"at": at(clock), "equity": usd, "cash": usd, "day_pnl": usd - 60_000.0} for clock, usd in levels],
        "fills": [
            {"at": at("09:49:34"), "contract": decision["contract"], "side": "buy", "contracts": 3, "price": 44.4,
             "fee": 1.95},
            {"at": at("10:02:02"), "contract": decision["contract"], "side": "sell", "contracts": 3, "price": 40.4,
             "fee": 1.95},
        ],
        "latency": {"count": 0, "p50": None, "p99": None},
        "orders": [],
        "positions": [position],
        "slices": [],
        "stops": [stop],
    }  # fmt: skip
    return given | changes
