"""A web application on a socket that it inherits: the page tells which worker answered.

Started by circusd with ``--fd N``, the number of a listening socket (examples/quickstart.ini). Only the standard
library is used.
"""

from __future__ import annotations

import argparse
import html
import json
import os
import signal
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STARTED = time.monotonic()
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Circus quickstart</title>
<style>body {{ font: 1.1rem/1.6 system-ui; max-width: 34rem; margin: 3rem auto; padding: 0 1rem }}</style>
<h1>It runs.</h1>
<p>Worker <b>{wid}</b> of watcher <b>{watcher}</b> (pid {pid}) answered; it has been up for {uptime:.0f} s
and served {served} requests.</p>
<p>Reload the page and another worker may answer. <a href="/json">The same as JSON.</a></p>
"""


class Page(BaseHTTPRequestHandler):
    """Two pages: one for people, one for programs."""

    served = 0

    def do_GET(self) -> None:
        """Answer with who we are."""
        Page.served += 1
        facts = {
            "watcher": os.environ.get("CIRCUS_WATCHER", "?"),
            "wid": os.environ.get("CIRCUS_WID", "?"),
            "pid": os.getpid(),
            "uptime": time.monotonic() - STARTED,
            "served": Page.served,
        }
        if self.path == "/json":
            self._send(200, "application/json", json.dumps(facts))
        elif self.path == "/":
            safe = {key: html.escape(value) if isinstance(value, str) else value for key, value in facts.items()}
            self._send(200, "text/html; charset=utf-8", PAGE.format(**safe))
        else:
            self._send(404, "text/plain", "there is nothing here; try /\n")

    def _send(self, status: int, content_type: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """A line on stdout, which circusd writes to the log."""
        print(self.address_string(), format % args, flush=True)


class Inherited(ThreadingHTTPServer):
    """A server on a socket that somebody else bound; it ends when the requests under way are answered."""

    daemon_threads = False

    def __init__(self, fd: int) -> None:
        super().__init__(("", 0), Page, bind_and_activate=False)
        self.socket.close()
        self.socket = socket.socket(fileno=fd)
        self.server_address = self.socket.getsockname()

    def get_request(self) -> tuple[socket.socket, object]:
        """Accept; another worker may have been faster, and then the selector simply waits on."""
        connection, address = self.socket.accept()
        connection.setblocking(True)
        return connection, address


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fd", type=int, required=True, help="descriptor of a listening socket")
    server = Inherited(parser.parse_args().fd)

    def stop(signum: int, frame: object) -> None:
        # shutdown() waits for the loop that this very handler interrupts.
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    print(f"worker {os.environ.get('CIRCUS_WID', '?')} serves on {server.server_address}", flush=True)
    server.serve_forever(poll_interval=0.1)
    server.server_close()  # waits for the requests under way
    print(f"worker {os.environ.get('CIRCUS_WID', '?')} leaves after {Page.served} requests", flush=True)


if __name__ == "__main__":
    main()
