"""CommandReloader: which file a command runs, and what happens when it changes."""

from __future__ import annotations

import os
from unittest import mock

import pytest

from circus.exc import CallError
from circus.plugins import command_reloader
from circus.plugins.command_reloader import CommandReloader


@pytest.fixture
def plugin(make):
    return make(CommandReloader, name="plugin:reloader")


@pytest.fixture
def fake_os(monkeypatch):
    """The module's ``os``, as the tests of 0.19 replace it."""
    found = mock.MagicMock(name="os")
    found.path.realpath.return_value = "/bar/foo"
    found.stat.return_value.st_mtime = 42
    monkeypatch.setattr(command_reloader, "os", found)
    return found


def answering(plugin, *watchers, directory=None, **commands):
    plugin.directory = directory

    def call(command, **props):
        if command == "list":
            return {"watchers": list(watchers)}
        if command == "get" and props["name"] in commands:
            known = {"cmd": commands[props["name"]], "working_dir": plugin.directory}
            return {"status": "ok", "options": {key: known[key] for key in props["keys"]}}
        return {"status": "ok" if command == "restart" else "error"}

    plugin.call.side_effect = call


def restarted(plugin):
    return [call.kwargs["name"] for call in plugin.call.mock_calls if call.args[0] == "restart"]


def test_options(make):
    plugin = make(CommandReloader, name="plugin:reloader")
    assert (plugin.name, plugin.loop_rate) == ("plugin:reloader", 1)
    assert make(CommandReloader, loop_rate="2").loop_rate == 2


@pytest.mark.parametrize(("mtime", "path", "modified"), [(1, "/a", False), (2, "/a", True), (1, "/b", True)])
def test_is_modified(plugin, mtime, path, modified):
    plugin.cmd_files = {"foo": {"path": "/a", "mtime": 1}}
    assert plugin.is_modified("foo", mtime, path) is modified


def test_a_known_watcher_whose_file_changed_is_restarted(plugin, fake_os, caplog):
    caplog.set_level("INFO")
    plugin.call.side_effect = [{"watchers": ["foo"]}, {"options": {"cmd": "foo"}}, None]
    plugin.cmd_files = {"foo": {"path": "foo", "mtime": 1}}
    plugin.look_after()
    assert plugin.cmd_files == {"foo": {"path": "/bar/foo", "mtime": 42}}
    assert plugin.call.mock_calls == [
        mock.call("list"), mock.call("get", name="foo", keys=["cmd"]), mock.call("restart", name="foo"),
    ]  # fmt: skip
    assert caplog.messages == ["/bar/foo modified. Restarting."]


def test_a_new_watcher_is_not_restarted(plugin, fake_os):
    plugin.call.side_effect = [{"watchers": ["foo"]}, {"options": {"cmd": "foo"}}]
    plugin.look_after()
    assert plugin.call.mock_calls == [mock.call("list"), mock.call("get", name="foo", keys=["cmd"])]
    fake_os.path.realpath.assert_called_once_with("foo")
    fake_os.stat.assert_called_once_with("/bar/foo")


def test_plugins_are_not_looked_at_and_what_is_gone_is_forgotten(plugin):
    answering(plugin, "plugin:reloader")
    plugin.cmd_files = {"gone": {"path": "/a", "mtime": 1}}
    plugin.look_after()
    assert plugin.call.mock_calls == [mock.call("list")]
    assert plugin.cmd_files == {}


@pytest.mark.parametrize(
    "command",
    ["{path} --port 80 'a b'", "tool --verbose", "'{path}'", ["{path}", "x"], "{path} 'open"],
    ids=str,
)
def test_the_first_word_is_the_file_by_path_or_by_name(plugin, tmp_path, monkeypatch, command):
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    filled = [word.format(path=tool) for word in command] if isinstance(command, list) else command.format(path=tool)
    answering(plugin, "web", web=filled)
    plugin.look_after()
    assert plugin.cmd_files["web"]["path"] == str(tool)
    os.utime(tool, (1, 1))
    plugin.look_after()
    plugin.look_after()
    assert restarted(plugin) == ["web"]


def test_a_relative_path_is_one_from_the_directory_of_the_watcher(plugin, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tool").write_text("x")
    answering(plugin, "web", web="bin/tool x", directory=str(tmp_path))
    plugin.look_after()
    assert plugin.cmd_files["web"]["path"] == str(tmp_path / "bin" / "tool")


def test_a_link_that_leads_elsewhere_is_a_change(plugin, tmp_path):
    for name in ("v1", "v2"):
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, (5, 5))
    link = tmp_path / "current"
    link.symlink_to("v1")
    answering(plugin, "web", web=str(link))
    plugin.look_after()
    link.unlink()
    link.symlink_to("v2")
    plugin.look_after()
    assert restarted(plugin) == ["web"]
    assert plugin.cmd_files["web"]["path"] == str(tmp_path / "v2")


def test_what_cannot_be_read_does_not_keep_others_from_being_looked_at(plugin, tmp_path):
    program = tmp_path / "program"
    program.write_text("x")
    answering(plugin, "shell", "empty", "removed", "web", shell="cd /x && ./y", empty="", web=str(program))
    plugin.look_after()
    assert set(plugin.cmd_files) >= {"web"}
    assert "shell" not in plugin.cmd_files or plugin.cmd_files["shell"]["path"].endswith("/cd")
    assert "removed" not in plugin.cmd_files


def test_a_file_that_is_replaced_is_a_change_even_if_it_was_gone_meanwhile(plugin, tmp_path):
    program = tmp_path / "program"
    program.write_text("x")
    os.utime(program, (1, 1))
    answering(plugin, "web", web=str(program))
    plugin.look_after()
    program.unlink()
    plugin.look_after()
    assert restarted(plugin) == []
    program.write_text("y")
    plugin.look_after()
    assert restarted(plugin) == ["web"]


def test_a_daemon_that_does_not_answer_is_warned_about(plugin, caplog):
    plugin.call.side_effect = CallError("Timed out.")
    plugin._look()
    assert caplog.messages == ["plugin:reloader: the daemon did not answer, trying again in 1 s: Timed out."]


def test_events_are_ignored(plugin):
    plugin.handle_recv([b"watcher.web.spawn", b"{}"])
