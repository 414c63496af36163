"""Events, sockets, plugins, daemon, adding a watcher, reloading the configuration, connecting, URL prefix."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from tests.web.mock_server import Served, serving

expect = pytest.importorskip("playwright.sync_api").expect


def test_events_have_causes_filters_and_links_of_their_own(page: Any, opened: Served) -> None:
    page.goto(f"{opened.url}events")
    opened.do(opened.mock.world.act, "web", "reload", {}, 1.0, "reload command (circusctl ann@ops-2 pid 77)")
    expect(page.locator(".event").filter(has_text="reload command (circusctl ann@ops-2 pid 77)").first).to_be_visible()
    page.get_by_role("button", name="Failures").click()
    expect(page.locator(".event.bad").first).to_contain_text("mailer")
    expect(page.locator(".event:not(.bad)")).to_have_count(0)
    page.locator(".event.bad .event-time").first.click()
    expect(page.locator(".notice")).to_contain_text("by a link to it")
    expect(page.locator(".event")).to_have_count(1)
    assert "seq=" in page.url
    page.reload()
    expect(page.locator(".event.linked")).to_have_count(1)


def test_older_events_are_fetched(page: Any, opened: Served) -> None:
    def publish() -> None:  # all at once: what came in between would stand among the newest by its time
        began = time.time()
        for number in range(300):
            opened.mock.world.publish("web", "updated", began + number / 1000)

    opened.do(publish)
    page.goto(f"{opened.url}events")
    expect(page.locator(".bar-row .hint")).to_contain_text(re.compile(r"20\d events"))
    page.get_by_role("button", name="Older events").click()
    expect(page.locator(".bar-row .hint")).to_contain_text(re.compile(r"3\d\d events"))


def test_sockets_tell_how_full_they_are_and_who_uses_them(page: Any, opened: Served) -> None:
    page.goto(f"{opened.url}sockets")
    push = page.locator("tr").filter(has_text="0.0.0.0:8001")
    expect(push).to_contain_text("118 / 128")
    expect(push.locator("meter")).to_have_attribute("aria-label", re.compile("92.2% full"))
    push.get_by_role("link", name="websocket").click()
    expect(page.locator("#title")).to_have_text("websocket")


def test_plugins_are_shown_with_their_options(page: Any, opened: Served) -> None:
    page.goto(f"{opened.url}plugins")
    card = page.locator(".card").filter(has_text="statsd")
    expect(card).to_contain_text("circus.plugins.statsd.StatsdEmitter")
    expect(card).to_contain_text("metrics.internal")
    card.get_by_role("button", name="Stop").click()
    page.get_by_role("dialog").get_by_role("button", name="Stop").click()
    expect(card).to_contain_text("stopped")


def test_the_daemon_tells_its_own_cost_and_options(page: Any, opened: Served) -> None:
    page.goto(f"{opened.url}daemon")
    expect(page.get_by_role("region", name="Daemon shop-1")).to_contain_text("4.2 ms")
    expect(page.get_by_role("table", name="Processes of Circus")).to_contain_text("circusd-stats")
    expect(page.get_by_role("table", name="Audit")).to_contain_text("restart")
    page.get_by_role("button", name="Quit the daemon…").click()
    expect(page.get_by_role("dialog").get_by_role("button", name="Quit the daemon")).to_be_disabled()


def test_a_watcher_is_added_by_a_form_that_checks_while_one_types(page: Any, opened: Served) -> None:
    page.goto(f"{opened.url}add")
    page.get_by_label("name required").fill("web")
    page.get_by_label("cmd required").fill("sleep 'never")
    expect(page.locator("[data-option=cmd] .field-error")).to_contain_text("not closed")
    page.get_by_label("cmd required").fill("sleep 100")
    expect(page.locator("[data-option=name] .field-error")).to_contain_text("there is a watcher web already")
    page.get_by_label("name required").fill("sleeper")
    page.get_by_label("numprocesses").fill("3")
    expect(page.locator(".ini")).to_contain_text("[watcher:sleeper]")
    expect(page.locator(".preview .line-text")).to_contain_text("circusctl add sleeper")
    page.get_by_role("button", name="Add watcher").click()
    expect(page.locator("#title")).to_have_text("sleeper")
    expect(page.locator(".tile-value").first).to_have_text("3")


def test_an_empty_form_is_not_sent_and_says_what_is_missing(page: Any, opened: Served) -> None:
    page.goto(f"{opened.url}add")
    page.get_by_role("button", name="Add watcher").click()
    expect(page.locator("[data-option=name] .field-error")).to_have_text("It cannot be empty.")
    expect(page.get_by_label("name required")).to_be_focused()
    assert ("POST", "/api/v1/watchers") not in opened.mock.requests


def test_a_reload_of_the_configuration_shows_its_plan_first(page: Any, opened: Served) -> None:
    page.goto(f"{opened.url}reload")
    expect(page.locator(".plan-item.plus")).to_contain_text("add watcher thumbnails")
    expect(page.locator(".plan-item.less")).to_contain_text("remove watcher reports")
    replaced = page.locator(".plan-item.again")
    expect(replaced.locator(".from")).to_contain_text("cmd: 'serve'")
    expect(replaced.locator(".to")).to_contain_text("cmd: 'serve --fast'")
    expect(replaced).to_contain_text("env changes")
    assert "thumbnails" not in opened.mock.world.watchers
    page.get_by_role("button", name="Apply the plan").click()
    expect(page.locator(".toast")).to_contain_text("The configuration is in place")
    expect(page.locator(".empty-state")).to_contain_text("Nothing to do")
    assert "thumbnails" in opened.mock.world.watchers


def test_a_plan_that_cannot_be_applied_says_why_and_is_not_offered(page: Any, opened: Served) -> None:
    opened.do(lambda: opened.mock.world.plan_problems.append("watcher api needs a socket web, which is gone"))
    page.goto(f"{opened.url}reload")
    plan = page.get_by_role("region", name="The plan")
    expect(plan.get_by_role("alert")).to_contain_text("watcher api needs a socket web")
    expect(page.locator(".plan-item.plus")).to_contain_text("add watcher thumbnails")
    expect(page.get_by_role("button", name="Apply the plan")).to_be_disabled()


def test_a_plan_that_restarts_the_daemon_is_asked_for_by_a_typed_word(page: Any, opened: Served) -> None:
    step = {"act": "restart daemon", "name": "the daemon", "changes": [{"option": "pidfile", "new": "'x.pid'"}]}
    opened.do(lambda: opened.mock.world.plan.__setitem__(slice(None), [step]))
    page.goto(f"{opened.url}reload")
    page.get_by_role("button", name="Apply the plan").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Apply the plan")).to_be_disabled()
    before = opened.mock.requests.count(("POST", "/api/v1/reloadconfig"))
    dialog.get_by_role("textbox").fill("restart")
    dialog.get_by_role("button", name="Apply the plan").click()
    expect(page.locator(".toast")).to_contain_text("The configuration is in place")
    assert opened.mock.requests.count(("POST", "/api/v1/reloadconfig")) > before


def test_connecting_checks_the_endpoint_and_offers_what_was_discovered(page: Any, opened: Served) -> None:
    page.goto(f"{opened.url}connect")
    expect(page.locator(".known-list").first).to_contain_text("shop-1")
    expect(page.get_by_text("tcp://10.0.0.7:5555")).to_be_visible()
    page.get_by_label("Endpoint of circusd").fill("http://nowhere")
    page.locator("form").get_by_role("button", name="Connect").click()
    expect(page.locator("#endpoint-error")).to_contain_text("tcp://HOST:PORT")
    page.get_by_label("Endpoint of circusd").fill("tcp://10.0.0.9:5555")
    page.locator("form").get_by_role("button", name="Connect").click()
    expect(page.locator(".toast")).to_contain_text("Connecting to tcp://10.0.0.9:5555")


def test_everything_works_under_a_url_prefix(page: Any) -> None:
    with serving(pace=0.2, login=False, prefix="/ops/circus") as prefixed:
        page.goto(prefixed.url)
        expect(page.locator(".link-state")).to_have_text("Live")
        page.get_by_role("link", name="mailer", exact=True).first.click()
        expect(page.locator("#title")).to_have_text("mailer")
        assert page.url == f"{prefixed.url}watcher/e1/mailer"
        page.reload()
        expect(page.locator("#title")).to_have_text("mailer")
        page.go_back()
        expect(page.locator("#title")).to_have_text("Overview")


def test_an_address_that_means_nothing_says_so(page: Any, opened: Served) -> None:
    page.goto(f"{opened.url}nothing/here")
    expect(page.locator("#title")).to_have_text("Not found")
    page.get_by_role("link", name="To the overview").click()
    expect(page.locator("#title")).to_have_text("Overview")


def test_the_palette_goes_anywhere_and_does_anything(page: Any, opened: Served) -> None:
    page.goto(opened.url)
    expect(page.locator("table.watchers")).to_be_visible()
    page.keyboard.press("Control+k")
    page.keyboard.type("websock")
    expect(page.get_by_role("option").first).to_contain_text("websocket")
    page.keyboard.press("Enter")
    expect(page.locator("#title")).to_have_text("websocket")
    page.keyboard.press(":")
    page.keyboard.type("reload billing")
    page.keyboard.press("Enter")
    expect(page.locator(".toast")).to_contain_text("Reloading billing")
