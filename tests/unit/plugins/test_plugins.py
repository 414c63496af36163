"""The base class of plugins and its runner, without a daemon."""

from __future__ import annotations

import asyncio
import shlex
import subprocess
import sys
import threading

import pytest
import zmq

from circus import __version__, plugins
from circus.exc import CallError
from circus.plugins import CircusPlugin, get_plugin_cmd
from circus.plugins.runner import build_parser, construct, run

FACTS = ("ipc:///nowhere/ctl", "ipc:///nowhere/pub", 1.5, None)


class Plain(CircusPlugin):
    """A plugin that notes what happens to it."""

    name = "plain"

    def __init__(self, *args, **config):
        super().__init__(*args, **config)
        self.story = []

    def handle_init(self):
        self.story.append("init")
        self.loop.add_callback(self.stop)

    def handle_stop(self):
        self.story.append("stop")


@pytest.fixture
def make():
    """Makes plugins, and closes their loops afterwards."""
    made = []

    def build(cls=Plain, **config):
        made.append(cls(*FACTS, **config))
        return made[-1]

    yield build
    for plugin in made:
        plugin.stop()
        plugin.stop()  # contract: may be called again
    asyncio.set_event_loop(None)


def test_attributes(make):
    plugin = make(attempts="2", name="plugin:x")
    assert plugin.config == {"attempts": "2", "name": "plugin:x"}
    assert (plugin.endpoint, plugin.pubsub_endpoint, plugin.check_delay, plugin.ssh_server) == FACTS
    assert plugin.active is True
    assert plugin.daemon is True
    assert plugin.running is False
    assert len(plugin._id) == 32
    assert make().loop is not plugin.loop


def test_start_runs_until_stopped_and_stop_calls_handle_stop_once(make):
    plugin = make()
    plugin.start()
    assert plugin.story == ["init", "stop"]
    assert not plugin.running


def test_the_plugins_loop_is_the_current_one_in_handle_init(make):
    from tornado.ioloop import IOLoop, PeriodicCallback

    class Ticking(Plain):
        def handle_init(self):
            self.current = IOLoop.current()
            self.timer = PeriodicCallback(self.stop, 1)
            self.timer.start()

        def handle_stop(self):
            self.timer.stop()

    plugin = make(Ticking)
    plugin.start()
    assert plugin.current is plugin.loop


def test_stop_ends_the_loop_even_if_handle_stop_fails(make):
    class Failing(Plain):
        def handle_init(self):
            self.loop.asyncio_loop.set_exception_handler(lambda loop, context: self.story.append("failed"))
            self.loop.asyncio_loop.call_soon(self.stop)

        def handle_stop(self):
            raise RuntimeError("no")

    plugin = make(Failing)
    plugin.start()
    assert plugin.story == ["failed"]


class Unconnected(Plain):
    def initialize(self):
        """There is no daemon."""


def test_handle_stop_runs_when_the_loop_ends_by_itself(make):
    class Ends(Unconnected):
        def handle_init(self):
            self.story.append("init")
            self.loop.add_callback(self.loop.stop)

    plugin = make(Ends)
    plugin.start()
    assert plugin.story == ["init", "stop"]


def test_handle_stop_runs_when_the_connection_cannot_be_made(make):
    class Unreachable(Plain):
        def initialize(self):
            raise CallError("no tunnel")

    plugin = make(Unreachable)
    with pytest.raises(CallError):
        plugin.start()
    assert plugin.story == ["init", "stop"]


def test_a_plugin_that_stops_itself_in_handle_init_is_not_run(make):
    class Done(Plain):
        def handle_init(self):
            self.story.append("init")
            self.stop()

    plugin = make(Done)
    plugin.start()
    assert plugin.story == ["init", "stop"]
    assert not plugin.running


def test_what_was_not_begun_is_not_ended(make):
    class Failing(Plain):
        def handle_init(self):
            raise RuntimeError("no")

    plugin = make(Failing)
    with pytest.raises(RuntimeError):
        plugin.start()
    assert plugin.story == []


class Async(Unconnected):
    """All of it asynchronous."""

    async def handle_init(self):
        self.story.append("init")
        await asyncio.sleep(0.001)
        self.loop.add_callback(self.stop)
        self.background = asyncio.ensure_future(self.work())
        self.story.append("initialized")

    async def work(self):
        try:
            await asyncio.sleep(1000)
        finally:
            self.story.append("ended")

    async def handle_stop(self):
        self.story.append("stop")
        await asyncio.sleep(0.001)
        self.stop()  # again: nothing happens
        self.story.append("stopped")


def test_methods_may_be_asynchronous_and_nothing_is_left_under_way(make):
    plugin = make(Async)
    plugin.start()
    assert plugin.story == ["init", "initialized", "stop", "stopped", "ended"]
    assert plugin.background.cancelled()


def test_a_stop_breaks_off_an_asynchronous_handle_init(make):
    class Waiting(Async):
        async def handle_init(self):
            self.story.append("init")
            self.loop.add_callback(self.stop)
            await asyncio.sleep(1000)

    plugin = make(Waiting)
    plugin.start()
    assert plugin.story == ["init", "stop", "stopped"]


def test_an_asynchronous_handle_stop_has_a_time_limit(make, caplog):
    class Endless(Async):
        stop_timeout = 0.02

        async def handle_stop(self):
            await asyncio.sleep(1000)

    make(Endless).start()
    assert caplog.messages == ["handle_stop of the plugin 'plain' was broken off after 0.02 s"]


def test_an_asynchronous_handle_stop_that_fails_is_told(make, caplog):
    class Failing(Async):
        async def handle_stop(self):
            raise RuntimeError("no luck")

    make(Failing).start()
    assert "handle_stop of the plugin 'plain' failed" in caplog.text
    assert "no luck" in caplog.text


@pytest.mark.parametrize("takes", ["a moment", "a while"])
def test_no_event_comes_after_the_stop(make, tmp_path, takes):
    """What handle_recv needs may have been given back: a closed file, say."""

    class Leaving(Plain):
        def handle_init(self):
            self.story.append("init")

        def begin(self):
            self.story.append("event")
            self.stop()

        def handle_recv(self, data):
            return self.begin() if takes == "a moment" else self.begin_later()

        async def begin_later(self):
            self.begin()

        async def handle_stop(self):
            self.story.append("stop")
            await asyncio.sleep(0.1)

    with zmq.Context() as context, context.socket(zmq.XPUB) as daemon:
        daemon.linger = 0
        daemon.bind(f"ipc://{tmp_path}/pub")
        plugin = make(Leaving)
        plugin.endpoint, plugin.pubsub_endpoint = f"ipc://{tmp_path}/ctl", f"ipc://{tmp_path}/pub"

        def publish():
            daemon.recv()  # its subscription
            for number in range(20):
                daemon.send_multipart([b"watcher.web.spawn", b"%d" % number])

        publisher = threading.Thread(target=publish)
        publisher.start()
        plugin.start()
        publisher.join()
    assert plugin.story == ["init", "event", "stop"]


@pytest.mark.parametrize(("word", "active"), [("no", False), ("TRUE", True), (False, False)])
def test_active_is_read_as_a_boolean(make, word, active):
    assert make(active=word).active is active


def test_an_inactive_plugin_does_not_start(make):
    with pytest.raises(ValueError, match="Will not start an inactive plugin"):
        make(active="off").start()


def test_events_must_be_handled_by_the_sub_class(make):
    with pytest.raises(NotImplementedError):
        make().handle_recv([b"watcher.web.spawn", b"{}"])


@pytest.mark.parametrize("method", ["call", "cast"])
def test_there_is_no_talking_before_the_connection_exists(make, method):
    with pytest.raises(CallError, match="no connection for 'list'"):
        getattr(make(), method)("list")


@pytest.mark.parametrize(
    ("topic", "parts"),
    [
        (b"watcher.web.spawn", ("web", "spawn")),
        ("watcher.web.spawn", ("web", "spawn")),
        (b"watcher.web_app.x.spawn", ("web_app.x", "spawn")),
        ("watcher.plugin:é.kill".encode(), ("plugin:é", "kill")),
    ],
)
def test_split_data_finds_watcher_and_event_from_both_ends(topic, parts):
    assert CircusPlugin.split_data([topic, None]) == (*parts, None)


def test_load_message_decodes_json():
    assert CircusPlugin.load_message(b'{"process_pid": 3}') == {"process_pid": 3}


# -- construction --------------------------------------------------------------------------------------------


def made_by(cls, **config):
    plugin = construct(cls, *FACTS, config)
    plugin.stop()
    return plugin


class OwnOptionsOnly(CircusPlugin):
    def __init__(self, loop_rate="60", **kwargs):
        super().__init__(**kwargs)
        self.loop_rate = loop_rate


class FourPositions(CircusPlugin):
    def __init__(self, one, two, three, four, **config):
        super().__init__(one, two, three, four, **config)


class OldNames(CircusPlugin):
    def __init__(self, endpoint, pubsub_endpoint, check_delay, ssh_server, **config):
        super().__init__(endpoint, pubsub_endpoint, check_delay, ssh_server=ssh_server, **config)


class Starred(CircusPlugin):
    def __init__(self, *args, **config):
        assert args[0] == FACTS[0]
        super().__init__(*args, **config)


@pytest.mark.parametrize("cls", [CircusPlugin, OwnOptionsOnly, FourPositions, OldNames, Starred])
def test_every_old_and_new_way_of_writing_a_constructor_works(cls):
    plugin = made_by(cls, color="red", **{"flapping.window": "2"})
    assert (plugin.endpoint, plugin.pubsub_endpoint, plugin.check_delay, plugin.ssh_server) == FACTS
    assert plugin.config == {"color": "red", "flapping.window": "2"}


def test_own_options_of_a_constructor_are_passed():
    assert made_by(OwnOptionsOnly, loop_rate="5").loop_rate == "5"


class NeedsAFile(CircusPlugin):
    def __init__(self, filename, **kwargs):
        super().__init__(**kwargs)


def test_an_option_that_a_constructor_wants_and_does_not_get_is_named():
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'filename'"):
        made_by(NeedsAFile)


def test_an_option_called_like_a_fact_of_the_daemon_is_ignored_with_a_warning(caplog):
    assert made_by(OldNames, endpoint="mine").endpoint == FACTS[0]
    assert "'endpoint'" in caplog.text


# -- circusd's side ------------------------------------------------------------------------------------------


def test_get_plugin_cmd_names_the_class_and_leaves_the_configuration_alone():
    config = {"use": "circus.plugins.CircusPlugin", "loop_rate": 5}
    words = shlex.split(get_plugin_cmd(config, "tcp://h:1", "tcp://h:2", 2.5, None, logoutput="-"))
    assert config == {"use": "circus.plugins.CircusPlugin", "loop_rate": 5}
    args = build_parser().parse_args(words[3:])
    assert (args.endpoint, args.pubsub, args.check_delay, args.ssh) == ("tcp://h:1", "tcp://h:2", 2.5, None)
    assert (args.plugin, args.config, args.logoutput) == ("circus.plugins.CircusPlugin", "loop_rate:5", "-")


def test_get_plugin_cmd_refuses_a_class_that_cannot_be_imported():
    with pytest.raises(ImportError, match=r"import_string\(\) failed for 'no.such.Plugin'"):
        get_plugin_cmd({"use": "no.such.Plugin"}, "tcp://h:1", "tcp://h:2", 1.0, None)


def test_old_names_of_the_config_functions():
    assert plugins._str2cfg(plugins._cfg2str({"a": 1, "b": "x y"})) == {"a": "1", "b": "x y"}


def test_importing_the_bundled_plugins_costs_circusd_little():
    code = (
        "import sys; from circus.base.imports import resolve_name; from circus.plugins.tables import BUNDLED\n"
        "for name in BUNDLED: 'Http' in name or 'Redis' in name or resolve_name(name)\n"
        "print(*{'zmq', 'tornado', 'asyncio', 'psutil', 'argparse', 'inspect', 'random', 'shutil'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "\n"), done.stderr


# -- the runner, as far as it goes without a daemon ----------------------------------------------------------


def test_without_a_plugin_the_usage_is_shown(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["circus-plugin"])
    with pytest.raises(SystemExit) as ended:
        plugins.main()
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("usage: circus-plugin [-h] [--endpoint ENDPOINT]")


def test_version(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["circus-plugin", "--version"])
    with pytest.raises(SystemExit) as ended:
        plugins.main()
    assert (ended.value.code, capsys.readouterr().out) == (0, f"{__version__}\n")


def run_it(*arguments):
    return run(build_parser().parse_args([*arguments]))


def errors(caplog):
    return [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


class NoPlugin:
    def __init__(self, *args, **config):
        pass


class FailingConstructor(CircusPlugin):
    def __init__(self, *args, **config):
        int(config["number"])


class NothingThere(CircusPlugin):
    def __init__(self, *args, **config):
        raise FileNotFoundError("no such licence server")


HERE = __name__


@pytest.mark.parametrize(
    ("name", "config", "text"),
    [
        ("no.such.Plugin", "", "import_string() failed for 'no.such.Plugin': ModuleNotFoundError: "),
        ("circus.plugins.Nope", "", "import_string() failed for 'circus.plugins.Nope': ModuleNotFoundError: "),
        ("circus.plugins", "", "'circus.plugins' is a module, not a plugin class (expected: package.module.Class)"),
        (f"{HERE}.FACTS", "", f"'{HERE}.FACTS' is a tuple, not a plugin class"),
        (f"{HERE}.NoPlugin", "", f"'{HERE}.NoPlugin' is not a plugin class: it has no method start()"),
        (f"{HERE}.Plain", "active:maybe:::name:plugin:p",
         "[plugin:p] active: 'maybe' is not a boolean (expected: boolean; default true)"),
        (f"{HERE}.FailingConstructor", "number:x:::name:plugin:p",
         f"[plugin:p] {HERE}.FailingConstructor cannot be made: ValueError: invalid literal for int() with base 10: "
         "'x' (test_plugins.py:"),
        ("circus.plugins.flapping.Flapping", "attempts:x:::window:y:::name:plugin:p",
         "[plugin:p] attempts: invalid literal for int() with base 10: 'x' (expected: integer; default 2); "
         "window: could not convert string to float: 'y' (expected: number, in seconds; default 1.0)"),
        ("circus.plugins.resource_watcher.ResourceWatcher", "name:plugin:r",
         "[plugin:r] circus.plugins.resource_watcher.ResourceWatcher cannot be made: NotImplementedError: "
         "watcher is mandatory for now."),
    ],
)  # fmt: skip
def test_what_cannot_work_is_one_line_and_78(caplog, name, config, text):
    assert run_it("--config", config, name) == 78
    (error,) = errors(caplog)
    assert error.startswith(text)
    assert "\n" not in error


def test_a_module_that_cannot_be_imported_is_one_line_and_78(caplog, tmp_path, monkeypatch):
    (tmp_path / "broken_plugin.py").write_text("def f(:\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert run_it("broken_plugin.Plugin") == 78
    (error,) = errors(caplog)
    assert error.startswith("importing 'broken_plugin.Plugin' raised SyntaxError: ")


def test_a_constructor_that_lacks_something_outside_may_be_tried_again(caplog):
    assert run_it(f"{HERE}.NothingThere") == 1
    assert "no such licence server" in errors(caplog)[0]


def test_an_endpoint_that_is_none_is_one_line_and_1(caplog):
    assert run_it("--endpoint", "tpc://h:1", f"{HERE}.Plain") == 1
    (error,) = errors(caplog)
    assert error.startswith(f"The plugin {HERE}.Plain failed: ")
    asyncio.set_event_loop(None)


def test_unknown_options_of_bundled_plugins_are_warned_about_with_a_suggestion(caplog):
    config = "attempts:0:::windo:3:::uid:nobody:::stdout_stream.class:StdoutStream:::colour:red:::name:plugin:p"
    assert run_it("--config", config, "circus.plugins.flapping.Flapping") == 78
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "[plugin:p] windo: unknown option, not used by the plugin (did you mean 'window'?)",
        "[plugin:p] colour: unknown option, not used by the plugin",
    ]


def test_an_inactive_plugin_is_one_line_and_0(caplog):
    caplog.set_level("INFO")
    assert run_it("--config", "active:no", "circus.plugins.CircusPlugin") == 0
    assert "The plugin circus.plugins.CircusPlugin is not active" in caplog.messages[-1]
