"""Where a picture of a record puts things, also where nothing has moved."""

from hypothesis import given
from hypothesis import strategies as st

from riskengine.templatetags.performance_pictures import (
    attribution_bars,
    equity_curve,
    round_amounts,
    spread_of_trades,
)


def days(*ends: float) -> dict:
    rows = [
        {"day": f"2021-01-{k + 4:02d}", "start": 60_000.0, "end": end, "profit": 0.0, "deposits": 0.0, "drawdown": 0.0,
         "worst_drawdown": None}
        for k, end in enumerate(ends)
    ]  # fmt: skip
    return {"days": rows, "max_drawdown": 0.0}


def test_an_account_that_has_not_moved_has_a_level_line() -> None:
    drawn = equity_curve(days(60_000.0))
    heights = {point.split(",")[1] for point in drawn["curve"].split()}
    assert len(heights) == 1
    assert float(drawn["zero"]) > float(heights.pop()) > drawn["top"]


def test_without_a_day_there_is_nothing_to_draw() -> None:
    assert equity_curve(days()) == {"points": []}


@given(st.floats(-1e6, 1e9), st.floats(0.0, 1e8))
def test_the_ticks_lie_around_everything(low: float, span: float) -> None:
    ticks = round_amounts(low, low + span)
    assert ticks[0] < ticks[-1]
    assert ticks[0] <= low + 1e-6 * max(1.0, abs(low))
    assert ticks[-1] >= low + span - 1e-6 * max(1.0, abs(low + span))
    assert len(ticks) <= 8


def test_trades_fall_into_steps_of_a_tenth_and_what_is_further_out_into_the_last() -> None:
    trades = [{"gain": gain} for gain in (-0.25, -0.2, 0.0, 0.099, 0.1, 3.0, None, -1.2)]
    drawn = spread_of_trades(trades)
    assert drawn["rated"] == 7
    assert {round(each["from"], 1): each["count"] for each in drawn["bars"] if each["count"]} == {
        -1.0: 1, -0.3: 1, -0.2: 1, 0.0: 2, 0.1: 1, 0.9: 1,
    }  # fmt: skip


def test_the_largest_part_fills_its_half() -> None:
    drawn = attribution_bars({"parts": [{"part": "delta", "usd": -200.0}, {"part": "fees", "usd": 50.0}]})
    assert [(each["x"], each["long"]) for each in drawn["bars"]] == [(0.0, 100.0), (100.0, 25.0)]
    assert attribution_bars({"parts": []})["bars"] == []
