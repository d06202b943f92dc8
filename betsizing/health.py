"""For whoever supervises the product: is the process alive, and does the product do its work?"""

from typing import Any

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from riskengine.services.watch.watchdog import survey

SERVICE_UNAVAILABLE = 503


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Alive. Touches nothing, so that a lost database does not get a healthy process killed."""
    return HttpResponse("ok\n", content_type="text/plain")


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Able to work: the database is reached and as new as the code, every portfolio is being checked, the clock ticks.

    200, or 503 with `problems` in words. Whoever asks need not sign in, so it names no portfolio and no address.
    """
    found = _state()
    return JsonResponse(found, status=200 if found["ready"] else SERVICE_UNAVAILABLE)


def _state() -> dict[str, Any]:
    found: dict[str, Any] = {
        "ready": False,
        "database": False,
        "migrated": None,
        "portfolios": None,
        "oldest_check_seconds": None,
        "clock_seconds": None,
        "problems": [],
    }
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        found["database"] = True
        executor = MigrationExecutor(connection)
        found["migrated"] = not executor.migration_plan(executor.loader.graph.leaf_nodes())
        if not found["migrated"]:
            found["problems"] = ["The database is older than the code: run manage.py migrate."]
            return found
        clocks = survey(now=timezone.now())
    except DatabaseError:
        found["problems"] = ["The database cannot be reached."]
        return found
    return found | {
        "ready": not clocks.problems,
        "portfolios": clocks.portfolios,
        "oldest_check_seconds": _rounded(clocks.check_age),
        "clock_seconds": _rounded(clocks.beat_age),
        "problems": clocks.problems,
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
