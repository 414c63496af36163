"""Writes down what it was started with, as JSON. Usage: shows_itself.py FILE [ARGUMENT...].

FILE (``PID`` in it stands for the pid) gets: pid, ppid, argv, env, cwd, umask, uid, gid, groups, sid,
descriptors above 2 that are open, and whether stdin is the null device. Then it sleeps.
"""

import json
import os
import sys

from ready import announce, sleep

umask = os.umask(0)
os.umask(umask)
null = os.stat(os.devnull)


def is_open(fd):
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def is_null(fd):
    return is_open(fd) and os.path.samestat(os.fstat(fd), null)


announce(
    sys.argv[1],
    json.dumps(
        {
            "pid": os.getpid(),
            "ppid": os.getppid(),
            "argv": sys.argv[2:],
            "env": dict(os.environ),
            "cwd": os.getcwd(),
            "umask": umask,
            "uid": os.getuid(),
            "gid": os.getgid(),
            "groups": sorted(os.getgroups()),
            "sid": os.getsid(0),
            "descriptors": [fd for fd in range(3, 256) if is_open(fd)],
            "null": [is_null(fd) for fd in (0, 1, 2)],
        }
    ),
)
sleep()
