"""The logs: live and merged, searched, paused, filtered by level, colours, a line in full, download."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from tests.web.mock_server import Served

expect = pytest.importorskip("playwright.sync_api").expect

MARKUP = "<img src=x onerror=alert(1)>"


def write(opened: Served, text: str, watcher: str = "web", count: int = 1) -> None:
    """A worker of the mock writes a line."""

    def now() -> None:
        world = opened.mock.world
        worker = next(iter(world.workers[watcher].values()))
        for number in range(count):
            world._line(watcher, worker, text.format(number=number), time.time(), "stdout")
        opened.mock.tell(time.time())

    opened.do(now)


def quiet(opened: Served) -> None:
    """Nobody else writes."""
    opened.do(setattr, opened.mock.world, "write_lines", lambda now: None)
    opened.do(opened.mock.world.hidden["mailer"].__setitem__, "crashing", False)


def test_lines_arrive_and_are_followed(page: Any, opened: Served) -> None:
    quiet(opened)
    page.goto(f"{opened.url}logs")
    expect(page.locator(".log-line").first).to_be_visible()
    write(opened, "a line that was never seen before")
    expect(page.locator(".log-line").last).to_contain_text("a line that was never seen before")
    expect(page.locator(".log-state")).to_contain_text("following")


def test_a_search_marks_and_keeps_what_matches(page: Any, opened: Served) -> None:
    page.goto(f"{opened.url}logs")
    expect(page.locator(".log-line").first).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("slow query")
    expect(page.locator(".log-line mark").first).to_have_text("slow query")
    expect(page.locator(".log-line").filter(has_not=page.locator("mark"))).to_have_count(0)
    assert "q=slow" in page.url
    page.get_by_role("button", name="Regular expression").click()
    page.get_by_label("Search in the output").fill("([")
    expect(page.locator(".bar-row .field-error")).to_contain_text("Not a regular expression")
    page.get_by_label("Search in the output").fill(r"job \d+ done")
    expect(page.locator(".log-line mark").first).to_have_text(re.compile(r"job \d+ done"))


def test_only_errors(page: Any, opened: Served) -> None:
    page.goto(f"{opened.url}logs?level=error")
    write(opened, "INFO fine")
    write(opened, "ERROR broken pipe")
    expect(page.locator(".log-line").filter(has_text="broken pipe")).to_be_visible()
    expect(page.locator(".log-line").filter(has_text="fine")).to_have_count(0)
    expect(page.locator(".log-line.error").last.locator(".log-mark")).to_have_text("E")


def test_paused_output_waits_and_comes_when_it_goes_on(page: Any, opened: Served) -> None:
    quiet(opened)
    page.goto(f"{opened.url}logs")
    expect(page.locator(".log-line").first).to_be_visible()
    page.keyboard.press("p")
    expect(page.locator(".log-state")).to_contain_text("paused")
    write(opened, "written in the meantime")
    expect(page.get_by_role("button", name="Go on (1)")).to_be_visible()
    expect(page.locator(".log-line").filter(has_text="in the meantime")).to_have_count(0)
    page.keyboard.press("p")
    expect(page.locator(".log-line").last).to_contain_text("written in the meantime")


def test_scrolling_up_stops_following_and_a_button_leads_back(page: Any, opened: Served) -> None:
    quiet(opened)
    page.goto(f"{opened.url}logs")
    expect(page.locator(".log-line").first).to_be_visible()
    page.locator(".log-box").hover()
    page.mouse.wheel(0, -600)
    expect(page.locator(".log-state")).to_contain_text("scrolled back")
    write(opened, "below the edge", count=3)
    page.get_by_role("button", name="3 new lines").click()
    expect(page.locator(".log-line").last).to_contain_text("below the edge")


def test_a_hundred_thousand_lines_keep_the_page_small(page: Any, opened: Served) -> None:
    quiet(opened)
    page.goto(f"{opened.url}logs")
    expect(page.locator(".log-line").first).to_be_visible()
    for _ in range(10):
        write(opened, "line {number} of very many", count=10_000)
    expect(page.locator(".log-line").last).to_contain_text("line 9999 of very many")
    expect(page.locator(".log-state")).to_contain_text(re.compile("5[0-9],[0-9]{3} lines"))
    assert page.locator(".log-line").count() < 200


def test_colours_of_programs_are_shown_and_markup_is_text(page: Any, opened: Served) -> None:
    quiet(opened)
    page.goto(f"{opened.url}logs")
    expect(page.locator(".log-line").first).to_be_visible()
    write(opened, f"\x1b[31;1mred\x1b[0m plain {MARKUP} \x1b[38;2;1;200;3mown\x1b[0m \x1b]0;title\x07")
    line = page.locator(".log-line").filter(has_text="plain")
    expect(line.locator(".fg-red.bold")).to_have_text("red")
    expect(line).to_contain_text(f"plain {MARKUP} own")
    expect(line.locator("img")).to_have_count(0)
    assert "title" not in line.text_content()


def test_a_line_is_shown_in_full_and_json_laid_out(page: Any, opened: Served) -> None:
    quiet(opened)
    page.goto(f"{opened.url}logs")
    expect(page.locator(".log-line").first).to_be_visible()
    write(opened, '{{"level":"info","job":7}}')
    page.locator(".log-line").filter(has_text='"job":7}').locator(".log-text").click()
    expect(page.locator(".log-detail pre")).to_contain_text('"job": 7')


def test_watchers_are_chosen_and_kept_in_the_address(page: Any, opened: Served) -> None:
    page.goto(f"{opened.url}logs")
    expect(page.locator(".log-line").first).to_be_visible()
    page.locator(".picker summary").click()
    page.get_by_label("Find a watcher").fill("imag")
    page.get_by_label("images").check()
    page.keyboard.press("Escape")
    expect(page.locator(".log-line").filter(has_not_text="images.")).to_have_count(0)
    assert "w=images" in page.url


def test_lines_of_another_choice_that_were_on_their_way_are_left_out(
    page: Any, opened: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.goto(f"{opened.url}logs")
    expect(page.locator(".log-line").first).to_be_visible()
    tell = opened.mock.tell

    def say_more(now: float) -> None:
        """With every tick, and also when a page makes its choice: before that is known."""
        world = opened.mock.world
        world._line("web", next(iter(world.workers["web"].values())), "on its way", now, "stdout")
        tell(now)

    monkeypatch.setattr(opened.mock, "tell", say_more)
    expect(page.locator(".log-line").last).to_contain_text("on its way")
    page.locator(".picker summary").click()
    page.get_by_label("Find a watcher").fill("imag")
    page.get_by_label("images").check()
    expect(page.locator(".log-line").filter(has_text="images.").first).to_be_visible()
    expect(page.locator(".log-line").filter(has_text="on its way")).to_have_count(0)


def test_what_the_daemon_keeps_can_be_downloaded(page: Any, opened: Served) -> None:
    page.goto(f"{opened.url}logs")
    with page.expect_download() as caught:
        page.get_by_role("link", name="Download").click()
    assert caught.value.suggested_filename == "circus.log"
