from typing import Any

from positions.management.import_command import ImportCommand
from positions.services.imports.options import OpenInterests


class Command(ImportCommand):
    help = "Import open interest: ts, underlying, style, expiry, right, strike, open_interest."

    def kind(self, options: dict[str, Any]) -> OpenInterests:
        return OpenInterests()
