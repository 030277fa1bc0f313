"""What followers hear is made once for all of them."""

from typing import Any

import anyio
import pytest
import trio.testing

from musterd.model import Member, State
from musterd_coordinator.http import make_app
from musterd_coordinator.http.events import WAVE, WAVE_GAP
from musterd_coordinator.http.news import KEPT, SERVED, StreamFeed, TooSlow
from musterd_coordinator.http.turns import Turns
from tests.http_calls import reading
from tests.http_desk import DictDesk


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """A clock that jumps to the next deadline when all wait."""
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


class _CountingDesk(DictDesk):
    """Counts what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.snapshots = self.healths = 0

    def portions(self, group: str | None) -> Any:
        self.snapshots += 1
        return super().portions(group)

    def freshness(self, group: str | None = None) -> tuple[bool, float | None]:
        self.healths += 1
        return super().freshness(group)


@pytest.fixture
def desk() -> _CountingDesk:
    desk = _CountingDesk()
    desk.put(*[Member("compute", f"h{number}") for number in range(2500)])
    return desk


async def test_many_readers_share_a_snapshot_and_each_change(desk: _CountingDesk) -> None:
    news = StreamFeed(desk, "00000000", Turns(4), make_app(desk).gauges)
    first = await news.news_since(None, None)
    assert [list((await news.news_since(None, None)).events) for _ in range(50)] == [
        list(first.events)
    ] * 50
    assert (desk.snapshots, desk.healths) == (1, 1)
    version = first.version
    desk.put(Member("compute", "h7"), state=State.DOWN)
    heard = [await news.news_since(None, version) for _ in range(900)]
    assert all(one is heard[0] for one in heard)
    assert desk.healths == 2


async def test_a_snapshot_serves_later_readers_while_what_changed_can_follow(
    desk: _CountingDesk,
) -> None:
    news = StreamFeed(desk, "00000000", Turns(4), make_app(desk).gauges)
    before = await news.news_since("compute", None)
    desk.put(Member("compute", "h7"), state=State.DOWN)
    desk.listen(False, 3.0)
    await anyio.sleep(1.0)
    later = await news.news_since("compute", None)
    assert (desk.snapshots, later.version) == (1, before.version)
    *_, last = later.events
    assert b'"listening":false,"staleness":3.0' in last  # as it is now
    [change] = (await news.news_since("compute", later.version)).events
    assert b'"h7"' in change
    await anyio.sleep(SERVED)
    assert (await news.news_since("compute", None)).version == desk.version
    assert desk.snapshots == 2


async def test_a_snapshot_that_nothing_can_follow_is_not_given() -> None:
    desk = DictDesk(log_size=3)
    desk.put(Member("compute", "h0"))
    news = StreamFeed(desk, "00000000", Turns(4), make_app(desk).gauges)
    await news.news_since(None, None)
    for number in range(9):
        desk.put(Member("compute", f"h{number}"))
    assert (await news.news_since(None, None)).version == desk.version


async def test_a_reader_that_takes_no_snapshot_keeps_none(desk: _CountingDesk) -> None:
    news = StreamFeed(desk, "00000000", Turns(4), make_app(desk).gauges)
    events = iter((await news.news_since(None, None)).events)
    next(events)
    await anyio.sleep(KEPT)
    await news.news_since(None, desk.version)
    with pytest.raises(TooSlow):
        list(events)
    assert not news._taken
    assert not news._snapshots


async def test_readers_are_told_in_waves(desk: _CountingDesk) -> None:
    app = make_app(desk)
    async with anyio.create_task_group() as tasks:
        heard: list[float] = []

        async def follow() -> None:
            async with reading(app, f"/v1/events?since={desk.version}") as reader:
                assert (await reader.next())[0] == "ping"
                assert (await reader.next())[0] == "changes"
                heard.append(anyio.current_time())

        for _ in range(2 * WAVE + 1):
            tasks.start_soon(follow)
        await anyio.sleep(1.0)
        began = anyio.current_time()
        desk.put(Member("compute", "h1"), state=State.DOWN)
    waves = [sum(round((at - began) / WAVE_GAP) == wave for at in heard) for wave in range(3)]
    assert waves == [WAVE, WAVE, 1]
