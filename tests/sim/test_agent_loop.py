"""The beat loop in simulated time: its schedule, its failures, and its farewell."""

import asyncio
import errno
from collections.abc import Iterator
from itertools import pairwise
from typing import NoReturn

import anyio
import anyio.lowlevel
import msgspec
import pytest
import structlog
from structlog.testing import capture_logs

from musterd.beat import Status, member_id
from musterd.errors import ShardCorrupt, ShardRefused, ShardUnavailable, StoreError
from musterd.settings.settings import MemberSettings, Settings
from musterd.stores.link import NotWritable
from musterd_agent.agent import LEAVE_TIMEOUT
from musterd_agent.beating import phase_of
from tests.agent_support import NAMESPACE, RecordingShard, agent_of, running, settings_of

INTERVAL = 10.0
PUSH_TIMEOUT = 5.0
PHASE = phase_of(member_id(NAMESPACE, "compute", "h1"), INTERVAL)


async def test_first_beat_at_once_and_then_in_phase() -> None:
    await anyio.sleep(3.3)
    shard = RecordingShard()
    async with running(agent_of(shard, settings=settings_of("h1"))):
        await anyio.sleep(60.0)
    first, *rest = shard.taken_at
    assert first == 3.3
    assert [at % INTERVAL for at in rest] == pytest.approx([PHASE] * len(rest))
    assert [later - earlier for earlier, later in pairwise(rest)] == pytest.approx([INTERVAL] * 5)
    assert [beat.sequence for beat in shard.taken] == list(range(1, 8))
    assert [beat.lag_ms for beat in shard.taken] == [0] * 7
    assert len({beat.incarnation for beat in shard.taken}) == 1
    assert [call.name for call in shard.calls].count("announce") == 1


async def test_all_replicas_get_every_beat_although_one_hangs() -> None:
    good, hung, other = (RecordingShard(f"{name}:1") for name in ("good", "hung", "other"))
    hung.hang()
    agent = agent_of(hung, good, other, settings=settings_of("h1"))
    async with running(agent):
        await anyio.sleep(100.0)
    assert len(good.taken) == agent.loops[0].counters.made == 11
    assert other.taken == good.taken
    assert good.taken_at[1:] == pytest.approx([PHASE + 10 * k for k in range(10)])
    assert hung.most_under_way == 1
    assert [beat.missed for beat in good.taken] == [0] * 11


async def test_an_outage_costs_only_the_beats_it_covers() -> None:
    shard = RecordingShard()
    agent = agent_of(shard, settings=settings_of("h1"))
    async with running(agent):
        await anyio.sleep(15.0)
        shard.hang()
        await anyio.sleep(300.0)
        shard.recover()
        back = anyio.current_time()
        await anyio.sleep(INTERVAL)
    after = [(at, beat) for at, beat in zip(shard.taken_at, shard.taken, strict=True) if at > back]
    assert len(after) == 1  # nothing was queued, nothing came in a burst
    assert after[0][0] - back <= INTERVAL
    counters = agent.loops[0].counters
    assert after[0][1].missed == counters.failed == 30
    assert after[0][1].sequence == counters.made  # failed beats count as beats made


@pytest.mark.parametrize("failure", [ShardUnavailable, ShardCorrupt, NotWritable])
async def test_a_cut_connection_costs_no_beat(failure: type[StoreError]) -> None:
    """Nor a server that takes none any more, where another one does."""
    shard = RecordingShard()
    agent = agent_of(shard, settings=settings_of("h1"))
    cut_until = PHASE + 20.0 + 0.5

    async def restarting(_call: str) -> None:
        if PHASE + 19.9 < anyio.current_time() < cut_until:
            raise failure(shard.name, "connection reset")

    shard.trouble = restarting
    async with running(agent):
        await anyio.sleep(60.0)
    assert [beat.sequence for beat in shard.taken] == list(range(1, len(shard.taken) + 1))
    assert [beat.missed for beat in shard.taken] == [0] * len(shard.taken)
    late = [at for at in shard.taken_at if cut_until <= at < PHASE + 20.0 + PUSH_TIMEOUT]
    assert len(late) == 1
    assert agent.loops[0].counters.failed == 0


@pytest.mark.parametrize("seed", range(20))
async def test_retries_are_few_end_with_the_deadline_and_are_not_repeated(seed: int) -> None:
    shard = RecordingShard()
    agent = agent_of(shard, settings=settings_of("h1"), seed=seed)
    async with running(agent):
        await anyio.sleep(1.0)
        shard.refuse("connection refused")
        await anyio.sleep(1000.0)
    tick = PHASE + INTERVAL
    first = [at for at in shard.tried if tick <= at < tick + INTERVAL]
    assert 2 < len(first) < 20
    assert max(first) < tick + PUSH_TIMEOUT
    later = [at for at in shard.tried if at >= tick + INTERVAL]
    assert len(later) == agent.loops[0].counters.failed - 1  # one try a tick until it is back


@pytest.mark.parametrize("error", [ShardRefused("shard:1", "wrong password"), ValueError("bug")])
async def test_what_a_retry_cannot_mend_waits_for_the_next_tick(error: Exception) -> None:
    shard = RecordingShard()
    shard.fail(error)
    agent = agent_of(shard, settings=settings_of("h1"))
    async with running(agent):
        await anyio.sleep(100.0)
    assert len(shard.tried) == agent.loops[0].counters.made == 11


async def test_a_member_that_the_shard_lost_is_announced_at_once() -> None:
    shard = RecordingShard()
    async with running(agent_of(shard, settings=settings_of("h1"))):
        await anyio.sleep(25.0)
        shard.shelf.forget()
        await anyio.sleep(10.0)
    announcements = [call.at for call in shard.calls if call.name == "announce"]
    assert len(announcements) == 2
    assert announcements[1] in shard.taken_at
    assert [beat.sequence for beat in shard.taken] == list(range(1, len(shard.taken) + 1))


async def test_a_shard_that_forgets_at_once_is_a_failed_push_not_a_busy_loop() -> None:
    shard = RecordingShard()

    async def forgetting(_call: str) -> None:
        shard.shelf.forget()

    shard.trouble = forgetting
    agent = agent_of(shard, settings=settings_of("h1"))
    async with running(agent):
        await anyio.sleep(100.0)
    assert agent.loops[0].counters.accepted == 0
    assert len(shard.tried) < 200
    assert "lost the member again" in agent.summary


def every_exception() -> list[BaseException]:
    """One of every exception class there is, as far as they can be made without arguments."""
    found: list[BaseException] = [
        ShardUnavailable("shard:1", "gone"),
        ShardRefused("shard:1", "full"),
        ShardCorrupt("shard:1", "nonsense"),
        StoreError("shard:1", "?"),
        BaseExceptionGroup("group", [OSError(), asyncio.CancelledError()]),
        ExceptionGroup("nested", [ExceptionGroup("inner", [ValueError()])]),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
    ]
    classes: list[type[BaseException]] = [BaseException]
    for one in classes:
        classes += one.__subclasses__()
    passing = (KeyboardInterrupt, SystemExit)
    for one in classes:
        if issubclass(one, passing) or one.__module__ not in ("builtins", "asyncio.exceptions"):
            continue
        try:
            found.append(one())
        except TypeError:
            continue
    return found


@pytest.mark.parametrize("call", ["announce", "beat"])
async def test_every_exception_of_a_driver_is_survived_for_a_thousand_beats(call: str) -> None:
    errors = every_exception()
    assert len(errors) > 60
    shard = RecordingShard()
    raised = 0

    async def failing(name: str) -> None:
        nonlocal raised
        if name == call:
            raised += 1
            raise errors[raised % len(errors)]

    shard.trouble = failing
    agent = agent_of(shard, settings=settings_of("h1", interval=1.0))
    with capture_logs() as lines:
        async with running(agent):
            await anyio.sleep(1000.0)
            counters = agent.loops[0].counters
            assert counters.made >= 1000
            assert counters.failed == counters.made
            shard.recover()
            await anyio.sleep(1.0)
    assert shard.taken[-1].missed == counters.failed
    assert [line["event"] for line in lines] == ["shard lost", "shard back"]
    assert lines[1]["beats_missed"] == counters.failed
    assert lines[1]["seconds"] == pytest.approx(1000.0, abs=2.0)


@pytest.mark.parametrize(
    "error",
    [
        KeyboardInterrupt(),
        SystemExit(3),
        BaseExceptionGroup("of a driver's own tasks", [KeyboardInterrupt(), OSError()]),
    ],
)
async def test_only_what_ends_the_process_gets_out(error: BaseException) -> None:
    shard = RecordingShard()
    shard.fail(error)
    with pytest.raises(BaseExceptionGroup) as caught:
        await agent_of(shard, settings=settings_of("h1")).run()
    assert caught.value.subgroup((KeyboardInterrupt, SystemExit))


async def test_unknown_errors_are_named_without_their_text() -> None:
    shard = RecordingShard()
    shard.fail(RuntimeError("postgresql://user:secret@db/fleet"))
    agent = agent_of(shard, settings=settings_of("h1"))
    with capture_logs() as lines:
        async with running(agent):
            await anyio.sleep(1.0)
    assert "secret" not in agent.summary + str(lines)
    assert "unexpected RuntimeError at " in agent.summary


@pytest.fixture
def full_disk() -> Iterator[None]:
    """A log that cannot be written."""

    def fail(*_: object) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    before = structlog.get_config()
    structlog.configure(processors=[fail])
    yield
    structlog.configure(**before)


@pytest.mark.usefixtures("full_disk")
async def test_a_log_that_cannot_be_written_stops_no_beat() -> None:
    shard = RecordingShard()
    agent = agent_of(shard, settings=settings_of("h1"))
    async with running(agent):
        shard.refuse("connection refused")
        await anyio.sleep(50.0)
        shard.recover()
        await anyio.sleep(20.0)
    assert len(shard.taken) == 2


async def test_the_summary_tells_what_is_waited_for() -> None:
    first, second = RecordingShard("mc1:11211"), RecordingShard("mc2:11211")
    agent = agent_of(first, second, settings=settings_of("h1", "h2"))
    second.fail(ShardRefused("mc2:11211", "out of memory"))
    async with running(agent):
        await anyio.sleep(1.0)
        assert agent.summary == "beating to 1 of 2 shards; mc2:11211: out of memory"
        first.hang()
        await anyio.sleep(20.0)
        assert agent.summary.startswith("waiting for mc")
        assert "no answer within 5 s" in agent.summary
        first.recover()
        second.recover()
        await anyio.sleep(10.0)
        assert agent.summary == "beating to 2 of 2 shards"


async def test_a_report_waits_its_turn_and_never_overlaps_a_push() -> None:
    shard = RecordingShard()
    shard.trouble = lambda call: anyio.sleep(0.5)
    agent = agent_of(shard, settings=settings_of("h1"))
    (loop,) = agent.loops
    async with running(agent):
        await anyio.sleep(0.1)  # announce and first beat are under way
        loop.status = Status.DRAINING
        assert await loop.report() == 1
        assert anyio.current_time() == pytest.approx(1.5)
    assert [(beat.sequence, beat.status) for beat in shard.taken] == [
        (1, Status.OK),
        (2, Status.DRAINING),
    ]
    assert shard.most_under_way == 1


async def test_all_members_leave_at_once_within_the_bound() -> None:
    good, hung = RecordingShard("good:1"), RecordingShard("hung:1")
    agent = agent_of(good, hung, settings=settings_of("h1", "h2", "h3"))
    async with running(agent):
        await anyio.sleep(0.1)
        hung.hang()
        await anyio.sleep(3 * INTERVAL)
    began = anyio.current_time()
    assert await agent.leave() == 3
    assert anyio.current_time() - began == pytest.approx(LEAVE_TIMEOUT)
    assert {beat.status for beat in good.shelf.beats.values()} == {Status.LEAVING}
    await agent.aclose()
    assert good.shelf.closed
    assert hung.shelf.closed


async def test_a_push_that_was_cut_off_by_leaving_did_not_fail() -> None:
    shard = RecordingShard()
    agent = agent_of(shard, settings=settings_of("h1"))
    with capture_logs() as lines:
        async with running(agent):
            shard.hang()
            await anyio.sleep(1.0)
        shard.recover()
        assert await agent.leave() == 1
    assert agent.loops[0].counters.failed == shard.taken[-1].missed == 0
    assert lines == []


async def test_nothing_follows_the_farewell() -> None:
    shard = RecordingShard()
    agent = agent_of(shard, settings=settings_of("h1"))
    async with running(agent):
        await anyio.sleep(0.1)
        shard.refuse("reset")
        await anyio.sleep(PHASE)  # now between two tries of one beat
    shard.recover()
    assert await agent.leave() == 1
    await anyio.sleep(3 * INTERVAL)
    assert shard.taken[-1].status is Status.LEAVING
    assert shard.tried[-1] == shard.taken_at[-1]


async def test_a_member_with_a_brief_interval_keeps_its_own() -> None:
    shard = RecordingShard()
    slow, fast = settings_of("slow").listed[0], settings_of("fast", interval=1.0).listed[0]
    settings = settings_of()
    agent = agent_of(shard, settings=msgspec.structs.replace(settings, listed=(slow, fast)))
    async with running(agent):
        await anyio.sleep(100.0)
    by_interval = [beat.interval_ms for beat in shard.taken]
    assert by_interval.count(10_000) == 11
    assert by_interval.count(1_000) == 101


async def test_beats_tell_what_a_push_is_really_given() -> None:
    """Members of one process share connections, whose deadlines are those of the most hurried."""
    listed = tuple(
        MemberSettings(group="compute", member=name, interval=interval)
        for name, interval in (("slow", 10.0), ("brisk", 1.0))
    )
    shard = RecordingShard()
    async with running(agent_of(shard, settings=Settings(listed=listed))):
        await shard.until(lambda: len(shard.taken) > 1)
    assert {beat.push_timeout_ms for beat in shard.taken} == {800}
