"""The console's pages against hostile data and other sites; first against what the files may not contain."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.browser.attack import attacker
from tests.browser.conftest import log_in
from tests.web.mock_server import STATIC, Served

expect = pytest.importorskip("playwright.sync_api").expect

HOSTILE = "<img src=x onerror=document.title='owned'>"


def sources(*suffixes: str) -> list[Path]:
    """The files of the browser half."""
    return sorted(path for path in STATIC.rglob("*") if path.suffix in suffixes)


@pytest.mark.parametrize("path", sources(".js"), ids=lambda path: path.name)
def test_no_script_makes_markup_or_code_of_data(path: Path) -> None:
    forbidden = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function"
        r"|setAttribute\(\"style|https?://(?!www\.w3\.org)"
    )
    assert not re.findall(forbidden, path.read_text())


def test_the_page_has_nothing_inline_and_nothing_from_elsewhere() -> None:
    page = (STATIC / "index.html").read_text()
    assert not re.findall(r"<style|style=|\son\w+=|<script(?![^>]*\ssrc=)", page)
    assert not re.findall(r"(?:src|href)=\"(?:https?:)?//", page)
    assert not re.findall(r"url\(|@import", "".join(path.read_text() for path in sources(".css")))


def test_hostile_names_and_output_stay_text(page: Any, opened: Served) -> None:
    def add() -> None:
        opened.mock.world.add(HOSTILE, HOSTILE, {"env": {"X": HOSTILE}}, True, 1.0, HOSTILE)
        opened.mock.world.watchers[HOSTILE]["problem"] = HOSTILE

    opened.do(add)
    page.goto(opened.url)
    page.get_by_role("link", name=HOSTILE).first.click()
    expect(page.locator("#title")).to_have_text(HOSTILE)
    for tab in ("Output", "Options", "Hooks", "Events", "Story"):
        page.get_by_role("tab", name=tab).click()
        expect(page.get_by_role("tab", name=tab)).to_have_attribute("aria-selected", "true")
    page.goto(f"{opened.url}events")
    expect(page.locator(".event").filter(has_text=HOSTILE).first).to_be_visible()
    assert page.locator("img[src=x]").count() == 0
    assert "owned" not in page.title().split("·")[1]


def test_another_site_can_neither_act_nor_read_nor_listen(window: Any, served: Served) -> None:
    page = window.page()
    log_in(page, served)
    expect(page.locator(".link-state")).to_have_text("Live")
    window.forgiven = re.compile(".")  # the browser complains about what was attempted
    attack = window.context.new_page()
    with attacker(served.url) as elsewhere:
        attack.goto(elsewhere)
        expect(attack).to_have_title("not-acted sent socket-refused unread")
    assert served.mock.world.watchers["web"]["status"] == "active"
    frame = attack.frames[1] if len(attack.frames) > 1 else None
    assert frame is None or frame.locator("table").count() == 0
