"""The members that programs written for Circus 0.19 use on its objects (spec library.md 2 to 6 and 16).

A name in these tables may become a thin stand-in for something else, but must not be lost.
"""

from __future__ import annotations

import inspect
import socket

import pytest

import circus.arbiter
import circus.client
import circus.consumer
import circus.controller
import circus.pidfile
import circus.process
import circus.sockets
import circus.watcher

_ARBITER = """
    _emergency_stop _exclusive_running_command _provided_loop _restarting _running _stopping _watchers_names
    add_watcher check_delay context ctrl debug debug_gc endpoint endpoint_owner endpoint_owner_mode evpub_socket fqdn
    get_arbiter_config get_plugin_config get_socket get_watcher get_watcher_config initialize iter_watchers
    load_from_config loggerconfig loglevel logoutput loop manage_watchers multicast_endpoint numprocesses numwatchers
    pid pidfile prereload_fn proc_name pubsub_endpoint reap_processes reload reload_from_config restart rm_watcher
    running socket_event sockets ssh_server start start_io_loop start_watcher start_watchers stats_endpoint statsd
    statuses stderr_stream stdout_stream stop stop_controller_and_close_sockets stop_watchers umask warmup_delay
    watchers
"""
_WATCHER = """
    __len__ _cfg _found_wids _get_sockets_fds _get_stdin_socket_fd _nextwid _options _process_class _redirector_class
    _reload _restart _start _status _stop arbiter args autostart call_hook close_child_stderr close_child_stdin
    close_child_stdout cmd copy_env copy_path decr do_action env evpub_socket executable get_active_pids
    get_active_processes gid graceful_timeout hooks ignore_hook_failure incr info initialize is_active is_stopped
    is_stopping kill_process kill_processes load_from_config loop manage_processes max_age max_age_variance max_retry
    name notify_event numprocesses on_demand options optnames pending_socket_event pids prereload_fn priority
    process_info processes reap_and_manage_processes reap_process reap_processes reload remove_expired_processes
    res_name respawn restart rlimits send_hup send_signal send_signal_child send_signal_children send_signal_process
    set_numprocesses set_opt shell shell_args singleton sockets spawn_process spawn_processes start status
    stderr_stream stderr_stream_conf stdin_socket stdout_stream stdout_stream_conf stop stop_children stop_signal
    stream_redirector uid use_sockets virtualenv virtualenv_py_ver warmup_delay working_dir
"""
_PROCESS = """
    __gt__ __hash__ __lt__ _worker age args children close_child_stderr close_child_stdin close_child_stdout
    close_output_channels cmd env executable format_args gid info is_alive is_child name pipe_stderr pipe_stdout poll
    redirected returncode rlimits send_signal send_signal_child send_signal_children shell spawn started status stop
    stopping uid use_fds username wait watcher wid working_dir
"""
_SOCKET = """
    backlog bind_and_listen blocking close fileno get_inheritable getsockopt host interface is_unix load_from_config
    location name path port proto replace setsockopt so_reuseport socktype umask
"""
_CONTROLLER = """
    _init_multicast_endpoint _init_stream _init_syshandler arbiter caller check_delay commands context ctrl_socket
    dispatch endpoint endpoint_owner handle_autodiscover_message handle_message initialize loop multicast_endpoint
    send_error send_ok send_response start started stop stream sys_hdl udp_socket
"""


class _Loop:
    """All that a controller needs of a loop to be built."""

    call_soon_threadsafe = None


def _make_controller():
    made = circus.controller.Controller(None, None, None, _Loop(), None)
    made.stop()
    return made


_MEMBERS = {
    "arbiter": (_ARBITER, lambda: circus.arbiter.Arbiter([], None, None)),
    "watcher": (_WATCHER, lambda: circus.watcher.Watcher("w", "c")),
    "process": (_PROCESS, lambda: circus.process.Process("p", 1, "c", spawn=False)),
    "socket": (_SOCKET, lambda: circus.sockets.CircusSocket("s", "127.0.0.1", 0)),
    "controller": (_CONTROLLER, _make_controller),
}


@pytest.mark.parametrize("kind", sorted(_MEMBERS))
def test_members_exist(kind):
    names, make = _MEMBERS[kind]
    made = make()
    # Properties are not asked: some make something, or need a process.
    missing = [name for name in names.split() if not hasattr(type(made), name) and name not in vars(made)]
    if kind == "socket":
        made.close()
    assert missing == []


def test_sockets_are_a_dict_with_verbs():
    sockets = circus.sockets.CircusSockets()
    added = sockets.add("a", "127.0.0.1", 0, socket.AF_INET, socket.SOCK_STREAM)
    assert sockets["a"] is added
    assert sockets.backlog == 2048
    sockets.bind_and_listen_all()
    sockets.close_all()


_CALLS = {
    circus.arbiter.Arbiter.add_watcher: "self name cmd",
    circus.arbiter.Arbiter.load_from_config: "config_file loop",
    circus.arbiter.Arbiter.reload: "self graceful sequential",
    circus.arbiter.Arbiter.reload_from_config: "self config_file inside_circusd",
    circus.arbiter.Arbiter.restart: "self inside_circusd watcher_iter_func",
    circus.arbiter.Arbiter.rm_watcher: "self name nostop",
    circus.arbiter.Arbiter.start: "self cb",
    circus.arbiter.Arbiter.start_watchers: "self watcher_iter_func",
    circus.arbiter.Arbiter.stop_watchers: "self watcher_iter_func",
    circus.client.CircusClient: "context endpoint timeout ssh_server ssh_keyfile",
    circus.client.AsyncCircusClient: "context endpoint timeout ssh_server ssh_keyfile",
    circus.consumer.CircusConsumer: "topics context endpoint ssh_server timeout",
    circus.controller.Controller: (
        "endpoint multicast_endpoint context loop arbiter check_delay endpoint_owner"
    ),
    circus.pidfile.Pidfile: "fname",
    circus.process.Process: (
        "name wid cmd args working_dir shell uid gid env rlimits executable use_fds watcher spawn pipe_stdout "
        "pipe_stderr close_child_stdin close_child_stdout close_child_stderr"
    ),
    circus.sockets.CircusSocket: (
        "name host port family type proto backlog path umask replace interface so_reuseport blocking"
    ),
    circus.watcher.Watcher.decr: "self nb",
    circus.watcher.Watcher.incr: "self nb",
    circus.watcher.Watcher.info: "self extended",
    circus.watcher.Watcher.initialize: "self evpub_socket sockets arbiter",
    circus.watcher.Watcher.kill_process: "self process stop_signal graceful_timeout",
    circus.watcher.Watcher.kill_processes: "self stop_signal graceful_timeout",
    circus.watcher.Watcher.process_info: "self pid extended",
    circus.watcher.Watcher.reap_process: "self pid status",
    circus.watcher.Watcher.reload: "self graceful sequential",
    circus.watcher.Watcher.send_signal_child: "self pid child_id signum",
    circus.watcher.Watcher.send_signal_children: "self pid signum recursive",
    circus.watcher.Watcher.send_signal_process: "self process signum recursive",
    circus.watcher.Watcher.spawn_process: "self recovery_wid",
}


@pytest.mark.parametrize("function", list(_CALLS), ids=lambda function: function.__qualname__)
def test_parameters_can_be_given_by_position_and_name(function):
    expected = _CALLS[function].split()
    if expected[0] == "self" or not inspect.isclass(function):
        found = list(inspect.signature(function).parameters)
    else:
        found = list(inspect.signature(function.__mro__[_with_parameters(function)].__init__).parameters)[1:]
    assert found[: len(expected)] == expected


def _with_parameters(cls):
    """The first class whose constructor names its parameters; others hand on what they get."""
    for number, base in enumerate(cls.__mro__):
        parameters = inspect.signature(base.__init__).parameters.values()
        if any(p.kind is p.POSITIONAL_OR_KEYWORD and p.name != "self" for p in parameters):
            return number
    raise AssertionError(cls)
