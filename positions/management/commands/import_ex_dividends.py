from typing import Any

from positions.management.import_command import ImportCommand
from positions.services.imports.calendars import ExDividends


class Command(ImportCommand):
    help = "Import ex-dividend dates: symbol, ex_on (New York date), amount_per_share (USD)."

    def kind(self, options: dict[str, Any]) -> ExDividends:
        return ExDividends()
