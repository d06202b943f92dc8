import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from riskengine.services.decide.evaluate.run import KINDS, evaluate, listing


class Command(BaseCommand):
    help = "Run a calculator over JSON lines: one object in, one out, in order. Needs no database."
    requires_system_checks: list[str] = []  # a batch tool in a pipe: start at once

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("kind", nargs="?", help=", ".join(KINDS))
        parser.add_argument("--list", action="store_true", help="print every kind, key, default, unit and code")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["list"]:
            self.stdout.write("\n".join(listing()))
            return
        kind = KINDS.get(options["kind"] or "")
        if kind is None:
            raise CommandError(f"Name a kind: {', '.join(KINDS)}. `evaluate --list` explains them.")
        try:
            evaluate(kind, sys.stdin.buffer, sys.stdout.buffer)
        except BrokenPipeError:
            sys.stderr.close()  # the reader has gone, e.g. `| head`: that is not an error
