"""The eleven hooks: their names, what they are given, and what their answer means.

One table (spec plugins-hooks-streams.md 2, lifecycle.md 9), read by :mod:`circus.hooks`, the option table, the
commands and the manual.
"""

from __future__ import annotations

from circus.base.record import Record


class HookSpec(Record):
    """One hook.

    :param name: its name in ``hooks.<name>``.
    :param arguments: keyword arguments besides ``watcher``, ``arbiter`` and ``hook_name``.
    :param guards: True when a falsy answer forbids what it is asked about.
    :param forgives: True when an exception counts as consent whatever the option's flag says.
    :param doc: when it is called and what refusal does.
    """

    name: str
    arguments: tuple[str, ...]
    guards: bool
    forgives: bool
    doc: str

    def go(self, result: object, failed: bool, ignore_failure: bool) -> bool:
        """Whether what the hook guards may go on, given its result or that it failed."""
        if failed:
            return self.forgives or ignore_failure or not self.guards
        return bool(result) or not self.guards


HOOKS: dict[str, HookSpec] = {
    spec.name: spec
    for spec in (
        HookSpec("before_start", (), True, False, "Before a stopped watcher starts. Refusal leaves it stopped."),
        HookSpec("after_start", (), True, False, "When all its processes run. Refusal stops the watcher."),
        HookSpec("before_spawn", (), True, False, "Before each process starts. Refusal stops the watcher."),
        HookSpec("after_spawn", ("pid",), True, False,
                 "After each process started. Refusal ends that process and stops the watcher."),
        HookSpec("before_stop", (), False, True, "Before the watcher is stopped. The answer is ignored."),
        HookSpec("after_stop", (), False, True, "After the watcher was stopped. The answer is ignored."),
        HookSpec("before_signal", ("pid", "signum"), True, True,
                 "Before a process is signalled. Refusal holds the signal back, except SIGKILL."),
        HookSpec("after_signal", ("pid", "signum"), False, True, "After that. The answer is ignored."),
        HookSpec("before_reap", ("process_pid", "time"), False, True,
                 "When a process has ended, before its end is published. The answer is ignored."),
        HookSpec("after_reap", ("process_pid", "time", "exit_code", "process_status"), False, True,
                 "After its end was published. The answer is ignored."),
        HookSpec("extended_stats", ("pid", "stats"), False, True,
                 "When statistics are asked for with 'extended': may add keys to ``stats``."),
    )
}
