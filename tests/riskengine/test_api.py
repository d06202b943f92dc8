"""Sizing over the API: who may ask, what they are told, and every wrong question in the one shape."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from accounts.models import ApiToken, Scope, User
from accounts.services import issue_token, revoke_token
from positions.models import ExchangeSession, OptionContract
from tests import factories
from tests.riskengine import market
from tests.riskengine.counts import assert_counted
from tests.riskengine.market import Bet

SLUG = "owners"
PORTFOLIOS = "/api/v1/portfolios/"
PORTFOLIO = f"{PORTFOLIOS}{SLUG}/"
PREVIEW = f"{PORTFOLIO}sizing/preview/"
CONTRACTS = f"{PORTFOLIO}contracts/"
CALL = "SPXW210104C03700000"
ASKED = {"contract": CALL, "confidence": "0.70"}
SIZES = ('contracts"', "dollars", "formula", "13320", "13,320")


@pytest.fixture(scope="module")
def recorded(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[Bet]:
    """One market for all tests of this file; what a test changes is undone after it."""
    with django_db_blocker.unblock(), transaction.atomic():
        owner = factories.user("owner")
        factories.user("staff", is_staff=True)
        factories.user("stranger")
        bet = market.zero_dte(owner=owner, slug=SLUG)
        market.quote(market.spxw("3705"), bet.at.replace(second=0), bid="43.00", ask="43.40")
        yield bet
        transaction.set_rollback(True)
    connection.close()


@pytest.fixture
def bet(recorded: Bet, db: None) -> Iterator[Bet]:
    """The healthy bet, at its moment."""
    with time_machine.travel(recorded.wall(), tick=False):
        yield recorded


def signed_in(username: str, **options: Any) -> Client:
    client = Client(**options)
    client.force_login(User.objects.get(username=username), backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def owner(bet: Bet) -> Client:
    return signed_in("owner")


def ask(client: Client, body: Any = None, path: str = PREVIEW, **headers: str) -> Any:
    """POST as JSON; text and bytes go as they are."""
    sent = ASKED if body is None else body
    data = sent if isinstance(sent, str | bytes) else json.dumps(sent)
    return client.post(path, data, content_type="application/json", headers=headers)


def errors(response: Any) -> list[tuple[str, str]]:
    """(code, field) of each error, each in the one shape with a sentence."""
    body = response.json()
    assert set(body) == {"errors"}
    assert all(set(error) == {"code", "message", "field"} and error["message"] for error in body["errors"])
    assert all(isinstance(part, str) for error in body["errors"] for part in error.values())
    return [(error["code"], error["field"]) for error in body["errors"]]


# ---- Who may ask ----


def tokens(username: str, *scopes: Scope) -> tuple[ApiToken, dict[str, str]]:
    user = User.objects.get(username=username)
    token, secret = issue_token(
        user=user, name="test", scopes=scopes or [Scope.READ], now=timezone.now(), valid_for=timedelta(days=1)
    )
    return token, {"Authorization": f"Bearer {secret}"}


@pytest.mark.parametrize("username", ["owner", "staff"])
def test_owner_and_staff_are_answered_by_session_and_by_token(bet: Bet, username: str) -> None:
    by_session = ask(signed_in(username))
    _, header = tokens(username)
    by_token = ask(Client(), **header)
    assert by_session.status_code == by_token.status_code == 200
    assert by_session.json() == by_token.json() == bet.preview()


@pytest.mark.parametrize("path", [PORTFOLIOS, PORTFOLIO, CONTRACTS])
def test_who_says_no_name_gets_nothing(bet: Bet, path: str) -> None:
    for response in (Client().get(path), ask(Client())):
        assert (response.status_code, response["WWW-Authenticate"]) == (401, "Bearer")
        assert errors(response) == [("not_authenticated", "")]


def test_a_stranger_learns_no_more_than_of_what_does_not_exist(bet: Bet) -> None:
    stranger = signed_in("stranger")
    assert stranger.get(PORTFOLIOS).json() == []
    for path in (PORTFOLIO, CONTRACTS):
        mine, missing = stranger.get(path), stranger.get(path.replace(SLUG, "missing"))
        assert mine.status_code == missing.status_code == 404
        assert mine.json() == missing.json()
        assert errors(mine) == [("not_found", "")]
    asked, unheard_of = ask(stranger), ask(stranger, path=PREVIEW.replace(SLUG, "missing"))
    assert (asked.status_code, asked.json()) == (404, unheard_of.json())


def test_a_stranger_is_not_told_which_contracts_are_known(bet: Bet) -> None:
    stranger = signed_in("stranger")
    assert ask(stranger, {"contract": "nonsense"}).status_code == 404


def test_staff_see_every_portfolio_and_owners_their_own(bet: Bet) -> None:
    factories.portfolio(slug="anothers")
    assert [each["slug"] for each in signed_in("staff").get(PORTFOLIOS).json()] == ["anothers", SLUG]
    [mine] = signed_in("owner").get(PORTFOLIOS).json()
    assert (mine["slug"], mine["cash"], mine["clock"]) == (SLUG, "60000.00", "recorded market of 2021-01-04")
    assert signed_in("owner").get(PORTFOLIO).json() == mine


def test_a_token_that_may_only_read_may_look_at_a_size(bet: Bet) -> None:
    _, header = tokens("owner", Scope.READ)
    assert ask(Client(), **header).status_code == 200


def test_a_token_without_the_scope_is_told_so(bet: Bet) -> None:
    _, header = tokens("owner", Scope.TRADE)
    response = ask(Client(), **header)
    assert (response.status_code, errors(response)) == (403, [("token_scope", "")])


def test_a_token_that_has_ended_is_refused_with_its_reason(bet: Bet) -> None:
    token, header = tokens("owner")
    with time_machine.travel(timezone.now() + timedelta(days=1), tick=False):
        response = ask(Client(), **header)
    assert (response.status_code, errors(response)) == (401, [("token_expired", "")])
    revoke_token(token=token, now=timezone.now())
    assert errors(ask(Client(), **header)) == [("token_revoked", "")]
    assert errors(ask(Client(), Authorization="Bearer bsz_nobodys")) == [("token_unknown", "")]


def test_a_session_without_its_csrf_token_writes_nothing_and_asks_nothing(bet: Bet) -> None:
    response = ask(signed_in("owner", enforce_csrf_checks=True))
    assert (response.status_code, errors(response)) == (403, [("permission_denied", "")])


# ---- The answer ----


def test_page_api_and_command_say_the_same_at_the_same_instant(
    bet: Bet, owner: Client, capsys: pytest.CaptureFixture
) -> None:
    page = owner.get(f"/portfolios/{SLUG}/size/", ASKED)
    call_command("preview_size", SLUG, CALL, "0.70", "--json")
    by_command = json.loads(capsys.readouterr().out)
    assert page.context["preview"] == by_command == ask(owner).json() == bet.preview()


def test_a_refused_bet_is_an_answer_with_what_passes_instead(bet: Bet, owner: Client) -> None:
    OptionContract.objects.filter(pk=bet.contract.pk).update(is_adjusted=True)
    response = ask(owner)
    assert response.status_code == 200
    assert response.json()["answer"]["refusal"]["code"] == "ADJUSTED_CONTRACT"
    assert response.json()["nearest"]["occ_symbol"] == "SPXW  210104C03705000"


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"confirmed_at": market.WALL, "changed_at": market.WALL}, "STALE_QUOTE", "contract"),
        ({"source": "another recording"}, "STALE_QUOTE", "contract"),
        ({"bid": "44.50"}, "CROSSED_QUOTE", "contract"),
        ({"bid": None}, "NO_BID", "contract"),
        ({"ask": None}, "CROSSED_QUOTE", "contract"),
    ],
    ids=["stale", "another market's", "crossed", "no bid", "no ask"],
)
def test_what_is_no_price_is_an_error_without_any_size(
    bet: Bet, owner: Client, changes: dict[str, Any], code: str, field: str
) -> None:
    bet.quote(**changes)
    assert_unprocessable(ask(owner), code, field)


def assert_unprocessable(response: Any, code: str, field: str) -> None:
    assert (response.status_code, errors(response)) == (422, [(code, field)])
    assert not [size for size in SIZES if size in response.text]


def test_an_expired_contract_is_an_error_without_any_size(bet: Bet, owner: Client) -> None:
    with time_machine.travel(bet.wall(bet.at.replace(hour=21, minute=0, second=0)), tick=False):
        assert_unprocessable(ask(owner), "EXPIRED", "contract")


def test_an_account_that_is_not_known_is_an_error_of_no_field(bet: Bet, owner: Client) -> None:
    bet.portfolio.equity_snapshots.all().delete()
    assert_unprocessable(ask(owner), "INVALID_INPUT", "")


def test_a_market_time_outside_the_calendar_is_an_error(bet: Bet, owner: Client) -> None:
    ExchangeSession.objects.all().delete()
    assert_unprocessable(ask(owner), "SESSION_CLOSED", "")


def test_the_users_odds_are_compared_with_kelly(bet: Bet, owner: Client) -> None:
    answer = ask(owner, ASKED | {"win_probability": 0.55, "payoff": "1"}).json()
    assert answer["kelly"] == {"fraction": 0.1, "times": pytest.approx(2.22)}
    assert "W2" in {each["code"] for each in answer["advice"]}
    assert ask(owner, ASKED | {"win_probability": None, "payoff": None}).json()["kelly"] is None


def test_each_endpoint_takes_as_many_statements_as_are_committed(bet: Bet, owner: Client) -> None:
    for name, call in (
        ("api portfolios", lambda: owner.get(PORTFOLIOS)),
        ("api portfolio", lambda: owner.get(PORTFOLIO)),
        ("api contracts", lambda: owner.get(CONTRACTS)),
        ("api preview approved", lambda: ask(owner)),
        ("api preview refused", lambda: ask(owner, ASKED | {"confidence": "0.5"})),
    ):
        with assert_counted(name):
            assert call().status_code == 200


# ---- Contracts ----


def test_the_chain_shows_quotes_with_their_age(bet: Bet, owner: Client) -> None:
    chain = owner.get(CONTRACTS).json()
    assert [row["occ_symbol"] for row in chain["rows"]] == ["SPXW  210104C03700000", "SPXW  210104C03705000"]
    assert chain["expirations"] == [{"on": "2021-01-04", "days": 0, "selected": True}]
    row = chain["rows"][0]
    assert (row["bid"], row["ask"], row["age_seconds"], row["spread_level"]) == (44, 44.4, 7, "ok")


def test_a_search_and_an_expiration_narrow_the_chain(bet: Bet, owner: Client) -> None:
    assert [row["strike"] for row in owner.get(CONTRACTS, {"q": "spxw 3705"}).json()["rows"]] == [3705]
    assert owner.get(CONTRACTS, {"q": "SPXW 3705", "expiration": "2021-01-04"}).json()["total"] == 1
    assert owner.get(CONTRACTS, {"q": "QQQ"}).json()["rows"] == []


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"q": "!?"}, ("unreadable", "q")),
        ({"q": "SPXW\x00"}, ("unreadable", "q")),
        ({"q": "\x00"}, ("unreadable", "q")),
        ({"q": "SPXW 3700 ; DROP TABLE"}, ("unreadable", "q")),
        ({"expiration": "tomorrow"}, ("invalid", "expiration")),
        ({"expiration": "2021-02-30"}, ("invalid", "expiration")),
        ({"expiration": "2021-01-04\x00"}, ("invalid", "expiration")),
    ],
)
def test_a_search_that_cannot_be_read_is_an_error(
    bet: Bet, owner: Client, asked: dict[str, str], error: tuple[str, str]
) -> None:
    response = owner.get(CONTRACTS, asked)
    assert (response.status_code, errors(response)) == (400, [error])


@pytest.mark.parametrize("q", ["x" * 5000, "%", "999dte", "SPXW 00000", "' OR 1=1", "３７００"])
def test_a_strange_search_finds_nothing_or_is_refused(bet: Bet, owner: Client, q: str) -> None:
    assert owner.get(CONTRACTS, {"q": q}).status_code in (200, 400)


# ---- Wrong questions ----

RUBBISH = ("NaN", "Infinity", "-Infinity", True, [], {}, "seven", "0x1", "1e999", "9" * 2000, "0.7\x00")
WRONG: list[tuple[Any, list[tuple[str, str]]]] = [
    ({}, [("required", "contract"), ("required", "confidence")]),
    ({"contract": CALL}, [("required", "confidence")]),
    (ASKED | {"contract": None}, [("null", "contract")]),
    (ASKED | {"contract": ""}, [("blank", "contract")]),
    (ASKED | {"contract": 7}, [("not_an_occ_symbol", "contract")]),
    (ASKED | {"contract": [CALL]}, [("invalid", "contract")]),
    (ASKED | {"contract": "SPXW"}, [("not_an_occ_symbol", "contract")]),
    (ASKED | {"contract": "SPXW211304C03700000"}, [("not_an_occ_symbol", "contract")]),
    (ASKED | {"contract": "SPXW210104C00000000"}, [("not_an_occ_symbol", "contract")]),
    (ASKED | {"contract": "SPXW210104C03700000\x00"}, [("null_characters_not_allowed", "contract")]),
    (ASKED | {"contract": "x" * 41}, [("max_length", "contract")]),
    (ASKED | {"contract": "SPXW210104C09999000"}, [("unknown_contract", "contract")]),
    (ASKED | {"confidence": None}, [("null", "confidence")]),
    (ASKED | {"confidence": ""}, [("invalid", "confidence")]),
    (ASKED | {"confidence": -0.01}, [("min_value", "confidence")]),
    (ASKED | {"confidence": 1.000001}, [("max_value", "confidence")]),
    (ASKED | {"win_probability": 1.1}, [("max_value", "win_probability")]),
    (ASKED | {"payoff": 0}, [("min_value", "payoff")]),
    (ASKED | {"payoff": 100.01}, [("max_value", "payoff")]),
    (ASKED | {"confidance": "0.7"}, [("unknown_field", "confidance")]),
    (ASKED | {"contracts": 500}, [("unknown_field", "contracts")]),
    ([], [("invalid", "")]),
    ([ASKED], [("invalid", "")]),
    ("7", [("invalid", "")]),
    ("null", [("null", "")]),
    ('"SPXW"', [("invalid", "")]),
    ("", [("required", "contract"), ("required", "confidence")]),
    ("{", [("parse_error", "")]),
    ("confidence=0.7", [("parse_error", "")]),
    (b"\xff\xfe", [("parse_error", "")]),
    ('{"contract": "x", "confidence": NaN}', [("parse_error", "")]),
    ('{"contract": "x", "confidence": -Infinity}', [("parse_error", "")]),
    ("[" * 100_000, [("parse_error", "")]),
    ('{"confidence": ' + "9" * 5000 + "}", [("parse_error", "")]),
]


@pytest.mark.parametrize(("body", "expected"), WRONG, ids=lambda value: str(value)[:50])
def test_a_wrong_question_says_what_to_mend(
    bet: Bet, owner: Client, body: Any, expected: list[tuple[str, str]]
) -> None:
    response = ask(owner, body)
    assert (response.status_code, errors(response)) == (400, expected)


@pytest.mark.parametrize("field", ["confidence", "win_probability", "payoff"])
@pytest.mark.parametrize("value", RUBBISH, ids=lambda value: repr(value)[:20])
def test_what_is_no_number_is_refused(bet: Bet, owner: Client, field: str, value: Any) -> None:
    response = ask(owner, ASKED | {field: value})
    assert response.status_code == 400
    assert [where for _, where in errors(response)] == [field]


@pytest.mark.parametrize("value", [0, 1, "0", "1.0", 0.65, "0.6500000000000001", "1e-7", " 0.7 ", "1e-999999"])
def test_every_spelling_of_a_number_from_0_to_1_is_read(bet: Bet, owner: Client, value: Any) -> None:
    assert ask(owner, ASKED | {"confidence": value}).status_code == 200


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete"])
def test_a_size_is_only_looked_at_by_post(bet: Bet, owner: Client, method: str) -> None:
    response = getattr(owner, method)(PREVIEW)
    assert (response.status_code, errors(response)) == (405, [("method_not_allowed", "")])
    assert "POST" in response["Allow"]


def test_contracts_are_only_read(bet: Bet, owner: Client) -> None:
    assert errors(ask(owner, path=CONTRACTS)) == [("method_not_allowed", "")]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_only_json_is_read(bet: Bet, owner: Client, kind: str) -> None:
    response = owner.post(PREVIEW, "confidence=0.7", content_type=kind)
    assert (response.status_code, errors(response)) == (415, [("unsupported_media_type", "")])


def test_a_body_that_is_too_large_is_not_read(bet: Bet, owner: Client) -> None:
    response = ask(owner, "x" * 10_000_001)
    assert (response.status_code, errors(response)) == (413, [("request_too_large", "")])


def test_only_json_is_written(bet: Bet, owner: Client) -> None:
    response = ask(owner, Accept="text/html")
    assert (response.status_code, errors(response)) == (406, [("not_acceptable", "")])
    assert not re.search("<", response.text)


def test_a_body_over_the_limit_is_told_the_limit(bet: Bet, owner: Client) -> None:
    answer = ask(owner, "x" * 2_000_001)
    assert answer.status_code == 413
    assert errors(answer) == [("too_large", "")]
    assert "2,000,000 bytes" in answer.json()["errors"][0]["message"]
