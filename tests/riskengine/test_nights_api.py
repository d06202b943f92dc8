"""Reports of the night over the API: a list in pages, the latest, and one of them, as they were stored."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from riskengine.api.examples import nights as examples
from riskengine.models import NightMoment, NightReport
from tests import factories
from tests.riskengine import market
from tests.riskengine.counts import assert_counted
from tests.riskengine.watch.desk import Desk, zero
from tests.riskengine.watch.nights import evening, nights, report

pytestmark = pytest.mark.django_db


def asked(desk: Desk, path: str = "", **query: Any) -> Any:
    client = Client()
    client.force_login(desk.portfolio.owner)
    return client.get(f"/api/v1/portfolios/{desk.portfolio.slug}/nights/{path}", query)


def test_the_latest_is_what_was_stored() -> None:
    desk = evening(30)
    assert asked(desk, "latest/").status_code == 404
    nights(desk, "15:30:00")
    answer = asked(desk, "latest/")
    assert answer.status_code == 200
    kept = report(desk)
    found = answer.json()
    assert found["contents"] == kept.contents
    assert (found["session_on"], found["moment"], found["positions"]) == ("2021-01-04", "close", 1)
    assert (found["equity"], found["worst_loss"]) == ("100000.00", f"{kept.worst_loss:.2f}")
    assert found["made_at"] == "2021-01-04T20:30:00Z"
    assert asked(desk, f"{kept.pk}/").json() == found


def test_the_example_is_of_the_form_that_is_made() -> None:
    """A field that a report gains or loses is seen here, and with it the schema that describes it."""
    desk = evening(30)
    desk.bet.revise(propose_reduction=True)
    desk.contract.underlying.ex_dividend_dates.create(
        ex_on=market.MONDAY + timedelta(days=1), amount_per_share="0.2050", source="test"
    )
    nights(desk, "15:30:00")
    made, shown = report(desk).contents, examples.REPORT["contents"]

    def form(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: form(each) for name, each in value.items()}
        return [form(value[0])] if isinstance(value, list) and value else type(value).__name__

    assert form(made) == form(shown)
    assert made["book"] == shown["book"]


def test_the_list_is_paged_latest_first_and_filtered() -> None:
    desk = evening(0)
    for days in range(3):
        factories.night_report(desk.portfolio, market.MONDAY + timedelta(days=days))
        factories.night_report(desk.portfolio, market.MONDAY + timedelta(days=days), NightMoment.BEFORE_OPEN)
    factories.night_report(zero().portfolio, market.MONDAY)
    page = asked(desk, page_size=4).json()
    assert [row["id"] for row in page["results"]] == sorted((row["id"] for row in page["results"]), reverse=True)
    assert len(page["results"]) == 4
    assert page["next"]
    assert "contents" not in page["results"][0]
    assert len(asked(desk).json()["results"]) == 6
    only = asked(desk, moment="open", session_on="2021-01-05").json()["results"]
    assert [(row["moment"], row["session_on"]) for row in only] == [("open", "2021-01-05")]


def test_a_stranger_finds_nothing_and_neither_is_another_portfolios_report() -> None:
    desk, other = evening(0), zero()
    kept = factories.night_report(other.portfolio, market.MONDAY)
    assert asked(desk, f"{kept.pk}/").status_code == 404
    stranger = Client()
    stranger.force_login(factories.user("stranger"))
    for path in ("", "latest/", f"{kept.pk}/"):
        address = f"/api/v1/portfolios/{other.portfolio.slug}/nights/{path}"
        assert stranger.get(address).status_code == 404
        assert Client().get(address).status_code == 401
        assert stranger.post(address).status_code in (404, 405)


def test_each_takes_as_many_statements_as_are_committed() -> None:
    desk = evening(0)
    for days in range(3):
        factories.night_report(desk.portfolio, market.MONDAY + timedelta(days=days))
    client = Client()
    client.force_login(desk.portfolio.owner)
    root = f"/api/v1/portfolios/{desk.portfolio.slug}/nights/"
    for name, path in {"api nights": "", "api night": "latest/"}.items():
        with assert_counted(name):
            assert client.get(root + path).status_code == 200
    newest = NightReport.objects.latest("id").pk
    with assert_counted("page night"):
        assert client.get(f"/portfolios/{desk.portfolio.slug}/night/?report={newest}").status_code == 200
