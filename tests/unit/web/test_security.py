"""Hosts, origins and proxies; and what is hidden of options."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circus.web.secrecy import MASK, masked, masked_text, secrets_in, unmasked
from circus.web.security import HostPolicy, Origin, Proxies, is_cross_site, page_headers, same_origin

HERE = Origin("192.0.2.1", "http", "localhost:8080")


@pytest.mark.parametrize(
    ("host", "is_fine"),
    [
        ("localhost", True), ("localhost:8080", True), ("LOCALHOST.", True), ("127.0.0.1:8080", True),
        ("[::1]:8080", True),
        ("192.0.2.7", True), ("ops.example.org", True), ("a.b.example.com:443", True), ("example.com", False),
        ("evil.example", False), ("localhost.evil.example", False), ("evil.example:8080", False), ("", False),
        ("ops.example.org.evil.example", False), ("local host", False), ("localhost:port", False),
        ("xexample.com", False),
        ("localhost:8080@evil.example", False), ("127.0.0.1.evil.example", False), ("1.2.3", False), ("a\nb", False),
    ],
)  # fmt: skip
def test_names_of_this_server(host, is_fine):
    assert HostPolicy(["ops.example.org", "*.example.com"]).allows(host) is is_fine


def test_origins():
    assert same_origin("http://localhost:8080", HERE)
    assert same_origin("HTTP://LocalHost:8080", HERE)
    assert same_origin("https://a.example", Origin("x", "https", "a.example:443"))
    assert same_origin("http://a.example:80", Origin("x", "http", "a.example"))
    for other in ("http://localhost", "https://localhost:8080", "http://localhost:8081", "null", "", "http://evil.example"):
        assert not same_origin(other, HERE)
    assert not is_cross_site({}, HERE)
    assert not is_cross_site({"Sec-Fetch-Site": "same-origin"}, HERE)
    assert is_cross_site({"Sec-Fetch-Site": "same-site"}, HERE)
    assert is_cross_site({"Origin": "null", "Sec-Fetch-Site": "same-origin"}, HERE)


def test_only_trusted_proxies_are_believed():
    headers = {"Host": "ops.example.org", "X-Forwarded-For": "1.1.1.1, 192.0.2.9, 10.0.0.2",
    "X-Forwarded-Proto": "https",
               "X-Forwarded-Host": "other.example.org"}  # fmt: skip
    proxies = Proxies(["10.0.0.0/8", "::1"])
    assert proxies.origin("10.0.0.1", "http", headers) == Origin("192.0.2.9", "https", "other.example.org")
    assert proxies.origin("192.0.2.1", "http", headers) == Origin("192.0.2.1", "http", "ops.example.org")
    assert proxies.origin("::1", "http", {"Host": "x"}) == Origin("::1", "http", "x")
    assert proxies.origin("10.0.0.1", "http", {**headers, "X-Forwarded-Proto": "javascript"}).scheme == "http"
    assert proxies.trusts("::ffff:10.1.2.3")
    assert not proxies.trusts("unix")
    assert not proxies.trusts("nonsense")
    assert Proxies(["unix"]).trusts("unix")
    assert Proxies(["10.0.0.0/8"]).origin("10.0.0.1", "http", {"X-Forwarded-For": "10.0.0.3"}).address == "10.0.0.3"
    with pytest.raises(ValueError):
        Proxies(["nonsense"])


def test_the_policy_names_the_websocket_of_this_very_server():
    assert "connect-src 'self' ws://localhost:8080;" in page_headers(HERE)["Content-Security-Policy"]
    assert "wss://a.example" in page_headers(Origin("x", "https", "a.example"))["Content-Security-Policy"]


def test_secrets_are_masked():
    options = {
        "cmd": "serve --password=x --port 80 --api-token y", "env": {"DB_PASSWORD": "a", "PATH": "/bin",
        "API_KEY": "b", "EMPTY_TOKEN": ""},
        "args": ["--secret=z", "1"], "redis.password": "p", "statsd.host": "h", "numprocesses": 2, "uid": None,
        "url": "postgres://me:hunter2@db/x",
    }  # fmt: skip
    shown = masked(options)
    assert shown["cmd"] == f"serve --password={MASK} --port 80 --api-token {MASK}"
    assert shown["env"] == {"DB_PASSWORD": MASK, "PATH": "/bin", "API_KEY": MASK, "EMPTY_TOKEN": ""}
    assert shown["args"] == [f"--secret={MASK}", "1"]
    assert (shown["redis.password"], shown["statsd.host"]) == (MASK, "h")
    assert shown["url"] == f"postgres://me:{MASK}@db/x"
    assert secrets_in(options) == ["cmd", "env.DB_PASSWORD", "env.API_KEY", "args", "redis.password", "url"]
    plugin = "python --config 'api_token:a b:::password:x:::window:10' --log-level info it.Plugin"
    assert masked_text(plugin) == plugin.replace("a b", MASK).replace(":x:", f":{MASK}:")
    assert masked_text("python --config api_token:ab it.Plugin") == f"python --config api_token:{MASK} it.Plugin"
    assert masked_text("""'{"api_token": "a:::b c", "d": "e"}'""") == f"""'{{"api_token": "{MASK}", "d": "e"}}'"""
    assert masked({"api_token": "x", "window": "10"}) == {"api_token": MASK, "window": "10"}
    assert masked_text("SECRET_KEY=abc run") == f"SECRET_KEY={MASK} run"
    assert unmasked(shown, options) == options


def test_a_mask_out_of_nowhere_is_refused():
    with pytest.raises(ValueError, match=r"env\.NEW"):
        unmasked({"env": {"NEW": MASK}}, {"env": {"OLD": "x"}})
    with pytest.raises(ValueError, match="cmd"):
        unmasked({"cmd": f"other --password={MASK}"}, {"cmd": "serve --password=x"})


_NAMES = st.sampled_from(["PATH", "DB_PASSWORD", "TOKEN", "HOME", "SECRET_KEY", "A"])


@given(st.dictionaries(_NAMES, st.text(st.characters(blacklist_characters="•"), max_size=8)), st.text(max_size=20))
def test_what_is_shown_can_be_sent_back(env, cmd):
    options = {"env": env, "cmd": cmd.replace("•", "")}
    assert unmasked(masked(options), options) == options
