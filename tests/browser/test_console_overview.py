"""The overview: live figures, problems first, the filter, actions and their outcome, lost and regained daemons."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.web.mock_server import Served, serving

expect = pytest.importorskip("playwright.sync_api").expect


def row(page: Any, name: str) -> Any:
    """A watcher's row of the table."""
    return page.locator("table.watchers tbody:not(.pads) tr").filter(
        has=page.get_by_role("link", name=name, exact=True)
    )


def test_the_numbers_move(page: Any, opened: Served) -> None:
    page.goto(opened.url)
    cpu = page.locator("[data-total=cpu] dd")
    expect(cpu).to_have_text(re.compile(r"\d+%"))
    before = cpu.text_content()
    expect(cpu).not_to_have_text(before)
    line = row(page, "web").locator(".spark-cpu .spark-line")
    shape = line.get_attribute("d")
    expect(line).not_to_have_attribute("d", shape)


def test_what_has_a_problem_stands_first_and_says_which(page: Any, opened: Served) -> None:
    page.goto(opened.url)
    attention = page.get_by_role("region", name="Needs attention")
    expect(attention).to_contain_text("mailer")
    expect(attention).to_contain_text("exited with 1")
    expect(page.locator("table.watchers tbody:not(.pads) tr").first).to_contain_text("mailer")
    expect(page.locator(".side-link .badge")).to_have_text("1")


def test_the_filter_lives_in_the_address(page: Any, opened: Served) -> None:
    page.goto(opened.url)
    expect(row(page, "cron")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("status:active cpu>100")
    expect(row(page, "worker")).to_be_visible()
    expect(row(page, "cron")).to_have_count(0)
    assert "q=status" in page.url
    page.reload()
    expect(row(page, "worker")).to_be_visible()
    expect(row(page, "cron")).to_have_count(0)


def test_columns_sort_by_number_and_the_order_is_kept(page: Any, opened: Served) -> None:
    page.goto(opened.url)
    page.get_by_role("button", name="Workers", exact=True).click()
    expect(page.locator("th.c-count")).to_have_attribute("aria-sort", "descending")
    names = page.locator("table.watchers tbody:not(.pads) tr .name-cell a")
    expect(names.nth(1)).to_have_text("worker")
    assert "sort=count" in page.url
    page.reload()
    expect(names.nth(1)).to_have_text("worker")


def test_a_watcher_is_stopped_and_started_again(page: Any, opened: Served) -> None:
    page.goto(opened.url)
    page.get_by_role("button", name="Actions for billing").click()
    page.get_by_role("menuitem", name="Stop…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("6 workers")
    expect(dialog).to_contain_text("circusctl stop billing --waiting")
    dialog.get_by_role("button", name="Stop").click()
    toast = page.locator(".toast").filter(has_text="Stopping billing")
    expect(toast).to_contain_text("Done")
    expect(toast).to_contain_text("circusctl stop billing --waiting")
    expect(row(page, "billing")).to_contain_text("stopped")
    row(page, "billing").get_by_role("button", name="start billing").click()
    expect(row(page, "billing")).to_contain_text("6/6")
    assert opened.mock.world.watchers["billing"]["status"] == "active"


def test_stopping_all_asks_first_and_tells_how_far_it_is(page: Any, opened: Served) -> None:
    page.goto(opened.url)
    page.get_by_role("button", name="All watchers").click()
    page.get_by_role("menuitem", name="Stop all").click()
    expect(page.get_by_role("dialog")).to_contain_text("8 watchers")
    page.get_by_role("dialog").get_by_role("button", name="Stop all").click()
    expect(page.locator(".toast")).to_contain_text("Done")
    expect(page.locator("[data-total=active] dd")).to_have_text("0")


def test_calling_it_off_does_nothing(page: Any, opened: Served) -> None:
    page.goto(opened.url)
    page.get_by_role("button", name="Actions for web", exact=True).click()
    page.get_by_role("menuitem", name="Stop…").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert not [path for method, path in opened.mock.requests if method == "POST"]


def test_a_failure_is_told_with_its_reason_and_stays(page: Any, opened: Served) -> None:
    page.goto(opened.url)
    expect(row(page, "cron")).to_be_visible()
    opened.mock.silent = True  # the page does not learn that the watcher is gone
    opened.do(opened.mock.world.remove, "cron", 0.0, "test")
    row(page, "cron").get_by_role("button", name="reload cron").click()
    toast = page.locator(".toast[data-kind=failed]")
    expect(toast).to_contain_text("There is no watcher cron")
    expect(toast).to_contain_text("circusctl reload cron")


def test_a_lost_daemon_is_announced_and_nothing_of_it_looks_fresh(page: Any, opened: Served) -> None:
    page.goto(opened.url)
    expect(page.locator("[data-total=cpu] dd")).to_have_text(re.compile(r"\d+%"))
    opened.do(opened.mock.lose_daemon)
    expect(page.locator(".banner")).to_contain_text(re.compile(r"shop-1 is offline since \d\d:\d\d:\d\d"))
    expect(page.locator(".endpoint-block")).to_have_class(re.compile("stale"))
    expect(page.locator(".stale-note")).to_contain_text("Not current: as of")
    opened.do(opened.mock.regain_daemon)
    expect(page.locator(".banner")).to_be_hidden()
    expect(page.locator(".endpoint-block")).not_to_have_class(re.compile("stale"))
    expect(page.locator(".link-state")).to_have_text("Live")


def test_a_broken_connection_is_made_again_with_a_fresh_snapshot(page: Any, opened: Served) -> None:
    page.goto(opened.url)
    expect(row(page, "web")).to_be_visible()
    opened.mock.refusing = True
    opened.do(opened.mock.drop_pages)
    expect(page.locator(".banner")).to_contain_text(re.compile(r"Offline since \d\d:\d\d:\d\d"))
    expect(page.locator(".endpoint-block")).to_have_class(re.compile("stale"))
    expect(page.locator(".banner")).to_contain_text(re.compile("Trying again in [1-9] s"))  # it waits longer and longer
    opened.mock.refusing = False
    page.locator(".banner").get_by_role("button", name="Try now").click()
    expect(page.locator(".banner")).to_be_hidden()
    expect(page.locator(".endpoint-block")).not_to_have_class(re.compile("stale"))


def test_a_missed_delta_leads_to_a_new_snapshot_not_to_wrong_numbers(page: Any, opened: Served) -> None:
    page.goto(opened.url)
    expect(row(page, "web")).to_be_visible()

    def skip() -> None:
        for each in opened.mock.pages:
            number, data = each.topics["overview"]
            each.topics["overview"] = (number + 5, data)

    opened.do(skip)
    opened.do(opened.mock.world.act, "web", "incr", {"nb": 3}, 0.0, "test")
    expect(row(page, "web")).to_contain_text("35/35")
    expect(page.locator(".endpoint-block")).not_to_have_class(re.compile("stale"))


def test_several_daemons_are_shown_each_with_its_own_totals(page: Any) -> None:
    with serving(pace=0.2, login=False, second=True) as both:
        page.goto(both.url)
        blocks = page.locator(".endpoint-block")
        expect(blocks).to_have_count(2)
        expect(blocks.nth(1)).to_contain_text("shop-2")
        both.do(both.mock.lose_daemon)
        expect(blocks.nth(0)).to_have_class(re.compile("stale"))
        expect(blocks.nth(1)).not_to_have_class(re.compile("stale"))
        page.locator(".endpoint-link").filter(has_text="shop-2").click()
        expect(blocks).to_have_count(1)


LISTENERS = """
window.listening = 0;
for (const [name, by] of [["addEventListener", 1], ["removeEventListener", -1]]) {
  const usual = window[name];
  window[name] = function (type, ...more) {
    if (type === "resize") window.listening += by;
    return usual.call(window, type, ...more);
  };
}
"""


def test_a_daemon_that_is_taken_away_leaves_nothing_on_the_page(page: Any) -> None:
    page.add_init_script(LISTENERS)
    with serving(pace=0.1, login=False, second=True) as both:
        page.goto(both.url)
        blocks = page.locator(".endpoint-block")
        expect(blocks).to_have_count(2)
        listening = page.evaluate("listening")
        away = both.do(both.mock.worlds.pop, "e2")
        expect(blocks).to_have_count(1)
        assert page.evaluate("listening") == listening - 1
        both.do(both.mock.worlds.__setitem__, "e2", away)
        expect(blocks).to_have_count(2)
        assert page.evaluate("listening") == listening
        both.do(both.mock.worlds.clear)
        expect(page.get_by_role("heading", name="No daemon is connected")).to_be_visible()
        expect(blocks).to_have_count(0)
        assert page.evaluate("listening") == listening - 2
