"""circus-httpd: who comes in, who does not, and what each role may."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import socket
import ssl
import stat
import subprocess
from pathlib import Path

import pytest

from harness import PATIENCE, Daemon, eventually
from harness.daemon import free_port
from harness.installation import OURS
from harness.paths import socket_name
from tests.e2e.console import Answer, Browser, Console, Refused, console_of

INI = "[watcher:web]\ncmd = sleep 98765\n"
PASSWORD = "correct horse"


def test_the_printed_link_logs_in_once(tmp_path: Path) -> None:
    with Daemon(tmp_path, INI) as daemon, console_of(daemon) as console:
        anybody = console.browser()
        told = anybody.get("/api/v1/session").json
        assert (told["user"], told["role"], told["csrf"], told["auth"]) == (None, None, "", "password")
        for path in ("/api/v1/watchers", "/api/v1/openapi.json", "/metrics"):
            answer = anybody.get(path)
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert anybody.get("/healthz").json == {"status": "ok"}
        assert anybody.get("/").status == 200
        assert anybody.get("/login?next=/").status == 200

        answer = anybody.login(token=console.link_token)
        assert (answer.status, answer.json["role"]) == (200, "admin")
        cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert "Path=/" in cookie
        assert "Secure" not in cookie
        assert anybody.api("/watchers")["watchers"]
        again = console.browser().login(token=console.link_token)
        assert again.status == 401
        assert "used before" in again.json["detail"]
        assert console.admin().api("/session")["role"] == "admin"
        assert console.browser().login(token="x.y").status == 401


def test_sessions_outlive_the_console_and_end_with_logout_and_password(tmp_path: Path) -> None:
    with Daemon(tmp_path, INI) as daemon, console_of(daemon, users={"ann": "operator"}) as console:
        assert "login#token" not in console.log
        ann = console.browser(user="ann", password=PASSWORD)
        other = console.browser(user="ann", password=PASSWORD)
        console.stop()
        console.start()
        assert ann.api("/session")["user"] == "ann"
        ann.api("/logout", {})
        stolen = Browser(console.port)
        stolen.cookies = dict(other.cookies)
        assert stolen.api("/session")["user"] == "ann"
        assert ann.api("/session")["user"] is None
        console.add_user("ann", "viewer", "another password")
        assert stolen.api("/session")["user"] is None
        assert console.browser(user="ann", password="another password").api("/session")["role"] == "viewer"
        assert console.run("--remove", "ann").returncode == 0
        assert console.browser().login(user="ann", password="another password").status == 401
        for name in ("users", "secret", "spent"):
            assert stat.S_IMODE((console.state / name).stat().st_mode) == 0o600
        assert stat.S_IMODE(console.state.stat().st_mode) == 0o700
        assert PASSWORD not in (console.state / "users").read_text()


def test_guessing_takes_longer_and_longer(tmp_path: Path) -> None:
    with Daemon(tmp_path, INI) as daemon, console_of(daemon, users={"ann": "viewer"}) as console:
        guesser = console.browser()

        def refused(user: str) -> Answer:
            """The first refusal within three tries: one that came after the wait makes the next wait twice as long."""
            answers = (guesser.login(user=user, password="x") for _ in range(3))
            return next(answer for answer in answers if answer.status == 429)

        statuses = [guesser.login(user="ann", password=f"guess {number}").status for number in range(5)]
        assert statuses == [401] * 5
        refused("ann")
        answer = refused("nobody")
        assert int(answer.headers["Retry-After"]) >= 1
        assert "too many tries" in console.log


ROLES = {
    "viewer": ["/watchers/web/why", "/logs", "/events", "/sockets", "/stats", "/plugins", "/globals", "/endpoints"],
    "operator": ["/watchers/web/stop", "/watchers/web/start", "/start", "/watchers/web/incr"],
    "admin": ["/reloadconfig", "/watchers", "/endpoints", "/audit"],
}


def test_each_role_may_what_it_may(tmp_path: Path) -> None:
    users = {"vera": "viewer", "otto": "operator", "ada": "admin"}
    with Daemon(tmp_path, "capture = True\n" + INI) as daemon, console_of(daemon, users=users) as console:
        vera, otto, ada = (console.browser(user=name, password=PASSWORD) for name in users)
        console.online(vera)
        for path in ROLES["viewer"]:
            assert vera.get(f"/api/v1{path}").status == 200, path
        for path in ROLES["operator"]:
            refused = vera.request("POST", f"/api/v1{path}", {})
            assert refused.status == 403, path
            assert "operator" in refused.json["detail"]
            assert otto.request("POST", f"/api/v1{path}", {}).status == 200, path
        for who in (vera, otto):
            assert who.request("POST", "/api/v1/reloadconfig", {}).status == 403
            assert who.request("PUT", "/api/v1/watchers/web", {"options": {}}).status == 403
            assert who.request("DELETE", "/api/v1/watchers/web").status == 403
            assert who.request("POST", "/api/v1/quit", {}).status == 403
            assert who.request("POST", "/api/v1/endpoints", {"endpoint": "tcp://127.0.0.1:1"}).status == 403
            assert who.get("/api/v1/audit").status == 403
            assert who.get("/api/v1/watchers/web/options?reveal=1").status == 403
            assert who.request("POST", "/api/v1/restart", {"daemon": True}).status == 403
        assert daemon.status("web") == "active"
        assert ada.request("POST", "/api/v1/reloadconfig", {"dry_run": True}).status == 200
        told = [(entry["user"], entry["action"], entry["outcome"]) for entry in ada.api("/audit")["entries"]]
        assert ("otto", "stop", "ok") in told
        assert any(user == "vera" and "refused" in outcome for user, _, outcome in told)


def test_programs_come_with_tokens_and_need_no_csrf_token(tmp_path: Path) -> None:
    with Daemon(tmp_path, INI) as daemon, console_of(daemon) as console:
        program = console.browser()
        program.token = console.add_token("deploy", "operator")
        assert program.token not in (console.state / "users").read_text()
        console.online(program)
        assert program.request("POST", "/api/v1/watchers/web/stop", {}, Origin=None).status == 200
        assert daemon.status("web") == "stopped"
        assert program.request("POST", "/api/v1/quit", {}).status == 403
        assert "circus_up" in program.get("/metrics").text
        with program.socket(Authorization=f"Bearer {program.token}", Origin=None) as page:
            assert page.read()
        assert program.request("POST", "/api/v1/watchers/web/start", {}, Origin="http://evil.example").status == 403
        cause = daemon.call("events", events=["stop"])["events"][-1]["cause"]
        assert cause == "stop command (circus-httpd deploy@127.0.0.1)"
        program.token = "circus_wrong"
        assert program.get("/api/v1/watchers").status == 401


def test_another_site_cannot_do_anything(tmp_path: Path) -> None:
    with Daemon(tmp_path, INI) as daemon, console_of(daemon) as console:
        ada = console.admin()
        console.online(ada)
        stop = "/api/v1/watchers/web/stop"
        attempts = [
            ada.request("POST", stop, {}, Origin="http://evil.example"),
            ada.request("POST", stop, {}, Origin="null"),
            ada.request("POST", stop, {}, Origin=f"https://127.0.0.1:{console.port}"),
            ada.request("POST", stop, {}, Origin=None, Sec_Fetch_Site="cross-site"),
            ada.request("POST", stop, {}, Origin=None, Sec_Fetch_Site="same-site"),
            ada.request("POST", stop, {}, X_CSRF_Token=None),
            ada.request("POST", stop, {}, X_CSRF_Token="x" * 64),
            ada.request("POST", stop, {}, Host="evil.example"),
            ada.request("POST", stop, {}, Host=f"evil.example:{console.port}"),
            ada.request("POST", stop, "x=1", Content_Type="application/x-www-form-urlencoded", X_CSRF_Token=None),
            ada.request("POST", stop, "{}", Content_Type="text/plain", X_CSRF_Token=None),
            ada.get("/api/v1/watchers", Host="rebound.example"),
            ada.get("/", Host="rebound.example"),
            ada.request("POST", "/api/v1/login", {"user": "a", "password": "b"}, Origin="http://evil.example"),
        ]
        assert [each.status for each in attempts] == [403] * len(attempts)
        assert ada.request("POST", stop, "{}", Content_Type="text/plain").status == 415
        foreign = {"Origin": "http://evil.example"}
        for headers in (foreign, {"Origin": None}, {"Host": "evil.example"}, {"Cookie": "x=y"}):
            with pytest.raises(Refused) as refused:
                ada.socket(**headers)
            assert refused.value.status == (401 if "Cookie" in headers else 403)
        for path in ("stop", "start", "restart", "incr"):
            for method in ("GET", "HEAD"):
                assert ada.request(method, f"/api/v1/watchers/web/{path}").status == 405
        assert ada.get("/api/v1/quit").status == 405
        assert ada.request("OPTIONS", stop, Origin=None).status in (403, 405)
        answer = ada.get("/api/v1/watchers")
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert daemon.status("web") == "active"
        assert daemon.call("list")["watchers"] == ["probe", "web"]


def test_every_answer_is_locked_down(tmp_path: Path) -> None:
    with Daemon(tmp_path, INI) as daemon, console_of(daemon) as console:
        ada = console.admin()
        for path in ("/", "/api/v1/watchers", "/api/v1/nothing", "/nothing", "/healthz", "/static/none.js", "/metrics"):
            headers = ada.get(path).headers
            policy = headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "script-src 'self'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["X-Frame-Options"] == "DENY"
            assert headers["Referrer-Policy"] == "no-referrer"
            assert "Tornado" not in (headers["Server"] or "")
        page = ada.get("/").text
        assert not re.search(r"<script(?![^>]*\ssrc=)", page)
        assert not re.search(r"\son\w+=|style=", page)
        assert "//" not in re.sub(r"<!.*?>|http://www.w3.org", "", page).replace("</", "")
        for path in ("../users.py", "%2e%2e/users.py", "/etc/passwd", "..%2f..%2fusers.py"):
            assert ada.get(f"/static/{path}").status == 404


def test_no_login_is_for_the_loopback_only(tmp_path: Path) -> None:
    with Daemon(tmp_path, INI) as daemon:
        with console_of(daemon, "--auth", "none") as console:
            anybody = console.browser()
            assert anybody.request("POST", "/api/v1/watchers/web/stop", {}).status == 403
            told = anybody.api("/session")
            assert (told["user"], told["role"], told["auth"]) == ("anybody", "admin", "none")
            anybody.csrf = told["csrf"]
            console.online(anybody)
            assert anybody.request("POST", "/api/v1/watchers/web/stop", {}, Origin="http://evil.example").status == 403
            assert anybody.api("/watchers/web/stop", {})["outcome"] == "ok"
            with pytest.raises(Refused):
                anybody.socket(Origin="http://evil.example")
            with anybody.socket() as page:
                assert page.read()
        done = Console(tmp_path).run("--auth", "none", "--host", "0.0.0.0", "--port", "0")
        assert done.returncode == 1
        assert "loopback only" in done.stderr
        assert "Traceback" not in done.stderr


def test_behind_a_proxy_and_under_a_prefix(tmp_path: Path) -> None:
    arguments = ("--url-prefix", "/circus/", "--trusted-proxies", "127.0.0.0/8", "--trusted-hosts", "*.example.org",
                 "--audit-log", tmp_path / "audit.log")  # fmt: skip
    with Daemon(tmp_path, INI) as daemon, console_of(daemon, *arguments) as console:
        console.prefix = "/circus"
        ada = console.admin()
        assert "Path=/circus/" in ada.login(token=re.findall(r"token=(\S+)", console.run("--login-link").stdout)[0]
                                            ).headers["Set-Cookie"]
        console.online(ada)
        page = ada.get("/").text
        assert '<base href="/circus/">' in page
        assert Browser(console.port).get("/healthz").status == 404
        forwarded = {"Host": "ops.example.org", "X_Forwarded_For": "10.9.9.9, 192.0.2.7, 127.0.0.1",
                     "X_Forwarded_Proto": "https", "Origin": "https://ops.example.org"}  # fmt: skip
        assert ada.request("POST", "/api/v1/watchers/web/stop", {}, **forwarded).status == 200
        assert ada.request("POST", "/api/v1/watchers/web/stop", {}, **{**forwarded, "Origin": "http://ops.example.org"}
                           ).status == 403
        last = [json.loads(line) for line in (tmp_path / "audit.log").read_text().splitlines() if '"stop"' in line][-1]
        assert last["address"] == "192.0.2.7"
        secure = ada.request("POST", "/api/v1/login", {"token": "x"}, **forwarded)
        assert secure.status == 401
        with ada.socket(Host="ops.example.org", Origin="https://ops.example.org", X_Forwarded_Proto="https") as live:
            assert live.read()


def test_forwarded_headers_of_others_are_not_believed(tmp_path: Path) -> None:
    with Daemon(tmp_path, INI) as daemon, console_of(daemon, users={"ann": "viewer"}) as console:
        guesser = console.browser()
        statuses = {guesser.request("POST", "/api/v1/login", {"user": "ann", "password": f"no {number}"},
                                    X_Forwarded_For=f"10.0.0.{number}").status for number in range(7)}
        assert 429 in statuses
        assert guesser.get("/", X_Forwarded_Host="evil.example").status == 200
        assert guesser.get("/", Host="evil.example", X_Forwarded_Host="localhost").status == 403


def test_what_is_wrong_is_said_in_a_line(tmp_path: Path) -> None:
    console = Console(tmp_path)
    users = tmp_path / "open"
    users.write_text("ann:viewer:$x\n")
    users.chmod(0o644)
    (tmp_path / "bad").write_text("nonsense\n")
    (tmp_path / "bad").chmod(0o600)
    for arguments, code, text in (
        (("--users", users), 1, "mode 600"),
        (("--users", tmp_path / "bad"), 1, "not name:role:hash"),
        (("--fd", "77"), 1, "is no socket"),
        (("--tls-key", users), 1, "--tls-cert"),
        (("--tls-cert", users), 1, "cannot be used"),
        (("--trusted-proxies", "nonsense"), 1, "nonsense"),
        (("--url-prefix", "a?b"), 2, "not a plain path"),
        (("--add-user", "a b"), 1, "no name for a user"),
        (("--add-user", "ann"), 1, "at least 8"),
        (("--role", "admin"), 1, "--role"),
        (("--role", "king"), 2, "king"),
        (("--remove", "nobody"), 1, "no nobody"),
        (("--host", "192.0.2.1"), 1, "cannot serve on"),
        (("--nonsense",), 2, "--nonsense"),
    ):  # fmt: skip
        port = () if "--host" in arguments or "--fd" in arguments else ("--port", "0")
        done = console.run(*port, *arguments, stdin="short\n" if "ann" in arguments else "long enough\n")
        assert (done.returncode, "Traceback" in done.stderr) == (code, False), (arguments, done.stderr)
        assert text in done.stderr, (arguments, done.stderr)


def test_circusd_runs_it_on_its_own_socket(tmp_path: Path) -> None:
    port = free_port()
    head = f"httpd = True\nhttpd_host = 127.0.0.1\nhttpd_port = {port}\nhttpd_state_dir = {{dir}}/httpd\n"
    with Daemon(tmp_path, f"{head}statsd = True\nhttpd_url_prefix = /x\n{INI}") as daemon:
        daemon.wait_status("circushttpd", "active")
        console = Console(tmp_path)
        console.port, console.prefix = port, "/x"

        def is_there() -> bool:
            assert "Starting circus web ui on fd" in daemon.log
            return True

        eventually(is_there)
        ada = console.admin()
        console.online(ada)
        assert {sock["name"] for sock in daemon.call("listsockets")["sockets"]} == {"circushttpd"}
        assert ada.api("/stop", {})["watchers"] == {"probe": "stopped", "web": "stopped"}
        assert daemon.status("circushttpd") == "active"
        done = ada.api("/reload", {})
        assert done["outcome"] == "ok"
        ada.api("/start", {})
        pids = daemon.pids("circushttpd")
        restarted = ada.api("/watchers/circushttpd/restart", {})
        assert restarted["outcome"] == "pending"
        eventually(lambda: daemon.pids("circushttpd") not in ([], pids))
        eventually(lambda: Browser(port, "/x").get("/healthz").status == 200)
        assert ada.api("/session")["role"] == "admin"
    assert "Traceback" not in daemon.log


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make a certificate")
def test_tls(tmp_path: Path) -> None:
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", tmp_path / "key", "-out",
         tmp_path / "cert", "-days", "2", "-subj", "/CN=localhost"], capture_output=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    files = ("--tls-cert", tmp_path / "cert", "--tls-key", tmp_path / "key")
    with Daemon(tmp_path, INI) as daemon, console_of(daemon, *files) as console:
        eventually(lambda: f"https://localhost:{console.port}/login#token=" in console.log)
        trusting = ssl.create_default_context(cafile=str(tmp_path / "cert"))
        connection = http.client.HTTPSConnection("localhost", console.port, context=trusting, timeout=PATIENCE)
        head = {"Content-Type": "application/json", "Origin": f"https://localhost:{console.port}"}
        connection.request("POST", "/api/v1/login", json.dumps({"token": console.link_token}), head)
        answer = connection.getresponse()
        assert answer.status == 200
        assert "; Secure" in answer.headers["Set-Cookie"]
        assert f"wss://localhost:{console.port}" in answer.headers["Content-Security-Policy"]
        answer.read()
        connection.close()
        with pytest.raises(OSError):  # plain http is not spoken here
            assert console.browser().get("/healthz").status == 200


def test_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    with Daemon(tmp_path, INI) as daemon:
        console = Console(tmp_path)
        arguments = ("--endpoint", daemon.endpoint, "--host", f"unix:{path}", "--auth", "none",
                     "--trusted-proxies", "unix")  # fmt: skip
        with console.log_path.open("ab") as log:
            process = subprocess.Popen(
                OURS.command("circus.web", "--state-dir", console.state, "--multicast", "none", *arguments),
                env=OURS.environment({}), cwd=tmp_path, stdout=log, stderr=log,
            )  # fmt: skip
        try:
            eventually(lambda: "Starting circus web ui" in console.log)
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
            for head, status in (("", b"200"), ("X-Forwarded-Host: evil.example\r\n", b"403")):
                with socket.socket(socket.AF_UNIX) as client:
                    client.settimeout(PATIENCE)
                    client.connect(socket_name(path))
                    lines = f"Host: localhost\r\n{head}Connection: close\r\n\r\n"
                    client.sendall(f"GET /healthz HTTP/1.1\r\n{lines}".encode())
                    assert client.recv(4096).startswith(b"HTTP/1.1 " + status)
        finally:
            process.terminate()
            assert process.wait(PATIENCE) == 0
        assert not path.exists()
