"""What a person may see of portfolios, positions, orders, decisions and providers of market data."""

from decimal import Decimal

from django.db.models import Prefetch, QuerySet, Sum

from accounts.models import RiskProfile, User
from positions.models import (
    DataProvider,
    Decision,
    Heartbeat,
    Order,
    Portfolio,
    Position,
    PositionNote,
    PositionTag,
    ProviderRun,
    Supply,
)


def portfolios_for(user: User) -> QuerySet[Portfolio]:
    """Staff see every portfolio, others their own, by slug."""
    return Portfolio.objects.visible_to(user).select_related("profile", "clock").order_by("slug")


def portfolio_for(user: User, slug: str) -> Portfolio:
    """One of them. Portfolio.DoesNotExist when there is none or it is someone else's: a stranger learns nothing."""
    return portfolios_for(user).get(slug=slug)


def profiles_for(user: User) -> QuerySet[RiskProfile]:
    """Staff see every profile, others those that a portfolio of theirs runs under, by name."""
    profiles = RiskProfile.objects.order_by("name", "id")
    if user.is_staff:
        return profiles
    return profiles.filter(pk__in=Portfolio.objects.visible_to(user).values("profile"))


def position_for(user: User, position_id: int) -> Position:
    """A position the person may see; Position.DoesNotExist otherwise."""
    return Position.objects.select_related("portfolio", "contract", "revision").get(
        pk=position_id, portfolio__in=Portfolio.objects.visible_to(user)
    )


def notes_of(position: Position) -> QuerySet[PositionNote]:
    """What people wrote about it, the latest first."""
    return position.notes.order_by("-id")


def tags_of(position: Position) -> list[str]:
    """The words it is found by, in order."""
    return list(position.tags.order_by("word").values_list("word", flat=True))


def tags_for(user: User) -> list[str]:
    """Every tag on a position that the person may see, in order."""
    seen = PositionTag.objects.filter(position__portfolio__in=Portfolio.objects.visible_to(user))
    return list(seen.order_by("word").values_list("word", flat=True).distinct())


def positions_for(user: User) -> QuerySet[Position]:
    """Every position the person may see, the latest first, with its contract and tags."""
    found = Position.objects.filter(portfolio__in=Portfolio.objects.visible_to(user))
    tags = Prefetch("tags", PositionTag.objects.order_by("word"))
    return found.select_related("portfolio", "contract").prefetch_related(tags).order_by("-id")


def live_orders(portfolio: Portfolio) -> QuerySet[Order]:
    """Orders that may still fill, the oldest first."""
    return portfolio.orders.live().select_related("contract", "position").order_by("id")


def decision_for(user: User, decision_id: int) -> Decision:
    """A decision the person may see; Decision.DoesNotExist otherwise."""
    return Decision.objects.select_related("portfolio", "contract", "revision").get(
        pk=decision_id, portfolio__in=Portfolio.objects.visible_to(user)
    )


def decisions(portfolio: Portfolio) -> QuerySet[Decision]:
    """Every decision, the latest first, without the long JSON columns."""
    return (
        portfolio.decisions.select_related("contract").defer("inputs", "trace", "gates").order_by("-decided_at", "-id")
    )


def heartbeat_of(portfolio: Portfolio, scope: str = "risk") -> Heartbeat | None:
    """The last finished check; None when there never was one."""
    return portfolio.heartbeats.filter(scope=scope).first()


def ledger_cash(portfolio: Portfolio) -> Decimal:
    """The sum of the cash ledger, which `portfolio.cash` must equal to the cent."""
    return portfolio.cash_movements.aggregate(total=Sum("amount"))["total"] or Decimal(0)


def providers_with_last_runs() -> tuple[list[DataProvider], dict[tuple[int, str], ProviderRun]]:
    """Every provider of market data by name with its supplies; the last run of each by provider and kind of data."""
    supplies = Prefetch("supplies", Supply.objects.order_by("what"))
    runs = ProviderRun.objects.order_by("provider_id", "what", "-id").distinct("provider_id", "what")
    return (
        list(DataProvider.objects.order_by("name").prefetch_related(supplies)),
        {(run.provider_id, run.what): run for run in runs},
    )
