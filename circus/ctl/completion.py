"""What may stand next on a circusctl command line: commands, options, watchers, pids, signals, topics.

One engine serves the shell, and bash, zsh and fish through ``circusctl --complete`` (the scripts are in
:mod:`circus.ctl.scripts`). Names and pids come from the live daemon, within a time a user does not notice; a
daemon that is down or busy costs the words, nothing else.
"""

from __future__ import annotations

import time

from circus.ctl.arguments import GLOBAL_OPTIONS, SHELLS, options_of
from circus.ctl.vocabulary import Vocabulary, WithErrands, summary_of
from circus.exc import CircusError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any, TextIO

    from circus.ctl.vocabulary import Commands

    #: A word and what it is, in a few words (may be empty).
    Candidate = tuple[str, str]

#: Seconds that all questions to the daemon may take for one completion.
TIME_LIMIT = 0.3

#: What the positional arguments of a command are, in order; ``*`` marks one that may be repeated, and a pair
#: in ``set`` repeats. A command that is not here takes a watcher first.
_ARGUMENTS: dict[str, tuple[str, ...]] = {
    "add": (),
    "dstats": (),
    "events": ("watcher*",),
    "get": ("watcher", "option*"),
    "globaloptions": ("globaloption",),
    "help": ("command",),
    "import": ("file",),
    "ipython": (),
    "kill": ("watcher", "pid"),
    "listen": ("topic*",),
    "listsockets": (),
    "numwatchers": (),
    "quit": (),
    "reloadconfig": (),
    "set": ("watcher", "setting", "value"),
    "signal": ("watcher", "pid_or_signal", "signal"),
    "stats": ("watcher", "pid"),
    "tail": ("watcher*",),
}
_GLOBAL_SETTINGS = ("endpoint", "stats_endpoint", "pubsub_endpoint", "check_delay", "multicast_endpoint")
_EVENTS = (
    "spawn",
    "reap",
    "kill",
    "start",
    "stop",
    "reload",
    "updated",
    "add",
    "remove",
    "hook_success",
    "hook_failure",
)


class LiveWords:
    """Words that only the daemon knows.

    :param client: makes the client when the first word is wanted. All answers together have
        :data:`TIME_LIMIT`.
    """

    def __init__(self, make_client: Callable[[], Any]) -> None:
        self._make_client = make_client
        self._client: Any = None
        self._deadline = time.monotonic() + TIME_LIMIT
        self._failed = False

    @classmethod
    def at(cls, endpoint: str) -> LiveWords:
        """The words of the daemon at an endpoint."""
        from circus.client_light import LightClient

        return cls(lambda: LightClient(endpoint, TIME_LIMIT))

    @classmethod
    def of_client(cls, client: Any) -> LiveWords:
        """The words of the daemon that a light client speaks to, asked over another connection."""
        from circus.client_light import LightClient

        return cls(lambda: LightClient(client.near_end(), TIME_LIMIT))

    def close(self) -> None:
        """Close the connection if there is one."""
        if self._client is not None:
            self._client.stop()

    def watchers(self) -> list[Candidate]:
        """The watchers and their states."""
        states = self._ask("status", {}).get("statuses")
        return (
            sorted((str(name), str(state)) for name, state in states.items())
            if isinstance(states, dict)
            else []
        )

    def pids(self, watcher: str) -> list[Candidate]:
        """The processes of a watcher."""
        pids = self._ask("list", {"name": watcher}).get("pids")
        return [(str(pid), f"process of {watcher}") for pid in pids] if isinstance(pids, list) else []

    def options(self, watcher: str) -> list[Candidate]:
        """The options of a watcher and their values."""
        options = self._ask("options", {"name": watcher}).get("options")
        return (
            [(str(name), _shortened(value)) for name, value in options.items()]
            if isinstance(options, dict)
            else []
        )

    def _ask(self, command: str, properties: dict[str, Any]) -> Mapping[str, Any]:
        """A reply, or nothing: after the first failure, or when time is up, the daemon is left alone."""
        left = self._deadline - time.monotonic()
        if self._failed or left <= 0:
            return {}
        try:
            if self._client is None:
                self._client = self._make_client()
            self._client.timeout = left
            reply = self._client.call({"command": command, "properties": properties})
        except (CircusError, OSError, AttributeError):  # AttributeError: a client that has no near end
            self._failed = True
            return {}
        return reply if isinstance(reply, dict) else {}


def _shortened(value: object) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def complete(
    words: Sequence[str], prefix: str, commands: Commands, live: LiveWords, in_shell: bool = False
) -> list[Candidate]:
    """The words that may stand next.

    :param words: the words before the one being typed, without the program's name.
    :param prefix: what of that word is there already.
    :param commands: command word -> command.
    :param live: what the daemon knows.
    :param in_shell: the line stands in circusctl's shell, which has ``help`` and takes no global options.
    :returns: whole words that begin with the prefix, and what they are.
    """
    found = _candidates(list(words), prefix, commands, live, in_shell)
    return [(word, description) for word, description in found if word.startswith(prefix)]


def _candidates(
    words: list[str], prefix: str, commands: Commands, live: LiveWords, in_shell: bool
) -> Iterable[Candidate]:
    globals_ = [("", name, default, text) for name, default, text in GLOBAL_OPTIONS]
    pending, spoken = _read(words, [] if in_shell else globals_)
    if not spoken:
        if pending is not None:
            return _values(pending)
        if prefix.startswith("-"):
            return [] if in_shell else _option_words(globals_, prefix)
        names = [(name, summary_of(commands, name)) for name in sorted(commands)]
        return [*names, ("help", "Tell what the commands do")] if in_shell else names
    name, rest = words[spoken[0]], words[spoken[0] + 1 :]
    if name == "help" and in_shell:
        return [(each, summary_of(commands, each)) for each in sorted(commands)]
    if name not in commands:
        return []
    options = [*options_of(commands[name]), ("h", "help", False, "Show help and exit")]
    pending, places = _read(rest, options)
    if pending == "output":
        return _files(prefix)
    if pending == "pid":
        return _pids([rest[at] for at in places], live)
    if pending is not None:
        return _values(pending)
    if prefix.startswith("-") and "--" not in rest:
        return _option_words(options, prefix)
    return _arguments(name, [rest[at] for at in places], live, prefix)


def _read(words: list[str], options: list[Any]) -> tuple[str | None, list[int]]:
    """Go through the words already there.

    :returns: the option that still wants its value, if any; and where the positional arguments are.
    """
    valued = [(short, long) for short, long, default, _ in options if not isinstance(default, bool)]
    wants_value = {f"--{long}": long for _, long in valued}
    wants_value.update((f"-{short}", long) for short, long in valued if short)
    places: list[int] = []
    pending: str | None = None
    for at, word in enumerate(words):
        if pending is not None:
            pending = None
        elif word in wants_value:
            pending = wants_value[word]
        elif not word.startswith("-") or word[1:].isdigit():
            places.append(at)
    return pending, places


def _option_words(options: list[Any], prefix: str) -> Iterable[Candidate]:
    name, equals, _ = prefix[2:].partition("=")
    if equals:
        return [(f"--{name}={word}", text) for word, text in _values(name)]
    return [(f"--{long}", text) for _, long, _, text in options]


def _values(option: str) -> Iterable[Candidate]:
    """The values an option may have."""
    if option == "match":
        return [("simple", "exact name"), ("glob", "shell-style pattern"), ("regex", "regular expression")]
    if option == "signum":
        return _signals()
    if option == "since":
        return [("10m", "the last ten minutes"), ("1h", "the last hour"), ("1d", "since this time yesterday")]
    if option == "from":
        return [("supervisord", "supervisord.conf"), ("procfile", "Procfile"), ("pm2", "ecosystem.config.json")]
    if option == "completion":
        return [(shell, f"completion script of {shell}") for shell in SHELLS]
    return []


def _pids(watchers: list[str], live: LiveWords) -> list[Candidate]:
    """The processes of some watchers, or of all."""
    names = watchers or [name for name, _ in live.watchers()]
    return [found for name in names for found in live.pids(name)]


def _signals() -> list[Candidate]:
    import signal

    return [(member.name.removeprefix("SIG"), f"signal {member.value}") for member in signal.Signals]


def _arguments(name: str, before: list[str], live: LiveWords, prefix: str = "") -> Iterable[Candidate]:
    """The words for the next positional argument of a command."""
    kinds = _ARGUMENTS.get(name, ("watcher",))
    index = len(before)
    if kinds and kinds[-1].endswith("*"):
        index = min(index, len(kinds) - 1)
    elif name == "set" and index > 2:
        index = 1 + (index - 1) % 2
    if index >= len(kinds):
        return []
    watcher = before[0] if before else ""
    sources: dict[str, Callable[[], Iterable[Candidate]]] = {
        "watcher": live.watchers,
        "pid": lambda: live.pids(watcher),
        "pid_or_signal": lambda: [*live.pids(watcher), *_signals()],
        "signal": _signals,
        "option": lambda: live.options(watcher),
        "setting": _settings,
        "value": lambda: _setting_values(before[-1], watcher, live),
        "globaloption": lambda: [(option, "") for option in _GLOBAL_SETTINGS],
        "topic": lambda: _topics(live),
        "file": lambda: _files(prefix),
    }
    return sources[kinds[index].rstrip("*")]()


def _files(prefix: str) -> Iterable[Candidate]:
    """Files and directories, the latter with a slash; hidden ones for those who begin with a dot."""
    import os

    folder, slash, start = prefix.rpartition("/")
    folder += slash
    try:
        with os.scandir(os.path.expanduser(folder) or ".") as found:
            names = sorted(f"{each.name}/" if each.is_dir() else each.name for each in found)
    except (OSError, ValueError):
        return []
    return [(f"{folder}{name}", "") for name in names if start[:1] == "." or name[0] != "."]


def _settings() -> Iterable[Candidate]:
    """The options that ``set`` takes, from the one table of options."""
    from circus.model.options.tables import WATCHER

    return [
        (option.name, option.doc.partition(". ")[0])
        for option in WATCHER
        if option.settable and not option.deprecated
    ]


def _setting_values(setting: str, watcher: str, live: LiveWords) -> Iterable[Candidate]:
    """The value a setting has, so that it can be edited; both values of a switch."""
    current = dict(live.options(watcher)).get(setting)
    if current in ("True", "False"):
        return [("true", ""), ("false", "")]
    if setting == "stop_signal":
        return _signals()
    return [(current, "present value")] if current else []


def _topics(live: LiveWords) -> Iterable[Candidate]:
    found: list[Candidate] = []
    for name, _ in live.watchers():
        topic = f"watcher.{name.lower().replace(' ', '_')}."
        found.append((topic, f"all events of {name}"))
        found += [(topic + event, "") for event in _EVENTS]
        found.append((f"output.{topic.removeprefix('watcher.')}", f"what {name} writes"))
    return found


# -- the ways in
# ------------------------------------------------------------------------------------------------


def split_line(line: str) -> tuple[list[str], str, str]:
    """Split an unfinished line in the way of a shell.

    :returns: the finished words; the unfinished one, without its quotes; and the same as it was typed.
    """
    words: list[str] = []
    word: list[str] | None = None
    started, quote, escaped = len(line), "", False
    for at, character in enumerate(line):
        if word is None and not character.isspace():
            word, started = [], at
        if word is None:
            continue
        if escaped:
            word.append(character)
            escaped = False
        elif character == "\\" and quote != "'":
            escaped = True
        elif character == quote:
            quote = ""
        elif not quote and character in "\"'":
            quote = character
        elif not quote and character.isspace():
            words.append("".join(word))
            word, started = None, len(line)
        else:
            word.append(character)
    return words, "".join(word or ()), line[started:]


def answer_shell(argv: Sequence[str], out: TextIO) -> int:
    """``circusctl --complete``: what the completion scripts ask.

    ``words PREFIX WORD...`` prints ``word<TAB>description`` lines. ``line TEXT WORDBREAKS`` takes a raw line
    up to the cursor and prints replacements for bash's current word. Neither ever prints an error.
    """
    mode, *rest = argv or [""]
    commands = WithErrands()
    if mode == "words" and rest:
        for word, description in _live_completion(rest[1:], rest[0], commands):
            out.write(f"{word}\t{description}\n" if description else f"{word}\n")
    elif mode == "line" and rest:
        words, prefix, raw = split_line(rest[0])
        wordbreaks = rest[1] if len(rest) > 1 else ""
        for word, _ in _live_completion(words[1:], prefix, commands):
            out.write(_bash_word(word, raw, wordbreaks) + "\n")
    return 0


def _live_completion(words: Sequence[str], prefix: str, commands: Vocabulary) -> list[Candidate]:
    from circus.ctl.app import control_endpoint

    live = LiveWords.at(control_endpoint(_given_endpoint(words)))
    if "--ssh" in words or any(word.startswith("--ssh=") for word in words):
        live._failed = True  # a tunnel takes longer than anybody waits for a completion
    try:
        return complete(words, prefix, commands, live)
    finally:
        live.close()


def _given_endpoint(words: Sequence[str]) -> str | None:
    for at, word in enumerate(words):
        if word == "--endpoint" and at + 1 < len(words):
            return words[at + 1]
        if word.startswith("--endpoint="):
            return word.partition("=")[2]
    return None


def _bash_word(word: str, raw: str, wordbreaks: str) -> str:
    """A candidate as bash wants it: quoted as the user began to, without what precedes the last break."""
    if raw[:1] in ("'", '"'):
        return word  # readline adds the closing quote
    quoted = "".join(c if c.isalnum() or c in "_-+./:=@%," else f"\\{c}" for c in word)
    cut = max((raw.rfind(c) for c in ":=" if c in wordbreaks), default=-1)
    return quoted[cut + 1 :]


def answer_old_protocol(environ: Mapping[str, str], commands: Commands, out: TextIO) -> None:
    """The protocol of Circus' bash completion (spec cli.md 2.4): commands that begin like the word."""
    words = environ.get("COMP_WORDS", "").split()[1:]
    if environ.get("COMP_CWORD") != "1" or "COMP_WORDS" not in environ:
        return
    current = words[0] if words else ""
    out.write(" ".join(name for name in sorted(commands) if name.startswith(current)) + "\n")
