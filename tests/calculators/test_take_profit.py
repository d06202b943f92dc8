"""Profit slices: the source's T3 and T6, the exact referee, and what must hold for every path."""

import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.defaults import MAG7_7DTE, SMART_0DTE
from riskengine.calculators import codes, take_profit
from riskengine.calculators.columns import Steps
from riskengine.calculators.take_profit import ARMED, CANCELLED, DEFERRED, FILLED, PENDING, SliceOrders, Slices
from riskengine.loading.limits import default_limits
from riskengine.services.decide.evaluate import slices
from tests import oracle_exits as oracle

KINDS = {kind.name: kind for kind in slices.KINDS}
ZERO, SEVEN = default_limits(SMART_0DTE), default_limits(MAG7_7DTE)
LADDERS = (ZERO.take_profit_morning, ZERO.take_profit_midday, ZERO.take_profit_late, SEVEN.partial_profit)
ORACLE_LADDERS = (oracle.MORNING, oracle.MIDDAY, oracle.LATE, oracle.PARTIAL)


class Position:
    """One position, or a book of them, watched with the columns."""

    def __init__(self, entry: float | list[float], quantity: int | list[int], ladder: int | list[int] = 0) -> None:
        self.entry = np.atleast_1d(np.array(entry, np.float64))
        self.quantity = np.atleast_1d(np.array(quantity, np.int64))
        self.slices = take_profit.arm(LADDERS, np.atleast_1d(np.array(ladder)))

    @property
    def closable(self) -> np.ndarray:
        return self.quantity - self.slices.contracts.sum(axis=1)

    def check(self, bid: float | list[float], factor: float | list[float] = 1.0, cost: float = 0.0) -> SliceOrders:
        bids = np.broadcast_to(np.array(bid, np.float64), self.entry.shape)
        slices = take_profit.lower(self.slices, np.broadcast_to(np.array(factor, np.float64), self.entry.shape))
        orders = take_profit.judge_slices(
            slices, entry=self.entry, bid=bids, quantity=self.quantity, closable=self.closable, round_trip_cost=cost
        )
        self.slices = orders.after
        return orders

    def reject(self, *numbers: int) -> None:
        rejected = np.zeros(self.slices.state.shape, np.bool_)
        rejected[:, [number - 1 for number in numbers]] = True
        self.slices = take_profit.rearm(self.slices, rejected)


def numbers(orders: SliceOrders, row: int = 0) -> list[int]:
    return [k + 1 for k in range(take_profit.MAX_SLICES) if orders.crossed[row, k]]


# --- the source's own tests -----------------------------------------------------------------------------------------


def test_source_t3_tiered_take_profit() -> None:
    strategy = Position(entry=10.0, quantity=12)
    for price, expected in ((10.3, None), (10.5, "partial_close"), (10.8, None), (11.0, "partial_close"),
                            (11.5, "partial_close"), (12.0, None)):  # fmt: skip
        orders = strategy.check(price)
        assert ("partial_close" if orders.total[0] else None) == expected, price


T6 = [
    (0.10, "hold", None),
    (0.20, "partial_close", 0.25),
    (0.30, "hold", None),
    (0.35, "partial_close", 0.25),
    (0.50, "partial_close", 0.25),
    (0.60, "hold", None),
]


@pytest.mark.parametrize("case", range(len(T6)), ids=[f"profit {profit_pct}" for profit_pct, _, _ in T6])
def test_source_t6_partial_profit(case: int) -> None:
    position = Position(entry=100.0, quantity=33, ladder=3)
    for profit_pct, _, _ in T6[:case]:
        position.check(100.0 * (1 + profit_pct))
    profit_pct, expected_action, expected_pct = T6[case]
    orders = position.check(100.0 * (1 + profit_pct))
    assert ("partial_close" if orders.total[0] else "hold") == expected_action
    if expected_pct is not None:
        assert abs(orders.share[0] / take_profit.WHOLE - expected_pct) < 0.01


# --- factors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0, 1, 3599, 3600, 3601, 7199, 7200, 10_799, 10_800, 10_801, 23_400, -1])
@pytest.mark.parametrize("opened", [0, 1, 10_799, 10_800, 10_801, 20_000, -1])
def test_time_factor_equals_the_referee(seconds: int, opened: int) -> None:
    decay = take_profit.time_decay(np.array([seconds]), np.array([opened]), ZERO.time_factor, ZERO.elapsed_factor)
    exact = oracle.time_factor(seconds, opened)
    if isinstance(exact, str):
        assert codes.names(decay.refusal) == [exact]
        assert np.isnan(decay.factor[0])
    else:
        assert decay.refusal[0] == codes.NONE
        assert decay.factor[0] == pytest.approx(float(exact), abs=1e-15)


@pytest.mark.parametrize("days", range(-2, 12))
def test_dte_factor_equals_the_referee(days: int) -> None:
    decay = take_profit.dte_decay(np.array([float(days)]), SEVEN.dte_factor)
    exact = oracle.dte_factor(days)
    assert (codes.names(decay.refusal)[0] or Fraction(str(decay.factor[0]))) == exact


def test_an_unknown_hour_of_entry_takes_the_base_ladder() -> None:
    hours = np.array([-1, 9, 10, 11, 13, 14, 15])
    names = [take_profit.REGIMES[r] for r in take_profit.regime(hours)]
    assert names == ["morning", *[oracle.regime(hour) for hour in hours[1:]]]


# --- slices ---------------------------------------------------------------------------------------------------------


def test_thresholds_only_fall() -> None:
    position = Position(10.0, 33, ladder=3)
    position.check(10.0, factor=0.6)
    position.check(10.0, factor=1.0)
    assert position.slices.threshold[0, :3] == pytest.approx([0.12, 0.21, 0.30])


def test_a_factor_that_cannot_be_computed_keeps_the_thresholds() -> None:
    position = Position(10.0, 33, ladder=3)
    position.check(10.0, factor=0.6)
    position.check(10.0, factor=np.nan)
    assert position.slices.threshold[0, :3] == pytest.approx([0.12, 0.21, 0.30])
    assert position.check(11.20, factor=np.nan).total[0] == 8


@pytest.mark.parametrize("bid", [np.nan, -0.01, np.inf])
def test_an_unusable_bid_crosses_nothing_and_says_so(bid: float) -> None:
    orders = Position(10.0, 12).check(bid)
    assert codes.names(orders.refusal) == ["INVALID_INPUT"]
    assert orders.total[0] == 0
    assert not orders.crossed.any()


def test_a_slice_waits_until_it_pays_its_fees() -> None:
    position = Position(0.20, 600)
    assert position.check(0.21, cost=0.013).total[0] == 0
    assert position.slices.state[0, 0] == ARMED
    assert position.check(0.22, cost=0.013).total[0] == 396


def test_a_deferred_slice_is_reported_once_and_its_share_carried() -> None:
    position = Position(100.0, 1, ladder=3)
    first, again = position.check(120.0), position.check(121.0)
    assert (first.deferred[0], numbers(first), first.total[0]) == (True, [1], 0)
    assert (again.deferred[0], numbers(again)) == (False, [])
    assert position.slices.state[0, 0] == DEFERRED
    assert position.check(135.0).total[0] == 1


def test_one_rejected_tier_of_a_gap_order_is_the_only_one_to_come_back() -> None:
    position = Position(10.0, 12)
    assert position.check(11.6).total[0] == 12
    position.reject(1)
    assert position.check(10.4).total[0] == 0
    again = position.check(10.5)
    assert (numbers(again), again.contracts[0, :3].tolist(), again.closes_position[0]) == ([1], [4, 0, 0], True)


def test_a_lower_tier_that_comes_back_leaves_the_share_of_one_that_has_not_been_reached() -> None:
    position = Position(10.0, 12)
    position.check(11.6)
    position.reject(1, 2)
    again = position.check(10.5)
    assert (numbers(again), again.total[0], again.remaining[0]) == ([1], 4, 4)


def test_a_rejected_order_comes_back_whole() -> None:
    position = Position(10.0, 12)
    first = position.check(11.6)
    position.reject(1, 2, 3)
    assert position.check(11.6).contracts.tolist() == first.contracts.tolist()


def test_contracts_that_traded_before_a_cancel_stay_committed() -> None:
    position = Position(10.0, 12)
    position.check(11.0)
    back = position.slices.state == PENDING
    filled = np.array([[4, 1, 0, 0, 0, 0, 0, 0]])
    position.slices = take_profit.rearm(position.slices, back, filled)
    assert position.slices.state[0, :3].tolist() == [FILLED, ARMED, ARMED]
    assert position.check(11.0).total[0] == 3


def test_the_share_of_a_cancelled_slice_is_carried_and_never_closed_twice() -> None:
    position = Position(10.0, 12)
    position.slices.state[0, 0] = CANCELLED
    assert position.check(11.0).contracts[0, :3].tolist() == [0, 8, 0]
    position.slices.state[0, 0] = ARMED
    assert position.check(11.0).total[0] == 0


def test_nothing_more_is_sold_than_is_closable() -> None:
    position = Position(10.0, 12)
    orders = take_profit.judge_slices(
        position.slices, entry=position.entry, bid=np.array([11.6]), quantity=position.quantity, closable=np.array([5])
    )
    assert orders.total[0] == 5


@pytest.mark.parametrize(("quantity", "kept"), [(1, 0), (2, 1), (3, 1), (4, 1), (5, 1), (33, 8)])
def test_the_runner_is_what_no_slice_has_been_promised(quantity: int, kept: int) -> None:
    position = Position(100.0, quantity, ladder=3)
    assert take_profit.runner(position.slices, position.quantity, position.closable)[0] == kept


def test_a_ladder_that_totals_the_whole_has_no_runner() -> None:
    position = Position(10.0, 12)
    assert take_profit.runner(position.slices, position.quantity, position.closable)[0] == 0


def test_slices_of_another_shape_are_refused_at_construction() -> None:
    block = np.zeros((1, 3))
    with pytest.raises(ValueError, match="shape"):
        Slices(base=block, threshold=block, cumulative=block.astype(int), state=block.astype(np.int8),
               contracts=block.astype(int), mask=block.astype(bool))  # fmt: skip


def test_a_ladder_longer_than_the_block_is_refused() -> None:
    ladder = Steps.of([(0.01 * (k + 1), 0.1, True) for k in range(9)])
    with pytest.raises(ValueError, match="8 steps"):
        take_profit.arm([ladder], np.array([0]))


# --- one order a check ----------------------------------------------------------------------------------------------


def judged(position: Position, bid: float, open_contracts: int, **reasons: bool) -> take_profit.ExitOrders:
    flags = {name: np.array([reasons.get(name, False)]) for name in ("emergency", "forced_close", "stop", "target")}
    return take_profit.judge_exits(
        position.check(bid), **flags, quantity=position.quantity, quantity_open=np.array([open_contracts])
    )


def test_target_and_slice_close_in_one_order_and_leave_the_promised_slice() -> None:
    position = Position(100.0, 33, ladder=3)
    position.check(135.0)
    exit_ = judged(position, 146.0, 33, target=True)
    assert (take_profit.REASONS[exit_.reason[0]], exit_.contracts[0]) == ("target", 8)
    assert position.slices.state[0, 2] == ARMED


def test_target_with_a_slice_crossed_in_the_same_check_closes_both() -> None:
    exit_ = judged(Position(100.0, 33, ladder=3), 121.0, 33, target=True)
    assert exit_.contracts[0] == 8 + 8


def test_a_target_without_a_runner_closes_nothing() -> None:
    exit_ = judged(Position(10.0, 12), 10.2, 12, target=True)
    assert (take_profit.REASONS[exit_.reason[0]], exit_.contracts[0]) == ("hold", 0)


@pytest.mark.parametrize("reason", ["emergency", "forced_close", "stop"])
def test_full_exits_close_all_and_cancel_what_is_pending(reason: str) -> None:
    position = Position(100.0, 33, ladder=3)
    position.check(120.0)
    exit_ = judged(position, 121.0, 33, **{reason: True, "target": True})
    assert (take_profit.REASONS[exit_.reason[0]], exit_.contracts[0], exit_.cancels_pending[0]) == (reason, 33, True)


def test_a_full_exit_of_nothing_is_a_hold() -> None:
    exit_ = judged(Position(100.0, 33, ladder=3), 100.0, 0, stop=True)
    assert (exit_.reason[0], exit_.cancels_pending[0]) == (take_profit.HOLD, False)


def test_emergency_speaks_before_forced_close_before_stop() -> None:
    exit_ = judged(Position(100.0, 33, ladder=3), 100.0, 33, emergency=True, forced_close=True, stop=True)
    assert exit_.reason[0] == take_profit.EMERGENCY


# --- against the referee, and for every path ------------------------------------------------------------------------

FACTORS = ["1", "0.9", "0.8", "0.75", "0.72", "0.7", "0.63", "0.6", "0.5", "0.45", "0.4"]


def random_path(rng: random.Random, entry: Fraction) -> list[tuple[str, object, str]]:
    path: list[tuple[str, object, str]] = []
    for _ in range(rng.randint(1, 12)):
        if rng.random() < 0.2:
            path.append(("reject", rng.sample([1, 2, 3], rng.randint(1, 3)), "1"))
        else:
            ratio = Fraction(
                rng.choice(["0.9", "1", "1.02", "1.03", "1.05", "1.07", "1.1", "1.12", "1.15", "1.2", "1.35", "1.5"])
            )
            cents = round(entry * ratio * 100) + rng.choice([-1, 0, 0, 1])
            path.append(("price", Fraction(max(cents, 0), 100), rng.choice(FACTORS)))
    return path


def test_a_hundred_thousand_random_steps_equal_the_referee() -> None:
    rng = random.Random(20260302)
    for _ in range(500):
        # A book of lines judged in lockstep through the evaluator, against one exact position each.
        lines, expected = [], []
        for _ in range(32):
            ladder = rng.randrange(4)
            entry, quantity = (
                Fraction(rng.randint(5, 20_000), 100),
                rng.choice([1, 2, 3, 4, 5, 7, 12, 33, 48, 264, 9999]),
            )
            referee = oracle.Position(entry, quantity, ORACLE_LADDERS[ladder])
            steps, results = [], []
            for verb, value, factor in random_path(rng, entry):
                if verb == "reject":
                    held = [k for k in value if k <= len(referee.tiers)]
                    if held:
                        referee.reject(held)
                        steps.append({"reject": held})
                        results.append(None)
                else:
                    verdict = referee.check(value, Fraction(factor))
                    steps.append({"price": str(float(value)), "factor": factor})
                    results.append(verdict and (*verdict, referee.remaining))
            line = {"entry": str(float(entry)), "quantity": quantity, "steps": steps}
            lines.append((ladder, line))
            expected.append(results)
        for kind, wanted in (("tiers", {0, 1, 2}), ("partial-profit", {3})):
            chosen = [i for i, (ladder, _) in enumerate(lines) if ladder in wanted]
            batch = [
                {**lines[i][1], "regime": take_profit.REGIMES[lines[i][0]]} if kind == "tiers" else lines[i][1]
                for i in chosen
            ]
            numbered = "tiers" if kind == "tiers" else "thresholds"
            for i, result in zip(chosen, KINDS[kind].judge(batch), strict=True):
                got = [s and (s[numbered], s["contracts"], s["remaining"]) for s in result["steps"]]
                assert got == expected[i], lines[i]


prices = st.integers(0, 4000).map(lambda cents: cents / 100)
paths = st.lists(st.tuples(prices, st.sampled_from([1.0, 0.9, 0.72, 0.5, 0.4]), st.booleans()), min_size=1, max_size=12)
books = st.lists(st.tuples(st.integers(1, 2000), st.integers(1, 500), st.integers(0, 3)), min_size=1, max_size=6)


@given(books, paths)
@settings(max_examples=150, deadline=None)
def test_closed_contracts_never_exceed_the_quantity(book: list, path: list) -> None:
    cents, quantity, ladder = (list(column) for column in zip(*book, strict=True))
    position = Position([c / 100 for c in cents], quantity, ladder)
    for bid, factor, rejected in path:
        orders = position.check(bid, factor)
        assert (orders.total >= 0).all()
        assert (position.closable >= 0).all()
        assert (orders.remaining == position.closable).all()
        # A plan that is not 100% (partial profit) always leaves a contract of two or more.
        unfinished = (position.slices.cumulative.max(axis=1) < take_profit.WHOLE) & (position.quantity >= 2)
        assert (position.closable[unfinished] >= 1).all()
        if rejected:
            position.reject(1, 2)


@given(books, paths, st.randoms())
@settings(max_examples=100, deadline=None)
def test_permuting_or_splitting_a_book_changes_no_row(book: list, path: list, rng: random.Random) -> None:
    def walk(rows: list) -> list:
        cents, quantity, ladder = (list(column) for column in zip(*rows, strict=True))
        position = Position([c / 100 for c in cents], quantity, ladder)
        checks = [position.check(bid, factor) for bid, factor, _ in path]
        return [[(c.contracts[i].tolist(), c.crossed[i].tolist()) for c in checks] for i in range(len(rows))]

    whole = walk(book)
    shuffled = list(range(len(book)))
    rng.shuffle(shuffled)
    assert walk([book[i] for i in shuffled]) == [whole[i] for i in shuffled]
    assert [walk([row])[0] for row in book] == whole


@given(st.integers(1, 2000), st.integers(1, 500), st.integers(0, 3))
@settings(max_examples=200, deadline=None)
def test_one_gap_order_equals_the_sum_of_the_steps(cents: int, quantity: int, ladder: int) -> None:
    entry = cents / 100
    thresholds = LADDERS[ladder].thresholds[:, 0]
    stepwise, gap = Position(entry, quantity, ladder), Position(entry, quantity, ladder)
    one_by_one = sum(int(stepwise.check(entry * (1 + t) + 0.0001).total[0]) for t in thresholds)
    assert gap.check(entry * (1 + thresholds[-1]) + 0.0001).total[0] == one_by_one


@given(st.integers(1, 2000), st.integers(1, 500), st.integers(0, 3), prices, st.sampled_from([0.4, 0.5, 0.9]))
@settings(max_examples=200, deadline=None)
def test_a_lower_factor_never_closes_less(cents: int, quantity: int, ladder: int, bid: float, factor: float) -> None:
    base, lowered = Position(cents / 100, quantity, ladder), Position(cents / 100, quantity, ladder)
    assert lowered.check(bid, factor).total[0] >= base.check(bid).total[0]
