"""Alerts go to the public internet only, however the way into the private network is dressed up."""

import socket
import threading
import time
from contextlib import suppress
from typing import Any

import pytest

from betsizing.address import is_public
from riskengine.models import Alert, AlertDelivery, TargetKind
from riskengine.services.notify import mail, service, webhook
from riskengine.services.notify.address import TargetRefused
from riskengine.services.watch.alerts import raise_alerts
from riskengine.services.watch.delivery import Delivered, deliver
from tests.riskengine.watch.alerting import NOW, new, target, web_server


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",
        "10.0.0.1",
        "10.255.255.255",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd12::1",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "64:ff9b::a00:1",
    ],
)
def test_an_address_inside_is_refused(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "172.15.0.1", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_a_public_address_is_taken(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "https://127.0.0.1/x",
        "https://127.1/x",
        "https://2130706433/x",
        "https://0x7f000001/x",
        "https://[::1]/x",
        "https://[::ffff:10.0.0.1]/x",
        "https://10.1.2.3:8443/x",
        "https://169.254.169.254/latest/meta-data",
        "https://localhost/x",
    ],
)
def test_a_webhook_into_the_private_network_is_refused(address: str) -> None:
    with pytest.raises(TargetRefused, match="not an address of the public internet"):
        webhook.check(address)


@pytest.mark.parametrize(
    "address",
    [
        "http://example.com/x",
        "ftp://example.com/x",
        "file:///etc/passwd",
        "https://",
        "https:///x",
        "https://user:password@example.com/",
        "https://example.com:99999/",
        "https://example.com/a b",
        "https://exämple.com/",
        "https://[::1/",
    ],
)
def test_an_address_that_is_no_plain_https_one_is_refused(address: str) -> None:
    with pytest.raises(TargetRefused):
        webhook.check(address)


def resolves(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
    """Each look-up has the next answer, the last one for ever."""
    left = list(answers)

    def looked_up(host: str, port: int, **_: Any) -> list[Any]:
        found = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in found]

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)


@pytest.mark.parametrize("addresses", [["10.0.0.7"], ["8.8.8.8", "10.0.0.7"], ["8.8.8.8", "127.0.0.1"]])
def test_a_name_that_leads_inside_is_refused(monkeypatch: pytest.MonkeyPatch, addresses: list[str]) -> None:
    resolves(monkeypatch, addresses)
    with pytest.raises(TargetRefused, match=r"hooks\.example\.com leads to"):
        webhook.check("https://hooks.example.com/x")


def test_a_name_that_nobody_knows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(TargetRefused, match="is not known"):
        webhook.check("https://hooks.example.com/x")


@pytest.mark.django_db
def test_a_name_that_leads_inside_by_the_time_of_sending_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was public when it was saved."""
    with web_server() as hook:
        port = hook.server.server_address[1]
        resolves(monkeypatch, ["8.8.8.8"], ["127.0.0.1"])
        webhook.check(f"https://hooks.example.com:{port}/x")
        target(address=f"https://hooks.example.com:{port}/x")
        raise_alerts([new()], now=NOW)
        assert deliver(NOW) == Delivered(failed=1)
        assert hook.requests == []
    assert "leads to 127.0.0.1" in AlertDelivery.objects.get().answer
    assert Alert.objects.filter(code="DELIVERY_FAILED").exists()


@pytest.mark.django_db
def test_the_connection_is_made_to_the_address_that_was_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that resolves otherwise a moment later gains nothing: it is not asked again."""
    looked_up, reached = [], []

    def once(host: str, port: int, **_: Any) -> list[Any]:
        looked_up.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", port))]

    class Watched(socket.socket):
        def connect(self, address: Any) -> None:
            reached.append(address)
            raise ConnectionRefusedError("not from a test")

    target(address="https://hooks.example.com/x")
    raise_alerts([new()], now=NOW)
    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", once)
        patch.setattr(webhook.socket, "socket", Watched)
        assert deliver(NOW) == Delivered(retried=1)
    assert (looked_up, reached) == (["hooks.example.com"], [("8.8.8.8", 443)])


@pytest.mark.django_db
def test_a_redirect_is_not_followed(settings: Any) -> None:
    settings.ALERTS_ALLOW_PRIVATE_TARGETS = True
    with web_server() as inside, web_server() as hook:
        hook.statuses, hook.location = [302], inside.address
        target(address=hook.address)
        raise_alerts([new()], now=NOW)
        assert deliver(NOW) == Delivered(retried=1)
        assert (len(hook.requests), inside.requests) == (1, [])
    assert AlertDelivery.objects.get().answer.startswith("It answered 302. Redirects are not followed")


@pytest.mark.parametrize(
    "address",
    [
        "json://127.0.0.1/x",
        "jsons://example.com/x",
        "mailto://user:password@example.com",
        "gotify://10.0.0.1/token",
        "ntfy://169.254.169.254/topic",
        "mmost://example.com/token",
        "syslog://",
        "dbus://",
        "file:///etc/passwd",
        "https://example.com/",
        "slack",
    ],
)
def test_a_service_that_could_be_any_host_is_refused(address: str) -> None:
    with pytest.raises(TargetRefused, match="must begin with one of"):
        service.check(address)


def test_a_service_with_a_host_of_its_own_is_taken() -> None:
    service.check("discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js")
    with pytest.raises(TargetRefused, match="does not understand"):
        service.check("discord://")


def test_every_scheme_is_one_that_apprise_knows_and_none_lets_the_address_choose_the_host() -> None:
    import apprise  # as the product does

    templates = {
        scheme: [*each["details"]["templates"]]
        for each in apprise.Apprise().details()["schemas"]
        for scheme in (*(each["protocols"] or ()), *(each["secure_protocols"] or ()))
    }
    assert set(service.SCHEMES) <= templates.keys()
    assert not [scheme for scheme in service.SCHEMES if any("{host}" in each for each in templates[scheme])]


@pytest.mark.django_db
def test_a_service_is_told_in_the_same_words(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, Any]] = []

    class Service:
        def notify(self, **words: Any) -> bool:
            told.append(words)
            return len(told) > 1

    monkeypatch.setattr(service, "_service", lambda address: Service())
    target(kind=TargetKind.APPRISE, address="discord://1/2")
    raise_alerts([new()], now=NOW)
    assert deliver(NOW) == Delivered(retried=1)
    assert deliver(NOW.replace(minute=1)) == Delivered(sent=1)
    first, second = told
    assert first == second
    assert "What to do: Fill it." in first["body"]
    assert first["notify_type"] == "failure"


def test_an_e_mail_address_is_one(settings: Any) -> None:
    settings.EMAIL_HOST = "mail.example.com"
    mail.check("desk@example.com")
    for address in ("desk", "desk@example.com\nBcc: other@example.com", "a@b, c@d.com"):
        with pytest.raises(TargetRefused):
            mail.check(address)


def test_a_receiver_that_trickles_its_handshake_is_hung_up_on_too(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TLS takes the socket over: a byte each moment would keep its silence short and the sender for ever."""
    settings.ALERTS_ALLOW_PRIVATE_TARGETS = True
    monkeypatch.setattr(webhook, "WHOLE_SECONDS", 0.4)
    over = threading.Event()

    def trickle(listener: socket.socket) -> None:
        caller, _ = listener.accept()
        with caller, suppress(OSError):
            caller.sendall(b"\x16\x03\x03\x40\x00")  # a record of 16,384 bytes, of which one comes at a time
            while not over.wait(0.05):
                caller.sendall(b"\x02")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=trickle, args=[listener], daemon=True).start()
        host, port = listener.getsockname()[:2]
        url = webhook.checked(f"https://{host}:{port}/hook")
        began = time.monotonic()
        with pytest.raises(OSError):
            webhook._post(url, host, port, (socket.AF_INET, (host, port)), b"{}", {})
        over.set()
    assert time.monotonic() - began < 2, "not the 4 s of silence"
