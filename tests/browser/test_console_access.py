"""Good to use for everybody: contrast, names of controls, keyboard, narrow screens, light and dark."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Watched, new_context
from tests.web.mock_server import Served

expect = pytest.importorskip("playwright.sync_api").expect

HERE = Path(__file__).parent
#: Functions that look for what is wrong with a page.
CONTRAST = (HERE / "contrast.js").read_text().rstrip().rstrip(";")
UNNAMED = (HERE / "names.js").read_text().rstrip().rstrip(";")
PAGES = [
    "",
    "watcher/e1/mailer",
    "watcher/e1/web?tab=options",
    "watcher/e1/mailer?tab=why",
    "logs",
    "events",
    "sockets",
    "plugins",
    "daemon",
    "add",
    "reload",
    "connect",
]


def settle(page: Any, opened: Served, path: str) -> None:
    """Open a page and wait until it shows something; only the first one is loaded, the others are walked to."""
    if page.url.startswith(opened.url):
        page.evaluate("(url) => { history.pushState(null, '', url); dispatchEvent(new PopStateEvent('popstate')); }",
                      opened.url + path)  # fmt: skip
    else:
        page.goto(opened.url + path)
    expect(page.locator(".link-state")).to_have_text("Live")
    page.wait_for_function("() => ![...document.querySelectorAll('.loading')].some((each) => each.checkVisibility())")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_enough_contrast_and_all_controls_have_names(chromium: Any, opened: Served, scheme: str) -> None:
    window = Watched(new_context(chromium, color_scheme=scheme))
    page = window.page()
    for path in PAGES:
        settle(page, opened, path)
        assert page.evaluate(CONTRAST) == [], f"{path} {scheme}"
        assert page.evaluate(UNNAMED) == [], path
    window.context.close()


def test_no_page_is_wider_than_a_narrow_screen(chromium: Any, opened: Served) -> None:
    window = Watched(new_context(chromium, viewport={"width": 390, "height": 740}))
    page = window.page()
    for path in PAGES:
        settle(page, opened, path)
        for width in (360, 390, 768):
            page.set_viewport_size({"width": width, "height": 740})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{path} {width}"
    window.context.close()


def test_on_a_phone_the_menu_opens_by_a_button(chromium: Any, opened: Served) -> None:
    window = Watched(new_context(chromium, viewport={"width": 360, "height": 740}))
    page = window.page()
    settle(page, opened, "")
    link = page.get_by_role("link", name="Events")
    expect(link).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    link.click()
    expect(page.locator("#title")).to_have_text("Events")
    expect(link).to_be_hidden()
    window.context.close()


def test_shortcuts_work_and_are_listed(page: Any, opened: Served) -> None:
    settle(page, opened, "")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Overview")
    page.keyboard.press("Escape")
    page.keyboard.type("gs")
    expect(page.locator("#title")).to_have_text("Sockets")
    expect(page.locator("#title")).to_be_focused()


def test_a_menu_is_walked_by_keys(page: Any, opened: Served) -> None:
    settle(page, opened, "")
    button = page.get_by_role("button", name="Actions for web", exact=True)
    button.focus()
    page.keyboard.press("ArrowDown")
    items = page.get_by_role("menuitem")
    expect(items.first).to_be_focused()
    for key, name in (("ArrowUp", "Stop…"), ("ArrowDown", "Reload"), ("End", "Stop…"), ("Home", "Reload")):
        page.keyboard.press(key)
        expect(items.filter(has_text=name)).to_be_focused()
    page.keyboard.press("o")
    expect(items.filter(has_text="One worker more")).to_be_focused()
    page.keyboard.press("Escape")
    expect(items).to_have_count(0)
    expect(button).to_be_focused()


def test_letters_typed_into_a_field_are_no_shortcuts(page: Any, opened: Served) -> None:
    settle(page, opened, "")
    page.get_by_label("Filter watchers").fill("")
    page.get_by_label("Filter watchers").press_sequentially("g s ?")
    expect(page.locator("#title")).to_have_text("Overview")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_rows_are_walked_by_keys_and_opened_by_enter(page: Any, opened: Served) -> None:
    settle(page, opened, "")
    expect(page.locator("table.watchers tbody:not(.pads) tr").first).to_be_visible()  # a frame after the table
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="mailer", exact=True).last).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("#title")).to_have_text("billing")


def test_the_first_tab_stop_skips_to_the_content(page: Any, opened: Served) -> None:
    settle(page, opened, "")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_a_dialog_gives_the_focus_back(page: Any, opened: Served) -> None:
    settle(page, opened, "watcher/e1/web")
    page.get_by_role("button", name="Stop", exact=True).click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_focused()


def test_light_and_dark_are_chosen_and_kept(page: Any, opened: Served) -> None:
    settle(page, opened, "")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.keyboard.press("t")
    assert page.evaluate(ground) != light
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.get_by_role("button", name="Light or dark").click()
    page.get_by_role("menuitem", name="System").click()
    expect(page.locator("html")).not_to_have_attribute("data-theme", re.compile("."))
    assert page.evaluate(ground) == light


def test_states_differ_by_shape_and_word(page: Any, opened: Served) -> None:
    settle(page, opened, "")
    expect(page.locator(".status[data-kind=stopped]").first).to_be_visible()
    shapes = {
        kind: page.locator(f".watchers .status[data-kind={kind}] path").first.get_attribute("d")
        for kind in ("active", "stopped", "problem")
    }
    assert len(set(shapes.values())) == 3
    expect(page.locator(".status[data-kind=problem]").first).to_contain_text("with a problem")
