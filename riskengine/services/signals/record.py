"""What the closed trades say: of each source of signals, and of each tier of confidence."""

from collections.abc import Sequence

from django.db import connection

_TRADES = """
    SELECT s.source_id, count(*)
    FROM riskengine_signal s
    JOIN positions_decision d ON d.id = s.decision_id
    JOIN positions_position p ON p.status = 'closed' AND p.decision_id IN (
        SELECT d.id UNION ALL
        SELECT c.id FROM positions_decision c
        WHERE c.portfolio_id = d.portfolio_id AND c.idempotency_key = 'confirm:' || d.id
    )
    WHERE s.source_id = ANY(%s) GROUP BY s.source_id
"""


def closed_trades_by_source(source_ids: Sequence[int]) -> dict[int, int]:
    """How many closed positions came from the signals of each source."""
    with connection.cursor() as cursor:
        cursor.execute(_TRADES, [list(source_ids)])
        return dict(cursor.fetchall())
