from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from positions.management.import_command import ImportCommand
from positions.recorded import OVERRIDES
from positions.services.imports.sessions import Sessions, read_overrides


class Command(ImportCommand):
    help = "Import exchange sessions: session, open_utc, close_utc, early. Overrides are laid over them."

    def add_kind_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--exchange", default="XNYS", help="exchange calendar (XNYS)")
        parser.add_argument(
            "--overrides",
            type=Path,
            default=OVERRIDES,
            help="days the file is wrong about: session, opens, closes, reason",
        )

    def kind(self, options: dict[str, Any]) -> Sessions:
        return Sessions(read_overrides(options["overrides"]), options["exchange"])
