"""What is written to the registry, when, and what becomes of it while the registry is away."""

from collections.abc import Sequence
from pathlib import Path

import anyio
import numpy as np
import pytest
from structlog.testing import capture_logs

from musterd.errors import RegistryError
from musterd.model import FactsChange
from musterd.testing.busy import in_time
from musterd_coordinator.registry.base import Row
from musterd_coordinator.registry.rows import transition_row
from musterd_coordinator.service.recorder import PATIENCE
from musterd_coordinator.service.registry_health import READING
from tests.unit.bureau import Away, Bureau, bureau, written
from tests.unit.stage import host


async def test_what_a_lost_registry_missed_is_written_when_it_is_back() -> None:
    registry = Away()
    at = Bureau(registry)  # type: ignore[arg-type]  # as much of a registry as the recorder uses
    with capture_logs() as lines:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(at.recorder.run)
            await registry.failed.wait()
            registry.away = False
            with in_time(5):
                await registry.written.wait()
            tasks.cancel_scope.cancel()
    assert [transition.member for transition in registry.recorded] == ["a"]
    assert [line["event"] for line in lines] == ["registry lost", "registry back"]
    assert not at.stage.roll.unsaved
    figures = at.stage.roll.view.figures
    assert sum(figures.writes.counts) >= 1
    assert figures.written_at == at.stage.wall


async def test_while_the_registry_is_lost_orders_fail_at_once_and_answers_tell_their_age() -> None:
    registry = Away()
    at = Bureau(registry)  # type: ignore[arg-type]
    await at.recorder.pull()
    assert at.office.query("compute", ["a"]).facts_age == 0.0
    at.recorder.health.record(READING, "no answer within 2 s")
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
    await at.recorder.pull()
    assert at.office.status().registry_ok
    assert "not known here" not in at.office.member("compute", "a").reason


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
        with in_time(5):
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
    with capture_logs() as lines, in_time(5):
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
    saving = at.stage.roll.pending
    rows, _ = saving.pop(np.array([0, 1]))
    at.stage.roll.remove([at.office.row("compute", "a")])
    saving.put_back(rows)
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
