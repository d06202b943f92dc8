"""The figures of a record through `manage.py evaluate metrics`, against empyrical on the seven stocks of 2020-2022.

empyrical stands beside the product and not in it: why is docs/decisions/0030.
"""

import json
import subprocess
import sys
from pathlib import Path

import empyrical
import pandas as pd
import pytest

ROOT = Path(__file__).parent.parent.parent
THEIRS = {
    "total_return": empyrical.cum_returns_final,
    "annual_return": empyrical.annual_return,
    "volatility": empyrical.annual_volatility,
    "max_drawdown": empyrical.max_drawdown,
    "sharpe": empyrical.sharpe_ratio,
    "sortino": empyrical.sortino_ratio,
    "calmar": empyrical.calmar_ratio,
    "var_95": empyrical.value_at_risk,
    "cvar_95": empyrical.conditional_value_at_risk,
}


@pytest.fixture(scope="module")
def daily():
    """Simple returns of the adjusted closes, by symbol. The sessions that a stock has no close of are left out."""
    rows = pd.read_csv(ROOT / "positions" / "recorded" / "mag7_daily_2010_2022.csv.gz", parse_dates=["date"])
    closes = rows.pivot_table(index="date", columns="symbol", values="adj_close").loc["2020":"2022"]
    assert closes.shape[1] == 7
    return {symbol: closes[symbol].dropna().pct_change().dropna() for symbol in closes}


@pytest.fixture(scope="module")
def evaluated(daily):
    lines = [json.dumps({"returns": each.tolist(), "periods_per_year": 252}) for each in daily.values()]
    return subprocess.run(
        [sys.executable, "-X", "importtime", "manage.py", "evaluate", "metrics"],
        cwd=ROOT, input="\n".join(lines) + "\n", capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip


def test_every_figure_that_empyrical_has_agrees_to_a_billionth(daily, evaluated):
    found = [json.loads(line) for line in evaluated.stdout.splitlines()]
    assert len(found) == 7
    for (symbol, returns), ours in zip(daily.items(), found, strict=True):
        assert len(returns) > 700
        for name, figure in THEIRS.items():
            assert ours[name] == pytest.approx(figure(returns), abs=1e-9, rel=1e-9), f"{symbol} {name}"


def test_and_neither_it_nor_pandas_is_started_for_them(evaluated):
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in evaluated.stderr.splitlines()}
    assert "numpy" in imported
    assert not imported & {"pandas", "empyrical", "django_celery_beat", "sklearn"}
