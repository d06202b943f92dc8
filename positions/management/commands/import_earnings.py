from argparse import ArgumentParser
from typing import Any

from positions.management.import_command import ImportCommand
from positions.services.imports.calendars import EarningsDates


class Command(ImportCommand):
    help = (
        "Import earnings dates: symbol, reports_on (New York date); optional timing "
        "(before_open, after_close, unknown)."
    )

    def add_kind_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--illustrative", action="store_true", help="the dates are not real, and are labelled so")

    def kind(self, options: dict[str, Any]) -> EarningsDates:
        return EarningsDates(is_illustrative=options["illustrative"])
