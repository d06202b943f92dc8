"""What a person may see of alerts, replays, comparisons and signals."""

from django.db.models import Prefetch, QuerySet

from accounts.models import User
from positions.models import Portfolio
from riskengine.models import Alert, Comparison, Replay, Signal


def alerts_for(user: User) -> QuerySet[Alert]:
    """Staff see every alert, others those of their own portfolios; the installation's are for staff. Latest first."""
    rows = Alert.objects.select_related("portfolio", "acknowledged_by").order_by("-id")
    return rows if user.is_staff else rows.filter(portfolio__in=Portfolio.objects.visible_to(user))


def alert_for(user: User, alert_id: int) -> Alert:
    """One of them. Alert.DoesNotExist when there is none or it is someone else's: a stranger learns nothing."""
    return alerts_for(user).get(pk=alert_id)


def replays_for(user: User) -> QuerySet[Replay]:
    """Staff see every replay, others their own. Latest first, without the long texts."""
    rows = Replay.objects.select_related("requested_by").defer("entries", "signals", "report").order_by("-id")
    return rows if user.is_staff else rows.filter(requested_by=user)


def replay_for(user: User, replay_id: int) -> Replay:
    """One of them. Replay.DoesNotExist when there is none or it is someone else's: a stranger learns nothing."""
    return replays_for(user).get(pk=replay_id)


def comparisons_for(user: User) -> QuerySet[Comparison]:
    """Those of the portfolios that a person may see, the latest first, with their replays but for the long texts."""
    replays = Replay.objects.defer("entries", "signals", "parameters", "report").order_by("id")
    rows = Comparison.objects.filter(portfolio__in=Portfolio.objects.visible_to(user))
    rows = rows.select_related("portfolio__profile", "portfolio__clock", "requested_by", "revision_a", "revision_b")
    return rows.prefetch_related(Prefetch("replays", replays)).order_by("-id")


def comparison_for(user: User, comparison_id: int) -> Comparison:
    """One of them. Comparison.DoesNotExist when there is none or it is someone else's: a stranger learns nothing."""
    return comparisons_for(user).get(pk=comparison_id)


def replays_of(comparison: Comparison) -> list[Replay]:
    """Those of a comparison with all their texts, in the order in which they are carried out. One statement."""
    return list(Replay.objects.filter(comparison=comparison).order_by("id"))


def signals_for(user: User) -> QuerySet[Signal]:
    """Staff see every signal, others those of their own portfolios. Latest first."""
    rows = Signal.objects.filter(portfolio__in=Portfolio.objects.visible_to(user))
    return rows.select_related("portfolio", "source", "underlying", "contract", "decision").order_by("-id")


def signal_for(user: User, signal_id: int) -> Signal:
    """One of them. Signal.DoesNotExist when there is none or it is someone else's: a stranger learns nothing."""
    return signals_for(user).get(pk=signal_id)
