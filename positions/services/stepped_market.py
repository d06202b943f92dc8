"""One session of a made-up market, told only at the moments that somebody asks about and of the contracts that matter.

What is told at a moment is what the feed would say then (`market.feeds`): a quarter lived through in two minutes sees
the same market as one watched second by second, it only looks less often. `at` is market time.
"""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from positions.market.calendar import Calendar, Session
from positions.market.feeds import chain
from positions.market.feeds.base import Batch, PriceTick, VolatilityTick
from positions.market.feeds.chain import CENT, Listed
from positions.market.feeds.simulated import QUARTER, Activity
from positions.market.feeds.world import LEVEL_STEP, MARKET, NAMES, World, length, second_of
from positions.models import OpenInterest, OptionContract
from positions.services.quotes import list_contracts, list_instruments, store_batch
from positions.services.simulated import store_activity


class SteppedMarket:
    """A session of a world, stored under a source of its own."""

    def __init__(self, world: World, calendar: Calendar, session: Session, source: str) -> None:
        self._world, self._session, self._source = world, session, source
        sessions = world.sessions(calendar, session.day)
        self._day = world.day(sessions)
        listed = (*chain.listed_by(world, calendar, session.day), *chain.dailies(world, calendar, session.day))
        self._listed = {each.occ_symbol: each for each in listed}
        self._traded_to: dict[str, int] = {}
        list_instruments(NAMES)

    def list_chain(self, underlying: str, at: datetime) -> list[str]:
        """Put the contracts of an underlying on record with their open interest and what has traded in them by `at`;
        their symbols."""
        found = [each for each in self._listed.values() if each.stock == underlying]
        interest = {each.occ_symbol: chain.interest(self._world, each, self._day) for each in found}
        if underlying not in self._traded_to:
            list_contracts([each.symbol for each in found])
            ids = dict(OptionContract.objects.filter(occ_symbol__in=interest).values_list("occ_symbol", "id"))
            OpenInterest.objects.bulk_create(
                [
                    OpenInterest(
                        contract_id=ids[symbol], source=self._source, as_of_on=self._session.day, contracts=contracts
                    )
                    for symbol, contracts in sorted(interest.items())
                ],
                ignore_conflicts=True,
            )
        first, last = self._traded_to.get(underlying, 0) + 1, second_of(self._session, at) // QUARTER
        traded = [
            self._activity(each, number, interest[each.occ_symbol])
            for number in range(first, last + 1)
            for each in found
        ]
        store_activity(traded, self._source)
        self._traded_to[underlying] = max(last, first - 1)
        return sorted(interest)

    def _activity(self, each: Listed, number: int, outstanding: int) -> Activity:
        second = min(number * QUARTER, length(self._session))
        at = self._session.opens_at + timedelta(seconds=second)
        volume = chain.volume(self._world, each, self._session.day, number, outstanding)
        return Activity(each.occ_symbol, volume, chain.worth(each, self._day, second), at)

    def tell(self, at: datetime, contracts: Collection[str] = (), names: Iterable[str] = NAMES) -> None:
        """Store what is said at `at`: prices of names, the volatility index, quotes of contracts (OCC symbols; those
        that are not listed say nothing). After the close it is what was said at the close."""
        second = second_of(self._session, at)
        if second < 0:
            return
        said_at = self._session.opens_at + timedelta(seconds=second)
        level_at = said_at - timedelta(seconds=second % LEVEL_STEP)
        listed = [self._listed[symbol] for symbol in sorted(contracts) if symbol in self._listed]
        batch = Batch(
            quotes=[
                chain.quote(self._world, each, self._day, self._session.day, second, said_at)
                for each in listed
                if each.closes_at >= said_at
            ],
            prices=[
                PriceTick(name, Decimal(float(self._day.prices[name][second])).quantize(CENT), said_at)
                for name in sorted({MARKET, *names})
            ],
            volatility=[VolatilityTick("VIX", Decimal(self._day.level(second)).quantize(CENT), level_at)],
        )
        store_batch(batch, source=self._source)
