"""A plugin's configuration crosses a command line without loss, in the old notation where it suffices."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circus.model.plugincmd import decode_config, encode_config, plugin_command

CONTROL, EVENTS = "tcp://127.0.0.1:5555", "ipc:///run/circus/events"
#: Text that the old notation trips over, mixed with any other text.
awkward = st.lists(st.sampled_from([":", ":::", " ", "\n", "'", '"', "{", "}", "$", "\\", "a", "\x00", "é"])).map(
    "".join
)
texts = st.one_of(awkward, st.text())


def options_of(command: str) -> dict[str, str]:
    """The ``--name value`` pairs of a plugin command line, as its runner would see them."""
    words = shlex.split(command)[3:-1]
    pairs: dict[str, str] = {}
    while words:
        name, equals, value = words.pop(0).partition("=")
        pairs[name] = value if equals else words.pop(0)
    return pairs


def test_ordinary_options_are_written_in_the_notation_of_0_19():
    assert (
        encode_config({"window": 2, "attempts": "3", "name": "plugin:fl"}) == "attempts:3:::name:plugin:fl:::window:2"
    )


@pytest.mark.parametrize(
    ("text", "config"),
    [
        (None, {}),
        ("", {}),
        ("a:1", {"a": "1"}),
        (" a : 1 ::: b:x y ", {"a": "1", "b": "x y"}),
        ("url:http://h:80/:::dropped:::b:", {"url": "http://h:80/", "b": ""}),
        ("{x:1", {"{x": "1"}),
        ("{}", {}),
        ('{"a": ":::"}', {"a": ":::"}),
    ],
)
def test_texts_written_by_hand_are_read(text, config):
    assert decode_config(text) == config


@pytest.mark.parametrize(
    "value", ["a:::b", "ends:", ":starts", " blank ", "two\nlines", "nul\x00", "", "{", '{"a": 1}']
)
def test_values_that_the_old_notation_loses_survive(value):
    assert decode_config(encode_config({"key": value, "other": "1"})) == {"key": value, "other": "1"}


@given(st.dictionaries(texts, texts))
def test_any_configuration_round_trips(config):
    assert decode_config(encode_config(config)) == config


@given(st.dictionaries(texts, texts, min_size=1))
def test_any_configuration_is_a_printable_argument(config):
    command = plugin_command({**config, "use": "a.B"}, CONTROL, EVENTS, 5.0)
    assert command.isprintable()
    expected = {key: value for key, value in config.items() if key not in ("use", "__name__")}
    assert decode_config(options_of(command).get("--config")) == expected


@given(st.text())
def test_any_text_is_read_without_an_error(text):
    decode_config(text)


def test_command_line_of_a_plugin():
    config = {"use": "my.Plugin", "name": "plugin:my", "__name__": "plugin:my", "text": "it's"}
    command = plugin_command(config, CONTROL, EVENTS, 0.5, "me@host:22", loglevel="info", logoutput="/var/log/my log")
    assert shlex.split(command)[1:] == [
        "-c", "from circus import plugins;plugins.main()", "--endpoint", CONTROL, "--pubsub", EVENTS,
        "--check-delay", "0.5", "--ssh", "me@host:22", "--config", "name:plugin:my:::text:it's",
        "--log-level", "info", "--log-output", "/var/log/my log", "my.Plugin",
    ]  # fmt: skip


def test_configuration_is_left_as_it_was():
    config = {"use": "my.Plugin", "a": 1}
    plugin_command(config, CONTROL, EVENTS, 1)
    assert config == {"use": "my.Plugin", "a": 1}


def test_debug_beats_the_level_and_nothing_superfluous_is_passed():
    options = options_of(plugin_command({"use": "my.Plugin"}, CONTROL, EVENTS, 1.0, debug=True, loglevel="error"))
    assert options == {
        "--endpoint": CONTROL,
        "--pubsub": EVENTS,
        "--check-delay": "1.0",
        "--log-level": "DEBUG",
    }


def test_a_section_without_a_class_is_refused():
    with pytest.raises(KeyError, match="use"):
        plugin_command({"name": "plugin:x"}, CONTROL, EVENTS, 1.0)
