from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from positions.services.demo import DemoRefused
from positions.services.demo_restart import restart_demo


class Command(BaseCommand):
    help = (
        "Begin the demo anew: fresh accounts, both markets at their start. The old accounts keep their records, under "
        "another name and switched off."
    )

    def handle(self, *args: object, **options: Any) -> None:
        try:
            portfolios = restart_demo(now=timezone.now())
        except DemoRefused as refused:
            raise CommandError(str(refused)) from refused
        for portfolio in portfolios:
            self.stdout.write(f"{portfolio.name}: ${portfolio.cash:,.0f}. {portfolio.clock.label}.")
