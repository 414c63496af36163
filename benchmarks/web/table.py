"""The tables and the verdicts. Pure functions on what was measured; called by run.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import truediv

from benchmarks.report import median, number
from benchmarks.web import reloads, speed
from benchmarks.web.reloads import Outcome
from benchmarks.web.speed import Turns

#: The stack that all ratios refer to, and the one whose ratios have a goal.
BASE, OURS = "gunicorn", "circus"
GOAL = 1.0


def of_speed(values: Mapping[str, Mapping[str, Turns]], titles: Mapping[str, str]) -> str:
    """A block for each load, a line for each stack."""
    head = (
        "",
        "requests/s",
        "ratio",
        "each turn",
        "p50 ms",
        "p99 ms",
        "CPU us/request",
        "ratio",
        "supervisor",
        "busiest",
    )
    lines: list[Sequence[str]] = [head]
    for load in speed.LOADS:
        found = values.get(load.key, {})
        if not any(turns.rate for turns in found.values()):
            continue
        base = found.get(BASE, Turns())
        lines.append((load.title, *[""] * (len(head) - 1)))
        for key, turns in found.items():
            if not turns.rate:
                continue
            ratios = compared(turns, base, "rate")
            share = middle(turns.column("busiest"))
            lines.append(
                (
                    f"  {titles[key]}",
                    number(middle(turns.column("rate"))),
                    times(middle(ratios)),
                    f"{min(ratios):.2f}..{max(ratios):.2f}" if ratios else "",
                    number(middle(turns.column("p50"))),
                    number(middle(turns.column("p99"))),
                    number(middle(turns.column("cpu"))),
                    times(middle(compared(turns, base, "cpu"))),
                    number(middle(turns.column("supervisor"))),
                    "" if share is None else f"{share * 100:.0f} %",
                )
            )
    return aligned(lines) if len(lines) > 1 else ""


def of_reloads(values: Mapping[str, Mapping[str, Outcome]], titles: Mapping[str, str]) -> str:
    """A block for each load, a line for each stack."""
    head = ("reloads under load", "reloads", "longest s", "requests", "errors", "worst ms",
            "by our clients", "failed", "worst ms")  # fmt: skip
    lines: list[Sequence[str]] = [head]
    for load in reloads.LOADS:
        if not values.get(load.key):
            continue
        lines.append((f"wrk: {load.title}", *[""] * (len(head) - 1)))
        for key, item in values[load.key].items():
            failed = {f"{kind} ({why})": n for kind, found in item.failed.items() for why, n in found.items()}
            lines.append(
                (
                    f"  {titles[key]}",
                    str(item.reloads),
                    f"{item.longest_reload:.1f}",
                    str(item.requests),
                    told(item.errors),
                    f"{item.longest:.0f}",
                    str(sum(item.asked.values())),
                    told(failed),
                    f"{max(item.waited.values()):.0f}",
                )
            )
    return aligned(lines) if len(lines) > 1 else ""


def verdicts(values: Mapping[str, Mapping[str, Turns]], steady: Mapping[str, Mapping[str, Outcome]]) -> dict[str, str]:
    """A line for each goal of ours, by key: requests per second of every load, and no request dropped by a reload."""
    lines = {}
    for load in speed.LOADS:
        found = values.get(load.key, {})
        if OURS in found and BASE in found:
            reached = middle(compared(found[OURS], found[BASE], "rate"))
            if reached is not None:
                word = "ok" if reached >= GOAL else "MISSED"
                lines[load.key] = (
                    f"{word}: {load.title}: {reached:.2f} times the requests of Gunicorn (goal >= {GOAL:g})"
                )
    outcomes = [found[OURS] for found in steady.values() if OURS in found]
    if outcomes:
        dropped = sum(item.dropped for item in outcomes)
        asked = sum(item.requests + sum(item.asked.values()) for item in outcomes)
        count = sum(item.reloads for item in outcomes)
        word = "MISSED" if dropped else "ok"
        lines["reload"] = f"{word}: {count} reloads under load dropped {dropped} of {asked} requests (goal 0)"
    return lines


def compared(turns: Turns, base: Turns, name: str) -> list[float]:
    """The ratios of a column, turn by turn, as the load of the machine may be another one in the next turn.

    None at all when a turn of either was not measured: nobody knows which ones belong together.
    """
    ours, theirs = turns.column(name), base.column(name)
    return list(map(truediv, ours, theirs)) if len(ours) == len(theirs) else []


def middle(values: Sequence[float]) -> float | None:
    """The median; None of nothing."""
    return median(values) if values else None


def told(errors: Mapping[str, int]) -> str:
    """``0``, or ``3 reset, 1 refused``."""
    return ", ".join(f"{errors[kind]} {kind}" for kind in errors) or "0"


def times(value: float | None) -> str:
    """``1.23x``."""
    return "" if value is None else f"{value:.2f}x"


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """The first column to the left, the others to the right; a line of one cell does not widen the first column."""
    count = len(lines[0])
    widths = [max(len(line[column]) for line in lines) for column in range(count)]
    rule = tuple("-" * width for width in widths)
    shown = [lines[0], rule, *lines[1:]]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in shown
    )
