"""A ``Procfile``, with the ``.env`` beside it, as a configuration of circus.

By the public documentation of Heroku, foreman and honcho.
"""

from __future__ import annotations

import os
import re

from circus.importers.conversion import DIFFERS, MISSING, Conversion, Draft, shell_command
from circus.importers.dialect import Text
from circus.importers.dotenv import read_env
from circus.importers.shellwords import understand
from circus.importers.surroundings import Surroundings

#: Port of the first process, and how far those of the others are away from each other.
_BASE_PORT, _PORT_STEP = 5000, 100
#: Seconds that foreman waits before it kills.
_GRACE = 5
_LINE = re.compile(r"([A-Za-z0-9_-]+)\s*:\s*(.+)", re.ASCII | re.DOTALL)
#: Names in a Procfile of Heroku that are not run as processes.
_NOT_RUN = {"release": "a command that Heroku runs once for each release"}


def convert(text: str, file: str, around: Surroundings) -> Conversion:
    """The configuration.

    :param file: name of the file, for remarks.
    :param around: where ``.env`` is.
    """
    conversion = Conversion("procfile", file)
    shared, base, carried = _environment(conversion, around)
    index = 0
    for number, raw in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
        line = raw.strip()
        if not line or line[0] == "#":
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            conversion.remark(DIFFERS, (file, number), "", f"{line!r} is not of the form NAME: COMMAND, and left out")
            continue
        if match[1] in _NOT_RUN:
            conversion.remark(MISSING, (file, number), match[1], _NOT_RUN[match[1]], "run it before the deployment")
            continue
        _process(conversion, around, (file, number), match[1], match[2], (shared, carried, base + _PORT_STEP * index))
        index += 1
    if not index:
        conversion.remark(DIFFERS, (file, 0), "", "there is no process in it")
    return conversion


def _environment(conversion: Conversion, around: Surroundings) -> tuple[dict[str, str], int, dict[str, Text]]:
    """The variables of ``.env``, the first port, and the variables that no section can hold."""
    text, file = around.read(".env"), os.path.join(os.path.dirname(conversion.file), ".env")
    if text is None:
        return {}, _BASE_PORT, {}
    found, odd = read_env(text)
    for number, line in odd:
        shown = line.partition("=")[0][:40]  # not more: it may be a secret
        conversion.remark(DIFFERS, (file, number), "", f"the line that begins with {shown!r} is no variable")
    base = _BASE_PORT
    port = found.pop("PORT", None)
    if port is not None:
        if port[0].isdecimal() and 0 < int(port[0][:6]) < 65536:
            base = int(port[0])
        else:
            conversion.remark(MISSING, (file, port[1]), "PORT", "it is no port", f"{base} is taken")
    carried: dict[str, Text] = {}
    for name, (value, number) in found.items():
        carried.update(conversion.put_variables("env", {name: value}, (file, number), name))
    return {name: value for name, (value, _) in found.items()}, base, carried


def _process(
    conversion: Conversion, around: Surroundings, place: tuple[str, int], name: str, line: str,
    given: tuple[dict[str, str], dict[str, Text], int],
) -> None:
    shared, carried, port = given
    draft = Draft(conversion, conversion.watcher_name(name, place), place)
    variables = {**shared, "PORT": str(port)}
    command = understand(line, variables.get)
    draft.put("working_dir", around.absolute(command.directory), place, name)
    draft.put("copy_env", True)
    draft.put("graceful_timeout", _GRACE)
    draft.put("capture", True)
    draft.env = {"PORT": str(port), **command.env}
    draft.carried = {key: value for key, value in carried.items() if key not in command.env}
    if command.words is None and command.stays:
        draft.put("stop_children", True)  # the shell does not hand signals on
    if "PORT" in line:
        draft.comment(f"With more processes than one, all get port {port}: give them a socket instead (the manual, "
                      "Coming from Procfiles).")
    draft.finish(command.words if command.words is not None else shell_command(command.script), name, place)
