"""How a plugin's configuration travels from circusd to the plugin's own process: on its command line.

The arbiter calls :func:`plugin_command` to build the command of a plugin's watcher; ``circus-plugin`` calls
:func:`decode_config` to get the section back. Pure text work: this module imports no plugin and must not know
whether one can be imported (``circus.plugins.get_plugin_cmd`` is the variant that looks).

A configuration is written in the notation of Circus 0.19, ``key:value:::key:value``, whenever reading it back
gives the same configuration. That notation loses some (a value with ``:::``, blanks at the ends, a key with a
colon), and control characters have no place on a command line; those are written as one JSON object instead.
The reader tells the two apart by the opening brace.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping

#: Between two items of the notation of 0.19.
SEPARATOR = ":::"
#: Keys of a plugin section that are not meant for the plugin: its class, and an artefact of old ini readers.
NOT_FOR_THE_PLUGIN = frozenset({"use", "__name__"})
#: What the runner exits with when the configuration of its plugin cannot work, however often it is tried; sysexits.h.
EX_CONFIG = 78
#: What the interpreter is told to run; spec plugins-hooks-streams.md 1.5.
ENTRY = "from circus import plugins;plugins.main()"


def encode_config(config: Mapping[str, object]) -> str:
    """The text that stands for a plugin's configuration.

    :param config: option names and values; both are written as ``str()`` gives them.
    :return: ``key:value`` pairs sorted by key and joined with ``:::``; a JSON object (sorted keys, ASCII
        only) where that would lose something or contain unprintable characters; the empty text for an empty
        configuration.
    """
    texts = {str(key): str(value) for key, value in config.items()}
    plain = SEPARATOR.join(f"{key}:{value}" for key, value in sorted(texts.items()))
    if plain.isprintable() and decode_config(plain) == texts:
        return plain
    return json.dumps(texts, sort_keys=True)


def decode_config(text: str | None) -> dict[str, str]:
    """The configuration that a text stands for; the inverse of :func:`encode_config`.

    Keys and values of the ``key:value:::key:value`` notation are stripped of blanks, and items without a
    colon are dropped, as in Circus 0.19. A text that opens with a brace but is no JSON object is read in that
    notation too.

    :param text: the value of ``--config``; None and the empty text mean no configuration.
    """
    if not text:
        return {}
    if text.lstrip().startswith("{"):
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        if isinstance(found, dict):
            return {key: value if isinstance(value, str) else json.dumps(value) for key, value in found.items()}
    pairs = (item.partition(":") for item in text.split(SEPARATOR))
    return {key.strip(): value.strip() for key, colon, value in pairs if colon}


def plugin_command(
    config: Mapping[str, object],
    endpoint: str,
    pubsub: str,
    check_delay: float,
    ssh_server: str | None = None,
    debug: bool = False,
    loglevel: str | None = None,
    logoutput: str | None = None,
) -> str:
    """The command line that runs a plugin, quoted so that a POSIX shell split gives every argument back
    whole.

    :param config: the options of the plugin's section. ``use`` names the class and is required; it and
        ``__name__`` are not passed on. The mapping is left as it is.
    :param endpoint: control endpoint the plugin talks to.
    :param pubsub: endpoint the plugin hears events on.
    :param check_delay: seconds between two checks of the daemon; the plugin gets the same figure.
    :param ssh_server: ``[user@]host[:port]`` through which the plugin reaches both endpoints; default:
        directly.
    :param debug: log at DEBUG, whatever ``loglevel`` says; default False.
    :param loglevel: the daemon's level word; default None, which leaves the choice to the plugin's runner.
    :param logoutput: the daemon's log destination; default None, the same.
    :raises KeyError: ``config`` has no ``use``.

    Source: spec plugins-hooks-streams.md 1.5.
    """
    words = [sys.executable or "python3", "-c", ENTRY, "--endpoint", endpoint, "--pubsub", pubsub]
    words += ["--check-delay", str(check_delay)]
    if ssh_server is not None:
        words += ["--ssh", ssh_server]
    options = encode_config({key: value for key, value in config.items() if key not in NOT_FOR_THE_PLUGIN})
    if options:
        # A text that begins with a dash would be taken for an option of the runner if it stood alone.
        words += [f"--config={options}"] if options.startswith("-") else ["--config", options]
    if debug:
        words += ["--log-level", "DEBUG"]
    elif loglevel is not None:
        words += ["--log-level", loglevel]
    if logoutput is not None:
        words += ["--log-output", logoutput]
    words.append(str(config["use"]))
    return shlex.join(words)
