"""`manage.py import_record`: trades from before count in the record of confidence, once, and nowhere else."""

from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from riskengine.models import PriorTrade
from riskengine.services.signals.record import confidence_record
from tests.riskengine import market
from tests.riskengine.market import Bet

pytestmark = pytest.mark.django_db


@pytest.fixture
def bet() -> Bet:
    return market.zero_dte()


def run(bet: Bet, folder: Path, *rows: str, slug: str = "") -> str:
    file, out = folder / "record.csv", StringIO()
    file.write_text("id,confidence,gain,closed_at\n" + "\n".join(rows) + "\n")
    call_command("import_record", str(file), portfolio=slug or bet.portfolio.slug, source="before", stdout=out)
    return out.getvalue()


def test_trades_are_imported_once_and_count_in_the_record(bet: Bet, tmp_path: Path) -> None:
    rows = ["1,0.72,0.10,2020-12-01 11:00", "2,0.72,-0.25,2020-12-02 15:30"]
    assert "2 closed trades read: 2 new" in run(bet, tmp_path, *rows)
    assert "0 new, 2 already known" in run(bet, tmp_path, *rows)
    trade = PriorTrade.objects.get(external_id="2")
    assert (trade.gain_fraction, trade.source) == (Decimal("-0.25"), "before")
    assert trade.closed_at.isoformat() == "2020-12-02T20:30:00+00:00"
    found = confidence_record(bet.portfolio, now=bet.wall())
    assert (found["trades"], found["record"]["wins"]) == (2, 1)


def test_a_trade_on_record_stands(bet: Bet, tmp_path: Path) -> None:
    run(bet, tmp_path, "1,0.72,0.10,2020-12-01 11:00")
    run(bet, tmp_path, "1,0.99,5,2020-12-01 11:00")
    assert PriorTrade.objects.get().confidence == Decimal("0.72")


def test_rows_that_cannot_be_true_are_listed(bet: Bet, tmp_path: Path) -> None:
    said = run(
        bet, tmp_path, "1,0.72,0.10,2020-12-01 11:00", "2,1.2,0.1,2020-12-01 11:00", "3,0.7,-3,2020-12-01 11:00",
        "4,0.7,nan,2020-12-01 11:00", ",0.7,0.1,2020-12-01 11:00", "1,0.7,0.1,2020-12-01 11:00",
    )  # fmt: skip
    assert "6 closed trades read: 1 new" in said
    assert "5 rejected" in said


def test_an_account_that_is_not_there_is_named(bet: Bet, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=f"no portfolio 'nobody'. Known: {bet.portfolio.slug}"):
        run(bet, tmp_path, "1,0.72,0.10,2020-12-01 11:00", slug="nobody")
