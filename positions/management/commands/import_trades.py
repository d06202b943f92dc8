from typing import Any

from positions.management.import_command import ImportCommand
from positions.services.imports.options import Trades


class Command(ImportCommand):
    help = (
        "Import option trades by the bar: ts, underlying, style, expiry, right, strike, open, high, low, close, volume."
    )
    has_bars = True

    def kind(self, options: dict[str, Any]) -> Trades:
        return Trades(options["bar_minutes"])
