"""Makes the pictures of the manual: circus-top as SVG, the web console as PNG, of a daemon that really runs.

``python docs/screenshots.py`` writes them all into ``docs/source/_static``. It needs Linux with user namespaces,
``unshare``, Chromium, and a virtual environment with what Circus needs, textual, playwright and pillow. The daemon is
that of ``docs/demo``; it runs in namespaces of its own, on a host called ``shop-1``, under ``/srv``, so nothing of this
machine is in the pictures, no port is taken, and nothing is left behind. It takes 12 minutes, as the curves need
a past; with ``--age 60`` it is quicker. Look at each picture before it is kept.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import math
import os
import random
import re
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
HOST, USER, PASSWORD = "shop-1", "ann", "correct horse"
SHOP, CIRCUS, VENV = Path("/srv/shop"), Path("/srv/circus"), Path("/srv/venv")
URL = "http://127.0.0.1:8080/"
PATIENCE = 120.0

# -- the place --------------------------------------------------------------------------------------------------------


def move_in(arguments: list[str]) -> None:
    """Run this program again in namespaces of its own; everything in them ends with it."""
    apart = ["--user", "--map-root-user", "--uts", "--net", "--mount", "--pid", "--fork", "--kill-child"]
    os.execvp("unshare", ["unshare", *apart, "--mount-proc", sys.executable, __file__, "--inside", *arguments])


def furnish() -> None:
    """A host name, a loopback, and neutral names for the checkout and the interpreter."""
    socket.sethostname(HOST)
    with socket.socket() as any_socket:  # SIOCSIFFLAGS: up, running
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 0x41))
    mount("-t", "tmpfs", "tmpfs", "/srv")
    for where, what in ((CIRCUS, HERE.parent), (VENV, Path(sys.prefix))):
        where.mkdir()
        mount("--bind", str(what), str(where))
    shutil.copytree(HERE / "demo", SHOP)
    Path("/srv/passwd").write_text(f"{USER}:x:0:0::/srv:/bin/sh\n")
    mount("--bind", "/srv/passwd", "/etc/passwd")
    os.environ.clear()
    os.environ.update(
        PATH=f"{VENV}/bin:/usr/bin:/bin", PYTHONPATH=str(CIRCUS), HOME="/srv", LOGNAME=USER, TZ="UTC", LANG="C.UTF-8",
        CIRCUS_STATE_DIR="/srv/state", XDG_STATE_HOME="/srv/state", PYTHONDONTWRITEBYTECODE="1", TERM="xterm-256color",
    )  # fmt: skip
    os.chdir(SHOP)


def mount(*arguments: str) -> None:
    """mount(8), in our own namespace only."""
    subprocess.run(["mount", *arguments], check=True)


@contextlib.contextmanager
def daemon(age: float) -> Iterator[None]:
    """circusd with the shop, when it is that old."""
    python = str(VENV / "bin/python")
    add = ["-m", "circus.web", "--state-dir", "/srv/state/httpd", "--add-user", USER, "--role", "admin"]
    subprocess.run([python, *add], input=f"{PASSWORD}\n", text=True, check=True)
    with (SHOP / "circusd.log").open("wb") as log:
        running = subprocess.Popen([python, "-m", "circus.circusd", "circus.ini"], stdout=log, stderr=log)
    try:
        end = time.monotonic() + age
        for number in range(10):
            threading.Thread(target=visit, args=(number,), daemon=True).start()
        while time.monotonic() < end:
            if running.poll() is not None:
                sys.exit((SHOP / "circusd.log").read_text())
            time.sleep(0.5)
        yield
    finally:
        running.terminate()
        running.wait(PATIENCE)


def visit(number: int) -> None:
    """One of the customers of the shop: they come and go, some of them all the time."""
    while True:
        if number < 5 + 5 * math.sin(time.monotonic() / 25):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", 8000), 5) as connection:
                connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                connection.recv(100)
        time.sleep(random.uniform(0.1, 0.5))


def operate() -> None:
    """What somebody does in a day."""
    for words in ("incr web", "reload search", "start reports", "stop reports", "decr web"):
        subprocess.run([VENV / "bin/python", "-m", "circus.circusctl", *words.split()], check=True)


def edit() -> None:
    """Change the configuration file, as somebody would who wants it reloaded."""
    path = SHOP / "circus.ini"
    text = path.read_text()
    if "thumbnails" in text:
        return  # for another picture
    text = text.replace("numprocesses = 4", "numprocesses = 6", 1).replace("--queue default", "--queue default,mail")
    text = re.sub(r"\[watcher:reports\]\n(?:.+\n)+", "[watcher:thumbnails]\ncmd = python -m shop thumbnails\n", text)
    path.write_text(text)


# -- circus-top -------------------------------------------------------------------------------------------------------


class Terminal:
    """circus-top, driven by its keys.

    :param target: where pictures go.
    """

    def __init__(self, app: Any, pilot: Any, target: Path) -> None:
        self.app, self.pilot, self.target = app, pilot, target

    def strips(self) -> list[Any]:
        """What is on the screen."""
        found: list[Any] = self.app.screen._compositor.render_strips(self.app.size)
        return found

    async def press(self, *keys: str) -> None:
        """Press keys."""
        await self.pilot.press(*keys)
        await self.pilot.pause(0.3)

    async def choose(self, pattern: str) -> None:
        """Put the cursor on the first row whose name fits."""
        await self.until(lambda: any(re.search(pattern, row.node.name) for row in self.app.main.table.rows))
        rows = self.app.main.table.rows
        self.app.main.table.move_to(next(at for at, row in enumerate(rows) if re.search(pattern, row.node.name)))
        await self.pilot.pause(0.3)

    async def write(self, text: str) -> None:
        """Type into the line in front, and agree."""
        self.app.focused.value = text
        await self.pilot.pause(0.3)
        await self.press("enter")

    async def sees(self, pattern: str) -> None:
        """Wait for a text."""
        await self.until(lambda: any(re.search(pattern, strip.text) for strip in self.strips()), pattern)

    async def until(self, condition: Callable[[], bool], what: str = "a row") -> None:
        """Wait for a condition."""
        end = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > end:
                sys.exit(f"circus-top does not show {what}:\n" + "\n".join(strip.text for strip in self.strips()))
            await self.pilot.pause(0.05)

    async def shoot(self, name: str) -> None:
        """Write a picture of the screen."""
        from circusdocs.drawing import draw

        back = self.app.get_css_variables()["background"].lower()
        lines = []
        for strip in self.strips():
            runs = []
            for text, style, _ in strip:
                fore = style.color.get_truecolor().hex if style and style.color else "#d6dce4"
                ground = style.bgcolor.get_truecolor().hex if style and style.bgcolor else back
                if style and style.reverse:
                    fore, ground = ground, fore
                runs.append((text, fore, ground, bool(style and style.bold)))
            lines.append(runs)
        path = self.target / f"circus-top-{name}.svg"
        path.write_text(draw(lines, self.app.size.width, back), encoding="utf-8")
        print(path.name, path.stat().st_size, flush=True)


async def top_chart(terminal: Terminal) -> None:
    """The memory of a watcher that leaks."""
    await terminal.press("M")
    await terminal.choose(r"^images$")
    await terminal.press("1", "v")
    await terminal.sees("RSS.*10m")
    await terminal.shoot("chart")


async def top_why(terminal: Terminal) -> None:
    """Why the worker that leaked was replaced."""
    await terminal.choose(r"^images\.3$")
    await terminal.press("4")
    await terminal.sees("last ends")
    await terminal.shoot("why")


async def top_sockets(terminal: Terminal) -> None:
    """Connections that wait at a socket."""
    await terminal.choose(r"^http\b")
    await terminal.press("1", "left_square_bracket")
    await terminal.sees("queue of http")
    await terminal.pilot.pause(60)
    await terminal.shoot("sockets")


async def top_older(terminal: Terminal) -> None:
    """Output that is only in the log files any more."""
    await terminal.choose(r"^worker$")
    await terminal.press("2", "z", "ampersand")
    await terminal.write("timeout")
    await terminal.press("b")
    await terminal.sees("timeout")
    await terminal.pilot.pause(2)
    await terminal.shoot("older")
    await terminal.press("escape", "escape", "escape")


async def top_config(terminal: Terminal) -> None:
    """What another configuration file would change."""
    await terminal.press("N")
    await terminal.choose(r"^web$")
    edit()
    await terminal.press("L")
    await terminal.sees("Reload the configuration")
    await terminal.shoot("config")
    await terminal.press("n")


async def top_reload(terminal: Terminal) -> None:
    """Workers that are replaced."""
    await terminal.choose(r"^worker$")
    await terminal.press("3", "e")
    await terminal.sees("y yes")
    await terminal.press("y")
    await terminal.sees("[1-4] of 6 replaced")
    await terminal.shoot("reload")
    await terminal.sees("6 of 6")
    await terminal.press("escape")


TOP: dict[str, Callable[[Terminal], Awaitable[None]]] = {
    "chart": top_chart, "why": top_why, "sockets": top_sockets, "older": top_older, "config": top_config,
    "reload": top_reload,
}  # fmt: skip


async def shoot_top(target: Path, wanted: re.Pattern[str]) -> None:
    """All pictures of circus-top."""
    from circus.top import build_parser
    from circus.top.app import TopApp

    app = TopApp(build_parser().parse_args(["--theme", "circus-dark"]))
    async with app.run_test(size=(112, 32)) as pilot:
        terminal = Terminal(app, pilot, target)
        await terminal.sees("● stream")
        await pilot.pause(3)
        for name, scene in TOP.items():
            if wanted.search(f"circus-top-{name}"):
                await scene(terminal)


# -- the console ------------------------------------------------------------------------------------------------------


def review(page: Any) -> None:
    """Change an option, up to the question whether to."""
    page.get_by_role("button", name="Edit cmd").click()
    page.get_by_label("cmd").fill("python -m shop web --threads 8 --fd $(circus.sockets.http)")
    page.get_by_role("button", name="Review the changes").click()
    page.get_by_role("dialog").wait_for()
    page.wait_for_timeout(600)


def watch(page: Any) -> None:
    """Events come in."""
    operate()
    page.wait_for_timeout(6000)


def nothing(page: Any) -> None:
    """The page as it is."""


def compare(page: Any) -> None:
    """A file that has changed."""
    edit()
    page.get_by_role("button", name="Compare again").click()
    page.locator(".plan-item").first.wait_for()
    page.mouse.move(1279, 1)


#: name: address, width, height, colours, seconds to wait, what to do then.
CONSOLE: dict[str, tuple[str, int, int, str, float, Callable[[Any], None]]] = {
    "overview": ("", 1280, 800, "light", 9, nothing),
    "watcher": ("watcher/{e}/mailer", 1280, 960, "dark", 5, nothing),
    "options": ("watcher/{e}/web?tab=options", 1280, 820, "light", 3, review),
    "logs": ("logs", 1280, 700, "light", 5, nothing),
    "events": ("events", 1280, 700, "light", 3, watch),
    "plugins": ("plugins", 1280, 500, "light", 3, nothing),
    "reload": ("reload", 1280, 560, "light", 3, compare),
    "narrow": ("", 360, 760, "light", 5, nothing),
}


def shoot_console(target: Path, wanted: re.Pattern[str]) -> None:
    """All pictures of the web console."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        for name, (path, width, height, scheme, wait, act) in CONSOLE.items():
            if not wanted.search(f"console-{name}"):
                continue
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
            page = context.new_page()
            page.goto(f"{URL}login")
            page.get_by_label("User").fill(USER)
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name="Log in").click()
            page.get_by_role("link", name="mailer", exact=True).first.wait_for()
            endpoint = page.request.get(f"{URL}api/v1/endpoints").json()["endpoints"][0]["id"]
            if path:
                page.goto(URL + path.format(e=endpoint))
            page.wait_for_timeout(wait * 1000)
            page.mouse.move(width - 1, 1)
            act(page)
            save(page.screenshot(), target / f"console-{name}.png")
            context.close()
        browser.close()


def save(picture: bytes, path: Path) -> None:
    """Write a PNG with the 256 colours that are most frequent: half the size, and text stays sharp."""
    from PIL import Image

    image = Image.open(BytesIO(picture)).convert("RGB")
    found = sorted(image.getcolors(image.width * image.height), reverse=True)
    colours = [colour for _, colour in found[:256]]
    palette = Image.new("P", (1, 1))
    palette.putpalette([value for colour in colours for value in colour])
    image.quantize(palette=palette, dither=Image.Dither.NONE).save(path, optimize=True)
    print(path.name, path.stat().st_size, flush=True)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description="Makes the pictures of the manual.")
    parser.add_argument("--age", type=float, default=660, metavar="SECONDS", help="how long the daemon runs before")
    parser.add_argument("--target", type=Path, default=HERE / "source/_static", help="where the pictures go")
    parser.add_argument("--only", type=re.compile, default=re.compile(""), metavar="REGEX", help="names of pictures")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.inside:
        move_in(sys.argv[1:])
    target = options.target.resolve()
    furnish()
    sys.path[:0] = [str(CIRCUS / "docs"), str(CIRCUS)]
    with daemon(options.age):
        asyncio.run(shoot_top(target, options.only))
        shoot_console(target, options.only)


if __name__ == "__main__":
    main()
