"""Whether the desk says that entries are open: what has tripped stops them also when the number has recovered."""

from typing import Any

import pytest
from django.test import Client

from positions.models import OptionQuote
from riskengine.models import Breaker
from riskengine.services.watch.desk import desk as desk_of
from tests import factories
from tests.riskengine.watch import guarded
from tests.riskengine.watch.desk import Desk, runs_on
from tests.riskengine.watch.guarded import fall, look

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk() -> Desk:
    made = guarded.guarded()
    runs_on(made)
    return made


def entries(desk: Desk, at: str) -> dict[str, Any]:
    (card,) = desk_of(portfolios=[desk.portfolio], now=desk.bet.wall(desk.at(at)))["portfolios"]
    return card["entries"]


def test_nothing_in_the_way(desk: Desk) -> None:
    look(desk, "10:43:00", "200.0000", "risk")
    assert entries(desk, "10:43:01") == {"reasons": [], "not_in": [], "need_confirmation": False}


def test_a_breaker_that_tripped_stops_entries_also_when_the_loss_is_gone(desk: Desk) -> None:
    fall(desk, "140.0000")
    look(desk, "10:43:10", "200.0000", "risk")
    told = entries(desk, "10:43:11")
    assert told["reasons"] == ["L2: daily loss limit has tripped"]
    assert told["need_confirmation"], "L1 has, too"


def test_l1_alone_asks_for_a_person_and_stops_nothing(desk: Desk) -> None:
    fall(desk, "165.0000")
    look(desk, "10:43:10", "200.0000", "risk")
    assert entries(desk, "10:43:11") == {"reasons": [], "not_in": [], "need_confirmation": True}


def test_two_stop_outs_close_one_underlying(desk: Desk) -> None:
    look(desk, "10:43:00", "200.0000", "risk")
    Breaker.objects.create(
        portfolio=desk.portfolio, code="stop_outs", underlying=desk.contract.underlying, state="tripped",
        session_on=desk.day, tripped_at=desk.at("10:43:00"),
    )  # fmt: skip
    assert entries(desk, "10:43:01") == {"reasons": [], "not_in": ["SPX"], "need_confirmation": False}


def test_what_the_last_risk_check_could_not_judge_takes_no_entries(desk: Desk) -> None:
    OptionQuote.objects.all().delete()
    desk.check("10:43:00", "risk")
    (told,) = [each for each in entries(desk, "10:43:01")["reasons"] if "could not judge" in each]
    assert told.startswith("the last risk check could not judge it (Position ")


def test_a_decision_leads_to_the_parameters_it_was_made_under(desk: Desk) -> None:
    decision = factories.decision(desk.portfolio, contract=desk.contract)
    client = Client()
    client.force_login(desk.portfolio.owner)
    page = client.get(f"/decisions/{decision.pk}/").content.decode()
    address = f"/profiles/{desk.portfolio.profile.slug}/?revision={decision.revision.number}"
    assert address in page
    assert client.get(address).status_code == 200


def test_pages_about_no_portfolio_are_labelled_where_all_are_demos(desk: Desk) -> None:
    client = Client()
    client.force_login(desk.portfolio.owner)
    label = "Every portfolio here is a demo"
    assert label not in client.get("/orders/").content.decode()
    desk.portfolio.__class__.objects.filter(pk=desk.portfolio.pk).update(is_demo=True)
    for address in ("/orders/", "/decisions/", "/desk/", "/stop/"):
        assert label in client.get(address).content.decode(), address
