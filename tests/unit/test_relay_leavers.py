"""What a relay keeps of members that go away, are announced anew, or come too late."""

from musterd.model import Member
from musterd.stores.slots.protocol import read_slots, write_holder
from tests.unit.relay_reception import IDENTITY, KEYS, MEMBER, Desk, beat

OVER = b"SERVER_ERROR over"


def holder_in(desk: Desk) -> bytes | None:
    [item] = desk.table.get((KEYS.holder(3),))
    return None if item is None else item.value


def test_the_slot_of_a_member_that_went_away_is_for_a_newcomer() -> None:
    desk = Desk()
    for _ in range(2):  # once is enough
        desk.reception.vacate(IDENTITY)
        assert holder_in(desk) is None
        [free] = desk.table.get((KEYS.free,))
        assert free is not None
        assert read_slots(free.value) == [3]
    assert desk.say(beat(2)) == b"NOT_STORED\r\n"


def test_a_slot_that_another_member_has_by_now_is_not_given_away() -> None:
    desk = Desk()
    following = write_holder(Member("compute", "h2", "z"))
    desk.table.set(KEYS.holder(3), following)
    desk.reception.vacate(IDENTITY)
    assert holder_in(desk) == following
    assert desk.table.get((KEYS.free,)) == [None]


def test_a_member_that_announced_itself_anew_keeps_its_seat() -> None:
    desk = Desk(known=False)
    desk.say(beat(1, b"set"))
    [first] = desk.reception.new.pop()
    again = write_holder(Member("compute", "h1", "other zone"))
    desk.reception.seats.put(IDENTITY, 42, again, first.key, 5.0)
    desk.reception.unseat(first.newcomer)
    assert desk.reception.seats.find(IDENTITY) is not None
    desk.reception.seats.put(IDENTITY, 42, write_holder(MEMBER), first.key, 5.0)
    desk.reception.unseat(first.newcomer)
    assert desk.reception.seats.find(IDENTITY) is None


def test_a_seat_that_comes_while_the_relay_stops_is_refused_as_everything_is() -> None:
    desk = Desk(known=False)
    assert desk.say(beat(1, b"set")) == b""
    [first] = desk.reception.new.pop()
    desk.reception.close(OVER)
    desk.reception.seat(first, 42)
    assert desk.heard() == OVER + b"\r\n"


def test_only_who_sits_here_is_told_of_as_unused() -> None:
    desk = Desk()
    seats, other = desk.reception.seats, IDENTITY + 1
    seats.put(other, 43, b"holder", KEYS.beat(4), 5.0)
    seats.remove(IDENTITY)
    seats.remove(IDENTITY + 2)
    assert list(seats.unused_since(6.0)) == [other]


def test_a_client_that_goes_away_leaves_what_was_answered_already() -> None:
    desk = Desk()
    assert desk.say(beat(2) + b"verbosity 1\r\n") == b""
    desk.conversation.abandon()
    [waiting] = desk.reception.known.drain()
    assert not waiting.is_wanted
