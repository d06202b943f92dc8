"""Making the demo: once, whole or not at all, with a sign-in that is shown once."""

import io
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.models import User
from positions import recorded
from positions.models import Instrument, OptionQuote, Portfolio
from positions.services import demo as service
from positions.services.demo import Demo, DemoRefused, load_demo
from tests import factories

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
CLOSES_ONLY = tuple(recording for recording in service.RECORDINGS if recording.path == recorded.CLOSES)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the closes: for tests about the making, not about the data."""
    monkeypatch.setattr(service, "RECORDINGS", CLOSES_ONLY)


def test_the_command_prints_the_sign_in_once(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BETSIZING_DEMO_PASSWORD", raising=False)
    first, second = io.StringIO(), io.StringIO()
    call_command("load_demo", stdout=first)
    found = re.search(r"Sign in as demo with the password (\S{16})\n", first.getvalue())
    assert found
    assert User.objects.get(username="demo").check_password(found[1])
    call_command("load_demo", stdout=second)
    assert second.getvalue() == "There is a portfolio already: no demo was made.\n"
    assert Portfolio.objects.count() == 2


def test_a_chosen_password_is_not_printed(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BETSIZING_DEMO_PASSWORD", "correct horse battery")
    out = io.StringIO()
    call_command("load_demo", stdout=out)
    assert "correct horse" not in out.getvalue()
    assert User.objects.get(username="demo").check_password("correct horse battery")


def test_a_weak_password_is_refused_and_nothing_is_made(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BETSIZING_DEMO_PASSWORD", "1234")
    with pytest.raises(CommandError, match=r"BETSIZING_DEMO_PASSWORD: .*too short"):
        call_command("load_demo")
    assert not User.objects.filter(username="demo").exists()


def test_a_database_with_a_portfolio_is_left_alone() -> None:
    factories.portfolio()
    assert load_demo(now=NOW) is None
    assert Portfolio.objects.count() == 1
    assert not OptionQuote.objects.exists()


def test_a_user_named_demo_is_not_taken_over(small: None) -> None:
    factories.user("demo")
    with pytest.raises(DemoRefused, match="already"):
        load_demo(now=NOW)
    assert not Portfolio.objects.exists()


def test_a_demo_that_fails_half_way_leaves_nothing(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise ValidationError("no")

    monkeypatch.setattr(service, "create_portfolio", fail)
    with pytest.raises(ValidationError):
        load_demo(now=NOW)
    assert not User.objects.exists()
    assert not Instrument.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_two_starts_at_once_one_makes_it(small: None) -> None:
    def start(_: int) -> Demo | None:
        try:
            return load_demo(now=NOW)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        made = [demo for demo in pool.map(start, range(2)) if demo]
    assert len(made) == 1
    assert Portfolio.objects.count() == 2
    assert User.objects.count() == 1
