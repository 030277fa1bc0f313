"""What somebody does who came through all doors of a memcached, and has nobody's key."""

from itertools import count, cycle

import pytest

from musterd.keys import member_key, member_key_text
from musterd.model import Member
from musterd.stores.slots.protocol import read_announcement, write_holder
from musterd.testing.daemons import Agent
from musterd.testing.servers import Memcached
from tests.attacks.attack import under_attack
from tests.attacks.neighbour import NAMESPACE, Neighbour, beat_of, holder
from tests.faults.conftest import StartLab
from tests.faults.lab import CROWD, DURING, Lab
from tests.faults.locks import GROUP
from tests.faults.memcached_orders import explains

pytestmark = [
    pytest.mark.full_only,
    pytest.mark.locked_only,
    pytest.mark.parametrize("storm_min", [0]),
]
KIND = "one memcached, a neighbour without a key"


@pytest.fixture
def lab(memcached: Memcached, start_lab: StartLab) -> Lab:
    lab = start_lab(memcached.url, kind=KIND)
    lab.overwritten = [DURING]
    return lab


def test_beats_for_the_dead(memcached: Memcached, lab: Lab) -> None:
    with Neighbour(memcached) as him:

        def beat() -> None:
            if (newest := him.beat_of(DURING)) is not None:
                him.forge(DURING, sequence=newest.sequence + 1)

        under_attack(lab, "beats for the dead", beat)


def test_recorded_beats_of_the_dead(memcached: Memcached, lab: Lab) -> None:
    recorded: list[bytes] = []
    turns = count()
    with Neighbour(memcached) as him:

        def record_and_replay() -> None:
            if DURING in lab.mortal:
                him.set(him.key_of(DURING), recorded[next(turns) % len(recorded)], 600)
            elif record := him.get(him.key_of(DURING)):
                recorded.append(record)

        for _ in range(20):
            record_and_replay()
            lab.last(0.25)
        under_attack(lab, "recorded beats of the dead", record_and_replay)


def test_beats_of_the_living_in_the_place_of_the_dead(memcached: Memcached, lab: Lab) -> None:
    others = cycle(CROWD)
    with Neighbour(memcached) as him:

        def copy() -> None:
            if record := him.get(him.key_of(next(others))):
                him.set(him.key_of(DURING), record, 600)

        under_attack(lab, "beats of the living for the dead", copy)


def test_members_invented_to_thin_out_a_zone(memcached: Memcached, lab: Lab) -> None:
    """Nobody without a key has a seat, so that they count for no mass silence either."""
    times = count(1)
    with Neighbour(memcached) as him:
        slots = {him.new_slot(): f"invented-{number}" for number in range(60)}

        def beat() -> None:
            number = next(times)
            for slot, name in slots.items():
                him.seat(slot, holder(name, "rack-1"), beat_of(name, number))

        under_attack(lab, "members invented in a zone", beat)


@pytest.mark.parametrize("stripped", [False, True], ids=["their mac", "no mac"])
def test_facts_of_others(memcached: Memcached, lab: Lab, stripped: bool) -> None:
    with Neighbour(memcached) as him:

        def lie() -> None:
            for name in CROWD[:4]:
                key = b"musterd:m:%08x" % him.slot_of(name)
                if said := read_announcement(him.get(key) or b""):
                    lied = Member(GROUP, name, "rack-9", "mallory", {"cpu": "mine"})
                    him.set(key, write_holder(lied, b"" if stripped else said[1]))
            shown = lab.coordinator.client.member(GROUP, CROWD[0])
            assert (shown.zone, shown.owner, shown.metadata) == ("rack-1", "", {})

        under_attack(lab, f"facts of others, {'no' if stripped else 'their'} mac", lie)


def test_an_agent_with_keys_of_another_fleet(memcached: Memcached, lab: Lab) -> None:
    with impostor(lab, CROWD[0], DURING):
        under_attack(lab, "an agent with keys of another fleet", lambda: None)


def impostor(lab: Lab, *names: str) -> Agent:
    """An agent for names of others, and keys that it made itself."""
    keys = {name: member_key(b"another fleet".ljust(32), NAMESPACE, GROUP, name) for name in names}
    text = "\n".join(f"{GROUP}/{name} {member_key_text(key)}" for name, key in keys.items())
    honest = lab.agents[DURING].settings
    return Agent(
        lab.store, *names, interval=1.0, zone="rack-9", member_key=text, ca_file=honest["ca_file"]
    )


OWN = {
    "the challenge": b"musterd:e",
    "the canary": b"musterd:c:",
}


@pytest.mark.parametrize("what", OWN)
def test_what_coordinators_write_is_overwritten(memcached: Memcached, lab: Lab, what: str) -> None:
    """There are no verdicts, and it is said why."""
    key = OWN[what]
    if key.endswith(b":"):
        key += lab.coordinator.client.status().coordinator.encode()
    with Neighbour(memcached) as him, lab.fault(f"{what} overwritten for 8 s"):
        for _ in range(80):
            him.set(key, bytes(64))
            lab.last(0.1)
    assert explains(lab.verify().explained, "canary", "challenge")
