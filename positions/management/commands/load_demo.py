import os
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from positions.services.demo import DemoRefused, load_demo


class Command(BaseCommand):
    help = (
        "Make the demo when there is no portfolio yet: a portfolio in a recorded and one in a simulated market, "
        "and a user whose password is printed once (or taken from BETSIZING_DEMO_PASSWORD)."
    )

    def handle(self, *args: object, **options: Any) -> None:
        chosen = os.environ.get("BETSIZING_DEMO_PASSWORD", "")
        try:
            demo = load_demo(now=timezone.now(), password=chosen)
        except DemoRefused as refused:
            raise CommandError(str(refused)) from refused
        except ValidationError as error:
            raise CommandError(f"BETSIZING_DEMO_PASSWORD: {' '.join(error.messages)}") from error
        if demo is None:
            self.stdout.write("There is a portfolio already: no demo was made.")
            return
        self.stdout.write(f"Demo: {len(demo.portfolios)} portfolios, {demo.rows_imported:,} rows of recorded markets.")
        for portfolio in demo.portfolios:
            self.stdout.write(f"  {portfolio.name}: ${portfolio.cash:,.0f}. {portfolio.clock.label}.")
        shown = "the password in BETSIZING_DEMO_PASSWORD" if chosen else f"the password {demo.password}"
        self.stdout.write(f"Sign in as {demo.username} with {shown}")
        if not chosen:
            self.stdout.write(f"It is shown this once. Another: manage.py changepassword {demo.username}")
