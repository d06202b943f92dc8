from typing import Any

from positions.management.import_command import ImportCommand
from positions.services.imports.underlying import Closes


class Command(ImportCommand):
    help = "Import daily closes: date, symbol, close, adj_close; optional open, high, low, volume."

    def kind(self, options: dict[str, Any]) -> Closes:
        return Closes()
