from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from positions.management.import_command import ImportCommand
from riskengine.models import SignalSource, SourceKind
from riskengine.services.signals.csv_rows import SignalRows


class Command(ImportCommand):
    help = (
        "Import signals of a CSV source (--source SLUG): id, symbol, direction, confidence, as_of (New York unless it "
        "has an offset); optional expires_at, contract, note."
    )
    longest_source = 50  # a slug

    def kind(self, options: dict[str, Any]) -> SignalRows:
        sources = SignalSource.objects.filter(kind=SourceKind.CSV)
        source = sources.filter(slug=options["source"].strip()).first()
        if source is None:
            known = ", ".join(sources.order_by("slug").values_list("slug", flat=True)[:10]) or "none"
            raise CommandError(
                f"There is no CSV source {options['source']!r}. Known: {known}. A risk manager makes one in the admin."
            )
        if not source.enabled:
            raise CommandError(f"{source.name} is switched off: ask a risk manager.")
        return SignalRows(source, timezone.now())
