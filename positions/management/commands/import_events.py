from typing import Any

from positions.management.import_command import ImportCommand
from positions.services.imports.calendars import Events


class Command(ImportCommand):
    help = (
        "Import events without entries (FOMC, CPI): starts_at, ends_at (New York time), reason; optional symbol "
        "(empty: all)."
    )

    def kind(self, options: dict[str, Any]) -> Events:
        return Events()
