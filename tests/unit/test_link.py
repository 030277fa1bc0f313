"""A link ends every connection that it does not keep, whatever it was doing when it was stopped."""

from dataclasses import dataclass, field

import anyio
import anyio.lowlevel
import pytest

from musterd.errors import ShardRefused, ShardUnavailable, StoreError
from musterd.stores.link import Collision, Link, RefusesAll

pytestmark = pytest.mark.anyio


@dataclass
class Line:
    """A connection that leads nowhere."""

    reached: tuple[str, str] | None = None
    renewed_by: float = 0.0
    open: bool = True


@dataclass
class Opened:
    """All that were opened."""

    lines: list[Line] = field(default_factory=list)

    def count(self) -> int:
        return sum(line.open for line in self.lines)


class Lines(Link[Line]):
    """A link of such connections."""

    def __init__(self, opened: Opened) -> None:
        super().__init__("nowhere", 5.0, 1, patient=True)
        self._opened = opened

    async def _open(self, limit: float) -> Line:
        await anyio.lowlevel.checkpoint()
        self._opened.lines.append(Line())
        return self._opened.lines[-1]

    def _end(self, session: Line) -> None:
        session.open = False

    def _has_ended(self, session: Line) -> bool:
        return not session.open

    def _translate(self, error: Exception, limit: float) -> StoreError | None:
        return None

    def _is_wrong_server(self, error: BaseException) -> bool:
        return False


async def test_a_new_connection_whose_turn_never_comes_is_ended() -> None:
    opened = Opened()
    link = Lines(opened)
    async with link.session(), anyio.create_task_group() as tasks:
        tasks.start_soon(link.renew)
        await anyio.wait_all_tasks_blocked()
        assert (len(opened.lines), opened.count()) == (2, 2)
        tasks.cancel_scope.cancel()
    async with link.session():
        assert opened.count() == 1
    link.close()
    assert opened.count() == 0


async def test_a_connection_that_comes_after_the_end_is_ended() -> None:
    opened = Opened()
    link = Lines(opened)
    with pytest.raises(ExceptionGroup) as raised:
        await _renewed_when_closed(link)
    assert raised.group_contains(ShardUnavailable, match="closed by this process")
    assert len(opened.lines) == 2
    assert opened.count() == 0


async def _renewed_when_closed(link: Lines) -> None:
    async with anyio.create_task_group() as tasks, link.session():
        tasks.start_soon(link.renew)
        await anyio.wait_all_tasks_blocked()
        link.close()


class Closed(Lines):
    """A link to what lets nobody in."""

    async def _open(self, limit: float) -> Line:
        raise PermissionError

    def _translate(self, error: Exception, limit: float) -> StoreError | None:
        return ShardRefused(self.name, "login refused")


async def test_who_is_not_let_in_can_do_nothing_at_all() -> None:
    with pytest.raises(RefusesAll, match="nowhere: login refused"):
        async with Closed(Opened()).session():
            pass


async def test_what_is_refused_over_a_connection_is_refused_alone() -> None:
    link = Lines(Opened())
    for refusal in (ShardRefused, Collision):
        with pytest.raises(ShardRefused) as raised:
            async with link.session():
                raise refusal("nowhere", "no")
        assert raised.type is refusal
