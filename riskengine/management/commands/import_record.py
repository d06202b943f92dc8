from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from positions.management.import_command import ImportCommand
from positions.models import Portfolio
from riskengine.services.signals.prior import PriorTrades


class Command(ImportCommand):
    help = (
        "Import trades that an account closed before it was run here: id, confidence, gain (P&L after fees per dollar "
        "paid), closed_at (New York). They count in its record of confidence and nowhere else."
    )

    def add_kind_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--portfolio", required=True, metavar="SLUG", help="whose trades they were")

    def kind(self, options: dict[str, Any]) -> PriorTrades:
        portfolio = Portfolio.objects.filter(slug=options["portfolio"]).first()
        if portfolio is None:
            known = ", ".join(Portfolio.objects.order_by("slug").values_list("slug", flat=True)[:10]) or "none"
            raise CommandError(f"There is no portfolio {options['portfolio']!r}. Known: {known}.")
        return PriorTrades(portfolio)
