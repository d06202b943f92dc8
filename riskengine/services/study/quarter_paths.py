"""The prices of what was sold go on in a simulated quarter too, so that holding on can be judged there as elsewhere."""

from datetime import datetime, timedelta

from positions.market.calendar import Session
from positions.models import Portfolio
from positions.services.stepped_market import SteppedMarket
from riskengine.services.watch.marking import keep_marks

EVERY = timedelta(minutes=10)
FOLLOWED = timedelta(days=10)  # as long as marks are kept


class Followed:
    """What was sold and has not expired. Between two moments at which something matters it is looked at every ten
    minutes."""

    def __init__(self, portfolio: Portfolio, session: Session, market: SteppedMarket) -> None:
        self._portfolio, self._session, self._market = portfolio, session, market
        self.contracts: set[str] = set()
        self.refresh()

    def refresh(self) -> None:
        closed = self._portfolio.positions.filter(
            status="closed",
            closed_at__gt=self._session.opens_at - FOLLOWED,
            contract__expiration_on__gte=self._session.day,
        )
        self.contracts = set(closed.values_list("contract__occ_symbol", flat=True))

    def look(self, at: datetime) -> None:
        """Where nothing else is looked at."""
        if self.contracts and (at - self._session.opens_at) % EVERY == timedelta(0):
            self._market.tell(at, self.contracts)
            keep_marks(now=at, portfolio_ids=[self._portfolio.pk])
