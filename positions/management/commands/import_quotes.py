from typing import Any

from positions.management.import_command import ImportCommand
from positions.services.imports.options import Quotes


class Command(ImportCommand):
    help = "Import option quotes: ts, underlying, style, expiry, right, strike, bid, bid_size, ask, ask_size."
    has_bars = True

    def kind(self, options: dict[str, Any]) -> Quotes:
        return Quotes(options["bar_minutes"])
