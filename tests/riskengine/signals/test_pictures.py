"""The picture of the record stands where its numbers say."""

from riskengine.templatetags.record_pictures import HIGH, LEFT, TOP, WIDE, reliability


def record(**changes: object) -> dict[str, object]:
    tier = {
        "begins": 0.7, "ends": 0.8, "trades": 20, "wins": 14, "win_rate": 0.7, "low": 0.48, "high": 0.85,
        "break_even": 0.6, "mean_confidence": 0.73, "waits_for_review": False,
    }  # fmt: skip
    return {
        "tiers": [tier | changes, tier | {"trades": 0}],
        "calibration": [{"raw": 0.0, "calibrated": 0.4}, {"raw": 1.0, "calibrated": 0.7}],
        "calibrates": True,
        "trades": 20,
        "record": {"win_rate": 0.7},
    }


def test_each_tier_that_was_traded_stands_at_its_confidence_and_win_rate_with_interval_and_need() -> None:
    (point,) = reliability(record())["points"]

    def share(y: float) -> float:
        return round(1 - (y - TOP) / HIGH, 2)

    assert round((point["x"] - LEFT) / WIDE, 2) == 0.73
    assert [share(point[name]) for name in ("y", "low_y", "high_y", "need_y")] == [0.7, 0.48, 0.85, 0.6]
    assert point["need_x"] < point["x"]


def test_a_tier_without_a_break_even_shows_none() -> None:
    (point,) = reliability(record(break_even=None))["points"]
    assert point["need_y"] is None


def test_the_curve_runs_over_the_whole_width() -> None:
    first, last = (tuple(map(float, pair.split(","))) for pair in reliability(record())["curve"].split())
    assert (first[0], last[0]) == (LEFT, LEFT + WIDE)
    assert first[1] > last[1], "higher on the page"
