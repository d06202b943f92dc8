from argparse import ArgumentParser
from typing import Any

from positions.management.import_command import ImportCommand
from positions.services.imports.underlying import Fundamentals


class Command(ImportCommand):
    help = (
        "Import fundamentals: symbol, as_of; optional earnings_surprise_percent, analyst_buy_percent, "
        "analyst_sell_percent, pe_ratio, sector_pe_ratio."
    )

    def add_kind_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--illustrative", action="store_true", help="the figures are not real, and are labelled so")

    def kind(self, options: dict[str, Any]) -> Fundamentals:
        return Fundamentals(is_illustrative=options["illustrative"])
