"""Server-sent events: snapshots, resumes, changes and pings, on trio's clock."""

from contextlib import AsyncExitStack
from typing import Any

import anyio
import pytest
import trio.testing

from musterd.answers import MemberChange
from musterd.model import FactsChange, Member, State
from musterd_coordinator.http import make_app
from musterd_coordinator.http.limits import HttpLimits
from tests.http_calls import ask, reading
from tests.http_desk import DictDesk


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """A clock that jumps to the next deadline when all wait."""
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


@pytest.fixture
def desk() -> DictDesk:
    """Two members of one group, one of another."""
    desk = DictDesk()
    desk.put(Member("compute", "h1"), Member("compute", "h2"), Member("volume", "v1"))
    return desk


async def test_a_new_reader_gets_everything_then_changes(desk: DictDesk) -> None:
    async with reading(make_app(desk), "/v1/events") as reader:
        parts = [await reader.next() for _ in range(3)]
        assert [name for name, _ in parts] == ["snapshot"] * 3
        assert [part["more"] for _, part in parts] == [True, True, False]
        assert set(parts[0][1]["groups"]["compute"]) == {"h1", "h2"}
        assert set(parts[1][1]["groups"]["volume"]) == {"v1"}
        desk.put(Member("compute", "h2"), state=State.DOWN, reason="silent")
        name, data = await reader.next()
        assert (name, data["version"], data["more"]) == ("changes", desk.version, False)
        [change] = data["changes"]
        assert (change["member"], change["state"], change["down"]) == ("h2", "down", True)


async def test_a_group_is_followed_alone(desk: DictDesk) -> None:
    async with reading(make_app(desk), "/v1/events?group=volume") as reader:
        assert set((await reader.next())[1]["groups"]) == {"volume"}
        await reader.next()
        desk.put(Member("compute", "h1"), state=State.DOWN)
        desk.put(Member("volume", "v1"), state=State.LEFT)
        _, data = await reader.next()
        assert [change["member"] for change in data["changes"]] == ["v1"]


async def test_a_group_without_members_is_refused(desk: DictDesk) -> None:
    assert (await ask(make_app(desk), "/v1/events?group=network")).status == 404
    assert (await ask(make_app(desk), "/v1/events?since=yesterday")).status == 400


async def test_facts_and_forgetting_are_changes(desk: DictDesk) -> None:
    async with reading(make_app(desk), "/v1/events?group=volume") as reader:
        await reader.next()
        await reader.next()
        await desk.change_facts("volume", "v1", FactsChange(forced_down=True))
        [change] = (await reader.next())[1]["changes"]
        assert (change["up"], change["down"], change["gone"]) == (False, True, False)
        await desk.forget("volume", "v1")
        [change] = (await reader.next())[1]["changes"]
        assert change["gone"] is True
        desk.put(Member("volume", "v2"))  # the group comes again, and the reader is still there
        [change] = (await reader.next())[1]["changes"]
        assert change["member"] == "v2"


async def test_a_quiet_stream_pings(desk: DictDesk) -> None:
    async with reading(make_app(desk, ping_period=5.0), "/v1/events?group=volume") as reader:
        await reader.next()
        await reader.next()
        began = anyio.current_time()
        assert await reader.next() == (
            "ping",
            {"version": desk.version, "listening": True, "staleness": 0.25},
        )
        assert anyio.current_time() - began == pytest.approx(5.0)


async def test_pings_come_though_other_groups_are_busy(desk: DictDesk) -> None:
    async with reading(make_app(desk, ping_period=5.0), "/v1/events?group=volume") as reader:
        await reader.next()
        await reader.next()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_keep_busy, desk)
            with anyio.fail_after(6.0):
                name, data = await reader.next()
            tasks.cancel_scope.cancel()
        assert name == "ping"
        assert data["version"] > 2


async def _keep_busy(desk: DictDesk) -> None:
    while True:
        desk.put(Member("compute", "h1"))
        await anyio.sleep(0.5)


async def test_no_longer_listening_is_told_at_once(desk: DictDesk) -> None:
    async with reading(make_app(desk), "/v1/events?group=volume") as reader:
        await reader.next()
        await reader.next()
        began = anyio.current_time()
        desk.listen(False, 3.0)
        name, data = await reader.next()
        assert (name, data["listening"], data["staleness"]) == ("ping", False, 3.0)
        assert anyio.current_time() == began


async def test_a_reader_resumes_where_it_was(desk: DictDesk) -> None:
    app = make_app(desk)
    async with reading(app, "/v1/events?group=volume") as reader:
        assert (await reader.event()).id == ""  # not whole: no place to resume from
        mark = (await reader.event()).id
    desk.put(Member("volume", "v1"), state=State.DOWN)
    headers = {"last-event-id": mark}
    for target, given in ((f"/v1/events?group=volume&since={mark}", None), ("/v1/events", headers)):
        async with reading(app, target, given) as reader:
            name, data = await reader.next()
            assert (name, [one["member"] for one in data["changes"]]) == ("changes", ["v1"])


async def test_a_resume_without_news_is_a_ping(desk: DictDesk) -> None:
    async with reading(make_app(desk), f"/v1/events?since={desk.version}") as reader:
        assert (await reader.next())[0] == "ping"


@pytest.mark.parametrize("since", ["00000000-2", "999999", "0", "12345678901234567"])
async def test_a_version_of_another_run_or_time_gets_a_snapshot(desk: DictDesk, since: str) -> None:
    async with reading(make_app(desk), f"/v1/events?since={since}") as reader:
        assert (await reader.next())[0] == "snapshot"


@pytest.mark.parametrize("mark", ["nonsense", "1-2-3", "9" * 5000, "\N{SUPERSCRIPT TWO}"])
async def test_a_strange_last_event_id_gets_a_snapshot(desk: DictDesk, mark: str) -> None:
    async with reading(make_app(desk), "/v1/events", {"last-event-id": mark}) as reader:
        assert (await reader.next())[0] == "snapshot"


async def test_a_slow_reader_gets_a_fresh_snapshot() -> None:
    desk = DictDesk(log_size=10)
    desk.put(Member("compute", "h1"))
    async with reading(make_app(desk), "/v1/events") as reader:
        await reader.next()
        await reader.next()
        desk.put(Member("compute", "h1"), state=State.DOWN)
        await reader.next()
        for number in range(50):  # while it reads nothing
            desk.put(Member("compute", f"n{number}"))
        names: list[str] = []
        while "snapshot" not in names:
            name, data = await reader.next()
            names.append(name)
        assert len(data["groups"]["compute"]) == 51


async def test_many_changes_of_one_version_come_in_parts_with_one_mark(desk: DictDesk) -> None:
    async with reading(make_app(desk), "/v1/events") as reader:
        for _ in range(3):
            await reader.next()
        desk.put(*[Member("compute", f"n{number}") for number in range(2500)])
        events = [await reader.event() for _ in range(3)]
        assert [bool(event.id) for event in events] == [False, False, True]
        assert sum(event.data.count(b'"member":') for event in events) == 2500


async def test_an_empty_fleet_has_a_snapshot() -> None:
    async with reading(make_app(DictDesk()), "/v1/events") as reader:
        name, data = await reader.next()
        assert (name, data["groups"], data["more"]) == ("snapshot", {}, False)


async def test_readers_are_counted_and_bounded(desk: DictDesk) -> None:
    app = make_app(desk)
    async with reading(app, "/v1/events") as reader:
        await reader.next()
        assert b"musterd_event_readers 1.0\n" in (await ask(app, "/metrics")).body
    assert b"musterd_event_readers 0.0\n" in (await ask(app, "/metrics")).body


async def test_readers_are_bounded_in_all_and_of_one_address(desk: DictDesk) -> None:
    app = make_app(desk, limits=HttpLimits(readers=3, connections=8, connections_each=6))
    callers = ["10.0.0.1", "10.0.0.1", "10.0.0.2"]
    async with AsyncExitStack() as stack:
        for caller in callers:
            reader = await stack.enter_async_context(
                reading(app, "/v1/events?group=volume", caller=caller)
            )
            await reader.next()
        for caller, why in (("10.0.0.1", "of one address"), ("10.0.0.3", "3 readers follow")):
            reply = await ask(app, "/v1/events", caller=caller)
            assert (reply.status, why in reply.json()["detail"]) == (503, True)
    assert (await ask(app, "/v1/events", "HEAD", caller="10.0.0.3")).status == 200


async def test_changes_are_encoded_once_for_all_readers(desk: DictDesk) -> None:
    asked: list[int] = []

    class CountingDesk(DictDesk):
        def changes_since(
            self, version: int, group: str | None = None
        ) -> list[MemberChange] | None:
            asked.append(version)
            changes = super().changes_since(version, group)
            return None if changes is None else list(changes)

    counting = CountingDesk()
    counting.put(Member("compute", "h1"))
    app = make_app(counting)
    async with reading(app, "/v1/events") as one, reading(app, "/v1/events") as other:
        for reader in (one, other):
            await reader.next()
            await reader.next()
        counting.put(Member("compute", "h1"), state=State.DOWN)
        assert await one.next() == await other.next()
    assert asked == [2]


async def test_stopping_ends_the_streams(desk: DictDesk) -> None:
    app = make_app(desk)
    async with reading(app, "/v1/events") as reader:
        await reader.next()
        app.stop()
        with anyio.move_on_after(1.0) as scope:
            while True:
                await reader.next()
        assert scope.cancelled_caught  # nothing comes any more
        assert b"musterd_event_readers 0.0\n" in (await ask(app, "/metrics")).body
