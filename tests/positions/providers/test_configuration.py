"""A provider is configured without a secret, and a mistake is a sentence when it is saved."""

import json
from datetime import date, time
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.test import Client

from positions.market.calendar import new_york_instant
from positions.models import DataProvider, Supply
from positions.recorded import CLOSES_SOURCE
from positions.selectors import providers_with_last_runs
from tests import factories
from tests.positions.providers import answers
from tests.positions.providers import played as play
from tests.positions.providers.asking import NAME, generic, run
from tests.positions.providers.played import Stage

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("name", ["SECRET_KEY", "DATABASE_URL", "sk-abc123", "APCA_key", "MARKET_DATA"])
def test_no_other_variable_of_the_process_is_sent_anywhere(played: Stage, name: str) -> None:
    with pytest.raises(ValidationError, match="MARKET_DATA_ or APCA_"):
        generic(played, key_variable=name)
    with pytest.raises(IntegrityError), transaction.atomic():
        DataProvider.objects.create(name="x", kind="http_json", base_url="https://x.test", key_variable=name)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"base_url": "ftp://example.test"}, "https://"),
        ({"base_url": "https://user:secret@example.test"}, "credentials are variables"),
        ({"base_url": "https://example.test/?key=secret"}, "credentials are variables"),
        ({"base_url": ""}, "needs an address"),
        ({"settings": []}, "JSON object"),
        ({"settings": {}}, "list of 1 to 20"),
        ({"settings": {"endpoints": [{"brings": "news"}]}}, "must be one of"),
        ({"settings": {"endpoints": [answers.CLOSES_ENDPOINT | {"path": "eod"}]}}, "begin with a slash"),
        ({"settings": {"endpoints": [answers.CLOSES_ENDPOINT | {"path": "/{password}"}]}}, "cannot be filled in"),
        ({"settings": {"endpoints": [answers.CLOSES_ENDPOINT | {"fields": {"close": "c"}}]}}, "have the fields"),
        ({"settings": {"endpoints": answers.ENDPOINTS, "credential": {"header": "a", "query": "b"}}}, "not into both"),
        ({"settings": {"endpoints": answers.ENDPOINTS, "key": "secret"}}, "no setting here"),
        ({"kind": "alpaca", "settings": {"option_feed": "indicative"}}, "must be opra"),
        ({"kind": "alpaca", "settings": {}}, "needs a key"),
        ({"timeout_seconds": 21}, "1 to 20 seconds"),
        ({"requests_per_minute": 0}, "1 to 10,000"),
    ],
)
def test_a_mistake_is_a_sentence_when_it_is_saved(played: Stage, changed: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as wrong:
        generic(played, **changed)
    assert any(words in message for message in wrong.value.messages), wrong.value.messages


def test_a_supply_that_the_provider_does_not_bring_is_refused(played: Stage) -> None:
    with pytest.raises(ValidationError, match="brings no splits"):
        generic(played, "splits", settings={"endpoints": [answers.CLOSES_ENDPOINT]})


def test_the_admin_keeps_reserved_names_and_unknown_symbols_out(client: Any) -> None:
    client.force_login(factories.user("boss", is_staff=True, is_superuser=True))
    page = "/admin/positions/dataprovider/add/"
    given = {
        "name": CLOSES_SOURCE, "kind": "http_json", "base_url": "https://example.test", "symbols": "AAPL NOBODY",
        "timeout_seconds": 5, "requests_per_minute": 60, "settings": "{}", "supplies-TOTAL_FORMS": 0,
        "supplies-INITIAL_FORMS": 0,
    }  # fmt: skip
    assert client.get(page).status_code == 200
    text = client.post(page, given).content.decode()
    assert "is a recording or a simulation" in text
    assert "NOBODY is no instrument on record" in text
    assert not DataProvider.objects.exists()


def test_the_admin_saves_a_provider_with_its_supplies_and_its_name_is_fixed_once_it_was_asked(
    played: Stage, client: Client
) -> None:
    client.force_login(factories.user("boss", is_staff=True, is_superuser=True))
    given = {
        "name": NAME, "kind": "http_json", "base_url": played.url, "symbols": "aapl AAPL", "timeout_seconds": 5,
        "requests_per_minute": 60, "settings": json.dumps({"endpoints": answers.ENDPOINTS}), "supplies-TOTAL_FORMS": 1,
        "supplies-INITIAL_FORMS": 0, "supplies-0-what": "splits", "supplies-0-interval_seconds": 3600, "enabled": "on",
    }  # fmt: skip
    saved = client.post("/admin/positions/dataprovider/add/", given)
    assert saved.status_code == 302, saved.context["errors"]
    provider = DataProvider.objects.get()
    assert (provider.symbols, provider.supplies.get().what) == ("AAPL", "splits")
    answers.sessions_2014()
    played.play("/splits", play.says([]))
    run(new_york_instant(date(2014, 6, 6), time(12)))
    page = client.get(f"/admin/positions/dataprovider/{provider.pk}/change/")
    assert 'name="name"' not in page.content.decode()
    listed = client.get("/admin/positions/dataprovider/").content.decode()
    assert "answered" in listed


def test_the_api_tells_each_provider_with_its_last_run_and_no_address(played: Stage, client: Client) -> None:
    client.force_login(factories.user("anybody"))
    assert client.get("/api/v1/providers/").json() == []
    answers.sessions_2014()
    generic(played, "splits", "earnings")
    Supply.objects.filter(what="earnings").delete()
    played.play("/splits", play.says([{"ticker": "AAPL", "on": "2014-06-09", "new": 7, "old": 1}]))
    run(new_york_instant(date(2014, 6, 6), time(12)))
    [told] = client.get("/api/v1/providers/").json()
    assert (told["name"], told["kind"], told["enabled"]) == (NAME, "http_json", True)
    [supply] = told["supplies"]
    assert (supply["what"], supply["last_run"]["new"], supply["last_run"]["outcome"]) == ("splits", 1, "ok")
    assert "127.0.0.1" not in str(told)


def test_the_list_takes_three_statements_however_many_there_are(client: Client, django_assert_num_queries: Any) -> None:
    for number in range(5):
        DataProvider.objects.create(name=f"provider {number}", kind="http_json", base_url="https://example.test")
    with django_assert_num_queries(3):
        providers_with_last_runs()
