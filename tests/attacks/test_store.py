"""What somebody does who reaches the memcached, or is one."""

from collections.abc import Callable

import pytest

from musterd.beat import Status
from musterd.model import State
from musterd.testing.servers import Memcached, memcached_url
from tests.attacks.attack import held_up, under_attack
from tests.attacks.hostile_server import EndlessServer
from tests.attacks.neighbour import Neighbour, beat_of, holder
from tests.conftest import StartMemcached
from tests.faults.conftest import StartLab
from tests.faults.lab import CROWD, DURING, Lab
from tests.faults.locks import GROUP, Open

ONE = "one memcached, hostile neighbour"
full_only = pytest.mark.full_only

Deed = Callable[[Lab, Neighbour], Callable[[], object]]


def unreadable_holder(_: Lab, him: Neighbour) -> Callable[[], object]:
    """A name that is no UTF-8, in a slot that newcomers were given."""
    return lambda: him.seat(him.new_slot(), b"\x82\xa5group\xa7compute\xa4name\xa2\xff\xfe")


def nested_holder(_: Lab, him: Neighbour) -> Callable[[], object]:
    """Arrays within arrays in a field that nobody knows."""
    poison = b"\x83\xa5group\xa7compute\xa4name\xa1x\xa1z" + b"\x91" * 2000 + b"\xc0"
    return lambda: him.seat(him.new_slot(), poison)


def hasty_member(_: Lab, him: Neighbour) -> Callable[[], object]:
    """A member of his own that promises to beat a thousand times a second."""
    slot, sequence = him.new_slot(), iter(range(1, 10_000))

    def beat() -> None:
        him.seat(slot, holder("hasty"), beat_of("hasty", interval_ms=1, sequence=next(sequence)))

    return beat


def everlasting_member(_: Lab, him: Neighbour) -> Callable[[], object]:
    """A member of his own that promises to beat every 49 days."""
    slot, sequence = him.new_slot(), iter(range(1, 10_000))

    def beat() -> None:
        record = beat_of("slow", interval_ms=2**32 - 1, sequence=next(sequence))
        him.seat(slot, holder("slow"), record)

    return beat


def huge_sequence(_: Lab, him: Neighbour) -> Callable[[], object]:
    """Beats of the living overwritten with the largest number there is."""

    def overwrite() -> None:
        for name in CROWD[:4]:
            him.forge(name, sequence=2**64 - 1)

    return overwrite


SPOILING = [huge_sequence]
"""What spoils more than a tenth of all beats: with keys it is as if they were lost, and nobody is judged."""


def huge_sequence_once(_: Lab, him: Neighbour) -> Callable[[], object]:
    """The same, one single time."""
    him.forge(CROWD[0], sequence=2**64 - 1)
    return lambda: None


def junk_members(_: Lab, him: Neighbour) -> Callable[[], object]:
    """Members of his own whose beats are none of theirs."""
    slots = [him.new_slot() for _ in range(6)]

    def spoil() -> None:
        for slot in slots:
            him.seat(slot, holder(f"junk-{slot}"), beat_of("somebody-else"))

    return spoil


def turncoats(_: Lab, him: Neighbour) -> Callable[[], object]:
    """Members of his own who beat well for three seconds, and then are spoiled again and again."""
    slots, times = [him.new_slot() for _ in range(6)], iter(range(1, 10_000))

    def beat() -> None:
        number = next(times)
        for slot in slots:
            name = f"turncoat-{slot}" if number <= 12 else "somebody-else"
            him.seat(slot, holder(f"turncoat-{slot}"), beat_of(name, sequence=number))

    return beat


def counter_beyond(_: Lab, him: Neighbour) -> Callable[[], object]:
    """The counter of slots at its limit."""
    return lambda: him.set(b"musterd:n", b"16777216")


def pointer_beyond(_: Lab, him: Neighbour) -> Callable[[], object]:
    """Free slots and members' slots that are far beyond anybody's."""

    def point() -> None:
        him.set(b"musterd:f", b"00fffffe" * 16)
        him.seat(0xFFFFFE, holder("far"), beat_of("far"))

    return point


def counter_is_nonsense(_: Lab, him: Neighbour) -> Callable[[], object]:
    """The counter of slots is no number, or not there."""
    return lambda: him.set(b"musterd:n", b"\xff\x00 many")


def large_values(_: Lab, him: Neighbour) -> Callable[[], object]:
    """A hundred and fifty values of a megabyte where holders are read."""
    slots = [him.new_slot() for _ in range(150)]

    def fill() -> None:
        for slot in slots[:20]:
            him.set(b"musterd:m:%08x" % slot, b"x" * 1_040_000)
        slots[:] = slots[20:] + slots[:20]

    return fill


def large_beats(_: Lab, him: Neighbour) -> Callable[[], object]:
    """Megabytes where a beat of 64 bytes is read."""
    slots = [him.new_slot() for _ in range(40)]
    for slot in slots:
        him.seat(slot, holder(f"large-{slot}"))
    return lambda: [him.set(b"musterd:b:%08x" % slot, b"x" * 1_000_000, 600) for slot in slots[:8]]


def many_names(_: Lab, him: Neighbour) -> Callable[[], object]:
    """Four hundred new members, groups and zones a second, of his own making."""
    numbers = iter(range(1_000_000))

    def flood() -> None:
        for _ in range(100):
            number = next(numbers)
            him.seat(him.new_slot(), holder(f"n{number}", f"z{number}", f"g{number}"))

    return flood


@full_only
@pytest.mark.parametrize("storm_min", [0])
@pytest.mark.parametrize(
    "deed",
    [
        unreadable_holder,
        nested_holder,
        hasty_member,
        everlasting_member,
        huge_sequence,
        huge_sequence_once,
        junk_members,
        counter_beyond,
        pointer_beyond,
        counter_is_nonsense,
        many_names,
        large_beats,
    ],
    ids=lambda deed: deed.__name__,
)
def test_a_neighbour_in_memcached(memcached: Memcached, start_lab: StartLab, deed: Deed) -> None:
    lab = start_lab(memcached.url, kind=ONE)
    with Neighbour(memcached) as him:
        name = deed.__name__.replace("_", " ")
        if lab.locks.are_on and deed in SPOILING:
            held_up(lab, name, deed(lab, him), why="beats are spoiled")
        else:
            under_attack(lab, name, deed(lab, him))


@full_only
@pytest.mark.parametrize("storm_min", [0])
def test_turncoats_hold_up_verdicts_for_a_while_only(
    memcached: Memcached, start_lab: StartLab
) -> None:
    lab = start_lab(memcached.url, kind=ONE)
    with Neighbour(memcached) as him:
        under_attack(lab, "turncoats", turncoats(lab, him), deaf=0.9)


@full_only
@pytest.mark.parametrize("storm_min", [0])
def test_values_that_fill_the_readers_memory(
    start_memcached: StartMemcached, start_lab: StartLab
) -> None:
    memcached = start_memcached("-m", "1024")
    lab = start_lab(memcached.url, kind=ONE)
    with Neighbour(memcached) as him:
        under_attack(lab, "large values", large_values(lab, him), deaf=0.6)


@full_only
@pytest.mark.parametrize("storm_min", [5])
@pytest.mark.parametrize("status", [Status.LEAVING, Status.CHECK_FAILING])
def test_a_forged_goodbye_of_everybody(
    memcached: Memcached, start_lab: StartLab, status: Status
) -> None:
    """What a beat says is believed at once, so that those who come first go before there are many.

    Where there are keys nothing of it is believed of anybody, and most beats are spoiled.
    """
    lab, name = start_lab(memcached.url, kind=ONE), f"forged {status.name.lower()}"
    with Neighbour(memcached) as him:

        def say_goodbye() -> None:
            for member in CROWD:
                him.forge(member, status=status)

        if lab.locks.are_on:
            held_up(lab, name, say_goodbye, why="beats are spoiled")
        else:
            lab.guilty_suspects = lab.may_hold_the_dead = True
            lab.believed = 4  # storm_min is 5
            under_attack(lab, name, say_goodbye)


@full_only
@pytest.mark.parametrize("storm_min", [0])
def test_one_of_three_servers_answers_without_end(
    start_memcached: StartMemcached, start_lab: StartLab, locks: Open
) -> None:
    servers = [start_memcached() for _ in range(2)]
    with EndlessServer(locks.inside.server) as hostile:
        last = servers[-1].address
        url = memcached_url(*servers, replicas=2).replace(last, f"{last},{hostile.address}")
        lab = start_lab(url, kind="two memcacheds and a hostile one")
        under_attack(lab, "answers without end", lambda: None, deaf=1.0)
        assert lab.coordinator.is_running
        assert hostile.sent < 4_000_000_000


@full_only
@pytest.mark.parametrize("storm_min", [0])
def test_somebodys_hands_on_one_members_beats_are_told(
    memcached: Memcached, start_lab: StartLab
) -> None:
    lab = start_lab(memcached.url, kind=ONE)
    with Neighbour(memcached) as him:

        def is_flagged() -> bool:
            him.forge(CROWD[0], sequence=2**64 - 1)  # a beat may follow before the next sweep
            return lab.coordinator.client.member(GROUP, CROWD[0]).conflict

        lab.wait(is_flagged, 20, "flagged")
    answer = lab.coordinator.client.member(GROUP, CROWD[0])
    assert (answer.state, answer.up) == (State.UP, True)
    lab.kill(DURING)
    lab.wait(lambda: lab.is_dead(DURING), 20, "found")
