"""What a worker is started with: environment, directory, descriptors, arguments; and where its output goes."""

from __future__ import annotations

import json

from harness import child_command, eventually

SHOW = child_command("shows_itself", "{dir}/NAME.shown")
SHOWN = ("argv", "env", "cwd", "umask", "uid", "gid", "groups", "null")

#: Options of watchers, one watcher each.
WATCHERS = {
    "plain": "",
    "copied": "copy_env = True",
    "directory": "working_dir = /",
    "arguments": "args = --wid $(circus.wid) ((circus.numprocesses)) $(circus.env.a) $(circus.nope) 'two words' \"$x\" $HOME",
    "shell": "shell = True\nargs = 'a b' $HOME",
    "input": "close_child_stdin = False\nclose_child_stdout = True\nclose_child_stderr = True",
    "special": "",
}
ENVIRONMENTS = """
[env]
A = 1
B = two words
LANG = xx
lower = $path
undefined = <$NO_SUCH_VARIABLE>

[env:special]
A = 2
C = $VALUE
D = ${VALUE}x$(circus.env.a)
PATH = $PATH:/x

[env:nobody]
E = 1

[circus]
umask = 027
"""


def show(name):
    return SHOW.replace("NAME", name)


def test_what_workers_see(duo):
    sections = "".join(f"[watcher:{name}]\ncmd = {show(name)}\n{more}\n" for name, more in WATCHERS.items())
    duo.start(sections + ENVIRONMENTS, variables={"FROM_OUTSIDE": "a $dollar", "VALUE": "v"})
    for name in WATCHERS:
        duo.observe(name, lambda side, name=name: shown(side, name))
        duo.call("get", name=name, keys=["env", "working_dir", "args"])


def facts_of(side, name):
    """What the program of the worker wrote down."""
    path = side.daemon.directory / f"{name}.shown"
    eventually(path.exists)
    return json.loads(path.read_text())


def shown(side, name):
    """The same, without what is ours alone or different by nature."""
    facts = facts_of(side, name)
    facts["leads its session"] = facts["sid"] == facts["pid"]
    facts["parent is the daemon"] = facts["ppid"] == side.daemon.pid
    # decisions.md 6; PYTHONPATH is how the code under test is found.
    dropped = ("CIRCUS_WATCHER", "CIRCUS_WID", "PYTHONPATH", "__name__")
    facts["env"] = {name: value for name, value in facts["env"].items() if name not in dropped}
    kept = {key: facts[key] for key in (*SHOWN, "leads its session", "parent is the daemon")}
    return side.names.value(kept)


def test_names_of_all_variables(duo):
    duo.start(f"[watcher:web]\ncmd = {show('web')}\n[env]\nA = 1\n")
    duo.observe("variables", lambda side: sorted(facts_of(side, "web")["env"]))


def test_sockets(duo):
    duo.start(
        f"""
[watcher:web]
cmd = {show("web")} $(circus.sockets.door) ((circus.sockets.Back-Door))
use_sockets = True

[watcher:closed]
cmd = {show("closed")} $(circus.sockets.door)

[socket:door]
path = {{dir}}/door
umask = 0

[socket:Back-Door]
host = 127.0.0.1
port = 0
backlog = 5
"""
    )

    def descriptors(side):
        numbers = {s["name"]: s["fd"] for s in side.daemon.call("listsockets")["sockets"]}
        seen = {}
        for name in ("web", "closed"):
            facts = facts_of(side, name)
            arguments = [int(each) if each.isdigit() else each for each in facts["argv"]]
            inherited = [number in facts["descriptors"] for number in arguments]
            named = [socket for number in arguments for socket, fd in numbers.items() if fd == number]
            seen[name] = [named, inherited]
        return seen

    duo.observe("descriptors", descriptors)


def test_input_from_a_socket(duo):
    duo.start(
        f"[watcher:web]\ncmd = {show('web')}\nstdin_socket = door\nclose_child_stdin = False\n[socket:door]\npath = {{dir}}/door\n"
    )
    duo.observe("worker", lambda side: shown(side, "web")["null"])


#: Options of watchers that write, and the file in which their output is looked for.
STREAMS = {
    "file": ("stdout_stream.class = FileStream\nstdout_stream.filename = {dir}/file.out", "file.out"),
    "unnamed": (
        "stdout_stream.filename = {dir}/unnamed.out\nstderr_stream.filename = {dir}/unnamed.err",
        "unnamed.err",
    ),
    "watched": (
        "stdout_stream.class = WatchedFileStream\nstdout_stream.filename = {dir}/watched.out",
        "watched.out",
    ),
    "stdout": ("stdout_stream.class = StdoutStream", "circusd.log"),
    "time": (
        "stdout_stream.class = FileStream\nstdout_stream.filename = {dir}/time.out\nstdout_stream.time_format = T",
        "time.out",
    ),
    "none": ("", "circusd.log"),
    "closed": ("close_child_stdout = True\nclose_child_stderr = True", "closed.ready"),
}


def test_output(duo):
    sections = ""
    for name, (options, _) in STREAMS.items():
        words = f"printf 'one\\ntwo é {name}\\n'; echo wrong {name} >&2; touch {{dir}}/{name}.ready; sleep 98765432"
        sections += f'[watcher:{name}]\ncmd = sh -c "{words}"\n{options}\n'
    duo.start(sections)
    for name, (_, source) in STREAMS.items():
        duo.observe(name, lambda side, name=name, source=source: written(side, name, source))
    duo.observe("closed wrote", lambda side: "closed" in side.daemon.log.replace("closed started", ""))


def written(side, name, source):
    """The lines of a watcher's worker in a file, its pid replaced."""
    word = "wrong" if source.endswith(".err") else "two"
    eventually((side.daemon.directory / f"{name}.ready").exists)
    path = side.daemon.directory / source
    if source.endswith(".ready"):
        return path.read_text()
    # In one line: in the daemon's log there are lines of others with the word, and others with the name.
    eventually(lambda: path.exists() and any(f"{word} " in each and name in each for each in path.read_text().splitlines()))
    (pid,) = side.daemon.pids(name)
    lines = [line.replace(str(pid), "<pid>") for line in path.read_text().splitlines() if "[INFO]" not in line]
    if source != "circusd.log":
        return lines
    # What is passed on by the daemon, and what the worker writes there itself, come in any order.
    return sorted(line for line in lines if name in line)
