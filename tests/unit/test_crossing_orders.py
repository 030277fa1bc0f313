"""What becomes of orders while other coordinators give theirs, and of very many at once."""

from collections.abc import Sequence

import anyio
import pytest
from structlog.testing import capture_logs

from musterd.errors import NotFound
from musterd.model import Facts, FactsChange
from musterd_coordinator.registry.base import ChangeFacts, Entry, Gone
from musterd_coordinator.service.orders import ORDERS_LOGGED
from tests.unit.bureau import Bureau, Shared
from tests.unit.stage import host


class Elsewhere(Shared):
    """A registry of several coordinators: one of them forgot ``gone``, which is being read."""

    url = "postgresql://db1/fleet"

    def __init__(self, *gone: Gone) -> None:
        super().__init__()
        self.gone = gone
        self.facts = Facts()
        self.forgotten: list[tuple[str, str]] = []
        self.being_read = anyio.Event()

    async def changed(self) -> Sequence[Entry | Gone]:
        self.being_read.set()
        await anyio.wait_all_tasks_blocked()  # who gives an order waits by now
        return self.gone

    async def change_facts(self, group: str, member: str, change: ChangeFacts) -> Facts:
        self.facts = change(self.facts)
        return self.facts

    async def forget(self, members: Sequence[tuple[str, str]]) -> int:
        self.forgotten += members
        return 12


def bureau_on(registry: Elsewhere) -> Bureau:
    return Bureau(registry)  # type: ignore[arg-type]  # as much of a registry as orders use


async def test_an_order_for_a_member_that_others_forget_just_then_is_refused() -> None:
    registry = Elsewhere(Gone("compute", "b", 11))
    at = bureau_on(registry)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(at.recorder.pull)
        await registry.being_read.wait()
        with pytest.raises(NotFound, match="compute/b was forgotten meanwhile"):
            await at.office.change_facts("compute", "b", FactsChange(disabled=True))


async def test_a_member_may_be_forgotten_by_two_operators_at_once() -> None:
    registry = Elsewhere(Gone("compute", "b", 11))
    at = bureau_on(registry)
    version = at.office.version
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(at.recorder.pull)
        await registry.being_read.wait()
        await at.office.forget("compute", "b")
    assert (registry.forgotten, at.retired) == ([("compute", "b")], [host("b")])
    assert at.office.version == version + 1
    assert at.office.row("compute", "a") is not None


async def test_an_order_that_others_gave_already_is_no_line_of_history() -> None:
    registry = Elsewhere()
    at = bureau_on(registry)
    version = at.office.version
    registry.facts = Facts(owner="others")
    await at.office.change_facts("compute", "a", FactsChange(disabled=False))
    assert at.office.member("compute", "a").owner == "others", "what is known here is older"
    assert at.office.version == version + 1
    await at.office.change_facts("compute", "a", FactsChange(disabled=False))
    assert at.office.version == version + 1


async def test_very_many_orders_have_so_many_lines_in_the_log_and_the_rest_is_counted() -> None:
    registry = Elsewhere()
    at = bureau_on(registry)
    with capture_logs() as lines:
        for number in range(ORDERS_LOGGED + 3):
            await at.office.change_facts("compute", "a", FactsChange(owner=f"team-{number}"))
        at.stage.now += 60.0
        await at.office.change_facts("compute", "a", FactsChange(owner="the last"))
    told = [line.get("more") for line in lines if line["event"] == "member changed"]
    assert told == [None] * ORDERS_LOGGED + [3]
