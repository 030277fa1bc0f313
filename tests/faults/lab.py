"""The fault lab: a small fleet of real processes, one fault, and everything that was answered.

A :class:`Lab` starts a coordinator, agents of crowds, and two victims of their own process. Inside
``with lab.fault("…"):`` a test breaks something; one victim is killed a second after that begins,
the other when the lab has recovered. All the while a thread asks the coordinator, more than five
times a second, for every member, and keeps what it answered. At the end, :meth:`Lab.verify` holds
that against the promises, and writes it down for the report.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Self

from musterd.model import State
from musterd.testing.busy import allowed_now
from musterd.testing.daemons import Agent, Coordinator, Setting
from tests.faults.locks import GROUP, Open
from tests.faults.observer import INTERVAL, POLL, Observer, Sample, Witness
from tests.faults.outcome import DEAD, Answers, Outcome
from tests.faults.through_nova import NovaObserver, asking_nova

SERVICE_DOWN_TIME = 4.0
SWEEP_PERIOD = 0.5
STORM_HOLD = 2 * SERVICE_DOWN_TIME
BOUND = SERVICE_DOWN_TIME + SWEEP_PERIOD + INTERVAL
LOOKED_FOR = 5.8 - SERVICE_DOWN_TIME
"""Seconds more where beats are signed: five intervals and a push after a gap in which agents may have
to see another challenge, instead of the down time (docs/detector.md)."""
DURING, AFTER = "dies-during", "dies-after"
CROWD = [f"host-{number:02d}" for number in range(12)]


class Lab:
    """One fleet and one fault. ``store`` is the URL for the coordinator, ``agents_store`` for agents."""

    def __init__(
        self,
        store: str,
        *,
        kind: str,
        locks: Open,
        storm_min: int = 0,
        agents_store: str | None = None,
        program: list[str] | None = None,
        open_files: int | None = None,
        crowds: int = 3,
        nova: Path | None = None,
        **settings: Setting,
    ) -> None:
        self.store = store
        self.agents_store = agents_store or store
        self.locks = locks
        self.outcome = Outcome("", kind, guard=storm_min > 0, locked=locks.are_on)
        self.coordinator = locks.coordinator(store, storm_min=storm_min, **settings)
        self.coordinator.program = program or self.coordinator.program
        self.coordinator.open_files = open_files
        self._agents_of: dict[str, Agent] = {}
        self.agents = {name: self.agent(name) for name in (DURING, AFTER)}
        self.crowds = [self.agent(*CROWD[first::crowds]) for first in range(crowds)]
        self._stack = ExitStack()
        self._epoch = time.monotonic()
        self.observer = Observer(self.coordinator, self._epoch)
        self.everybody = list(CROWD)  # whom only death may bring down, beside the victims
        self.others: list[Witness] = []  # of further coordinators, and Nova
        self.novas: list[NovaObserver] = []
        self._nova = None if locks.are_on else nova  # a Python with Nova in it
        self.mortal: set[str] = set()
        self.guilty_suspects = False  # a mass silence is what this fault is about
        self.believed = 0  # forged goodbyes at most that come before there are many
        self.may_hold_the_dead = False  # for so many living fall silent beside them
        self.overwritten: Sequence[str] = ()  # who has three times as long to be silent
        self._killed_at: dict[str, float] = {}
        self._shards = store.partition("?")[0].count(",") + 1
        self._lost_shards = 0

    def agent(self, *names: str, **settings: Setting) -> Agent:
        """An agent of this fleet, not started."""
        fleet: dict[str, Setting] = {
            "interval": INTERVAL, "service_down_time": SERVICE_DOWN_TIME, "zone": "rack-1"
        }  # fmt: skip
        made = self.locks.agent(self.agents_store, *names, **{**fleet, **settings})
        self._agents_of |= dict.fromkeys(names, made)
        return made

    def __enter__(self) -> Self:
        try:
            self._stack.enter_context(self.coordinator)
            for agent in (*self.crowds, *self.agents.values()):
                self._stack.enter_context(agent)
            self.observer.start()
            self._stack.callback(self.observer.stop)
            self.wait(self._begun, 15, "everybody up, and listening")
            if self._nova is not None:
                self._have_nova_ask(self._nova)
        except BaseException:
            self._stack.close()
            raise
        return self

    def _have_nova_ask(self, python: Path) -> None:
        asking = asking_nova(python, self.coordinator, lambda: [*self._agents_of], self._epoch)
        nova = self._stack.enter_context(asking)
        self.wait(lambda: bool(nova.samples), 30, "Nova asking")
        self.novas.append(nova)
        self.others.append(nova)

    def _begun(self) -> bool:
        return self.all_up(*CROWD, DURING, AFTER) and self.observer.samples[-1].listening

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()

    @property
    def now(self) -> float:
        """Seconds since the lab began."""
        return time.monotonic() - self._epoch

    @property
    def latest(self) -> Sample | None:
        """The newest answer."""
        return self.observer.samples[-1] if self.observer.samples else None

    def start(self, agent: Agent, *names: str) -> Agent:
        """Start another agent, and wait until its members ``names`` are up.

        They are to be up all the time from then on.
        """
        self._stack.enter_context(agent)
        self.wait(lambda: self.all_up(*names), 15, f"{names} up")
        self.everybody += names
        return agent

    def start_another(self) -> tuple[Coordinator, Observer]:
        """Start another coordinator on the same store, and ask it too."""
        coordinator = self._stack.enter_context(
            self.locks.coordinator(
                self.store, service_down_time=SERVICE_DOWN_TIME, sweep_period=SWEEP_PERIOD
            )
        )
        observer = Observer(coordinator, self._epoch)
        observer.start()
        self._stack.callback(observer.stop)
        self.others.append(observer)
        return coordinator, observer

    def all_up(self, *names: str) -> bool:
        """Are all of these answered up, now?"""
        latest = self.latest
        return latest is not None and all(latest.states.get(n) == State.UP for n in names)

    def wait(self, true: Callable[[], bool], within: float, what: str) -> None:
        """Wait for something to be answered; AssertionError when it is not in time.

        That is ``within`` seconds where the machine is not busy.
        """
        began = time.monotonic()
        while not true():
            in_time = time.monotonic() - began < allowed_now(within)
            assert in_time, f"not {what} within {within} s: {self.latest}"
            time.sleep(POLL / 3)

    def last(self, seconds: float) -> None:
        """Let the fault last."""
        time.sleep(seconds)

    def kill(self, name: str) -> None:
        """A host dies."""
        self.mortal.add(name)
        self._killed_at[name] = self.now
        self.agents[name].kill()

    @contextmanager
    def fault(
        self, name: str, *, nova: str = "", recovery: float = 30.0, lost_shards: int = 0
    ) -> Iterator[None]:
        """Break something inside; one host dies a second after it began, one after all is well.

        ``nova`` is what Nova does in the same fault, where that was measured. ``lost_shards`` stay
        away for ever.
        """
        self._lost_shards = lost_shards
        self.outcome.fault, self.outcome.nova = name, nova
        self.outcome.began = self.now
        death = threading.Timer(1.0, self.kill, [DURING])
        death.start()
        try:
            yield
        finally:
            death.join()
        self.outcome.ended = self.now
        self.wait(self._recovered, recovery, "listening again, and everybody alive beating")
        self.wait(lambda: self.is_dead(DURING), BOUND + 10, f"{DURING} found")
        self.wait(lambda: self._is_dead_to_nova(DURING), 10, f"{DURING} found by Nova")
        self.kill(AFTER)
        self.wait(lambda: self.is_dead(AFTER), BOUND + 10, f"{AFTER} found")
        self.wait(lambda: self._is_dead_to_nova(AFTER), 10, f"{AFTER} found by Nova")
        self.outcome.seconds = self.now

    def verify(self) -> Outcome:
        """Hold what was answered against the promises; the outcome, also written for the report."""
        self.observer.stop()
        for other in self.others:
            other.stop()
        alive = [name for name in self.everybody if name not in self.mortal]
        answers = Answers(self.observer, self.others, self._killed_at)
        try:
            self._take_down(answers, alive)
            self._verify(answers, alive)
            self.outcome.kept = True
        finally:
            self.outcome.write(self.observer.samples, self._killed_at)
        return self.outcome

    def _take_down(self, answers: Answers, alive: Sequence[str]) -> None:
        """Fill in the outcome."""
        outcome = self.outcome
        outcome.polls = len(self.observer.asked_at)
        asked = self.observer.asked_at
        outcome.longest_between_polls = max(b - a for a, b in pairwise(asked))
        outcome.false_downs = len(answers.accused(alive))
        outcome.suspects = len(answers.suspects(alive))
        outcome.not_listening = answers.not_listening(outcome.began)
        outcome.explained = answers.explained(outcome.began)
        outcome.found_during = answers.found(DURING)
        outcome.found_after = answers.found(AFTER)

    def _verify(self, answers: Answers, alive: Sequence[str]) -> None:
        outcome, accused = self.outcome, answers.accused(alive)
        assert len(accused) <= self.believed, f"alive and answered down or left: {accused}"
        self._verify_history([name for name in alive if name not in accused])
        assert outcome.suspects == 0 or self.guilty_suspects, "alive and answered suspect"
        for name, found in ((DURING, outcome.found_during), (AFTER, outcome.found_after)):
            assert found is not None, f"{name} was never found"
            held = STORM_HOLD if self.may_hold_the_dead and answers.suspects([name]) else 0.0
            more = 2 * SERVICE_DOWN_TIME if name in self.overwritten else 0.0
            more += LOOKED_FOR * self.locks.are_on
            assert answers.found_at_least(name) <= BOUND + held + more, (
                f"{name} was found after {found:.2f} s of listening"
            )
        if self.locks.are_on:
            self._verify_identity(answers)

    def _verify_identity(self, answers: Answers) -> None:
        """Nobody is there but who has a key, and of each only what its agent says."""
        own = self._agents_of.keys()
        strangers = answers.names() - own
        assert not strangers, f"without a key, and yet members: {strangers}"
        client = self.coordinator.client
        assert client.status().members <= len(own)
        for member in client.members(GROUP):
            zone = self._agents_of[member.member].settings["zone"]
            assert (member.zone, member.owner, member.metadata) == (zone, "", {}), member

    def _recovered(self) -> bool:
        latest = self.latest
        alive = [name for name in (*self.everybody, AFTER) if name not in self.mortal]
        return (
            latest is not None
            and latest.at > self.outcome.ended
            and (latest.listening or latest.heard == self._shards - self._lost_shards)
            and latest.fresh >= len(alive)
            and self.all_up(*alive)
        )

    def _is_dead_to_nova(self, name: str) -> bool:
        return all(nova.is_dead(name) for nova in self.novas)

    def is_dead(self, name: str) -> bool:
        return self.latest is not None and self.latest.states.get(name) in DEAD

    def _verify_history(self, alive: Sequence[str]) -> None:
        for name in alive:
            changes = self.coordinator.client.history(GROUP, name).changes
            wrong = [change for change in changes if change.new in DEAD]
            assert not wrong, f"the history accuses {name}: {wrong}"
