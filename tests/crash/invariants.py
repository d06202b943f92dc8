"""What must hold at any moment of a running product, whatever was killed: asked of the database in one snapshot.

Each statement returns the rows that break its rule; a rule is its name, and no row is what is wanted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from psycopg2 import extensions

BUSY, GUARDED = "busy", "guarded"  # the portfolios of `trading`
LIVE = "('planned', 'submitting', 'working', 'cancelling', 'unknown')"

RULES: Mapping[str, str] = {
    "exposure is within the profile's cap": f"""
        SELECT p.slug, e.cost, r.reserved, e.cap FROM positions_portfolio p
        JOIN LATERAL (
            SELECT coalesce((SELECT sum(quantity_open * average_entry_price * 100) FROM positions_position
                             WHERE portfolio_id = p.id), 0) AS cost,
                   (SELECT v.max_total_exposure * CASE WHEN p.system = 'smart-0dte'
                        THEN least(v.account_size, s.equity_start_of_day) ELSE s.equity_start_of_day END
                    FROM accounts_riskprofilerevision v, positions_equitysnapshot s
                    WHERE v.profile_id = p.profile_id AND s.portfolio_id = p.id
                    ORDER BY v.number DESC, s.session_on DESC LIMIT 1) AS cap) e ON true
        JOIN LATERAL (
            SELECT coalesce(sum((quantity - filled_quantity) * worst_price * 100), 0) AS reserved FROM positions_order
            WHERE portfolio_id = p.id AND intent = 'open' AND parent_id IS NULL AND status IN {LIVE}) r ON true
        WHERE e.cost + r.reserved > e.cap""",
    "settled cash is not below 0": """
        SELECT slug, settled_cash, cash FROM positions_portfolio WHERE settled_cash < 0 OR cash < 0""",
    "cash is the sum of the ledger": """
        SELECT p.slug, p.cash, sum(m.amount) FROM positions_portfolio p
        LEFT JOIN positions_cashmovement m ON m.portfolio_id = p.id
        GROUP BY p.id HAVING p.cash <> coalesce(sum(m.amount), 0)""",
    "cash is start + sells - buys - fees + settlements": """
        SELECT p.slug, p.cash, f.flow, o.other FROM positions_portfolio p
        JOIN LATERAL (
            SELECT coalesce(sum(f.quantity * f.price * 100 * CASE o.side WHEN 'sell' THEN 1 ELSE -1 END - f.fee), 0)
                AS flow
            FROM positions_fill f JOIN positions_order o ON o.id = f.order_id WHERE o.portfolio_id = p.id) f ON true
        JOIN LATERAL (
            SELECT coalesce(sum(amount), 0) AS other FROM positions_cashmovement
            WHERE portfolio_id = p.id AND kind IN ('deposit', 'withdrawal', 'settlement', 'adjustment')) o ON true
        WHERE p.cash <> round(o.other + f.flow, 2)""",
    "what is open is what was bought less what was sold": """
        SELECT p.id, p.quantity_opened, p.quantity_open, b.bought, b.sold FROM positions_position p
        JOIN LATERAL (
            SELECT coalesce(sum(f.quantity) FILTER (WHERE o.side = 'buy'), 0) AS bought,
                   coalesce(sum(f.quantity) FILTER (WHERE o.side = 'sell'), 0) AS sold
            FROM positions_fill f JOIN positions_order o ON o.id = f.order_id WHERE f.position_id = p.id) b ON true
        WHERE b.bought <> p.quantity_opened OR b.sold > p.quantity_opened
           OR (p.close_cause NOT IN ('settled', 'expired') AND p.quantity_open <> p.quantity_opened - b.sold)""",
    "a signal has one entry, and knows it": """
        SELECT d.id, d.idempotency_key, s.id, s.state FROM positions_decision d
        LEFT JOIN riskengine_signal s ON s.decision_id = d.id
        WHERE starts_with(d.idempotency_key, 'signal:') AND d.idempotency_key IS DISTINCT FROM 'signal:' || s.id""",
    "a traded signal has its position, a dropped one its reason": """
        SELECT s.id, s.state, s.decision_id FROM riskengine_signal s
        WHERE s.state = 'traded' AND NOT EXISTS (SELECT FROM positions_position p WHERE p.decision_id = s.decision_id)
           OR s.state = 'dropped' AND s.dropped_code = ''""",
    "no slice is closed twice": """
        SELECT s.position_id, s.number, s.contracts_filled, t.taken, t.so_far FROM positions_exitslice s
        JOIN positions_position p ON p.id = s.position_id
        JOIN LATERAL (
            SELECT coalesce(sum(k.contracts) FILTER (WHERE k.slice_id = s.id), 0) AS taken,
                   coalesce(sum(k.contracts), 0) AS so_far
            FROM positions_partialprofittaking k JOIN positions_exitslice e ON e.id = k.slice_id
            WHERE e.position_id = s.position_id AND e.number <= s.number) t ON true
        WHERE t.taken <> s.contracts_filled
           OR t.so_far > (p.quantity_opened * s.cumulative_share_ten_thousandths + 5000) / 10000""",
    "live exits sell no more than is open": f"""
        SELECT p.id, p.quantity_open, sum(o.quantity - o.filled_quantity) FROM positions_position p
        JOIN positions_order o ON o.position_id = p.id AND o.side = 'sell' AND o.parent_id IS NOT NULL
            AND o.status IN {LIVE}
        GROUP BY p.id HAVING sum(o.quantity - o.filled_quantity) > p.quantity_open""",
    "the stop only rises": """
        SELECT position_id, stop, before FROM (
            SELECT e.position_id, (e.after->>'stop')::numeric AS stop, (e.before->>'stop')::numeric AS started,
                   lag((e.after->>'stop')::numeric) OVER (PARTITION BY e.position_id ORDER BY e.id) AS before
            FROM positions_positionevent e WHERE e.kind IN ('stop_raised', 'stop_tightened')) w
        WHERE stop < before OR stop < started OR started < before
        UNION ALL
        SELECT p.id, p.current_stop, max((e.after->>'stop')::numeric) FROM positions_position p
        JOIN positions_positionevent e ON e.position_id = p.id AND e.kind IN ('stop_raised', 'stop_tightened')
        GROUP BY p.id HAVING p.current_stop < max((e.after->>'stop')::numeric)""",
    "the high-water mark only rises": """
        SELECT position_id, high_water, before FROM (
            SELECT e.position_id, (e.after->>'high_water')::numeric AS high_water,
                   lag((e.after->>'high_water')::numeric) OVER (PARTITION BY e.position_id ORDER BY e.id) AS before
            FROM positions_positionevent e WHERE e.kind IN ('stop_raised', 'stop_tightened')) w
        WHERE high_water < before""",
    "a breaker is tripped exactly when its last change says so": """
        SELECT b.portfolio_id, b.code, b.state, e.kind FROM riskengine_breaker b
        LEFT JOIN LATERAL (SELECT kind FROM riskengine_breakerevent WHERE breaker_id = b.id
            AND kind IN ('tripped', 'cleared') ORDER BY id DESC LIMIT 1) e ON true
        WHERE (b.state = 'tripped') <> coalesce(e.kind = 'tripped', false)""",
    "a breaker trips once until it is cleared": """
        SELECT breaker_id, kind, before FROM (
            SELECT breaker_id, kind, lag(kind) OVER (PARTITION BY breaker_id ORDER BY id) AS before
            FROM riskengine_breakerevent WHERE kind IN ('tripped', 'cleared')) w
        WHERE kind = before""",
    "every exit is filled, live, or ended with a reason": f"""
        SELECT o.id, o.intent, o.status FROM positions_order o
        WHERE o.side = 'sell' AND o.parent_id IS NULL AND o.status NOT IN {LIVE}
          AND NOT (o.status = 'filled' AND o.filled_quantity = o.quantity)
          AND NOT EXISTS (SELECT FROM positions_orderevent e WHERE e.order_id = o.id AND e.to_status = o.status)""",
    "an order's fills are its own": """
        SELECT o.id, o.filled_quantity, coalesce(sum(f.quantity), 0) FROM positions_order o
        LEFT JOIN positions_fill f ON f.order_id = o.id WHERE o.parent_id IS NOT NULL
        GROUP BY o.id HAVING o.filled_quantity <> coalesce(sum(f.quantity), 0)""",
    "no client order id comes twice": """
        SELECT client_order_id FROM positions_order GROUP BY 1 HAVING count(*) > 1
        UNION ALL SELECT client_order_id FROM positions_paperorder GROUP BY 1 HAVING count(*) > 1
        UNION ALL SELECT p.client_order_id FROM positions_paperorder p
        WHERE NOT EXISTS (SELECT FROM positions_order o WHERE o.client_order_id = p.client_order_id)""",
    "no execution comes twice, and none is made up": """
        SELECT execution_id FROM positions_fill GROUP BY 1 HAVING count(*) > 1
        UNION ALL SELECT f.execution_id FROM positions_fill f
        LEFT JOIN positions_paperexecution x ON x.execution_id = f.execution_id
        WHERE x.id IS NULL OR (x.quantity, x.price, x.fee) IS DISTINCT FROM (f.quantity, f.price, f.fee)""",
    "no request is decided twice": """
        SELECT portfolio_id, idempotency_key FROM positions_decision WHERE idempotency_key <> ''
        GROUP BY 1, 2 HAVING count(*) > 1""",
}

# What holds within seconds: the alerts have a clock of their own, which may just have been killed.
SOON: Mapping[str, str] = {
    "an exit that was refused is alerted": """
        SELECT o.id, o.intent, o.reject_reason FROM positions_order o
        WHERE o.side = 'sell' AND o.parent_id IS NULL AND o.status = 'rejected'
          AND NOT EXISTS (SELECT FROM riskengine_alert a WHERE a.key = 'rejected:' || o.id)""",
    "an exit that is refused again and again is alerted": f"""
        SELECT o.id, o.intent, count(*) FROM positions_order o
        JOIN positions_order c ON c.parent_id = o.id AND c.status = 'rejected'
        WHERE o.side = 'sell' AND o.parent_id IS NULL AND o.status IN {LIVE}
          AND NOT EXISTS (SELECT FROM riskengine_alert a WHERE a.key = 'exit_failing:' || o.id)
        GROUP BY o.id HAVING count(*) >= 2""",
    "an exit that ended unfilled is alerted, sold by another one, or armed again": """
        SELECT o.id, o.intent, o.status FROM positions_order o JOIN positions_position p ON p.id = o.position_id
        WHERE o.side = 'sell' AND o.parent_id IS NULL AND o.status IN ('cancelled', 'rejected', 'expired')
          AND o.filled_quantity < o.quantity AND p.quantity_open > 0
          AND NOT EXISTS (SELECT FROM riskengine_alert a WHERE a.position_id = p.id AND a.key LIKE '%:' || o.id)
          AND NOT EXISTS (SELECT FROM positions_order n WHERE n.position_id = p.id AND n.side = 'sell'
                          AND n.parent_id IS NULL AND n.id > o.id)
          AND NOT EXISTS (SELECT FROM positions_exitslice s WHERE s.id = o.slice_id AND s.state = 'armed')""",
    "a breaker that tripped is alerted": """
        SELECT e.id, e.code FROM riskengine_breakerevent e
        WHERE e.kind = 'tripped' AND NOT EXISTS (SELECT FROM riskengine_alert a WHERE a.key = 'breaker:' || e.id)""",
}

# What holds of the portfolios of `trading` only once nothing is going on.
MINE = f"SELECT id FROM positions_portfolio WHERE slug IN ('{BUSY}', '{GUARDED}')"
AT_REST: Mapping[str, str] = {
    "no order is left": f"""
        SELECT id, intent, status FROM positions_order WHERE status IN {LIVE} AND portfolio_id IN ({MINE})""",
    "nothing works at the broker": f"""
        SELECT id, client_order_id FROM positions_paperorder WHERE status = 'working' AND portfolio_id IN ({MINE})""",
    "every execution is booked": f"""
        SELECT x.execution_id FROM positions_paperexecution x JOIN positions_paperorder o ON o.id = x.order_id
        LEFT JOIN positions_fill f ON f.execution_id = x.execution_id
        WHERE f.id IS NULL AND o.portfolio_id IN ({MINE})""",
}


def broken(database: extensions.connection, rules: Mapping[str, str] = RULES) -> list[str]:
    """A sentence for each rule that does not hold, with the first rows that break it."""
    found = []
    with database, database.cursor() as sql:
        sql.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        for name, statement in rules.items():
            sql.execute(statement)
            rows = sql.fetchall()
            if rows:
                found.append(f"Not so: {name}: {[tuple(map(str, row)) for row in rows[:5]]}")
    return found


@dataclass(slots=True)
class Remembered:
    """What must not go back from one look to the next. By id: positions (stops, high water), breakers (events)."""

    positions: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    breakers: dict[int, tuple[str, int]] = field(default_factory=dict)

    def look(self, database: extensions.connection) -> list[str]:
        found = []
        with database, database.cursor() as sql:
            sql.execute(
                "SELECT id, quantity_opened, initial_stop, current_stop, high_water, version FROM positions_position"
            )
            positions = {row[0]: row[1:] for row in sql.fetchall()}
            sql.execute(
                "SELECT b.id, b.state, (SELECT count(*) FROM riskengine_breakerevent e "
                "WHERE e.breaker_id = b.id AND e.kind = 'cleared') FROM riskengine_breaker b"
            )
            breakers = {row[0]: row[1:] for row in sql.fetchall()}
        for position, before in self.positions.items():
            now = positions.get(position)
            if now is None:
                found.append(f"Position {position} is gone.")
            elif now[0] == before[0] and (now[1] != before[1] or any(now[k] < before[k] for k in (2, 3, 4))):
                found.append(f"Position {position} went back from {before} to {now}.")
        for breaker, (state, cleared) in self.breakers.items():
            now = breakers.get(breaker, ("gone", 0))
            if state == "tripped" and now[0] != "tripped" and now[1] == cleared:
                found.append(f"Breaker {breaker} was tripped and is {now[0]} though nothing cleared it.")
        self.positions, self.breakers = positions, breakers
        return found
