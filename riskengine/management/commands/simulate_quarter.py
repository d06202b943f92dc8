import sys
import time
from argparse import ArgumentTypeError
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.defaults import MAG7_7DTE, SYSTEMS
from accounts.models import User
from positions.market.calendar import OutsideCalendar, new_york_date
from positions.market_selectors import exchange_calendar
from positions.services.demo import USERNAME
from riskengine.services.study.quarter import Lived, simulate
from riskengine.services.study.quarter_span import QuarterRefused, Request, last_quarter, rest_of_quarter


class Command(BaseCommand):
    help = (
        "Make a paper portfolio that has lived through a quarter of a made-up market: every signal, entry, exit and "
        "settlement by the rules of every day. The same seed and first day give the same trades. Ctrl-C keeps whole "
        "sessions; the same command goes on from there."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--system", choices=SYSTEMS, default=MAG7_7DTE)
        parser.add_argument("--seed", type=int, default=1, metavar="N")
        parser.add_argument("--sessions", type=int, metavar="N", help="how many; to the end of that quarter if none")
        parser.add_argument("--slug", default="", metavar="NAME", help="of the portfolio (quarter-<system>-<seed>)")
        parser.add_argument("--owner", default="", metavar="USER", help="whose it is; the demo's user if there is one")
        parser.add_argument(
            "--from", type=_day, dest="first_day", metavar="D", help="first day, YYYY-MM-DD; the last whole quarter's"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        started, today = time.perf_counter(), new_york_date(timezone.now())
        try:
            calendar = exchange_calendar()
            given = options["first_day"]
            first_day = calendar.on_or_after(given).day if given else last_quarter(calendar, today)
            sessions = options["sessions"]
            request = Request(
                system=options["system"],
                seed=options["seed"],
                sessions=rest_of_quarter(calendar, first_day) if sessions is None else sessions,
                slug=options["slug"] or f"quarter-{options['system']}-{options['seed']}",
                owner=_owner(options["owner"]),
                first_day=first_day,
            )
            portfolio = simulate(request, wall=timezone.now, tell=lambda lived: self._tell(lived, request.sessions))
        except (QuarterRefused, OutsideCalendar) as refused:
            raise CommandError(str(refused)) from refused
        except KeyboardInterrupt:
            self.stderr.write("")
            raise CommandError(
                "Interrupted: what was lived through is kept, and the same command goes on from there.", returncode=130
            ) from None
        self.stdout.write(
            f"{portfolio.name}: {portfolio.positions.count()} bets, cash ${portfolio.cash:,.2f}, state "
            f"{portfolio.state}, in {time.perf_counter() - started:.0f} s. See /portfolios/{portfolio.slug}/."
        )

    def _tell(self, lived: Lived, sessions: int) -> None:
        line = f"session {lived.number} of {sessions} ({lived.day}): {lived.closed} trades, cash ${lived.cash:,.2f}"
        if sys.stderr.isatty():  # one line that changes
            self.stderr.write(f"\r{line:<78}", ending="\n" if lived.number == sessions else "", style_func=str)
        else:
            self.stderr.write(line, style_func=str)
        self.stderr.flush()


def _owner(username: str) -> User:
    """The one named; else the demo's user, else the only one there is."""
    found = User.objects.filter(username=username or USERNAME).first()
    if found is None and not username and User.objects.count() == 1:
        found = User.objects.get()
    if found is None:
        said = f"There is no user {username!r}." if username else "Say whose portfolio it is: --owner USER."
        raise CommandError(said)
    return found


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no date (YYYY-MM-DD)") from None
