"""Base rates without an edge for tests: rows as if computed, so that no test simulates what it is not about."""

from typing import Any

from positions.models import Portfolio
from riskengine.loading.revisions import terms_in_force
from riskengine.models import ZeroEdgeRun
from riskengine.services.study.zero_edge import questions
from tests.factories import NOW


def base_rates(of: Portfolio, **changes: Any) -> list[ZeroEdgeRun]:
    """Every base rate of the account's exits in force: 58% win 13%, the others lose 20.4%, about -1%."""
    given = {
        "paths": 20_000,
        "win_rate": 0.58,
        "average_win": 0.13,
        "average_loss": 0.204,
        "expectancy": -0.01028,
        "expectancy_error": 0.0013,
        "win_rate_before_costs": 0.60,
        "expectancy_before_costs": 0.0,
        "expectancy_before_costs_error": 0.0012,
        "sample": [0.13] * 58 + [-0.204] * 42,
        "computed_at": NOW,
    }
    return [
        ZeroEdgeRun.objects.create(
            digest=each.digest, system=each.system, entry=each.entry, question=dict(each.content), **given | changes
        )
        for each in questions(of.system, terms_in_force(of.profile_id).limits)
    ]
