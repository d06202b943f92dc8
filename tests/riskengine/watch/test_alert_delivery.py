"""An alert reaches the product, a mailbox and a web server once: also after a crash, with two senders, and late."""

import hashlib
import hmac
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from riskengine.models import Alert, AlertDelivery, AlertTarget, Severity, TargetKind
from riskengine.services.notify import webhook
from riskengine.services.watch import delivery
from riskengine.services.watch.alerts import escalate, raise_alerts, resolve
from riskengine.services.watch.delivery import LEASE, RETRY_AFTER, Delivered, deliver
from tests import factories
from tests.riskengine.watch.alerting import NOW, Hook, Mailbox, after, mail_server, new, target, web_server
from tests.riskengine.watch.test_races import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def reachable(settings: Any) -> None:
    settings.ALERTS_ALLOW_PRIVATE_TARGETS = True


@pytest.fixture
def hook() -> Iterator[Hook]:
    with web_server() as server:
        yield server


@pytest.fixture
def mailbox(settings: Any) -> Iterator[Mailbox]:
    with mail_server() as box:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", box.port
        yield box


def both(hook: Hook) -> None:
    target(name="desk", kind=TargetKind.EMAIL, address="desk@example.com")
    target(name="hook", address=hook.address)


def bodies(hook: Hook) -> list[dict[str, Any]]:
    return [json.loads(body) for _, body in hook.requests]


def states() -> dict[str, str]:
    return dict(AlertDelivery.objects.values_list("target__name", "state"))


class Killed(BaseException):
    """The process ends here."""


# ---- Once ----


def test_an_alert_reaches_the_product_a_mailbox_and_a_web_server_once(hook: Hook, mailbox: Mailbox) -> None:
    both(hook)
    portfolio = factories.portfolio(name="Weekly", is_demo=True)
    raise_alerts([new(portfolio_id=portfolio.pk, market_at=factories.NOW)], now=NOW)
    assert deliver(NOW) == Delivered(sent=2)
    assert deliver(after(hours=1)) == Delivered()
    alert = Alert.objects.get()
    (body,) = bodies(hook)
    (mail,) = mailbox.mails
    assert (body["alert"], body["code"], body["severity"], body["portfolio"]) == (
        alert.pk,
        "TEST",
        "critical",
        portfolio.slug,
    )
    assert (body["value"], body["limit"], body["unit"]) == ("0.2", "0.5", "l")
    assert body["market_at"] == "2021-01-04T15:42:07+00:00"
    assert mail["Subject"] == "CRITICAL Weekly (demo): The kettle is dry"
    assert (mail["To"], mail["From"]) == ("desk@example.com", "betsizing@localhost")
    for text in (body["text"], mail.get_payload()):
        for words in (
            "The kettle holds 0.2 l, under 0.5 l.",
            "Measured: 0.2; the limit is 0.5 (l).",
            "What to do: Fill it.",
            "Market time: 2021-01-04 10:42:07 New York.",
            "none of its money is real",
        ):
            assert words in text
    assert list(alert.events.order_by("id").values_list("kind", flat=True)) == ["raised", "sent", "sent"]


def test_a_crash_between_commit_and_sending_loses_nothing_and_doubles_nothing(
    hook: Hook, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    both(hook)
    raise_alerts([new()], now=NOW)

    def dies(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(delivery, "_send", dies)
        with pytest.raises(Killed):
            deliver(NOW)
    assert (hook.requests, mailbox.mails, set(states().values())) == ([], [], {"sending"})
    assert deliver(NOW + LEASE - timedelta(seconds=1)) == Delivered()
    assert deliver(NOW + LEASE) == Delivered(sent=2)
    assert deliver(after(hours=1)) == Delivered()
    assert (len(hook.requests), len(mailbox.mails), Alert.objects.count()) == (1, 1, 1)


@pytest.mark.django_db(transaction=True)
def test_a_process_killed_between_commit_and_sending_has_sent_it_once_after_its_restart(
    hook: Hook, mailbox: Mailbox
) -> None:
    both(hook)
    killed = os.fork()
    if not killed:
        try:
            connection.connection = None  # the parent's own: this process takes another
            raise_alerts([new()], now=NOW)
            delivery._send = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment]
            deliver(NOW)
        finally:
            os._exit(0)
    _, status = os.waitpid(killed, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert (Alert.objects.count(), set(states().values())) == (1, {"sending"})
    assert deliver(NOW + LEASE) == Delivered(sent=2)
    assert deliver(after(hours=1)) == Delivered()
    assert (len(hook.requests), len(mailbox.mails)) == (1, 1)


def test_what_was_handed_over_and_not_noted_goes_out_again_under_the_same_id(
    hook: Hook, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can know whether it arrived. The receiver can tell."""
    both(hook)
    raise_alerts([new()], now=NOW)

    def dies(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(delivery, "_note", dies)
        with pytest.raises(Killed):
            deliver(NOW)
    assert deliver(NOW + LEASE) == Delivered(sent=2)
    ids = {headers["Idempotency-Key"] for headers, _ in hook.requests}
    assert (len(hook.requests), len(ids)) == (2, 1)
    assert {headers["X-Alert-Id"] for headers, _ in hook.requests} == ids
    assert {body["id"] for body in bodies(hook)} == ids
    assert (len(mailbox.mails), len({mail["Message-ID"] for mail in mailbox.mails})) == (2, 1)


def test_another_alert_target_or_level_has_another_id(hook: Hook) -> None:
    target(name="one", address=hook.address)
    target(name="two", address=hook.address)
    raise_alerts([new(), new(key="test:2")], now=NOW)
    deliver(NOW)
    escalate(after(minutes=5))
    deliver(after(minutes=5))
    assert len({body["id"] for body in bodies(hook)}) == len(hook.requests) == 8


@pytest.mark.django_db(transaction=True)
def test_two_senders_at_once_send_once(hook: Hook) -> None:
    target(address=hook.address)
    raise_alerts([new(key=f"test:{n}") for n in range(24)], now=NOW)
    done = at_once(*[lambda: deliver(NOW)] * 4)
    assert sum(each.sent for each in done) == 24
    assert len({body["alert"] for body in bodies(hook)}) == len(hook.requests) == 24


@pytest.mark.django_db(transaction=True)
def test_a_sender_given_up_for_dead_notes_nothing(hook: Hook) -> None:
    """It was only slow; the second has sent meanwhile, and its word stands."""
    hook.silence = threading.Event()
    target(address=hook.address)
    raise_alerts([new()], now=NOW)

    def second() -> Delivered:
        while not hook.requests:
            time.sleep(0.01)
        held, hook.silence = hook.silence, None
        done = deliver(NOW + LEASE)
        held.set()
        return done

    _, late = at_once(lambda: deliver(NOW), second)
    assert late == Delivered(sent=1)
    row = AlertDelivery.objects.get()
    assert (row.state, row.attempts, row.finished_at) == ("sent", 2, NOW + LEASE)
    assert row.alert.events.filter(kind="sent").count() == 1


def test_nothing_due_takes_one_statement() -> None:
    raise_alerts([new()], now=NOW)
    with CaptureQueriesContext(connection) as sent:
        deliver(NOW)
    assert len(sent) == 1


# ---- Not taken ----


def test_what_is_not_taken_is_tried_again_ever_later(hook: Hook) -> None:
    hook.statuses = [503, 500, 204]
    target(address=hook.address)
    raise_alerts([new()], now=NOW)
    assert deliver(NOW) == Delivered(retried=1)
    assert AlertDelivery.objects.get().answer == "It answered 503."
    assert deliver(NOW + RETRY_AFTER[0] - timedelta(seconds=1)) == Delivered()
    assert deliver(NOW + RETRY_AFTER[0]) == Delivered(retried=1)
    assert deliver(NOW + RETRY_AFTER[0] + RETRY_AFTER[1]) == Delivered(sent=1)
    assert len({body["id"] for body in bodies(hook)}) == 1


def test_what_is_never_taken_is_given_up_and_that_is_an_alert_of_its_own(hook: Hook) -> None:
    hook.statuses = [404]
    target(name="gone", address=hook.address)
    raise_alerts([new()], now=NOW)
    at = NOW
    for pause in (*RETRY_AFTER, timedelta(0)):
        done = deliver(at)
        at += pause
    assert done == Delivered(failed=1)
    assert deliver(at + timedelta(days=1)) == Delivered()
    assert len(hook.requests) == len(RETRY_AFTER) + 1
    said = Alert.objects.get(code="DELIVERY_FAILED")
    assert said.title == "Alerts do not reach “gone”"
    assert "given up after 8 attempts: It answered 404." in said.happened
    assert not said.deliveries.exists(), "the target that failed would not take this either"
    hook.statuses = [200]
    raise_alerts([new(key="test:2")], now=at)
    deliver(at)
    said.refresh_from_db()
    assert said.resolved_at == at, "it is over once the target takes something"


def test_a_slow_target_holds_up_no_other(hook: Hook, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "PATIENCE_SECONDS", 0.5)
    hook.silence = threading.Event()
    both(hook)
    raise_alerts([new()], now=NOW)
    assert deliver(NOW) == Delivered(sent=1, retried=1)
    assert states() == {"desk": "sent", "hook": "due"}
    assert AlertDelivery.objects.get(target__name="hook").answer == "No answer within 0.5 s."
    hook.silence.set()


def test_a_receiver_that_speaks_too_slowly_is_hung_up_on(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "WHOLE_SECONDS", 0.3)
    hook.silence = threading.Event()
    target(address=hook.address)
    raise_alerts([new()], now=NOW)
    assert deliver(NOW) == Delivered(retried=1)
    hook.silence.set()


def test_no_mail_server_is_said_so(settings: Any) -> None:
    settings.EMAIL_HOST = ""
    target(kind=TargetKind.EMAIL, address="desk@example.com")
    raise_alerts([new()], now=NOW)
    assert deliver(NOW) == Delivered(failed=1)
    assert "set EMAIL_URL" in Alert.objects.get(code="DELIVERY_FAILED").happened


def test_a_target_that_was_switched_off_gets_nothing_more(hook: Hook) -> None:
    target(address=hook.address)
    raise_alerts([new()], now=NOW)
    AlertTarget.objects.update(enabled=False)
    assert deliver(NOW) == Delivered(failed=1)
    assert (hook.requests, Alert.objects.count()) == ([], 1)


# ---- What is said ----


def test_the_body_is_signed_with_the_secret(hook: Hook) -> None:
    target(address=hook.address, signing_secret="quiet")
    raise_alerts([new()], now=NOW)
    deliver(NOW)
    ((headers, body),) = hook.requests
    expected = hmac.new(b"quiet", body, hashlib.sha256).hexdigest()
    assert headers["X-Alert-Signature"] == f"sha256={expected}"


def test_what_has_ended_before_it_was_sent_says_so(hook: Hook) -> None:
    target(address=hook.address)
    raise_alerts([new(severity=Severity.WARNING)], now=NOW)
    resolve(["test:1"], now=after(minutes=3))
    deliver(after(minutes=4))
    (body,) = bodies(hook)
    assert body["resolved_at"] == "2026-03-02T15:03:00+00:00"
    assert "It has ended meanwhile, at 15:03:00 UTC." in body["text"]


def test_a_title_cannot_add_a_header(mailbox: Mailbox) -> None:
    target(kind=TargetKind.EMAIL, address="desk@example.com")
    raise_alerts([new(title="Dry\nBcc: other@example.com")], now=NOW)
    assert deliver(NOW) == Delivered(sent=1)
    (mail,) = mailbox.mails
    assert mail["Subject"] == "CRITICAL betsizing: Dry Bcc: other@example.com"
    assert mail["Bcc"] is None
