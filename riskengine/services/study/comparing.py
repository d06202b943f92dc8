"""What came of a comparison: both reports of each day side by side, and the difference in sentences.

Plain data: money USD, fractions, times New York as the reports have them. The same reports give the same data. Only
days that both sides have a report of are compared, so that no side stands with a day more.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from accounts.selectors import differences_between
from riskengine.calculators.performance import expectancy, wilson_interval
from riskengine.models import Comparison, Replay, ReplayState
from riskengine.services.decide.inputs import known
from riskengine.services.study.asking import parsed
from riskengine.services.study.difference import difference_of
from riskengine.services.study.replay import read_parameters

SIDES = ("A", "B")
Report = Mapping[str, Any]
Row = dict[str, Any]


def state_of(replays: Sequence[Replay]) -> str:
    """Of the whole: unfinished ones first, then what went wrong."""
    states = {replay.state for replay in replays}
    if states <= {ReplayState.QUEUED}:
        return str(ReplayState.QUEUED)
    if states & {ReplayState.QUEUED, ReplayState.RUNNING}:
        return str(ReplayState.RUNNING)
    for state in (ReplayState.FAILED, ReplayState.CANCELLED):
        if state in states:
            return str(state)
    return str(ReplayState.DONE)


def progress_of(comparison: Comparison, replays: Sequence[Replay]) -> Row:
    """How far it is: by side its days, the share done of all of them, and why it stopped where it did."""
    sides = {}
    for side in SIDES:
        mine = sorted((each for each in replays if each.side == side), key=lambda each: each.number or 0)
        stopped = next((each for each in mine if each.error_code), None)
        sides[side] = {
            "share": round(sum(each.share for each in mine) / len(mine), 4) if mine else 0.0,
            "days": [
                {
                    "day": str(each.day),
                    "replay": each.pk,
                    "state": each.state,
                    "share": each.share,
                    "reached": each.reached_at,
                    "error": {"code": each.error_code, "sentence": each.error} if each.error_code else None,
                }
                for each in mine
            ],
            "stopped": stopped.error if stopped else None,
            "stopped_on": str(stopped.day) if stopped else None,
        }
    state = state_of(replays)
    return {
        "state": state,
        "unfinished": state in (ReplayState.QUEUED, ReplayState.RUNNING),
        "cancelling": any(each.cancel_requested_at and each.state == ReplayState.RUNNING for each in replays),
        "sides": sides,
        "names": names_of(comparison),
    }


def names_of(comparison: Comparison) -> dict[str, str]:
    """What each side is called: its revision, told apart where both have the same."""
    a = ("changed " if comparison.changes_a != "{}" else "") + f"revision {comparison.revision_a.number}"
    b = ("changed " if comparison.changes_b != "{}" else "") + f"revision {comparison.revision_b.number}"
    return {"A": a, "B": b} if a != b else {"A": f"A ({a})", "B": f"B ({b})"}


def compared(comparison: Comparison, replays: Sequence[Replay]) -> Row:
    """Everything that is shown of a comparison; `result` is None while no day is done on both sides."""
    return progress_of(comparison, replays) | {
        "differences": _differences(replays),
        "result": _result(names_of(comparison), _reports(replays)),
    }


def _differences(replays: Sequence[Replay]) -> list[Row]:
    """Parameters that the sides do not share, as they were replayed."""
    sides = []
    for side in SIDES:
        first = next(each for each in replays if each.side == side and each.number == 1)
        sides.append(read_parameters(parsed(first.parameters)))
    (old, old_ladders), (new, new_ladders) = sides
    found = differences_between(old, new, old_ladders, new_ladders)
    return [
        {"name": each.name, "label": each.label, "unit": each.unit, "old": each.old, "new": each.new} for each in found
    ]


def _reports(replays: Sequence[Replay]) -> list[tuple[str, dict[str, Report]]]:
    """By day, in order: the reports of both sides."""
    days: dict[int, dict[str, Replay]] = {}
    for each in replays:
        days.setdefault(each.number or 0, {})[each.side] = each
    return [
        (str(pair["A"].day), {side: json.loads(pair[side].report or "") for side in SIDES})
        for _, pair in sorted(days.items())
        if len(pair) == len(SIDES) and all(pair[side].report is not None for side in SIDES)
    ]


def _result(names: Mapping[str, str], days: list[tuple[str, dict[str, Report]]]) -> Row | None:
    if not days:
        return None
    decisions = [row for day, reports in days for row in _decisions(day, reports)]
    sides = {side: _summary([reports[side] for _, reports in days]) for side in SIDES}
    for row in decisions:
        row["sentence"] = difference_of(row, names, dated=len(days) > 1)
    differing = [row for row in decisions if row["differs"]]
    return {
        "days": [day for day, _ in days],
        "sides": sides,
        "difference": {
            name: _less(sides["B"][name], sides["A"][name]) for name in ("pnl", "end", "fees", "max_drawdown_usd")
        },
        "decisions": decisions,
        "differing": len(differing),
        "sentences": [row["sentence"] for row in decisions if row["sentence"]],
        "signals": [row for day, reports in days for row in _signals(day, reports)],
        "events": [
            row | {"side": side} for day, reports in days for side in SIDES for row in _events(day, reports[side])
        ],
        "equity": [
            {"at": a["at"], "A": a["equity"], "B": b["equity"]}
            for _, reports in days
            for a, b in zip(reports["A"]["equity"], reports["B"]["equity"], strict=True)
        ],
    }


def _summary(reports: Sequence[Report]) -> Row:
    """What a side came to over all its days. Gains are per dollar paid, after fees; drawdown is of the minute curve."""
    equity = np.array([row["equity"] for report in reports for row in report["equity"]], np.float64)
    top = np.maximum.accumulate(equity)
    positions = [row for report in reports for row in report["positions"]]
    gains = np.array([row["pnl"] / row["cost"] for row in positions if row["cost"]], np.float64)
    wins, rated = int((gains > 0.0).sum()), len(gains)
    low, high = (float(end[0]) for end in wilson_interval(np.array([wins]), np.array([rated])))
    gain = expectancy(gains)
    start, end = reports[0]["end"]["start"], reports[-1]["end"]["equity"]
    return {
        "start": start,
        "end": end,
        "pnl": round(end - start, 2) + 0.0,
        "fees": round(sum(report["end"]["fees"] for report in reports), 2),
        "max_drawdown": known(round(float(((equity - top) / top).min()), 6) + 0.0) if (top > 0).all() else None,
        "max_drawdown_usd": round(float((equity - top).min()), 2) + 0.0,
        "decisions": sum(len(report["decisions"]) for report in reports),
        "approved": sum(row["approved"] for report in reports for row in report["decisions"]),
        "trades": len(positions),
        "left_open": sum(1 for row in positions if row["contracts_open"]),
        "wins": wins,
        "win_rate": known(wins / rated) if rated else None,
        "low": known(low),
        "high": known(high),
        "expectancy": known(gain.mean),
        "expectancy_low": known(gain.low),
        "expectancy_high": known(gain.high),
        **{name: sum(len(report[name]) for report in reports) for name in ("fills", "slices", "stops", "breakers")},
    }


def _less(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else round(one - other, 2) + 0.0


def _decisions(day: str, reports: Mapping[str, Report]) -> list[Row]:
    """Decisions of both sides in the order of their times, the same question beside itself."""
    found: dict[tuple[str, str, str, int], Row] = {}
    for side in SIDES:
        report = reports[side]
        came_of = {row["decision"]: row for row in report["positions"]}
        seen: dict[tuple[str, str, str], int] = {}
        for place, decision in enumerate(report["decisions"]):
            question = (decision["at"], decision["contract"], decision["side"])
            seen[question] = seen.get(question, 0) + 1
            row = found.setdefault(
                (*question, seen[question]),
                {
                    "day": day,
                    "at": decision["at"],
                    "contract": decision["contract"],
                    "side": decision["side"],
                    "direction": decision["direction"],
                    "confidence": decision["confidence"],
                    "A": None,
                    "B": None,
                },
            )
            row[side] = _side_of(decision, came_of.get(place))
    rows = [found[key] for key in sorted(found)]
    for row in rows:
        a, b = row["A"], row["B"]
        row["differs"] = _outcome(a) != _outcome(b)
        row["gates_differ"] = sorted(set((a or {}).get("failed_gates", ())) ^ set((b or {}).get("failed_gates", ())))
    return rows


def _outcome(answer: Row | None) -> Row:
    """What came of a question, whatever else was judged on the way: waived gates and numbers in sentences."""
    return {name: value for name, value in (answer or {}).items() if name not in ("sentence", "failed_gates")}


def _side_of(decision: Row, position: Row | None) -> Row:
    return {
        "approved": decision["approved"],
        "contracts": decision["contracts"],
        "dollars": decision["dollars"],
        "refusal": decision["refusal"],
        "sentence": decision["sentence"],
        "failed_gates": sorted(decision["failed_gates"]),
        "bought": position["contracts"] if position else 0,
        "cost": position["cost"] if position else None,
        "pnl": position["pnl"] if position else None,
        "closed_at": position["closed_at"] if position else None,
        "closed_by": position["closed_by"] if position else None,
        "left_open": position["contracts_open"] if position else 0,
    }


def _signals(day: str, reports: Mapping[str, Report]) -> list[Row]:
    """Signals by their id in the order of their times, each with what became of it on either side."""
    found: dict[tuple[str, str], Row] = {}
    for side in SIDES:
        for each in reports[side].get("signals", ()):
            row = found.setdefault(
                (each["as_of"], each["signal"]),
                {
                    **{name: each[name] for name in ("signal", "as_of", "symbol", "direction", "confidence")},
                    "day": day,
                    "A": None,
                    "B": None,
                },
            )
            row[side] = {name: each[name] for name in ("state", "dropped", "sentence", "contract", "contracts")}
    rows = [found[key] for key in sorted(found)]
    return [row | {"differs": row["A"] != row["B"]} for row in rows]


def _events(day: str, report: Report) -> Iterable[Row]:
    """Fills, slices and stops of a side, by time."""
    rows: list[Row] = [
        {"what": "fill", **{k: each[k] for k in ("at", "contract", "contracts", "price")}, "how": each["side"]}
        for each in report["fills"]
    ]
    rows += [
        {
            "what": "slice", "at": each["triggered_at"], "contract": each["contract"], "contracts": each["filled"],
            "price": each["fill_price"], "how": f"tier {each['tier']}",
        }
        for each in report["slices"]
    ]  # fmt: skip
    rows += [
        {
            "what": "stop", "at": each["at"], "contract": each["contract"], "contracts": None, "price": each["stop"],
            "how": each["sentence"],
        }
        for each in report["stops"]
    ]  # fmt: skip
    return [{"day": day, **each} for each in sorted(rows, key=lambda each: (each["at"], each["what"]))]
