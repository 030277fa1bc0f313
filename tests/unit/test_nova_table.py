"""The memcached that Nova sees: verdicts where its services are, and a cache for all else."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musterd.model import State, Verdict
from musterd.stores.table.items import Outcome
from musterd.stores.table.table import Table
from musterd_coordinator.memcache.protocol import ProtocolSession
from musterd_coordinator.nova.answers import Answers
from musterd_coordinator.nova.table import NovaTable
from musterd_coordinator.nova.values import key_of
from musterd_coordinator.nova.writers import Writers
from tests.nova_values import cached, unpickled
from tests.unit.fleet import rules

NOW = 1_764_514_145.0
UP, DOWN, WRITER, OTHER = (key_of("compute", host) for host in ("up", "down", "writer", "other"))
BEAT = cached(datetime(2026, 11, 30), 5)  # noqa: DTZ001  # as Nova writes it


def verdict(state: State, *, down: bool) -> Verdict:
    return Verdict(up=not down, schedulable=not down, down=down, state=state)


class Desk:
    """A door's table with two members, one of them down."""

    def __init__(self) -> None:
        self.verdicts = {
            UP: verdict(State.UP, down=False),
            DOWN: verdict(State.DOWN, down=True),
        }
        self.writers = Writers(rules(), period=0.5, timeout=0.5, most=2)
        self.answers = Answers(lambda: self.verdicts, self.writers, lambda: NOW)
        self.table = NovaTable(self.answers, 1 << 20)

    def told(self, key: bytes) -> float | None:
        """For how long Nova is told that a service was not seen; None: that it is down."""
        [item] = self.table.get((key,))
        if item is None:
            return None
        assert item.flags == 1
        seen: float = unpickled(item.value).payload.replace(tzinfo=UTC).timestamp()
        return NOW - seen


@pytest.mark.parametrize(
    ("state", "down", "told"),
    [
        (State.UP, False, 0.0),
        (State.UNKNOWN, False, 0.0),
        (State.SUSPECT, False, 0.0),
        (State.DOWN, True, None),
        (State.LEFT, True, None),
        (State.UP, True, None),  # forced down
    ],
)
def test_whoever_is_not_down_is_a_value(state: State, down: bool, told: float | None) -> None:
    desk = Desk()
    desk.verdicts[UP] = verdict(state, down=down)
    assert desk.told(UP) == told


def test_the_time_is_that_of_the_last_sign_of_life() -> None:
    desk = Desk()
    desk.answers.silences = {UP: 42.5, DOWN: 99.0}
    assert (desk.told(UP), desk.told(DOWN)) == (42.5, None)


def test_a_service_that_nobody_knows_and_that_writes_is_a_value() -> None:
    desk = Desk()
    assert desk.told(WRITER) is None
    assert desk.table.set(WRITER, BEAT, flags=1) is Outcome.STORED
    assert desk.told(WRITER) == 0.0


def test_what_a_member_writes_of_itself_changes_nothing() -> None:
    desk = Desk()
    for key in (UP, DOWN):
        assert desk.table.set(key, BEAT, flags=1) is Outcome.STORED
    assert (desk.told(UP), desk.told(DOWN)) == (0.0, None)
    assert len(desk.writers) == len(desk.table) == 0


def test_a_writer_that_becomes_a_member_is_one_and_a_member_that_is_forgotten_may_be_a_writer() -> (
    None
):
    desk = Desk()
    desk.table.set(WRITER, BEAT, flags=1)
    desk.verdicts[WRITER] = verdict(State.DOWN, down=True)
    assert desk.told(WRITER) is None
    desk.table.set(WRITER, BEAT, flags=1)
    assert len(desk.writers) == 0
    del desk.verdicts[WRITER]
    desk.table.set(WRITER, BEAT, flags=1)
    assert desk.told(WRITER) == 0.0


def test_more_services_than_are_judged_are_kept_as_in_any_cache() -> None:
    desk = Desk()
    keys = [key_of("compute", f"h{number}") for number in range(3)]
    for key in keys:
        assert desk.table.set(key, BEAT, flags=1) is Outcome.STORED
    assert (len(desk.writers), len(desk.table), desk.answers.crowded_out) == (2, 1, 1)
    assert [item.value for item in desk.table.get(keys[2:]) if item] == [BEAT]


CHANGES: dict[str, Callable[[Table, bytes], object]] = {
    "flush_all": lambda table, key: table.flush_all(),
    "delete": lambda table, key: table.delete(key),
    "set": lambda table, key: table.set(key, b"1", flags=0),
    "expired": lambda table, key: table.set(key, b"1", flags=0, exptime=-1),
    "add": lambda table, key: table.add(key, b"1"),
    "replace": lambda table, key: table.replace(key, b"1"),
    "append": lambda table, key: table.append(key, b"1"),
    "prepend": lambda table, key: table.prepend(key, b"1"),
    "cas": lambda table, key: table.cas(key, b"1", 0, 0, 1),
    "incr": lambda table, key: table.incr(key, 1),
    "decr": lambda table, key: table.decr(key, 1),
    "touch": lambda table, key: table.touch(key, -1),
    "gat": lambda table, key: table.gat(-1, [key]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_nothing_that_a_client_does_changes_a_verdict(change: str) -> None:
    desk = Desk()
    desk.table.set(WRITER, BEAT, flags=1)
    for key in (UP, DOWN, WRITER):
        CHANGES[change](desk.table, key)
        desk.table.peek(key)
    assert [desk.told(key) for key in (UP, DOWN, WRITER)] == [0.0, None, 0.0]


def test_a_flush_takes_all_else() -> None:
    desk = Desk()
    desk.table.set(OTHER, b"az1")
    desk.table.flush_all()
    assert desk.table.get((OTHER, UP))[0] is None
    assert desk.table.get((OTHER, UP))[1] is not None


def test_many_keys_are_looked_up_in_their_order_and_within_the_room() -> None:
    desk = Desk()
    desk.table.set(OTHER, b"az1")
    found = desk.table.get([OTHER, UP, DOWN, b"none"])
    assert [item and len(item.value) for item in found] == [3, 96, None, None]
    assert len(desk.table.get([UP, OTHER, UP], room=90)) == 1
    assert [item and len(item.value) for item in desk.table.gat(9, [OTHER, DOWN, UP])] == [
        3,
        None,
        96,
    ]


class Statistics:
    """Of a server that has none."""

    version = "1"

    def statistics(self, kind: str) -> dict[str, object] | None:
        return None

    def reset(self) -> None: ...


words = st.sampled_from(
    [b"a", b"b", b"0", b"1", b"9", b"noreply", b"set", b"get", b"gets", b"incr"]
)
lines = st.one_of(
    st.lists(words, max_size=5).map(b" ".join),
    st.builds(
        lambda verb, key, value: b"%b %b 1 0 %d\r\n%b" % (verb, key, len(value), value),
        st.sampled_from([b"set", b"add", b"replace", b"append", b"prepend"]),
        st.sampled_from([b"a", b"b"]),
        st.one_of(st.just(BEAT[:-1]), st.just(b"7"), st.binary(max_size=9)),
    ),
)


@given(st.lists(lines, max_size=12).map(b"\r\n".join))
def test_what_is_no_service_is_kept_as_in_a_memcached(script: bytes) -> None:
    said = []
    for table in (Table(1 << 20), Desk().table):
        session = ProtocolSession(table, Statistics())
        session.feed(script + b"\r\n")
        parts = iter(session.step, None)
        said.append(b"".join(part for part in parts if part is not None))
    assert said[0] == said[1]
