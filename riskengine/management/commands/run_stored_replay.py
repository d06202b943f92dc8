import gc
import os
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from riskengine.services.study.stored import run_stored

NICENESS = 10  # checks and orders come first


class Command(BaseCommand):
    help = "Carry out one replay that was asked for over the API. The worker of the queue work starts it."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("replay", type=int)
        parser.add_argument("attempt", type=int)

    def handle(self, *, replay: int, attempt: int, **_: Any) -> None:
        os.nice(NICENESS)
        gc.freeze()  # as in `manage.py replay`
        gc.set_threshold(50_000, 20, 20)
        run_stored(replay, attempt)
