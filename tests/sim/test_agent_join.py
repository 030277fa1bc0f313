"""`async with musterd_agent.join(...)` in simulated time, on the in-process store."""

from itertools import count

import anyio
import pytest

import musterd_agent
from musterd.beat import HEAD, Status, member_id
from musterd.errors import ConfigError
from musterd.keys import (
    announcement_mac,
    beat_mac,
    challenge_digest,
    member_key,
    member_key_text,
)
from musterd.model import Member
from musterd.stores import open_store
from musterd.stores.slots.protocol import read_announcement
from musterd.stores.table.store import named_table
from musterd.stores.table.table import Table
from musterd_agent import JoinOptions
from musterd_coordinator.sweep.base import ShardReader, open_reader

_numbers = count()


@pytest.fixture
def url() -> str:
    """The URL of an empty in-process store."""
    return f"memory:join-{next(_numbers)}"


class Coordinator:
    """Reads what is on a store's only shard."""

    def __init__(self, url: str) -> None:
        store = open_store(url, namespace="musterd", timeout=5.0, beat_ttl=600.0)
        self._reader: ShardReader = open_reader(store, 0, "c1")
        self.members: dict[str, Member] = {}

    async def statuses(self) -> list[Status]:
        """The status of every beat there is."""
        roster = await self._reader.roster()
        self.members.update((str(member), member) for _, member in roster.seated)
        return [Status(status) for status in (await self._reader.sweep()).beats.status.tolist()]

    async def sequence(self) -> int:
        """The sequence of the only beat there is."""
        await self._reader.roster()
        (sequence,) = (await self._reader.sweep()).beats.sequence.tolist()
        return int(sequence)


async def test_a_member_is_there_as_soon_as_it_joined(url: str) -> None:
    coordinator = Coordinator(url)
    facts = JoinOptions(
        group="workers", member="w1", zone="r1", owner="me", metadata={"cpu": "epyc"}
    )
    async with musterd_agent.join(url, **facts) as membership:
        assert anyio.current_time() == 0.0
        assert await coordinator.statuses() == [Status.OK]
        assert membership.last_accepted == 0.0
        assert coordinator.members["workers/w1"] == membership.member
        assert membership.member.metadata == {"cpu": "epyc"}
    assert await coordinator.statuses() == [Status.LEAVING]


async def test_a_status_goes_with_the_next_beat_or_at_once(url: str) -> None:
    coordinator = Coordinator(url)
    async with musterd_agent.join(url, member="w1", interval=10.0) as membership:
        membership.status = Status.DRAINING
        assert await coordinator.statuses() == [Status.OK]
        await anyio.sleep(10.0)
        assert await coordinator.statuses() == [Status.DRAINING]
        now = anyio.current_time()
        assert await membership.report(Status.CHECK_FAILING)
        assert anyio.current_time() == now
        assert await coordinator.statuses() == [Status.CHECK_FAILING]
        for leaving in (Status.LEAVING, 3):
            with pytest.raises(ValueError, match="by leaving the context"):
                membership.status = leaving  # type: ignore[assignment]
        assert membership.counters == musterd_agent.Counters(made=3, accepted=3, failed=0)


async def test_what_it_can_do_may_change_while_it_beats(url: str) -> None:
    coordinator = Coordinator(url)
    async with musterd_agent.join(url, member="w1", interval=10.0, metadata={"a": "1"}) as joined:
        for metadata in ({"a": "2", "b": ""}, {}):
            sequence = joined.counters.made
            assert await joined.describe(metadata)
            assert joined.member.metadata == metadata
            await coordinator.statuses()
            assert coordinator.members["compute/w1"].metadata == metadata
            assert joined.counters.made == sequence + 1  # a beat comes with it
            await anyio.sleep(25.0)
            await coordinator.statuses()
            assert coordinator.members["compute/w1"].metadata == metadata
        with pytest.raises(ConfigError, match="metadata key"):
            await joined.describe({"no name": ""})
        assert joined.member.metadata == {}


async def test_a_member_knows_how_long_nobody_heard_it(url: str) -> None:
    async with musterd_agent.join(url, member="w1", interval=10.0) as membership:
        await anyio.sleep(60.0)
        last = membership.last_accepted
        assert last is not None
        assert 50.0 <= last <= 60.0
        assert membership.last_accepted_age == 60.0 - last


class CallersError(Exception):
    """What a caller's own code raises."""


async def test_what_the_block_raises_comes_out_as_it_is(url: str) -> None:
    error = CallersError()
    error.__cause__ = cause = ValueError()
    with pytest.raises(CallersError) as caught:
        async with musterd_agent.join(url, member="w1"):
            raise error
    assert caught.value is error
    assert caught.value.__cause__ is cause
    assert await Coordinator(url).statuses() == [Status.LEAVING]


async def test_a_cancelled_block_still_says_that_it_leaves(url: str) -> None:
    with anyio.move_on_after(25.0) as scope:
        async with musterd_agent.join(url, member="w1"):
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert await Coordinator(url).statuses() == [Status.LEAVING]


async def test_two_joins_in_one_process_keep_apart(url: str) -> None:
    async with (
        musterd_agent.join(url, member="w1") as one,
        musterd_agent.join(url, member="w2") as two,
    ):
        assert one.incarnation != two.incarnation
        assert await Coordinator(url).statuses() == [Status.OK, Status.OK]


async def test_long_intervals_do_not_outlive_their_beats(url: str) -> None:
    coordinator = Coordinator(url)
    async with musterd_agent.join(url, member="w1", interval=3600.0):
        await anyio.sleep(7199.0)
        assert await coordinator.statuses() == [Status.OK]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"interval": 0.0}, "interval 0.0"),
        ({"interval": float("nan")}, "interval nan"),
        ({"interval": 10**20}, "interval"),
        ({"interval": 1.0, "push_timeout": 1.0}, "push_timeout"),
        ({"group": "no spaces"}, "group"),
        ({"member": ""}, "member"),
        ({"metadata": {"a": 1}}, "metadata"),
        ({"namespace": "x" * 99}, "namespace"),
        ({"intervall": 1.0}, "no option 'intervall'"),
        ({"listen": "127.0.0.1:1"}, "no option 'listen'"),
    ],
)
def test_options_that_cannot_be_used_are_refused_at_once(
    url: str, options: dict[str, object], text: str
) -> None:
    with pytest.raises(ConfigError, match=text) as caught:
        musterd_agent.join(url, **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_a_url_that_no_driver_can_use_is_refused() -> None:
    with pytest.raises(ConfigError, match="store URL begins with 'redis'"):
        musterd_agent.join("redis://host", member="w1")


def test_the_name_decides_the_member_id_that_coordinators_know() -> None:
    assert member_id("musterd", "compute", "w1") != member_id("lab", "compute", "w1")


KEY = member_key(bytes(32), "musterd", "workers", "w1")


async def test_a_member_with_a_key_signs_from_its_first_beat_to_its_last(url: str) -> None:
    table = named_table(url.removeprefix("memory:"))
    text = member_key_text(KEY)
    async with musterd_agent.join(url, group="workers", member="w1", member_key=text) as membership:
        said, mac = read_announcement(value(table, b"musterd:m:00000000")) or (None, b"")
        assert said == membership.member
        assert mac == announcement_mac(KEY, "musterd", membership.member)
        assert Status(signed_beat(table, mac)[3]) is Status.OK
    assert Status(signed_beat(table, mac)[3]) is Status.LEAVING


def value(table: Table, key: bytes) -> bytes:
    [item] = table.get((key,))
    assert item
    return item.value


def signed_beat(table: Table, announced: bytes) -> bytes:
    """The record in the first slot, which fits."""
    record = value(table, b"musterd:b:00000000")
    assert record[HEAD:] == beat_mac(KEY, record[:HEAD], announced, challenge_digest(b""))
    return record


def test_a_key_that_is_none_is_not_shown(url: str) -> None:
    text = member_key_text(KEY) + "x"
    with pytest.raises(ConfigError, match="use what `musterd key` prints") as caught:
        musterd_agent.join(url, member="w1", member_key=text)
    assert text[4:] not in str(caught.value)
