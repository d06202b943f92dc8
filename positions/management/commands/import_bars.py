from typing import Any

from positions.management.import_command import ImportCommand
from positions.services.imports.underlying import Bars


class Command(ImportCommand):
    help = "Import bars of underlyings: ts, symbol, open, high, low, close, volume."
    has_bars = True

    def kind(self, options: dict[str, Any]) -> Bars:
        return Bars(options["bar_minutes"])
