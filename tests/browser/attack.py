"""Another site, with a page that attacks the console from the browser of somebody who is logged in."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Iterator
from typing import Any

PAGE = """<!doctype html><title>waiting</title><iframe src="{url}"></iframe><script>
  const told = [];
  const done = (what) => {{ told.push(what); if (told.length === 4) document.title = told.sort().join(" "); }};
  const post = {{method: "POST", credentials: "include", mode: "no-cors", body: "{{}}"}};
  fetch("{url}api/v1/watchers/web/stop", post).then(() => done("sent"), () => done("refused"));
  const read = {{credentials: "include"}};
  fetch("{url}api/v1/endpoints", read).then(() => done("read"), () => done("unread"));
  const headers = {{"Content-Type": "application/json", "X-CSRF-Token": "x"}};
  const change = {{...read, method: "POST", headers, body: "{{}}"}};
  fetch("{url}api/v1/stop", change).then(() => done("acted"), () => done("not-acted"));
  const socket = new WebSocket("{socket}ws");
  socket.onmessage = () => done("socket-told"); socket.onclose = () => done("socket-refused");
</script>"""


@contextlib.contextmanager
def attacker(url: str) -> Iterator[str]:
    """Serve the attack on the console at ``url``; yields the address of its page."""
    page = PAGE.format(url=url, socket=url.replace("http", "ws", 1)).encode()

    class Attacker(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Attacker)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        # "localhost" is another site than "127.0.0.1", though the same machine.
        yield f"http://localhost:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
