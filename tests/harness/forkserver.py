"""Many runs of one program in one warm interpreter: it is imported once, and forked for each run.

Run as a script by the interpreter of an installation (nothing of the harness is imported there). Each line on
stdin is a JSON object: argv, stdin, cwd, env; each line on stdout tells how that run ended: rc, out, err.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
import traceback


def serve(module: str, name: str) -> None:
    """Answer requests to run ``module.main()`` as the program ``name`` until stdin ends."""
    program = importlib.import_module(module).main
    # The channel moves away from 0 and 1, which belong to the runs.
    requests = os.fdopen(os.dup(0), "r", encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    for line in requests:
        request = json.loads(line)
        with (
            tempfile.TemporaryFile() as given,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
        ):
            given.write(request["stdin"].encode())
            given.seek(0)
            pid = os.fork()
            if not pid:
                for number, file in enumerate((given, out, err)):
                    os.dup2(file.fileno(), number)
                os.chdir(request["cwd"])
                os.environ.clear()
                os.environ.update(request["env"])
                run(program, [name, *request["argv"]])
            _, status = os.waitpid(pid, 0)
            answer = {"rc": os.waitstatus_to_exitcode(status)}
            for key, file in (("out", out), ("err", err)):
                file.seek(0)
                answer[key] = file.read().decode(errors="replace")
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def run(program, argv: list[str]) -> None:  # type: ignore[no-untyped-def]
    """Run a program as its console script would, and end the process."""
    sys.argv = argv
    sys.stdin, sys.stdout, sys.stderr = (
        open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115 - open until the end
        for number, mode in ((0, "r"), (1, "w"), (2, "w"))
    )
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr
    code: object = 1
    try:
        code = program()
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        traceback.print_exc()
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code or 0)


if __name__ == "__main__":
    sys.path.pop(0)  # the directory of this file, whose modules are not the program's
    serve(*sys.argv[1:])
