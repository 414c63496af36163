"""The error codes of replies, under the names that clients and plugins import; the table is in the model."""

from __future__ import annotations

from circus.model.messages import (
    BAD_MSG_DATA_ERROR,
    COMMAND_ERROR,
    INVALID_JSON,
    MESSAGE_ERROR,
    NOT_SPECIFIED,
    OS_ERROR,
    UNKNOWN_COMMAND,
)

__all__ = [
    "BAD_MSG_DATA_ERROR",
    "COMMAND_ERROR",
    "INVALID_JSON",
    "MESSAGE_ERROR",
    "NOT_SPECIFIED",
    "OS_ERROR",
    "UNKNOWN_COMMAND",
]
