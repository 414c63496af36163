"""Trees, identity and figures of real processes, and of objects that only look like one of psutil."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from circus.system import procinfo, proctable
from circus.system.procinfo import (
    ProcRef,
    Sampler,
    children_of,
    get_info,
    is_same,
    ref_of,
    signal_ref,
    snapshot_trees,
)
from harness.descriptors import open_descriptors, settled_descriptors
from harness.waiting import eventually

CHILDREN = Path(__file__).resolve().parents[2] / "children"
KEYS = {
    "mem_info1", "mem_info2", "cpu", "mem", "ctime", "pid", "username", "nice", "create_time", "age",
    "cmdline", "children",
}  # fmt: skip


class Started:
    """Processes of one test, each the leader of its own session; all of them are killed afterwards."""

    def __init__(self) -> None:
        self.popens: list[subprocess.Popen[bytes]] = []
        self.others: set[int] = set()

    def __call__(self, *argv: str) -> int:
        self.popens.append(subprocess.Popen(argv, start_new_session=True))
        return self.popens[-1].pid

    def family(self, tmp_path: Path, depth: int, mode: str) -> list[int]:
        """Pids of a process and its descendants, once all of them are there."""
        ready = tmp_path / f"ready-{len(self.popens)}"
        self(sys.executable, str(CHILDREN / "forks_grandchild.py"), str(ready), str(depth), mode)
        pids = [int(pid) for pid in eventually(lambda: ready.exists() and ready.read_text().split())]
        self.others.update(pids[1:])
        return pids

    def end(self) -> None:
        for pid in self.others:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        for popen in self.popens:
            popen.kill()
            popen.wait()
        for pid in self.others:
            # Orphans come to the test process, see tests/conftest.py.
            eventually(lambda pid=pid: not is_ours(pid))


def is_ours(pid: int) -> bool:
    """Whether a process is our child; one that has ended is collected and no longer is."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == 0
    except ChildProcessError:
        return False


@pytest.fixture
def started() -> Iterator[Started]:
    made = Started()
    yield made
    made.end()


@pytest.fixture
def sampler() -> Iterator[Sampler]:
    made = Sampler()
    yield made
    made.close()


@pytest.fixture(params=["listed by the kernel", "from all parents"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = request.param == "listed by the kernel"
    if listed and not proctable.HAS_CHILDREN_FILE:
        pytest.skip("this kernel does not list children")
    monkeypatch.setattr(proctable, "HAS_CHILDREN_FILE", listed)
    monkeypatch.setattr(procinfo, "HAS_CHILDREN_FILE", listed)


@pytest.mark.usefixtures("way")
class TestTrees:
    @pytest.mark.parametrize("mode", ["plain", "session"])
    def test_descendants_of_all_generations(self, started: Started, tmp_path: Path, mode: str) -> None:
        root, *rest = started.family(tmp_path, 3, mode)
        assert [ref.pid for ref in snapshot_trees([root])[root]] == rest

    def test_orphans_are_found_by_their_session(self, started: Started, tmp_path: Path) -> None:
        root, *rest = started.family(tmp_path, 2, "leave")
        assert started.popens[-1].wait() == 0
        assert {ref.pid for ref in snapshot_trees([root])[root]} == set(rest)

    def test_several_roots_at_once(self, started: Started, tmp_path: Path) -> None:
        first, second = started.family(tmp_path, 1, "plain"), started.family(tmp_path, 2, "plain")
        trees = snapshot_trees([first[0], second[0], 2**22 + 1])
        assert {ref.pid for ref in trees[first[0]]} == {first[1]}
        assert {ref.pid for ref in trees[second[0]]} == set(second[1:])
        assert trees[2**22 + 1] == ()

    def test_a_root_is_never_part_of_its_own_tree(self, started: Started) -> None:
        pid = started("sleep", "60")
        assert snapshot_trees([pid]) == {pid: ()}

    def test_what_has_ended_is_left_out(self, started: Started) -> None:
        pid = started("sh", "-c", "sleep 0 & exec sleep 60")
        eventually(lambda: any(not is_same(ref) for ref in map(ref_of, children_of(pid)) if ref))
        assert snapshot_trees([pid]) == {pid: ()}

    def test_children(self, started: Started, tmp_path: Path) -> None:
        pids = started.family(tmp_path, 2, "plain")
        assert children_of(pids[0]) == [pids[1]]
        assert children_of(pids[0], recursive=True) == pids[1:]
        assert children_of(2**22 + 1) == []

    def test_children_of_every_thread(self, started: Started, sampler: Sampler) -> None:
        code = (
            "import subprocess, threading\n"
            "run = lambda: subprocess.run(['sleep', '60'])\n"
            "[threading.Thread(target=run).start() for _ in range(3)]"
        )
        pid = started(sys.executable, "-I", "-S", "-c", code)
        kids = eventually(lambda: len(found := children_of(pid)) == 3 and found)
        started.others.update(kids)
        assert {info["pid"] for info in sampler.infos([pid])[pid]["children"]} == set(kids)


class TestIdentity:
    def test_a_living_process_is_the_same(self, started: Started) -> None:
        ref = ref_of(started("sleep", "60"))
        assert ref is not None
        assert is_same(ref)
        assert signal_ref(ref, 0)

    def test_a_recycled_number_is_not(self, started: Started) -> None:
        pid = started("sleep", "60")
        ref = ref_of(pid)
        assert ref is not None
        older = ProcRef(pid, ref.starttime - 1)
        assert not is_same(older)
        assert not signal_ref(older, signal.SIGKILL)
        assert is_same(ref)

    def test_signal_arrives(self, started: Started) -> None:
        ref = ref_of(started("sleep", "60"))
        assert ref is not None
        assert signal_ref(ref, signal.SIGTERM)
        eventually(lambda: not is_same(ref))  # a zombie by now, which counts as gone
        assert not signal_ref(ref, signal.SIGTERM)
        assert started.popens[0].wait() == -signal.SIGTERM
        assert not signal_ref(ref, signal.SIGTERM)
        assert ref_of(ref.pid) is None

    def test_without_pidfd(self, started: Started, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delattr(os, "pidfd_open")
        ref = ref_of(started("sleep", "60"))
        assert ref is not None
        assert not signal_ref(ProcRef(ref.pid, ref.starttime + 1), signal.SIGKILL)
        assert signal_ref(ref, signal.SIGTERM)
        assert started.popens[0].wait() == -signal.SIGTERM


class TestSampler:
    def test_shape(self, started: Started, sampler: Sampler) -> None:
        pid = started("sleep", "60")
        eventually(lambda: sampler.infos([pid])[pid]["cmdline"] == "sleep" or sampler.close())
        info = sampler.infos([pid])[pid]
        assert set(info) == KEYS
        assert json.loads(json.dumps(info)) == info
        assert info["pid"] == pid
        assert info["children"] == []
        assert info["nice"] == os.getpriority(os.PRIO_PROCESS, 0)
        assert info["username"] == psutil.Process(pid).username()
        assert abs(info["create_time"] - psutil.Process(pid).create_time()) < 1.5
        assert 0 <= info["age"] < 60

    def test_agrees_with_psutil(self, sampler: Sampler) -> None:
        pid, other = os.getpid(), psutil.Process()

        def both() -> Any:
            before = other.memory_info().vms
            info, truth = sampler.infos([pid])[pid], other.as_dict(["memory_info", "memory_percent", "cpu_times"])
            return truth["memory_info"].vms == before and (info, truth)  # looking may take memory

        info, truth = eventually(both)
        assert info["mem_info2"] == procinfo.bytes2human(truth["memory_info"].vms)
        assert info["mem"] == pytest.approx(truth["memory_percent"], abs=0.2)
        minutes, seconds = info["ctime"].split(":")
        used = truth["cpu_times"].user + truth["cpu_times"].system
        assert int(minutes) * 60 + float(seconds) == pytest.approx(used, abs=0.5)

    def test_children(self, started: Started, sampler: Sampler, tmp_path: Path) -> None:
        pids = started.family(tmp_path, 2, "plain")
        assert [kid["pid"] for kid in sampler.infos([pids[0]])[pids[0]]["children"]] == [pids[1]]
        assert sampler.infos([pids[0]])[pids[0]]["children"][0]["children"] == []
        assert sampler.infos([pids[0]], children=False)[pids[0]]["children"] == []

    def test_cpu_since_the_last_sample(self, started: Started, sampler: Sampler) -> None:
        pid = started(sys.executable, "-I", "-S", "-c", "while True: pass")
        assert sampler.infos([pid])[pid]["cpu"] == 0.0
        assert eventually(lambda: sampler.infos([pid])[pid]["cpu"] > 0, interval=0.05)

    def test_an_idle_process_costs_no_cpu(self, started: Started, sampler: Sampler) -> None:
        pid = started("sleep", "60")
        first = sampler.infos([pid])[pid]
        again = sampler.infos([pid])[pid]
        assert again["cpu"] == 0.0
        assert again["age"] > first["age"]

    def test_answers_are_not_shared(self, started: Started, sampler: Sampler) -> None:
        """Watchers and hooks write into them."""
        pid = started("sleep", "60")
        for _ in range(3):
            info = sampler.infos([pid])[pid]
            assert "wid" not in info
            assert info["children"] == []
            info["wid"] = 1
            info["children"].append("mine")

    def test_processes_that_are_gone_are_left_out(self, started: Started, sampler: Sampler) -> None:
        gone, here = started("sleep", "60"), started("sleep", "60")
        assert set(sampler.infos([gone, here])) == {gone, here}
        started.popens[0].kill()
        os.waitid(os.P_PID, gone, os.WEXITED | os.WNOWAIT)
        assert set(sampler.infos([gone, here])) == {here}  # a zombie
        started.popens[0].wait()
        assert set(sampler.infos([gone, here])) == {here}
        assert len(sampler) == 1

    def test_an_ended_child_is_a_zombie(self, started: Started, sampler: Sampler) -> None:
        pid = started("sh", "-c", "sleep 0 & exec sleep 60")
        eventually(lambda: [kid["nice"] for kid in sampler.infos([pid])[pid]["children"]] == ["Zombie"])

    def test_a_recycled_number_is_met_anew(self, started: Started, sampler: Sampler) -> None:
        pid = started("sleep", "60")
        sampler.infos([pid])
        known = sampler._known[pid]
        known.start -= 1
        known.user = "somebody else"
        known.data = b""
        assert sampler.infos([pid])[pid]["username"] != "somebody else"

    def test_another_program_in_the_same_process(self, started: Started, sampler: Sampler, tmp_path: Path) -> None:
        word = tmp_path / "word"
        os.mkfifo(word)
        pid = started("sh", "-c", 'read -r word <"$0"; exec sleep 60', str(word))
        eventually(lambda: sampler.infos([pid])[pid]["cmdline"] == "sh" or sampler.close())
        word.write_text("go\n")
        eventually(lambda: sampler.infos([pid])[pid]["cmdline"] == "sleep")

    def test_a_name_with_brackets_and_blanks(
        self, started: Started, sampler: Sampler, tmp_path: Path
    ) -> None:
        program = tmp_path / "a) S 1 (b"
        program.symlink_to(Path("/bin/sleep").resolve())
        pid = started(str(program), "60")
        eventually(lambda: Path(f"/proc/{pid}/cmdline").read_bytes())
        assert sampler.infos([pid])[pid]["cmdline"] == "a) S 1 (b"
        assert children_of(os.getpid()).count(pid) == 1

    def test_without_kept_descriptors(self, started: Started, sampler: Sampler, tmp_path: Path) -> None:
        """Too many processes, or too few descriptors: slower, and the same."""
        pids = started.family(tmp_path, 1, "plain")
        before = settled_descriptors()
        sampler._kept_max = 0
        for _ in range(2):
            info = sampler.infos([pids[0]])[pids[0]]
            assert [kid["pid"] for kid in info["children"]] == [pids[1]]
        assert open_descriptors() == before
        started.popens[0].kill()
        started.popens[0].wait()
        assert sampler.infos([pids[0]]) == {}

    def test_descriptors_come_back(self, started: Started, sampler: Sampler) -> None:
        before = settled_descriptors()
        pids = [started("sleep", "60") for _ in range(3)]
        sampler.infos(pids)
        assert open_descriptors() > before
        sampler.forget(pids[0])
        sampler.forget(pids[0])
        sampler.close()
        assert open_descriptors() == before
        assert len(sampler) == 0

    def test_what_nobody_asks_about_is_forgotten(
        self, started: Started, sampler: Sampler, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, second = started("sleep", "60"), started("sleep", "60")
        sampler.infos([first, second])
        real = time.monotonic
        monkeypatch.setattr(procinfo.time, "monotonic", lambda: real() + 300)
        sampler.infos([second])
        assert len(sampler) == 1

    def test_one_pass_for_a_host_that_lists_no_children(
        self, started: Started, sampler: Sampler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pids = started.family(tmp_path, 1, "plain")
        monkeypatch.setattr(procinfo, "HAS_CHILDREN_FILE", False)
        assert [kid["pid"] for kid in sampler.infos([pids[0]])[pids[0]]["children"]] == [pids[1]]

    def test_without_proc_psutil_answers(
        self, started: Started, sampler: Sampler, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(procinfo, "HAS_PROC", False)
        monkeypatch.setattr(proctable, "HAS_PROC", False)
        pid = started("sh", "-c", "sleep 60 & wait")
        info = eventually(lambda: len((found := sampler.infos([pid])[pid])["children"]) == 1 and found)
        assert set(info) == KEYS
        kid = info["children"][0]["pid"]
        started.others.add(kid)
        assert children_of(pid) == [kid]
        ref = ref_of(kid)
        assert ref is not None
        assert is_same(ref)
        assert [each.pid for each in snapshot_trees([pid])[pid]] == [kid]
        assert not is_same(ProcRef(kid, ref.starttime + 1))


class TestGetInfo:
    def test_our_own_process(self) -> None:
        assert get_info()["pid"] == os.getpid()
        assert set(get_info(with_childs=True)) == KEYS

    def test_gone(self) -> None:
        with pytest.raises(psutil.NoSuchProcess):
            get_info(2**22 + 1)

    def test_interval_measures(self, started: Started) -> None:
        pid = started(sys.executable, "-I", "-S", "-c", "while True: pass")
        eventually(lambda: get_info(pid, interval=0.05)["cpu"] > 0)

    def test_psutil_object(self, started: Started) -> None:
        pid = started("sh", "-c", "sleep 60 & wait")
        process = psutil.Process(pid)
        started.others.update(eventually(lambda: children_of(pid)))
        # The child is the shell's copy until it has executed its program.
        eventually(lambda: [kid.cmdline() for kid in process.children()] == [["sleep", "60"]])
        info = get_info(process, with_childs=True)
        assert set(info) == KEYS
        assert info["cmdline"] == "sh"
        assert [kid["cmdline"] for kid in info["children"]] == ["sleep"]

    def test_everything_denied(self) -> None:
        class Denied:
            def __getattr__(self, name: str) -> Any:
                raise psutil.AccessDenied

        info = get_info(Denied())
        assert info.pop("children") == []
        assert set(info.values()) == {"N/A"}
        assert get_info(Denied(), with_childs=True)["children"] == []

    def test_old_method_names(self) -> None:
        old = SimpleNamespace(
            pid=7,
            get_memory_info=lambda: SimpleNamespace(rss=2048, vms=100),
            get_memory_percent=lambda: 1.23456,
            get_cpu_percent=lambda interval: 5.0,
            get_cpu_times=lambda: SimpleNamespace(user=3 * 3600.0, system=0.05),
            get_nice=lambda: 3,
            get_cmdline=lambda: ["/usr/bin/python3", "x"],
            create_time=100.0,
            username="me",
            get_children=lambda recursive: [],
        )
        info = get_info(old, with_childs=True)
        assert info.pop("age") > 0
        assert info == {
            "mem_info1": "2.00K", "mem_info2": "100B", "cpu": 5.0, "mem": 1.235, "ctime": "180:00.05",
            "pid": 7, "username": "me", "nice": 3, "create_time": 100.0, "cmdline": "python3", "children": [],
        }  # fmt: skip

    def test_remembers_no_process_for_ever(self, started: Started) -> None:
        pid = started("sleep", "60")
        get_info(pid)
        assert pid in procinfo._PROCS
        started.popens[0].kill()
        started.popens[0].wait()
        with pytest.raises(psutil.NoSuchProcess):
            get_info(pid)
        assert pid not in procinfo._PROCS


def test_cpu_time_is_padded_and_keeps_the_hours(sampler: Sampler, monkeypatch: pytest.MonkeyPatch) -> None:
    hz = os.sysconf("SC_CLK_TCK")
    ticks = 3 * 3600 * hz + hz * 5 // 100
    line = f"1 (x) S 0 1 1 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0 1 0 5 4096 1 0"
    monkeypatch.setattr(procinfo.Known, "read", lambda self: line.encode())
    monkeypatch.setattr(procinfo, "read_stat", lambda pid: line.encode().rpartition(b") ")[2].split())
    assert sampler.infos([1], children=False)[1]["ctime"] == "180:00.05"


# -- figures -------------------------------------------------------------------------------------------------


FIGURES = {
    "rss", "vms", "threads", "cpu_time", "fds", "read_bytes", "write_bytes", "ctx_switches", "children_count",
    "children_cpu", "children_rss",
}  # fmt: skip


def test_figures_agree_with_psutil(started: Started) -> None:
    sampler = Sampler()
    pid = started("sleep", "98765")
    process = psutil.Process(pid)

    def at_rest() -> bool:
        """Loaded, and nothing has changed between two looks."""
        before = (process.num_ctx_switches(), process.memory_info())
        time.sleep(0.01)
        now = (process.num_ctx_switches(), process.memory_info())
        return process.name() == "sleep" and process.status() == psutil.STATUS_SLEEPING and before == now

    eventually(at_rest)
    info = sampler.figures([pid])[pid]
    assert set(info) == KEYS | FIGURES
    assert info["children"] == []
    assert info["rss"] == pytest.approx(process.memory_info().rss, abs=1 << 20)
    assert (info["vms"], info["threads"]) == (process.memory_info().vms, 1)
    assert (info["fds"], info["children_count"]) == (process.num_fds(), 0)
    switches = process.num_ctx_switches()
    assert info["ctx_switches"] == switches.voluntary + switches.involuntary
    if procinfo.HAS_PROC:
        assert info["read_bytes"] == process.io_counters().read_bytes
    sampler.close()


def test_figures_add_up_children_which_may_be_asked_about_themselves(started: Started, tmp_path: Path) -> None:
    sampler = Sampler()
    parent, child, grandchild = started.family(tmp_path, 2, "plain")
    found = sampler.figures([parent, child])
    assert (found[parent]["children_count"], found[child]["children_count"]) == (1, 1)
    assert found[parent]["children_rss"] == found[child]["rss"]
    assert sampler.figures([parent], children=False)[parent]["children_count"] <= 1
    os.kill(grandchild, signal.SIGKILL)
    eventually(lambda: sampler.figures([child])[child]["children_count"] == 0)
    sampler.close()
    assert len(sampler) == 0


def test_a_process_asked_about_twice_at_once_keeps_its_cpu(started: Started, tmp_path: Path) -> None:
    sampler = Sampler()
    spin = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while 1: pass'])"
    parent = started(sys.executable, "-c", spin)
    child = eventually(lambda: children_of(parent))[0]
    started.others.add(child)
    eventually(lambda: psutil.Process(child).cpu_times().user > 0.2)
    sampler.figures([parent, child])
    eventually(lambda: psutil.Process(child).cpu_times().user > 0.6)
    found = sampler.figures([parent, child])  # the parent first, which looks at its child
    assert found[child]["cpu"] > 5
    assert found[parent]["children_cpu"] == found[child]["cpu"]
    sampler.close()


def test_what_costs_more_is_asked_less_often(started: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(procinfo, "read_detail", lambda pid: asked.append(pid) or procinfo.Known(1, 1).detail)
    now = [1000.0]
    monkeypatch.setattr(procinfo.time, "monotonic", lambda: now[0])
    sampler = Sampler()
    pids = [started("sleep", "98765") for _ in range(4)]
    for _ in range(60):
        sampler.figures(pids)
        now[0] += 1.0
    for pid in pids:
        assert 60 / procinfo.DETAIL_EVERY <= asked.count(pid) <= 60 / procinfo.DETAIL_EVERY + 2
    sampler.close()


def test_figures_without_proc(started: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(procinfo, "HAS_PROC", False)
    sampler = Sampler()
    pid, other = started("sleep", "98765"), started("sleep", "98765")
    found = sampler.figures([pid, other])
    assert set(found[pid]) == KEYS | FIGURES
    assert found[pid]["rss"] > 0
    started.end()
    assert sampler.figures([pid]) == {}
    assert len(sampler) == 0


def test_figures_forget_who_is_gone(started: Started) -> None:
    sampler = Sampler()
    pids = [started("sleep", "98765") for _ in range(5)]
    assert set(sampler.figures(pids)) == set(pids)
    before = settled_descriptors()
    started.end()
    assert sampler.figures(pids) == {}
    assert len(sampler) == 0
    if procinfo.HAS_PROC:
        assert open_descriptors() < before
