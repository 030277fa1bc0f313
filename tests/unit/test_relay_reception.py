"""What a relay does with the commands of agents, without a socket and without a database."""

import pytest

from musterd.beat import Beat, pack
from musterd.model import Member
from musterd.stores.slots.protocol import write_holder
from musterd_coordinator.memcache.replies import QUEUE_LIMIT
from musterd_coordinator.relay.runs import MOST
from tests.unit.relay_reception import IDENTITY, KEYS, MEMBER, Desk, beat


def test_a_first_beat_is_that_of_whoever_was_announced() -> None:
    desk = Desk(known=False)
    assert desk.say(beat(1)) == b"NOT_STORED\r\n"
    assert desk.say(beat(1, b"set")) == b""
    [waiting] = desk.reception.new.pop()
    assert waiting.newcomer.member == MEMBER
    desk.reception.seat(waiting, 42)
    assert desk.reception.known.drain() == [waiting]
    place = desk.reception.seats.find(IDENTITY)
    assert desk.reception.seats.slot[place] == 42
    waiting.acknowledge(b"STORED")
    assert desk.heard() == b"STORED\r\n"


def test_other_facts_are_announced_anew() -> None:
    desk = Desk()
    assert desk.say(beat(2, b"set")) == b""
    assert len(desk.settle(b"STORED")) == 1
    desk.table.set(KEYS.holder(3), write_holder(Member("compute", "h1", "other zone")))
    assert desk.say(beat(3, b"set")) == b""
    assert len(desk.reception.new.pop()) == 1
    assert desk.settle(b"STORED") == []


def test_what_comes_after_a_beat_is_looked_at_and_answered_after_it() -> None:
    desk = Desk()
    assert desk.say(beat(2) + b"verbosity 1\r\n" + beat(3)) == b""
    first, second = desk.reception.known.drain()
    second.acknowledge(b"STORED")
    assert desk.heard() == b""
    first.acknowledge(b"SERVER_ERROR db1: no")
    assert desk.heard() == b"SERVER_ERROR db1: no\r\nOK\r\nSTORED\r\n"


def test_what_comes_after_a_first_beat_waits_for_the_seat() -> None:
    desk = Desk(known=False)
    assert desk.say(beat(1, b"set") + beat(2) + b"verbosity 1\r\n") == b""
    assert desk.conversation.waits
    [first] = desk.reception.new.pop()
    desk.reception.seat(first, 42)
    assert len(desk.settle(b"STORED")) == 1
    assert len(desk.settle(b"STORED")) == 1


def test_what_comes_before_quit_is_answered() -> None:
    desk = Desk()
    assert desk.say(beat(2) + b"quit\r\n" + beat(3)) == b""
    assert not desk.conversation.closed
    [waiting] = desk.reception.known.drain()
    waiting.acknowledge(b"STORED")
    assert desk.heard() == b"STORED\r\n"
    assert desk.conversation.closed


def test_no_more_than_so_much_waits_on_one_connection() -> None:
    desk = Desk()
    commands = QUEUE_LIMIT // 64 + 2 * MOST
    assert desk.say(beat(2) * commands) == b""
    assert desk.conversation.waits
    taken = sum(len(one.records) // 64 for one in desk.settle(b"STORED"))
    assert QUEUE_LIMIT // 64 <= taken < commands
    assert not desk.conversation.waits
    assert taken + sum(len(one.records) // 64 for one in desk.settle(b"STORED")) == commands


def test_a_whole_beat_is_known_at_a_glance_and_means_the_same() -> None:
    desk = Desk()
    assert desk.conversation.glance(beat(2))
    assert desk.heard() == b""
    [waiting] = desk.reception.known.drain()
    waiting.acknowledge(b"STORED")
    assert desk.heard() == b"STORED\r\n"
    assert desk.say(beat(2)) == b""
    [other] = desk.reception.known.drain()
    assert other.records == waiting.records


@pytest.mark.parametrize(
    "text",
    [
        beat(2)[:-1],
        beat(2) + b"x",
        beat(2) + beat(3),
        beat(2, b"set"),
        beat(2, b"cas"),
        beat(2, rest=b"0 600 64 noreply"),
        beat(2, rest=b"0 600 65"),
        beat(2, rest=b"1 600 64"),
        beat(2, rest=b"0 -1 64"),
        beat(2).replace(b"BM", b"XX"),
        beat(2).replace(b":b:", b":m:"),
        beat(2).replace(pack(Beat(IDENTITY, 1, 2, 1000)), pack(Beat(IDENTITY + 1, 1, 2, 1000))),
        b"",
    ],
)
def test_anything_less_usual_is_looked_at_closely(text: bytes) -> None:
    desk = Desk()
    assert not desk.conversation.glance(text)
    assert desk.reception.known.drain() == []


def test_nothing_is_taken_at_a_glance_while_something_is_under_way() -> None:
    for before in (beat(2), b"get x", b"set x 0 0 5\r\nab", b"set x 0 0 9999999\r\n"):
        desk = Desk()
        desk.say(before)
        assert not desk.conversation.glance(beat(3))


def test_a_client_that_went_away_is_not_written_for() -> None:
    desk = Desk()
    desk.say(beat(2))
    desk.conversation.abandon()
    assert not any(beats.is_wanted for beats in desk.reception.known.drain())


def test_a_reception_that_closed_refuses_what_waits_and_what_comes() -> None:
    desk = Desk()
    desk.say(beat(2))
    desk.reception.close(b"SERVER_ERROR over")
    assert desk.heard() == b"SERVER_ERROR over\r\n"
    assert not desk.conversation.glance(beat(3))
    assert desk.say(beat(3) + beat(4, b"set")) == b"SERVER_ERROR over\r\n" * 2
    assert desk.reception.known.drain() == []
