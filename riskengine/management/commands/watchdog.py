"""For cron and outside dead-man switches: do the clocks go?"""

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from django.utils import timezone

from riskengine.services.watch.watchdog import STALE_AFTER, sound_alarm, survey


class Command(BaseCommand):
    help = (
        "Say whether every portfolio is being checked. Exit code 0: yes. 1: no, with a sentence; the alert is raised "
        "and sent from here, so that it also leaves when beat and workers stand still. Run it every minute from cron."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--max-age",
            type=float,
            default=STALE_AFTER.total_seconds(),
            metavar="SECONDS",
            help="how old the last risk check and the last tick of the clock may be (default: %(default)g)",
        )
        parser.add_argument("--quiet", action="store_true", help="only the exit code and the sentence: raise no alert")

    def handle(self, *, max_age: float, quiet: bool, **_: Any) -> None:
        if not 1 <= max_age <= 86_400:
            raise CommandError("--max-age is between 1 and 86400 seconds.")
        now = timezone.now()
        try:
            found = survey(now=now, max_age=timedelta(seconds=max_age))
            if found.problems and not quiet:
                sound_alarm(found, now=now)
        except DatabaseError as error:
            raise CommandError(f"The database cannot be asked: {str(error).strip()}") from error
        if found.problems:
            raise CommandError(" ".join(found.problems))
        self.stdout.write(
            f"{found.portfolios} portfolios, the oldest check {found.check_age or 0:.0f} s ago, the clock "
            f"{found.beat_age or 0:.0f} s ago; the limit is {max_age:g} s."
        )
