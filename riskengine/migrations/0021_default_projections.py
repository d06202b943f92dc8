"""The figures that came with the systems (A-07), and who may enter others."""

from decimal import Decimal

from django.db import migrations

from accounts.services import ensure_groups

SOURCE = "Companion analysis of the source document (SPEC A-07)"
FIGURES = ("annual_return", "max_drawdown", "sharpe", "win_rate", "average_win", "average_loss")
DEFAULTS = {
    "smart-0dte": ("0.70 0.90", "0.25 0.35", "1.2 1.4", "0.60 0.65", "0.12 0.15", "0.08 0.10"),
    "mag7-7dte": ("1.00 1.20", "0.30 0.40", "1.5 1.7", "0.57 0.63", "0.18 0.22", "0.12 0.15"),
}


def enter(apps, schema_editor):
    projection = apps.get_model("riskengine", "Projection")
    for system, given in DEFAULTS.items():
        if projection.objects.filter(system=system).exists():
            continue  # gone backwards and forwards again: rows are never deleted
        low_high = [each.split() for each in given]
        figures = {f"{name}_low": Decimal(low) for name, (low, _) in zip(FIGURES, low_high)}
        figures |= {f"{name}_high": Decimal(high) for name, (_, high) in zip(FIGURES, low_high)}
        projection.objects.create(
            system=system, source=SOURCE, author_name="betsizing", reason="The figures that came with the system.",
            **figures,
        )
    ensure_groups()


class Migration(migrations.Migration):
    dependencies = [("riskengine", "0020_projections")]

    operations = [migrations.RunPython(enter, migrations.RunPython.noop)]
