import getpass
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.models import User
from positions.models import Portfolio
from riskengine.services.watch.kill import DEFAULT, FlattenUnconfirmed, Verb, kill


class Command(BaseCommand):
    help = (
        "The kill switch: stop entries and cancel openings of one portfolio or all; with --flatten sell everything. "
        "Stops and forced closes go on in any case."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("portfolio", nargs="?", help="its slug, e.g. smart-0dte")
        which.add_argument("--all", action="store_true", help="every portfolio")
        parser.add_argument("--reason", required=True, help="why; it is kept with the change")
        parser.add_argument("--only", choices=[*Verb], action="append", help="just this; may be given again")
        parser.add_argument("--flatten", action="store_true", help="sell every position too; asks again")
        parser.add_argument("--yes", action="store_true", help="flatten without asking again")
        parser.add_argument("--by", metavar="USERNAME", help="who does it; else your login name")

    def handle(self, *args: Any, **options: Any) -> None:
        portfolios = self._portfolios(options)
        verbs = {*(options["only"] or DEFAULT), *([Verb.FLATTEN] if options["flatten"] else [])}
        confirmed = options["yes"] or (Verb.FLATTEN in verbs and self._asked_again(portfolios))
        try:
            done = kill(
                portfolios=portfolios,
                verbs=verbs,
                reason=options["reason"],
                now=timezone.now(),
                actor=self._actor(options["by"]),
                actor_name=f"{getpass.getuser()} (command line)",
                confirmed=confirmed,
            )
        except (FlattenUnconfirmed, PermissionDenied) as refused:
            raise CommandError(str(refused)) from refused
        except ValidationError as refused:
            raise CommandError(" ".join(refused.messages)) from refused
        for each in done:
            said = each.error or f"{each.state}; {each.cancelled} openings are being cancelled."
            self.stdout.write(f"{each.portfolio.slug}: {said}")
        if any(each.error for each in done):
            raise CommandError("Not everything was done: see above, and send it again.")

    def _portfolios(self, options: dict[str, Any]) -> list[Portfolio]:
        rows = Portfolio.objects.order_by("pk")
        if options["all"]:
            return list(rows)
        found = list(rows.filter(slug=options["portfolio"]))
        if not found:
            known = ", ".join(rows.values_list("slug", flat=True)) or "none yet"
            raise CommandError(f"There is no portfolio {options['portfolio']!r}. Known: {known}.")
        return found

    def _actor(self, username: str | None) -> User | None:
        if username is None:
            return None
        try:
            return User.objects.get(username=username)
        except User.DoesNotExist:
            raise CommandError(f"There is no user {username!r}.") from None

    def _asked_again(self, portfolios: list[Portfolio]) -> bool:
        names = ", ".join(each.slug for each in portfolios)
        self.stdout.write(f"Everything that {names} holds is sold at what is bid. Type “flatten” to go on: ", ending="")
        self.stdout.flush()
        try:
            return input().strip() == "flatten"
        except EOFError:
            return False
