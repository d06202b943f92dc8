from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from positions.services.demo import STARTS_AT
from positions.services.recording import restart_ended


class Command(BaseCommand):
    help = "Start the demo's recorded markets again where they have run out and nothing was ever decided in them."

    def handle(self, *args: object, **options: Any) -> None:
        for portfolio in restart_ended(at=STARTS_AT, now=timezone.now()):
            self.stdout.write(f"{portfolio.name}: the recording had run out and starts again.")
