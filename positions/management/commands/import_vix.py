from argparse import ArgumentParser
from typing import Any

from positions.management.import_command import ImportCommand
from positions.models.history import VixIndex
from positions.services.imports.index import VixDays


class Command(ImportCommand):
    help = "Import a volatility index by the session: date, open, high, low, close, in points."

    def add_kind_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--index", choices=VixIndex.values, default=VixIndex.values[0], help="which index (VIX)")

    def kind(self, options: dict[str, Any]) -> VixDays:
        return VixDays(options["index"])
