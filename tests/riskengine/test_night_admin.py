"""Reports of the night in the admin: to look at, and never to be changed."""

import pytest
from django.db import IntegrityError, InternalError, ProgrammingError, transaction
from django.test import Client

from tests import factories
from tests.riskengine import market

pytestmark = pytest.mark.django_db
LIST = "/admin/riskengine/nightreport/"


@pytest.fixture
def admin() -> Client:
    client = Client()
    client.force_login(factories.user("admin", is_staff=True, is_superuser=True))
    return client


def test_reports_are_listed_and_lead_to_their_page(admin: Client) -> None:
    kept = factories.night_report(factories.portfolio(), market.MONDAY)
    page = admin.get(LIST).content.decode()
    assert f"/portfolios/{kept.portfolio.slug}/night/?report={kept.pk}" in page
    assert admin.get(f"{LIST}{kept.pk}/change/").status_code == 200


def test_nobody_adds_changes_or_deletes_one(admin: Client) -> None:
    kept = factories.night_report(factories.portfolio(), market.MONDAY)
    assert admin.get(f"{LIST}add/").status_code == 403
    assert admin.post(f"{LIST}{kept.pk}/change/", {"positions": 9}).status_code == 403
    assert admin.post(f"{LIST}{kept.pk}/delete/", {"post": "yes"}).status_code == 403
    kept.refresh_from_db()
    assert kept.positions == 1


def test_the_database_keeps_them_as_they_are() -> None:
    kept = factories.night_report(factories.portfolio(), market.MONDAY)
    for change in (lambda: kept.delete(), lambda: kept.save(update_fields=["positions"])):
        with pytest.raises((IntegrityError, InternalError, ProgrammingError)), transaction.atomic():
            change()
