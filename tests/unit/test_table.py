"""The in-memory table: memcached's rules, with time and memory in the test's hands."""

import pytest

from musterd.stores.table.table import ITEM_OVERHEAD, Outcome, Table
from tests.unit.tables import Clock, table_of, value_of

DAY = 24 * 3600


def test_keeps_what_it_was_given() -> None:
    table = Table()
    assert table.set(b"k", b"value", 7) is Outcome.STORED
    found, missing = table.get([b"k", b"other"])
    assert found is not None
    assert (found.value, found.flags, missing) == (b"value", 7, None)


def test_a_relative_expiry_ignores_the_wall_clock() -> None:
    clock = Clock()
    table = table_of(clock)
    table.set(b"k", b"", exptime=10)
    clock.step = 365 * DAY
    clock.now += 9.9
    assert value_of(table, b"k") == b""
    clock.now += 0.1
    assert value_of(table, b"k") is None


def test_thirty_days_are_relative_and_a_second_more_is_a_date() -> None:
    clock = Clock()
    table = table_of(clock)
    table.set(b"relative", b"", exptime=30 * DAY)
    table.set(b"in_1970", b"", exptime=30 * DAY + 1)
    table.set(b"soon", b"", exptime=int(clock.wall()) + 10)
    clock.now += 9.0
    assert [value_of(table, key) for key in (b"relative", b"in_1970", b"soon")] == [b"", None, b""]
    clock.now += 2.0
    assert value_of(table, b"soon") is None
    clock.now += 30 * DAY
    assert value_of(table, b"relative") is None


def test_zero_never_expires_and_less_has_expired() -> None:
    clock = Clock()
    table = table_of(clock)
    table.set(b"forever", b"")
    assert table.set(b"gone", b"", exptime=-1) is Outcome.STORED
    clock.now += 1000 * DAY
    assert value_of(table, b"forever") == b""
    assert table.add(b"gone", b"again") is Outcome.STORED


def test_touch_and_gat_move_the_expiry_and_keep_the_cas_number() -> None:
    clock = Clock()
    table = table_of(clock)
    table.set(b"k", b"v", exptime=10)
    before = table.get([b"k"])[0]
    assert table.touch(b"k", 100)
    clock.now += 50
    after = table.gat(100, [b"k", b"none"])
    assert before is not None
    assert after[0] is not None
    assert (after[0].cas, after[1]) == (before.cas, None)
    clock.now += 99
    assert value_of(table, b"k") == b"v"
    assert not table.touch(b"none", 5)


def test_what_is_expired_is_absent_for_every_verb() -> None:
    clock = Clock()
    table = table_of(clock)

    def expired() -> bytes:
        table.set(b"k", b"5", exptime=1)
        clock.now += 1
        return b"k"

    assert table.add(expired(), b"6") is Outcome.STORED
    assert table.replace(expired(), b"") is Outcome.NOT_STORED
    assert table.append(expired(), b"") is Outcome.NOT_STORED
    assert table.prepend(expired(), b"") is Outcome.NOT_STORED
    assert table.cas(expired(), b"", 0, 0, 1) is Outcome.NOT_FOUND
    assert table.incr(expired(), 1) is Outcome.NOT_FOUND
    assert table.decr(expired(), 1) is Outcome.NOT_FOUND
    assert not table.touch(expired(), 1)
    assert not table.delete(expired())


def test_cas_stores_only_what_nobody_else_changed() -> None:
    table = Table()
    table.set(b"k", b"1")
    item = table.get([b"k"])[0]
    assert item is not None
    assert table.cas(b"k", b"2", 0, 0, item.cas) is Outcome.STORED
    assert table.cas(b"k", b"3", 0, 0, item.cas) is Outcome.EXISTS
    assert value_of(table, b"k") == b"2"
    assert table.cas(b"none", b"", 0, 0, 1) is Outcome.NOT_FOUND


def test_counts_as_memcached_does() -> None:
    table = Table()
    table.set(b"n", b"10")
    assert table.decr(b"n", 1) == 9
    assert value_of(table, b"n") == b"9 "
    assert table.incr(b"n", 91) == 100
    assert table.decr(b"n", 1000) == 0
    table.set(b"n", b"%d" % (2**64 - 1), 5)
    assert table.incr(b"n", 2) == 1
    table.set(b"n", b"ten")
    assert table.incr(b"n", 1) is Outcome.NON_NUMERIC


def test_refuses_keys_and_values_over_their_limits() -> None:
    table = Table()
    for key in (b"", b"x" * 251, b"a b", b"a\nb", b"a\x00b", b"a\x7fb"):
        assert table.set(key, b"") is Outcome.BAD_KEY
    assert table.set("clé-é".encode() + b"x" * 240, b"") is Outcome.STORED
    largest = (1 << 20) - 59 - 1
    assert table.set(b"k", bytes(largest)) is Outcome.STORED
    assert table.append(b"k", b"x") is Outcome.NOT_STORED
    assert table.replace(b"k", bytes(largest + 1)) is Outcome.TOO_LARGE
    assert value_of(table, b"k") == bytes(largest)
    assert table.set(b"k", bytes(largest + 1)) is Outcome.TOO_LARGE
    assert value_of(table, b"k") is None  # a set that fails leaves no stale value
    assert Table(500).set(b"k", bytes(500)) is Outcome.NO_MEMORY


def test_evicts_what_was_used_longest_ago() -> None:
    table = Table(3 * (ITEM_OVERHEAD + 2))
    for key in (b"a", b"b", b"c"):
        table.set(key, b"-")
    table.get([b"a"])
    table.set(b"d", b"-")
    assert [value_of(table, key) for key in (b"a", b"b", b"c", b"d")] == [b"-", None, b"-", b"-"]
    assert table.stats()["evictions"] == 1


def test_flushes_at_once_or_when_the_delay_has_passed() -> None:
    clock = Clock()
    table = table_of(clock)
    table.set(b"k", b"1")
    table.flush_all()
    assert value_of(table, b"k") is None
    table.flush_all(10)
    table.set(b"k", b"2")
    clock.now += 9.9
    table.set(b"late", b"3")
    assert value_of(table, b"k") == b"2"
    clock.now += 0.1
    assert table.get([b"k", b"late"]) == [None, None]
    table.set(b"k", b"4")
    clock.now += 100
    assert value_of(table, b"k") == b"4"


def test_a_flush_takes_the_place_of_a_delayed_one() -> None:
    clock = Clock()
    table = table_of(clock)
    table.flush_all(10)
    table.flush_all()
    table.set(b"k", b"")
    clock.now += 10
    assert value_of(table, b"k") == b""


def test_writes_alone_reclaim_what_expired() -> None:
    clock = Clock()
    table = table_of(clock)
    for number in range(1000):
        table.set(b"%d" % number, b"", exptime=5)
    clock.now += 5
    for _ in range(1100):
        table.set(b"k", b"")
    assert len(table) == 1
    assert table.bytes_used == 1 + ITEM_OVERHEAD


def test_stops_when_the_room_is_used_up() -> None:
    table = Table()
    for key in (b"a", b"b", b"c"):
        table.set(key, b"12345")
    keys = [b"none", b"a", b"b", b"c"]
    assert len(table.get(keys, room=6)) == 3
    assert len(table.gat(0, keys, room=5)) == 2
    assert (table.stats()["get_hits"], table.stats()["touch_hits"]) == (2, 1)


def test_reports_what_happened_and_forgets_it_on_demand() -> None:
    table = Table()
    table.set(b"k", b"1")
    table.get([b"k", b"none"])
    table.incr(b"k", 1)
    table.delete(b"none")
    stats = table.stats()
    assert (stats["cmd_get"], stats["get_hits"], stats["get_misses"]) == (2, 1, 1)
    assert (stats["incr_hits"], stats["delete_misses"], stats["curr_items"]) == (1, 1, 1)
    table.reset_stats()
    assert table.stats()["cmd_get"] == 0
    assert table.stats()["curr_items"] == 1


@pytest.mark.parametrize(
    ("size", "counted"), [(2, 8), (500_000, 8), (600_000, Outcome.NON_NUMERIC)]
)
def test_what_memcached_keeps_in_pieces_is_no_number(size: int, counted: int | Outcome) -> None:
    table = Table()
    table.set(b"a", b"7 ".ljust(size, b"x"))
    assert table.incr(b"a", 1) == counted
    assert table.decr(b"a", 1) == (7 if counted == 8 else counted)


@pytest.mark.parametrize("verb", ["add", "replace", "append", "prepend"])
def test_what_is_refused_leaves_what_was_there(verb: str) -> None:
    table = Table(item_limit=1000)
    table.set(b"here", b"v")
    write = getattr(table, verb)
    assert write(b"here", bytes(1001)) is Outcome.TOO_LARGE
    assert write(b"x" * 251, b"") is Outcome.BAD_KEY
    found = table.get([b"here"])[0]
    assert found is not None
    assert table.cas(b"here", bytes(1001), 0, 0, found.cas) is Outcome.TOO_LARGE
    assert value_of(table, b"here") == b"v"
