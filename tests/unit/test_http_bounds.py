"""How much callers may take: connections, memory and orders, by properties and a simulated clock."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musterd_coordinator.http.doors import Door
from musterd_coordinator.http.limits import FIRST_BYTES, HttpLimits, Room
from musterd_coordinator.limits.rates import KNOWN, Pace, Rate, Repeats
from musterd_coordinator.limits.shares import Shares, holder_of

homes = st.sampled_from("abc")


@given(
    st.integers(1, 8),
    st.integers(1, 8),
    st.lists(st.tuples(st.sampled_from(["come", "ask", "done", "go"]), st.integers(0, 11), homes)),
)
def test_who_asks_nothing_keeps_nobody_out(
    total: int, each: int, steps: list[tuple[str, int, str]]
) -> None:
    door, inside, idle = Door[int](total, each), dict[int, str](), list[int]()
    for what, guest, home in steps:
        if what == "come" and guest not in inside:
            full_here = sum(one == home for one in inside.values()) >= each
            among = [one for one in idle if inside[one] == home] if full_here else idle
            full = full_here or len(inside) >= total
            came, leaving = door.admit(guest, home)
            assert came == (not full or bool(among))
            assert leaving == (among[0] if full and among else None)
            if leaving is not None:
                del inside[leaving]
                idle.remove(leaving)
            if came:
                inside[guest] = home
                idle.append(guest)
        elif what == "ask" and guest in inside:
            door.busy(guest)
            idle = [one for one in idle if one != guest]
        elif what == "done" and guest in inside:
            door.idle(guest)
            idle += [] if guest in idle else [guest]
        elif what == "go":
            door.release(guest)
            inside.pop(guest, None)
            idle = [one for one in idle if one != guest]
        assert len(door) == len(inside) <= total
        assert max(Counter(inside.values()).values(), default=0) <= each


def test_the_idle_of_one_address_do_not_lock_out_another() -> None:
    door = Door[int](4096, 1024)
    for guest in range(4096):
        assert door.admit(guest, f"10.0.0.{guest % 4}") == (True, None)
    assert door.admit(5000, "10.0.0.9") == (True, 0)
    assert door.admit(5001, "10.0.0.1") == (True, 1)
    for guest in [*list(range(4096)), 5000, 5001]:
        door.busy(guest)
    assert door.admit(5002, "10.0.0.9") == (False, None)
    assert dict(door.refused) == {"all": 1, "address": 0}
    assert door.dismissed == 2


@given(st.lists(st.tuples(homes, st.integers(-5, 5))), st.integers(1, 20), st.integers(1, 20))
def test_shares_are_kept_to(steps: list[tuple[str, int]], total: int, each: int) -> None:
    shares, held = Shares(total, each), Counter[str]()
    for holder, amount in steps:
        if amount >= 0:
            fits = held[holder] + amount <= each and held.total() + amount <= total
            assert shares.acquire(holder, amount) == fits
            held[holder] += amount if fits else 0
        else:
            back = min(-amount, held[holder])
            shares.release(holder, back)
            held[holder] -= back
        assert shares.taken == held.total()
        assert shares.held(holder) == held[holder]
    for holder in held:
        shares.release(holder, held[holder])
    assert not shares._held


@pytest.mark.parametrize(
    ("address", "holder"),
    [
        ("10.1.2.3", "10.1.2.3"),
        ("::ffff:10.1.2.3", "10.1.2.3"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unix", "unix"),
    ],
)
def test_an_ipv6_network_is_one_caller(address: str, holder: str) -> None:
    assert holder_of((address, 1)) == holder
    assert holder_of(None) == ""


@given(st.lists(st.tuples(st.floats(0, 3), homes, st.integers(1, 30)), min_size=1, max_size=30))
def test_orders_come_no_faster_than_they_may(calls: list[tuple[float, str, int]]) -> None:
    now = [0.0]
    total, each = Rate(4.0, 20.0), Rate(2.0, 10.0)
    pace, passed = Pace(total, each, lambda: now[0]), Counter[str]()
    for pause, who, times in calls:
        now[0] += pause
        for _ in range(times):
            wait = pace.retry_after(who)
            if not wait:
                passed[who] += 1
            else:
                assert 1 <= wait <= 2
        assert passed[who] <= each.burst + each.each_second * now[0] + 1e-6
        assert passed.total() <= total.burst + total.each_second * now[0] + 1e-6


def test_who_waits_as_told_goes_on_and_others_are_not_held_up() -> None:
    now = [0.0]
    pace = Pace(Rate(10.0, 100.0), Rate(1.0, 5.0), lambda: now[0])
    assert [pace.retry_after("flood") for _ in range(7)] == [0, 0, 0, 0, 0, 1, 1]
    assert pace.retry_after("other") == 0
    now[0] += 1.0
    assert pace.retry_after("flood") == 0
    assert pace.retry_after("flood") == 1


def test_who_is_forgotten_is_held_by_the_bound_for_all() -> None:
    pace = Pace(Rate(1.0, 5000.0), Rate(1.0, 1.0), lambda: 0.0)
    passed = sum(pace.retry_after(number) == 0 for number in range(2 * KNOWN))
    assert passed == 5000
    assert len(pace._buckets) == KNOWN


def test_repeats_are_summed_up() -> None:
    now = [0.0]
    repeats = Repeats(lambda: now[0], burst=2, period=60.0)
    assert [repeats.one_more() for _ in range(5)] == [0, 0, None, None, None]
    now[0] = 59.0
    assert repeats.one_more() is None
    now[0] = 60.0
    assert [repeats.one_more() for _ in range(3)] == [4, 0, None]


@given(st.lists(st.tuples(st.integers(0, 5), homes, st.integers(1, 3 * FIRST_BYTES))))
def test_bodies_have_only_so_much_room(steps: list[tuple[int, str, int]]) -> None:
    limits = HttpLimits(first=4 * FIRST_BYTES, rest=6 * FIRST_BYTES)
    room = Room(limits)
    bodies = {number: (room.body(home), home) for number, home, _ in steps}
    sizes = Counter[int]()
    for number, _, more in steps:
        body, home = bodies[number]
        if body.grow(sizes[number] + more):
            sizes[number] += more
        else:
            body.close()
            sizes[number] = 0
        of = sum(size for each, size in sizes.items() if bodies[each][1] == home)
        assert of <= (limits.first + limits.rest) // 2
        assert room.bytes == sizes.total() <= limits.first + limits.rest
    for body, _ in bodies.values():
        body.close()
    assert room.bytes == 0


def test_small_bodies_pass_while_large_ones_take_all_they_may() -> None:
    room = Room(HttpLimits())
    for number in range(4):
        hog = room.body(f"10.0.0.{number}")
        size = 0
        while hog.grow(size + FIRST_BYTES):
            size += FIRST_BYTES
    assert room.body("10.0.0.1").grow(FIRST_BYTES)
    assert not room.body("10.0.0.9").grow(4 * 1024 * 1024)


@given(st.integers(1, 10_000), st.none() | st.integers(1, 10_000))
def test_an_address_has_a_quarter_unless_an_operator_says_otherwise(
    connections: int, each: int | None
) -> None:
    limits = HttpLimits(connections, each)
    assert 1 <= limits.each <= connections
    assert limits.each == (max(1, connections // 4) if each is None else min(each, connections))
    assert 1 <= limits.readers_each <= limits.readers
