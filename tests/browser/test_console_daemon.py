"""The whole console in a real browser: circusd, circusd-stats and circus-httpd as programs, no mock.

One daemon and one console serve all tests; what a test changes no other test looks at.
"""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import itertools
import platform
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from circus import __version__
from harness.daemon import Daemon
from harness.waiting import eventually
from tests.browser.attack import attacker
from tests.browser.conftest import fill_login
from tests.browser.realthing import INI, PASSWORD, Console, make_daemon

expect = pytest.importorskip("playwright.sync_api").expect

pytestmark = [pytest.mark.slow]
if importlib.util.find_spec("xdist"):  # then only it knows the mark
    pytestmark.append(pytest.mark.xdist_group("real console"))


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """The daemon."""
    with make_daemon(tmp_path_factory.mktemp("real") / "d") as running:
        yield running


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory, daemon: Daemon) -> Iterator[Console]:
    """The console of that daemon."""
    made = Console(tmp_path_factory.mktemp("console"), daemon.endpoint)
    made.add_user("ann", "admin")
    made.add_user("vera", "viewer")
    with made as running:
        yield running


def log_in(page: Any, console: Console, user: str = "ann", path: str = "") -> None:
    """Log in as a person does."""
    page.goto(console.url + path)
    fill_login(page, user, PASSWORD)
    expect(page.locator(".link-state")).to_have_text("Live")


def row(page: Any, name: str) -> Any:
    """A watcher's row on the overview."""
    return page.locator("table.watchers tbody:not(.pads) tr").filter(
        has=page.get_by_role("link", name=name, exact=True)
    )


def test_the_way_in(page: Any, console: Console) -> None:
    page.goto(console.url)
    fill_login(page, "ann", "guess")
    expect(page.locator(".form-error")).to_be_visible()
    page.goto(f"{console.url}login#token=made-up")
    expect(page.locator(".form-error")).to_be_visible()
    link = console.run("--login-link").replace("localhost", "127.0.0.1")
    page.goto("about:blank")
    page.goto(link)
    expect(page.locator(".link-state")).to_have_text("Live")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Password")).to_be_visible()
    page.goto("about:blank")
    page.goto(link)
    expect(page.locator(".form-error")).to_be_visible()  # it logs in once


def test_live_numbers_a_stop_and_a_start(page: Any, console: Console, daemon: Daemon) -> None:
    log_in(page, console)
    expect(row(page, "web")).to_contain_text("2/2")
    memory = page.locator("[data-total=rss] dd")
    expect(memory).to_have_text(re.compile(r"\d+(\.\d+)? [MG]"))
    shape = row(page, "web").locator(".spark-mem .spark-line")
    expect(shape).to_have_attribute("d", re.compile("L"))
    row(page, "web").get_by_role("button", name="Actions for web").click()
    page.get_by_role("menuitem", name="Stop…").click()
    page.get_by_role("dialog").get_by_role("button", name="Stop").click()
    expect(page.locator(".toast").filter(has_text="Stopping web")).to_contain_text("Done")
    expect(page.locator(".toast").filter(has_text="Stopping web")).to_contain_text(
        re.compile("circusctl .*stop .*web|circusctl .*stop.*--waiting")
    )
    expect(row(page, "web")).to_contain_text("stopped")
    assert daemon.status("web") == "stopped"
    row(page, "web").get_by_role("button", name="start web").click()
    expect(row(page, "web")).to_contain_text("2/2")
    daemon.wait_status("web", "active")


def test_tailing_logs(page: Any, console: Console) -> None:
    log_in(page, console, path="logs?w=web")
    expect(page.locator(".log-line").first).to_be_visible()
    expect(page.locator(".log-line .fg-yellow").first).to_have_text("WARNING")
    newest = page.locator(".log-line").last
    expect(newest).not_to_have_text(newest.text_content())
    texts = page.locator(".log-line").filter(has_text="web.1").all_text_contents()
    numbers = [int(found[1]) for text in texts if (found := re.search(r"INFO request (\d+)", text))]
    assert len(numbers) > 5
    # Nothing twice, nothing missing; a process that was started anew counts from 1.
    assert all(after in (before + 1, 1) for before, after in itertools.pairwise(numbers))
    page.keyboard.press("/")
    page.keyboard.type("slow request")
    expect(page.locator(".log-line mark").first).to_have_text("slow request")


def test_adding_a_watcher(page: Any, console: Console, daemon: Daemon) -> None:
    log_in(page, console, path="add")
    page.get_by_label("name required").fill("web")
    page.get_by_label("cmd required").fill("sleep 1000")
    expect(page.locator("[data-option=name] .field-error")).to_be_visible()
    page.get_by_label("name required").fill("sleeper")
    page.get_by_label("numprocesses").fill("3")
    expect(page.locator(".preview .line-text")).to_contain_text("add sleeper")
    expect(page.locator(".field-error:visible")).to_have_count(0)
    page.get_by_role("button", name="Add watcher").click()
    expect(page.locator("#title")).to_have_text("sleeper")
    expect(page.locator(".tile-value").first).to_have_text("3")
    assert len(daemon.pids("sleeper")) == 3
    daemon.call("rm", name="sleeper", waiting=True)


def test_reloading_the_configuration(page: Any, console: Console, daemon: Daemon) -> None:
    log_in(page, console, path="reload")
    expect(page.locator(".empty-state")).to_contain_text("Nothing to do")
    daemon.write(INI.replace("[watcher:idle]", "[watcher:newcomer]"))
    page.get_by_role("button", name="Compare again").click()
    expect(page.locator(".plan-item.plus")).to_contain_text("newcomer")
    expect(page.locator(".plan-item.less")).to_contain_text("idle")
    page.get_by_role("button", name="Apply the plan").click()
    expect(page.locator(".toast")).to_contain_text("Done")
    expect(page.locator(".empty-state")).to_contain_text("Nothing to do")
    assert daemon.status("newcomer") == "stopped"
    daemon.write(INI)
    daemon.call("reloadconfig", waiting=True)


def test_secrets_stay_hidden_and_viewers_cannot_act(page: Any, console: Console) -> None:
    log_in(page, console, "vera")
    row(page, "web").get_by_role("link", name="web").click()
    page.get_by_role("tab", name="Options").click()
    expect(page.locator(".env-value.masked").first).to_have_text(re.compile("^•+$"))
    expect(page.get_by_text("hunter2")).to_have_count(0)
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_disabled()
    attempt = "async () => (await fetch('api/v1/watchers/web/stop', {method: 'POST', body: '{}'})).status"
    refused = page.evaluate(attempt)
    assert refused == 403


def test_all_pages_show_something(page: Any, console: Console) -> None:
    log_in(page, console)
    transferred = "performance.getEntries().reduce((sum, each) => sum + (each.transferSize || 0), 0)"
    assert page.evaluate(transferred) < 300_000
    for name, words in {
        "Events": "mailer",
        "Sockets": "This daemon holds no sockets",
        "Plugins": "flap",
        "Daemon": "circusd-stats",
        "Connect…": "online",
    }.items():
        page.get_by_role("navigation").get_by_role("link", name=name).click()
        expect(page.locator("main")).to_contain_text(words)


def test_the_daemon_tells_which_it_is(page: Any, console: Console) -> None:
    log_in(page, console, path="daemon")
    facts = page.get_by_role("region", name=re.compile("^Daemon ")).locator(".facts").first
    for name, value in {"Circus": __version__, "Python": platform.python_version()}.items():
        fact = facts.locator("div").filter(has=page.get_by_text(name, exact=True))
        expect(fact.locator("dd")).to_have_text(value)


def test_plugins_show_their_class_and_options_but_no_secrets(page: Any, console: Console) -> None:
    log_in(page, console, path="plugins")
    card = page.locator(".card").filter(has_text="flap")
    expect(card).to_contain_text("circus.plugins.flapping.Flapping")
    expect(card.locator(".card-options")).to_contain_text(re.compile("window.*10"))
    expect(card.locator(".card-options")).to_contain_text(re.compile("api_token.*•+"))
    expect(page.get_by_text("not-for-everybody")).to_have_count(0)


def test_what_a_plugin_stopped_needs_attention_and_says_who_stopped_it(
    page: Any, console: Console, daemon: Daemon
) -> None:
    log_in(page, console)
    expect(row(page, "licensed")).to_contain_text("stopped")
    expect(row(page, "licensed").locator(".status")).to_have_attribute("data-kind", "stopped")
    row(page, "licensed").get_by_role("button", name="start licensed").click()
    attention = page.get_by_role("region", name="Needs attention").locator("li").filter(has_text="licensed")
    expect(attention).to_contain_text("stopped by plugin:flap; its last process exited with 3")
    attention.get_by_role("link", name="Why?").click()
    why = page.get_by_role("region", name="Why it is in this state")
    expect(why).to_contain_text("stop command (plugin:flap)")
    expect(why).to_contain_text("no licence found")
    page.get_by_role("link", name="Overview").first.click()
    daemon.call("stop", name="licensed", waiting=True)  # an operator agrees


def test_reloading_all_is_answered_soon_and_names_what_does_not_come_up(page: Any, console: Console) -> None:
    log_in(page, console)
    expect(row(page, "mailer").locator(".status")).to_have_attribute("data-kind", "problem")
    page.get_by_role("button", name="All watchers").click()
    page.get_by_role("menuitem", name="Reload all").click()
    page.get_by_role("dialog").get_by_role("button", name="Reload all").click()
    toast = page.locator(".toast").filter(has_text="Reloading all watchers")
    expect(toast).to_contain_text(re.compile("Partly done|Still going on"))
    expect(toast).to_contain_text("mailer")
    expect(row(page, "idle")).to_contain_text("stopped")


def test_connecting_finding_what_crashes_reading_its_last_output_and_repairing_it(
    page: Any, tmp_path: Path, console: Console, daemon: Daemon
) -> None:
    with Console(tmp_path, "ipc:///nowhere/circus.sock") as fresh:
        page.goto(fresh.run("--login-link").replace("localhost", "127.0.0.1"))
        expect(page.locator(".banner")).to_contain_text("is offline since")
        page.get_by_role("link", name="Connect…").click()
        page.get_by_label("Endpoint of circusd").fill(daemon.endpoint)
        page.locator("form").get_by_role("button", name="Connect").click()
        attention = page.get_by_role("region", name="Needs attention")
        expect(attention).to_contain_text("mailer")
        attention.locator("li").filter(has_text="mailer").get_by_role("link", name="Why?").click()
        why = page.get_by_role("region", name="Why it is in this state")
        expect(why).to_contain_text("ConnectionRefusedError: smtp.internal:2525")
        page.get_by_role("tab", name="Options").click()
        page.get_by_role("button", name="Edit cmd").click()
        page.get_by_label("cmd").fill("sh fails.sh --repaired")
        page.get_by_role("button", name="Review the changes").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("set mailer cmd")
        dialog.get_by_role("button", name="Apply").click()
        expect(page.locator(".toast").filter(has_text="Changing mailer")).to_contain_text("Done")
        expect(page.locator(".tile-value").first).to_have_text("1")
        page.get_by_role("tab", name="Output").click()
        expect(page.locator(".log-line").last).to_contain_text("INFO connected")
        eventually(lambda: daemon.status("mailer") == "active")
        assert "--repaired" in daemon.call("options", name="mailer")["options"]["cmd"]


def test_losing_and_regaining_the_daemon(page: Any, console: Console, daemon: Daemon) -> None:
    log_in(page, console)
    expect(row(page, "web")).to_contain_text("2/2")
    block = page.locator(".endpoint-block")
    daemon.stop()
    expect(page.locator(".banner")).to_contain_text(re.compile(r"is offline since \d\d:\d\d:\d\d"))
    expect(page.locator(".link-state")).to_have_text("Daemon offline")
    expect(block).to_have_class(re.compile("stale"))
    expect(block.locator(".stale-note")).to_have_text(re.compile("Not current: as of"))
    row(page, "web").get_by_role("link", name="web").click()
    expect(page.locator(".head-tools > .button").first).to_be_disabled()
    expect(page.locator(".stale .tile").first).to_be_visible()
    daemon.start()
    expect(page.locator(".banner")).to_be_hidden()
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_enabled()
    expect(page.locator(".stale")).to_have_count(0)
    first, second = eventually(lambda: len(pids := daemon.pids("web")) == 2 and pids)
    expect(page.locator("table.workers")).to_contain_text(str(first))
    expect(page.locator("table.workers")).to_contain_text(str(second))
    page.get_by_role("link", name="Overview").first.click()
    expect(row(page, "web")).to_contain_text("2/2")
    expect(block).not_to_have_class(re.compile("stale"))


def test_losing_and_regaining_the_console_itself(page: Any, console: Console) -> None:
    console.add_user("pia", "operator")
    log_in(page, console, "pia")
    console.stop()
    expect(page.locator(".banner")).to_contain_text("Offline since")
    expect(page.locator(".endpoint-block")).to_have_class(re.compile("stale"))
    console.start()
    expect(page.locator(".banner")).to_be_hidden()  # and the session is still good
    expect(page.locator(".endpoint-block")).not_to_have_class(re.compile("stale"))
    console.stop()
    console.add_user("pia", "operator", "another password")
    console.start()
    expect(page.get_by_label("Password")).to_be_visible()  # now it is not


def test_another_site_can_neither_act_nor_read_nor_listen(window: Any, console: Console, daemon: Daemon) -> None:
    log_in(window.page(), console)
    window.forgiven = re.compile(".")  # the browser complains about what was attempted
    attack = window.context.new_page()
    before = daemon.pids("web")
    with attacker(console.url) as elsewhere:
        attack.goto(elsewhere)
        expect(attack).to_have_title(re.compile("not-acted (refused|sent) socket-refused unread"))
    assert daemon.pids("web") == before
    assert all(not frame.locator("table").count() for frame in attack.frames[1:])


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Host": "evil.example"}], ids=str)
@pytest.mark.parametrize("path", ["api/v1/watchers/web/stop", "ws"])
def test_a_foreign_origin_or_name_is_refused(console: Console, path: str, headers: dict[str, str]) -> None:
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
               "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}  # fmt: skip
    line = http.client.HTTPConnection("127.0.0.1", console.port, timeout=5)
    with contextlib.closing(line):
        if path == "ws":
            line.request("GET", f"/{path}", headers={**upgrade, **headers})
        else:
            line.request("POST", f"/{path}", b"{}", {"Content-Type": "application/json", **headers})
        assert line.getresponse().status == 403
