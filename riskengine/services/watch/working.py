"""The pass over live orders as a clock calls it: alone, with the plan that gives a filled entry its exits."""

from datetime import datetime

from positions.services.reconciliation import reconcile_waiting
from positions.services.working import Worked, work_orders
from riskengine.services.decide.plan import exit_plan
from riskengine.services.watch import broker_seen
from riskengine.services.watch.alone import alone


def run_orders(*, now: datetime) -> Worked | None:
    """One pass at wall time `now`, after what waits for its broker since a restart (A-02); None when another runs."""
    with alone("orders") as mine:
        if not mine:
            return None
        broker_seen.tell_differences(reconcile_waiting(now=now, plan=exit_plan), now=now)
        return work_orders(now=now, plan=exit_plan)
