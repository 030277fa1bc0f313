"""Who is late: when the door asks for them, and that Nova has its turn meanwhile."""

from collections.abc import AsyncGenerator, Iterable

import anyio
import pytest
from anyio.lowlevel import checkpoint
from msgspec.structs import replace

from musterd.answers import MemberAnswer
from musterd.errors import CoordinatorUnreachable
from musterd.model import Member
from musterd_coordinator.nova.answers import Answers
from musterd_coordinator.nova.lateness import LATE, MOST, Lateness
from musterd_coordinator.nova.values import key_of
from musterd_coordinator.nova.writers import Writers
from tests.http_desk import DictDesk
from tests.unit.fleet import rules

INTERVAL = 4.0
ONE = Member("compute", "h")


class Coordinator:
    """Gives late members without a pause, as they come in a page; None: it is away."""

    def __init__(self, *late: int | None) -> None:
        desk = DictDesk()
        desk.put(ONE)
        self._one = desk.member(ONE.group, ONE.name)
        self._late = iter(late)
        self.asked: list[tuple[float, str, float]] = []
        self.over = anyio.Event()

    async def ask(self, group: str, seconds: float) -> AsyncGenerator[MemberAnswer, None]:
        self.asked.append((anyio.current_time(), group, seconds))
        late = next(self._late, 0)
        if late is None:
            raise CoordinatorUnreachable("away")
        for number in range(late):
            yield replace(self._one, member=f"h{number}", silent_for=7.0)


def answers() -> Answers:
    return Answers(dict, Writers(rules(), period=0.5, timeout=0.5), lambda: 0.0)


async def kept(coordinator: Coordinator, pauses: Iterable[float]) -> list[int]:
    """How many are known to be late after each of the pauses."""
    told, known = answers(), list[int]()
    lateness = Lateness(told, {"compute": "compute"}, coordinator.ask, INTERVAL)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lateness.keep_asking)
        for pause in pauses:
            await anyio.sleep(pause)
            known.append(len(told.silences))
        tasks.cancel_scope.cancel()
    return known


async def test_it_asks_twice_an_interval_and_knows_what_it_heard_last() -> None:
    coordinator = Coordinator(3, None, 1)
    assert await kept(coordinator, (1.0, INTERVAL / 2, INTERVAL / 2)) == [3, 3, 1]
    late = ("compute", LATE * INTERVAL)
    assert coordinator.asked == [(at, *late) for at in (0.0, INTERVAL / 2, INTERVAL)]


async def test_no_more_are_read_than_there_may_be() -> None:
    assert await kept(Coordinator(MOST + 1), (1.0,)) == [MOST]


@pytest.mark.parametrize("late", [1000, 2000])
async def test_while_many_are_taken_in_nova_has_its_turn(late: int) -> None:
    told, turns = answers(), 0
    lateness = Lateness(told, {"compute": "compute"}, Coordinator(late).ask, INTERVAL)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lateness.keep_asking)
        while not told.silences:
            await checkpoint()
            turns += 1
        tasks.cancel_scope.cancel()
    assert told.silences[key_of("compute", "h999")] == 7.0
    assert late / 200 <= turns <= late / 50
