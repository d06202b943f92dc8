"""The overnight page without a browser: who may see it, the report or a look at this moment, and the drawn states."""

from datetime import date, datetime
from html import unescape

import pytest
from django.test import Client

from positions.models import ExchangeSession, Portfolio
from riskengine.models import NightReport
from riskengine.views import night, risk
from tests import factories
from tests.riskengine import market
from tests.riskengine.watch.desk import Desk, hold_seven
from tests.riskengine.watch.nights import FRIDAY, TUESDAY, day_starts, evening, nights, quoted

pytestmark = pytest.mark.django_db


class Wall:
    """The pages' wall clock: where the desk's market clock comes to a time."""

    def __init__(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        self.desk, self.at = desk, desk.at("15:00")
        for view in (night, risk):
            monkeypatch.setattr(view.timezone, "now", lambda: desk.bet.wall(self.at))

    def to(self, at: datetime) -> None:
        self.at = at


def page(desk: Desk, query: str = "", of: str = "night") -> str:
    client = Client()
    client.force_login(desk.portfolio.owner)
    answer = client.get(f"/portfolios/{desk.portfolio.slug}/{of}/{query}")
    assert answer.status_code == 200
    return " ".join(unescape(answer.content.decode()).split())


def test_a_stranger_finds_nothing_and_who_is_not_signed_in_signs_in() -> None:
    desk = evening()
    address = f"/portfolios/{desk.portfolio.slug}/night/"
    assert Client().get(address).status_code == 302
    stranger = Client()
    stranger.force_login(factories.user("stranger"))
    assert stranger.get(address).status_code == 404
    staff = Client()
    staff.force_login(factories.user("staff", is_staff=True))
    assert staff.get(address).status_code == 200
    assert staff.post(address).status_code == 405


def test_before_its_time_it_is_a_look_at_this_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = evening(30)
    Wall(desk, monkeypatch).to(desk.at("15:29:59"))
    quoted(desk, desk.at("15:29:50"))
    shown = page(desk)
    assert "As of 2021-01-04 15:29:59 New York, market time, kept nowhere. The report is made at 15:30." in shown
    assert "above the limit of $10,000 (10.0%)" in shown
    assert "from 16:00 to Tue 09:30: 17 h 30 m" in shown
    assert "$5.025 a share, quote 9 s old then" in shown
    assert "4,000 shares" not in shown
    assert "3,000 shares" in shown
    assert not NightReport.objects.exists()


def test_from_its_time_on_it_is_the_report_and_this_moment_is_a_link(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = evening(30)
    wall = Wall(desk, monkeypatch)
    nights(desk, "15:30:00")
    wall.to(desk.at("15:50"))
    shown = page(desk)
    assert "Report before the close of Mon 4 Jan 2021, made at 15:30 New York, market time." in shown
    assert "AAPL 130C by itself" in shown
    now = page(desk, "?now")
    assert "As of 2021-01-04 15:50:00" in now
    assert "The report of 15:30</a> says what was known then." in now
    assert "cannot be priced" in now, "the quote is 20 minutes old"
    assert "its last quote is too old" in now


def test_a_report_says_that_something_was_traded_since(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = evening(30)
    Wall(desk, monkeypatch).to(desk.at("15:40"))
    nights(desk, "15:30:00")
    assert "Something was bought or sold since" not in page(desk)
    hold_seven(desk, 1, contract=market.stock("AAPL", "135"))
    assert "Something was bought or sold since" in page(desk)


def test_next_day_a_new_night_and_the_old_report_in_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = evening(30)
    wall = Wall(desk, monkeypatch)
    nights(desk, "15:30:00")
    day_starts(desk, TUESDAY)
    wall.to(desk.at("11:00", TUESDAY))
    shown = page(desk)
    assert "As of 2021-01-05 11:00:00" in shown
    kept = NightReport.objects.get()
    assert f"?report={kept.pk}" in shown
    assert "made at 15:30" in page(desk, f"?report={kept.pk}")


@pytest.mark.parametrize("asked", ["0", "x", "99999999999999999999", "-1"])
def test_a_report_that_is_not_there(asked: str) -> None:
    desk = evening(30)
    client = Client()
    client.force_login(desk.portfolio.owner)
    assert client.get(f"/portfolios/{desk.portfolio.slug}/night/?report={asked}").status_code == 404


def test_a_weekend_is_told_in_hours_and_without_an_equity_no_share_is(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = evening(30, day=FRIDAY, contract=market.stock("AAPL", expires=date(2021, 1, 22)))
    desk.portfolio.equity_snapshots.all().delete()
    Wall(desk, monkeypatch).to(desk.at("15:30"))
    shown = page(desk)
    assert "from 16:00 to Tue 09:30: 89 h 30 m" in shown
    assert "the equity at the start of the day is not known, and so no limit is" in shown
    assert "not known of equity" not in shown


def test_an_account_that_is_off_is_told_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = evening(30)
    Wall(desk, monkeypatch)
    Portfolio.objects.update(mode="off")
    shown = page(desk)
    assert "No report is made while the account is off." in shown
    assert "The report is made at" not in shown


def test_at_night_prices_are_those_of_the_close(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = evening(30, at="16:00")
    Wall(desk, monkeypatch).to(desk.at("20:00"))
    shown = page(desk)
    assert "Prices are those of the close, 2021-01-04 16:00:00" in shown
    assert "The next report is made in the hour before the open." in shown


def test_nothing_held_is_a_drawn_state(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = evening(0)
    Wall(desk, monkeypatch)
    shown = page(desk)
    assert "Nothing is held over the night." in shown
    assert "<table" not in shown


def test_without_a_calendar_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = evening(30)
    Wall(desk, monkeypatch)
    ExchangeSession.objects.all().delete()
    assert "import_sessions" in page(desk)


def test_a_proposal_leads_to_the_page_that_closes_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = evening(40)
    desk.bet.revise(propose_reduction=True)
    Wall(desk, monkeypatch).to(desk.at("15:30"))
    nights(desk, "15:30:00")
    shown = page(desk)
    (proposal,) = NightReport.objects.get().contents["reduction"]
    address = f"/portfolios/{desk.portfolio.slug}/positions/{proposal['position']}/close-part/"
    assert f'href="{address}?contracts={proposal["sell"]}"' in shown
    assert "Nothing is sold by itself." in shown


def test_dates_ahead_and_what_early_exercise_would_need(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = evening(30)
    Wall(desk, monkeypatch).to(desk.at("15:30"))
    of = desk.contract.underlying
    of.earnings_dates.create(reports_on=TUESDAY, timing="before_open", source="test")
    of.ex_dividend_dates.create(ex_on=TUESDAY, amount_per_share="0.2050", source="test")
    shown = page(desk)
    assert "Tue 5 Jan 2021, before the open" in shown
    assert "this night" in shown
    assert "when the dividend ($0.205) exceeds the time value ($5.025 a share): it does not." in shown


def test_an_index_option_changes_no_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = evening(0)
    index = market.spxw("3700", expires=TUESDAY)
    hold_seven(desk, 1, "44.00", contract=index)
    Wall(desk, monkeypatch).to(desk.at("15:30"))
    quoted(desk, desk.at("15:30"), "44.00", "44.40", contract=index)
    shown = page(desk)
    assert "settled in cash" in shown
    assert "none: it does not report" in shown


def test_the_risk_page_leads_there_where_there_is_a_night(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = evening(0)
    Wall(desk, monkeypatch)
    assert "/night/" not in page(desk, of="risk")
    hold_seven(desk, 1)
    assert f'href="/portfolios/{desk.portfolio.slug}/night/"' in page(desk, of="risk")


def test_every_cell_has_its_sign_and_an_arrow_beside_its_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = evening(30)
    Wall(desk, monkeypatch).to(desk.at("15:30"))
    shown = page(desk)
    assert shown.count("▼</span> −$") >= 9
    assert shown.count("▲</span> +$") >= 9
