"""A browser and a server with a few recorded minutes, in a database of their own: what a page commits stays there."""

import fcntl
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
import uvicorn
from django.conf import settings
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.browser import market
from tests.conftest import TEMPLATE_LOCK, clone, drop, maintenance, migrated_template, the_machine, use

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(autouse=True)
def not_beside_a_crash_test() -> Iterator[None]:
    with the_machine(fcntl.LOCK_SH):
        yield


@pytest.fixture(scope="package")
def site(
    chromium_path: str,
    django_db_setup: None,
    django_db_blocker: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """The address of a running product with the demo's slices."""
    usual, own = settings.DATABASES["default"]["NAME"], f"test_{os.getpid()}_pages"
    with django_db_blocker.unblock():
        with maintenance() as sql:
            sql.execute("SELECT pg_advisory_lock(%s)", [TEMPLATE_LOCK])
            clone(sql, migrated_template(sql), own)
        use(own)
        market.load(tmp_path_factory.mktemp("recordings"), timezone.now())
        with serving() as address:
            yield address
        use(usual)
        with maintenance() as sql:
            drop(sql, own)


@contextmanager
def serving() -> Iterator[str]:
    """The product's own server, on a port of its own in a thread: pages and live streams as they are."""
    from betsizing.asgi import application

    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(application, lifespan="off", log_level="warning", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="package")
def chromium(site: str, chromium_path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def signed_in(chromium: Browser, site: str) -> object:
    """The cookies of the demo user."""
    return sign_in(chromium, site, "demo", market.PASSWORD)


def sign_in(chromium: Browser, site: str, username: str, password: str) -> object:
    """The cookies of a person, for `visit(..., person=...)`."""
    context = chromium.new_context(base_url=site)
    page = context.new_page()
    page.goto("/accounts/sign-in/")
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(re.compile("/desk/"))
    state = context.storage_state()
    context.close()
    return state


ANY_NUMBER = -1  # of complaints: where the page asks again and again

Visit = Callable[..., AbstractContextManager[Page]]


@pytest.fixture
def visit(chromium: Browser, site: str, signed_in: object) -> Visit:
    """`with visit("/path/") as page:` opens a page and fails on anything the browser complained about.

    A newcomer is shown the tour; others have ended it before."""

    @contextmanager
    def open_page(
        path: str,
        *,
        complaints: int = 0,
        stranger: bool = False,
        person: object = None,
        newcomer: bool = False,
        **options: object,
    ) -> Iterator[Page]:
        cookies = None if stranger else person or signed_in
        context: BrowserContext = chromium.new_context(base_url=site, storage_state=cookies, **options)
        if not newcomer:
            context.add_init_script("localStorage.setItem('betsizing.tour', 'ended')")
        page = context.new_page()
        heard: list[str] = []
        page.on("console", lambda message: heard.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.goto(path)
        try:
            yield page
            assert complaints in (len(heard), ANY_NUMBER), heard
        finally:
            context.close()

    return open_page
