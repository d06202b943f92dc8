"""manage.py issue_token maria "nightly report" --scope read --days 90"""

from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.models import Scope, User
from accounts.services import issue_token


class Command(BaseCommand):
    help = "Issue an API token. The secret is printed once, on standard output, and is not stored."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("name", help="what will use it, for example “nightly report”")
        parser.add_argument(
            "--scope",
            dest="scopes",
            action="append",
            choices=Scope.values,
            help="what it may do; give it again for more (default: read)",
        )
        parser.add_argument("--days", type=int, default=90, help="how long it is valid (default: 90)")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            user = User.objects.get(username=options["username"], is_active=True)
        except User.DoesNotExist:
            raise CommandError(f"There is no active user {options['username']!r}.") from None
        try:
            token, secret = issue_token(
                user=user,
                name=options["name"],
                scopes=options["scopes"] or [Scope.READ],
                now=timezone.now(),
                valid_for=timedelta(days=options["days"]),
            )
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        self.stderr.write(
            f"Token {token} for {user}: {', '.join(token.scopes)}, until {token.expires_at:%Y-%m-%d} UTC."
        )
        self.stdout.write(secret)
