"""Orders of operators and the writing behind, over a real SQLite registry."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import numpy as np
import pytest
from structlog.testing import capture_logs

from musterd.beat import Status
from musterd.errors import ConfigError, Conflict, NotFound, RegistryError
from musterd.model import Facts, FactsChange, Member, State, Transition
from musterd_coordinator.careful_clock import CarefulClock
from musterd_coordinator.changes import LOG_LIMIT, ChangeLog
from musterd_coordinator.farewell import Farewell
from musterd_coordinator.office import Office, changed, described
from musterd_coordinator.peers import Peers
from musterd_coordinator.quarantine import Quarantine
from musterd_coordinator.recorder import BATCH, PATIENCE, Recorder
from musterd_coordinator.registry import Entry, Registry, Row, open_registry, portion_of
from musterd_coordinator.registry_health import READING
from musterd_coordinator.registry_rows import transition_of, transition_row
from musterd_coordinator.saving import Saving
from musterd_coordinator.status import Identity
from tests.unit.stage import NAMESPACE, Stage, host

START = datetime(2026, 1, 1, tzinfo=UTC)


class Bureau:
    """An office with two members, a is up and b has not beaten."""

    def __init__(self, registry: Registry, batch: int = BATCH) -> None:
        self.stage = Stage()
        self.registry = registry
        self.retired: list[Member] = []
        roll = self.stage.roll
        self.clock = CarefulClock(None, self.stage.wall, self.stage.now)
        self.recorder = Recorder(
            roll, registry, history=timedelta(days=30), clock=self.clock, batch=batch
        )
        identity = Identity("c1", "memory:", registry.url, START, 0.5)
        self.office = Office(roll, registry, self.recorder, identity, self.retire)
        self.stage.sweep()
        self.stage.sweep({0: (7, 1)}, seated=((0, host("a")), (1, host("b"))))

    async def retire(self, members: Sequence[Member]) -> None:
        self.retired += members


async def loaded(registry: Registry) -> list[Entry]:
    return [entry async for portion in registry.load() for entry in portion]


@asynccontextmanager
async def bureau(directory: Path) -> AsyncIterator[Bureau]:
    registry = open_registry(
        f"sqlite:///{directory}/r.db", namespace=NAMESPACE, timeout=5, coordinator="c1"
    )
    await registry.open()
    try:
        yield Bureau(registry)
    finally:
        await registry.aclose()


async def test_an_order_is_durable_shown_and_in_the_history(tmp_path: Path) -> None:
    async with bureau(tmp_path) as at:
        change = FactsChange(disabled=True, reason="kernel")
        answer = await at.office.change_facts("compute", "a", change)
        assert (answer.up, answer.schedulable, answer.disabled_reason) == (True, False, "kernel")
        (entry,) = [e for e in await loaded(at.registry) if e.member.name == "a"]
        assert entry.facts == Facts(disabled=True, disabled_reason="kernel")
        history = await at.office.history("compute", "a", 10)
        assert [change.reason for change in history.changes] == [
            "operator: disabled: kernel",
            "first beat seen",
        ]


async def test_forced_down_is_down_whatever_the_beats_say(tmp_path: Path) -> None:
    async with bureau(tmp_path) as at:
        await at.office.change_facts("compute", "a", FactsChange(forced_down=True, reason="psu"))
        at.stage.sweep({0: (7, 2)})
        verdict = at.office.query("compute", ["a"]).members["a"]
        assert (verdict.up, verdict.down, verdict.state) == (False, True, State.DOWN)
        member = at.office.member("compute", "a")
        assert (member.state, member.observed) == (State.DOWN, State.UP)
        assert member.reason.startswith("forced down: psu; observed up: ")
        [change] = at.office.changes_since(at.stage.roll.version - 1) or []
        assert (change.state, change.reason) == (State.DOWN, member.reason)
        answer = await at.office.change_facts("compute", "a", FactsChange(forced_down=False))
        assert (answer.up, answer.forced_down_reason) == (True, "")


async def test_one_that_is_up_is_forgotten_only_by_force(tmp_path: Path) -> None:
    async with bureau(tmp_path) as at:
        for forced_down in (False, True):  # it beats all the same, and would be up at once
            await at.office.change_facts("compute", "a", FactsChange(forced_down=forced_down))
            with pytest.raises(Conflict, match="a is up: stop its agent first"):
                await at.office.forget("compute", "a")
        await at.office.forget("compute", "a", force=True)
        await at.office.forget("compute", "b")
        assert [member.name for member in at.retired] == ["a", "b"]
        assert await loaded(at.registry) == []
        with pytest.raises(NotFound, match="no group compute"):
            at.office.member("compute", "a")
        assert (await at.office.history("compute", "a", 10)).changes  # kept until it is pruned


async def test_who_said_goodbye_is_forgotten_after_a_while(tmp_path: Path) -> None:
    async with bureau(tmp_path) as at:
        farewell = Farewell(at.stage.roll, at.office, after=60.0, clock=at.clock)
        at.stage.sweep(seated=((2, host("c")),))
        at.stage.sweep({1: (8, 1), 2: (9, 1)})
        at.stage.sweep({1: (8, 2), 2: (9, 2)}, status=Status.LEAVING)
        await at.office.change_facts("compute", "c", FactsChange(disabled=True, reason="broken"))
        at.stage.now += 59.0
        await farewell.once()
        assert at.retired == []
        at.stage.now += 1.0
        await farewell.once()
        assert at.retired == [host("b")]  # c has an operator's word, and a never left
        assert [entry.member.name for entry in await loaded(at.registry)] == ["c"]


async def test_who_left_before_a_restart_is_forgotten_too(tmp_path: Path) -> None:
    async with bureau(tmp_path) as at:
        at.stage.roll.restore(portion_of([left_entry(at.stage.wall - 61.0)]))
        await Farewell(at.stage.roll, at.office, after=60.0, clock=at.clock).once()
        assert at.retired == [host("z")]


def left_entry(since: float) -> Entry:
    at = datetime.fromtimestamp(since, UTC)
    return Entry(host("z"), Facts(), State.LEFT, "left", at, at, 1.0)


async def test_nonsense_is_refused(tmp_path: Path) -> None:
    async with bureau(tmp_path) as at:
        for change, what in (
            (FactsChange(reason="why"), "reason belongs to"),
            (FactsChange(zone="z\n"), "control characters"),
            (FactsChange(metadata={"a b": "c"}), "metadata key"),
        ):
            with pytest.raises(ConfigError, match=what):
                await at.office.change_facts("compute", "a", change)
        with pytest.raises(NotFound, match="no member c among its 2"):
            await at.office.change_facts("compute", "c", FactsChange(disabled=True))
        with pytest.raises(NotFound):
            await at.office.history("compute", "c", 10)


class Away:
    """A registry that cannot be reached until it is back."""

    url = "sqlite:///away"
    shared = False

    def __init__(self) -> None:
        self.quarantine = Quarantine("registry row damaged")
        self.away = True
        self.members: list[Row] = []
        self.recorded: list[Transition] = []
        self.failed = anyio.Event()
        self.written = anyio.Event()

    async def record(
        self, members: Sequence[Row], history: Sequence[Row], known: Sequence[int] = ()
    ) -> None:
        if self.away:
            self.failed.set()
            raise RegistryError("disk full")
        self.members += members
        self.recorded += map(transition_of, history)
        self.written.set()

    async def changed(self) -> Sequence[Entry]:
        return []

    async def prune(self, before: datetime) -> int:
        return 0


async def test_what_a_lost_registry_missed_is_written_when_it_is_back() -> None:
    registry = Away()
    at = Bureau(registry)  # type: ignore[arg-type]  # as much of a registry as the recorder uses
    with capture_logs() as lines:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(at.recorder.run)
            await registry.failed.wait()
            registry.away = False
            with anyio.fail_after(5):
                await registry.written.wait()
            tasks.cancel_scope.cancel()
    assert [transition.member for transition in registry.recorded] == ["a"]
    assert [line["event"] for line in lines] == ["registry lost", "registry back"]
    assert not at.stage.roll.unsaved


async def test_while_the_registry_is_lost_orders_fail_at_once_and_answers_tell_their_age() -> None:
    registry = Away()
    at = Bureau(registry)  # type: ignore[arg-type]
    await at.recorder.read()
    assert at.office.query("compute", ["a"]).facts_age == 0.0
    at.recorder.health.heard(READING, "no answer within 2 s")
    at.stage.now += 31.0
    lost = "ask another coordinator: no answer within 2 s"
    with pytest.raises(RegistryError, match=lost):
        await at.office.change_facts("compute", "a", FactsChange(disabled=True))
    with pytest.raises(RegistryError, match=lost):
        await at.office.forget("compute", "a", force=True)
    status = at.office.status()
    assert (status.registry_ok, status.registry_reason) == (False, "no answer within 2 s")
    assert status.facts_age == 31.0
    assert ("facts are old", 2) in [(hold.kind, hold.members) for hold in status.held]
    assert at.office.query("compute", ["a"]).facts_age == 31.0
    assert "in the last 31 s is not known here" in at.office.member("compute", "a").reason
    await at.recorder.read()
    assert at.office.status().registry_ok
    assert "not known here" not in at.office.member("compute", "a").reason


async def test_a_forgetting_is_a_line_of_history_and_no_order_is_none(tmp_path: Path) -> None:
    async with bureau(tmp_path) as at:
        order = FactsChange(disabled=True, reason="x")
        await at.office.change_facts("compute", "a", order)
        version = at.office.version
        await at.office.change_facts("compute", "a", order)
        assert at.office.version == version
        await at.office.forget("compute", "a", force=True)
        changes = (await at.office.history("compute", "a", 10)).changes
        assert [change.reason for change in changes] == [
            *("operator: forgotten", "operator: disabled: x", "first beat seen"),
        ]
        assert (changes[0].old, changes[0].new) == (State.UP, State.UNKNOWN)
        assert {change.coordinator for change in changes} == {"c1"}


async def test_other_coordinators_are_shown_and_whether_they_count_otherwise() -> None:
    class Shared(Away):
        told: Sequence[tuple[str, float, str]] = ()

        async def report(self, text: str) -> Sequence[tuple[str, float, str]]:
            assert (
                text
                == '{"listening":true,"states":{"unknown":1,"up":1,"suspect":0,"down":0,"left":0}}'
            )
            return self.told

    registry = Shared()
    at = Bureau(registry)  # type: ignore[arg-type]
    peers = Peers(registry, at.office)  # type: ignore[arg-type]
    registry.told = [
        ("c2", 1.0, '{"listening":true,"states":{"up":1,"unknown":1}}'),
        ("c3", 1.0, '{"listening":true,"states":{"up":2}}'),
        ("c4", 1.0, '{"listening":false,"states":{}}'),
        ("c5", 99.0, '{"listening":true,"states":{}}'),
        ("c6", 1.0, '{"listening":7}'),
    ]
    await peers.once()
    status = at.office.status()
    assert [(peer.coordinator, peer.differs) for peer in status.peers] == [
        *(("c2", False), ("c3", True), ("c4", False), ("c5", False)),
    ]


async def test_the_status_counts_what_the_registry_lacks() -> None:
    registry = Away()
    at = Bureau(registry)  # type: ignore[arg-type]
    assert at.office.status().unsaved == 3  # two members, and that one of them beat
    with pytest.raises(RegistryError):
        await at.recorder.flush(patience=0.0)
    assert at.office.status().unsaved == 3

    class Watched(Away):
        async def record(
            self, members: Sequence[Row], history: Sequence[Row], known: Sequence[int] = ()
        ) -> None:
            assert at.office.status().unsaved == 3
            await super().record(members, history, known)

    watched = Watched()
    at = Bureau(watched)  # type: ignore[arg-type]
    watched.away = False
    await at.recorder.flush(patience=0.0)
    assert (len(watched.members), at.office.status().unsaved) == (2, 0)


async def test_a_newcomer_is_written_once_with_its_first_verdict() -> None:
    registry = Away()
    at = Bureau(registry)  # type: ignore[arg-type]
    registry.away = False
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(at.recorder.run)
        await registry.written.wait()
        assert written(registry) == [("a", "up")]  # b has not beaten, and there is no hurry
        at.stage.wall += PATIENCE
        registry.written = anyio.Event()
        with anyio.fail_after(5):
            await registry.written.wait()
        assert written(registry) == [("a", "up"), ("b", "unknown")]
        tasks.cancel_scope.cancel()


async def test_when_it_stops_everything_is_written_in_however_many_batches() -> None:
    registry = Away()
    at = Bureau(registry, batch=2)  # type: ignore[arg-type]
    names = [f"h{number}" for number in range(7)]
    at.stage.sweep(seated=tuple((2 + slot, host(name)) for slot, name in enumerate(names)))
    at.stage.sweep({2 + slot: (9, 1) for slot in range(len(names))})
    registry.away = False
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(at.recorder.run)
        tasks.cancel_scope.cancel()
    assert sorted(written(registry)) == [("a", "up"), ("b", "unknown"), *((n, "up") for n in names)]
    assert [line.member for line in registry.recorded] == ["a", *names]
    assert not at.stage.roll.unsaved


async def test_when_it_stops_a_registry_that_is_away_is_not_waited_for() -> None:
    registry = Away()
    at = Bureau(registry)  # type: ignore[arg-type]
    with capture_logs() as lines, anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(at.recorder.run)
            await registry.failed.wait()
            tasks.cancel_scope.cancel()
    assert lines[-1]["event"] == "registry not up to date"
    assert (lines[-1]["members"], lines[-1]["reason"]) == (2, "disk full")


async def test_who_is_forgotten_while_a_write_fails_is_not_written_again() -> None:
    registry = Away()
    at = Bureau(registry)  # type: ignore[arg-type]
    with pytest.raises(RegistryError):
        async with at.recorder.holding([at.office.row("compute", "a")]):
            pass
    saving = Saving(at.stage.roll)
    rows, _ = saving.take(np.array([0, 1]))
    at.stage.roll.remove([at.office.row("compute", "a")])
    saving.give_back(rows)
    registry.away = False
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(at.recorder.run)
        tasks.cancel_scope.cancel()
    assert written(registry) == [("b", "unknown")]
    assert [line.member for line in registry.recorded] == ["a"]  # its history stays


async def test_a_history_has_what_is_not_written_yet(tmp_path: Path) -> None:
    async with bureau(tmp_path) as at:
        at.stage.sweep({0: (8, 1)})
        before = (await at.office.history("compute", "a", 10)).changes
        await at.registry.record([], [transition_row(change) for change in before[1:]])
        assert (await at.office.history("compute", "a", 10)).changes == before
        assert (await at.office.history("compute", "a", 1)).changes == before[:1]
        assert [change.reason.partition(":")[0] for change in before] == [
            *("its agent restarted", "first beat seen"),
        ]


def written(registry: Away) -> list[tuple[str, str]]:
    """Names and states, in the order of writing."""
    return [(row[1], row[6]) for row in registry.members]


@pytest.mark.parametrize(
    ("change", "facts", "words"),
    [
        (
            FactsChange(disabled=True, reason="x"),
            Facts(disabled=True, disabled_reason="x", zone="z"),
            "operator: disabled: x",
        ),
        (FactsChange(disabled=False), Facts(zone="z"), "operator: enabled"),
        (FactsChange(zone=None), Facts(), "operator: zone as announced"),
        (FactsChange(owner="me"), Facts(zone="z", owner="me"), "operator: owner set to me"),
        (
            FactsChange(forced_down=True),
            Facts(zone="z", forced_down=True),
            "operator: forced down",
        ),
    ],
)
def test_a_change_changes_what_it_names(change: FactsChange, facts: Facts, words: str) -> None:
    assert changed(Facts(zone="z"), change) == facts
    assert described(change) == words


async def test_waiting_for_a_version_ends_with_the_next_one() -> None:
    stage = Stage()
    before = stage.roll.version
    seen: list[int] = []

    async def wait() -> None:
        seen.append(await stage.roll.changes.wait(before))

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        stage.sweep(seated=((0, host("a")),))
    assert seen == [before + 1] * 3


def test_a_change_too_large_for_the_log_sends_readers_back_to_the_start() -> None:
    stage = Stage()
    log: ChangeLog = stage.roll.changes
    before = log.version
    stage.sweep(seated=tuple((n, host(f"h{n}")) for n in range(LOG_LIMIT + 1)))
    assert log.since(before, None) is None
    assert log.since(log.version, None) == []
