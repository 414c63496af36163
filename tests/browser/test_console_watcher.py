"""A watcher's page: why it is so, repairing what crashes, workers, options, secrets, charts, keys."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.browser.conftest import log_in
from tests.web.mock_server import Served

expect = pytest.importorskip("playwright.sync_api").expect


def open_watcher(page: Any, opened: Served, name: str, tab: str = "") -> None:
    """Go to a watcher's page and wait for it."""
    page.goto(f"{opened.url}watcher/e1/{name}{f'?tab={tab}' if tab else ''}")
    expect(page.locator("#title")).to_have_text(name)
    expect(page.locator(".tiles").first).to_be_visible()


def test_an_operator_finds_what_crashes_reads_its_last_words_and_repairs_it(page: Any, opened: Served) -> None:
    page.goto(opened.url)
    page.get_by_role("region", name="Needs attention").get_by_role("link", name="Why?").click()
    expect(page.locator("#title")).to_have_text("mailer")
    why = page.get_by_role("region", name="Why it is in this state")
    expect(why).to_contain_text("Connection refused: smtp.internal:2525")
    page.get_by_role("tab", name="Options").click()
    page.get_by_role("button", name="Edit cmd").click()
    field = page.get_by_label("cmd")
    expect(field).to_be_focused()
    field.fill("python -m mailer --config /etc/mailer.yml --smtp mail.example.org:25")
    expect(page.locator("[data-option=cmd] .effect")).to_contain_text("will reload")
    expect(page.locator(".save-sum")).to_contain_text("Workers will be reloaded")
    page.get_by_role("button", name="Review the changes").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("circusctl set mailer cmd")
    expect(dialog.locator(".to")).to_contain_text("mail.example.org:25")
    dialog.get_by_role("button", name="Apply").click()
    expect(page.locator(".toast")).to_contain_text("Done")
    expect(why).to_contain_text("4 of 4 processes running")
    page.get_by_role("link", name="Overview").first.click()
    expect(page.get_by_role("region", name="Needs attention")).to_be_hidden()


def test_a_worker_is_killed_and_another_takes_its_place(page: Any, opened: Served) -> None:
    open_watcher(page, opened, "billing")
    first = page.locator("table.workers tbody:not(.pads) tr").first
    pid = first.locator("td.c-pid").text_content()
    first.get_by_role("button", name="Actions for worker 1").click()
    page.get_by_role("menuitem", name="Kill it at once…").click()
    expect(page.get_by_role("dialog")).to_contain_text(f"circusctl kill billing {pid} --signum KILL")
    page.get_by_role("dialog").get_by_role("button", name="Send KILL").click()
    expect(page.locator(f"text='{pid}'")).to_have_count(0)
    expect(page.locator("table.workers tbody:not(.pads) tr")).to_have_count(6)


def test_a_signal_is_chosen_from_a_list_and_told_as_a_command_line(page: Any, opened: Served) -> None:
    open_watcher(page, opened, "billing")
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("menuitem", name="Send a signal…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Signal").select_option("USR1")
    expect(dialog.locator(".line-text")).to_have_text("circusctl signal billing USR1")
    dialog.get_by_role("button", name="Send").click()
    expect(page.locator(".toast")).to_contain_text("Signalling billing")


def test_workers_are_added_and_removed_by_buttons_and_keys(page: Any, opened: Served) -> None:
    open_watcher(page, opened, "billing")
    page.get_by_role("button", name="One worker more").click()
    expect(page.locator(".tile-detail").first).to_have_text("of 7")
    page.locator("#title").focus()
    page.keyboard.press("-")
    expect(page.locator(".tile-detail").first).to_have_text("of 6")


def test_removing_a_watcher_must_be_typed(page: Any, opened: Served) -> None:
    open_watcher(page, opened, "reports")
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("menuitem", name="Remove…").click()
    remove = page.get_by_role("dialog").get_by_role("button", name="Remove")
    expect(remove).to_be_disabled()
    page.keyboard.type("reports")
    remove.click()
    expect(page.locator("#title")).to_have_text("Overview")
    expect(page.get_by_role("link", name="reports", exact=True)).to_have_count(0)


def test_a_watcher_that_goes_away_says_so(page: Any, opened: Served) -> None:
    open_watcher(page, opened, "reports")
    opened.do(opened.mock.world.remove, "reports", 0.0, "test")
    expect(page.get_by_role("heading", name="reports is gone")).to_be_visible()


def test_a_wrong_value_is_told_while_it_is_typed_and_cannot_be_saved(page: Any, opened: Served) -> None:
    open_watcher(page, opened, "web", "options")
    page.get_by_role("button", name="Edit options").click()
    page.get_by_label("numprocesses").fill("many")
    expect(page.locator("[data-option=numprocesses] .field-error")).to_have_text("A whole number is wanted.")
    expect(page.get_by_role("button", name="Review the changes")).to_be_disabled()
    page.get_by_label("numprocesses").fill("33")
    expect(page.get_by_role("button", name="Review the changes")).to_be_enabled()


def test_secrets_are_masked_until_an_administrator_reveals_one(page: Any, served: Served) -> None:
    log_in(page, served, path="watcher/e1/web?tab=options")
    masked = page.locator(".env-value.masked")
    expect(masked).to_have_text("••••••••")
    page.get_by_role("button", name="Reveal DB_PASSWORD").click()
    expect(page.get_by_text("hunter2")).to_be_visible()


def test_options_can_be_found_and_reduced_to_what_was_changed(page: Any, opened: Served) -> None:
    open_watcher(page, opened, "web", "options")
    page.get_by_label("Only what differs from the default").check()
    expect(page.locator(".option-row").filter(has_text="numprocesses")).to_be_visible()
    expect(page.locator(".option-row").filter(has_text="warmup_delay")).to_have_count(0)


def test_charts_zoom_by_dragging_and_keys_and_mark_events(page: Any, opened: Served) -> None:
    open_watcher(page, opened, "mailer")
    canvas = page.locator("canvas").first
    expect(canvas).to_have_attribute("aria-label", re.compile(r"CPU now: CPU \d"))
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 40, steps=4)
    page.mouse.up()
    back = page.locator(".charts .panel-tools > .button")
    expect(back).to_have_text(re.compile(r"\d\d:\d\d:\d\d . \d\d:\d\d:\d\d"))
    canvas.focus()
    page.keyboard.press("ArrowLeft")
    expect(canvas).to_have_attribute("aria-label", re.compile(r"CPU at \d\d:\d\d:\d\d"))
    page.keyboard.press("Escape")
    expect(back).to_be_hidden()


def test_a_longer_span_is_fetched_from_the_history(page: Any, opened: Served) -> None:
    open_watcher(page, opened, "web")
    with page.expect_request(re.compile(r"/watchers/web/stats\?")):
        page.get_by_role("button", name="24 h").click()
    assert "span=86400" in page.url
    expect(page.locator(".charts > .hint")).to_have_text("")


def test_its_output_is_live(page: Any, opened: Served) -> None:
    open_watcher(page, opened, "worker", "output")
    expect(page.locator(".log-line").first).to_be_visible()
    last = page.locator(".log-line").last.text_content()
    expect(page.locator(".log-line").last).not_to_have_text(last)


def test_output_that_is_not_captured_names_the_remedy(page: Any, opened: Served) -> None:
    open_watcher(page, opened, "cron", "output")
    expect(page.locator(".notice")).to_contain_text("capture = true")


def test_hooks_and_story_are_told(page: Any, opened: Served) -> None:
    open_watcher(page, opened, "web", "hooks")
    expect(page.locator(".hook-row").first).to_contain_text("shop.hooks.warm_caches")
    page.get_by_role("tab", name="Story").click()
    expect(page.locator(".story")).to_contain_text("start asked for: daemon start")


def test_output_that_was_dropped_is_told_and_a_stream_that_is_stuck(page: Any, opened: Served) -> None:
    told: dict[str, Any] = {
        "stdout": {"dropped": 4003, "to": "FileStream /var/log/<b>web</b>\x07.log"},
        "stderr": {"dropped": 0, "to": "QueueStream", "stuck": 35.2},
        "other": {"dropped": 0},
    }
    opened.do(opened.mock.world.watchers["web"]["_streams"].update, told)
    open_watcher(page, opened, "web")
    notices = page.get_by_role("region", name="Why it is in this state").locator(".notice")
    expect(notices).to_have_text([
        "Output of stdout to FileStream /var/log/<b>web</b>.log: 3.91 K dropped since it was opened",
        "Output of stderr to QueueStream: has taken nothing for 35 s",
    ])  # fmt: skip
    opened.do(opened.mock.world.watchers["web"]["_streams"].clear)
    expect(notices).to_have_count(0)


def test_tabs_are_walked_by_arrow_keys(page: Any, opened: Served) -> None:
    open_watcher(page, opened, "web")
    page.get_by_role("tab", name="Workers").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Output")).to_be_focused()
    expect(page.get_by_role("tab", name="Output")).to_have_attribute("aria-selected", "true")
    assert "tab=output" in page.url
    for key, name in (("Home", "Workers"), ("ArrowLeft", "Story"), ("ArrowRight", "Workers"), ("End", "Story")):
        page.keyboard.press(key)
        expect(page.get_by_role("tab", name=name)).to_be_focused()
