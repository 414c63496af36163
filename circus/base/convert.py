"""Text to values and values to text: booleans, signals, users, groups, sizes, file masks.

The tables of ``circus.model.options`` and the commands name these functions; the texts of their errors are
shown to users (spec library.md 11). Nothing here knows which option a value belongs to.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from typing import Any

from circus.base.environ import env_to_str

try:
    import grp
    import pwd
except ImportError:  # Windows has no such databases; the clients run without
    grp = pwd = None  # type: ignore[assignment]

TRUTHY_STRINGS = ("yes", "true", "on", "1")
FALSY_STRINGS = ("no", "false", "off", "0")

_SIGNAL = re.compile(r"(?:SIG)?([A-Z][A-Z0-9]*)(?:\s*([+-])\s*([0-9]{1,3}))?", re.ASCII)

_SIZE = re.compile(r"([0-9.]+)\s*(\S*)\s*")
_UNITS = ("B", "K", "M", "G", "T", "P", "E", "Z", "Y")
_POWERS = {
    word: power
    for words in (
        _UNITS,
        ("byte", "kilo", "mega", "giga", "tera", "peta", "exa", "zetta", "iotta"),
        ("Bi", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"),
        ("byte", "kibi", "mebi", "gibi", "tebi", "pebi", "exbi", "zebi", "yobi"),
    )
    for power, word in enumerate(words)
} | {"k": 1, "yotta": 8}


def to_bool(value: object) -> bool:
    """Truth of a word: ``yes true on 1`` or ``no false off 0`` in any case, blanks around them ignored.

    A bool is itself, None is False, and the numbers 0 and 1 are accepted.

    :raises ValueError: ``'maybe' is not a boolean`` for anything else.
    """
    if isinstance(value, bool):
        return value
    if value is None:
        return False
    if isinstance(value, str):
        word = value.strip().lower()
        if word in TRUTHY_STRINGS:
            return True
        if word in FALSY_STRINGS:
            return False
    elif isinstance(value, int) and value in (0, 1):
        return value == 1
    raise ValueError(f"{value!r} is not a boolean")


def to_signum(signum: str | float) -> int:
    """Number of a signal given as number, numeric text or name.

    Names are accepted in any case, with or without ``SIG``, and with an offset: ``kill``, ``SIGTERM``,
    ``RTMIN+1``, ``RTMAX-2``. Numbers are not checked against what the system has.

    :raises ValueError: ``signal invalid: FOO``.
    :raises TypeError: when ``signum`` is neither a number nor text.
    """
    if isinstance(signum, str):
        return _signal_by_text(signum)
    if not isinstance(signum, (int, float)):
        raise TypeError(f"a signal is a number or a name, not {type(signum).__name__}")
    try:
        number = int(signum)
    except (ValueError, OverflowError) as error:  # not-a-number and infinity
        raise ValueError(f"signal invalid: {signum}") from error
    if isinstance(signum, bool):
        raise ValueError(f"signal invalid: {signum}")
    return number


def _signal_by_text(text: str) -> int:
    word = text.strip().upper()
    if re.fullmatch(r"-?[0-9]+", word, re.ASCII):
        return int(word)
    match = _SIGNAL.fullmatch(word)
    base = signal.Signals.__members__.get("SIG" + match[1]) if match else None
    if match is None or base is None:
        raise ValueError(f"signal invalid: {text}")
    offset = int(match[3] or 0)
    return int(base) - offset if match[2] == "-" else int(base) + offset


def to_uid(name: str | float) -> int:
    """Number of a user given by name, number or numeric text; the user must exist.

    :raises ValueError: ``'x' isn't a valid user name`` or ``-12 isn't a valid user id``.
    :raises TypeError: when ``name`` is neither text nor a number.
    """
    number = _number_or_none(name)
    try:
        if number is None:
            return pwd.getpwnam(str(name)).pw_uid
        pwd.getpwuid(number)
    except (KeyError, OverflowError, ValueError) as error:
        text = f"{name!r} isn't a valid user name" if number is None else f"{number} isn't a valid user id"
        raise ValueError(text) from error
    return number


def to_gid(name: str | float) -> int:
    """Number of a group given by name, number or numeric text; the group must exist.

    :raises ValueError: ``No such group: 'x'``.
    :raises TypeError: when ``name`` is neither text nor a number.
    """
    number = _number_or_none(name)
    try:
        if number is None:
            return grp.getgrnam(str(name)).gr_gid
        grp.getgrgid(number)
    except (KeyError, OverflowError, ValueError) as error:
        raise ValueError(f"No such group: {(name if number is None else number)!r}") from error
    return number


def _number_or_none(name: str | float) -> int | None:
    """The id that ``name`` spells, or None when it is a name to look up."""
    if isinstance(name, str):
        try:
            return int(name)
        except ValueError:
            return None
    if isinstance(name, bool) or not isinstance(name, (int, float)):
        raise TypeError(f"a user or group is a name or a number, not {type(name).__name__}")
    return int(name)


def get_username_from_uid(uid: object) -> Any:
    """Name of the user with that number; anything that is not an int is given back unchanged.

    :raises KeyError: when no such user exists.
    """
    return pwd.getpwuid(uid).pw_name if isinstance(uid, int) else uid


def get_default_gid(uid: int | str) -> int:
    """Number of the primary group of a user, by number or name. :raises KeyError: for an unknown user."""
    return (pwd.getpwuid(uid) if isinstance(uid, int) else pwd.getpwnam(uid)).pw_gid


def to_str(s: object, encoding: str = "utf8", errors: str = "replace") -> str:
    """``s`` as text; bytes are decoded, other objects go through ``str()``."""
    if isinstance(s, bytes):
        return s.decode(encoding, errors)
    return str(s)


def to_bytes(s: object, encoding: str = "utf8") -> bytes:
    """``s`` as bytes; what is not bytes is made text first."""
    return s if isinstance(s, bytes) else str(s).encode(encoding)


def bytes2human(n: int) -> str:
    """A number of bytes for people: ``9.77K``, in powers of 1024 up to ``Y``; below 1024 as it is, ``100B``.

    :raises TypeError: when ``n`` is not an int.
    """
    if not isinstance(n, int):
        raise TypeError(n)
    power = min((n.bit_length() - 1) // 10, len(_UNITS) - 1) if n >= 1024 else 0
    if power == 0:
        return f"{int(n)}B"
    return f"{n / (1 << 10 * power):.2f}{_UNITS[power]}"


def human2bytes(s: str) -> int:
    """The number of bytes that ``9K``, ``1.5 k``, ``2Gi`` or ``3byte`` mean; units are powers of 1024.

    :raises ValueError: when there is no number at the start or no known unit after it.
    :raises TypeError: when ``s`` is not text.
    """
    if not isinstance(s, str):
        raise TypeError(f"a size is text such as '9K', not {type(s).__name__}")
    match = _SIZE.fullmatch(s)
    power = _POWERS.get(match[2]) if match else None
    if match is None or power is None:
        raise ValueError(f"can't interpret {s!r}")
    try:
        return int(match[1]) << 10 * power if match[1].isdigit() else int(float(match[1]) * (1 << 10 * power))
    except ValueError as error:  # several dots
        raise ValueError(f"can't interpret {s!r}") from error


def convert_opt(key: str, val: object) -> str:
    """The value of an option as it is written in replies: an environment as ``A=1,B=2``, None as nothing."""
    if key == "env" and (val is None or isinstance(val, Mapping)):
        return env_to_str(val)
    return "" if val is None else str(val)


def parse_umask(value: str | int | None) -> int | None:
    """A file mode mask: text is octal (``022``, ``0o22``), a number from code is taken as it is.

    :returns: None, meaning "leave it alone", for None and empty text.
    :raises ValueError: for text that is not octal, and for what is outside 0 to 0o777.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    mask = int(value, 8) if isinstance(value, str) else value
    if isinstance(mask, bool) or not isinstance(mask, int):
        raise TypeError(f"a umask is octal text or a number, not {type(value).__name__}")
    if not 0 <= mask <= 0o777:
        raise ValueError(f"umask out of range: {value!r} (0 to 777, octal)")
    return mask
