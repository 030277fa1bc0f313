"""The fault lab: a small fleet of real processes, one fault, and everything that was answered.

A :class:`Lab` starts a coordinator, agents of crowds, and two victims of their own process. Inside
``with lab.fault("…"):`` a test breaks something; one victim is killed a second after that begins,
the other when the lab has recovered. All the while a thread asks the coordinator, more than five
times a second, for every member, and keeps what it answered. At the end, :meth:`Lab.verify` holds
that against the promises, and writes it down for the report.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Self

from musterd.answers import MemberAnswer
from musterd.client import Client
from musterd.errors import MusterdError
from musterd.model import State
from musterd.status import StatusAnswer
from musterd.testing.daemons import Agent, Coordinator, Setting

SERVICE_DOWN_TIME = 4.0
SWEEP_PERIOD = 0.5
INTERVAL = 1.0
STORM_HOLD = 2 * SERVICE_DOWN_TIME
BOUND = SERVICE_DOWN_TIME + SWEEP_PERIOD + INTERVAL
POLL = 0.15  # seconds: six to seven times a second
RESULTS = "FAULTS_RESULTS"
GROUP = "compute"
DURING, AFTER = "dies-during", "dies-after"
CROWD = [f"host-{number:02d}" for number in range(12)]
DEAD = (State.DOWN, State.LEFT)


@dataclass(frozen=True, slots=True)
class Sample:
    """What one coordinator answered at one moment; ``at`` is seconds since the lab began.

    ``fresh`` counts members whose silence is shorter than two intervals, ``heard`` the shards that
    are listened to; ``listening`` says whether that is all of them. ``run`` counts how often the
    coordinator was started.
    """

    at: float
    states: dict[str, str]
    fresh: int
    listening: bool
    heard: int
    reasons: tuple[str, ...]
    listening_time: float
    run: int = 0


@dataclass(slots=True)
class Outcome:
    """What a fault did, as the report tells it; all times in seconds."""

    fault: str
    store: str
    guard: bool
    false_downs: int = 0
    suspects: int = 0
    not_listening: float = 0.0
    explained: list[str] = field(default_factory=list)
    found_during: float | None = None
    found_after: float | None = None
    seconds: float = 0.0
    began: float = 0.0
    ended: float = 0.0
    polls: int = 0
    longest_between_polls: float = 0.0
    nova: str = ""


class Observer(threading.Thread):
    """Asks one coordinator for everything, again and again, and keeps the answers."""

    def __init__(self, url: str, epoch: float) -> None:
        super().__init__(daemon=True)
        self.samples: list[Sample] = []
        self.asked_at: list[float] = []
        self._client = Client(url, timeout=1.0)
        self._epoch = epoch
        self._over = threading.Event()
        self._listened = 0.0  # before the coordinator was last restarted
        self._last = 0.0
        self._run = 0

    def run(self) -> None:
        """Ask until told to stop; a coordinator that does not answer accuses nobody."""
        while not self._over.wait(POLL):
            self.asked_at.append(time.monotonic() - self._epoch)
            try:
                status = self._client.status()
                members = list(self._client.members(GROUP)) if status.members else []
            except MusterdError:
                continue
            self.samples.append(self._sample(status, members))
        self._client.close()

    def stop(self) -> None:
        """Ask no more."""
        self._over.set()
        self.join()

    def _sample(self, status: StatusAnswer, members: Sequence[MemberAnswer]) -> Sample:
        now = max((shard.listening_time for shard in status.shards), default=0.0)
        if now < self._last:
            self._listened += self._last
            self._run += 1
        self._last = now
        return Sample(
            at=time.monotonic() - self._epoch,
            states={
                member.member: State.DOWN if member.down else member.state for member in members
            },
            fresh=sum(member.silent_for < 2 * INTERVAL for member in members),
            listening=status.listening,
            heard=sum(shard.listening for shard in status.shards),
            reasons=tuple(shard.reason for shard in status.shards if not shard.listening),
            listening_time=self._listened + now,
            run=self._run,
        )


class Lab:
    """One fleet and one fault. ``store`` is the URL for the coordinator, ``agents_store`` for agents."""

    def __init__(
        self,
        store: str,
        *,
        kind: str,
        storm_min: int = 0,
        agents_store: str | None = None,
        program: list[str] | None = None,
        open_files: int | None = None,
        crowds: int = 3,
        **settings: Setting,
    ) -> None:
        self.store = store
        self.agents_store = agents_store or store
        self.outcome = Outcome("", kind, guard=storm_min > 0)
        self.coordinator = Coordinator(store, storm_min=storm_min, **settings)
        self.coordinator.program = program or self.coordinator.program
        self.coordinator.open_files = open_files
        self.agents = {name: self.agent(name) for name in (DURING, AFTER)}
        self.crowds = [self.agent(*CROWD[first::crowds]) for first in range(crowds)]
        self._stack = ExitStack()
        self._epoch = time.monotonic()
        self.observer = Observer(f"http://{self.coordinator.address}", self._epoch)
        self.everybody = list(CROWD)  # whom only death may bring down, beside the victims
        self.others: list[Observer] = []  # of further coordinators
        self.mortal: set[str] = set()
        self.guilty_suspects = False  # a mass silence is what this fault is about
        self.believed = 0  # forged goodbyes at most that come before there are many
        self.may_hold_the_dead = False  # for so many living fall silent beside them
        self._killed_at: dict[str, float] = {}
        self._shards = store.partition("?")[0].count(",") + 1
        self._lost_shards = 0

    def agent(self, *names: str, **settings: Setting) -> Agent:
        """An agent of this fleet, not started."""
        fleet: dict[str, Setting] = {
            "interval": INTERVAL, "service_down_time": SERVICE_DOWN_TIME, "zone": "rack-1"
        }  # fmt: skip
        return Agent(self.agents_store, *names, **{**fleet, **settings})

    def __enter__(self) -> Self:
        try:
            self._stack.enter_context(self.coordinator)
            for agent in (*self.crowds, *self.agents.values()):
                self._stack.enter_context(agent)
            self.observer.start()
            self._stack.callback(self.observer.stop)
            self.wait(lambda: self.all_up(*CROWD, DURING, AFTER), 15, "everybody up")
        except BaseException:
            self._stack.close()
            raise
        return self

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

    def start_another(self, coordinator: Coordinator) -> Observer:
        """Start another coordinator on the same store, and ask it too."""
        self._stack.enter_context(coordinator)
        observer = Observer(f"http://{coordinator.address}", self._epoch)
        observer.start()
        self._stack.callback(observer.stop)
        self.others.append(observer)
        return observer

    def all_up(self, *names: str) -> bool:
        """Are all of these answered up, now?"""
        latest = self.latest
        return latest is not None and all(latest.states.get(n) == State.UP for n in names)

    def wait(self, true: Callable[[], bool], within: float, what: str) -> None:
        """Wait for something to be answered; AssertionError when it is not in time."""
        deadline = time.monotonic() + within
        while not true():
            assert time.monotonic() < deadline, f"not {what} within {within} s: {self.latest}"
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
        self.kill(AFTER)
        self.wait(lambda: self.is_dead(AFTER), BOUND + 10, f"{AFTER} found")
        self.outcome.seconds = self.now

    def verify(self) -> Outcome:
        """Hold what was answered against the promises; the outcome, also written for the report."""
        outcome = self.outcome
        self.observer.stop()
        for other in self.others:
            other.stop()
        alive = [name for name in self.everybody if name not in self.mortal]
        outcome.polls = len(self.observer.asked_at)
        asked = self.observer.asked_at
        outcome.longest_between_polls = max(b - a for a, b in pairwise(asked))
        accused = self._accused(alive)
        outcome.false_downs = len(accused)
        outcome.suspects = len(
            {n for s in self.observer.samples for n in alive if s.states.get(n) == State.SUSPECT}
        )
        outcome.not_listening = self._not_listening()
        outcome.explained = list(
            dict.fromkeys(reason for s in self.observer.samples for reason in s.reasons)
        )
        outcome.found_during = self._found(DURING)
        outcome.found_after = self._found(AFTER)
        self._write()
        assert len(accused) <= self.believed, f"alive and answered down or left: {accused}"
        self._verify_history([name for name in alive if name not in accused])
        assert outcome.suspects == 0 or self.guilty_suspects, "alive and answered suspect"
        for name, found in ((DURING, outcome.found_during), (AFTER, outcome.found_after)):
            assert found is not None, f"{name} was never found"
            held = STORM_HOLD if self.may_hold_the_dead and self._was_suspect(name) else 0.0
            assert found <= BOUND + held + POLL * 2, (
                f"{name} was found after {found:.2f} s of listening"
            )
        return outcome

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

    def is_dead(self, name: str) -> bool:
        return self.latest is not None and self.latest.states.get(name) in DEAD

    def _was_suspect(self, name: str) -> bool:
        return any(s.states.get(name) == State.SUSPECT for s in self.observer.samples)

    def _accused(self, alive: Sequence[str]) -> set[str]:
        """Everybody alive who was ever answered down or left, victims before their death included."""
        return {
            name
            for observer in (self.observer, *self.others)
            for sample in observer.samples
            for name, state in sample.states.items()
            if state in DEAD and (name in alive or sample.at < self._killed_at.get(name, 0.0))
        }

    def _verify_history(self, alive: Sequence[str]) -> None:
        for name in alive:
            changes = self.coordinator.client.history(GROUP, name).changes
            wrong = [change for change in changes if change.new in DEAD]
            assert not wrong, f"the history accuses {name}: {wrong}"

    def _found(self, name: str) -> float | None:
        """Listening time until a host was answered down, from its death or the last gap after it.

        After a gap everybody may have an allowance anew, and a coordinator that starts knows of no
        silence. What a long sweep adds to the listening time may have passed before the death: it is
        never more than has passed by the clock.
        """
        samples, killed = self.observer.samples, self._killed_at[name]
        found = [s for s in samples if s.at > killed and s.states.get(name) in DEAD]
        if not found:
            return None
        earlier = [s for s in samples if s.at < found[0].at]
        before = [s for s in earlier if s.at <= killed or not s.heard or s.run < found[0].run]
        if not before:
            return None
        listened = found[0].listening_time - before[-1].listening_time
        return min(listened, found[0].at - max(killed, before[-1].at))

    def _not_listening(self) -> float:
        pairs = pairwise(self.observer.samples)
        deaf = sum(after.at - before.at for before, after in pairs if not before.listening)
        return round(deaf, 1)

    def _write(self) -> None:
        """Leave the outcome and the timeline where the report looks for them."""
        if (where := os.environ.get(RESULTS)) is None:
            return
        store = "".join(c if c.isalnum() else "-" for c in self.outcome.store)
        name = "".join(c if c.isalnum() else "-" for c in self.outcome.fault.lower())
        file = Path(where) / f"{store}--{name}--{'guard' if self.outcome.guard else 'bare'}.json"
        samples = [asdict(sample) for sample in self.observer.samples]
        document = {
            "outcome": asdict(self.outcome),
            "killed_at": self._killed_at,
            "samples": samples,
        }
        file.write_text(json.dumps(document))
