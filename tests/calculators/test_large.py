"""What is told of a large position (P-23): exact at each threshold, monotone, and nothing of what is not known."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskengine.calculators import large
from riskengine.calculators.large import Positions, Told

HEALTHY = {
    "cost": 18_000.0,
    "minimum": 12_000.0,
    "entry": 40.0,
    "stop": 30.0,
    "bid": 40.0,
    "ask": 40.4,
    "minutes": np.nan,
    "notional": 100_000.0,
    "equity": 60_000.0,
}


def told(**changes: Any) -> Told:
    rows = max(np.size(each) for each in changes.values()) if changes else 1
    columns = {
        name: np.broadcast_to(np.asarray(value, np.float64), rows) for name, value in (HEALTHY | changes).items()
    }
    return large.judge(Positions(**columns))


def stages(of: Told) -> list[int]:
    return [int(getattr(of, name).stage[0]) for name in ("loss", "stop", "spread", "close", "notional")]


def test_a_healthy_large_position_is_told_nothing_of() -> None:
    assert stages(told()) == [0, 0, 0, 0, 0]


@pytest.mark.parametrize(("cost", "is_large"), [(17_999.99, False), (18_000.0, True), (18_000.01, True)])
def test_large_is_one_and_a_half_minimum_bets_to_the_cent(cost: float, is_large: bool) -> None:
    assert large.is_large(np.array([cost]), np.array([12_000.0])).tolist() == [is_large]
    assert stages(told(cost=cost, bid=30.0))[:2] == ([3, 1] if is_large else [0, 0])


@pytest.mark.parametrize("minimum", [0.0, np.nan])
def test_without_a_known_minimum_a_position_is_watched(minimum: float) -> None:
    assert stages(told(cost=100.0, minimum=minimum, bid=30.0))[0] == 3


@pytest.mark.parametrize(
    ("bid", "stage"),
    [(38.01, 0), (38.0, 1), (37.99, 1), (36.01, 1), (36.0, 2), (34.01, 2), (34.0, 3), (0.05, 3)],
)
def test_the_loss_of_premium_at_5_10_and_15_percent_to_the_cent(bid: float, stage: int) -> None:
    assert stages(told(bid=bid, ask=bid + 0.01, stop=0.01))[0] == stage


@pytest.mark.parametrize(("bid", "stage"), [(32.51, 0), (32.5, 1), (32.49, 1), (29.0, 1)])
def test_three_quarters_of_the_way_to_the_stop_to_the_cent(bid: float, stage: int) -> None:
    assert stages(told(bid=bid, ask=bid + 0.4))[1] == stage


def test_a_stop_at_or_over_the_entry_has_no_way_to_it() -> None:
    assert stages(told(stop=40.0, bid=30.0))[1] == stages(told(stop=45.0, bid=30.0))[1] == 0


@pytest.mark.parametrize(("ask", "stage"), [(42.11, 0), (42.12, 1)])
def test_a_spread_over_ten_percent_of_the_mid(ask: float, stage: int) -> None:
    """38.10 x 42.11 is 4.01 of 40.105: 9.9988%. 38.10 x 42.12 is 10.02%."""
    assert stages(told(bid=38.1, ask=ask))[2] == stage


def test_exactly_ten_percent_is_not_over_it() -> None:
    assert stages(told(bid=38.0, ask=42.0))[2] == 0


@pytest.mark.parametrize(
    ("minutes", "stage"), [(60.02, 0), (60.0, 1), (59.98, 1), (30.02, 1), (30.0, 2), (0.02, 2), (np.nan, 0)]
)
def test_an_hour_and_half_an_hour_to_the_close_to_the_second(minutes: float, stage: int) -> None:
    assert stages(told(minutes=minutes))[3] == stage


@pytest.mark.parametrize(("notional", "stage"), [(600_000.0, 0), (600_000.01, 1)])
def test_shares_worth_more_than_ten_equities(notional: float, stage: int) -> None:
    assert stages(told(notional=notional))[4] == stage


@pytest.mark.parametrize("equity", [0.0, -5.0])
def test_any_share_is_too_many_for_an_account_without_equity(equity: float) -> None:
    assert stages(told(equity=equity))[4] == 1


@pytest.mark.parametrize("name", ["bid", "ask", "stop", "notional", "equity"])
def test_what_is_not_known_says_nothing_and_ends_nothing(name: str) -> None:
    result = told(**{name: np.nan})
    assert stages(result) == [0, 0, 0, 0, 0]
    concerned = {"bid": "loss", "ask": "spread", "stop": "stop", "notional": "notional", "equity": "notional"}[name]
    assert not getattr(result, concerned).over[0]


@pytest.mark.parametrize(
    ("condition", "wavering", "over"),
    [
        ("loss", {"bid": 38.5}, {"bid": 39.5}),
        ("stop", {"bid": 33.5}, {"bid": 35.0}),
        ("spread", {"bid": 38.1, "ask": 41.8}, {"bid": 38.1, "ask": 40.0}),
        ("notional", {"notional": 570_000.0}, {"notional": 540_000.0}),
    ],
)
def test_what_wavers_about_a_threshold_is_neither_told_nor_over(
    condition: str, wavering: dict[str, float], over: dict[str, float]
) -> None:
    between, ended = getattr(told(**wavering), condition), getattr(told(**over), condition)
    assert (int(between.stage[0]), bool(between.over[0])) == (0, False)
    assert (int(ended.stage[0]), bool(ended.over[0])) == (0, True)


def test_all_of_a_position_that_is_no_longer_large_is_over() -> None:
    result = told(cost=12_000.0, bid=30.0, minutes=10.0)
    assert all(getattr(result, name).over[0] for name in ("loss", "stop", "spread", "close", "notional"))


CENTS = st.integers(1, 10_000)


@given(entry=CENTS, bid=CENTS, stop=CENTS)
def test_loss_and_way_agree_with_exact_fractions(entry: int, bid: int, stop: int) -> None:
    result = told(entry=entry / 100, bid=bid / 100, ask=bid / 100 + 0.01, stop=stop / 100)
    loss = Fraction(entry - bid, entry)
    assert result.loss.stage[0] == sum(loss >= Fraction(each, 100) for each in (5, 10, 15))
    way = stop < entry and Fraction(entry - bid, entry - stop) >= Fraction(3, 4)
    assert result.stop.stage[0] == way


@given(bids=st.lists(CENTS, min_size=2, max_size=30))
def test_a_lower_bid_is_never_told_less(bids: list[int]) -> None:
    bid = np.array(sorted(bids, reverse=True)) / 100
    result = told(bid=bid, ask=bid + 0.01)
    assert (np.diff(result.loss.stage) >= 0).all()
    assert (np.diff(result.stop.stage) >= 0).all()


@given(rows=st.lists(st.tuples(CENTS, CENTS, st.integers(0, 5_000)), min_size=1, max_size=20))
def test_a_book_is_judged_like_its_rows_one_by_one(rows: list[tuple[int, int, int]]) -> None:
    entry, bid, minutes = (np.array(column, np.float64) for column in zip(*rows, strict=True))
    together = told(entry=entry, bid=bid, ask=bid * 1.05, minutes=minutes)
    for name in ("loss", "stop", "spread", "close", "notional"):
        alone = [
            getattr(told(entry=e, bid=b, ask=b * 1.05, minutes=m), name).stage[0]
            for e, b, m in zip(entry, bid, minutes, strict=True)
        ]
        assert getattr(together, name).stage.tolist() == alone
