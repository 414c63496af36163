"""A real browser for the tests of the web console: Debian's Chromium, driven by playwright; skipped when either is
missing. Nothing is downloaded."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.web.mock_server import PASSWORD, Served, serving

CHROMIUM = os.environ.get("CIRCUS_TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
VIEWPORT = {"width": 1280, "height": 900}
#: Milliseconds after which something that takes tens of them on an idle machine counts as never happening.
PATIENCE = int(float(os.environ.get("CIRCUS_TEST_PATIENCE", "15")) * 1000)


@pytest.fixture(scope="package")
def chromium() -> Iterator[Any]:
    """The browser, one for all tests."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no chromium: install Debian's package chromium")
    playwright.expect.set_options(timeout=PATIENCE)
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


class Watched:
    """A browser window whose complaints are kept: script errors, and what the content policy refused.

    :param context: of the browser; one may serve several windows, one after the other.
    """

    def __init__(self, context: Any) -> None:
        self.context = context
        self.pages: list[Any] = []
        self.complaints: list[str] = []
        self.forgiven = re.compile(r"Failed to load resource|WebSocket connection to|net::ERR_")

    def page(self) -> Any:
        """A new page."""
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(f"{error.message}\n{error.stack}"))
        page.on("console", self._heard)
        self.pages.append(page)
        return page

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning") and not self.forgiven.search(message.text):
            self.complaints.append(message.text)


def new_context(chromium: Any, **options: Any) -> Any:
    """A context of the browser: its own cookies, storage and cache."""
    context = chromium.new_context(**{"viewport": VIEWPORT, "reduced_motion": "reduce", **options})
    context.set_default_timeout(PATIENCE)
    return context


@pytest.fixture(scope="package")
def shared_context(chromium: Any) -> Iterator[Any]:
    """The context of all windows that need no other one; the console's files are fetched once."""
    context = new_context(chromium)
    yield context
    context.close()


@pytest.fixture
def window(shared_context: Any) -> Iterator[Watched]:
    """A fresh window; the test fails when a page complained."""
    watched = Watched(shared_context)
    yield watched
    for page in shared_context.pages:
        if page.url.startswith("http"):
            page.evaluate("localStorage.clear()")
        page.close()
    shared_context.clear_cookies()
    assert not watched.complaints


@pytest.fixture
def page(window: Watched) -> Any:
    """A page in a fresh window."""
    return window.page()


@pytest.fixture(scope="package")
def mock() -> Iterator[Served]:
    """The mock server, one for all tests, with a quick clock."""
    with serving(pace=0.2) as served:
        yield served


@pytest.fixture
def served(mock: Served) -> Served:
    """The mock server with a login."""
    mock.do(mock.mock.begin)
    return mock


@pytest.fixture
def opened(mock: Served) -> Served:
    """The mock server without a login."""
    mock.do(lambda: mock.mock.begin(login=False))
    return mock


def fill_login(page: Any, user: str, password: str) -> None:
    """Fill in the form of the login page, and send it."""
    page.get_by_label("User").fill(user)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def log_in(page: Any, served: Served, user: str = "ann", path: str = "") -> None:
    """Log in as a person does, starting from some page."""
    page.goto(served.url + path)
    fill_login(page, user, PASSWORD)
    page.locator("main#main h1, #title").first.wait_for()
