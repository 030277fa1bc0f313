"""What a coordinator compares with a registry that others write to, and does when that fails."""

from datetime import datetime
from typing import Any

import anyio
import pytest
import trio.testing
from structlog.testing import capture_logs

from musterd.errors import RegistryError
from musterd.model import Facts, State
from musterd_coordinator.service.access import PERIOD as LOOKED_FOR
from musterd_coordinator.service.comparison import PORTION
from musterd_coordinator.service.recorder import KEEP_FORGOTTEN, LONG, RETRY
from tests.unit.bureau import Away, Bureau, Shared, written
from tests.unit.stage import entry, host
from tests.unit.token_shelf import Door

LONG_AGO = KEEP_FORGOTTEN.total_seconds()


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """A clock that jumps to the next deadline when all wait."""
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


def bureau_on(registry: Away) -> Bureau:
    return Bureau(registry)  # type: ignore[arg-type]  # as much of a registry as the recorder uses


def known_elsewhere(count: int) -> Shared:
    registry = Shared()
    for number in range(count):
        one = entry(f"e{number:04}", State.UP, facts=Facts(disabled=True))
        registry.entries[one.member.group, one.member.name] = one
    return registry


async def test_who_others_know_is_learnt_some_names_at_a_time() -> None:
    at = bureau_on(known_elsewhere(2 * PORTION + 1))
    for known in (PORTION, 2 * PORTION, 2 * PORTION + 1, 2 * PORTION + 1):
        await at.recorder.pull()
        assert at.office.size == 2 + known
    assert at.office.member("compute", "e0007").disabled


async def test_what_the_database_lost_is_written_again() -> None:
    registry = Shared()
    at = bureau_on(registry)
    await at.recorder.flush(patience=0.0)
    registry.members.clear()
    await at.recorder.pull()
    await at.recorder.flush(patience=0.0)
    assert sorted(written(registry)) == [("a", "up"), ("b", "unknown")]


async def test_after_a_long_absence_all_is_compared_at_once_and_the_dead_that_lack_are_gone() -> (
    None
):
    registry = known_elsewhere(2 * PORTION + 1)
    at = bureau_on(registry)
    await at.recorder.pull()
    await at.recorder.flush(patience=0.0)
    at.stage.now += LONG_AGO
    await at.recorder.pull()
    assert at.office.row("compute", f"e{2 * PORTION:04}") is not None
    assert at.stage.roll.view.row("compute", "b") is None  # it never beat, and others forgot it
    assert at.stage.roll.view.row("compute", "a") is not None  # it lives, whatever stands there


async def test_nothing_is_written_before_it_is_known_who_was_forgotten() -> None:
    class Unread(Shared):
        unread = False

        async def changed(self) -> list[Any]:
            if self.unread:
                raise RegistryError("no answer within 2 s")
            return []

    registry = Unread()
    at = bureau_on(registry)
    await at.recorder.pull()
    at.stage.now += LONG_AGO
    registry.unread = True
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(at.recorder.run)
        await registry.tidied.wait()
        await anyio.sleep(3 * RETRY)
        assert not registry.members
        registry.unread = False
        tasks.cancel_scope.cancel()
    assert sorted(written(registry)) == [("a", "up"), ("b", "unknown")]  # once it had been read


async def test_what_fails_again_and_again_is_said_once() -> None:
    reasons = [ValueError("a fault"), RegistryError("disk full")]

    class Failing(Away):
        async def prune(self, before: datetime) -> int:
            failed, self.failed = self.failed, anyio.Event()
            failed.set()
            raise reasons[0]

    registry = Failing()
    registry.away = False
    with capture_logs() as lines:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(bureau_on(registry).recorder.run)
            await anyio.sleep(2.5 * RETRY)
            reasons.pop(0)
            await anyio.sleep(2 * RETRY)
            tasks.cancel_scope.cancel()
    said = [(line["event"], line["work"]) for line in lines if line.get("work") == "pruning"]
    assert said == [
        ("recorder failed", "pruning"),
        ("registry work failed", "pruning"),
        ("registry work failed", "pruning"),
    ]


async def test_the_next_batch_is_smaller_after_a_slow_one_and_larger_after_a_quick_one() -> None:
    class Slow(Away):
        pace = 0.0

        async def record(self, *what: Any) -> None:
            await anyio.sleep(self.pace)

    registry, sizes = Slow(), list[int]()
    at = Bureau(registry, batch=4000)  # type: ignore[arg-type]
    for slot, registry.pace in enumerate((LONG + 1, LONG / 2, 0.0), 2):
        at.stage.sweep(seated=((slot, host(f"h{slot}")),))
        await at.recorder.flush(patience=0.0)
        sizes.append(at.recorder._batch)
    assert sizes == [2000, 2000, 4000]


async def test_tokens_of_others_are_looked_for_though_the_registry_was_lost() -> None:
    there = Door()
    door = Door(there.shelf)
    made = await there.make("ci")
    there.shelf.away = True
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(door.access.run)
        await anyio.sleep(1.5 * LOOKED_FOR)
        assert door.refusal(made.text) == "unknown"
        there.shelf.away = False
        await anyio.sleep(LOOKED_FOR)
        assert door.access.check(made.text).name == "ci"
        tasks.cancel_scope.cancel()
