"""The options of Circus: one record per option, one table per sort of section.

Configuration files, the commands ``add``, ``set``, ``get`` and ``options``, the reload diff, the manual and
completion all read these tables; no other place lists options. Pure data and pure functions: nothing here
touches the system, except that a resource limit's name is looked up in :mod:`resource`.
"""

from __future__ import annotations

from circus.model.options.compound import UNLIMITED, limit_exists
from circus.model.options.kinds import Kind
from circus.model.options.rules import RULES, check_option, check_watcher, convert_option, validate_option
from circus.model.options.table import ABSENT, OnChange, Option, Table, closest
from circus.model.options.tables import CIRCUS, PLUGIN, SOCKET, STREAM, STREAM_CLASSES, WATCHER

__all__ = [
    "ABSENT",
    "CIRCUS",
    "PLUGIN",
    "RULES",
    "SOCKET",
    "STREAM",
    "STREAM_CLASSES",
    "UNLIMITED",
    "WATCHER",
    "Kind",
    "OnChange",
    "Option",
    "Table",
    "check_option",
    "check_watcher",
    "closest",
    "convert_option",
    "limit_exists",
    "validate_option",
]
