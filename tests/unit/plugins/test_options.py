"""Option tables of plugins: what is read, refused, found odd and documented."""

from __future__ import annotations

import re

import pytest

from circus.base.imports import resolve_name
from circus.exc import OptionError
from circus.model.options.kinds import Boolean, Integer, Real, Text
from circus.plugins import CircusPlugin
from circus.plugins.options import Memory, Pattern, PluginOption, PluginTable, Port
from circus.plugins.tables import BUNDLED

TABLE = PluginTable("demo.Demo", (
    PluginOption("count", Integer(minimum=0), 3, "How many."),
    PluginOption("rate", Real(0.0), 1.5, "How fast.", unit="seconds"),
    PluginOption("limit", Real(), None, "How much at most."),
    PluginOption("target", Text(), None, "Whom."),
    PluginOption("goal", Text(), None, "Older name of target.", deprecated="it is called `target` now"),
    PluginOption("loud", Boolean(), False, "Whether to shout."),
), required=[("target", "goal")], watcher_prefix="demo.")  # fmt: skip


def test_reading_gives_values_and_defaults():
    assert TABLE.read({"target": "web", "count": "7", "loud": "yes", "unknown": "x", "name": "plugin:d"}) == {
        "count": 7, "rate": 1.5, "limit": None, "target": "web", "goal": None, "loud": True,
    }  # fmt: skip


@pytest.mark.parametrize(("given", "value"), [("none", None), ("None", None), ("", None), (None, None), (0.5, 0.5)])
def test_an_option_without_default_can_be_left_open(given, value):
    assert TABLE.read({"target": "web", "limit": given})["limit"] == value


def test_values_of_programs_need_not_be_text():
    assert TABLE.read({"target": "web", "rate": 2, "count": 4, "loud": True})["rate"] == 2.0


def test_everything_wrong_is_one_error():
    with pytest.raises(OptionError) as refused:
        TABLE.read({"name": "plugin:d", "count": "-1", "rate": "", "loud": "maybe"})
    assert str(refused.value) == (
        "[plugin:d] count: -1 is less than 0 (expected: integer; default 3); "
        "rate: could not convert string to float: '' (expected: number, in seconds; default 1.5); "
        "loud: 'maybe' is not a boolean (expected: boolean; default false); "
        "target: must be given (add a line `target = ...`)"
    )
    assert (refused.value.name, refused.value.value) == ("count", "-1")


def test_findings():
    found = TABLE.findings({"goal": "web", "cuont": "3", "uid": "0", "priority": "3", "zzz": "1", "workin_dir": "/"})
    assert [(each.severity, each.option, each.text, each.hint) for each in found] == [
        ("warning", "goal", "it is called `target` now", ""),
        ("warning", "cuont", "unknown option, not used by the plugin", "did you mean 'count'?"),
        ("warning", "zzz", "unknown option, not used by the plugin", ""),
        ("warning", "workin_dir", "unknown option, not used by the plugin", "did you mean 'working_dir'?"),
    ]
    assert TABLE.findings({"target": "web", "cuont": "3"}, complete=False) == []


def test_findings_in_watchers():
    found = TABLE.watcher_findings({"cmd": "x", "demo.count": "many", "demo.cuont": "3", "demo.rate": "2"})
    assert [(each.severity, each.option, each.hint) for each in found] == [
        ("error", "demo.count", "expected: integer; default 3"),
        ("warning", "demo.cuont", "did you mean 'demo.count'?"),
    ]
    plain = PluginTable("x", TABLE)
    assert plain.watcher_findings({"demo.count": "many"}) == []


@pytest.mark.parametrize(
    ("text", "value"),
    [("90", (90.0, False)), ("0.5", (0.5, False)), ("100M", (100 * 2**20, True)), ("1.5 K", (1536.0, True))],
)
def test_memory(text, value):
    assert Memory().parse(text) == value


@pytest.mark.parametrize("text", ["", "-1", "nan", "inf", "1Q", "-5M"])
def test_bad_memory(text):
    with pytest.raises(ValueError):
        Memory().parse(text)


def test_patterns_and_ports_and_how_they_are_shown():
    assert Pattern("pid").parse("(?P<pid>x)").match("x")
    assert Pattern().render(re.compile("a.*")) == "a.*"
    assert Memory().render((90.0, False)) == "90"
    assert Port().parse("80") == 80


def test_plugins_of_users_may_declare_a_table():
    class Demo(CircusPlugin):
        option_table = TABLE

    plugin = Demo("e", "p", 1.0, target="web", count="7")
    assert plugin.option_values["count"] == 7
    plugin.stop()
    with pytest.raises(OptionError, match="count"):
        Demo("e", "p", 1.0, target="web", count="x")


# -- the bundled ones --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in BUNDLED if "Redis" not in name])
def test_each_bundled_class_has_its_table_and_reads_no_option_that_is_not_there(name):
    found = resolve_name(name)
    assert issubclass(found, CircusPlugin)
    assert found.option_table is BUNDLED[name]


@pytest.mark.parametrize("name", BUNDLED)
def test_defaults_of_bundled_tables_mean_themselves(name):
    for option in BUNDLED[name]:
        assert option.doc.endswith("."), option
        if option.default is not None:
            text = option.kind.render(option.default)
            assert option.kind.parse(text) == option.default, option
