"""``get_config`` of many ini files: the dictionaries of both must be equal, key by key."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

FILES = {
    "empty": "",
    "defaults": "[circus]\n",
    "all of circus": """
[circus]
endpoint = tcp://127.0.0.1:1
pubsub_endpoint = tcp://127.0.0.1:2
stats_endpoint = tcp://127.0.0.1:3
statsd = True
multicast_endpoint = udp://237.219.251.97:1
check_delay = 0.5
warmup_delay = 3
httpd = no
httpd_host = h
httpd_port = 9
debug = on
debug_gc = 1
pidfile = /x/y
umask = 022
loglevel = debug
logoutput = /x/log
loggerconfig = x.json
fqdn_prefix = me
endpoint_owner = root
nonsense = 1
""",
    "all of a watcher": """
[watcher:web]
cmd = a b
args = c d
executable = /bin/x
numprocesses = 3
warmup_delay = 2
working_dir = /tmp
shell = yes
shell_args = -x
uid = root
gid = 0
copy_env = True
copy_path = 1
autostart = off
respawn = no
send_hup = 1
stop_signal = SIGINT
stop_children = yes
max_retry = -1
graceful_timeout = 1.5
priority = 7
singleton = 0
use_sockets = 1
on_demand = 1
max_age = 5
max_age_variance = 6
rlimit_nofile = 500
rlimit_core =
stdout_stream.class = FileStream
stdout_stream.filename = x.log
stdout_stream.max_bytes = 10
stderr_stream.class = StdoutStream
hooks.before_start = os.path.join
hooks.after_start = os.path.join, True
virtualenv = /v
stdin_socket = s
close_child_stdin = no
close_child_stdout = 1
close_child_stderr = yes
check_flapping = True
flapping.attempts = 4
free = some text
""",
    "signals": "".join(
        f"[watcher:w{number}]\ncmd = x\nstop_signal = {name}\n"
        for number, name in enumerate(("9", "term", "SIGHUP", "usr1", "SIGRTMIN+2", "QUIT"))
    ),
    "names": "[watcher:One Two]\ncmd = x\n[watcher:a:b]\ncmd = y\n[watcher:é]\ncmd = z\n[watcher:B]\ncmd = 1",
    "sections": "[watcher:w]\n[watcher:x]\ncmd = 1\n[other]\na = 1\n[watcher:x]\ncmd = 2\nargs = 3\n[watcher:y] trailing\ncmd = 3",
    "delimiters": "[watcher:x]\ncmd: a = b\nargs = c : d\na=b=c\nd:e:f\nempty =\nquoted = \"\"\nblank = ' '\n",
    "comments": """
# hash
; semicolon
rem remark
[watcher:x]
cmd = sleep 1 ; comment
args = a;b ; c
free = x # y
other = x;y
REM = 1
continued = one
  two
  # three ; four

  five
""",
    "duplicates": "[watcher:x]\ncmd = one\ncmd = two\nCmd = three\n",
    "defaults section": "[DEFAULT]\nnumprocesses = 4\nfree = 1\n[watcher:x]\ncmd = a\n[socket:s]\nport = 1\n",
    "percent": "[watcher:x]\ncmd = date +%Y %(cmd)s %%\n",
    "booleans": "".join(
        f"[watcher:w{number}]\ncmd = x\nshell = {word}\n"
        for number, word in enumerate(("yes", "TRUE", "On", "1", "no", "False", "OFF", "0"))
    ),
    "sockets": """
[socket:Web]
host = 127.0.0.1
port = 80
backlog = 5
[socket:u:x]
path = /tmp/x
umask = 022
replace = True
[socket:d]
family = AF_INET6
type = SOCK_DGRAM
so_reuseport = 1
blocking = yes
interface = lo
proto = tcp
""",
    "plugins": """
[plugin:fl]
use = circus.plugins.CircusPlugin
active = no
priority = 5
max_retry = 3
window = 1.5
text = a b
[plugin:Other]
use = a.b
shell = False
""",
    "environment": """
[env]
A = 1
B = $(circus.env.outside)
PATH = $PATH:/x
DOLLAR = ${A} $lower $NO_SUCH
[env:web,*b]
C = 3
A = 2
[env:w?b]
C = 4
[env:WEB]
D = 1
[watcher:web]
cmd = run $(circus.env.a) $(circus.env.c) ((circus.env.outside)) $(circus.env.nope)
args = $(circus.wid) $(env.a)
free = $(circus.env.C)
working_dir = /$(circus.env.a)
stdout_stream.filename = /$(circus.env.a)
hooks.before_start = x.$(circus.env.a)
[watcher:copy]
cmd = x
copy_env = True
[watcher:other]
cmd = y
env = ignored
""",
    "expansion in options": """
[circus]
check_delay = $(circus.env.number)
endpoint = tcp://$(circus.env.outside):1
[env]
number = 3
flag = yes
[watcher:web]
cmd = x
numprocesses = $(circus.env.number)
shell = $(circus.env.flag)
graceful_timeout = $(CIRCUS.ENV.NUMBER)
[socket:s]
port = $(circus.env.number)
host = $(circus.env.outside)
[plugin:p]
use = $(circus.env.outside)
x = $(circus.env.number)
""",
    "includes": "[circus]\ninclude = more/*.ini missing.ini\ninclude_dir = dir\n[watcher:x]\ncmd = main\n",
    "statsd by its endpoint": "[circus]\nstats_endpoint = tcp://127.0.0.1:3\n",
    "rlimits": "[watcher:x]\ncmd = a\nrlimit_NOFILE = 1\nrlimit_as = -1\n",
    "priority order": "[watcher:b]\ncmd = x\npriority = 1\n[watcher:a]\ncmd = x\n[watcher:c]\ncmd = x\npriority = 9\n",
    "streams": "[watcher:x]\ncmd = a\nstdout_stream.class = a.b.C\nstdout_stream.any_thing = x y\nstderr_stream.filename = f\n",
    "wid": "[watcher:x]\ncmd = a $WID $(circus.wid)\nargs = $WID\n",
    "environment only": "[env]\nA = 1\n[env:x]\nB = 1\n",
    # Errors.
    "no header": "a = 1\n",
    "no delimiter": "[watcher:x]\nnonsense\nmore nonsense\n",
    "bad integer": "[watcher:x]\ncmd = a\nnumprocesses = abc\n",
    "bad float": "[watcher:x]\ncmd = a\ngraceful_timeout = abc\n",
    "bad boolean": "[watcher:x]\ncmd = a\nshell = maybe\n",
    "empty boolean": "[watcher:x]\ncmd = a\nshell =\n",
    "bad warmup": "[circus]\nwarmup_delay = 0.5\n",
    "bad umask": "[circus]\numask = 9\n",
    "bad signal": "[watcher:x]\ncmd = a\nstop_signal = NOSIG\n",
    "bad limit": "[watcher:x]\ncmd = a\nrlimit_nofile = abc\n",
    "bad stream": "[watcher:x]\ncmd = a\nstdout_stream = x\n",
}
MORE = {
    "more/b.ini": "[watcher:x]\nargs = from b\n",
    "more/a.txt": "[watcher:no]\ncmd = no\n",
    "dir/c.ini": "[watcher:x]\ncmd = ignored\nnumprocesses = 5\n[watcher:y]\ncmd = from dir\n",
}


@pytest.fixture(scope="session")
def dumps(tmp_path_factory, reference, subject):
    """What both make of each file: name -> (reference, subject)."""
    directory = tmp_path_factory.mktemp("config")
    paths = []
    for number, text in enumerate(FILES.values()):
        paths.append(directory / f"{number}.ini")
        paths[-1].write_text(text)
    for name, text in MORE.items():
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(text)
    found = {}
    for side, installation in (("reference", reference), ("subject", subject)):
        done = subprocess.run(
            [installation.python, "-B", str(Path(__file__).with_name("configdump.py")), *map(str, paths)],
            env=installation.environment({"outside": "o"}),
            cwd=directory,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        text = done.stdout.replace(str(directory), "<dir>").replace(installation.python, "<python>")
        found[side] = dict(zip(FILES, json.loads(text), strict=True))
    return found


BUILTIN_ERRORS = ("ValueError", "KeyError", "OSError", "ImportError")


@pytest.mark.parametrize("name", FILES)
def test_config(duo, dumps, name):
    duo.compare("config", {side: tidy(dumps[side][name]) for side in ("reference", "subject")})


def tidy(config):
    """A dictionary without the variable that the code under test is found by, and without the stray one
    (decisions.md 6); or the builtin type and the text of an error. Ours may say where the mistake is.
    """
    if isinstance(config, list):
        kinds, text = config
        return [{kind: "is a base" for kind in kinds if kind in BUILTIN_ERRORS}, text.partition(" (<dir>")[0]]
    for watcher in config["watchers"]:
        dropped = ("PYTHONPATH", "__name__")
        watcher["env"] = {key: value for key, value in watcher["env"].items() if key not in dropped}
    return config
