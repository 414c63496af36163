"""Getting into the console, and not getting in."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.browser.conftest import log_in
from tests.web.mock_server import PASSWORD, TOKEN, Served

expect = pytest.importorskip("playwright.sync_api").expect


def test_a_page_asks_for_a_login_and_leads_back_to_where_one_wanted_to_go(page: Any, served: Served) -> None:
    log_in(page, served, path="events")
    expect(page.locator("#title")).to_have_text("Events")
    assert page.url.endswith("/events")
    expect(page.locator(".side-user")).to_contain_text("ann")


def test_a_wrong_password_is_said_and_can_be_corrected(page: Any, served: Served) -> None:
    page.goto(served.url)
    page.get_by_label("User").fill("ann")
    page.get_by_label("Password").fill("guess")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="do not match")).to_be_visible()
    expect(page.get_by_label("Password")).to_be_focused()
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.locator("#title")).to_have_text("Overview")


def test_the_token_link_logs_in_and_leaves_no_token_in_the_address(page: Any, served: Served) -> None:
    page.goto(f"{served.url}login#token={TOKEN}")
    expect(page.locator("#title")).to_have_text("Overview")
    assert TOKEN not in page.url


def test_a_wrong_token_is_refused(page: Any, served: Served) -> None:
    page.goto(f"{served.url}login#token=made-up")
    expect(page.get_by_role("alert").filter(has_text="not valid")).to_be_visible()
    assert "made-up" not in page.url


def test_logging_out_ends_the_live_connection(page: Any, served: Served) -> None:
    log_in(page, served)
    expect(page.locator(".link-state")).to_have_text("Live")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Password")).to_be_visible()
    page.goto(served.url)
    expect(page.get_by_label("Password")).to_be_visible()


def test_a_session_that_ended_on_the_server_asks_for_a_login_again(page: Any, served: Served) -> None:
    log_in(page, served)
    expect(page.locator(".link-state")).to_have_text("Live")
    served.do(served.mock.sessions.clear)
    served.do(served.mock.drop_pages)
    expect(page.get_by_label("Password")).to_be_visible()


def test_a_viewer_sees_everything_and_can_change_nothing(page: Any, served: Served) -> None:
    log_in(page, served, "vera", "watcher/e1/web")
    stop = page.get_by_role("button", name="Stop", exact=True)
    expect(stop).to_be_disabled()
    expect(stop).to_have_attribute("title", re.compile("needs the role operator"))
    page.get_by_role("tab", name="Options").click()
    expect(page.get_by_role("button", name="Edit options")).to_be_disabled()
    assert not [path for method, path in served.mock.requests if method != "GET" and "login" not in path]


def test_a_link_to_another_site_is_not_followed_after_the_login(page: Any, served: Served) -> None:
    page.goto(f"{served.url}login?next=//example.org/")
    page.get_by_label("User").fill("ann")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.locator("#title")).to_have_text("Overview")
    assert page.url == served.url
