from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from positions.services.demo import STARTS_AT
from positions.services.recording import restart_ended
from positions.services.simulated import resume_simulated


class Command(BaseCommand):
    help = (
        "Let the demo's markets go on: a simulated one where it was last run, a recorded one from its start "
        "where it has run out and nothing was ever decided in it."
    )

    def handle(self, *args: object, **options: Any) -> None:
        for portfolio in resume_simulated(now=timezone.now()):
            self.stdout.write(f"{portfolio.name}: the simulated market stood still and goes on.")
        for portfolio in restart_ended(at=STARTS_AT, now=timezone.now()):
            self.stdout.write(f"{portfolio.name}: the recording had run out and starts again.")
