"""The life cycle under any order of wishes, deaths, failures and time (a hypothesis state machine)."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from circus.model import steps
from circus.model.steps import Wish
from harness.examples import examples
from tests.unit.model.test_lifecycle import Play

HOOKS = ("before_start", "after_start", "before_spawn", "after_spawn", "before_stop", "before_signal", "before_reap")


class AnyOrder(RuleBasedStateMachine):
    """Whatever happens: invariants hold, nobody waits for ever, each spawn has one reap, nothing spins."""

    def __init__(self) -> None:
        super().__init__()
        self.play = Play(numprocesses=2, graceful_timeout=5.0)
        self.tickets = 0

    @rule(wish=st.sampled_from([Wish.START, Wish.STOP, Wish.RESTART, Wish.RELOAD]), sequential=st.booleans())
    def want(self, wish: Wish, sequential: bool) -> None:
        self.tickets += 1
        self.play.want(wish, self.tickets, sequential=sequential)

    @rule(number=st.integers(0, 5))
    def resize(self, number: int) -> None:
        self.tickets += 1
        self.play.rules.numprocesses = number
        self.play.want(Wish.RESIZE, self.tickets)

    @rule()
    def kill(self) -> None:
        self.tickets += 1
        self.play.want(Wish.KILL, self.tickets)

    @rule(
        hooks=st.sets(st.sampled_from(HOOKS)),
        warmup=st.sampled_from([0.0, 0.5]),
        respawn=st.booleans(),
        singleton=st.booleans(),
        send_hup=st.booleans(),
        max_retry=st.sampled_from([-1, 1, 3]),
        max_age=st.sampled_from([0, 3]),
    )
    def change_options(self, hooks: set[str], **options: object) -> None:
        for name, value in options.items():
            setattr(self.play.rules, "warmup_delay" if name == "warmup" else name, value)
        self.play.rules.hooks = dict.fromkeys(hooks)

    @precondition(lambda self: self.play.living)
    @rule(data=st.data(), code=st.sampled_from([0, 1, -9, None]), leftovers=st.booleans())
    def die(self, data: st.DataObject, code: int | None, leftovers: bool) -> None:
        sid = data.draw(st.sampled_from(sorted(self.play.living)))
        # The shell looks for leftovers only where Circus itself asked for the end.
        self.play.die(sid, code, leftovers and bool(self.play.machine.slots[sid].ending))

    @precondition(lambda self: self.play.trees)
    @rule(data=st.data())
    def end_tree(self, data: st.DataObject) -> None:
        self.play.end_tree(data.draw(st.sampled_from(sorted(self.play.trees))))

    @rule()
    def hurry(self) -> None:
        self.play.feed(steps.Hurried())

    @precondition(lambda self: self.play.asked)
    @rule(go=st.booleans())
    def answer(self, go: bool) -> None:
        self.play.answer(go)

    @rule(stubborn=st.booleans(), broken=st.booleans(), passing=st.booleans(), lazy=st.booleans())
    def change_world(self, stubborn: bool, broken: bool, passing: bool, lazy: bool) -> None:
        self.play.dies_of = {9} if stubborn else {15, 9}
        self.play.passing = passing
        self.play.broken = "broken" if broken else ""
        if not lazy:
            self._spawn_pending()
        self.play.lazy = lazy

    @rule(seconds=st.sampled_from([0.05, 0.6, 6.0, 40.0]))
    def advance(self, seconds: float) -> None:
        self.play.advance(seconds)

    def _spawn_pending(self) -> None:
        while self.play.pending:
            self.play.feed(self.play._spawn(self.play.pending.pop(0)))

    @invariant()
    def no_process_is_forgotten(self) -> None:
        slots = self.play.machine.slots
        assert set(self.play.living) <= set(slots), "a process runs that the machine forgot"

    def teardown(self) -> None:
        """Let the world calm down, then stop: everything must be answered and gone."""
        play = self.play
        play.dies_of, play.lazy = {15, 9}, False
        self._spawn_pending()
        self.tickets += 1
        play.want(Wish.STOP, self.tickets)
        for _ in range(1000):
            if play.asked:
                play.answer(go=True)
            elif set(range(1, self.tickets + 1)) <= set(play.settled) and play.machine.status == "stopped":
                break
            else:
                play.advance(1.0)
        assert play.machine.status == "stopped"
        assert play.living == {}
        assert set(range(1, self.tickets + 1)) == set(play.settled)
        given_up = sum("no longer waited for" in line for line in play.logged)
        assert play.next_pid - 1000 - given_up <= play.events.count("reap") <= play.next_pid - 1000


AnyOrder.TestCase.settings = settings(max_examples=examples(300), stateful_step_count=40)
TestAnyOrder = AnyOrder.TestCase
