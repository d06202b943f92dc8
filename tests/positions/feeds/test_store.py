"""Storing ticks: what is new is a row, what is known is confirmed, what comes late or twice changes nothing."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise, permutations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from positions.market.calendar import new_york_instant
from positions.market.feeds.base import Batch, PriceTick, QuoteTick, VolatilityTick
from positions.models import OptionQuote, UnderlyingBar, VixReading
from positions.services.quotes import Stored, store_batch
from tests import factories

pytestmark = pytest.mark.django_db

SOURCE = "test feed"
CALL = "SPXW  210104C03700000"
PUT = "SPXW  210104P03700000"


def at(second: float) -> datetime:
    return new_york_instant(factories.SESSION, time(10)) + timedelta(seconds=second)


def tick(second: float, bid: str | None = "44.00", ask: str | None = "44.40", contract: str = CALL) -> QuoteTick:
    return QuoteTick(
        contract, bid and Decimal(bid), 10 if bid else 0, ask and Decimal(ask), 12 if ask else 0, at(second)
    )


def store(*ticks: QuoteTick, source: str = SOURCE) -> Stored:
    return store_batch(Batch(quotes=ticks), source=source)


def rows() -> list[tuple[object, ...]]:
    """Seconds after ten o'clock of change and confirmation, bid and ask, in their order."""
    found = OptionQuote.objects.filter(source=SOURCE, contract__occ_symbol=CALL).order_by("quoted_at")
    return [
        ((row.quoted_at - at(0)).total_seconds(), (row.confirmed_at - at(0)).total_seconds(), row.bid, row.ask)
        for row in found
    ]


@pytest.fixture(autouse=True)
def contracts() -> None:
    factories.contract()
    factories.contract(right="P")


FIRST, SECOND = (Decimal("44.00"), Decimal("44.40")), (Decimal("44.10"), Decimal("44.50"))


def test_a_change_is_a_row_known_from_its_own_time() -> None:
    assert store(tick(0)) == Stored(quotes=1)
    assert store(tick(1, "44.10", "44.50")) == Stored(quotes=1)
    assert rows() == [(0, 0, *FIRST), (1, 1, *SECOND)]
    row = OptionQuote.objects.latest("quoted_at")
    assert (row.changed_at, row.bid_size, row.ask_size) == (at(1), 10, 12)


def test_an_unchanged_quote_is_only_confirmed() -> None:
    store(tick(0))
    assert store(tick(3)) == Stored(confirmed=1)
    assert rows() == [(0, 3, *FIRST)]


def test_a_changed_size_is_a_change() -> None:
    store(tick(0))
    store(QuoteTick(CALL, Decimal("44.00"), 10, Decimal("44.40"), 11, at(1)))
    assert len(rows()) == 2


def test_a_batch_of_several_moments_is_told_in_their_order() -> None:
    told = [tick(0), tick(1), tick(2, "44.10", "44.50"), tick(3, "44.10", "44.50"), tick(4)]
    assert store(*reversed(told)) == Stored(quotes=3)
    assert rows() == [(0, 1, *FIRST), (2, 3, *SECOND), (4, 4, *FIRST)]


def test_the_first_ticks_of_a_batch_may_confirm_and_the_next_change() -> None:
    store(tick(0))
    assert store(tick(1), tick(2), tick(3, "44.10", "44.50")) == Stored(quotes=1, confirmed=1)
    assert rows() == [(0, 2, *FIRST), (3, 3, *SECOND)]


@pytest.mark.parametrize("late", [tick(1, "1.00", "2.00"), tick(5, "1.00", "2.00"), tick(3), tick(5)], ids=str)
def test_what_is_not_newer_than_the_last_word_changes_nothing(late: QuoteTick) -> None:
    store(tick(2))
    store(tick(5))
    assert store(late) == Stored(late=1)
    assert rows() == [(2, 5, *FIRST)]


def test_a_late_tick_between_does_not_hide_a_confirmation() -> None:
    store(tick(5))
    assert store(tick(3, "44.10", "44.50"), tick(6)) == Stored(confirmed=1, late=1)
    assert rows() == [(5, 6, *FIRST)]


def test_a_batch_stored_twice_is_stored_once() -> None:
    told = [tick(0), tick(1), tick(2, "44.10", "44.50"), tick(0, contract=PUT)]
    assert store(*told) == Stored(quotes=3)
    before = rows()
    assert store(*told) == Stored(late=4)
    assert rows() == before


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_single_ticks_in_any_order_end_at_the_newest(order: Iterable[int]) -> None:
    told = [tick(0), tick(1, "44.10", "44.50"), tick(2, "44.20", "44.60")]
    for place in order:
        store(told[place])
    assert rows()[-1] == (2, 2, Decimal("44.20"), Decimal("44.60"))


def test_one_sided_and_crossed_quotes_are_facts() -> None:
    store(tick(0, bid=None))
    store(tick(1, bid="44.60", ask="44.40"))
    store(tick(2, bid=None, ask=None))
    assert [row[2:] for row in rows()] == [(None, FIRST[1]), (Decimal("44.60"), FIRST[1]), (None, None)]


def test_a_missing_side_that_stays_missing_is_confirmed() -> None:
    store(tick(0, bid=None))
    assert store(tick(1, bid=None)) == Stored(confirmed=1)


def test_sources_do_not_touch_each_other() -> None:
    store(tick(5))
    assert store(tick(1), source="another") == Stored(quotes=1)
    assert rows() == [(5, 5, *FIRST)]


def test_a_contract_nobody_listed_is_left_out() -> None:
    assert store(tick(0, contract="SPXW  210104C09999000")) == Stored()


def test_prices_and_levels_of_a_moment_are_stored_once() -> None:
    factories.instrument()
    batch = Batch(
        prices=[PriceTick("SPX", Decimal("3700.5"), at(0)), PriceTick("SPX", Decimal("3701"), at(1))],
        volatility=[VolatilityTick("VIX", Decimal("23.04"), at(0))],
    )
    assert store_batch(batch, source=SOURCE) == Stored(prices=2, volatility=1)
    assert store_batch(batch, source=SOURCE) == Stored(late=3)
    bar = UnderlyingBar.objects.latest("bar_at")
    assert (bar.open, bar.high, bar.low, bar.close, bar.bar_at) == (3701, 3701, 3701, 3701, at(1))
    reading = VixReading.objects.get()
    assert (reading.kind, reading.close, reading.session_on) == ("live", Decimal("23.04"), factories.SESSION)


def test_a_batch_takes_a_fixed_number_of_statements() -> None:
    def statements(count: int) -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            store(*(tick(second, str(second + 1), str(second + 2)) for second in range(count)), source=f"of {count}")
        return len(captured)

    assert statements(1) == statements(200)


@pytest.mark.django_db(transaction=True)
def test_batches_of_one_source_at_the_same_time_neither_fail_nor_double() -> None:
    factories.contract()
    told = [tick(second, str(40 + second // 2)) for second in range(40)]

    def push(part: int) -> None:
        try:
            for place in range(part, 40, 4):
                store(*told[place : place + 3])
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(push, range(4)))
    found = rows()
    changed, confirmed = found[-1][:2]
    assert confirmed == 39
    assert changed in (38, 39)  # told of 39 first, the same price a second before it is late and left out
    assert [row[0] for row in found] == sorted({row[0] for row in found})
    assert all(earlier[1] < later[0] for earlier, later in pairwise(found))
