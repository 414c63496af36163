"""Users, passwords, sessions, links and CSRF tokens, without a server."""

from __future__ import annotations

import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circus.web import users as users_module
from circus.web.sessions import LINK_USER, Sessions
from circus.web.throttle import FORGOTTEN, LONGEST, Throttle
from circus.web.tokens import Signer, SpentIds, read_secret
from circus.web.users import Users, UsersError, check_password, hash_password, write_private


@pytest.fixture(autouse=True)
def cheap_passwords(monkeypatch):
    monkeypatch.setattr(users_module, "SCRYPT", (4, 8, 1))


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def users(tmp_path):
    return Users(tmp_path / "state" / "users")


def sessions_of(users, clock, tmp_path, secret=b"s" * 32, **more):
    return Sessions(Signer(secret), users, SpentIds(tmp_path / "spent", clock), clock, 3600.0, **more)


def test_passwords():
    hashed = hash_password("correct horse", (14, 8, 1))
    assert hashed.startswith("$scrypt$ln=14,r=8,p=1$")
    assert check_password("correct horse", hashed)
    assert not check_password("correct hors", hashed)
    assert hash_password("correct horse") != hash_password("correct horse")
    for nonsense in ("", "$scrypt$", "$scrypt$ln=1,r=1,p=1$!$!", "plain"):
        assert not check_password("plain", nonsense)


def test_the_default_cost_is_what_is_recommended():
    assert users_module.hash_password("x", (15, 8, 3)).startswith("$scrypt$ln=15,r=8,p=3$")


def test_users_come_and_go(users):
    assert users.all() == {}
    users.add_user("ann", "correct horse", "viewer")
    users.add_user("bob@example.org", "battery staple", "admin")
    assert {name: user.role for name, user in users.all().items()} == {"ann": "viewer", "bob@example.org": "admin"}
    assert users.check("ann", "correct horse").role == "viewer"
    assert users.check("ann", "battery staple") is None
    assert users.check("nobody", "correct horse") is None
    users.add_user("ann", "another one", "operator")
    assert users.check("ann", "correct horse") is None
    assert users.check("ann", "another one").role == "operator"
    assert users.remove("ann")
    assert not users.remove("ann")
    assert list(users.all()) == ["bob@example.org"]
    assert stat.S_IMODE(users.path.stat().st_mode) == 0o600
    assert list(users.path.parent.iterdir()) == [users.path]


def test_tokens(users):
    token = users.add_token("deploy", "operator")
    assert users.find_token(token).name == "deploy"
    assert users.find_token(token + "x") is None
    assert users.find_token("") is None
    assert users.check("deploy", token) is None
    assert token not in users.path.read_text()


@pytest.mark.parametrize("name", ["", "a b", "a:b", "../x", "-x", "a\nb", "x" * 100, "é"])
def test_names_that_will_not_do(users, name):
    with pytest.raises(UsersError):
        users.add_user(name, "correct horse", "viewer")


def test_a_file_that_cannot_be_trusted_locks_everybody_out(users, caplog):
    users.add_user("ann", "correct horse", "admin")
    os.chmod(users.path, 0o640)
    with pytest.raises(UsersError, match="mode 600"):
        users.all()
    assert users.check("ann", "correct horse") is None
    os.chmod(users.path, 0o600)
    assert users.check("ann", "correct horse")
    for text in ("nonsense\n", "ann:king:$x\n", "ann:viewer:plain\n"):
        write_private(users.path, text.encode())
        with pytest.raises(UsersError, match="name:role:hash"):
            users.all()
    write_private(users.path, b"# a comment\n\nann:viewer:$x\n")
    assert users.all()["ann"].role == "viewer"
    with pytest.raises(UsersError, match="at least 8"):
        users.add_user("ann", "short", "admin")


def test_a_session_lasts_as_long_as_its_reasons(users, clock, tmp_path):
    users.add_user("ann", "correct horse", "viewer")
    sessions = sessions_of(users, clock, tmp_path)
    cookie, identity = sessions.open(users.all()["ann"])
    assert sessions.find(cookie) == identity
    assert identity.is_ambient
    users.add_user("ann", "correct horse", "admin")  # the same password is hashed anew
    assert sessions.find(cookie) is None
    cookie, _ = sessions.open(users.all()["ann"])
    assert sessions.find(cookie).role == "admin"
    users._write([users_module.User("ann", "viewer", users.all()["ann"].hash)])
    assert sessions.find(cookie).role == "viewer"
    assert sessions_of(users, clock, tmp_path, b"t" * 32).find(cookie) is None
    clock.now += 3601
    assert sessions.find(cookie) is None
    cookie, identity = sessions.open(users.all()["ann"])
    sessions.end(identity)
    assert sessions.find(cookie) is None
    assert sessions_of(users, clock, tmp_path).find(cookie) is None, "a restart forgets no logout"
    cookie, _ = sessions.open(users.all()["ann"])
    users.remove("ann")
    assert sessions.find(cookie) is None


@given(st.text(max_size=60))
def test_what_somebody_made_up_is_no_session(text):
    signer = Signer(b"s" * 32)
    assert signer.read("session", text) is None
    assert signer.read("session", f"{text}.{text}") is None


@given(st.dictionaries(st.text(max_size=5), st.integers()), st.integers(0, 200))
def test_signed_texts(payload, position):
    signer = Signer(b"s" * 32)
    text = signer.sign("session", payload)
    assert signer.read("session", text) == payload
    assert signer.read("link", text) is None
    assert Signer(b"t" * 32).read("session", text) is None
    index = position % len(text)
    other = text[:index] + ("A" if text[index] != "A" else "B") + text[index + 1 :]
    assert signer.read("session", other) in (None, payload), "the last bits of base64 may mean nothing"
    assert signer.mark != Signer(b"t" * 32).mark


def test_links_are_used_once(users, clock, tmp_path):
    sessions = sessions_of(users, clock, tmp_path)
    token = sessions.make_link_token(60)
    assert sessions.redeem_link_token(token)
    assert not sessions.redeem_link_token(token)
    assert not sessions_of(users, clock, tmp_path).redeem_link_token(token)
    token = sessions.make_link_token(60)
    clock.now += 61
    assert not sessions.redeem_link_token(token)
    cookie, identity = sessions.open(None)
    assert (identity.user, identity.role) == (LINK_USER, "admin")
    assert sessions.find(cookie) == identity
    assert not sessions.redeem_link_token(cookie)


def test_csrf_tokens_belong_to_a_session(users, clock, tmp_path):
    sessions = sessions_of(users, clock, tmp_path)
    (_, one), (_, other) = sessions.open(None), sessions.open(None)
    assert sessions.is_csrf_token(one, sessions.csrf_token(one))
    assert not sessions.is_csrf_token(one, sessions.csrf_token(other))
    assert not sessions.is_csrf_token(one, "")
    assert not sessions.is_csrf_token(one, "é")


def test_nobody_has_to_log_in(users, clock, tmp_path):
    sessions = sessions_of(users, clock, tmp_path, is_open=True)
    identity = sessions.find("")
    assert (identity.user, identity.role, identity.is_ambient) == ("anybody", "admin", True)
    sessions.end(identity)
    assert sessions.find("") is not None


def test_the_secret_is_kept_and_kept_private(tmp_path):
    secret = read_secret(tmp_path / "a")
    assert read_secret(tmp_path / "a") == secret
    path = tmp_path / "a" / "secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    assert read_secret(tmp_path / "a") != secret
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (tmp_path / "file").write_text("")
    assert len(read_secret(tmp_path / "file")) == 32, "a place that cannot be written costs only that it is not kept"


def test_used_up_ids_are_forgotten_when_they_expire(tmp_path, clock):
    spent = SpentIds(tmp_path / "spent", clock)
    spent.add("one", 1010)
    clock.now = 1011
    spent.add("two", 2000)
    assert "one" not in spent
    assert "two" in SpentIds(tmp_path / "spent", clock)
    (tmp_path / "spent").write_text("[nonsense")
    assert "two" not in SpentIds(tmp_path / "spent", clock)


def test_guessing_waits():
    throttle = Throttle()
    keys = ["address 192.0.2.1", "name ann"]
    now = 0.0
    waits = []
    for _ in range(15):
        waits.append(throttle.wait(keys, now))
        now += waits[-1]
        throttle.failed(keys, now)
    assert waits[:5] == [0.0] * 5
    assert waits[5:9] == [1.0, 2.0, 4.0, 8.0]
    assert waits[-1] == LONGEST
    assert throttle.wait(["address 192.0.2.2", "name ann"], now) == 0.0
    assert throttle.wait(keys, now + FORGOTTEN + 1) == 0.0
    throttle.succeeded(keys)
    assert throttle.wait(keys, now) == 0.0
    for number in range(20_000):
        throttle.failed([f"address {number}"], now)
    assert len(throttle._failures) <= 10_000
