"""The whole console in a real browser: circusd, circusd-stats and circus-httpd as programs, no mock."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.daemon import Daemon, free_port
from harness.installation import OURS
from harness.waiting import PATIENCE, eventually

expect = pytest.importorskip("playwright.sync_api").expect

pytestmark = pytest.mark.slow

TALKS = """
import sys, time
number = 0
while True:
    number += 1
    print("INFO request", number, flush=True)
    if number % 3 == 0:
        print("\\x1b[33mWARNING\\x1b[0m slow request", number, file=sys.stderr, flush=True)
    time.sleep(0.1)
"""
FAILS = """
import sys, time
if "--repaired" in sys.argv:
    print("INFO connected", flush=True)
    time.sleep(1000)
print("INFO reading the configuration", flush=True)
sys.exit("ConnectionRefusedError: smtp.internal:2525")
"""
INI = """
statsd = True
stats_interval = 0.2
capture = True

[watcher:web]
cmd = {python} talks.py
numprocesses = 2
copy_env = True
working_dir = {dir}
graceful_timeout = 2

[env:web]
DB_PASSWORD = hunter2

[watcher:mailer]
cmd = {python} fails.py
copy_env = True
working_dir = {dir}
max_retry = -1

[watcher:idle]
cmd = sleep 1000
autostart = False
""".replace("{python}", sys.executable)


class Console:
    """circus-httpd for one test.

    :param directory: for its files.
    :param daemon: what it connects to.
    """

    def __init__(self, directory: Path, daemon: Daemon) -> None:
        self.directory, self.daemon = directory, daemon
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        self.process: subprocess.Popen[bytes] | None = None

    def run(self, *arguments: str, stdin: str = "") -> str:
        """Run circus-httpd for something else than serving; what it prints."""
        command = OURS.command(
            "circus.web", "--state-dir", str(self.directory / "state"), "--port", str(self.port), *arguments
        )
        done = subprocess.run(
            command, env=OURS.environment(), input=stdin, capture_output=True, text=True, timeout=PATIENCE, check=True
        )
        return done.stdout.strip()

    def __enter__(self) -> Console:
        self.run("--add-user", "ann", "--role", "admin", stdin="correct horse\n")
        self.run("--add-user", "vera", "--role", "viewer", stdin="correct horse\n")
        return self.start()

    def start(self) -> Console:
        """Serve."""
        with (self.directory / "httpd.log").open("ab") as log:
            self.process = subprocess.Popen(
                OURS.command(
                    "circus.web",
                    "--endpoint",
                    self.daemon.endpoint,
                    "--state-dir",
                    str(self.directory / "state"),
                    "--port",
                    str(self.port),
                    "--multicast",
                    "none",
                ),
                env=OURS.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        eventually(self._answers)
        return self

    def _answers(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise RuntimeError((self.directory / "httpd.log").read_text())
        try:
            with urllib.request.urlopen(f"{self.url}healthz", timeout=1) as reply:
                return bool(reply.status == 200)
        except OSError as error:
            raise AssertionError(str(error)) from error

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End it."""
        process, self.process = self.process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon with a watcher that talks, one that crashes and one that is stopped."""
    directory = tmp_path / "d"
    directory.mkdir()
    (directory / "talks.py").write_text(TALKS)
    (directory / "fails.py").write_text(FAILS)
    with Daemon(directory, INI) as running:
        yield running


@pytest.fixture
def console(tmp_path: Path, daemon: Daemon) -> Iterator[Console]:
    """The console of that daemon."""
    with Console(tmp_path, daemon) as running:
        yield running


def log_in(page: Any, console: Console, user: str = "ann", path: str = "") -> None:
    """Log in as a person does."""
    page.goto(console.url + path)
    page.get_by_label("User").fill(user)
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Log in").click()
    expect(page.locator(".link-state")).to_have_text("Live")


def row(page: Any, name: str) -> Any:
    """A watcher's row on the overview."""
    return page.locator("table.watchers tbody:not(.pads) tr").filter(
        has=page.get_by_role("link", name=name, exact=True)
    )


def test_the_way_in(page: Any, console: Console) -> None:
    page.goto(console.url)
    page.get_by_label("User").fill("ann")
    page.get_by_label("Password").fill("guess")
    page.get_by_role("button", name="Log in").click()
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
    assert daemon.status("web") == "active"


def test_finding_a_crashing_worker_reading_its_last_output_and_repairing_it(
    page: Any, console: Console, daemon: Daemon
) -> None:
    log_in(page, console)
    attention = page.get_by_role("region", name="Needs attention")
    expect(attention).to_contain_text("mailer")
    attention.get_by_role("link", name="Why?").click()
    why = page.get_by_role("region", name="Why it is in this state")
    expect(why).to_contain_text("ConnectionRefusedError: smtp.internal:2525")
    page.get_by_role("tab", name="Options").click()
    page.get_by_role("button", name="Edit cmd").click()
    page.get_by_label("cmd").fill(f"{sys.executable} fails.py --repaired")
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


def test_tailing_logs(page: Any, console: Console) -> None:
    log_in(page, console, path="logs?w=web")
    expect(page.locator(".log-line").first).to_be_visible()
    expect(page.locator(".log-line .fg-yellow").first).to_have_text("WARNING")
    newest = page.locator(".log-line").last
    expect(newest).not_to_have_text(newest.text_content())
    texts = page.locator(".log-line").filter(has_text="web.1").all_text_contents()
    numbers = [int(found[1]) for text in texts if (found := re.search(r"INFO request (\d+)", text))]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))  # nothing twice, nothing missing
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


def test_losing_and_regaining_the_daemon(page: Any, console: Console, daemon: Daemon) -> None:
    log_in(page, console)
    expect(row(page, "web")).to_contain_text("2/2")
    daemon.stop()
    expect(page.locator(".banner")).to_contain_text(re.compile(r"is offline since"))
    expect(page.locator(".endpoint-block")).to_have_class(re.compile("stale"))
    daemon.start()
    expect(page.locator(".banner")).to_be_hidden()
    expect(page.locator(".endpoint-block")).not_to_have_class(re.compile("stale"))
    expect(row(page, "web")).to_contain_text("2/2")


def test_losing_and_regaining_the_console_itself(page: Any, console: Console) -> None:
    log_in(page, console)
    console.stop()
    expect(page.locator(".banner")).to_contain_text("Offline since")
    console.start()
    expect(page.locator(".banner")).to_be_hidden()  # and the session is still good
    expect(page.locator(".endpoint-block")).not_to_have_class(re.compile("stale"))
    console.stop()
    console.run("--add-user", "ann", "--role", "admin", stdin="another password\n")
    console.start()
    expect(page.get_by_label("Password")).to_be_visible()  # now it is not


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
    for path, words in {
        "events": "mailer",
        "sockets": "This daemon holds no sockets",
        "plugins": "runs no plugins",
        "daemon": "circusd-stats",
        "connect": "online",
    }.items():
        page.goto(console.url + path)
        expect(page.locator("main")).to_contain_text(words)
    page.goto(console.url)
    assert page.evaluate("performance.getEntries().reduce((sum, each) => sum + (each.transferSize || 0), 0)") < 300_000


def test_a_script_elsewhere_gets_nothing_from_the_console(console: Console) -> None:
    for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}):
        request = urllib.request.Request(
            f"{console.url}api/v1/watchers/web/stop",
            data=json.dumps({}).encode(),
            headers={"Content-Type": "application/json", **headers},
        )
        with contextlib.suppress(urllib.error.HTTPError), urllib.request.urlopen(request, timeout=5):
            pytest.fail(f"accepted with {headers}")
