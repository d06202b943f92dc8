"""What protects the product before its own rules: sign-in throttle, content policy, size cap, cookies, secrets."""

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import OperationalError
from django.test import Client
from django.urls import reverse
from pytest_django.asserts import assertTemplateUsed

from betsizing import settings as product
from betsizing.embedded.cluster import CHECKOUT
from betsizing.secret import read_or_create

SIGN_IN = "/accounts/sign-in/"


def setting(expression: str, **environment: str) -> str:
    """What the product's own settings say in a machine with this environment."""
    done = subprocess.run(
        [sys.executable, "-c", f"from betsizing import settings; print({expression})"],
        cwd=CHECKOUT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.fixture
def ada(db: None) -> Any:
    return get_user_model().objects.create_user(username="ada", password="right-password")


def sign_in(password: str, address: str, username: str = "ada") -> Any:
    return Client(REMOTE_ADDR=address).post(SIGN_IN, {"username": username, "password": password})


def test_guesser_is_locked_out_and_the_owner_elsewhere_is_not(ada: Any, settings: Any) -> None:
    settings.AXES_ENABLED = True
    for _ in range(9):
        assert sign_in("wrong", "10.0.0.1").status_code == 200
    locked = sign_in("wrong", "10.0.0.1")
    assert locked.status_code == 429
    assertTemplateUsed(locked, "registration/locked_out.html")
    assert sign_in("right-password", "10.0.0.1").status_code == 429, "also with the right password"
    assert sign_in("right-password", "10.0.0.2").status_code == 302


def test_nine_failures_do_not_lock_out(ada: Any, settings: Any) -> None:
    settings.AXES_ENABLED = True
    for _ in range(9):
        sign_in("wrong", "10.0.0.1")
    assert sign_in("right-password", "10.0.0.1").status_code == 302


def test_passwords_are_kept_by_argon2() -> None:
    assert product.PASSWORD_HASHERS[0].endswith("Argon2PasswordHasher")


def policy(response: Any) -> dict[str, str]:
    return dict(part.strip().partition(" ")[::2] for part in response["Content-Security-Policy"].split(";"))


def test_pages_run_scripts_of_their_own_only(client: Client, db: None) -> None:
    allowed = policy(client.get(SIGN_IN))
    assert allowed["default-src"] == "'self'"
    assert allowed["frame-ancestors"] == allowed["object-src"] == "'none'"
    assert "script-src" not in allowed
    assert "style-src" not in allowed


def test_only_the_admin_theme_may_evaluate(client: Client, db: None) -> None:
    allowed = policy(client.get(reverse("admin:login")))
    assert allowed["script-src"] == "'self' 'unsafe-eval'"
    assert allowed["default-src"] == "'self'"


@pytest.mark.parametrize("length", ["10000001", "-1", "ten"])
def test_oversized_request_is_refused_before_it_is_read(client: Client, length: str) -> None:
    response = client.generic("POST", SIGN_IN, "", CONTENT_LENGTH=length)
    assert response.status_code == 413
    assert "larger than 10 MB" in response.text


def test_oversized_request_to_the_api_is_refused_in_its_shape(client: Client) -> None:
    response = client.generic("POST", "/api/v1/anything/", "", CONTENT_LENGTH="10000001")
    assert response.status_code == 413
    assert response.json()["errors"][0]["code"] == "request_too_large"


def test_health_touches_no_database(client: Client) -> None:
    assert client.get("/healthz").text == "ok\n"


def test_without_a_database_nothing_is_ready(client: Client, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost() -> None:
        raise OperationalError("gone")

    with monkeypatch.context() as context:
        context.setattr("django.db.connection.cursor", lost)
        response = client.get("/readyz")
    assert response.status_code == 503
    assert (response.json()["database"], response.json()["ready"]) == (False, False)
    assert response.json()["problems"] == ["The database cannot be reached."]


def test_cookies_travel_by_https_only_once_the_product_is_on_a_network(tmp_path: Path) -> None:
    data = {"BETSIZING_DATA": str(tmp_path)}
    assert setting("settings.SESSION_COOKIE_SECURE", **data) == "False"
    assert setting("settings.SESSION_COOKIE_SECURE", ALLOWED_HOSTS="bets.example.org", **data) == "True"


def test_product_is_closed_unless_told_otherwise(tmp_path: Path) -> None:
    said = setting("settings.DEBUG, settings.ALLOWED_HOSTS", BETSIZING_DATA=str(tmp_path))
    assert said == "False ['127.0.0.1', 'localhost', '[::1]']"


def test_addresses_switch_to_real_servers(tmp_path: Path) -> None:
    said = setting(
        "settings.DATABASES['default']['HOST'], settings.CELERY_BROKER_URL",
        BETSIZING_DATA=str(tmp_path),
        DATABASE_URL="postgres://bets:secret@db.example.org/bets",
        CELERY_BROKER_URL="redis://queue.example.org/0",
    )
    assert said == "db.example.org redis://queue.example.org/0"


def test_the_mail_server_comes_from_one_address_and_there_is_none_of_its_own_accord(tmp_path: Path) -> None:
    assert setting("repr(settings.EMAIL_HOST)", BETSIZING_DATA=str(tmp_path)) == "''"
    said = setting(
        "settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT, settings.ALERTS_FROM",
        BETSIZING_DATA=str(tmp_path),
        EMAIL_URL="smtp+tls://desk:secret@mail.example.org:587",
        ALERTS_FROM="alerts@example.org",
    )
    assert said == "mail.example.org 587 5 alerts@example.org"


def test_secret_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    data = tmp_path / "data"
    first = setting("settings.SECRET_KEY", BETSIZING_DATA=str(data))
    assert len(first) > 80
    assert setting("settings.SECRET_KEY", BETSIZING_DATA=str(data)) == first
    assert stat.S_IMODE((data / "secret_key").stat().st_mode) == 0o600
    assert stat.S_IMODE(data.stat().st_mode) == 0o700


def test_simultaneous_first_readers_get_one_secret(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as threads:
        assert len(set(threads.map(lambda _: read_or_create(tmp_path / "secret"), range(64)))) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["secret"]


def test_data_folder_that_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=CHECKOUT,
        env={"PATH": os.environ["PATH"], "BETSIZING_DATA": str(tmp_path / "file" / "data")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "Choose another with BETSIZING_DATA" in done.stderr
