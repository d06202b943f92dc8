from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from positions.market.clock import market_now
from positions.models import Portfolio
from positions.services.demo import STARTS_AT
from positions.services.demo_restart import resume_demo
from positions.services.recording import restart_ended


class Command(BaseCommand):
    help = (
        "Let the demo's markets go on where they stood when the product was stopped, and start a recording again where "
        "it has run out and nothing was ever decided in it."
    )

    def handle(self, *args: object, **options: Any) -> None:
        now = timezone.now()
        for portfolio in resume_demo(now=now):
            self.stdout.write(f"{portfolio.name}: its market stood still while nothing ran, and goes on.")
        for portfolio in restart_ended(at=STARTS_AT, now=now):
            self.stdout.write(f"{portfolio.name}: the recording had run out and starts again.")
        for portfolio in Portfolio.objects.filter(slug__in=STARTS_AT, is_demo=True).select_related("clock"):
            if market_now(portfolio.clock, now) == portfolio.clock.market_ends_at:
                self.stdout.write(f"{portfolio.name}: its recorded day is over. Begin anew: manage.py restart_demo")
