"""Signals by webhook: the secret alone lets in, a repeat is a repeat, and who guesses learns nothing."""

import json
import logging
import time
from collections.abc import Iterator
from datetime import timedelta
from statistics import median
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from riskengine.api import webhook
from riskengine.models import Signal, SignalSource, SourceKind
from riskengine.services.signals.webhook import NOBODY, digest_of_secret, new_secret, renew_secret, webhook_source
from tests.riskengine import market
from tests.riskengine.asking import errors
from tests.riskengine.entering import checked
from tests.riskengine.market import Bet
from tests.riskengine.signals.sending import source

pytestmark = pytest.mark.django_db

SECRET = "whs_" + "Ab3-" * 10 + "Zz0"
DIGEST = digest_of_secret(SECRET)
SAID = "2021-01-04T15:42:05Z"


@pytest.fixture
def bet() -> Iterator[Bet]:
    found = checked(market.zero_dte())
    with time_machine.travel(found.wall(), tick=False):
        yield found


@pytest.fixture
def hook(bet: Bet) -> SignalSource:
    return source(bet, SourceKind.WEBHOOK, slug="hook", secret_hash=DIGEST)


def message(**changes: Any) -> dict[str, Any]:
    given = {"secret": SECRET, "id": "SPX 1", "ticker": "SPX", "action": "buy", "confidence": 0.72, "time": SAID}
    return {name: value for name, value in (given | changes).items() if value is not None}


def post(body: Any, slug: str = "hook", content_type: str = "application/json", **headers: str) -> Any:
    text = body if isinstance(body, str | bytes) else json.dumps(body)
    address = f"/api/v1/signals/webhook/{slug}/"
    return Client(enforce_csrf_checks=True).post(address, text, content_type=content_type, headers=headers)


# ---- What is taken ----


def test_a_message_of_tradingview_is_a_signal(hook: SignalSource) -> None:
    response = post(message(ticker="CBOE:SPX", note="Breadth."))
    assert response.status_code == 201
    signal = Signal.objects.get()
    assert response.json() == {
        "id": signal.pk,
        "external_id": "SPX 1",
        "state": "new",
        "expires_at": "2021-01-04T15:57:05Z",
        "created": True,
    }
    assert (signal.source, signal.underlying.symbol, signal.direction) == (hook, "SPX", "LONG_CALL")
    assert (signal.as_of.isoformat(), str(signal.confidence)) == ("2021-01-04T15:42:05+00:00", "0.720000")


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "text/plain; charset=utf-8"])
def test_json_is_read_whatever_it_is_called(hook: SignalSource, content_type: str) -> None:
    assert post(message(), content_type=content_type).status_code == 201


def test_our_own_names_are_taken_and_the_secret_may_stand_in_a_header(hook: SignalSource) -> None:
    body = message(secret=None, ticker=None, action=None, time=None)
    body |= {"symbol": "SPX", "direction": "LONG_PUT", "as_of": SAID}
    assert post(body, **{"X-Signal-Secret": SECRET}).status_code == 201
    assert Signal.objects.get().direction == "LONG_PUT"


@pytest.mark.parametrize(
    ("action", "direction"),
    [
        ("buy", "LONG_CALL"), ("BUY", "LONG_CALL"), ("call", "LONG_CALL"), ("long", "LONG_CALL"),
        ("LONG_CALL", "LONG_CALL"), ("put", "LONG_PUT"), ("Long_Put", "LONG_PUT"),
    ],
)  # fmt: skip
def test_what_is_meant_by_an_action(hook: SignalSource, action: str, direction: str) -> None:
    assert post(message(action=action)).status_code == 201
    assert Signal.objects.get().direction == direction


@pytest.mark.parametrize("action", ["sell", "SELL", "short", "sell_short"])
def test_nothing_is_sold_short_and_it_is_said_by_name(hook: SignalSource, action: str) -> None:
    response = post(message(action=action))
    assert (response.status_code, errors(response)) == (422, [("SHORT_NOT_SUPPORTED", "action")])
    assert response.json()["errors"][0]["message"].startswith(f"“{action}” is refused: nothing is sold short here.")
    assert not Signal.objects.exists()


def test_a_repeat_is_a_repeat_also_when_it_comes_later(hook: SignalSource, bet: Bet) -> None:
    assert post(message()).status_code == 201
    with time_machine.travel(bet.wall() + timedelta(hours=3), tick=False):
        again = post(message())
    assert (again.status_code, again.json()["created"]) == (200, False)
    assert Signal.objects.count() == 1


# ---- What is refused ----


@pytest.mark.parametrize(
    ("changes", "status", "code", "field"),
    [
        ({"id": None}, 400, "required", "id"),
        ({"time": None}, 400, "required", "time"),
        ({"ticker": None}, 400, "required", "ticker"),
        ({"symbol": "SPX"}, 400, "given_twice", "ticker"),
        ({"confidence": "high"}, 400, "invalid", "confidence"),
        ({"time": "2021-01-04T15:42:05"}, 400, "unaware", "time"),
        ({"time": "2021-01-04T15:27:07Z"}, 422, "SIGNAL_EXPIRED", "expires_at"),
        ({"time": "2021-01-04T15:43:05Z"}, 422, "IN_THE_FUTURE", "time"),
        ({"time": "2021-01-03T15:42:05Z", "expires_at": "2021-01-05T15:42:05Z"}, 422, "SIGNAL_EXPIRED", "time"),
        ({"ticker": "NOTHING"}, 422, "UNKNOWN_SYMBOL", "ticker"),
        ({"action": "hold"}, 422, "SHORT_NOT_SUPPORTED", "action"),
        ({"actoin": "buy"}, 400, "unknown_field", "actoin"),
        ({"note": "\ud800"}, 400, "surrogate_characters_not_allowed", "note"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(
    hook: SignalSource, changes: dict[str, Any], status: int, code: str, field: str
) -> None:
    response = post(message(**changes))
    assert response.status_code == status, response.content
    assert (code, field) in errors(response)
    assert SECRET not in response.content.decode()
    assert not Signal.objects.exists()


def test_the_same_number_with_another_content_is_a_conflict(hook: SignalSource) -> None:
    post(message())
    response = post(message(confidence=0.9))
    assert (response.status_code, errors(response)) == (422, [("SIGNAL_CONFLICT", "id")])


@pytest.mark.parametrize("garbage", ["", "buy SPX now", "{", "[]", "null", '"x"', b"\xff\xfe", "[" * 5_000, "{}" * 9])
@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
def test_garbage_is_answered_and_stored_nowhere(hook: SignalSource, garbage: Any, content_type: str) -> None:
    assert post(garbage, content_type=content_type).status_code in (400, 403)
    with_secret = post(garbage, content_type=content_type, **{"X-Signal-Secret": SECRET})
    assert with_secret.status_code == 400
    assert not Signal.objects.exists()


def test_another_kind_of_body_is_refused(hook: SignalSource) -> None:
    assert post("secret=x", content_type="application/x-www-form-urlencoded").status_code == 415


def test_what_is_huge_is_not_read(hook: SignalSource) -> None:
    response = post(message(note="x" * 16_384))
    assert (response.status_code, errors(response)) == (413, [("too_large", "")])
    assert post(message(note="x" * 500)).status_code == 201


def test_a_source_that_is_switched_off_takes_nothing(hook: SignalSource) -> None:
    SignalSource.objects.filter(pk=hook.pk).update(enabled=False)
    assert errors(post(message())) == [("SOURCE_DISABLED", "source")]


# ---- Who is let in ----


@pytest.mark.parametrize("secret", ["", "wrong", SECRET[:-1], SECRET + "x", "\ud800", None, 7, ["x"], {"x": 1}])
def test_a_wrong_secret_and_an_unknown_webhook_are_answered_alike(hook: SignalSource, bet: Bet, secret: Any) -> None:
    source(bet, slug="by-api")  # a source, and no webhook
    answers = [post(message(secret=secret), slug) for slug in ("hook", "nothing", "by-api")]
    assert {(each.status_code, each.content) for each in answers} == {(403, answers[0].content)}
    assert errors(answers[0]) == [("not_known", "")]
    assert not Signal.objects.exists()


def test_the_secret_of_another_webhook_is_a_wrong_one(hook: SignalSource, bet: Bet) -> None:
    theirs, digest = new_secret()
    source(bet, SourceKind.WEBHOOK, slug="theirs", secret_hash=digest)
    assert post(message(secret=theirs)).status_code == 403
    assert post(message(secret=theirs), "theirs").status_code == 201


def test_nothing_opens_a_webhook_that_would_open_an_unknown_one(bet: Bet) -> None:
    """A hash of nothing must never be somebody's: an empty secret has it."""
    source(bet, SourceKind.WEBHOOK, slug="odd", secret_hash=NOBODY)
    assert webhook_source("odd", "") is None
    assert webhook_source("nothing", "") is None


def test_a_wrong_secret_takes_the_same_work_as_an_unknown_webhook(hook: SignalSource) -> None:
    def work(slug: str) -> tuple[int, float]:
        with CaptureQueriesContext(connection) as sent:
            webhook_source(slug, "wrong")
        taken = []
        for _ in range(60):
            began = time.perf_counter()
            webhook_source(slug, "wrong")
            taken.append(time.perf_counter() - began)
        return len(sent), median(taken)

    work("hook")
    (known, known_time), (unknown, unknown_time) = work("hook"), work("nothing")
    assert known == unknown == 1
    assert 1 / 4 < known_time / unknown_time < 4


def test_another_secret_ends_the_old_one(hook: SignalSource) -> None:
    fresh = renew_secret(hook)
    assert post(message()).status_code == 403
    assert post(message(secret=fresh)).status_code == 201


def test_only_a_webhook_has_a_secret(bet: Bet) -> None:
    with pytest.raises(ValueError, match="is no webhook"):
        renew_secret(source(bet))


def test_the_secret_is_in_no_log_and_in_no_row(hook: SignalSource, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        for body in (message(), message(id="2", ticker="NOTHING"), message(secret="a wrong secret"), message(id=None)):
            post(body)
        post("{" + SECRET)
    assert SECRET not in caplog.text
    signal = Signal.objects.get()
    stored = [str(getattr(row, field.attname)) for row in (signal, hook) for field in row._meta.concrete_fields]
    assert all(SECRET not in each for each in stored)


# ---- Throttled ----


def test_messages_are_throttled_by_source_and_tries_by_address(
    hook: SignalSource, bet: Bet, monkeypatch: pytest.MonkeyPatch
) -> None:
    source(bet, SourceKind.WEBHOOK, slug="second", secret_hash=DIGEST)
    monkeypatch.setattr(webhook.Messages, "rate", "2/minute")
    from django.core.cache import cache

    cache.clear()
    statuses = [post(message(id=str(number))).status_code for number in range(3)]
    assert statuses == [201, 201, 429]
    assert post(message(), "second").status_code == 201
    monkeypatch.setattr(webhook.Tries, "rate", "2/minute")
    cache.clear()
    assert [post(message(secret="wrong")).status_code for _ in range(3)] == [403, 403, 429]
    cache.clear()
    assert post(message(id="after")).status_code == 201


def test_a_stranger_who_guesses_holds_up_nobody_s_messages(hook: SignalSource, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.core.cache import cache

    cache.clear()
    monkeypatch.setattr(webhook.Tries, "rate", "2/minute")
    address = "/api/v1/signals/webhook/hook/"
    for _ in range(4):
        Client(REMOTE_ADDR="203.0.113.9").post(address, json.dumps(message(secret="x")), content_type="text/plain")
    assert post(message()).status_code == 201
