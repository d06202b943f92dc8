import gc
import json
import signal
import sys
import time
from argparse import ArgumentTypeError
from collections import Counter
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from betsizing.scratch import ScratchRefused
from positions.market.calendar import Session
from riskengine.services.study.recording import Files
from riskengine.services.study.replay import PORTFOLIOS, ReplayRefused, Request, Watcher, replay
from riskengine.services.study.report import text_of

MAX_BAR_MINUTES = 1440


class Command(BaseCommand):
    help = (
        "Replay a recorded day: entries decided, orders filled and exits judged by the same rules as every day, in a "
        "database of its own that is gone afterwards. Writes one JSON report; the same input gives the same bytes."
    )
    requires_system_checks: list[str] = []  # they load every page and its forms, which a replay never uses

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--quotes", type=Path, required=True, metavar="FILE", help="option quotes by the bar, CSV")
        parser.add_argument("--underlying", type=Path, required=True, metavar="FILE", help="underlying bars, CSV")
        parser.add_argument("--date", type=_day, required=True, metavar="D", help="the session to replay, YYYY-MM-DD")
        parser.add_argument("--portfolio", required=True, metavar="P", help=" or ".join(PORTFOLIOS))
        parser.add_argument("--entries", type=Path, metavar="FILE", help="CSV: at,contract,side,confidence,contracts")
        parser.add_argument(
            "--signals", type=Path, metavar="FILE", help="CSV: as_of,symbol,direction,confidence; contracts are picked"
        )
        parser.add_argument(
            "--record", type=Path, metavar="FILE", help="CSV: confidence,gain of trades closed before the day"
        )
        parser.add_argument("--report", type=Path, required=True, metavar="OUT", help="where the report goes")
        parser.add_argument("--parameters", type=Path, metavar="FILE", help="JSON: other numbers and ladders by name")
        parser.add_argument("--no-gates", action="store_true", help="entries are not refused by a gate")
        parser.add_argument("--speed", type=_speed, default=None, metavar="N", help="market seconds a second, or max")
        parser.add_argument("--cash", type=_cash, metavar="USD", help="to start with; the system's account size if not")
        parser.add_argument("--trades", type=Path, metavar="FILE", help="trades by the bar: volumes for the gates")
        parser.add_argument("--open-interest", type=Path, metavar="FILE", help="open interest for the gates")
        parser.add_argument("--bar-minutes", type=int, default=1, metavar="N", help="length of an option bar (1)")

    def handle(self, *args: Any, **options: Any) -> None:
        if not 1 <= options["bar_minutes"] <= MAX_BAR_MINUTES:
            raise CommandError(f"--bar-minutes must be from 1 to {MAX_BAR_MINUTES}.")
        out: Path = options["report"]
        if out.is_dir() or not out.absolute().parent.is_dir():
            raise CommandError(f"The report cannot be written to {out}: give a file in a folder that exists.")
        request = Request(
            files=Files(
                quotes=options["quotes"],
                underlying=options["underlying"],
                rejects=out,
                trades=options["trades"],
                open_interest=options["open_interest"],
                bar_minutes=options["bar_minutes"],
            ),
            entries=options["entries"],
            signals=options["signals"],
            record=options["record"],
            day=options["date"],
            portfolio=options["portfolio"],
            parameters=_parameters(options["parameters"]),
            gates=not options["no_gates"],
            cash=options["cash"],
        )
        gc.freeze()  # what was imported stays: the collector need not look at it again and again,
        gc.set_threshold(50_000, 20, 20)  # and what a step makes is gone with it
        before = signal.signal(signal.SIGTERM, _end)
        progress = _Progress(self, options["speed"], shown=options["verbosity"] > 0)
        try:
            result = replay(request, Watcher(progress.say, progress.reached))
        except (ReplayRefused, ScratchRefused) as refused:
            raise CommandError(str(refused)) from refused
        except KeyboardInterrupt:
            raise CommandError("Interrupted: no report was written.", returncode=130) from None
        finally:
            signal.signal(signal.SIGTERM, before)
            progress.clear()
        _write(out, result)
        progress.say(_summary(result, out))


class _Progress:
    """A line on stderr that says where the day is, where there is a terminal; and the pace of a replay that is not to
    run as fast as it can."""

    def __init__(self, command: BaseCommand, speed: float | None, *, shown: bool) -> None:
        self._command, self._speed, self._shown = command, speed, shown
        self._bar = shown and sys.stderr.isatty()
        self._last: datetime | None = None
        self._percent = -1

    def say(self, text: str) -> None:
        if self._shown:
            self.clear()
            self._write(text + "\n")

    def reached(self, session: Session, at: datetime) -> None:
        if self._speed and self._last is not None:
            time.sleep(max(0.0, (at - self._last).total_seconds() / self._speed))
        self._last = at
        share = (at - session.opens_at) / (session.closes_at - session.opens_at)
        percent = round(100 * min(max(share, 0.0), 1.0))
        if self._bar and percent != self._percent:
            self._percent = percent
            self._write(f"\r[{'#' * (percent * 30 // 100):<30}] {percent:3d}%")

    def clear(self) -> None:
        if self._bar and self._percent >= 0:
            self._write("\r\x1b[K")
            self._percent = -1

    def _write(self, text: str) -> None:
        self._command.stderr.write(text, style_func=str, ending="")
        self._command.stderr.flush()


def _write(out: Path, result: dict[str, Any]) -> None:
    """The report takes its name when it is whole."""
    part = out.with_name(f"{out.name}.part")
    try:
        part.write_text(text_of(result), encoding="utf-8")
        part.replace(out)
    except OSError as error:
        raise CommandError(f"The report cannot be written to {out}: {error.strerror}.") from error


def _summary(result: dict[str, Any], out: Path) -> str:
    end, decisions = result["end"], result["decisions"]
    approved = sum(decision["approved"] for decision in decisions)
    done = (
        f"{_heard(result)}{len(decisions)} entries, {approved} approved; "
        f"{len(result['fills'])} fills, {len(result['slices'])} slices, {len(result['stops'])} stops. "
        f"Cash {end['cash']:,.2f}, equity {end['equity']:,.2f}, realised {end['realised']:,.2f}, "
        f"fees {end['fees']:,.2f}, {len(end['open'])} positions carried. Report: {out}"
    )
    lines = [done]
    for what, file in result["data"]["files"].items():
        if file["rejected"]:
            reasons = "; ".join(f"{reason} ({count:,})" for reason, count in file["reasons"].items())
            lines.append(f"{file['rejected']:,} {what} rows rejected: {reasons}. See {out.name}.{what}.rejects.csv")
    return "\n".join(lines)


def _heard(result: dict[str, Any]) -> str:
    """ "3 signals (1 dropped, 2 traded), "."""
    heard = result.get("signals")
    if heard is None:
        return ""
    states = Counter(each["state"] for each in heard)
    return f"{len(heard)} signals ({', '.join(f'{count} {state}' for state, count in sorted(states.items()))}), "


def _parameters(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise CommandError(f"{path} is not JSON: {error}.") from error
    if not isinstance(found, dict):
        raise CommandError(f"{path} must hold one JSON object: parameters and ladders by name.")
    return found


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no date (YYYY-MM-DD)") from None


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise ArgumentTypeError(f"{text!r}: give market seconds a second, above 0, or max")
    return speed


def _cash(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise ArgumentTypeError(f"{text!r} is no amount") from None
    if not (amount.is_finite() and amount > 0 and amount == round(amount, 2)):
        raise ArgumentTypeError(f"{text!r}: give dollars above 0, with at most two decimals")
    return amount


def _end(number: int, frame: FrameType | None) -> None:
    """SIGTERM ends a replay as Ctrl-C does: its database goes with it."""
    raise KeyboardInterrupt
