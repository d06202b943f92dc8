"""What the clocks call, each in the queue of its own worker (docs/decisions/0015).

A task that waited so long that its successor is due is dropped (`expires`), one that hangs is killed (`time_limit`):
both judge again what they find, so nothing is lost by it.
"""

from celery import shared_task
from django.utils import timezone

from positions.services.refresh import refresh
from positions.services.simulated import publish_simulated
from riskengine.services.review.day import run_days
from riskengine.services.review.making import run_reviews
from riskengine.services.rollout.triggers import run_triggers
from riskengine.services.signals.choosing import run_signals
from riskengine.services.signals.demo import run_demo
from riskengine.services.signals.generating import run_generators
from riskengine.services.study.running import run_replays
from riskengine.services.study.zero_edge import compute_missing
from riskengine.services.watch.announcing import announce
from riskengine.services.watch.correlations import keep_correlations
from riskengine.services.watch.marking import keep_days, keep_marks
from riskengine.services.watch.monitoring import run_check
from riskengine.services.watch.night import run_nights
from riskengine.services.watch.watchdog import run_alerts
from riskengine.services.watch.working import run_orders


@shared_task(queue="exit", time_limit=5)
def exit_check() -> None:
    """Every second: what expires today (A-01)."""
    run_check(now=timezone.now(), scope="exit")
    announce()


@shared_task(queue="risk", time_limit=25)
def risk_check() -> None:
    """Every 30 seconds: everything (A-01, P-22)."""
    run_check(now=timezone.now(), scope="risk")
    announce()


@shared_task(queue="orders", time_limit=25)
def orders() -> None:
    """Every second: one pass over the live orders."""
    run_orders(now=timezone.now())
    announce()


@shared_task(queue="work", time_limit=25)
def feed() -> None:
    """Every second: made-up markets go on. Recorded ones are in the database, pushed ones come by themselves."""
    publish_simulated(now=timezone.now())


@shared_task(queue="work", time_limit=25)
def signals() -> None:
    """Every 2 seconds: the demo's own signals, as their market time comes (the first need not wait for a check), what
    is built in has to say, and what becomes of every signal that is not over."""
    if run_demo(now=timezone.now()).waits_for_check:
        risk_check.apply_async(expires=2)
    run_generators(now=timezone.now())
    run_signals(now=timezone.now())


@shared_task(queue="work", time_limit=25)
def alerts() -> None:
    """Every 2 seconds: what the checks cannot say of themselves, and what is to be sent (A-10)."""
    run_alerts(now=timezone.now())


@shared_task(queue="work", time_limit=25)
def nights() -> None:
    """Every 30 seconds: the overnight reports whose moment it is (P-18)."""
    run_nights(now=timezone.now())


@shared_task(queue="work", time_limit=25)
def reviews() -> None:
    """Every 60 seconds: the reviews that are due, their reminders, and the report of each day that is over (P-30)."""
    run_days(now=timezone.now())
    run_reviews(now=timezone.now())


@shared_task(queue="work", time_limit=25)
def replays() -> None:
    """Every 2 seconds: replays that were asked for are started, each in a process of its own, and looked after."""
    run_replays(now=timezone.now())


@shared_task(queue="market", time_limit=60)
def providers() -> None:
    """Every 5 seconds: providers of market data are asked for what is due. One that hangs holds up no other queue."""
    refresh(now=timezone.now())


@shared_task(queue="work", time_limit=25)
def correlations() -> None:
    """Every 5 minutes: the matrix of the session before is kept, once (P-12)."""
    keep_correlations(now=timezone.now())


@shared_task(queue="work", time_limit=25)
def marks() -> None:
    """Every 30 seconds: how the price of each bet goes, and what each day that is over came to (P-29)."""
    keep_marks(now=timezone.now())
    keep_days(now=timezone.now())


@shared_task(queue="work", time_limit=25)
def rollout() -> None:
    """Every 30 seconds: what takes a live account one step back by itself (P-27)."""
    run_triggers(now=timezone.now())


@shared_task(queue="work", time_limit=25)
def base_rates() -> None:
    """Every 10 seconds: what exits that are new come to without any edge, one entry at a time (A-07)."""
    compute_missing(now=timezone.now())
